package dev.chasqui;

import java.util.ArrayDeque;
import java.util.Iterator;
import java.util.NoSuchElementException;
import java.util.Queue;
import java.util.Spliterator;
import java.util.Spliterators;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Flow;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.jspecify.annotations.Nullable;

/// The answer to an [EngineRequest], which the [Engine] computes whether anybody reads it or not. Thread-safe.
///
/// It can be read piece by piece in one of three ways, once: as an [Iterable], a [Stream], or a [Flow.Publisher]. Pieces are as those of a
/// [Generation]: characters always whole, nothing of a stop string. Whoever reads, from a virtual thread or another, waits without holding up
/// the engine. The whole text is there for everybody, by [#text()] or [#toFuture()].
///
/// **Slow readers.** No piece is ever lost. An answer that is read piece by piece stops when it is [EngineOptions#readAhead()] pieces ahead of its
/// reader, and goes on when the reader has caught up with half of them; meanwhile others may have its place and its cells. An answer that nobody has begun to
/// read, or whose text is asked for as a whole, goes on to its end, and takes the memory of its text.
///
/// **The end.** A cancelled answer ends normally with what there is. Other failures are thrown to the reader after the last piece:
/// [DeadlineException], [GrammarException], or what ended the engine.
public final class Answer implements Iterable<String>, AutoCloseable {

    private final EngineRequest request;
    private final int readAhead;
    private final Runnable wake;
    private volatile boolean cancelled;
    private volatile boolean lags;

    private final ReentrantLock lock = new ReentrantLock();
    private final Condition changed = lock.newCondition();
    private final Queue<String> pieces = new ArrayDeque<>();
    private final StringBuilder whole = new StringBuilder();
    private final TokenList tokens = new TokenList();
    private boolean read;
    private boolean wanted;
    private @Nullable CompletableFuture<String> future;
    private @Nullable GenerationStats stats;
    private @Nullable RuntimeException failure;

    /// @param wake tells the engine that something changed here
    Answer(EngineRequest request, int readAhead, Runnable wake) {
        this.request = request;
        this.readAhead = readAhead;
        this.wake = wake;
    }

    /// What it answers.
    public EngineRequest request() {
        return request;
    }

    /// The pieces, once. `hasNext()` waits for the next one; an interrupt of the waiting thread cancels the answer, and stays set.
    ///
    /// @throws IllegalStateException if the pieces are read already
    @Override
    public Iterator<String> iterator() {
        lock.lock();
        try {
            if (read) {
                throw new IllegalStateException("the pieces of an answer can be read once");
            }
            read = true;
        } finally {
            lock.unlock();
        }
        return new Pieces();
    }

    /// The pieces as a sequential stream, once. Closing it cancels the rest.
    public Stream<String> stream() {
        return StreamSupport.stream(Spliterators.spliteratorUnknownSize(iterator(), Spliterator.ORDERED | Spliterator.NONNULL), false)
                .onClose(this::cancel);
    }

    /// The pieces for one subscriber. Its methods are called by a virtual thread of its own, so that it may take its time; pieces beyond its demand
    /// wait. Cancelling the subscription cancels the answer. A second subscriber gets an [IllegalStateException].
    public Flow.Publisher<String> publisher() {
        return new PiecePublisher(this::iterator, this::cancel, this::cancel, Thread.ofVirtual().name("chasqui-answer"));
    }

    /// Waits for the end and gives the whole text. An interrupt cancels the answer, and stays set.
    public String text() {
        boolean wakes;
        lock.lock();
        try {
            wakes = wantWhole();
        } finally {
            lock.unlock();
        }
        if (wakes) {
            wake.run();
        }
        awaitEnd();
        lock.lock();
        try {
            if (failure != null) {
                throw failure;
            }
            return whole.toString();
        } finally {
            lock.unlock();
        }
    }

    /// The whole text when it is there. Completed on a virtual thread; cancelling the future cancels the answer.
    public CompletableFuture<String> toFuture() {
        CompletableFuture<String> result;
        boolean wakes;
        lock.lock();
        try {
            wakes = wantWhole();
            result = future;
            if (result == null) {
                result = new AnswerFuture();
                future = result;
                if (stats != null) {
                    complete(result);
                }
            }
        } finally {
            lock.unlock();
        }
        if (wakes) {
            wake.run();
        }
        return result;
    }

    /// What there is of the text by now.
    public String textSoFar() {
        lock.lock();
        try {
            return whole.toString();
        } finally {
            lock.unlock();
        }
    }

    /// The tokens picked so far, the one that ends the answer included. A copy.
    public int[] tokens() {
        lock.lock();
        try {
            return tokens.toArray();
        } finally {
            lock.unlock();
        }
    }

    /// Whether it has ended, in whatever way.
    public boolean isDone() {
        lock.lock();
        try {
            return stats != null;
        } finally {
            lock.unlock();
        }
    }

    /// Counts and times. The time to the first token starts with [Engine#submit].
    ///
    /// @throws IllegalStateException before the end
    public GenerationStats stats() {
        lock.lock();
        try {
            if (stats == null) {
                throw new IllegalStateException("the answer has not ended");
            }
            return stats;
        } finally {
            lock.unlock();
        }
    }

    /// Ends the answer soon, at the latest after the step that is being computed: with [FinishReason#CANCELLED] and what there is of its text. Does
    /// nothing after the end.
    public void cancel() {
        cancelled = true;
        wake.run();
    }

    /// As [#cancel()].
    @Override
    public void close() {
        cancel();
    }

    // ---- for the engine ----------------------------------------------------------------------------------------------

    boolean isCancelled() {
        return cancelled;
    }

    /// Whether its reader is too far behind.
    boolean lags() {
        return lags;
    }

    void add(int token, String piece) {
        lock.lock();
        try {
            tokens.add(token);
            addPiece(piece);
            lags = read && !wanted && pieces.size() >= readAhead;
        } finally {
            lock.unlock();
        }
    }

    void finish(String rest, GenerationStats result, @Nullable RuntimeException exception) {
        lock.lock();
        try {
            addPiece(rest);
            stats = result;
            failure = exception;
            changed.signalAll();
            if (future != null) {
                complete(future);
            }
        } finally {
            lock.unlock();
        }
    }

    // ---- below: with the lock held, unless said ----------------------------------------------------------------------

    private void addPiece(String piece) {
        if (!piece.isEmpty()) {
            whole.append(piece);
            pieces.add(piece);
            changed.signalAll();
        }
    }

    /// Takes back the limit of the pieces ahead.
    ///
    /// @return whether the engine must be told
    private boolean wantWhole() {
        wanted = true;
        boolean lagged = lags;
        lags = false;
        return lagged;
    }

    /// Callers' code that hangs on the future runs on a thread of its own, never on the engine's.
    private void complete(CompletableFuture<String> result) {
        String text = whole.toString();
        RuntimeException exception = failure;
        Thread.ofVirtual().name("chasqui-answer").start(() -> {
            if (exception == null) {
                result.complete(text);
            } else {
                result.completeExceptionally(exception);
            }
        });
    }

    /// Without the lock.
    private void awaitEnd() {
        boolean interrupted = false;
        lock.lock();
        try {
            while (stats == null) {
                try {
                    changed.await();
                } catch (InterruptedException e) {
                    interrupted = true;
                    cancelUnlocked();
                }
            }
        } finally {
            lock.unlock();
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    /// The engine may hold its own lock when it takes this one, so it is told without.
    private void cancelUnlocked() {
        lock.unlock();
        try {
            cancel();
        } finally {
            lock.lock();
        }
    }

    /// The next piece, "" at the end. Without the lock.
    private String take() {
        String piece;
        boolean caughtUp = false;
        boolean interrupted = false;
        lock.lock();
        try {
            while (pieces.isEmpty() && stats == null) {
                try {
                    changed.await();
                } catch (InterruptedException e) {
                    interrupted = true;
                    cancelUnlocked();
                }
            }
            piece = pieces.poll();
            if (piece == null && failure != null) {
                throw failure;
            }
            if (lags && pieces.size() <= readAhead / 2) {
                lags = false;
                caughtUp = true;
            }
        } finally {
            lock.unlock();
            if (interrupted) {
                Thread.currentThread().interrupt();
            }
        }
        if (caughtUp) {
            wake.run();
        }
        return piece == null ? "" : piece;
    }

    private final class Pieces implements Iterator<String> {

        private String next = "";

        @Override
        public boolean hasNext() {
            if (next.isEmpty()) {
                next = take();
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

    private final class AnswerFuture extends CompletableFuture<String> {

        @Override
        public boolean cancel(boolean mayInterruptIfRunning) {
            Answer.this.cancel();
            return super.cancel(mayInterruptIfRunning);
        }

        @Override
        public <U> CompletableFuture<U> newIncompleteFuture() {
            return new CompletableFuture<>();
        }
    }
}
