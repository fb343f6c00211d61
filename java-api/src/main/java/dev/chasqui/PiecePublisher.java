package dev.chasqui;

import java.util.Iterator;
import java.util.Objects;
import java.util.concurrent.Flow;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/// Pieces of text for one subscriber, by the rules of Reactive Streams. A thread of the subscription's own waits for pieces and for demand and
/// calls the subscriber, so that all signals come one after the other; it is at most one piece ahead of the demand.
final class PiecePublisher implements Flow.Publisher<String> {

    private final Supplier<Iterator<String>> pieces;
    private final Runnable cancel;
    private final Runnable end;
    private final Thread.Builder threads;
    private final AtomicBoolean subscribed = new AtomicBoolean();

    /// @param pieces  called once; an [IllegalStateException] refuses the subscriber
    /// @param cancel  makes the pieces end soon; called from any thread
    /// @param end     called by the subscription's thread when it is done with them, in whatever way
    /// @param threads makes the subscription's thread
    PiecePublisher(Supplier<Iterator<String>> pieces, Runnable cancel, Runnable end, Thread.Builder threads) {
        this.pieces = pieces;
        this.cancel = cancel;
        this.end = end;
        this.threads = threads;
    }

    @Override
    public void subscribe(Flow.Subscriber<? super String> subscriber) {
        Objects.requireNonNull(subscriber, "subscriber");
        Iterator<String> iterator;
        try {
            if (!subscribed.compareAndSet(false, true)) {
                throw new IllegalStateException("there is a subscriber already");
            }
            iterator = pieces.get();
        } catch (IllegalStateException e) {
            subscriber.onSubscribe(new Refused());
            subscriber.onError(e);
            return;
        }
        threads.start(new Delivery(subscriber, iterator));
    }

    private static final class Refused implements Flow.Subscription {

        @Override
        public void request(long n) {
            // an error follows
        }

        @Override
        public void cancel() {
            // there is nothing to cancel
        }
    }

    private final class Delivery implements Flow.Subscription, Runnable {

        private final ReentrantLock lock = new ReentrantLock();
        private final Condition changed = lock.newCondition();
        private final Iterator<String> iterator;
        private Flow.@Nullable Subscriber<? super String> subscriber;
        private long demand;
        private boolean cancelled;
        private @Nullable IllegalArgumentException misuse;

        Delivery(Flow.Subscriber<? super String> subscriber, Iterator<String> iterator) {
            this.subscriber = subscriber;
            this.iterator = iterator;
        }

        @Override
        public void request(long n) {
            boolean wrong = n <= 0;
            lock.lock();
            try {
                if (wrong && misuse == null) {
                    misuse = new IllegalArgumentException("request(" + n + "): the demand must be positive");
                } else if (!wrong) {
                    demand = demand + n < 0 ? Long.MAX_VALUE : demand + n;
                }
                changed.signalAll();
            } finally {
                lock.unlock();
            }
            if (wrong) {
                cancel.run();
            }
        }

        @Override
        public void cancel() {
            lock.lock();
            try {
                cancelled = true;
                changed.signalAll();
            } finally {
                lock.unlock();
            }
            cancel.run();
        }

        @Override
        public void run() {
            try {
                deliver(Objects.requireNonNull(subscriber));
            } finally {
                subscriber = null;
                end.run();
            }
        }

        private void deliver(Flow.Subscriber<? super String> to) {
            to.onSubscribe(this);
            while (true) {
                boolean more = false;
                Throwable failure = null;
                try {
                    more = iterator.hasNext();
                } catch (RuntimeException | Error e) {
                    failure = e;
                }
                if (more) {
                    awaitDemand();
                }
                lock.lock();
                try {
                    if (cancelled) {
                        return;
                    }
                    failure = misuse != null ? misuse : failure;
                    demand -= more ? 1 : 0;
                } finally {
                    lock.unlock();
                }
                if (failure != null) {
                    to.onError(failure);
                    return;
                } else if (!more) {
                    to.onComplete();
                    return;
                }
                to.onNext(iterator.next());
            }
        }

        private void awaitDemand() {
            lock.lock();
            try {
                while (demand == 0 && !cancelled && misuse == null) {
                    changed.awaitUninterruptibly();
                }
            } finally {
                lock.unlock();
            }
        }
    }
}
