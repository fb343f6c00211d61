package dev.chasqui.cli;

import dev.chasqui.Generation;
import dev.chasqui.GenerationOptions;
import dev.chasqui.GenerationStats;
import dev.chasqui.Sampler;
import dev.chasqui.Sequence;
import java.util.Arrays;

/// An answer of the best tokens, to be compared with another.
///
/// @param tokens prompt and answer
record GreedyAnswer(int[] tokens, GenerationStats stats) {

    static GreedyAnswer of(Sequence sequence, int[] prompt, GenerationOptions options) {
        try (Generation generation = sequence.generate(prompt, options.withSampler(Sampler.greedy()))) {
            for (String piece : generation) {
                assert !piece.isEmpty();
            }
            return new GreedyAnswer(sequence.tokens(), generation.stats());
        }
    }

    /// How far the best logit is above the second one after the first `length` tokens, of which those beyond the prompt are computed one by one.
    double lead(Sequence sequence, int length) {
        sequence.rewind(0);
        int prompt = Math.min(stats.promptTokens(), length);
        sequence.append(Arrays.copyOf(tokens, prompt));
        for (int i = prompt; i < length; i++) {
            sequence.append(tokens[i]);
        }
        float best = Float.NEGATIVE_INFINITY;
        float second = Float.NEGATIVE_INFINITY;
        for (float logit : sequence.logits()) {
            second = Math.max(second, Math.min(best, logit));
            best = Math.max(best, logit);
        }
        return best - second;
    }
}
