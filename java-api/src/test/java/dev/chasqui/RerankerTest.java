package dev.chasqui;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.within;

import dev.chasqui.Reranker.Ranked;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.Random;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@Tag("standalone")
class RerankerTest {

    @TempDir
    private static Path directory;

    private static Model model;

    @BeforeAll
    static void load() {
        model = Model.load(TinyBert.write(directory.resolve("rank.gguf"), 4));
    }

    @AfterAll
    static void close() {
        model.close();
    }

    @Test
    void documentsTogetherAreDocumentsAlone() {
        Random random = new Random(3);
        List<String> documents = IntStream.range(0, 30).mapToObj(i -> random.ints(1 + random.nextInt(20), 0, 100)
                .mapToObj(String::valueOf).collect(Collectors.joining(" "))).toList();
        try (Reranker reranker = Reranker.of(model, RerankerOptions.defaults().withBatchTokens(130).withMaxBatch(5).withThreads(1))) {
            float[] together = reranker.scores("1 2 3", documents);
            for (int i = 0; i < documents.size(); i++) {
                assertThat(reranker.scores("1 2 3", List.of(documents.get(i)))[0]).isEqualTo(together[i], within(5e-3f));
            }
            assertThat(together[0]).isNotEqualTo(together[1]);
            List<Ranked> ranked = reranker.rank("1 2 3", documents);
            assertThat(ranked).isSortedAccordingTo(Comparator.comparing(Ranked::score).reversed());
            assertThat(ranked).extracting(Ranked::index).doesNotHaveDuplicates().hasSize(30);
            assertThat(together[ranked.getFirst().index()]).isEqualTo(ranked.getFirst().score(), within(1e-6f));
            assertThat(reranker.scores("9 9", documents)).as("the query counts").isNotEqualTo(together);
        }
    }

    @Test
    void longDocumentsAreCut() {
        String document = IntStream.range(0, 60).mapToObj(String::valueOf).collect(Collectors.joining(" "));
        RerankerOptions options = RerankerOptions.defaults().withMaxTokens(24).withThreads(1);
        try (Reranker end = Reranker.of(model, options);
                Reranker start = Reranker.of(model, options.withTruncation(Truncation.START));
                Reranker fail = Reranker.of(model, options.withTruncation(Truncation.FAIL))) {
            // [CLS] a [SEP] and the document
            String first = IntStream.range(0, 21).mapToObj(String::valueOf).collect(Collectors.joining(" "));
            String last = IntStream.range(39, 60).mapToObj(String::valueOf).collect(Collectors.joining(" "));
            assertThat(end.scores("a", List.of(document))[0]).isEqualTo(fail.scores("a", List.of(first))[0], within(1e-5f));
            assertThat(start.scores("a", List.of(document))[0]).isEqualTo(fail.scores("a", List.of(last))[0], within(1e-5f));
            assertThatIllegalArgumentException().isThrownBy(() -> fail.scores("a", List.of("b", document))).withMessageContaining("document 1");
            assertThatIllegalArgumentException().isThrownBy(() -> end.scores(document, List.of("b")));
            assertThat(end.rank("a", List.of())).isEmpty();
        }
    }

    @Test
    void modelsWithoutAHead() {
        assertThatExceptionOfType(UnsupportedFeatureException.class).isThrownBy(() -> Reranker.of(TestModels.tiny()))
                .withMessageContaining("does not rank");
    }
}
