package dev.chasqui;

import static dev.chasqui.TestModels.tokens;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;

import dev.chasqui.kv.CompressedPrompt;
import dev.chasqui.kv.PromptCompression;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@Tag("standalone")
class PromptCompressorTest {

    private static final int LONGEST = 1400;
    private static final PromptCompression FEW = PromptCompression.toTokens(100).withSinks(4).withWindow(20);

    private final Model model = TestModels.tiny();

    @Test
    void whatIsKeptIsThatPartOfThePromptInItsOrder() {
        int[] prompt = tokens(1200, 1);
        try (PromptCompressor compressor = model.promptCompressor(FEW, LONGEST)) {
            CompressedPrompt shorter = compressor.compress(prompt);
            assertThat(shorter.kept()).hasSize(100).isSorted().doesNotHaveDuplicates();
            assertThat(Arrays.copyOf(shorter.kept(), 4)).containsExactly(0, 1, 2, 3);
            assertThat(Arrays.copyOfRange(shorter.kept(), 80, 100)).containsExactly(IntStream.range(1180, 1200).toArray());
            assertThat(shorter.tokens()).isEqualTo(Arrays.stream(shorter.kept()).map(i -> prompt[i]).toArray());
            assertThat(shorter.promptTokens()).isEqualTo(1200);
            assertThat(shorter.ratio()).isEqualTo(100 / 1200.0);
            assertThat(shorter.layers()).isEqualTo(compressor.layer() + 1);
            assertThat(shorter.duration()).isPositive();
        }
    }

    @Test
    void theOptionsDecideWhatIsKept() {
        int[] prompt = tokens(600, 2);
        int[] usual = kept(FEW, prompt);
        assertThat(kept(FEW, prompt)).isEqualTo(usual);
        assertThat(kept(FEW.withLayer(0), prompt)).isNotEqualTo(usual);
        assertThat(kept(FEW.withLayer(1), prompt)).as("after two thirds of the layers").isEqualTo(usual);
        assertThat(kept(FEW.withPooling(1), prompt)).isNotEqualTo(usual);
        assertThat(kept(FEW.withQueries(20), prompt)).isNotEqualTo(usual);
        assertThat(kept(FEW.withScore(PromptCompression.Score.PRODUCT), prompt)).isNotEqualTo(usual);
        assertThat(kept(FEW.withShare(0.25).withTokens(0), prompt)).hasSize(150);
        assertThat(kept(FEW.withShare(0.01), prompt)).as("the larger of both").isEqualTo(usual);
    }

    private int[] kept(PromptCompression options, int[] prompt) {
        try (PromptCompressor compressor = model.promptCompressor(options, LONGEST)) {
            return compressor.compress(prompt).kept();
        }
    }

    @Test
    void thePartsThatACallNamesAreKept() {
        try (PromptCompressor compressor = model.promptCompressor(FEW, LONGEST)) {
            int[] kept = compressor.compress(tokens(600, 3), 30, 50).kept();
            assertThat(Arrays.copyOf(kept, 30)).containsExactly(IntStream.range(0, 30).toArray());
            assertThat(Arrays.copyOfRange(kept, 50, 100)).containsExactly(IntStream.range(550, 600).toArray());
            assertThatIllegalArgumentException().isThrownBy(() -> compressor.compress(tokens(600, 3), 60, 50)).withMessageContaining("100");
            assertThatIllegalArgumentException().isThrownBy(() -> compressor.compress(tokens(600, 3), Integer.MAX_VALUE, Integer.MAX_VALUE));
            assertThatIllegalArgumentException().isThrownBy(() -> compressor.compress(tokens(600, 3), -1, 50));
            assertThatIllegalArgumentException().isThrownBy(() -> compressor.compress(tokens(600, 3), 1, 0));
        }
    }

    @Test
    void aShortPromptStaysWhole() {
        int[] prompt = tokens(100, 1);
        try (PromptCompressor compressor = model.promptCompressor(FEW, LONGEST)) {
            CompressedPrompt same = compressor.compress(prompt);
            assertThat(same.tokens()).isEqualTo(prompt);
            assertThat(same.layers()).isZero();
            assertThat(same.ratio()).isEqualTo(1);
            assertThat(compressor.compress(tokens(101, 1)).tokens()).hasSize(100);
        }
    }

    @Test
    void aSecondQuestionAboutTheSameTextComputesOnlyWhatIsNew() {
        int[] first = tokens(LONGEST, 1);
        int[] second = first.clone();
        System.arraycopy(tokens(25, 9), 0, second, LONGEST - 25, 25);
        try (PromptCompressor compressor = model.promptCompressor(FEW, LONGEST)) {
            int[] firstKept = compressor.compress(first).kept();
            int[] secondKept = compressor.compress(second).kept();
            assertThat(secondKept).isNotEqualTo(firstKept);
            // a prompt in other parts differs in its last bits, which may exchange the last of those that are kept
            assertThat(secondKept).satisfies(kept -> assertThat(common(kept, kept(FEW, second))).isGreaterThanOrEqualTo(98));
            assertThat(common(compressor.compress(first).kept(), firstKept)).isGreaterThanOrEqualTo(98);
            assertThat(compressor.compress(Arrays.copyOf(first, 800)).promptTokens()).isEqualTo(800);
            assertThat(common(compressor.compress(first).kept(), firstKept)).isGreaterThanOrEqualTo(98);
        }
    }

    private static long common(int[] a, int[] b) {
        return Arrays.stream(a).filter(i -> Arrays.binarySearch(b, i) >= 0).count();
    }

    @Test
    void whatIsLeftIsAnsweredLikeAnyPrompt() {
        try (PromptCompressor compressor = model.promptCompressor(FEW, LONGEST);
             Context context = model.newContext(ContextOptions.defaults().withContextSize(256));
             Sequence sequence = context.newSequence()) {
            int[] shorter = compressor.compress(tokens(1200, 4)).tokens();
            GenerationOptions options = GenerationOptions.defaults().withMaxTokens(5).withIgnoreEnd(true);
            try (Generation answer = sequence.generate(shorter, options)) {
                answer.text();
                assertThat(answer.stats().promptTokens()).isEqualTo(100);
                assertThat(answer.stats().generatedTokens()).isEqualTo(5);
            }
        }
    }

    @Test
    void promptsThatCannotBeCompressedAreRefused() {
        try (PromptCompressor compressor = model.promptCompressor(FEW, LONGEST)) {
            int[] expected = compressor.compress(tokens(500, 5)).kept();
            assertThatNullPointerException().isThrownBy(() -> compressor.compress((int[]) null));
            assertThatIllegalArgumentException().isThrownBy(compressor::compress).withMessageContaining("empty");
            assertThatExceptionOfType(ContextFullException.class).isThrownBy(() -> compressor.compress(tokens(LONGEST + 1, 1)))
                    .satisfies(full -> assertThat(full.needed()).isEqualTo(LONGEST + 1));
            int[] wrong = tokens(500, 5);
            wrong[250] = -1;
            assertThatIllegalArgumentException().isThrownBy(() -> compressor.compress(wrong)).withMessageContaining("-1");
            wrong[250] = Integer.MAX_VALUE;
            assertThatIllegalArgumentException().isThrownBy(() -> compressor.compress(wrong));
            assertThat(compressor.compress(tokens(500, 5)).kept()).as("after all that").isEqualTo(expected);
        }
    }

    @Test
    void anotherThreadCancels() throws InterruptedException {
        int[] prompt = tokens(LONGEST, 6);
        try (PromptCompressor compressor = model.promptCompressor(FEW, LONGEST)) {
            int[] expected = compressor.compress(prompt).kept();
            compressor.cancel();
            assertThat(compressor.compress(prompt).kept()).as("cancelled while nothing was computed").isEqualTo(expected);
            int cancelled = 0;
            for (int round = 0; round < 20; round++) {
                int[] other = tokens(LONGEST, 100 + round);
                Thread canceller = Thread.ofPlatform().start(() -> {
                    for (int i = 0; i < 100; i++) {
                        compressor.cancel();
                    }
                });
                try {
                    compressor.compress(other);
                } catch (CancelledException _) {
                    cancelled++;
                }
                canceller.join();
            }
            assertThat(cancelled).isPositive();
            assertThat(compressor.compress(prompt).kept()).isEqualTo(expected);
        }
    }

    @Test
    void aClosedOneIsOfNoUse() {
        PromptCompressor compressor = model.promptCompressor(FEW, LONGEST);
        compressor.close();
        compressor.close();
        compressor.cancel();
        assertThatIllegalStateException().isThrownBy(() -> compressor.compress(tokens(500, 1))).withMessageContaining("closed");
    }

    @Test
    void modelsAndLayersThatCannotChooseAreRefused(@TempDir Path folder) {
        assertThatIllegalArgumentException().isThrownBy(() -> model.promptCompressor(FEW.withLayer(2), LONGEST)).withMessageContaining("layer 2");
        assertThatIllegalArgumentException().isThrownBy(() -> model.promptCompressor(FEW, 0));
        assertThatIllegalArgumentException().isThrownBy(() -> model.promptCompressor(FEW, Integer.MAX_VALUE));
        assertThatNullPointerException().isThrownBy(() -> model.promptCompressor(null, LONGEST));
        try (Model recurrent = Model.load(TinyMamba.write(folder.resolve("mamba.gguf")))) {
            assertThatExceptionOfType(UnsupportedFeatureException.class).isThrownBy(() -> recurrent.promptCompressor(FEW, LONGEST));
        }
    }

    @Test
    void valuesOutOfRangeAreRefused() {
        assertThatIllegalArgumentException().isThrownBy(() -> PromptCompression.toTokens(0));
        assertThatIllegalArgumentException().isThrownBy(() -> PromptCompression.toTokens(-1));
        assertThatIllegalArgumentException().isThrownBy(() -> PromptCompression.toShare(0));
        assertThatIllegalArgumentException().isThrownBy(() -> PromptCompression.toShare(1.1));
        assertThatIllegalArgumentException().isThrownBy(() -> PromptCompression.toShare(Double.NaN));
        assertThatIllegalArgumentException().isThrownBy(() -> FEW.withLayer(-1));
        assertThatIllegalArgumentException().isThrownBy(() -> FEW.withSinks(-1));
        assertThatIllegalArgumentException().isThrownBy(() -> FEW.withWindow(0));
        assertThatIllegalArgumentException().isThrownBy(() -> FEW.withQueries(0));
        assertThatIllegalArgumentException().isThrownBy(() -> FEW.withQueries(21));
        assertThatIllegalArgumentException().isThrownBy(() -> FEW.withPooling(0));
        assertThatIllegalArgumentException().isThrownBy(() -> FEW.withPooling(4));
        assertThatIllegalArgumentException().isThrownBy(() -> FEW.withPooling(257));
        assertThat(FEW.keptOf(Integer.MAX_VALUE)).isEqualTo(100);
        assertThat(FEW.withShare(1).withTokens(0).keptOf(Integer.MAX_VALUE)).isEqualTo(Integer.MAX_VALUE);
    }
}
