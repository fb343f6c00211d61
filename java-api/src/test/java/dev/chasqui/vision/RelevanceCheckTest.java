package dev.chasqui.vision;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Test;

class RelevanceCheckTest {

    private static final BuiltInPruner PRUNER = TokenPruner.mmr();

    @Property
    void signTestCountsAllOutcomes(@ForAll @IntRange(max = 7) int better, @ForAll @IntRange(max = 7) int worse, @ForAll @IntRange(max = 3) int equal) {
        int n = better + worse;
        double[] a = new double[n + equal];
        double[] b = new double[n + equal];
        for (int i = 0; i < n; i++) {
            a[i] = i < better ? 1 : -1;
        }
        int asExtreme = 0;
        for (int outcome = 0; outcome < 1 << n; outcome++) {
            asExtreme += Math.abs(2 * Integer.bitCount(outcome) - n) >= Math.abs(better - worse) ? 1 : 0;
        }
        assertThat(RelevanceCheck.signTest(a, b)).isCloseTo((double) asExtreme / (1 << n), within(1e-12));
    }

    @Test
    void directionThatIsBetterThanChanceIsUsed() {
        assertThat(new RelevanceCheck(20, -1, -3, -2, 0.01, 0.02).applyTo(PRUNER)).isEqualTo(PRUNER.withImportance(Importance.TEXT));
        assertThat(new RelevanceCheck(20, -3, -1, -2, 0.01, 0.02).applyTo(PRUNER)).isEqualTo(PRUNER.withImportance(Importance.TEXT_INVERTED));
    }

    @Test
    void whatMayBeChanceIsNotUsed() {
        assertThat(new RelevanceCheck(20, -1, -3, -2, 0.06, 0.02).applyTo(PRUNER)).isSameAs(PRUNER);
        assertThat(new RelevanceCheck(20, -1, -3, -2, 0.01, 0.06).applyTo(PRUNER)).isSameAs(PRUNER);
        // both directions are worse than chance, and tell apart from it
        assertThat(new RelevanceCheck(20, -2, -3, -1, 0.01, 0.01).applyTo(PRUNER)).isSameAs(PRUNER);
    }
}
