package dev.chasqui;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Objects;
import java.util.SequencedMap;
import org.jspecify.annotations.Nullable;

/// How a model is quantised. Immutable.
///
/// @param type           of the file
/// @param pure           every matrix in the one type of the file, no mixture
/// @param threads        0 = one for each physical core; IQ3 types use one
/// @param outputType     of the output layer, or null = as the file's type has it
/// @param embeddingType  of the token embeddings, or null = as the file's type has it
/// @param tensorTypes    regular expressions, of at most 256 bytes, that are looked for in the names of tensors, and the types of those in
///                       which they are found; the first one counts. They have no effect where the file's type is F32, F16 or BF16
/// @param quantizeOutput false leaves the output layer as it is
/// @param requantize     takes a model that is quantised already; its answers get worse than those of one made from the original
/// @param listener       hears of progress, or null
public record QuantizeOptions(
        QuantizationType type,
        boolean pure,
        int threads,
        @Nullable GgmlType outputType,
        @Nullable GgmlType embeddingType,
        SequencedMap<String, GgmlType> tensorTypes,
        boolean quantizeOutput,
        boolean requantize,
        @Nullable QuantizeListener listener) {

    public QuantizeOptions {
        Objects.requireNonNull(type, "type");
        if (threads < 0 || threads > 512) {
            throw new IllegalArgumentException("threads = " + threads + " is not in 0..512");
        }
        tensorTypes = Collections.unmodifiableSequencedMap(new LinkedHashMap<>(tensorTypes));
        tensorTypes.forEach((pattern, wanted) -> {
            Objects.requireNonNull(wanted, "a type in tensorTypes");
            if (pattern.isEmpty()) {
                throw new IllegalArgumentException("a pattern in tensorTypes is empty");
            }
        });
    }

    /// A file of that type, with the mixture that llama.cpp has for it.
    public static QuantizeOptions to(QuantizationType type) {
        return new QuantizeOptions(type, false, 0, null, null, new LinkedHashMap<>(), true, false, null);
    }

    public QuantizeOptions withPure(boolean value) {
        return new QuantizeOptions(type, value, threads, outputType, embeddingType, tensorTypes, quantizeOutput, requantize, listener);
    }

    public QuantizeOptions withThreads(int value) {
        return new QuantizeOptions(type, pure, value, outputType, embeddingType, tensorTypes, quantizeOutput, requantize, listener);
    }

    public QuantizeOptions withOutputType(@Nullable GgmlType value) {
        return new QuantizeOptions(type, pure, threads, value, embeddingType, tensorTypes, quantizeOutput, requantize, listener);
    }

    public QuantizeOptions withEmbeddingType(@Nullable GgmlType value) {
        return new QuantizeOptions(type, pure, threads, outputType, value, tensorTypes, quantizeOutput, requantize, listener);
    }

    public QuantizeOptions withTensorTypes(SequencedMap<String, GgmlType> value) {
        return new QuantizeOptions(type, pure, threads, outputType, embeddingType, value, quantizeOutput, requantize, listener);
    }

    public QuantizeOptions withQuantizeOutput(boolean value) {
        return new QuantizeOptions(type, pure, threads, outputType, embeddingType, tensorTypes, value, requantize, listener);
    }

    public QuantizeOptions withRequantize(boolean value) {
        return new QuantizeOptions(type, pure, threads, outputType, embeddingType, tensorTypes, quantizeOutput, value, listener);
    }

    public QuantizeOptions withListener(@Nullable QuantizeListener value) {
        return new QuantizeOptions(type, pure, threads, outputType, embeddingType, tensorTypes, quantizeOutput, requantize, value);
    }
}
