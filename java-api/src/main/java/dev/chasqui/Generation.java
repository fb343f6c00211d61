package dev.chasqui;

import dev.chasqui.kv.KvStats;
import dev.chasqui.kv.SparseAttention;
import dev.chasqui.speculation.SpeculationStats;
import java.time.Duration;
import java.util.Iterator;
import java.util.NoSuchElementException;
import java.util.Objects;
import java.util.Optional;
import java.util.Spliterator;
import java.util.Spliterators;
import java.util.concurrent.Flow;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.jspecify.annotations.Nullable;

/// A running answer. Iterating it computes: each piece of text is handed out as soon as it is certain, characters always whole.
///
/// {@snippet class="snippets.ModelSnippets" region="generation"}
///
/// It can be iterated once, by one thread at a time; [#cancel()] is safe from any thread and also stops the computation of a
/// long prompt. Nothing runs before the first piece is asked for, and nothing runs ahead of the reader but the rest of a speculative step,
/// whose tokens join the sequence one by one as they are read.
public final class Generation implements Iterable<String>, AutoCloseable {

    private final Sequence sequence;
    private final @Nullable Prompt prompt;
    private final GenerationOptions options;
    private final @Nullable Context ownedContext;
    private final TextAssembler assembler;
    private final int limit;

    private @Nullable SamplerChain chain;
    private @Nullable SpeculativeSteps steps;
    private volatile @Nullable Router router;
    private int routed;
    private SpeculationStats speculated = SpeculationStats.NONE;
    private KvStats sparse = KvStats.NONE;
    private int plainSteps;
    private int[] opening = {};
    private boolean hidesEnd;
    private boolean sparsely;
    private volatile boolean cancelled;
    private boolean iterated;
    private @Nullable FinishReason finishReason;
    private boolean closed;

    private int promptTokens;
    private int cachedTokens;
    private int generated;
    private long startedAt;
    private long firstTokenAt;
    private long lastTokenAt;

    /// @param prompt       what the sequence shall hold first, null = what it holds
    /// @param ownedContext closed with the generation
    Generation(Sequence sequence, @Nullable Prompt prompt, GenerationOptions options, @Nullable Context ownedContext) {
        this.sequence = sequence;
        this.prompt = prompt;
        this.options = Objects.requireNonNull(options, "options");
        this.ownedContext = ownedContext;
        this.assembler = new TextAssembler(options.stop());
        this.limit = options.maxTokens();
    }

    /// Makes it the answer of a chat.
    ///
    /// @param openingTokens tokens at the end of the prompt of which its grammars hear first
    /// @param withoutEnd    whether the token that ends it is no part of its text, even where control tokens are
    Generation ofChat(int[] openingTokens, boolean withoutEnd) {
        opening = openingTokens;
        hidesEnd = withoutEnd;
        return this;
    }

    /// The pieces, once.
    ///
    /// @throws IllegalStateException at the second call
    @Override
    public Iterator<String> iterator() {
        if (iterated) {
            throw new IllegalStateException("a generation can be iterated once");
        }
        iterated = true;
        return new Pieces();
    }

    /// The pieces as a sequential stream, once.
    public Stream<String> stream() {
        return StreamSupport.stream(
                Spliterators.spliteratorUnknownSize(iterator(), Spliterator.ORDERED | Spliterator.NONNULL), false);
    }

    /// The pieces for one subscriber. They are computed, and its methods called, by a thread of its own that starts with the subscription and uses the
    /// sequence until the end; it is at most one piece ahead of the demand. Cancelling the subscription cancels the generation. A second subscriber gets
    /// an [IllegalStateException].
    public Flow.Publisher<String> publisher() {
        return new PiecePublisher(this::iterator, this::cancel, this::close, Thread.ofPlatform().daemon().name("chasqui-generation"));
    }

    /// Generates to the end and gives the whole text.
    public String text() {
        StringBuilder text = new StringBuilder();
        for (String piece : this) {
            text.append(piece);
        }
        return text.toString();
    }

    /// Ends the generation soon: the iteration finishes normally with [FinishReason#CANCELLED]. Safe from any thread.
    public void cancel() {
        cancelled = true;
        sequence.context().cancel();
        Router asked = router;
        if (asked != null) {
            asked.cancel();
        }
    }

    /// The sequence that the answer is appended to.
    public Sequence sequence() {
        return sequence;
    }

    /// Counts and times.
    ///
    /// @throws IllegalStateException before the end
    public GenerationStats stats() {
        FinishReason reason = finishReason;
        if (reason == null) {
            throw new IllegalStateException("the generation has not ended");
        }
        return new GenerationStats(promptTokens, cachedTokens, generated,
                Duration.ofNanos(generated > 0 ? firstTokenAt - startedAt : 0),
                Duration.ofNanos(generated > 0 ? lastTokenAt - firstTokenAt : 0),
                plainSteps + (int) speculated.steps(), speculated, sparse, routed, reason);
    }

    /// Gives up what the generation made for itself. The end of the iteration does so too. The sequence stays, unless it was made
    /// for this generation alone.
    @Override
    public void close() {
        if (closed) {
            return;
        }
        closed = true;
        if (finishReason == null) {
            finishReason = FinishReason.CANCELLED;
        }
        if (steps != null) {
            speculated = steps.stats();
            steps.close();
        }
        if (router != null) {
            routed = router.routed();
            router.close();
        }
        if (chain != null) {
            chain.close();
        }
        if (sparsely) {
            sparse = sequence.context().endSparseAttention();
        }
        if (startedAt != 0) {
            sequence.park();
        }
        if (ownedContext != null) {
            ownedContext.close();
        }
    }

    /// Computes until a piece is certain; empty at the end.
    private String advance() {
        try {
            if (startedAt == 0) {
                start();
            }
            while (finishReason == null) {
                step();
                String text = assembler.take();
                if (assembler.stopped()) {
                    end(FinishReason.STOP);
                }
                if (!text.isEmpty()) {
                    return text;
                }
            }
            String rest = assembler.stopped() ? "" : assembler.finish();
            if (rest.isEmpty()) {
                close();
            }
            return rest;
        } catch (Throwable e) {
            close();
            throw e;
        }
    }

    private void start() {
        startedAt = System.nanoTime();
        Context context = sequence.context();
        chain = context.model().newSamplerChain(options.sampler());
        if (stopRequested()) {
            end(FinishReason.CANCELLED);
            return;
        }
        try {
            if (prompt != null) {
                int branch = sequence.prepare(prompt);
                if (stopRequested()) { // restoring takes a moment
                    end(FinishReason.CANCELLED);
                    return;
                }
                cachedTokens = sequence.fill(branch, prompt);
            } else {
                cachedTokens = sequence.length();
            }
            promptTokens = sequence.length();
            Optional<SparseAttention> wanted = options.sparseAttention().or(context::sparseAttention);
            sparsely = wanted.isPresent();
            if (sparsely) {
                sequence.park(); // while it is exact
            }
            wanted.ifPresent(context::useSparseAttention);
        } catch (CancelledException e) {
            end(FinishReason.CANCELLED);
            return;
        }
        if (options.sampler().looksBack()) {
            for (int token : sequence.tokens()) {
                if (token != Prompt.ROW) {
                    chain.accept(token);
                }
            }
        }
        for (int token : opening) {
            chain.acceptOpening(token);
        }
        if (limit == 0) {
            end(FinishReason.LENGTH);
        }
    }

    private void step() {
        if (stopRequested()) {
            end(FinishReason.CANCELLED);
            return;
        }
        try {
            pick(Objects.requireNonNull(chain));
        } catch (CancelledException e) {
            end(FinishReason.CANCELLED);
            return;
        } catch (ContextFullException e) {
            end(FinishReason.CONTEXT_FULL);
            return;
        }
        lastTokenAt = System.nanoTime();
        if (generated++ == 0) {
            firstTokenAt = lastTokenAt;
        }
        boolean isEnd = sequence.lastIsEnd();
        if (!isEnd || options.specialTokens() && !hidesEnd) {
            sequence.takePiece(assembler);
        }
        if (isEnd && !options.ignoreEnd()) {
            end(FinishReason.END);
        } else if (generated >= limit) {
            end(FinishReason.LENGTH);
        }
    }

    /// Appends one token: of the last speculative step, of a new one, or of a plain step where the logits are there or one is asked for.
    private void pick(SamplerChain chain) {
        if (options.routing().isPresent()) {
            if (router == null) {
                router = new Router(options.routing().get(), sequence.context());
            }
            router.next(sequence, chain, options.specialTokens());
            plainSteps += generated > 0 ? 1 : 0;
            return;
        }
        if (generated > 0 && options.speculation().isOn() && !sparsely) {
            if (steps == null) {
                steps = new SpeculativeSteps(sequence.context(), options);
            }
            if (sequence.ahead() > 0 || sequence.pickAhead(steps, chain, limit - generated, options.ignoreEnd())) {
                sequence.takeAhead(steps, options.specialTokens());
                return;
            }
        }
        sequence.next(chain, options.specialTokens());
        plainSteps += generated > 0 ? 1 : 0;
    }

    /// An interrupt counts as a cancel; the flag stays set for the caller.
    private boolean stopRequested() {
        return cancelled || Thread.currentThread().isInterrupted();
    }

    private void end(FinishReason reason) {
        if (finishReason == null || reason == FinishReason.STOP) {
            finishReason = reason;
        }
    }

    private final class Pieces implements Iterator<String> {

        private String next = "";

        @Override
        public boolean hasNext() {
            if (next.isEmpty() && !closed) {
                next = advance();
            }
            return !next.isEmpty();
        }

        @Override
        public String next() {
            if (!hasNext()) {
                throw new NoSuchElementException();
            }
            String piece = next;
            next = "";
            return piece;
        }
    }
}
