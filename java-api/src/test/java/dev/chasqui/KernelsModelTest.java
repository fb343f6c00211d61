package dev.chasqui;

import static dev.chasqui.TestModels.concat;
import static dev.chasqui.TestModels.fresh;
import static dev.chasqui.TestModels.small;
import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Chasqui's kernels with real weights.
@Tag("model")
class KernelsModelTest {

    private static final int TOKENS = 64;
    /// Logits; the best are 10 to 35, and the largest lead seen is 0.47.
    private static final float UNDECIDED = 0.5f;

    /// Where the two part, llama.cpp must have been undecided itself.
    @ParameterizedTest
    @ValueSource(strings = {"The capital of Peru is", "Once upon a time, in a village at the foot of the mountains, there lived",
            "def fibonacci(n):\n", "1, 1, 2, 3, 5, 8, 13,", "SELECT name, COUNT(*) FROM orders"})
    void greedyTokensAreThoseOfLlamaCpp(String prompt) {
        ModelOptions options = ModelOptions.defaults();
        try (Model packed = Model.load(TestModels.smollm2().path(), options.withKernels(Kernels.ON));
                Model plain = Model.load(TestModels.smollm2().path(), options.withKernels(Kernels.OFF))) {
            assertThat(packed.info().packedBytes()).isGreaterThan(plain.info().sizeInBytes() / 2);
            assertThat(plain.info().packedBytes()).isZero();

            int[] tokens = packed.vocabulary().tokenize(prompt, true, false);
            int[] ours = fresh(packed, tokens, TOKENS);
            int[] theirs = fresh(plain, tokens, TOKENS);
            int at = Arrays.mismatch(ours, theirs);
            if (at >= 0) {
                float[] logits = logits(plain, concat(tokens, Arrays.copyOf(theirs, at)));
                assertThat(logits[theirs[at]] - logits[ours[at]]).as("lead of llama.cpp's choice of token %d", at).isLessThan(UNDECIDED);
            }
        }
    }

    private static float[] logits(Model model, int[] tokens) {
        try (Context context = model.newContext(small())) {
            Sequence sequence = context.newSequence();
            sequence.append(tokens);
            return sequence.logits();
        }
    }
}
