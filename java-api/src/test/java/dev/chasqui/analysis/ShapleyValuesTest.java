package dev.chasqui.analysis;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.within;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("standalone")
class ShapleyValuesTest {

    private static final Offset<Double> CLOSE = within(1e-9);

    /// A worth for each set of players, by its bits.
    private record Game(double[] worths) {

        static Game random(int players, long seed) {
            return new Game(new Random(seed).doubles(1 << players, -1, 1).toArray());
        }

        double of(int... players) {
            return worths[Arrays.stream(players).map(p -> 1 << p).sum()];
        }

        int players() {
            return Integer.numberOfTrailingZeros(worths.length);
        }

        CoalitionWorths limited(int limit) {
            return new CoalitionWorths(this::of, limit);
        }

        double[] values(int[][] groups) {
            return ShapleyValues.exact(groups, limited(Integer.MAX_VALUE)).values();
        }

        double[] values() {
            return values(alone(players()));
        }
    }

    private static int[][] alone(int players) {
        return IntStream.range(0, players).mapToObj(i -> new int[] {i}).toArray(int[][]::new);
    }

    /// The definition: the mean over all orders of what a player adds to those before it.
    private static double[] byDefinition(Game game, List<int[]> orders) {
        double[] values = new double[game.players()];
        for (int[] order : orders) {
            for (int i = 0; i < order.length; i++) {
                values[order[i]] += (game.of(Arrays.copyOf(order, i + 1)) - game.of(Arrays.copyOf(order, i))) / orders.size();
            }
        }
        return values;
    }

    private static List<int[]> orders(int[] players) {
        if (players.length == 0) {
            return List.of(new int[0]);
        }
        List<int[]> all = new ArrayList<>();
        for (int last : players) {
            for (int[] order : orders(Arrays.stream(players).filter(p -> p != last).toArray())) {
                all.add(IntStream.concat(Arrays.stream(order), IntStream.of(last)).toArray());
            }
        }
        return all;
    }

    @Property(tries = 60)
    void isTheDefinition(@ForAll @IntRange(min = 1, max = 6) int players, @ForAll long seed) {
        Game game = Game.random(players, seed);
        assertThat(game.values()).usingComparatorWithPrecision(1e-9).containsExactly(byDefinition(game, orders(IntStream.range(0, players).toArray())));
    }

    @Property(tries = 60)
    void addsUpToWhatAllAreWorth(@ForAll @IntRange(min = 1, max = 8) int players, @ForAll long seed) {
        Game game = Game.random(players, seed);
        assertThat(Arrays.stream(game.values()).sum()).isCloseTo(game.worths[game.worths.length - 1] - game.worths[0], CLOSE);
    }

    @Property(tries = 60)
    void whoAddTheSameGetTheSame(@ForAll @IntRange(min = 2, max = 6) int players, @ForAll long seed) {
        Game random = Game.random(players, seed);
        Game game = new Game(IntStream.range(0, 1 << players).mapToDouble(set -> random.worths[(set & 3) == 2 ? set ^ 3 : set]).toArray()); // 1 for 2
        double[] values = game.values();
        assertThat(values[0]).isCloseTo(values[1], CLOSE);
    }

    @Property(tries = 60)
    void whoAddsNothingGetsNothing(@ForAll @IntRange(min = 1, max = 6) int players, @ForAll long seed) {
        Game random = Game.random(players, seed);
        Game game = new Game(IntStream.range(0, 1 << players).mapToDouble(set -> random.worths[set & ~1]).toArray());
        assertThat(game.values()[0]).isZero();
    }

    @Property(tries = 60)
    void isLinear(@ForAll @IntRange(min = 1, max = 6) int players, @ForAll long seed) {
        Game a = Game.random(players, seed);
        Game b = Game.random(players, seed + 1);
        Game both = new Game(IntStream.range(0, 1 << players).mapToDouble(set -> 2 * a.worths[set] - 3 * b.worths[set]).toArray());
        double[] ofA = a.values();
        double[] ofB = b.values();
        assertThat(both.values()).usingComparatorWithPrecision(1e-9)
                .containsExactly(IntStream.range(0, players).mapToDouble(i -> 2 * ofA[i] - 3 * ofB[i]).toArray());
    }

    @Property(tries = 60)
    void playersOfAGroupJoinOneAfterTheOther(@ForAll long seed) {
        Game game = Game.random(5, seed);
        int[][] groups = {{0}, {1, 2, 4}, {3}};
        List<int[]> together = orders(new int[] {0, 1, 2, 3, 4}).stream().filter(order -> {
            int[] places = IntStream.range(0, 5).filter(i -> order[i] == 1 || order[i] == 2 || order[i] == 4).toArray();
            return places[2] - places[0] == 2;
        }).toList();
        double[] values = game.values(groups);

        assertThat(together).hasSize(36);
        assertThat(values).usingComparatorWithPrecision(1e-9).containsExactly(byDefinition(game, together));
        Game ofGroups = new Game(IntStream.range(0, 8).mapToDouble(set ->
                game.worths[(set & 1) + ((set & 2) != 0 ? 0b10110 : 0) + ((set & 4) != 0 ? 0b1000 : 0)]).toArray());
        assertThat(values[1] + values[2] + values[4]).isCloseTo(ofGroups.values()[1], CLOSE);
    }

    @Test
    void needsEachCoalitionOnce() {
        for (int[][] groups : List.of(alone(1), alone(6), new int[][] {{0}, {1, 2, 4}, {3}}, new int[][] {{0, 1}, {2, 3}})) {
            int players = Arrays.stream(groups).mapToInt(group -> group.length).sum();
            CoalitionWorths worths = Game.random(players, 3).limited(Integer.MAX_VALUE);
            ShapleyValues values = ShapleyValues.exact(groups, worths);
            assertThat((long) worths.evaluations()).isEqualTo(ShapleyValues.coalitions(groups));
            assertThat(values.orders()).isZero();
            assertThat(values.errors()).containsOnly(0);
        }
        assertThat(ShapleyValues.coalitions(alone(6))).isEqualTo(64);
        assertThat(ShapleyValues.coalitions(alone(64))).isEqualTo(Long.MAX_VALUE);
    }

    @Property(tries = 10)
    void samplesComeCloseToIt(@ForAll long seed) {
        Game game = Game.random(6, seed);
        double[] exact = game.values();
        double before = Double.MAX_VALUE;
        for (int orders : new int[] {20, 500, 12_500}) {
            ShapleyValues sampled = ShapleyValues.sample(alone(6), false, game.limited(Integer.MAX_VALUE), orders, seed);
            assertThat(sampled.orders()).isEqualTo(orders);
            for (int i = 0; i < 6; i++) {
                assertThat(sampled.values()[i]).isCloseTo(exact[i], within((orders == 20 ? 10 : 6) * sampled.errors()[i]));
            }
            double error = Arrays.stream(sampled.errors()).max().orElseThrow();
            assertThat(error).isLessThan(before / 2).isPositive();
            before = error;
        }
        assertThat(before).isLessThan(0.02);
    }

    @Property(tries = 10)
    void samplesOfGroupsComeCloseToTheirs(@ForAll long seed) {
        Game game = Game.random(5, seed);
        int[][] groups = {{0}, {1, 2, 4}, {3}};
        double[] exact = game.values(groups);
        ShapleyValues sampled = ShapleyValues.sample(groups, false, game.limited(Integer.MAX_VALUE), 4000, seed);
        for (int i = 0; i < 5; i++) {
            assertThat(sampled.values()[i]).isCloseTo(exact[i], within(6 * sampled.errors()[i] + 1e-9));
        }
    }

    @Test
    void whereNothingDependsOnOthersOnePairIsEnough() {
        double[] own = {3, -1, 0.5};
        CoalitionWorths worths = new CoalitionWorths(players -> Arrays.stream(players).mapToDouble(p -> own[p]).sum(), 100);
        ShapleyValues one = ShapleyValues.sample(alone(3), false, worths, 1, 5);

        assertThat(one.orders()).isEqualTo(2);
        assertThat(one.values()).usingComparatorWithPrecision(1e-12).containsExactly(own);
        assertThat(one.errors()).containsOnly(Double.NaN);
        assertThat(ShapleyValues.sample(alone(3), false, worths, 9, 5).errors()).usingComparatorWithPrecision(1e-12).containsExactly(0, 0, 0);
    }

    @Test
    void asAddedCoalitionsGrowAtTheirEnd() {
        List<int[]> seen = new ArrayList<>();
        CoalitionWorths worths = new CoalitionWorths(players -> {
            seen.add(players);
            return players.length == 0 || players[0] != 2 ? 0 : 1; // worth something if 2 comes first
        }, 1000);
        ShapleyValues values = ShapleyValues.sample(alone(3), true, worths, 2000, 1);

        assertThat(seen).hasSize(1 + 3 + 6 + 6);
        assertThat(values.values()[0]).isZero();
        assertThat(values.values()[2]).isCloseTo(1 / 3.0, within(6 * values.errors()[2]));
    }

    @Test
    void coalitionsThatBeginAlikeComeOneAfterTheOther() {
        List<int[]> seen = new ArrayList<>();
        ShapleyValues.exact(alone(4), new CoalitionWorths(players -> {
            seen.add(players);
            return 0;
        }, 16));

        assertThat(seen).isSortedAccordingTo(Arrays::compare).allSatisfy(players -> assertThat(players).isSorted());
        int computed = 0;
        int[] last = {};
        for (int[] players : seen) {
            int common = Arrays.mismatch(last, players);
            computed += common < 0 ? 0 : players.length - common;
            last = players;
        }
        assertThat(computed).isEqualTo(15); // a passage for each set but the empty one
    }

    @Test
    void keepsTheLimit() {
        Game game = Game.random(10, 1);
        CoalitionWorths worths = game.limited(50);
        ShapleyValues some = ShapleyValues.sample(alone(10), false, worths, 1000, 1);

        assertThat(worths.evaluations()).isBetween(20, 50);
        assertThat(some.orders()).isBetween(2, 10);
        assertThat(game.limited(20).fits(CoalitionWorths.set())).isTrue();
        assertThat(ShapleyValues.sample(alone(10), false, game.limited(20), 1000, 1).orders()).isEqualTo(2);
        assertThatIllegalArgumentException().isThrownBy(() -> ShapleyValues.sample(alone(10), false, game.limited(19), 1000, 1))
                .withMessageContaining("19").withMessageContaining("20");
    }

    @Test
    void theSeedDecides() {
        Game game = Game.random(7, 1);
        double[] first = ShapleyValues.sample(alone(7), false, game.limited(1000), 4, 1).values();
        assertThat(ShapleyValues.sample(alone(7), false, game.limited(1000), 4, 1).values()).containsExactly(first);
        assertThat(ShapleyValues.sample(alone(7), false, game.limited(1000), 4, 2).values()).isNotEqualTo(first);
    }
}
