package dev.chasqui;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.IntPredicate;
import java.util.function.IntBinaryOperator;
import java.util.stream.IntStream;
import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Tag;
import net.jqwik.api.constraints.IntRange;

/// Decisions of the scheduler, counted. A step is carried out by giving each job that is complete its next token.
@Tag("standalone")
class SchedulerTest {

    private static final IntBinaryOperator ALL = (_, _) -> Integer.MAX_VALUE;

    private static final class Job extends Scheduler.Job {

        private final String name;
        private final int wanted;
        private long firstStep = -1;
        private long lastStep = -1;

        Job(String name, int[] prompt, Object scope, int wanted, int priority) {
            super(prompt, scope, wanted, priority);
            this.name = name;
            this.wanted = wanted;
        }

        @Override
        public String toString() {
            return name;
        }
    }

    /// Sequence ids and the tokens in them.
    private static final class Memory implements KvPool.Memory {

        private final Map<Integer, List<Integer>> sequences = new HashMap<>();
        /// Texts that can be restored, by their first token.
        private final Map<Integer, TokenList> stored = new HashMap<>();

        List<Integer> of(int sequence) {
            return sequences.computeIfAbsent(sequence, _ -> new ArrayList<>());
        }

        @Override
        public boolean copy(int from, int to, int length) {
            of(to).addAll(of(from).subList(0, length));
            return true;
        }

        @Override
        public int restore(int to, TokenList text, Object scope, int beyond, IntPredicate room) {
            TokenList one = stored.get(text.get(0));
            int common = one == null ? 0 : one.commonPrefix(text, text.size() - 1);
            if (common <= beyond || !room.test(one.size())) {
                return 0;
            }
            of(to).addAll(IntStream.range(0, common).map(text::get).boxed().toList());
            return common;
        }

        @Override
        public void clear(int sequence) {
            of(sequence).clear();
        }
    }

    private static final class Simulation {

        private final Memory memory = new Memory();
        private final KvPool pool;
        private final Scheduler<Job> scheduler;
        private final List<Job> open = new ArrayList<>();
        private final List<Job> done = new ArrayList<>();
        private final int cells;
        private final int budget;
        private final IntBinaryOperator prefill;
        private long computed;
        private List<Job> step = List.of();
        /// Scopes of the last step, in the order of their passes.
        private final List<Object> passes = new ArrayList<>();

        Simulation(int maxRunning, int cells, int kept, int budget, IntBinaryOperator prefill) {
            this.pool = new KvPool(maxRunning + kept, cells, true, kept, memory);
            this.scheduler = new Scheduler<>(maxRunning, pool);
            this.cells = cells;
            this.budget = budget;
            this.prefill = prefill;
        }

        Job add(String name, int[] prompt, int wanted, int priority) {
            return add(name, prompt, "", wanted, priority);
        }

        Job add(String name, int[] prompt, Object scope, int wanted, int priority) {
            Job job = new Job(name, prompt, scope, wanted, priority);
            open.add(job);
            scheduler.add(job);
            return job;
        }

        /// One step; gives the number of tokens computed.
        int step() {
            step = List.copyOf(scheduler.plan(budget, prefill));
            passes.clear();
            int tokens = 0;
            int most = 0;
            for (Job job : inPasses()) {
                List<Integer> held = memory.of(job.sequence().id());
                assertThat(held).isEqualTo(IntStream.range(0, job.sequence().computed()).map(job.text()::get).boxed().toList());
                for (int i = 0; i < job.planned(); i++) {
                    held.add(job.text().get(held.size()));
                }
                tokens += job.planned();
                boolean completes = job.completes();
                scheduler.computed(job, job.planned());
                assertThat(job.isComputed()).isEqualTo(completes);
                if (completes) {
                    most++;
                    if (job.generated() == 0) {
                        job.firstStep = scheduler.steps();
                    }
                    job.text().add(5000 + job.generated());
                    if (job.generated() == job.wanted || job.text().size() > cells) {
                        job.lastStep = scheduler.steps();
                        scheduler.remove(job, true);
                        open.remove(job);
                        done.add(job);
                    }
                }
            }
            computed += tokens;
            assertThat(tokens).isLessThanOrEqualTo(budget);
            assertThat(most).isLessThanOrEqualTo(step.size());
            return tokens;
        }

        /// The jobs of the step, pass by pass.
        private List<Job> inPasses() {
            List<Job> all = new ArrayList<>();
            for (List<Job> pass = scheduler.nextPass(); !pass.isEmpty(); pass = scheduler.nextPass()) {
                Object scope = pass.getFirst().scope;
                assertThat(pass).allMatch(job -> job.scope.equals(scope));
                assertThat(passes).doesNotContain(scope);
                passes.add(scope);
                all.addAll(pass);
            }
            assertThat(all).containsExactlyInAnyOrderElementsOf(step);
            return all;
        }

        void runAll() {
            for (int i = 0; !open.isEmpty(); i++) {
                assertThat(step()).as("tokens of step %d of %s", i, open).isPositive();
                assertThat(i).isLessThan(100_000);
            }
        }
    }

    private static int[] prompt(int from, int length) {
        return IntStream.range(from, from + length).toArray();
    }

    private static Simulation roomy(int maxRunning, int budget) {
        return new Simulation(maxRunning, 100_000, 4, budget, ALL);
    }

    @Property(tries = 300)
    void everyJobEndsAndNoLimitIsExceeded(@ForAll long seed, @ForAll @IntRange(min = 1, max = 8) int maxRunning,
            @ForAll @IntRange(min = 40, max = 400) int cells, @ForAll @IntRange(max = 4) int kept, @ForAll @IntRange(max = 30) int more) {
        Random random = new Random(seed);
        int allowance = 1 + random.nextInt(20);
        int[] allowed = {0};
        Simulation simulation = new Simulation(maxRunning, cells, kept, maxRunning + more, (answers, prompts) -> {
            assertThat(answers).isNotNegative();
            assertThat(prompts).isPositive();
            allowed[0] = answers == 0 ? Integer.MAX_VALUE : random.nextInt(allowance);
            return allowed[0];
        });
        simulation.memory.stored.put(1000, new TokenList(prompt(1000, 1 + random.nextInt(cells))));
        List<Job> paused = new ArrayList<>();
        int arrivals = 30;
        for (int i = 0; arrivals > 0 || !simulation.open.isEmpty(); i++) {
            assertThat(i).isLessThan(50_000);
            if (arrivals > 0 && random.nextInt(3) == 0) {
                arrivals--;
                // few beginnings, so that they are shared
                int[] prompt = prompt(random.nextInt(3) * 1000, 1 + random.nextInt(cells));
                simulation.add("job " + arrivals, prompt, random.nextInt(3), 1 + random.nextInt(60), random.nextInt(21) - 10);
            }
            List<Job> answering = simulation.scheduler.running().stream().filter(job -> job.answers() && !job.paused()).toList();
            List<Job> before = List.copyOf(simulation.scheduler.running());
            int tokens = simulation.step();
            // every answer goes on, unless it was parked for want of cells
            for (Job job : answering) {
                assertThat(simulation.step.contains(job) || !simulation.scheduler.running().contains(job)).isTrue();
            }
            int answers = (int) simulation.step.stream().filter(answering::contains).count();
            if (answers > 0) {
                assertThat(tokens - answers).isLessThanOrEqualTo(Math.max(0, allowed[0]));
            }
            assertThat(simulation.scheduler.running()).hasSizeLessThanOrEqualTo(maxRunning);
            assertThat(simulation.step).noneMatch(paused::contains).doesNotHaveDuplicates();
            if (tokens == 0) {
                assertThat(simulation.scheduler.running()).allMatch(Scheduler.Job::paused);
            }
            assertThat(before).hasSizeLessThanOrEqualTo(maxRunning);

            if (random.nextInt(10) == 0 && !simulation.scheduler.running().isEmpty()) {
                Job job = simulation.scheduler.running().get(random.nextInt(simulation.scheduler.running().size()));
                if (!job.paused()) {
                    simulation.scheduler.pause(job);
                    paused.add(job);
                }
            } else if (!paused.isEmpty() && random.nextInt(4) == 0) {
                simulation.scheduler.resume(paused.removeFirst());
            } else if (random.nextInt(40) == 0 && !simulation.open.isEmpty()) {
                Job job = simulation.open.remove(random.nextInt(simulation.open.size()));
                simulation.scheduler.remove(job, random.nextBoolean());
                paused.remove(job);
            }
        }
        assertThat(simulation.scheduler.running()).isEmpty();
        assertThat(simulation.scheduler.waiting()).isZero();
        assertThat(simulation.pool.idleCells()).isEqualTo(cells);
    }

    /// Low priorities wait, but no longer than their levels are worth, whatever comes meanwhile.
    @Property(tries = 50)
    void noJobStarves(@ForAll long seed, @ForAll @IntRange(min = 1, max = 4) int maxRunning) {
        Random random = new Random(seed);
        Simulation simulation = roomy(maxRunning, maxRunning + 16);
        Job low = null;
        int steps = 20 * Scheduler.AGING + 500;
        for (int i = 0; i < steps; i++) {
            if (i == 50) {
                low = simulation.add("low", prompt(0, 10), 5, -10);
            }
            // always more of them than can run
            while (simulation.scheduler.waiting() < maxRunning + 2) {
                simulation.add("high", prompt(1000 + random.nextInt(100_000), 1 + random.nextInt(20)), 1 + random.nextInt(10), 10);
            }
            simulation.step();
        }
        assertThat(low.lastStep).isPositive();
        assertThat(low.firstStep).isGreaterThan(10 * Scheduler.AGING); // until then the others went first
    }

    /// Answers go on in every step. Of prompts, each has a turn before another has its second one.
    @Property(tries = 100)
    void noScopeStarves(@ForAll long seed, @ForAll @IntRange(min = 1, max = 6) int answers, @ForAll @IntRange(min = 1, max = 6) int prompts,
            @ForAll @IntRange(min = 1, max = 40) int allowance) {
        Random random = new Random(seed);
        Simulation simulation = new Simulation(answers + prompts, 1_000_000, 0, answers + prompts + 64, (running, _) -> running == 0 ? 64 : allowance);
        List<Job> running = IntStream.range(0, answers).mapToObj(i -> simulation.add("answer " + i, prompt(i * 1000, 5), random.nextInt(4), 10_000, 0)).toList();
        while (running.stream().anyMatch(job -> job.generated() == 0)) {
            simulation.step();
        }
        List<Job> waiting = IntStream.range(0, prompts).mapToObj(i -> simulation.add("prompt " + i, prompt(100_000 * (i + 1), 90_000), random.nextInt(4), 1, 0))
                .toList();
        int bound = (prompts * Scheduler.TURN + allowance - 1) / allowance + 1;
        int[] before = new int[prompts];
        for (int round = 0; round < 5; round++) {
            for (int i = 0; i < bound; i++) {
                simulation.step();
                assertThat(simulation.step).containsAll(running);
            }
            for (int k = 0; k < prompts; k++) {
                assertThat(waiting.get(k).computed()).as("prompt %d of %d in round %d of %d steps", k, prompts, round, bound).isGreaterThan(before[k]);
                before[k] = waiting.get(k).computed();
            }
        }
    }

    @Example
    void aStepBeginsWithTheScopeOfThePassBefore() {
        Simulation simulation = roomy(4, 64);
        simulation.add("a", prompt(0, 10), "a", 20, 0);
        simulation.add("b", prompt(1000, 10), "b", 20, 0);
        simulation.add("a again", prompt(2000, 10), "a", 20, 0);
        simulation.step();
        assertThat(simulation.passes).containsExactly("a", "b");
        simulation.step();
        assertThat(simulation.passes).containsExactly("b", "a");
        simulation.add("c", prompt(3000, 10), "c", 20, 0);
        simulation.step();
        assertThat(simulation.passes).containsExactly("a", "b", "c");
        simulation.step();
        assertThat(simulation.passes).containsExactly("c", "a", "b");
    }

    @Example
    void whatIsRemovedOrParkedBeforeItsPassIsLeftOut() {
        Simulation simulation = roomy(4, 64);
        Job a = simulation.add("a", prompt(0, 10), "a", 20, 0);
        Job b = simulation.add("b", prompt(1000, 10), "b", 20, 0);
        Job c = simulation.add("c", prompt(2000, 10), "c", 20, 0);
        Job d = simulation.add("d", prompt(3000, 10), "d", 20, 0);
        assertThat(simulation.scheduler.plan(64, ALL)).containsExactly(a, b, c, d);
        assertThat(simulation.scheduler.nextPass()).containsExactly(a);
        simulation.scheduler.remove(b, false);
        assertThat(simulation.scheduler.makeRoom()).isTrue(); // parks the last one
        assertThat(simulation.scheduler.nextPass()).containsExactly(c);
        assertThat(simulation.scheduler.nextPass()).isEmpty();
        assertThat(d.sequence()).isNull();
    }

    @Property(tries = 50)
    void equalsAreAdmittedInTheOrderTheyCame(@ForAll long seed, @ForAll @IntRange(min = 1, max = 5) int maxRunning) {
        Random random = new Random(seed);
        Simulation simulation = new Simulation(maxRunning, 300, 0, maxRunning + 10, ALL);
        List<Job> jobs = IntStream.range(0, 25).mapToObj(i -> simulation.add("job " + i, prompt(i * 1000, 1 + random.nextInt(120)), 1 + random.nextInt(30), 0))
                .toList();
        int admitted = 0;
        while (!simulation.open.isEmpty()) {
            simulation.step();
            for (int i = 0; i < jobs.size(); i++) {
                if (simulation.scheduler.running().contains(jobs.get(i)) || simulation.done.contains(jobs.get(i))) {
                    admitted = Math.max(admitted, i + 1);
                }
            }
            // nobody before the last one admitted has yet to be admitted, but for those parked
            for (int i = 0; i < admitted; i++) {
                Job job = jobs.get(i);
                assertThat(simulation.scheduler.running().contains(job) || simulation.done.contains(job) || job.sequence() == null).isTrue();
            }
        }
        assertThat(simulation.done).hasSize(25);
    }

    @Example
    void aHigherPriorityGoesFirst() {
        Simulation simulation = roomy(1, 64);
        Job running = simulation.add("running", prompt(0, 10), 20, 0);
        simulation.step();
        Job low = simulation.add("low", prompt(1000, 10), 5, 0);
        Job high = simulation.add("high", prompt(2000, 10), 5, 1);
        simulation.runAll();

        assertThat(simulation.done).containsExactly(running, high, low);
    }

    @Example
    void aLevelOfPriorityIsWorthAFixedNumberOfSteps() {
        Simulation simulation = roomy(1, 64);
        simulation.add("running", prompt(0, 10), 2 * Scheduler.AGING, 0);
        Job low = simulation.add("low", prompt(1000, 10), 5, 0);
        while (simulation.scheduler.steps() < Scheduler.AGING + 1) {
            simulation.step();
        }
        Job late = simulation.add("late", prompt(2000, 10), 5, 1);
        simulation.runAll();

        assertThat(simulation.done.indexOf(low)).isLessThan(simulation.done.indexOf(late));
    }

    @Example
    void answersGoOnWhileALongPromptIsComputed() {
        Simulation simulation = new Simulation(8, 100_000, 0, 32, (answers, _) -> answers == 0 ? 32 : 8);
        List<Job> answers = IntStream.range(0, 7).mapToObj(i -> simulation.add("answer " + i, prompt(i * 1000, 4), 600, 0)).toList();
        while (answers.stream().anyMatch(job -> job.generated() == 0)) {
            simulation.step();
        }
        Job longPrompt = simulation.add("long", prompt(50_000, 4000), 1, 0);
        while (longPrompt.generated() == 0) {
            int before = answers.stream().mapToInt(Job::generated).sum();
            assertThat(simulation.step()).isEqualTo(15); // 7 answers, 8 tokens of the prompt
            assertThat(answers.stream().mapToInt(Job::generated).sum()).isEqualTo(before + 7);
        }
    }

    @Example
    void aShortPromptDoesNotWaitForALongOne() {
        Simulation simulation = roomy(4, 64);
        Job longPrompt = simulation.add("long", prompt(0, 4000), 1, 0);
        simulation.step();
        Job shortPrompt = simulation.add("short", prompt(10_000, 64), 1, 0);
        simulation.runAll();

        // the turn of the long one ends first
        assertThat(shortPrompt.firstStep).isLessThanOrEqualTo(2 + Scheduler.TURN / 64 + 1);
        assertThat(longPrompt.firstStep).isGreaterThan(shortPrompt.firstStep);
    }

    @Example
    void promptsShareByPriority() {
        Simulation simulation = roomy(2, 32);
        Job normal = simulation.add("normal", prompt(0, 40_000), 1, 0);
        Job high = simulation.add("high", prompt(50_000, 40_000), 1, 3);
        for (int i = 0; i < 1000; i++) {
            simulation.step();
        }
        double ratio = (double) high.sequence().computed() / normal.sequence().computed();
        assertThat(ratio).isBetween(1.25 * 1.25 * 1.25 * 0.95, 1.25 * 1.25 * 1.25 * 1.05);
    }

    @Example
    void whatPromptsBeginWithIsComputedOnce() {
        Simulation simulation = roomy(16, 48);
        for (int i = 0; i < 16; i++) {
            int[] prompt = prompt(0, 1010);
            IntStream.range(1000, 1010).forEach(k -> prompt[k] += 100_000);
            prompt[1000] = 7000 + i;
            simulation.add("job " + i, prompt, 3, 0);
        }
        simulation.runAll();

        assertThat(simulation.computed).isEqualTo(1000 + 16 * (10 + 2));
        assertThat(simulation.done.stream().mapToInt(Job::cached).sum()).isEqualTo(15 * 1000);
    }

    @Example
    void whatPromptsOfOtherScopesBeginWithIsComputedForEach() {
        Simulation simulation = roomy(16, 48);
        for (int i = 0; i < 8; i++) {
            simulation.add("job " + i, prompt(0, 1010), i % 2, 1, 0);
        }
        simulation.runAll();

        assertThat(simulation.computed).isEqualTo(2 * 1010 + 6);
        assertThat(simulation.done.stream().mapToInt(Job::cached).sum()).isEqualTo(6 * 1009);
    }

    /// Nobody waits for one that comes later in line, so that priorities hold.
    @Example
    void aHigherPriorityFollowsNoLowerOne() {
        Simulation simulation = roomy(2, 10);
        Job low = simulation.add("low", prompt(0, 1000), 1, -5);
        simulation.step();
        Job high = simulation.add("high", prompt(0, 900), 1, 5);
        for (int i = 0; i <= Scheduler.TURN / 10; i++) {
            simulation.step(); // the turn of the lower one ends
        }

        assertThat(high.sequence()).isNotNull();
        assertThat(low.isComputed()).isFalse();
    }

    @Example
    void theLastOfTheLowestPriorityIsParked() {
        Simulation simulation = new Simulation(3, 150, 2, 64, ALL);
        Job first = simulation.add("first", prompt(0, 10), 90, 0);
        Job low = simulation.add("low", prompt(1000, 10), 90, -1);
        Job second = simulation.add("second", prompt(2000, 10), 90, 0);
        while (simulation.scheduler.parked() == 0) {
            simulation.step();
        }
        assertThat(simulation.scheduler.running()).containsExactlyInAnyOrder(first, second);
        assertThat(low.sequence()).isNull();
        int kept = low.generated();
        simulation.runAll();
        assertThat(kept).isPositive();
        assertThat(simulation.done.getLast()).isEqualTo(low);
    }

    @Example
    void admissionLeavesRoomToGrow() {
        Simulation simulation = new Simulation(4, 200, 0, 64, ALL);
        simulation.add("first", prompt(0, 60), 100, 0);
        Job second = simulation.add("second", prompt(1000, 60), 100, 0);
        Job third = simulation.add("third", prompt(2000, 20), 100, 0);
        simulation.step();

        // 60 + 32, 60 + 32, and 16 cells for 20 + 32
        assertThat(second.sequence() != null || simulation.scheduler.running().contains(second)).isTrue();
        assertThat(simulation.scheduler.running()).doesNotContain(third);
    }

    @Example
    void aPausedJobKeepsItsPlaceUntilSomebodyNeedsIt() {
        Simulation simulation = roomy(2, 64);
        Job slow = simulation.add("slow", prompt(0, 20), 50, 0);
        simulation.step();
        simulation.scheduler.pause(slow);
        simulation.step();
        assertThat(slow.sequence()).isNotNull();
        assertThat(slow.generated()).isEqualTo(1);

        simulation.add("a", prompt(1000, 20), 5, -10);
        Job b = simulation.add("b", prompt(2000, 20), 5, -10);
        simulation.step();
        assertThat(simulation.scheduler.running()).contains(b).doesNotContain(slow);
        simulation.scheduler.resume(slow);
        long before = simulation.computed;
        simulation.runAll();

        // taken over from what was kept: nothing of it was computed again
        assertThat(simulation.computed - before).isEqualTo(49 + 2 * 4);
    }

    /// The counts are wrong where sequences share cells of a sliding window: the context is full before they say so.
    @Example
    void afterAFullContextNobodyIsAdmittedUntilSomebodyEnds() {
        Simulation simulation = new Simulation(4, 100_000, 4, 64, ALL);
        for (int i = 0; i < 4; i++) {
            simulation.add("job " + i, prompt(i * 1000, 10), 10, 0);
        }
        simulation.step();
        assertThat(simulation.scheduler.makeRoom()).isTrue();
        assertThat(simulation.scheduler.running()).hasSize(3);
        simulation.step();
        assertThat(simulation.scheduler.running()).hasSize(3);
        assertThat(simulation.scheduler.makeRoom()).isTrue(); // the tokens kept of the parked one
        assertThat(simulation.scheduler.makeRoom()).isTrue();
        assertThat(simulation.scheduler.makeRoom()).isTrue();
        assertThat(simulation.scheduler.makeRoom()).isTrue();
        assertThat(simulation.scheduler.running()).hasSize(1);
        assertThat(simulation.scheduler.makeRoom()).isTrue();
        assertThat(simulation.scheduler.makeRoom()).isFalse();
        simulation.runAll();
        assertThat(simulation.done).hasSize(4);
    }

    /// A stored beginning must not take cells that those who run were promised.
    @Example
    void whatIsStoredTakesNoCellsFromOthers() {
        for (int cells : new int[] {320, 400}) {
            Simulation simulation = new Simulation(2, cells, 0, 64, ALL);
            Job first = simulation.add("first", prompt(0, 100), 150, 0);
            while (first.generated() == 0) {
                simulation.step();
            }
            TokenList stored = new TokenList(prompt(0, 100));
            stored.addAll(prompt(7000, 100));
            simulation.memory.stored.put(0, stored);
            Job second = simulation.add("second", stored.toArray(), 1, 0);
            simulation.step();
            assertThat(second.cached()).as("cells of its own, or those of the first").isEqualTo(cells == 320 ? 100 : 199);
            simulation.runAll();
            assertThat(simulation.scheduler.parked()).isZero();
        }
    }
}
