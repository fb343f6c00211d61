package dev.chasqui.diffusion;

import java.util.BitSet;
import java.util.Comparator;
import java.util.stream.IntStream;

/// Proposals, the most probable first, equals in the order of the text.
final class Ranking {

    private final int[] order;

    private Ranking(int[] order) {
        this.order = order;
    }

    static Ranking byProbability(Proposals proposals) {
        Comparator<Integer> byProbability = Comparator.comparing(proposals::probability);
        return new Ranking(IntStream.range(0, proposals.size()).boxed().sorted(byProbability.reversed()).mapToInt(Integer::intValue).toArray());
    }

    int index(int rank) {
        return order[rank];
    }

    /// Adds the first `count` to `chosen`.
    void first(int count, BitSet chosen) {
        for (int k = 0; k < Math.min(count, order.length); k++) {
            chosen.set(order[k]);
        }
    }

    /// Adds the first `count` of those in `wanted` to `chosen`.
    void first(int count, BitSet wanted, BitSet chosen) {
        for (int k = 0; k < order.length && count > 0; k++) {
            if (wanted.get(order[k])) {
                chosen.set(order[k]);
                count--;
            }
        }
    }
}
