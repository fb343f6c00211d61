package dev.chasqui.diffusion;

import java.util.BitSet;
import java.util.Objects;

/// Decides which proposals of a step are taken. Those that are stay as they are for good; the others are proposed anew, knowing them.
///
/// Taking many at once is fast, but each was proposed without the others: how much the answer suffers has to be measured on the task. If a policy takes none, the
/// decoder takes the most probable one, so that every step gets on.
///
/// Policies of this package are immutable and may be shared. One that keeps a state of its own belongs to one generation at a time.
@FunctionalInterface
public interface CommitPolicy {

    /// Chooses among the proposals for the masked positions of the current block, which come in the order of the text.
    ///
    /// @param proposals at least one
    /// @param chosen    empty; the indices of the proposals to take go in here
    void choose(Proposals proposals, BitSet chosen);

    /// The most probable `count` of each step: `count` = 1 takes as many steps as there are masks.
    static CommitPolicy best(int count) {
        atLeastOne(count);
        return (proposals, chosen) -> Ranking.byProbability(proposals).first(count, chosen);
    }

    /// All that are at least that probable, the policy of Fast-dLLM (arXiv 2505.22618), which suggests 0.9.
    static CommitPolicy threshold(float probability) {
        fraction("probability", probability);
        return (proposals, chosen) -> {
            for (int i = 0; i < proposals.size(); i++) {
                chosen.set(i, proposals.probability(i) >= probability);
            }
        };
    }

    /// All whose distribution has at most that entropy, and the one with the least, the policy of dParallel, which suggests 0.45 to 0.5 nats.
    static CommitPolicy entropy(float nats) {
        if (!(nats >= 0)) {
            throw new IllegalArgumentException("nats = " + nats + " is negative");
        }
        return (proposals, chosen) -> {
            int least = 0;
            for (int i = 0; i < proposals.size(); i++) {
                chosen.set(i, proposals.entropy(i) <= nats);
                least = proposals.entropy(i) < proposals.entropy(least) ? i : least;
            }
            chosen.set(least);
        };
    }

    /// As many as the product of their probabilities allows: the most probable n for the largest n with (n + 1)(1 − p) < `factor`, where p is the
    /// least probability among them; the factor rule of Fast-dLLM, near 1.
    static CommitPolicy factor(float factor) {
        if (!(factor > 0) || Float.isInfinite(factor)) {
            throw new IllegalArgumentException("factor = " + factor + " is not a positive number");
        }
        return (proposals, chosen) -> {
            Ranking ranking = Ranking.byProbability(proposals);
            int n = 0;
            for (int k = 1; k <= proposals.size(); k++) {
                if ((k + 1) * (1 - proposals.probability(ranking.index(k - 1))) < factor) {
                    n = k;
                }
            }
            ranking.first(Math.max(1, n), chosen);
        };
    }

    /// [#localLeap(float, float, int)] with the values of its paper: 0.9, 0.75 and 4.
    static CommitPolicy localLeap() {
        return localLeap(0.9f, 0.75f, 4);
    }

    /// LocalLeap (arXiv 2510.07081): proposals of at least probability `anchor` are taken, and within `window` positions of one of them those of at
    /// least `relaxed`, since what is near to something certain mostly stays.
    static CommitPolicy localLeap(float anchor, float relaxed, int window) {
        fraction("anchor", anchor);
        fraction("relaxed", relaxed);
        if (relaxed > anchor) {
            throw new IllegalArgumentException("relaxed = " + relaxed + " is more than anchor = " + anchor);
        }
        if (window < 0) {
            throw new IllegalArgumentException("window = " + window + " is negative");
        }
        return (proposals, chosen) -> {
            for (int a = 0; a < proposals.size(); a++) {
                if (!(proposals.probability(a) >= anchor)) {
                    continue;
                }
                for (int i = 0; i < proposals.size(); i++) {
                    long distance = Math.abs((long) proposals.position(i) - proposals.position(a));
                    if (distance <= window && proposals.probability(i) >= relaxed) {
                        chosen.set(i);
                    }
                }
            }
        };
    }

    /// This policy with a limit: of what it chooses the most probable `count` are taken.
    default CommitPolicy atMost(int count) {
        atLeastOne(count);
        return (proposals, chosen) -> {
            choose(proposals, chosen);
            if (chosen.cardinality() > count) {
                BitSet wanted = (BitSet) chosen.clone();
                chosen.clear();
                Ranking.byProbability(proposals).first(count, wanted, chosen);
            }
        };
    }

    private static void atLeastOne(int count) {
        if (count < 1) {
            throw new IllegalArgumentException("count = " + count + " is less than 1");
        }
    }

    private static void fraction(String name, float value) {
        if (!(value >= 0 && value <= 1)) {
            throw new IllegalArgumentException(Objects.requireNonNull(name) + " = " + value + " is not in 0..1");
        }
    }
}
