package dev.chasqui;

import dev.chasqui.kv.KvStats;
import dev.chasqui.speculation.SpeculationStats;
import java.time.Duration;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// A request on its way through an engine: what [Scheduler.Job] leaves out. Belongs to the engine's driver once it has been handed over.
final class AnswerJob extends Scheduler.Job {

    static final long NO_DEADLINE = Long.MAX_VALUE;

    private final Answer answer;
    private final GenerationOptions options;
    private final SamplerChain chain;
    private final AdapterUse adapters;
    private final TextAssembler assembler;
    private final long submittedAt;
    private final long deadlineNanos;
    private long firstTokenAt;
    private long lastTokenAt;
    private int stepsAfterPrompt;
    /// Guesses what follows, once there is an answer.
    private @Nullable SpeculativeSteps guesses;
    private boolean mayGuess;
    /// Tokens of the text that the guesses know.
    private int known;
    /// Whether the pass at hand may guess for it.
    private boolean guessing;
    /// Whether it counts as waiting for its first admission.
    private boolean queued = true;

    /// Takes over the chain, which nobody else may use, and the use of the adapters.
    AnswerJob(Answer answer, int[] prompt, AdapterUse adapters, SamplerChain chain, long submittedAt) {
        super(prompt, adapters, answer.request().options().maxTokens(), answer.request().priority());
        this.adapters = adapters;
        this.answer = answer;
        this.options = answer.request().options();
        this.chain = chain;
        this.assembler = new TextAssembler(options.stop());
        this.submittedAt = submittedAt;
        this.mayGuess = options.speculation().isOn();
        this.deadlineNanos = answer.request().deadline().map(AnswerJob::nanos).orElse(NO_DEADLINE);
        chain.enter();
    }

    private static long nanos(Duration deadline) {
        return deadline.compareTo(Duration.ofNanos(NO_DEADLINE - 1)) < 0 ? deadline.toNanos() : NO_DEADLINE;
    }

    Answer answer() {
        return answer;
    }

    /// Its chain, null where nothing is to be picked.
    @Nullable SamplerChain chain() {
        return options.maxTokens() > 0 ? chain : null;
    }

    AdapterUse adapters() {
        return adapters;
    }

    boolean rendersSpecial() {
        return options.specialTokens();
    }

    /// Nanoseconds that are left at `now`, not positive when the deadline has passed.
    long timeLeft(long now) {
        return deadlineNanos == NO_DEADLINE ? NO_DEADLINE : deadlineNanos - (now - submittedAt);
    }

    DeadlineException overdue() {
        return new DeadlineException("the answer was not complete after " + answer.request().deadline().orElseThrow(), answer.textSoFar());
    }

    boolean queued() {
        return queued;
    }

    void admitted() {
        queued = false;
    }

    /// Adds the job to a pass, with as many tokens as are planned.
    void addTo(BatchDecoder decoder, int longest) {
        KvPool.Entry sequence = Objects.requireNonNull(sequence());
        decoder.add(sequence.id(), text(), sequence.computed(), planned(), completes() ? chain() : null, rendersSpecial());
        int most = Math.min(options.maxTokens() - generated(), longest + 1 - text().size());
        guessing = mayGuess && answers() && most > 1 && canGuess(decoder);
        if (guessing) {
            decoder.guess(Objects.requireNonNull(guesses), most, options.ignoreEnd());
        }
    }

    /// Whether the pass at hand may guess for it.
    boolean guesses() {
        return guessing;
    }

    /// Has the guesses know the whole text. Where the memory does not suffice for that, the answer goes on without.
    private boolean canGuess(BatchDecoder decoder) {
        try {
            if (guesses == null) {
                guesses = decoder.guesses(options);
                if (guesses == null) {
                    mayGuess = false;
                    return false;
                }
                guesses.enter();
            }
            if (known != text().size()) {
                guesses.begin(text().toArray(), text().size());
                known = text().size();
            }
            return true;
        } catch (InsufficientMemoryException e) {
            endGuessing();
            mayGuess = false;
            return false;
        }
    }

    private void endGuessing() {
        if (guesses != null) {
            guesses.exit();
            guesses.close();
            guesses = null;
        }
    }

    /// Takes the tokens that a pass picked, one after the other, until one ends the answer.
    ///
    /// @param longest most tokens of a text that fit into the context
    /// @return why it ends, null if it goes on
    @Nullable FinishReason accept(BatchDecoder decoder, int slot, long now, int longest) {
        known += guessing ? decoder.picked(slot) : 0;
        FinishReason reason = null;
        for (int i = 0; i < decoder.picked(slot) && reason == null; i++) {
            reason = accept(decoder, slot, i, now, longest);
        }
        return reason;
    }

    private @Nullable FinishReason accept(BatchDecoder decoder, int slot, int i, long now, int longest) {
        int token = decoder.token(slot, i);
        text().add(token);
        lastTokenAt = now;
        if (generated() == 1) {
            firstTokenAt = now;
        }
        boolean isEnd = decoder.isEnd(slot, i);
        if (!isEnd || options.specialTokens()) {
            decoder.takePiece(slot, i, assembler);
        }
        String piece = assembler.take();
        answer.add(token, piece);
        if (assembler.stopped()) {
            return FinishReason.STOP;
        } else if (isEnd && !options.ignoreEnd()) {
            return FinishReason.END;
        } else if (generated() >= options.maxTokens()) {
            return FinishReason.LENGTH;
        }
        return text().size() > longest ? FinishReason.CONTEXT_FULL : null;
    }

    /// Notes a step in which something of it was computed.
    void stepped(boolean afterPrompt) {
        stepsAfterPrompt += afterPrompt ? 1 : 0;
    }

    /// Ends the answer.
    void finish(FinishReason reason, @Nullable RuntimeException failure) {
        GenerationStats stats = stats(reason);
        discard();
        String rest = assembler.stopped() ? "" : assembler.finish();
        answer.finish(rest, stats, failure);
    }

    /// Gives up what it owns.
    void discard() {
        endGuessing();
        chain.exit();
        chain.close();
        adapters.release();
    }

    private GenerationStats stats(FinishReason reason) {
        return new GenerationStats(promptLength(), cached(), generated(),
                Duration.ofNanos(generated() > 0 ? firstTokenAt - submittedAt : 0),
                Duration.ofNanos(generated() > 0 ? lastTokenAt - firstTokenAt : 0),
                stepsAfterPrompt, guesses == null ? SpeculationStats.NONE : guesses.stats(), KvStats.NONE, 0, reason);
    }
}
