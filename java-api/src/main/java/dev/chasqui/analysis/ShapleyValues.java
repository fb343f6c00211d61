package dev.chasqui.analysis;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.SortedSet;
import java.util.stream.IntStream;

/// How much each player brings to what all of them are worth together: the mean, over all orders in which they may join, of what the worth grows by when it joins. Players
/// of a group join one after the other, without others in between; these are Owen values, and with one player in each group Shapley values. The values of a group's players
/// add up to the Shapley value of the group, and those of all to the worth of all less that of none.
///
/// Knows nothing of models.
///
/// @param values one for each player
/// @param errors standard errors: 0 where all orders counted, NaN after a single pair of orders
/// @param orders orders that were drawn, 0 where all counted
record ShapleyValues(double[] values, double[] errors, int orders) {

    private static final int MOST_GROUPS = 30;
    private static final int PAIRS_AT_ONCE = 8;

    /// How many coalitions [#exact] needs.
    static long coalitions(int[][] groups) {
        if (groups.length > MOST_GROUPS) {
            return Long.MAX_VALUE;
        }
        long count = 1L << groups.length;
        for (int[] group : groups) {
            if (group.length > MOST_GROUPS) {
                return Long.MAX_VALUE;
            }
            count += (1L << groups.length - 1) * ((1L << group.length) - 2);
        }
        return count;
    }

    /// From all coalitions, whose players are in ascending order.
    ///
    /// @param groups the players 0 to n - 1, each in one group
    static ShapleyValues exact(int[][] groups, CoalitionWorths worths) {
        SortedSet<int[]> wanted = CoalitionWorths.set();
        visit(groups, (player, with, without, weight) -> {
            wanted.add(with);
            wanted.add(without);
        });
        worths.evaluate(wanted);
        double[] values = new double[players(groups)];
        visit(groups, (player, with, without, weight) -> values[player] += weight * (worths.of(with) - worths.of(without)));
        return new ShapleyValues(values, new double[values.length], 0);
    }

    @FunctionalInterface
    private interface Joining {
        void visit(int player, int[] with, int[] without, double weight);
    }

    /// Every way in which a player may join, with the share of all orders that have it.
    private static void visit(int[][] groups, Joining joining) {
        for (int g = 0; g < groups.length; g++) {
            int[] group = groups[g];
            for (int before = 0; before < 1 << groups.length; before++) {
                if ((before >> g & 1) != 0) {
                    continue;
                }
                double weight = share(Integer.bitCount(before), groups.length);
                for (int peers = 0; peers < 1 << group.length; peers++) {
                    int[] without = coalition(groups, before, group, peers);
                    for (int i = 0; i < group.length; i++) {
                        if ((peers >> i & 1) == 0) {
                            joining.visit(group[i], coalition(groups, before, group, peers | 1 << i), without, weight * share(Integer.bitCount(peers), group.length));
                        }
                    }
                }
            }
        }
    }

    private static int[] coalition(int[][] groups, int whole, int[] group, int part) {
        IntStream others = IntStream.range(0, groups.length).filter(g -> (whole >> g & 1) != 0).flatMap(g -> Arrays.stream(groups[g]));
        IntStream peers = IntStream.range(0, group.length).filter(i -> (part >> i & 1) != 0).map(i -> group[i]);
        return IntStream.concat(others, peers).sorted().toArray();
    }

    /// Of all orders of n the share in which exactly these k come before this one: k! (n - k - 1)! / n!
    private static double share(int k, int n) {
        double share = 1.0 / n;
        for (int i = 1; i <= k; i++) {
            share *= (double) i / (n - i);
        }
        return share;
    }

    /// From orders that are drawn, each together with its reverse: who comes early in one comes late in the other, which makes the estimate more certain than two orders
    /// by chance would. The standard error is that of the means of these pairs. All players in ascending order are evaluated, too.
    ///
    /// @param asAdded whether a coalition is in the order in which its players joined; otherwise it is in ascending order
    /// @param orders  at least 1, rounded up to pairs; fewer where the limit of evaluations is reached
    /// @throws IllegalArgumentException if not even one pair can be evaluated
    static ShapleyValues sample(int[][] groups, boolean asAdded, CoalitionWorths worths, int orders, long seed) {
        Random random = new Random(seed);
        int wantedPairs = Math.ceilDiv(orders, 2);
        Means means = new Means(players(groups));
        boolean full = false;
        while (means.count < wantedPairs && !full) {
            List<int[]> pairs = new ArrayList<>(); // the first orders of each
            SortedSet<int[]> wanted = CoalitionWorths.set();
            wanted.add(IntStream.range(0, players(groups)).toArray());
            while (pairs.size() < Math.min(PAIRS_AT_ONCE, wantedPairs - means.count) && !full) {
                int[] order = draw(groups, random);
                SortedSet<int[]> more = CoalitionWorths.set();
                more.addAll(wanted);
                addSteps(more, order, asAdded);
                addSteps(more, reversed(order), asAdded);
                full = !worths.fits(more);
                if (full && means.count == 0 && pairs.isEmpty()) {
                    throw new IllegalArgumentException("a limit of %d evaluations is too low: two orders need %d".formatted(worths.limit(), more.size()));
                }
                if (!full) {
                    pairs.add(order);
                    wanted = more;
                }
            }
            worths.evaluate(wanted);
            for (int[] order : pairs) {
                double[] growth = new double[order.length];
                addGrowth(growth, order, asAdded, worths);
                addGrowth(growth, reversed(order), asAdded, worths);
                means.add(growth);
            }
        }
        return new ShapleyValues(means.mean, means.errors(), 2 * means.count);
    }

    private static int[] draw(int[][] groups, Random random) {
        List<int[]> shuffled = new ArrayList<>(Arrays.asList(groups));
        Collections.shuffle(shuffled, random);
        return shuffled.stream().flatMapToInt(group -> {
            List<Integer> players = new ArrayList<>(Arrays.stream(group).boxed().toList());
            Collections.shuffle(players, random);
            return players.stream().mapToInt(Integer::intValue);
        }).toArray();
    }

    private static int[] reversed(int[] order) {
        return IntStream.range(0, order.length).map(i -> order[order.length - 1 - i]).toArray();
    }

    private static void addSteps(SortedSet<int[]> wanted, int[] order, boolean asAdded) {
        for (int n = 0; n <= order.length; n++) {
            wanted.add(first(order, n, asAdded));
        }
    }

    /// Adds half of what each player brings in this order, for the mean of two.
    private static void addGrowth(double[] growth, int[] order, boolean asAdded, CoalitionWorths worths) {
        double before = worths.of(new int[0]);
        for (int n = 1; n <= order.length; n++) {
            double after = worths.of(first(order, n, asAdded));
            growth[order[n - 1]] += (after - before) / 2;
            before = after;
        }
    }

    private static int[] first(int[] order, int n, boolean asAdded) {
        int[] coalition = Arrays.copyOf(order, n);
        if (!asAdded) {
            Arrays.sort(coalition);
        }
        return coalition;
    }

    private static int players(int[][] groups) {
        return Arrays.stream(groups).mapToInt(group -> group.length).sum();
    }

    /// Running means and spreads (Welford).
    private static final class Means {

        private final double[] mean;
        private final double[] squares;
        private int count;

        Means(int n) {
            mean = new double[n];
            squares = new double[n];
        }

        void add(double[] sample) {
            count++;
            for (int i = 0; i < mean.length; i++) {
                double distance = sample[i] - mean[i];
                mean[i] += distance / count;
                squares[i] += distance * (sample[i] - mean[i]);
            }
        }

        double[] errors() {
            return Arrays.stream(squares).map(s -> count < 2 ? Double.NaN : Math.sqrt(s / (count - 1) / count)).toArray();
        }
    }
}
