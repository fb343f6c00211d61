package dev.chasqui;

import dev.chasqui.kv.KvFileException;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.IntBinaryOperator;
import org.jspecify.annotations.Nullable;

/// Answers many requests at once over one context: each pass of the model computes the next token of every running answer and a part of the
/// prompts that wait (continuous batching; Yu et al., "Orca", 2022; Agrawal et al., "Sarathi-Serve", 2024).
///
/// Thread-safe: any number of threads, virtual ones too, submit requests and read answers. One platform thread of the engine's own computes; no
/// code of the caller's runs on it. A request that fails, fails alone.
///
/// {@snippet class="snippets.EngineSnippets" region="engine"}
///
/// **Prefixes.** A prompt that begins like one that is computed, or was, shares the cells of the beginning instead of computing it;
/// [GenerationStats#cachedTokens()] says how many.
///
/// **Store.** If the options of the context have one ([ContextOptions#withStore]), a prompt takes over the longest stored beginning where that is longer than what
/// it can share, and what a request leaves behind is stored when it ends. What is taken over counts as cached. Running answers wait meanwhile: for the copy of what is stored, and
/// for reading a file, never for one that is written. Requests with adapters do not use the store. Closing the engine stores nothing; the store is not closed with it.
///
/// **Adapters.** Requests may have different ones ([EngineRequest#withAdapters]). The next token of every running answer takes a pass for each set of adapters among
/// them, and prompts share beginnings within a set only.
///
/// **Room.** A request is admitted when its prompt fits beside what runs, with some room to grow. When the cells run out nevertheless, the youngest
/// request of the lowest priority is parked: nothing of it is lost, it goes on later from the same tokens, which are computed again. A request that
/// fills the context by itself ends with [FinishReason#CONTEXT_FULL].
public final class Engine implements AutoCloseable {

    private final Model model;
    private final EngineOptions options;
    private final BatchDecoder decoder;
    private final ContextInfo info;
    private final int longest;
    private final int stepTokens;

    private final ReentrantLock lock = new ReentrantLock();
    private final Condition changed = lock.newCondition();
    private final Condition ended = lock.newCondition();
    private final List<AnswerJob> inbox = new ArrayList<>();
    /// Threads that wait in [#submit], in the order they came; each has a condition of its own.
    private final Deque<Condition> line = new ArrayDeque<>();
    private int queued;
    private int open;
    private boolean signalled;
    private boolean draining;
    private boolean closing;
    private @Nullable Throwable broken;
    private @Nullable ChatTemplate template;

    // ---- the driver's own
    private final KvPool pool;
    private final Scheduler<AnswerJob> scheduler;
    private final PrefillPacing pacing;
    private final IntBinaryOperator prefill;
    private final List<AnswerJob> jobs = new ArrayList<>();
    /// Whether a pass of the present step was computed.
    private boolean stepComputes;
    private final Thread driver;

    // ---- written by the driver, read by [#stats()]
    private volatile int waiting;
    private volatile int running;
    private volatile int kept;
    private volatile long steps;
    private volatile long passes;
    private volatile long promptTokens;
    private volatile long cachedTokens;
    private volatile long generatedTokens;
    private volatile long parked;

    Engine(Model model, EngineOptions options) {
        this(model, options, nativeDecoder(model, options));
    }

    /// @param decoder closed with the engine
    Engine(Model model, EngineOptions options, BatchDecoder decoder) {
        this.model = model;
        this.options = options;
        this.decoder = decoder;
        this.info = decoder.info();
        ModelInfo facts = model.info();
        this.longest = facts.recurrent() ? Integer.MAX_VALUE - 1 : info.sequenceSize();
        this.stepTokens = Math.min(options.stepTokens(), info.batchSize());
        this.pool = new KvPool(info.maxSequences(), info.contextSize(), !facts.recurrent(), options.keptSequences(), decoder);
        this.scheduler = new Scheduler<>(Math.min(options.maxConcurrent(), stepTokens), pool);
        this.pacing = new PrefillPacing(options.maxSlowdown());
        this.prefill = pacing::tokens;
        this.driver = Thread.ofPlatform().daemon().name("chasqui-engine").start(this::drive);
    }

    private static BatchDecoder nativeDecoder(Model model, EngineOptions options) {
        Context context = model.newContext(options.contextOptions());
        try {
            return new NativeBatchDecoder(context, options.maxConcurrent());
        } catch (Throwable e) {
            context.close();
            throw e;
        }
    }

    public Model model() {
        return model;
    }

    public EngineOptions options() {
        return options;
    }

    /// What the context that all requests share really got.
    public ContextInfo info() {
        return info;
    }

    /// Hands a request over. Waits while the queue is full, first come, first served, until the request's deadline at most. Its prompt is read and its
    /// sampler made by the calling thread.
    ///
    /// @throws IllegalArgumentException    if the prompt has no tokens or one outside the vocabulary, a sampler a value out of its range, the template
    ///                                     refuses the messages, or an adapter is for another model
    /// @throws GrammarException            if the grammar does not parse
    /// @throws UnsupportedFeatureException if the options ask for [GenerationOptions#routing()] or
    ///                                     [GenerationOptions#sparseAttention()]
    /// @throws ContextFullException        if the prompt alone is longer than the context
    /// @throws DeadlineException           if there was no place in the queue in time
    /// @throws CancelledException          if the waiting thread was interrupted; the flag stays set
    /// @throws IllegalStateException       if the engine is closed, is being drained, or has failed, or an adapter is closed
    public Answer submit(EngineRequest request) {
        return submit(request, true).orElseThrow();
    }

    /// As [#submit], but empty where that would wait.
    public Optional<Answer> trySubmit(EngineRequest request) {
        return submit(request, false);
    }

    /// What was done so far. Counts of the same moment, give or take a step.
    public EngineStats stats() {
        return new EngineStats(waiting, running, kept, steps, passes, promptTokens, cachedTokens, generatedTokens, parked);
    }

    /// Refuses further requests and waits until those that were submitted have ended. An answer whose reader does not go on does not end.
    ///
    /// @return whether all have ended within this time
    /// @throws CancelledException if the waiting thread was interrupted; the flag stays set
    public boolean drain(Duration atMost) {
        lock.lock();
        try {
            draining = true;
            wakeLine();
            long left = TimeUnit.NANOSECONDS.convert(atMost);
            while (open > 0 && left > 0) {
                left = ended.awaitNanos(left);
            }
            return open == 0;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new CancelledException("interrupted while the engine was drained");
        } finally {
            lock.unlock();
        }
    }

    /// Ends everything: running and waiting answers end with [FinishReason#CANCELLED] and what there is of their text, threads that wait in [#submit] get
    /// an [IllegalStateException], and the context is freed. Takes no longer than one step of the graph that is being computed. Idempotent.
    @Override
    public void close() {
        lock.lock();
        try {
            closing = true;
            changed.signal();
            wakeLine();
        } finally {
            lock.unlock();
        }
        decoder.cancel();
        boolean interrupted = false;
        while (driver.isAlive()) {
            try {
                driver.join();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    // ---- on the threads that submit ----------------------------------------------------------------------------------

    private Optional<Answer> submit(EngineRequest request, boolean waits) {
        Objects.requireNonNull(request, "request");
        long now = System.nanoTime();
        lock.lock();
        try {
            checkOpen();
        } finally {
            lock.unlock();
        }
        if (request.options().sparseAttention().isPresent()) {
            throw new UnsupportedFeatureException("an engine computes tokens of many requests at once, which all attend to everything");
        }
        if (request.options().routing().isPresent()) {
            throw new UnsupportedFeatureException("an engine does not route tokens to another model");
        }
        int[] prompt = read(request.prompt());
        Answer answer = new Answer(request, options.readAhead(), this::wake);
        AnswerJob job = job(answer, prompt, now);
        boolean handedOver = false;
        try {
            handedOver = enqueue(job, waits);
        } finally {
            if (!handedOver) {
                job.discard();
            }
        }
        return handedOver ? Optional.of(answer) : Optional.empty();
    }

    private AnswerJob job(Answer answer, int[] prompt, long now) {
        EngineRequest request = answer.request();
        for (LoraAdapter.Scaled one : request.adapters()) {
            if (one.adapter().model() != model) {
                throw new IllegalArgumentException(one.adapter() + " is for another model than the engine's");
            }
        }
        AdapterUse adapters = AdapterUse.acquire(request.adapters());
        try {
            return new AnswerJob(answer, prompt, adapters, chain(request.options().sampler(), prompt), now);
        } catch (Throwable e) {
            adapters.release();
            throw e;
        }
    }

    private int[] read(EngineRequest.Prompt prompt) {
        int[] tokens = switch (prompt) {
            case EngineRequest.Text(String text) -> model.vocabulary().tokenize(text, true, false);
            case EngineRequest.Chat(List<ChatMessage> messages) -> template().tokenize(messages, true);
            case EngineRequest.Tokens(List<Integer> list) -> list.stream().mapToInt(Integer::intValue).toArray();
        };
        if (tokens.length == 0) {
            throw new IllegalArgumentException("the prompt has no tokens");
        }
        for (int token : tokens) {
            if (token < 0 || token >= model.vocabulary().size()) {
                throw new IllegalArgumentException("token %d is not in the vocabulary of %d".formatted(token, model.vocabulary().size()));
            }
        }
        if (tokens.length > longest) {
            throw new ContextFullException(tokens.length, longest);
        }
        return tokens;
    }

    private ChatTemplate template() {
        lock.lock();
        try {
            checkOpen();
            if (template == null) {
                template = model.chatTemplate();
            }
            return template;
        } finally {
            lock.unlock();
        }
    }

    private SamplerChain chain(Sampler sampler, int[] prompt) {
        SamplerChain chain = model.newSamplerChain(sampler);
        try {
            if (sampler.looksBack()) {
                for (int token : prompt) {
                    chain.accept(token);
                }
            }
            return chain;
        } catch (Throwable e) {
            chain.close();
            throw e;
        }
    }

    private boolean enqueue(AnswerJob job, boolean waits) {
        lock.lock();
        try {
            checkOpen();
            if (queued >= options.queueCapacity() || !line.isEmpty()) {
                if (!waits) {
                    return false;
                }
                awaitPlace(job);
            }
            queued++;
            open++;
            inbox.add(job);
            signalled = true;
            changed.signal();
            return true;
        } finally {
            lock.unlock();
        }
    }

    private void awaitPlace(AnswerJob job) {
        Condition mine = lock.newCondition();
        line.add(mine);
        try {
            while (line.peek() != mine || queued >= options.queueCapacity()) {
                long left = job.timeLeft(System.nanoTime());
                if (left <= 0) {
                    throw job.overdue();
                }
                mine.awaitNanos(left);
                checkOpen();
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new CancelledException("interrupted while waiting for a place in the engine's queue");
        } finally {
            line.remove(mine);
            wakeFirst();
        }
    }

    private void checkOpen() {
        if (broken != null) {
            throw new IllegalStateException("the engine has failed: " + broken.getMessage(), broken);
        } else if (closing) {
            throw new IllegalStateException("engine is closed");
        } else if (draining) {
            throw new IllegalStateException("engine is being drained");
        }
    }

    private void wakeFirst() {
        if (!line.isEmpty()) {
            line.peek().signal();
        }
    }

    private void wakeLine() {
        line.forEach(Condition::signal);
    }

    /// Called by answers whose state changed.
    private void wake() {
        lock.lock();
        try {
            signalled = true;
            changed.signal();
        } finally {
            lock.unlock();
        }
    }

    // ---- on the driver's thread --------------------------------------------------------------------------------------

    private void drive() {
        Throwable cause = null;
        try {
            boolean idle = false;
            while (takeInbox(idle)) {
                sweep(System.nanoTime());
                List<AnswerJob> pass = nextPass();
                idle = pass.isEmpty() && !endStuck();
                if (!pass.isEmpty()) {
                    run(pass);
                }
                publish();
            }
        } catch (Throwable e) {
            cause = e;
        }
        end(cause);
    }

    /// The next pass of the present step, or of a new one.
    private List<AnswerJob> nextPass() {
        List<AnswerJob> pass = scheduler.nextPass();
        if (pass.isEmpty()) {
            pacing.stepEnds();
            stepComputes = false;
            scheduler.plan(stepTokens, prefill);
            noteAdmitted();
            pass = scheduler.nextPass();
        }
        return pass;
    }

    /// Takes over what was submitted. When there is nothing to compute, waits for something to happen.
    ///
    /// @return false when the engine is to end
    private boolean takeInbox(boolean idle) throws InterruptedException {
        lock.lock();
        try {
            while (idle && !signalled && !closing) {
                long left = nextDeadline(System.nanoTime());
                if (left <= 0) {
                    break;
                }
                changed.awaitNanos(left);
            }
            signalled = false;
            for (int i = 0; i < inbox.size(); i++) {
                jobs.add(inbox.get(i));
                scheduler.add(inbox.get(i));
            }
            inbox.clear();
            return !closing;
        } finally {
            lock.unlock();
        }
    }

    private long nextDeadline(long now) {
        long least = AnswerJob.NO_DEADLINE;
        for (int i = 0; i < jobs.size(); i++) {
            least = Math.min(least, jobs.get(i).timeLeft(now));
        }
        return least;
    }

    /// Ends what was cancelled or is overdue, and lets those go on whose readers have caught up.
    private void sweep(long now) {
        for (int i = jobs.size() - 1; i >= 0; i--) {
            AnswerJob job = jobs.get(i);
            if (job.answer().isCancelled()) {
                finish(job, FinishReason.CANCELLED, null, true);
            } else if (job.timeLeft(now) <= 0) {
                finish(job, FinishReason.DEADLINE, job.overdue(), true);
            } else if (job.paused() && !job.answer().lags()) {
                scheduler.resume(job);
            }
        }
    }

    /// Those that were admitted for the first time make a place in the queue.
    private void noteAdmitted() {
        List<AnswerJob> running = scheduler.running();
        for (int i = 0; i < running.size(); i++) {
            if (running.get(i).queued()) {
                leaveQueue(running.get(i));
            }
        }
    }

    private void leaveQueue(AnswerJob job) {
        job.admitted();
        lock.lock();
        try {
            queued--;
            wakeFirst();
        } finally {
            lock.unlock();
        }
    }

    /// After a step in which nobody could go on: a job that is alone and still finds no cell has used up the context.
    ///
    /// @return whether there was one
    private boolean endStuck() {
        List<AnswerJob> running = scheduler.running();
        for (int i = 0; i < running.size(); i++) {
            if (!running.get(i).paused()) {
                endFull(running.get(i));
                return true;
            }
        }
        return false;
    }

    private void endFull(AnswerJob job) {
        boolean answers = job.generated() > 0;
        finish(job, answers ? FinishReason.CONTEXT_FULL : FinishReason.FAILED,
                answers ? null : new ContextFullException(job.text().size(), info.contextSize()), false);
    }

    private void run(List<AnswerJob> pass) {
        int answers = 0;
        int tokens = 0;
        boolean guesses = false;
        long start = System.nanoTime();
        try {
            decoder.use(pass.getFirst().adapters());
            for (int i = 0; i < pass.size(); i++) {
                AnswerJob job = pass.get(i);
                job.addTo(decoder, longest);
                guesses |= job.guesses() && !scheduler.hasPrompts();
                answers += job.generated() > 0 && job.planned() == 1 ? 1 : 0;
                tokens += job.planned();
            }
            decoder.run(guesses ? scheduler.spareCells() : 0);
        } catch (ContextFullException e) {
            makeRoom(pass.getFirst());
            return;
        } catch (CancelledException e) {
            for (int i = 0; i < pass.size(); i++) {
                scheduler.computed(pass.get(i), decoder.done(i));
            }
            return;
        } catch (DecodeException | InsufficientMemoryException | KvFileException e) {
            for (int i = 0; i < pass.size(); i++) {
                finish(pass.get(i), FinishReason.FAILED, e, false);
            }
            return;
        }
        long now = System.nanoTime();
        if (!guesses) {
            pacing.pass(answers, tokens - answers, now - start);
        }
        passes = passes + 1;
        steps = steps + (stepComputes ? 0 : 1);
        stepComputes = true;
        promptTokens = promptTokens + tokens - answers;
        for (int i = 0; i < pass.size(); i++) {
            settle(pass.get(i), i, now);
        }
    }

    /// The cells did not suffice although they were counted, as with a sliding window whose cells sequences share.
    private void makeRoom(AnswerJob first) {
        if (!scheduler.makeRoom()) {
            endFull(first);
        }
    }

    /// What the pass did for one job. Whatever goes wrong here is its own.
    private void settle(AnswerJob job, int slot, long now) {
        RuntimeException failure = decoder.failure(slot);
        int picked = failure == null ? decoder.picked(slot) : 0;
        int before = job.generated();
        FinishReason reason = picked > 0 ? job.accept(decoder, slot, now, longest) : null;
        // an answer may end before the last token that was guessed right
        int surplus = picked - (job.generated() - before);
        scheduler.computed(job, decoder.done(slot) - surplus);
        if (surplus > 0) {
            decoder.truncate(Objects.requireNonNull(job.sequence()).id(), job.computed());
        }
        if (failure != null) {
            finish(job, FinishReason.FAILED, failure, true);
            return;
        }
        job.stepped(before > 0);
        generatedTokens = generatedTokens + job.generated() - before;
        if (reason != null) {
            finish(job, reason, null, true);
        } else if (picked > 0 && job.answer().lags()) {
            scheduler.pause(job);
        } else if (job.isComputed()) {
            finish(job, FinishReason.LENGTH, null, true); // nothing was to be picked
        }
    }

    /// @param keep whether what was computed of it may serve others
    private void finish(AnswerJob job, FinishReason reason, @Nullable RuntimeException failure, boolean keep) {
        KvPool.Entry sequence = job.sequence();
        if (keep && sequence != null) {
            decoder.park(sequence.id(), job.text(), sequence.computed(), job.adapters());
        }
        scheduler.remove(job, keep);
        jobs.remove(job);
        if (job.queued()) {
            leaveQueue(job);
        }
        cachedTokens = cachedTokens + job.cached();
        job.finish(reason, failure);
        lock.lock();
        try {
            open--;
            ended.signalAll();
        } finally {
            lock.unlock();
        }
    }

    private void publish() {
        waiting = scheduler.waiting();
        running = scheduler.running().size();
        kept = pool.kept();
        parked = scheduler.parked();
    }

    /// Ends all answers, with what broke the engine if something did, and frees the context.
    private void end(@Nullable Throwable cause) {
        lock.lock();
        try {
            closing = true;
            broken = cause;
            wakeLine();
            jobs.addAll(inbox);
            inbox.clear();
        } finally {
            lock.unlock();
        }
        RuntimeException failure = cause == null || cause instanceof RuntimeException
                ? (RuntimeException) cause : new IllegalStateException("the engine has failed: " + cause, cause);
        for (AnswerJob job : jobs) {
            job.finish(cause == null ? FinishReason.CANCELLED : FinishReason.FAILED, failure);
        }
        jobs.clear();
        lock.lock();
        try {
            open = 0;
            queued = 0;
            ended.signalAll();
            if (template != null) {
                template.close();
            }
        } finally {
            lock.unlock();
        }
        decoder.close();
    }
}
