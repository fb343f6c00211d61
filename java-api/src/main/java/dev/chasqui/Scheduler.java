package dev.chasqui;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.PriorityQueue;
import java.util.function.IntBinaryOperator;
import org.jspecify.annotations.Nullable;

/// Decides what each step of an engine computes: who is admitted, whose next token is computed, which parts of which prompts, and who gives
/// up its cells when they run out. It computes nothing itself and looks at no clock, so that its decisions can be counted.
///
/// **Order.** Each job has a place in one line: the step it came in, less [#AGING] steps for each level of its priority. The line never
/// changes, so whoever waits comes closer to its head with every step, whatever comes later: that is all there is to aging. Jobs are
/// admitted from the head, never past it, and parked from the tail.
///
/// **A step** first has the next token of every running answer. The rest of its tokens goes to prompts, [#TURN] tokens at a time to the one
/// that had least so far by its weight (stride scheduling, Waldspurger and Weihl 1995), so that a short prompt does not wait for a long one.
///
/// **Passes.** A step is computed scope by scope: in one pass the jobs of one scope, which is what else than the text decides what is computed, e.g. adapters. It begins
/// with the scope of the pass before, so that two scopes take one change a step. As every step has all of its scopes, none of them waits for more than a step of the others.
///
/// **Cells.** A job is admitted when the cells that no running job holds suffice for its text, for what the running ones have left of
/// theirs, and for [#HORIZON] more tokens of each. When they run out all the same, the last job in line is parked: it keeps its tokens,
/// gives up its cells, and computes them again when it is its turn. A job that has the context to itself is never parked.
///
/// @param <J> what the caller keeps of a job
final class Scheduler<J extends Scheduler.Job> {

    /// Steps that a level of priority is worth.
    static final int AGING = 64;

    /// Tokens of prompt that are computed before it is another prompt's turn.
    static final int TURN = 128;

    /// Tokens that an answer is expected to grow by while it runs beside others.
    static final int HORIZON = 32;

    private static final double LEVEL = 1.25;

    /// A text that is computed and goes on.
    static class Job {

        // The scheduler's own, but for what the methods below tell.
        final TokenList text;
        final Object scope;
        final int promptLength;
        final int maxTokens;
        final int priority;
        final double weight;
        long place;
        long arrival;
        KvPool.@Nullable Entry sequence;
        int planned;
        boolean paused;
        boolean started;
        int cached;
        /// Cells that it was admitted for, until it has begun.
        int claim;
        double served;
        /// Computes the first `led` tokens of this job's text as well.
        @Nullable Job leader;
        int led;
        boolean waits;

        Job(int[] prompt, Object scope, int maxTokens, int priority) {
            this.text = new TokenList(prompt);
            this.scope = scope;
            this.promptLength = prompt.length;
            this.maxTokens = maxTokens;
            this.priority = priority;
            this.weight = Math.pow(LEVEL, priority);
        }

        /// The prompt and what was generated.
        final TokenList text() {
            return text;
        }

        final int promptLength() {
            return promptLength;
        }

        final int generated() {
            return text.size() - promptLength;
        }

        /// Tokens of the prompt that were in the KV cache when it was started.
        final int cached() {
            return cached;
        }

        /// Its sequence, null while it has none.
        final KvPool.@Nullable Entry sequence() {
            return sequence;
        }

        /// Tokens that the present step computes for it.
        final int planned() {
            return planned;
        }

        /// Whether the present step computes its last token.
        final boolean completes() {
            return planned == remaining();
        }

        /// Whether all of its text is computed.
        final boolean isComputed() {
            return remaining() == 0;
        }

        final boolean paused() {
            return paused;
        }

        int computed() {
            return sequence == null ? 0 : sequence.computed();
        }

        int remaining() {
            return text.size() - computed();
        }

        boolean answers() {
            return sequence != null && generated() > 0 && remaining() == 1;
        }

        int growth() {
            return Math.min(maxTokens - generated(), HORIZON);
        }
    }

    private static final Comparator<Job> LINE = Comparator.<Job>comparingLong(job -> job.place).thenComparingLong(job -> job.arrival);

    private final int maxRunning;
    /// Less than that after the cells did not suffice although they were counted, until a job ends.
    private int limit;
    private final KvPool pool;
    private final List<J> running = new ArrayList<>();
    private final PriorityQueue<J> waiting = new PriorityQueue<>(LINE);
    /// Paused and parked.
    private final List<J> held = new ArrayList<>();
    /// The jobs of the present step that no pass has had.
    private final List<J> step = new ArrayList<>();
    private final List<J> pass = new ArrayList<>();
    private @Nullable Object passScope;
    private long steps;
    private long arrivals;
    private long parked;
    private @Nullable J turn;
    private int turnLeft;
    /// In the present step.
    private int prompts;

    Scheduler(int maxRunning, KvPool pool) {
        this.maxRunning = maxRunning;
        this.limit = maxRunning;
        this.pool = pool;
    }

    /// A job joins the line.
    void add(J job) {
        job.arrival = arrivals++;
        job.place = steps - (long) job.priority * AGING;
        waiting.add(job);
    }

    /// A job leaves.
    ///
    /// @param keep whether its computed tokens are of use to later ones
    void remove(J job, boolean keep) {
        step.remove(job);
        if (running.remove(job)) {
            give(job, keep);
            limit = maxRunning;
        } else if (!held.remove(job)) {
            waiting.remove(job);
        }
    }

    /// A job is to compute nothing until [#resume]. It stays where it is for as long as nobody needs its place or its cells.
    void pause(J job) {
        job.paused = true;
    }

    void resume(J job) {
        job.paused = false;
        if (held.remove(job)) {
            waiting.add(job);
        }
    }

    /// Plans the next step, after the last pass of the one before: the jobs in it, those with an answer first, each with its [Job#planned()] tokens; empty if nobody can run.
    ///
    /// @param budget  most tokens of the step, at least one for each job that can run at once
    /// @param prefill most tokens of prompts, by the number of answers in the step and of prompts that could be; at least 1 without an answer
    List<J> plan(int budget, IntBinaryOperator prefill) {
        steps++;
        while (true) {
            admit();
            clearStep();
            int answers = addAnswers();
            prompts = countPrompts();
            if (prompts > 0) {
                addPrompts(answers, Math.min(budget - answers, prefill.applyAsInt(answers, prompts)));
            }
            if (!step.isEmpty() || prompts == 0 || !parkLast()) {
                return step;
            }
        }
    }

    /// The jobs of the step's next pass; empty after the last one. What is removed or parked before its pass is left out.
    List<J> nextPass() {
        pass.clear();
        if (!step.isEmpty() && !hasScope(passScope)) {
            passScope = step.getFirst().scope;
        }
        int left = 0;
        for (int i = 0; i < step.size(); i++) {
            J job = step.get(i);
            if (job.scope.equals(passScope)) {
                pass.add(job);
            } else {
                step.set(left++, job);
            }
        }
        while (step.size() > left) {
            step.removeLast();
        }
        return pass;
    }

    private boolean hasScope(@Nullable Object scope) {
        for (int i = 0; i < step.size(); i++) {
            if (step.get(i).scope.equals(scope)) {
                return true;
            }
        }
        return false;
    }

    /// Whether prompts wait or are computed beside the answers of the present step.
    boolean hasPrompts() {
        return prompts > 0;
    }

    /// Cells that neither the pass at hand nor the others of its step need.
    int spareCells() {
        int spare = pool.freeCells();
        for (int i = 0; i < running.size(); i++) {
            spare -= running.get(i).planned;
        }
        return Math.max(0, spare);
    }

    /// Notes that `count` tokens of a job in the pass were computed.
    void computed(J job, int count) {
        pool.computed(job.sequence, count);
    }

    /// Frees cells although there should have been enough: all that are kept for later, else those of the last job in line.
    ///
    /// @return false if one job has the context to itself
    boolean makeRoom() {
        boolean made = pool.dropKept() || parkLast();
        limit = Math.max(1, running.size());
        return made;
    }

    /// Jobs that were admitted and have neither ended nor been parked.
    List<J> running() {
        return running;
    }

    /// Jobs that wait to be admitted, or to go on.
    int waiting() {
        return waiting.size();
    }

    long steps() {
        return steps;
    }

    /// How many times a job gave up its cells.
    long parked() {
        return parked;
    }

    private void admit() {
        while (!waiting.isEmpty()) {
            J first = waiting.peek();
            if (running.size() < limit && (running.isEmpty() || fits(first))) {
                waiting.poll();
                first.claim = pool.cost(first.text, first.scope);
                first.served = Math.max(first.served, served());
                running.add(first);
                continue;
            }
            J paused = last(true);
            if (paused == null) {
                return;
            }
            park(paused);
        }
    }

    private boolean fits(J job) {
        return pool.cost(job.text, job.scope) + job.growth() + claims(job) <= pool.idleCells();
    }

    /// Cells that the running jobs but this one are expected to take.
    private long claims(J but) {
        long claims = 0;
        for (int i = 0; i < running.size(); i++) {
            Job other = running.get(i);
            if (other != but) {
                claims += (other.sequence == null ? other.claim : other.remaining()) + other.growth();
            }
        }
        return claims;
    }

    /// Where those who are being served have got to.
    private double served() {
        double least = Double.POSITIVE_INFINITY;
        for (int i = 0; i < running.size(); i++) {
            Job job = running.get(i);
            if (!job.answers()) {
                least = Math.min(least, job.served);
            }
        }
        return least == Double.POSITIVE_INFINITY ? 0 : least;
    }

    private void clearStep() {
        for (int i = 0; i < running.size(); i++) {
            Job job = running.get(i);
            job.planned = 0;
            job.waits = false;
        }
        step.clear();
    }

    private int addAnswers() {
        for (int i = 0; i < running.size(); i++) {
            J job = running.get(i);
            if (job.answers() && !job.paused) {
                plan(job, 1);
            }
        }
        while (!pool.makeRoom(step.size())) {
            if (!parkLast()) {
                step.clear();
            }
        }
        return step.size();
    }

    private void plan(J job, int count) {
        if (job.planned == 0) {
            step.add(job);
        }
        job.planned += count;
    }

    private int countPrompts() {
        int prompts = 0;
        for (int i = 0; i < running.size(); i++) {
            prompts += isPrompt(running.get(i)) ? 1 : 0;
        }
        return prompts;
    }

    private static boolean isPrompt(Job job) {
        return !job.paused && !job.answers();
    }

    private void addPrompts(int answers, int tokens) {
        int planned = answers;
        int left = tokens;
        while (left > 0) {
            J job = nextPrompt();
            if (job == null) {
                return;
            }
            if (job.sequence == null) {
                start(job, planned);
            }
            int count = Math.min(Math.min(left, turnLeft), job.remaining() - job.planned());
            pool.makeRoom(planned + count);
            count = Math.min(count, pool.freeCells() - planned);
            if (count <= 0) {
                return;
            }
            plan(job, count);
            planned += count;
            left -= count;
            turnLeft -= count;
            job.served += count / job.weight;
        }
    }

    private void start(J job, int reserved) {
        job.sequence = pool.restore(job.text, job.scope, pool.idleCells() - claims(job), reserved);
        if (job.sequence == null) {
            job.sequence = pool.open(job.text, job.scope);
        }
        if (!job.started) {
            job.started = true;
            job.cached = job.computed();
        }
    }

    private @Nullable J nextPrompt() {
        if (turn != null && turnLeft > 0 && isOpen(turn)) {
            return turn;
        }
        turnLeft = TURN;
        while (true) {
            turn = leastServed();
            if (turn == null || !follows(turn)) {
                return turn;
            }
            turn.waits = true;
        }
    }

    private @Nullable J leastServed() {
        J least = null;
        for (int i = 0; i < running.size(); i++) {
            J job = running.get(i);
            if (isOpen(job) && (least == null || job.served < least.served || (job.served == least.served && LINE.compare(job, least) < 0))) {
                least = job;
            }
        }
        return least;
    }

    /// Whether the step can compute more of a prompt.
    private static boolean isOpen(Job job) {
        return isPrompt(job) && !job.waits && job.remaining() > job.planned;
    }

    /// Whether a job that has not begun had better wait for another one that is computing what both begin with.
    private boolean follows(Job job) {
        if (job.sequence != null) {
            return false;
        }
        Job leader = job.leader;
        if (leader != null && leader.sequence != null && !leader.paused && leader.computed() < job.led) {
            return true;
        }
        job.leader = null;
        KvPool.Entry entry = pool.leader(job.text, job.scope);
        if (entry == null) {
            return false;
        }
        int common = entry.text().commonPrefix(job.text, job.text.size() - 1);
        if (common - pool.reusable(job.text, job.scope) < KvPool.LEAST_SHARED) {
            return false;
        }
        for (int i = 0; i < running.size(); i++) {
            Job other = running.get(i);
            if (other.sequence == entry && !other.paused && LINE.compare(other, job) < 0) {
                job.leader = other;
                job.led = common;
                return true;
            }
        }
        return false;
    }

    /// Parks the last paused job in line, or the last one of all if somebody else can go on.
    private boolean parkLast() {
        J job = last(true);
        if (job == null && running.size() > 1) {
            job = last(false);
        }
        if (job == null) {
            return false;
        }
        park(job);
        return true;
    }

    private @Nullable J last(boolean paused) {
        J last = null;
        for (int i = 0; i < running.size(); i++) {
            J job = running.get(i);
            if (job.paused == paused && (last == null || LINE.compare(job, last) > 0)) {
                last = job;
            }
        }
        return last;
    }

    private void park(J job) {
        running.remove(job);
        step.remove(job);
        job.planned = 0;
        give(job, true);
        parked++;
        if (job.paused) {
            held.add(job);
        } else {
            waiting.add(job);
        }
    }

    private void give(J job, boolean keep) {
        if (turn == job) {
            turn = null;
        }
        job.leader = null;
        if (job.sequence != null) {
            if (keep) {
                pool.keep(job.sequence);
            } else {
                pool.discard(job.sequence);
            }
            job.sequence = null;
        }
    }
}
