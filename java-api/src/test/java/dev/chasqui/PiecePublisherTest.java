package dev.chasqui;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;

import dev.chasqui.speculation.Speculation;
import java.lang.ref.WeakReference;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Flow;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.jspecify.annotations.Nullable;

/// The rules of Reactive Streams, by the numbers of its specification.
@Tag("standalone")
@Timeout(60)
class PiecePublisherTest {

    private final AtomicInteger cancels = new AtomicInteger();
    private final AtomicInteger ends = new AtomicInteger();
    private final CountDownLatch ended = new CountDownLatch(1);

    /// Numbers as pieces; after them a failure, if there is one.
    private PiecePublisher numbers(int count, @Nullable RuntimeException failure) {
        Iterator<String> iterator = new Iterator<>() {

            private int next;

            @Override
            public boolean hasNext() {
                if (next == count && failure != null) {
                    throw failure;
                }
                return next < count && cancels.get() == 0;
            }

            @Override
            public String next() {
                if (next == count) {
                    throw new NoSuchElementException();
                }
                return String.valueOf(next++);
            }
        };
        return publisher(iterator);
    }

    private PiecePublisher publisher(Iterator<String> iterator) {
        return new PiecePublisher(() -> iterator, cancels::incrementAndGet, () -> {
            ends.incrementAndGet();
            ended.countDown();
        }, Thread.ofVirtual());
    }

    private static List<String> upTo(int count) {
        return IntStream.range(0, count).mapToObj(String::valueOf).toList();
    }

    /// Notes all signals, and that they come one at a time.
    private static class Recorder implements Flow.Subscriber<String> {

        final List<String> pieces = new ArrayList<>();
        final List<String> signals = new ArrayList<>();
        private final AtomicInteger inside = new AtomicInteger();
        private final Consumer<Recorder> onNext;
        private final long first;
        final CountDownLatch terminated = new CountDownLatch(1);
        final CountDownLatch subscribed = new CountDownLatch(1);
        Flow.Subscription subscription;
        Throwable failure;
        boolean concurrent;

        /// @param first the demand at the start
        Recorder(long first, Consumer<Recorder> onNext) {
            this.first = first;
            this.onNext = onNext;
        }

        Recorder(long first) {
            this(first, _ -> { });
        }

        private synchronized void signal(String name) {
            concurrent |= inside.getAndIncrement() != 0;
            signals.add(name);
            inside.decrementAndGet();
        }

        @Override
        public void onSubscribe(Flow.Subscription value) {
            signal("subscribe");
            subscription = value;
            if (first != 0) {
                value.request(first);
            }
            subscribed.countDown();
        }

        @Override
        public void onNext(String piece) {
            signal("next");
            synchronized (this) {
                pieces.add(piece);
            }
            onNext.accept(this);
        }

        @Override
        public void onError(Throwable e) {
            signal("error");
            failure = e;
            terminated.countDown();
        }

        @Override
        public void onComplete() {
            signal("complete");
            terminated.countDown();
        }

        synchronized List<String> pieces() {
            return List.copyOf(pieces);
        }

        synchronized List<String> signals() {
            return List.copyOf(signals);
        }

        void awaitPieces(int count) throws InterruptedException {
            while (pieces().size() < count) {
                Thread.sleep(1);
            }
        }

        void awaitEnd() throws InterruptedException {
            assertThat(terminated.await(20, TimeUnit.SECONDS)).isTrue();
        }

        /// subscribe, next..., and one end.
        void checkSignals(int count, String end) {
            List<String> expected = new ArrayList<>(List.of("subscribe"));
            for (int i = 0; i < count; i++) {
                expected.add("next");
            }
            expected.add(end);
            assertThat(signals()).isEqualTo(expected);
            assertThat(concurrent).isFalse();
        }
    }

    private static void settle() throws InterruptedException {
        Thread.sleep(30);
    }

    @Test
    void rule101ThereIsNoMoreThanWasRequested() throws InterruptedException {
        Recorder recorder = new Recorder(3);
        numbers(10, null).subscribe(recorder);
        recorder.awaitPieces(3);
        settle();
        assertThat(recorder.pieces()).isEqualTo(upTo(3));
        recorder.subscription.request(1);
        recorder.awaitPieces(4);
        settle();
        assertThat(recorder.pieces()).isEqualTo(upTo(4));
        recorder.subscription.request(100);
        recorder.awaitEnd();
        assertThat(recorder.pieces()).isEqualTo(upTo(10));
        recorder.checkSignals(10, "complete");
        ended.await();
        assertThat(ends).hasValue(1);
        assertThat(cancels).hasValue(0);
    }

    @Test
    void rule104AFailureIsSignalledAfterThePieces() throws InterruptedException {
        IllegalStateException failure = new IllegalStateException("failed");
        Recorder recorder = new Recorder(Long.MAX_VALUE);
        numbers(5, failure).subscribe(recorder);
        recorder.awaitEnd();
        recorder.checkSignals(5, "error");
        assertThat(recorder.failure).isSameAs(failure);
        ended.await();
    }

    @Test
    void rule105NothingEndsWithoutDemandToo() throws InterruptedException {
        Recorder empty = new Recorder(0);
        numbers(0, null).subscribe(empty);
        empty.awaitEnd();
        empty.checkSignals(0, "complete");

        Recorder failing = new Recorder(0);
        numbers(0, new IllegalStateException("failed")).subscribe(failing);
        failing.awaitEnd();
        failing.checkSignals(0, "error");
    }

    @Test
    void rule105TheEndNeedsNoDemandBeyondTheLastPiece() throws InterruptedException {
        Recorder recorder = new Recorder(4);
        numbers(4, null).subscribe(recorder);
        recorder.awaitEnd();
        recorder.checkSignals(4, "complete");
    }

    @Test
    void rule107NothingFollowsTheEnd() throws InterruptedException {
        Recorder recorder = new Recorder(Long.MAX_VALUE);
        numbers(2, null).subscribe(recorder);
        recorder.awaitEnd();
        recorder.subscription.request(5);
        recorder.subscription.request(-5);
        recorder.subscription.cancel();
        settle();
        recorder.checkSignals(2, "complete");
    }

    @Test
    void rule108CancelEndsTheSignals() throws InterruptedException {
        Recorder recorder = new Recorder(Long.MAX_VALUE, self -> {
            if (self.pieces().size() == 3) {
                self.subscription.cancel();
            }
        });
        numbers(1000, null).subscribe(recorder);
        ended.await();
        assertThat(recorder.signals()).containsExactly("subscribe", "next", "next", "next");
        assertThat(cancels).hasPositiveValue();
        assertThat(ends).hasValue(1);
    }

    @Test
    void rule108CancelWhileItWaitsForDemand() throws InterruptedException {
        Recorder recorder = new Recorder(1);
        numbers(1000, null).subscribe(recorder);
        recorder.awaitPieces(1);
        recorder.subscription.cancel();
        ended.await();
        assertThat(recorder.signals()).containsExactly("subscribe", "next");
    }

    @Test
    void rule108CancelWhileItWaitsForAPiece() throws InterruptedException {
        CountDownLatch waits = new CountDownLatch(1);
        CountDownLatch goes = new CountDownLatch(1);
        Iterator<String> slow = new Iterator<>() {
            @Override
            public boolean hasNext() {
                waits.countDown();
                try {
                    goes.await();
                } catch (InterruptedException e) {
                    throw new AssertionError(e);
                }
                return true;
            }

            @Override
            public String next() {
                return "late";
            }
        };
        Recorder recorder = new Recorder(5);
        new PiecePublisher(() -> slow, goes::countDown, ended::countDown, Thread.ofVirtual()).subscribe(recorder);
        waits.await();
        recorder.subscription.cancel();
        ended.await();
        assertThat(recorder.signals()).containsExactly("subscribe");
    }

    @Test
    void rule109ASubscriberIsNeeded() {
        assertThatNullPointerException().isThrownBy(() -> numbers(1, null).subscribe(null));
    }

    @Test
    void rule111ThereIsOneSubscriber() throws InterruptedException {
        PiecePublisher publisher = numbers(5, null);
        Recorder first = new Recorder(1);
        publisher.subscribe(first);
        Recorder second = new Recorder(5);
        publisher.subscribe(second);
        second.awaitEnd();
        second.checkSignals(0, "error");
        assertThat(second.failure).isInstanceOf(IllegalStateException.class);
        second.subscription.cancel();

        first.subscribed.await();
        first.subscription.request(10);
        first.awaitEnd();
        first.checkSignals(5, "complete");
        assertThat(cancels).hasValue(0);
    }

    @Test
    void rule213ASubscriberThatThrowsIsLeftAlone() throws InterruptedException {
        Recorder recorder = new Recorder(Long.MAX_VALUE, _ -> {
            throw new IllegalStateException("a bad subscriber, thrown by a test");
        });
        numbers(10, null).subscribe(recorder);
        ended.await();
        settle();
        assertThat(recorder.signals()).containsExactly("subscribe", "next");
        assertThat(ends).hasValue(1);
    }

    @Test
    void rule303RequestsFromWithinDoNotNest() throws InterruptedException {
        Recorder recorder = new Recorder(1, self -> self.subscription.request(1));
        numbers(20_000, null).subscribe(recorder);
        recorder.awaitEnd();
        recorder.checkSignals(20_000, "complete");
    }

    @Test
    void rule306AfterCancelNothingHappens() throws InterruptedException {
        Recorder recorder = new Recorder(0);
        numbers(10, null).subscribe(recorder);
        recorder.subscribed.await();
        recorder.subscription.cancel();
        recorder.subscription.cancel();
        recorder.subscription.request(5);
        recorder.subscription.request(0);
        ended.await();
        settle();
        assertThat(recorder.signals()).containsExactly("subscribe");
        assertThat(ends).hasValue(1);
    }

    @Test
    void rule309TheDemandMustBePositive() throws InterruptedException {
        for (long n : new long[] {0, -1, Long.MIN_VALUE}) {
            Recorder recorder = new Recorder(2, self -> {
                if (self.pieces().size() == 2) {
                    self.subscription.request(n);
                }
            });
            cancels.set(0);
            numbers(10, null).subscribe(recorder);
            recorder.awaitEnd();
            recorder.checkSignals(2, "error");
            assertThat(recorder.failure).isInstanceOf(IllegalArgumentException.class).hasMessageContaining("request(" + n + ")");
            assertThat(cancels).hasPositiveValue();
        }
    }

    @Test
    void rule313TheSubscriberIsForgotten() throws InterruptedException {
        PiecePublisher publisher = numbers(10, null);
        Recorder recorder = new Recorder(1);
        publisher.subscribe(recorder);
        recorder.awaitPieces(1);
        Flow.Subscription subscription = recorder.subscription;
        subscription.cancel();
        ended.await();
        WeakReference<Recorder> reference = new WeakReference<>(recorder);
        recorder = null;
        while (reference.get() != null) {
            System.gc();
            Thread.sleep(5);
        }
        subscription.cancel();
    }

    @Test
    void rule317DemandsAddUpWithoutOverflow() throws InterruptedException {
        Recorder recorder = new Recorder(Long.MAX_VALUE, self -> {
            self.subscription.request(Long.MAX_VALUE);
            self.subscription.request(1);
        });
        numbers(100, null).subscribe(recorder);
        recorder.awaitEnd();
        recorder.checkSignals(100, "complete");
    }

    @Test
    void requestsFromManyThreadsAddUp() throws InterruptedException {
        Recorder recorder = new Recorder(0);
        numbers(1000, null).subscribe(recorder);
        recorder.subscribed.await();
        List<Thread> threads = IntStream.range(0, 10).mapToObj(_ -> Thread.ofVirtual().start(() -> {
            for (int i = 0; i < 50; i++) {
                recorder.subscription.request(1);
            }
        })).toList();
        for (Thread thread : threads) {
            thread.join();
        }
        recorder.awaitPieces(500);
        settle();
        assertThat(recorder.pieces()).isEqualTo(upTo(500));
        recorder.subscription.cancel();
    }

    // ---- the publishers that there are -------------------------------------------------------------------------------

    private static final GenerationOptions GREEDY = GenerationOptions.defaults().withSampler(Sampler.greedy()).withIgnoreEnd(true);

    @Test
    void ofAGeneration() throws InterruptedException {
        Model model = TestModels.tiny();
        try (Context context = model.newContext(TestModels.small().withMaxSequences(2)); Sequence one = context.newSequence()) {
            GenerationOptions options = GREEDY.withMaxTokens(40);
            int[] prompt = TestModels.tokens(10, 1);
            String expected = one.generate(prompt, options).text();
            one.rewind(0);
            Generation generation = one.generate(prompt, options);
            Recorder recorder = new Recorder(1, self -> self.subscription.request(1));
            generation.publisher().subscribe(recorder);
            recorder.awaitEnd();

            assertThat(String.join("", recorder.pieces())).isEqualTo(expected);
            assertThat(generation.stats().finishReason()).isEqualTo(FinishReason.LENGTH);
            Recorder second = new Recorder(1);
            generation.publisher().subscribe(second);
            second.checkSignals(0, "error");
        }
    }

    @Test
    void ofAGenerationThatIsCancelled() throws InterruptedException {
        Model model = TestModels.tiny();
        try (Context context = model.newContext(TestModels.small()); Sequence sequence = context.newSequence()) {
            Generation generation = sequence.generate(TestModels.tokens(10, 1), GREEDY.withSpeculation(Speculation.off()));
            Recorder recorder = new Recorder(2);
            generation.publisher().subscribe(recorder);
            recorder.awaitPieces(2);
            settle();
            int tokens = sequence.length();
            assertThat(tokens).isLessThan(30); // nothing runs ahead of the demand but a piece
            recorder.subscription.cancel();
            while (true) {
                try {
                    assertThat(generation.stats().finishReason()).isEqualTo(FinishReason.CANCELLED);
                    break;
                } catch (IllegalStateException e) {
                    Thread.sleep(1); // it has not ended yet
                }
            }
            assertThat(recorder.pieces()).hasSize(2);
        }
    }

    @Test
    void ofAnAnswer() throws InterruptedException {
        ToyDecoder decoder = new ToyDecoder(10_000, 32, 6);
        try (Engine engine = new Engine(TestModels.tiny(), EngineOptions.defaults().withMaxConcurrent(4).withKeptSequences(2).withStepTokens(32)
                .withReadAhead(5), decoder)) {
            int[] prompt = TestModels.tokens(10, 1);
            decoder.hold();
            Answer slow = engine.submit(EngineRequest.tokens(prompt).withOptions(GREEDY.withMaxTokens(100)));
            Recorder recorder = new Recorder(3);
            slow.publisher().subscribe(recorder);
            recorder.subscribed.await();
            decoder.release(1_000_000);
            recorder.awaitPieces(3);
            // others go on meanwhile
            int[] other = TestModels.tokens(12, 2);
            assertThat(engine.submit(EngineRequest.tokens(other).withOptions(GREEDY.withMaxTokens(200))).text())
                    .isEqualTo(ToyDecoder.textOf(ToyDecoder.answer(other, 200)));
            settle();
            assertThat(slow.tokens().length).isLessThanOrEqualTo(3 + 1 + 5 + 1);
            assertThat(recorder.pieces()).hasSize(3);

            recorder.subscription.request(Long.MAX_VALUE);
            recorder.awaitEnd();
            recorder.checkSignals(100, "complete");
            assertThat(String.join("", recorder.pieces())).isEqualTo(ToyDecoder.textOf(ToyDecoder.answer(prompt, 100)));
            Recorder second = new Recorder(1);
            slow.publisher().subscribe(second);
            second.checkSignals(0, "error");

            Answer cancelled = engine.submit(EngineRequest.tokens(prompt).withOptions(GREEDY));
            Recorder third = new Recorder(1, self -> self.subscription.cancel());
            cancelled.publisher().subscribe(third);
            cancelled.text();
            assertThat(cancelled.stats().finishReason()).isEqualTo(FinishReason.CANCELLED);

            int[] poisoned = {30, ToyDecoder.POISON, 31};
            Recorder fourth = new Recorder(1);
            engine.submit(EngineRequest.tokens(poisoned).withOptions(GREEDY)).publisher().subscribe(fourth);
            fourth.awaitEnd();
            fourth.checkSignals(0, "error");
            assertThat(fourth.failure).isInstanceOf(GrammarException.class);
        }
    }
}
