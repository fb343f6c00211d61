package dev.chasqui.vision;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.chasqui.InsufficientMemoryException;
import java.util.BitSet;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

@Tag("standalone")
class TokenPrunerTest {

    private static List<String> names() {
        return TokenPruner.names();
    }

    private static BitSet bits(int... rows) {
        BitSet set = new BitSet();
        IntStream.of(rows).forEach(set::set);
        return set;
    }

    @Test
    void thereAreTheMethodsOfTheManual() {
        assertThat(TokenPruner.names()).containsExactly("mmr", "product", "k-center", "max-sum", "facility", "dpp", "coverage", "residual", "herding",
                "bipartite", "top", "random", "grid");
    }

    @ParameterizedTest
    @MethodSource("names")
    void keepsAsManyRowsAsAskedForTheSameEachTime(String name) {
        ImageTokens tokens = RandomRows.tokens(60, 48, 1).withGrid(10, 6).withQuestion(RandomRows.random(3, 48, 2), 3);
        TokenPruner pruner = TokenPruner.named(name);
        for (int keep : new int[] {0, 1, 7, 30, 59}) {
            int[] kept = tokens.select(pruner, keep);
            assertThat(kept).hasSize(keep);
            assertThat(tokens.select(pruner, keep)).containsExactly(kept);
        }
        assertThat(tokens.select(pruner, 60)).containsExactly(IntStream.range(0, 60).toArray());
        assertThat(tokens.select(pruner, Integer.MAX_VALUE)).hasSize(60);
        assertThat(ImageTokens.of(new float[0], 0, 48).select(pruner, 5)).isEmpty();
    }

    @ParameterizedTest
    @MethodSource("names")
    void forcedRowsAreKeptAndNanComesLast(String name) {
        float[] rows = RandomRows.random(30, 16, 3);
        rows[4 * 16 + 5] = Float.NaN;
        rows[9 * 16] = Float.POSITIVE_INFINITY;
        TokenPruner pruner = TokenPruner.named(name);
        ImageTokens tokens = ImageTokens.of(rows, 30, 16);
        assertThat(tokens.select(pruner, 28)).doesNotContain(4, 9).hasSize(28);
        assertThat(tokens.withForced(bits(4, 29)).select(pruner, 5)).contains(4, 29).hasSize(5);
        assertThatIllegalArgumentException().isThrownBy(() -> tokens.withForced(bits(1, 2, 3)).select(pruner, 2))
                .withMessage("3 rows are forced, and only 2 are to be kept");
    }

    @ParameterizedTest
    @MethodSource("names")
    void breaksComeAlongWithTheRowsBeforeThem(String name) {
        float[] rows = RandomRows.random(23, 8, 4); // 5 x 4 cells with a break after each row but the last
        for (int row = 5; row < 23; row += 6) {
            java.util.Arrays.fill(rows, row * 8, row * 8 + 8, 0.5f);
        }
        ImageTokens tokens = ImageTokens.of(rows, 23, 8).withGrid(5, 4).withBreaksFound();
        assertThat(tokens.breaks()).isEqualTo(bits(5, 11, 17));
        assertThat(ImageTokens.of(rows, 23, 8).withGrid(5, 4).withBreaksAfterGridRows(6).breaks()).isEqualTo(bits(5, 11, 17));
        for (int keep = 2; keep < 23; keep++) {
            int[] kept = tokens.select(TokenPruner.named(name), keep);
            assertThat(kept.length).isBetween(keep - 1, keep);
            for (int row = 0; row < 3; row++) {
                int first = row * 6;
                boolean any = IntStream.of(kept).anyMatch(i -> i >= first && i < first + 5);
                assertThat(IntStream.of(kept).anyMatch(i -> i == first + 5)).isEqualTo(any);
            }
        }
    }

    @Test
    void importanceThatIsGivenDecides() {
        ImageTokens tokens = RandomRows.tokens(6, 4, 1).withImportance(0, 5, 1, 4, Float.NaN, 3);
        assertThat(tokens.select(TokenPruner.top().withImportance(Importance.GIVEN), 3)).containsExactly(1, 3, 5);
        assertThat(tokens.select(TokenPruner.mmr(1).withImportance(Importance.GIVEN), 3)).containsExactly(1, 3, 5);
        assertThatIllegalArgumentException().isThrownBy(() -> RandomRows.tokens(6, 4, 1).select(TokenPruner.mmr().withImportance(Importance.GIVEN), 3))
                .withMessage("importance is to be given, and the image has none");
    }

    @Test
    void importanceByText() {
        float[] rows = {1, 0, 0, 0, 1, 0, 0, 0, 1, -1, 0, 0, 0, -1, 0, 0, 0, -1}; // their mean is 0
        ImageTokens tokens = ImageTokens.of(rows, 6, 3).withQuestion(new float[] {0, 2, 0}, 1);
        assertThat(tokens.select(TokenPruner.top().withImportance(Importance.TEXT), 1)).containsExactly(1);
        assertThat(tokens.select(TokenPruner.top().withImportance(Importance.TEXT_INVERTED), 1)).containsExactly(4);
        assertThatIllegalArgumentException().isThrownBy(() -> ImageTokens.of(rows, 6, 3).select(TokenPruner.top().withImportance(Importance.TEXT), 1))
                .withMessage("importance is by the question, and there is none");
    }

    @ParameterizedTest
    @ValueSource(strings = {"coverage", "bipartite", "random", "grid"})
    void whatAMethodDoesNotUseItDoesNotAskFor(String name) {
        ImageTokens tokens = RandomRows.tokens(9, 4, 1);
        int[] kept = tokens.select(TokenPruner.named(name), 3);
        assertThat(tokens.select(TokenPruner.named(name).withImportance(Importance.GIVEN), 3)).containsExactly(kept);
        assertThat(tokens.select(TokenPruner.named(name).withImportance(Importance.TEXT_INVERTED), 3)).containsExactly(kept);
    }

    @Test
    void coverageFollowsTheQuestion() {
        float[] rows = {1, 0, 0, 0.9f, 0.1f, 0, 0.9f, 0, 0.1f, 0, 1, 0, 0, 0, 1};
        ImageTokens tokens = ImageTokens.of(rows, 5, 3);
        assertThat(tokens.select(TokenPruner.coverage(), 1)).containsAnyOf(0, 1, 2); // most rows are like these
        assertThat(tokens.withQuestion(new float[] {0, 0, 1}, 1).select(TokenPruner.coverage(), 1)).containsExactly(4);
    }

    @Test
    void aWiderRowIsComparedByItsFirstFloatsOnly() {
        float[] narrow = RandomRows.random(20, 8, 5);
        float[] wide = RandomRows.random(20, 24, 6);
        for (int i = 0; i < 20; i++) {
            System.arraycopy(narrow, i * 8, wide, i * 24, 8);
        }
        ImageTokens tokens = ImageTokens.of(java.lang.foreign.MemorySegment.ofArray(wide), 20, 24, 8);
        assertThat(tokens.select(TokenPruner.mmr(), 6)).containsExactly(ImageTokens.of(narrow, 20, 8).select(TokenPruner.mmr(), 6));
    }

    @Test
    void projectionsAreRepeatableAndSimilar() {
        ImageTokens tokens = RandomRows.tokens(200, 1024, 7);
        int[] exact = tokens.select(TokenPruner.mmr(), 40);
        int[] projected = tokens.select(TokenPruner.mmr().withProjection(256), 40);
        assertThat(tokens.select(TokenPruner.mmr().withProjection(256), 40)).containsExactly(projected);
        assertThat(IntStream.of(projected).filter(i -> IntStream.of(exact).anyMatch(j -> i == j)).count()).isGreaterThan(25);
    }

    @ParameterizedTest
    @ValueSource(strings = {"mmr", "mmr:lambda=0.7:importance=text-inverted:sharpness=3.0", "coverage:image-weight=0.1:projection=256:seed=9", "dpp:theta=0.5",
        "facility:exponent=2.0:importance=given:scale=clipped", "random:seed=-3", "k-center:importance=spread"})
    void aKeyNamesItsPruner(String text) {
        BuiltInPruner pruner = TokenPruner.named(text);
        assertThat(TokenPruner.named(pruner.key())).isEqualTo(pruner);
        for (String part : text.split(":")) {
            assertThat(pruner.key().split(":")).contains(part);
        }
    }

    /// Keys are written to caches: they must not change by accident.
    @Test
    void keysAreStable() {
        assertThat(TokenPruner.mmr().key()).isEqualTo("mmr:lambda=0.5:importance=norm:scale=range:projection=0");
        assertThat(TokenPruner.mmr().withProjection(128).withSeed(2).key())
                .isEqualTo("mmr:lambda=0.5:importance=norm:scale=range:projection=128:seed=2");
        assertThat(TokenPruner.facilityLocation().key()).isEqualTo("facility:exponent=1.0:importance=none:scale=range:projection=0");
        assertThat(TokenPruner.coverage().key())
                .isEqualTo("coverage:text-temperature=0.02:image-temperature=0.2:image-weight=0.5:projection=0");
        assertThat(TokenPruner.grid(4).key()).isEqualTo("grid:seed=4");
        assertThat(TokenPruner.named("facility")).isEqualTo(TokenPruner.facilityLocation());
        assertThat(TokenPruner.mmr().name()).isEqualTo("mmr");
    }

    @Test
    void whatIsWrongWithAKeyIsSaid() {
        assertThatIllegalArgumentException().isThrownBy(() -> TokenPruner.named("mrm"))
                .withMessage("there is no pruner 'mrm'; there are mmr, product, k-center, max-sum, facility, dpp, coverage, residual, herding, bipartite, top, random, grid");
        assertThatIllegalArgumentException().isThrownBy(() -> TokenPruner.named("grid:lambda=1"))
                .withMessage("pruner grid has no option 'lambda'; it has seed");
        assertThatIllegalArgumentException().isThrownBy(() -> TokenPruner.named("mmr:lambda"))
                .withMessage("option 'lambda' of pruner mmr has no value, as in lambda=0.5");
        assertThatIllegalArgumentException().isThrownBy(() -> TokenPruner.named("mmr:lambda=much"))
                .withMessage("option lambda of pruner mmr is no number: 'much'");
        assertThatIllegalArgumentException().isThrownBy(() -> TokenPruner.named("mmr:lambda=2"))
                .withMessage("option lambda of pruner mmr cannot be '2': lambda = 2.0 is not in 0.0..1.0");
        assertThatIllegalArgumentException().isThrownBy(() -> TokenPruner.named("mmr:importance=size"))
                .withMessage("option importance of pruner mmr cannot be 'size': it is one of none, norm, spread, text, text-inverted, given");
        assertThatIllegalArgumentException().isThrownBy(() -> TokenPruner.named("mmr:projection=100"));
        assertThatIllegalArgumentException().isThrownBy(() -> TokenPruner.named(""));
        assertThatIllegalArgumentException().isThrownBy(() -> TokenPruner.mmr(Float.NaN));
    }

    @Test
    void onlySomeUseTheQuestion() {
        assertThat(TokenPruner.mmr().usesQuestion()).isFalse();
        assertThat(TokenPruner.mmr().withImportance(Importance.TEXT).usesQuestion()).isTrue();
        assertThat(TokenPruner.grid(0).withImportance(Importance.TEXT).usesQuestion()).isFalse();
        assertThat(TokenPruner.coverage().usesQuestion()).isTrue();
        TokenPruner own = (tokens, keep) -> new int[0];
        assertThat(own.usesQuestion()).isTrue();
    }

    @Test
    void aPrunerOfOnesOwn() {
        TokenPruner first = (tokens, keep) -> IntStream.range(0, Math.min(keep, tokens.count())).toArray();
        assertThat(RandomRows.tokens(9, 2, 1).select(first, 3)).containsExactly(0, 1, 2);
        TokenPruner other = (tokens, keep) -> new int[0];
        assertThat(first.key()).isEqualTo(first.key()).isNotEqualTo(other.key());
    }

    @Test
    void whatAPrunerGivesIsChecked() {
        ImageTokens tokens = RandomRows.tokens(9, 2, 1);
        TokenPruner named = new TokenPruner() {
            @Override
            public int[] select(ImageTokens image, int keep) {
                return new int[] {1, 2, 2};
            }

            @Override
            public String name() {
                return "mine";
            }
        };
        assertThatIllegalStateException().isThrownBy(() -> tokens.select(named, 4)).withMessage("pruner mine gave row 2 after row 2");
        assertThatIllegalStateException().isThrownBy(() -> tokens.select(named, 2)).withMessage("pruner mine kept 3 rows where 2 were asked for");
        assertThatIllegalStateException().isThrownBy(() -> tokens.select((t, k) -> new int[] {3, 1}, 4)).withMessageContaining("gave row 1 after row 3");
        assertThatIllegalStateException().isThrownBy(() -> tokens.select((t, k) -> new int[] {-1}, 4)).withMessageContaining("gave row -1 of 9");
        assertThatIllegalStateException().isThrownBy(() -> tokens.select((t, k) -> new int[] {9}, 4)).withMessageContaining("gave row 9 of 9");
        assertThatIllegalStateException().isThrownBy(() -> tokens.select((t, k) -> null, 4)).withMessageContaining("gave null");
        assertThatIllegalArgumentException().isThrownBy(() -> tokens.select(named, -1));
        assertThatIllegalArgumentException().isThrownBy(() -> TokenPruner.mmr().select(tokens, -1));
    }

    @Test
    void moreThanThereIsMemoryFor() {
        int count = 3_000_000;
        ImageTokens tokens = ImageTokens.of(new float[count], count, 1);
        assertThatThrownBy(() -> tokens.select(TokenPruner.facilityLocation(), 10)).isInstanceOf(InsufficientMemoryException.class);
    }
}
