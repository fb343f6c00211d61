package dev.chasqui;

import dev.chasqui.kv.SparseAttention;
import dev.chasqui.speculation.Speculation;
import java.util.List;
import java.util.Objects;
import java.util.Optional;

/// How an answer is generated. Immutable.
///
/// @param maxTokens       most tokens to generate, at least 0; 0 computes the prompt only
/// @param sampler         how each token is picked
/// @param stop            strings that end the answer; they are not part of it
/// @param specialTokens   whether control tokens appear in the text
/// @param ignoreEnd       goes on after the model ends its answer (for measuring)
/// @param speculation     whether tokens are guessed ahead; the answer is the same
/// @param draftModel      a smaller model that guesses as well
/// @param sparseAttention attention to a part of the text before each token; the answer is another one, and nothing is guessed ahead
/// @param routing         a larger model that picks the tokens of which the model is unsure; the answer is another one, and nothing is guessed ahead
public record GenerationOptions(
        int maxTokens, Sampler sampler, List<String> stop, boolean specialTokens, boolean ignoreEnd, Speculation speculation,
        Optional<DraftModel> draftModel, Optional<SparseAttention> sparseAttention, Optional<Routing> routing) {

    private static final GenerationOptions DEFAULTS =
            new GenerationOptions(Integer.MAX_VALUE, Sampler.standard(), List.of(), false, false, Speculation.auto(), Optional.empty(), Optional.empty(),
                    Optional.empty());

    public GenerationOptions {
        if (maxTokens < 0) {
            throw new IllegalArgumentException("maxTokens is " + maxTokens + ", must be at least 0");
        }
        Objects.requireNonNull(sampler, "sampler");
        Objects.requireNonNull(speculation, "speculation");
        Objects.requireNonNull(draftModel, "draftModel");
        Objects.requireNonNull(sparseAttention, "sparseAttention");
        Objects.requireNonNull(routing, "routing");
        stop = List.copyOf(stop);
        if (stop.stream().anyMatch(String::isEmpty)) {
            throw new IllegalArgumentException("a stop string is empty");
        }
    }

    /// Until the model ends or the context is full, with [Sampler#standard()].
    public static GenerationOptions defaults() {
        return DEFAULTS;
    }

    public GenerationOptions withMaxTokens(int value) {
        return new GenerationOptions(value, sampler, stop, specialTokens, ignoreEnd, speculation, draftModel, sparseAttention, routing);
    }

    public GenerationOptions withSampler(Sampler value) {
        return new GenerationOptions(maxTokens, value, stop, specialTokens, ignoreEnd, speculation, draftModel, sparseAttention, routing);
    }

    public GenerationOptions withStop(String... values) {
        return new GenerationOptions(maxTokens, sampler, List.of(values), specialTokens, ignoreEnd, speculation, draftModel, sparseAttention, routing);
    }

    public GenerationOptions withSpecialTokens(boolean value) {
        return new GenerationOptions(maxTokens, sampler, stop, value, ignoreEnd, speculation, draftModel, sparseAttention, routing);
    }

    public GenerationOptions withIgnoreEnd(boolean value) {
        return new GenerationOptions(maxTokens, sampler, stop, specialTokens, value, speculation, draftModel, sparseAttention, routing);
    }

    public GenerationOptions withSpeculation(Speculation value) {
        return new GenerationOptions(maxTokens, sampler, stop, specialTokens, ignoreEnd, value, draftModel, sparseAttention, routing);
    }

    public GenerationOptions withDraftModel(DraftModel value) {
        return new GenerationOptions(maxTokens, sampler, stop, specialTokens, ignoreEnd, speculation, Optional.of(value), sparseAttention, routing);
    }

    public GenerationOptions withSparseAttention(SparseAttention value) {
        return new GenerationOptions(maxTokens, sampler, stop, specialTokens, ignoreEnd, speculation, draftModel, Optional.of(value), routing);
    }

    public GenerationOptions withRouting(Routing value) {
        return new GenerationOptions(maxTokens, sampler, stop, specialTokens, ignoreEnd, speculation, draftModel, sparseAttention, Optional.of(value));
    }
}
