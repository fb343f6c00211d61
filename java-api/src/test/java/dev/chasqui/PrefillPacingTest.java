package dev.chasqui;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Tag;
import net.jqwik.api.constraints.DoubleRange;
import net.jqwik.api.constraints.IntRange;

/// Steps of machines whose times are made up.
@Tag("standalone")
class PrefillPacingTest {

    /// Nanoseconds of a step: what any step takes, and more for each row.
    private record Machine(double base, double perRow, double noise, Random random) {

        long step(int answers, int tokens) {
            return (long) ((base + perRow * (answers + tokens)) * (1 + noise * random.nextDouble()));
        }

        double alone(int answers) {
            return base + perRow * answers;
        }
    }

    /// Prompts that share no pass with answers tell nothing of what a token adds to these, and their passes are no part of a step of answers alone.
    @Example
    void passesOfAStepAreTakenTogether() {
        PrefillPacing whole = new PrefillPacing(3);
        PrefillPacing parts = new PrefillPacing(3);
        for (int[] step : new int[][] {{6, 0, 1000}, {6, 10, 1500}}) {
            whole.record(step[0], step[1], step[2]);
            parts.pass(2, step[1], 900);
            parts.pass(0, 40, 7000);
            parts.pass(4, 0, step[2] - 900);
            parts.stepEnds();
            parts.stepEnds();
        }
        assertThat(parts.tokens(6, 1)).isEqualTo(whole.tokens(6, 1)).isEqualTo(2000 / 50);
    }

    /// The times of steps while a long prompt is computed.
    private static List<Long> times(PrefillPacing pacing, Machine machine, int answers, int prompts, int steps) {
        List<Long> times = new ArrayList<>();
        for (int i = 0; i < steps; i++) {
            int tokens = Math.min(512, pacing.tokens(answers, prompts));
            long time = machine.step(answers, tokens);
            pacing.record(answers, tokens, time);
            times.add(time);
        }
        return times;
    }

    @Property(tries = 200)
    void onePromptMakesStepsAsSlowAsIsAllowed(@ForAll @DoubleRange(min = 1.5, max = 4) double slowdown, @ForAll @IntRange(min = 1, max = 64) int answers,
            @ForAll @DoubleRange(min = 0.01, max = 0.5) double perRow, @ForAll long seed) {
        Machine machine = new Machine(1e6, perRow * 1e6, 0.1, new Random(seed));
        PrefillPacing pacing = new PrefillPacing(slowdown);
        List<Long> times = times(pacing, machine, answers, 1, 200);
        double alone = machine.alone(answers);
        List<Long> settled = times.subList(60, 200);

        // a token at least, and noise
        double most = Math.max(slowdown, machine.alone(answers + 1) / alone) * 1.25;
        assertThat(settled).allMatch(time -> time <= alone * most);
        double mean = settled.stream().mapToLong(time -> time).average().orElseThrow();
        double possible = Math.min(slowdown, machine.alone(answers + 512) / alone);
        assertThat(mean).isGreaterThan(alone * (1 + (possible - 1) * 0.6) - perRow * 1e6);
    }

    @Example
    void morePromptsThanAnswersGetTheirShareEach() {
        Machine machine = new Machine(1e6, 1e5, 0, new Random(1));
        List<Long> one = times(new PrefillPacing(2), machine, 2, 2, 300);
        List<Long> many = times(new PrefillPacing(2), machine, 2, 20, 300);
        double alone = machine.alone(2);

        assertThat(one.get(250) / alone).isBetween(1.8, 2.2);
        assertThat(many.get(250) / alone).isBetween(9.5, 11.5);
    }

    @Example
    void answersAreTimedAlone() {
        PrefillPacing pacing = new PrefillPacing(2);
        int alone = 0;
        for (int i = 0; i < 330; i++) {
            int tokens = pacing.tokens(3, 1);
            alone += tokens == 0 ? 1 : 0;
            pacing.record(3, tokens, 1_000_000 + tokens * 50_000L);
        }
        assertThat(alone).isEqualTo(10);
    }

    @Example
    void oneStepThatWasHeldUpChangesLittle() {
        Machine machine = new Machine(1e6, 1e5, 0, new Random(1));
        PrefillPacing pacing = new PrefillPacing(2);
        times(pacing, machine, 1, 1, 100);
        int before = pacing.tokens(1, 1);
        pacing.record(1, 0, 20_000_000);
        assertThat(pacing.tokens(1, 1)).isLessThanOrEqualTo(before * 3);
        times(pacing, machine, 1, 1, 150);
        assertThat(pacing.tokens(1, 1)).isBetween(before - 2, before + 2);
    }

    @Example
    void withoutAnswersNothingIsHeldBack() {
        assertThat(new PrefillPacing(2).tokens(0, 5)).isEqualTo(Integer.MAX_VALUE);
        assertThat(new PrefillPacing(Double.POSITIVE_INFINITY).tokens(5, 1)).isEqualTo(Integer.MAX_VALUE);
    }
}
