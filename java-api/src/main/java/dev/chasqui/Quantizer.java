package dev.chasqui;

import static dev.chasqui.bindings.Chq.*;

import dev.chasqui.bindings.HostMemory;
import dev.chasqui.bindings.chq_quantize_params;
import dev.chasqui.bindings.chq_quantize_progress;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// Writes models in other types of weights, as llama.cpp's `llama-quantize` does, in this process.
///
/// {@snippet class="snippets.ModelSnippets" region="quantize"}
///
/// Types that need an importance matrix are not supported. Thread-safe.
public final class Quantizer {

    /// Of the name of a tensor at most, with its terminator.
    private static final int NAME_BYTES = 65;

    private Quantizer() {
    }

    /// Quantises a file. What is at `output` afterwards, whatever happens, is either the old file or the new one, whole.
    ///
    /// @param input a model; the first part of one that is split, whose parts become one file
    /// @return the header of the new file
    /// @throws ModelLoadException          if the input cannot be used
    /// @throws UnsupportedFeatureException if the types are not possible for this model, or it is quantised already and
    ///                                     [QuantizeOptions#requantize()] does not say that this is meant
    /// @throws IllegalArgumentException    if input and output are the same file, or a pattern is no regular expression
    /// @throws CancelledException          if the listener stopped it
    /// @throws IOException                 if the output cannot be written; a [FileSystemException] says why, such as a full disk
    public static GgufFile quantize(Path input, Path output, QuantizeOptions options) throws IOException {
        Objects.requireNonNull(input, "input");
        Objects.requireNonNull(output, "output");
        Objects.requireNonNull(options, "options");
        if (!Files.exists(input)) {
            throw new ModelLoadException(input, "it does not exist");
        }
        if (Files.exists(output) && Files.isSameFile(input, output)) {
            throw new IllegalArgumentException("input and output are the same file: " + input);
        }
        Native.load();
        AtomicFile.write(output, aside -> quantize(input, output, aside, options));
        return GgufFile.read(output);
    }

    private static void quantize(Path input, Path output, Path aside, QuantizeOptions options) throws IOException {
        Files.delete(aside); // for the owner only; native code makes one as files are made
        Progress progress = new Progress(options.listener());
        try (Arena arena = Arena.ofConfined()) {
            int status = chq_quantize(Native.cString(arena, "input", input.toString()), Native.cString(arena, "output", aside.toString()),
                    parameters(options, arena), progress.upcall(arena), MemorySegment.NULL);
            progress.rethrow();
            NativeLog.drain();
            if (status == CHQ_STATUS_LOAD() || status == CHQ_STATUS_INTERNAL()) {
                throw new ModelLoadException(input, Status.lastError());
            }
            if (status == CHQ_STATUS_WRITE()) {
                throw new FileSystemException(output.toString(), null, Status.lastError());
            }
            Status.check(status);
        }
    }

    private static MemorySegment parameters(QuantizeOptions options, Arena arena) {
        MemorySegment p = chq_quantize_params.allocate(arena);
        chq_quantize_params.file_type(p, options.type().id());
        chq_quantize_params.n_threads(p, options.threads());
        chq_quantize_params.output_type(p, id(options.outputType()));
        chq_quantize_params.embedding_type(p, id(options.embeddingType()));
        chq_quantize_params.pure(p, options.pure());
        chq_quantize_params.quantize_output(p, options.quantizeOutput());
        chq_quantize_params.requantize(p, options.requantize());
        Map<String, GgmlType> types = options.tensorTypes();
        chq_quantize_params.patterns(p, Native.cStrings(arena, "pattern", types.keySet(), types.size()));
        chq_quantize_params.pattern_types(p, types.isEmpty() ? MemorySegment.NULL
                : arena.allocateFrom(ValueLayout.JAVA_INT, types.values().stream().mapToInt(GgmlType::id).toArray()));
        chq_quantize_params.n_patterns(p, types.size());
        return p;
    }

    private static int id(@Nullable GgmlType type) {
        return type == null ? -1 : type.id();
    }

    /// Passes calls of native code on, and what they throw around it.
    private static final class Progress {

        private final @Nullable QuantizeListener listener;
        private @Nullable Throwable failure;

        Progress(@Nullable QuantizeListener listener) {
            this.listener = listener;
        }

        MemorySegment upcall(Arena arena) {
            return listener == null ? MemorySegment.NULL : chq_quantize_progress.allocate((index, count, tensor, _) -> {
                try {
                    return listener.tensor(index, count, HostMemory.view(tensor, NAME_BYTES, arena).getString(0));
                } catch (Throwable e) {
                    failure = e;
                    return false;
                }
            }, arena);
        }

        void rethrow() {
            switch (failure) {
                case null -> { }
                case RuntimeException e -> throw e;
                case Error e -> throw e;
                case Throwable e -> throw new IllegalStateException(e);
            }
        }
    }
}
