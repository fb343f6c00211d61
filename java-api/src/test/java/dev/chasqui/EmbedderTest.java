package dev.chasqui;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.within;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

@Tag("standalone")
class EmbedderTest {

    /// Of a KV cache whose numbers have 16 bits, in another order of additions.
    private static final float ROUNDING = 2e-3f;

    @TempDir
    private static Path directory;

    private static Model bert;

    @BeforeAll
    static void load() {
        bert = Model.load(TinyBert.write(directory.resolve("bert.gguf"), 1));
    }

    @AfterAll
    static void close() {
        bert.close();
    }

    @ParameterizedTest
    @EnumSource(value = Pooling.class)
    void textsTogetherAreTextsAlone(Pooling pooling) {
        for (Model model : List.of(bert, TestModels.tiny())) {
            List<String> texts = texts(23, 30, 5);
            EmbedderOptions options = EmbedderOptions.defaults().withPooling(pooling).withMaxTokens(100).withBatchTokens(160).withMaxBatch(7).withThreads(1);
            try (Embedder embedder = Embedder.of(model, options); EmbeddingMatrix together = embedder.embed(texts)) {
                assertThat(together.rows()).isEqualTo(texts.size());
                assertThat(together.dimensions()).isEqualTo(64);
                List<Integer> order = new ArrayList<>(IntStream.range(0, texts.size()).boxed().toList());
                Collections.shuffle(order, new Random(1));
                try (EmbeddingMatrix shuffled = embedder.embed(order.stream().map(texts::get).toList())) {
                    for (int i = 0; i < order.size(); i++) {
                        float[] alone = embedder.embed(texts.get(order.get(i)));
                        assertThat(alone).containsExactly(shuffled.row(i), within(ROUNDING));
                        assertThat(alone).containsExactly(together.row(order.get(i)), within(ROUNDING));
                        assertThat(length(alone)).isEqualTo(1, within(1e-5));
                    }
                }
                if (model == bert || pooling != Pooling.FIRST) { // the first token of all is the same, and sees nothing else
                    assertThat(together.cosine(0, 1)).isLessThan(0.9999f);
                }
            }
        }
    }

    @Test
    void poolingsDiffer() {
        float[][] rows = new float[3][];
        Pooling[] poolings = {Pooling.MEAN, Pooling.FIRST, Pooling.LAST};
        for (int i = 0; i < rows.length; i++) {
            try (Embedder embedder = Embedder.of(bert, options().withPooling(poolings[i]))) {
                rows[i] = embedder.embed("3 4 5 6");
            }
        }
        try (EmbeddingMatrix all = EmbeddingMatrix.of(rows); Embedder own = Embedder.of(bert, options())) {
            assertThat(all.cosine(0, 1)).isLessThan(0.999f);
            assertThat(all.cosine(1, 2)).isLessThan(0.999f);
            assertThat(own.embed("3 4 5 6")).containsExactly(rows[0], within(1e-6f));
        }
    }

    @Test
    void firstDimensionsHaveUnitLength() {
        try (Embedder whole = Embedder.of(bert, options().withNormalize(false)); Embedder few = Embedder.of(bert, options().withDimensions(16))) {
            float[] raw = Arrays.copyOf(whole.embed("a b c"), 16);
            float[] unit = few.embed("a b c");
            assertThat(few.dimensions()).isEqualTo(16);
            double length = length(raw);
            for (int i = 0; i < 16; i++) {
                assertThat(unit[i]).isEqualTo((float) (raw[i] / length), within(1e-5f));
            }
        }
    }

    @Test
    void longTextsAreCutWhereTheOptionsSay() {
        String text = IntStream.range(0, 60).mapToObj(String::valueOf).collect(Collectors.joining(" "));
        try (Embedder start = Embedder.of(bert, options().withMaxTokens(22).withTruncation(Truncation.START));
                Embedder end = Embedder.of(bert, options().withMaxTokens(22).withTruncation(Truncation.END));
                Embedder fail = Embedder.of(bert, options().withMaxTokens(22))) {
            String last = IntStream.range(40, 60).mapToObj(String::valueOf).collect(Collectors.joining(" "));
            String first = IntStream.range(0, 20).mapToObj(String::valueOf).collect(Collectors.joining(" "));
            assertThat(start.embed(text)).containsExactly(fail.embed(last), within(1e-5f));
            assertThat(end.embed(text)).containsExactly(fail.embed(first), within(1e-5f));
            assertThatIllegalArgumentException().isThrownBy(() -> fail.embed(List.of("a", text)))
                    .withMessage("text 1 has 62 tokens, at most 22 are possible");
        }
    }

    @Test
    void noTextIsLongerThanTheModelsTableOfPositions() {
        assertThatIllegalArgumentException().isThrownBy(() -> Embedder.of(bert, options().withMaxTokens(TinyBert.CONTEXT + 1)));
        try (Embedder embedder = Embedder.of(bert, options().withTruncation(Truncation.END))) {
            assertThat(embedder.maxTokens()).isEqualTo(TinyBert.CONTEXT);
            assertThat(length(embedder.embed("x ".repeat(1000)))).isEqualTo(1, within(1e-5));
            assertThatIllegalArgumentException().isThrownBy(() -> embedder.embedTokens(List.of(new int[TinyBert.CONTEXT + 1])));
            assertThatIllegalArgumentException().isThrownBy(() -> embedder.embedTokens(List.of(new int[] {1_000_000})));
            assertThatIllegalArgumentException().isThrownBy(() -> embedder.embedTokens(List.of(new int[0])));
            assertThatIllegalArgumentException().isThrownBy(() -> embedder.embed(List.of()));
        }
    }

    @Test
    void manyThreads() {
        List<String> texts = texts(12, 20, 9);
        try (Embedder embedder = Embedder.of(bert, options()); EmbeddingMatrix expected = embedder.embed(texts)) {
            List<CompletableFuture<float[]>> answers = texts.stream().map(text -> TestModels.async(() -> embedder.embed(text))).toList();
            for (int i = 0; i < texts.size(); i++) {
                assertThat(answers.get(i).join()).containsExactly(expected.row(i), within(ROUNDING));
            }
        }
    }

    @Test
    void closedInAnyOrder() {
        Model model = Model.load(TinyBert.write(directory.resolve("other.gguf"), 2));
        Embedder embedder = Embedder.of(model);
        model.close();
        assertThatIllegalStateException().isThrownBy(() -> embedder.embed("a"));
        EmbeddingMatrix rows = embedder.embedTokens(List.of(new int[] {5, 6}, new int[] {7}));
        embedder.close();
        embedder.close();
        assertThat(rows.row(1)).hasSize(64);
        rows.close();
        rows.close();
        assertThatIllegalStateException().isThrownBy(() -> embedder.embedTokens(List.of(new int[] {5})));
        assertThatIllegalStateException().isThrownBy(() -> rows.cosine(0, 1));
        assertThatIllegalStateException().isThrownBy(() -> Embedder.of(model));
    }

    @Test
    void rerankersAreNotEmbedders() {
        try (Model model = Model.load(TinyBert.write(directory.resolve("rank.gguf"), 4))) {
            assertThatExceptionOfType(UnsupportedFeatureException.class).isThrownBy(() -> Embedder.of(model, options()));
            try (Embedder embedder = Embedder.of(model, options().withPooling(Pooling.FIRST))) {
                assertThat(embedder.dimensions()).isEqualTo(64);
            }
        }
    }

    @Test
    void cancelledFromAnotherThread() throws InterruptedException {
        try (Embedder embedder = Embedder.of(TestModels.tiny(), options())) {
            List<String> many = texts(2000, 60, 2);
            CompletableFuture<Void> work = TestModels.async(() -> embedder.embed(many).close());
            while (!work.isDone()) {
                embedder.cancel();
                Thread.sleep(5);
            }
            assertThat(work).isCompletedExceptionally();
            assertThatExceptionOfType(CompletionException.class).isThrownBy(work::join)
                    .withCauseInstanceOf(CancelledException.class);
            assertThat(embedder.embed("the river")).hasSize(64);
        }
    }

    private static EmbedderOptions options() {
        return EmbedderOptions.defaults().withThreads(1);
    }

    private static List<String> texts(int count, int most, long seed) {
        Random random = new Random(seed);
        return IntStream.range(0, count)
                .mapToObj(i -> random.ints(1 + random.nextInt(most), 0, 100).mapToObj(String::valueOf).collect(Collectors.joining(" ")))
                .toList();
    }

    private static double length(float[] row) {
        double sum = 0;
        for (float x : row) {
            sum += (double) x * x;
        }
        return Math.sqrt(sum);
    }
}
