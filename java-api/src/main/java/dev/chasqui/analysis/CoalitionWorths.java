package dev.chasqui.analysis;

import java.util.Arrays;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;

/// What coalitions of players are worth, each evaluated once. A coalition is an array of players in an order that matters to whoever evaluates it.
final class CoalitionWorths {

    /// Evaluates a coalition.
    @FunctionalInterface
    interface Worth {
        double of(int[] players);
    }

    private final Worth worth;
    private final int limit;
    private final SortedMap<int[], Double> known = new TreeMap<>(Arrays::compare);

    /// @param limit most evaluations
    CoalitionWorths(Worth worth, int limit) {
        this.worth = worth;
        this.limit = limit;
    }

    static SortedSet<int[]> set() {
        return new TreeSet<>(Arrays::compare);
    }

    /// Whether those of these coalitions that are not known yet can still be evaluated.
    boolean fits(SortedSet<int[]> wanted) {
        return wanted.stream().filter(coalition -> !known.containsKey(coalition)).count() <= limit - known.size();
    }

    /// Evaluates those that are not known yet, in the order of a dictionary: those that begin alike come one after the other.
    void evaluate(SortedSet<int[]> wanted) {
        for (int[] coalition : wanted) {
            if (!known.containsKey(coalition)) {
                known.put(coalition, worth.of(coalition));
            }
        }
    }

    /// The worth of a coalition that was evaluated.
    double of(int[] coalition) {
        return known.get(coalition);
    }

    int limit() {
        return limit;
    }

    int evaluations() {
        return known.size();
    }
}
