package dev.chasqui.diffusion;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.constraints.FloatRange;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/// What policies choose, on proposals written by hand and against the rules spelled out.
@Tag("standalone")
class CommitPolicyTest {

    private static final int FIRST = 100;

    /// Proposals at the positions 100, 101, ...
    private static Proposals of(float... probabilities) {
        int[] positions = new int[probabilities.length];
        for (int i = 0; i < positions.length; i++) {
            positions[i] = FIRST + i;
        }
        return at(positions, probabilities);
    }

    private static Proposals at(int[] positions, float[] probabilities) {
        float[] entropies = new float[probabilities.length];
        for (int i = 0; i < entropies.length; i++) {
            entropies[i] = 3 * (1 - probabilities[i]);
        }
        return new Proposals(positions, new int[probabilities.length], probabilities, entropies, new float[probabilities.length]);
    }

    private static List<Integer> chosen(CommitPolicy policy, Proposals proposals) {
        BitSet chosen = new BitSet();
        policy.choose(proposals, chosen);
        return chosen.stream().boxed().toList();
    }

    @Test
    void thresholdTakesWhatReachesIt() {
        assertThat(chosen(CommitPolicy.threshold(0.9f), of(0.95f, 0.5f, 0.9f, 0.899f))).containsExactly(0, 2);
        assertThat(chosen(CommitPolicy.threshold(0.9f), of(0.1f, 0.2f))).isEmpty();
    }

    @Test
    void entropyTakesWhatIsBelowAndTheLeastAnyway() {
        assertThat(chosen(CommitPolicy.entropy(0.5f), of(0.9f, 0.5f, 0.84f))).containsExactly(0, 2); // 0.3, 1.5 and 0.48 nats
        assertThat(chosen(CommitPolicy.entropy(0.5f), of(0.2f, 0.5f, 0.5f))).containsExactly(1);
    }

    @Test
    void localLeapLowersTheBarNearAnchors() {
        Proposals proposals = of(0.8f, 0.95f, 0.74f, 0.76f, 0.5f, 0.75f, 0.8f);
        assertThat(chosen(CommitPolicy.localLeap(), proposals)).as("positions 1 to 5 are within 4 of the anchor 1").containsExactly(0, 1, 3, 5);
        assertThat(chosen(CommitPolicy.localLeap(0.9f, 0.75f, 0), proposals)).containsExactly(1);
        assertThat(chosen(CommitPolicy.localLeap(), of(0.8f, 0.89f, 0.8f))).as("no anchor").isEmpty();
        assertThat(chosen(CommitPolicy.localLeap(), at(new int[] {10, 14, 15}, new float[] {0.95f, 0.8f, 0.8f}))).as("distances in the text").containsExactly(0, 1);
    }

    @Test
    void bestTakesTheMostProbableTheFirstOfEquals() {
        assertThat(chosen(CommitPolicy.best(2), of(0.1f, 0.5f, 0.5f, 0.5f))).containsExactly(1, 2);
        assertThat(chosen(CommitPolicy.best(9), of(0.1f, 0.5f))).containsExactly(0, 1);
    }

    @Property
    void localLeapIsItsRule(@ForAll("probabilities") float[] probabilities, @ForAll @FloatRange(min = 0.5f, max = 1) float anchor,
            @ForAll @IntRange(max = 6) int window) {
        float relaxed = anchor * 0.8f;
        List<Integer> expected = new ArrayList<>();
        for (int i = 0; i < probabilities.length; i++) {
            boolean near = false;
            for (int a = 0; a < probabilities.length; a++) {
                near |= probabilities[a] >= anchor && Math.abs(i - a) <= window;
            }
            if (probabilities[i] >= (near ? relaxed : anchor)) {
                expected.add(i);
            }
        }
        assertThat(chosen(CommitPolicy.localLeap(anchor, relaxed, window), of(probabilities))).isEqualTo(expected);
    }

    @Property
    void factorIsItsRule(@ForAll("probabilities") float[] probabilities, @ForAll @FloatRange(min = 0.1f, max = 3) float factor) {
        List<Integer> taken = chosen(CommitPolicy.factor(factor), of(probabilities));
        float[] sorted = probabilities.clone();
        java.util.Arrays.sort(sorted);
        int n = 1;
        for (int k = 1; k <= sorted.length; k++) {
            n = (k + 1) * (1 - sorted[sorted.length - k]) < factor ? Math.max(n, k) : n;
        }
        assertThat(taken).hasSize(n);
        float least = (float) taken.stream().mapToDouble(i -> probabilities[i]).min().orElseThrow();
        for (int i = 0; i < probabilities.length; i++) {
            assertThat(taken.contains(i) || probabilities[i] <= least).isTrue();
        }
    }

    @Property
    void atMostKeepsTheBestOfWhatThePolicyChose(@ForAll("probabilities") float[] probabilities, @ForAll @IntRange(min = 1, max = 9) int count) {
        CommitPolicy every = (proposals, chosen) -> chosen.set(0, proposals.size(), true);
        CommitPolicy odd = (proposals, chosen) -> {
            for (int i = 1; i < proposals.size(); i += 2) {
                chosen.set(i);
            }
        };
        for (CommitPolicy policy : List.of(every, odd, CommitPolicy.threshold(0.5f), CommitPolicy.localLeap(0.6f, 0.4f, 3))) {
            List<Integer> all = chosen(policy, of(probabilities));
            List<Integer> some = chosen(policy.atMost(count), of(probabilities));
            assertThat(some).hasSize(Math.min(count, all.size())).isSubsetOf(all);
            for (int left : all) {
                assertThat(some.contains(left) || some.stream().allMatch(i -> probabilities[i] >= probabilities[left])).isTrue();
            }
        }
    }

    @Provide
    Arbitrary<float[]> probabilities() {
        return Arbitraries.floats().between(0, 1).array(float[].class).ofMinSize(1).ofMaxSize(40);
    }

    @Property
    void proposalsAreCopied(@ForAll @Size(min = 1, max = 8) int[] positions) {
        Proposals proposals = at(positions, new float[positions.length]);
        int before = proposals.position(0);
        positions[0] = before + 1;
        assertThat(proposals.position(0)).isEqualTo(before);
        assertThat(proposals.size()).isEqualTo(positions.length);
    }

    @Test
    void refusesWhatMakesNoSense() {
        for (float wrong : new float[] {-0.1f, 1.1f, Float.NaN}) {
            assertThatIllegalArgumentException().isThrownBy(() -> CommitPolicy.threshold(wrong));
            assertThatIllegalArgumentException().isThrownBy(() -> CommitPolicy.localLeap(wrong, 0, 1));
            assertThatIllegalArgumentException().isThrownBy(() -> CommitPolicy.localLeap(1, wrong, 1));
        }
        assertThatIllegalArgumentException().isThrownBy(() -> CommitPolicy.localLeap(0.5f, 0.6f, 1));
        assertThatIllegalArgumentException().isThrownBy(() -> CommitPolicy.localLeap(0.9f, 0.6f, -1));
        assertThatIllegalArgumentException().isThrownBy(() -> CommitPolicy.entropy(-1));
        assertThatIllegalArgumentException().isThrownBy(() -> CommitPolicy.entropy(Float.NaN));
        assertThatIllegalArgumentException().isThrownBy(() -> CommitPolicy.factor(0));
        assertThatIllegalArgumentException().isThrownBy(() -> CommitPolicy.factor(Float.POSITIVE_INFINITY));
        assertThatIllegalArgumentException().isThrownBy(() -> CommitPolicy.best(0));
        assertThatIllegalArgumentException().isThrownBy(() -> CommitPolicy.best(1).atMost(0));
        assertThatIllegalArgumentException().isThrownBy(() -> new Proposals(new int[2], new int[2], new float[2], new float[1], new float[2]));
    }
}
