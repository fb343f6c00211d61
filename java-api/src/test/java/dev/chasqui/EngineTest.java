package dev.chasqui;

import static dev.chasqui.ToyDecoder.answer;
import static dev.chasqui.ToyDecoder.textOf;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;
import static org.assertj.core.api.Assertions.catchThrowable;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Iterator;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// What an engine does with its requests, over a decoder that takes no time.
@Tag("standalone")
@Timeout(60)
class EngineTest {

    private static final EngineOptions OPTIONS = EngineOptions.defaults().withMaxConcurrent(4).withQueueCapacity(8).withStepTokens(32).withKeptSequences(2);
    private static final GenerationOptions GREEDY = GenerationOptions.defaults().withSampler(Sampler.greedy());

    private final Model model = TestModels.tiny();
    private ToyDecoder decoder;
    private Engine engine;

    private Engine engine(EngineOptions options, int cells) {
        decoder = new ToyDecoder(cells, options.stepTokens(), options.maxConcurrent() + options.keptSequences());
        engine = new Engine(model, options, decoder);
        return engine;
    }

    private Engine engine() {
        return engine(OPTIONS, 100_000);
    }

    @AfterEach
    void close() {
        if (engine != null) {
            engine.close();
            assertThat(decoder.isClosed()).isTrue();
        }
    }

    private static int[] prompt(int seed, int length) {
        return new Random(seed).ints(length, 20, 300).toArray();
    }

    private static EngineRequest request(int[] prompt, int tokens) {
        return EngineRequest.tokens(prompt).withOptions(GREEDY.withMaxTokens(tokens));
    }

    private static void check(Answer answer, int[] prompt, int tokens) {
        int[] expected = answer(prompt, tokens);
        assertThat(answer.text()).isEqualTo(textOf(expected));
        assertThat(answer.tokens()).isEqualTo(expected);
    }

    static void await(BooleanSupplier condition) {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(20);
        while (!condition.getAsBoolean()) {
            assertThat(System.nanoTime()).isLessThan(end);
            Thread.onSpinWait();
        }
    }

    /// Waits until a thread waits for something.
    private static void awaitWaiting(Thread thread) {
        await(() -> thread.getState() == Thread.State.WAITING || thread.getState() == Thread.State.TIMED_WAITING);
    }

    // ---- answers -----------------------------------------------------------------------------------------------------

    @Test
    void answersAreThoseOfTheirPrompts() {
        engine();
        List<Answer> answers = IntStream.range(0, 40).mapToObj(i -> engine.submit(request(prompt(i, 1 + i * 3), 1 + i % 17))).toList();
        for (int i = 0; i < 40; i++) {
            check(answers.get(i), prompt(i, 1 + i * 3), 1 + i % 17);
            assertThat(answers.get(i).stats().finishReason()).isEqualTo(FinishReason.LENGTH);
            assertThat(answers.get(i).stats().promptTokens()).isEqualTo(1 + i * 3);
            assertThat(answers.get(i).isDone()).isTrue();
        }
        assertThat(decoder.largestStep()).isLessThanOrEqualTo(32);
        await(() -> engine.stats().running() == 0);
        assertThat(engine.stats().generatedTokens()).isEqualTo(answers.stream().mapToLong(answer -> answer.tokens().length).sum());
    }

    @Test
    void textsAndMessagesAreRead() {
        engine();
        List<ChatMessage> messages = List.of(ChatMessage.system("the river"), ChatMessage.user("Peru</s>"));
        try (ChatTemplate template = model.chatTemplate()) {
            Answer chat = engine.submit(EngineRequest.chat(messages).withOptions(GREEDY.withMaxTokens(9)));
            check(chat, template.tokenize(messages, true), 9);
        }
        Answer text = engine.submit(EngineRequest.text("the river <s>").withOptions(GREEDY.withMaxTokens(9)));
        check(text, model.vocabulary().tokenize("the river <s>", true, false), 9);
    }

    @Test
    void theEndOfTheModelEndsTheAnswer() {
        engine();
        int[] prompt = {30, 31, ToyDecoder.LAST};
        Answer answer = engine.submit(request(prompt, 10));

        assertThat(answer.text()).isEmpty();
        assertThat(answer.tokens()).containsExactly(ToyDecoder.END);
        assertThat(answer.stats().finishReason()).isEqualTo(FinishReason.END);
    }

    @Test
    void aStopStringEndsTheAnswer() {
        engine();
        int[] prompt = prompt(1, 5);
        String whole = textOf(answer(prompt, 30));
        String stop = whole.substring(10, 13);
        Answer answer = engine.submit(EngineRequest.tokens(prompt).withOptions(GREEDY.withMaxTokens(30).withStop(stop)));

        assertThat(answer.text()).isEqualTo(whole.substring(0, whole.indexOf(stop)));
        assertThat(answer.stats().finishReason()).isEqualTo(FinishReason.STOP);
    }

    @Test
    void withoutTokensOnlyThePromptIsComputed() {
        engine();
        Answer answer = engine.submit(request(prompt(1, 50), 0));

        assertThat(answer.text()).isEmpty();
        assertThat(answer.tokens()).isEmpty();
        assertThat(answer.stats().finishReason()).isEqualTo(FinishReason.LENGTH);
        int[] longer = IntStream.concat(IntStream.of(prompt(1, 50)), IntStream.of(40, 41)).toArray();
        Answer next = engine.submit(request(longer, 5));
        check(next, longer, 5);
        assertThat(next.stats().cachedTokens()).isEqualTo(50);
    }

    @Test
    void whatWasComputedServesLaterPrompts() {
        engine();
        int[] prompt = prompt(1, 60);
        check(engine.submit(request(prompt, 10)), prompt, 10);
        long computed = engine.stats().promptTokens();
        int[] next = IntStream.concat(IntStream.of(prompt), IntStream.of(99, 98, 97)).toArray();
        Answer answer = engine.submit(request(next, 10));
        check(answer, next, 10);

        assertThat(answer.stats().cachedTokens()).isEqualTo(60);
        assertThat(engine.stats().promptTokens() - computed).isEqualTo(3);
        assertThat(engine.stats().cachedTokens()).isEqualTo(60);
    }

    // ---- a store -----------------------------------------------------------------------------------------------------

    private Engine storing(List<List<Integer>> stored, int cells) {
        engine(OPTIONS, cells);
        decoder.store(stored);
        return engine;
    }

    private static List<Integer> boxed(int[] tokens) {
        return IntStream.of(tokens).boxed().toList();
    }

    @Test
    void whatEndsIsStoredAndServesTheNextEngine() {
        List<List<Integer>> stored = Collections.synchronizedList(new ArrayList<>());
        int[] prompt = prompt(1, 60);
        storing(stored, 1000);
        check(engine.submit(request(prompt, 10)), prompt, 10);
        engine.close();
        assertThat(stored).containsExactly(boxed(TestModels.concat(prompt, answer(prompt, 9))));

        storing(stored, 1000);
        int[] next = TestModels.concat(prompt, answer(prompt, 10), prompt(2, 20));
        Answer answer = engine.submit(request(next, 10));
        check(answer, next, 10);
        assertThat(answer.stats().cachedTokens()).isEqualTo(69);
        assertThat(engine.stats().cachedTokens()).isEqualTo(69);
        assertThat(engine.stats().promptTokens()).isEqualTo(next.length - 69);
    }

    /// What is there already takes no cells.
    @Test
    void littleMoreThanWhatIsSharedIsNotRestored() {
        int[] prompt = prompt(1, 200);
        List<List<Integer>> stored = new ArrayList<>();
        storing(stored, 1000);
        int[] first = Arrays.copyOf(prompt, 100);
        check(engine.submit(request(first, 0)), first, 0);
        engine.drain(Duration.ofSeconds(20));
        engine.close();
        stored.clear();
        stored.add(boxed(prompt));
        for (int gain : new int[] {KvPool.LEAST_RESTORED - 1, KvPool.LEAST_RESTORED}) {
            storing(stored, 1000);
            engine.submit(request(first, 0)).text();
            assertThat(stored).as("all but the last token was restored").hasSize(2);
            stored.removeLast();
            int[] next = TestModels.concat(Arrays.copyOf(prompt, 100 + gain), prompt(2, 20));
            Answer answer = engine.submit(request(next, 5));
            check(answer, next, 5);
            assertThat(answer.stats().cachedTokens()).isEqualTo(gain < KvPool.LEAST_RESTORED ? 100 : 100 + gain);
            engine.close();
            stored.subList(1, stored.size()).clear();
        }
    }

    @Test
    void whatIsStoredNeedsRoom() {
        int[] prompt = prompt(1, 60);
        List<List<Integer>> stored = new ArrayList<>(List.of(boxed(TestModels.concat(prompt, prompt(2, 60)))));
        storing(stored, 100); // not for all that is stored
        Answer answer = engine.submit(request(prompt, 5));
        check(answer, prompt, 5);
        assertThat(answer.stats().cachedTokens()).isZero();
    }

    @Test
    void closingStoresNothing() {
        List<List<Integer>> stored = new ArrayList<>();
        storing(stored, 1000);
        Answer answer = engine.submit(request(prompt(1, 60), 1_000_000));
        answer.iterator().next();
        engine.close();
        assertThat(answer.stats().finishReason()).isEqualTo(FinishReason.CANCELLED);
        assertThat(stored).isEmpty();
    }

    /// Few cells, prompts that begin alike in many ways: whatever is restored, shared, parked or forgotten, no cell is taken twice and no answer changes.
    @Test
    void answersWithAStoreAreThoseOfTheirPrompts() {
        Random random = new Random(3);
        List<List<Integer>> stored = new ArrayList<>();
        long cached = 0;
        for (int round = 0; round < 4; round++) {
            storing(stored, 260);
            List<int[]> prompts = new ArrayList<>();
            List<Answer> answers = new ArrayList<>();
            for (int i = 0; i < 40; i++) {
                int[] prompt = TestModels.concat(Arrays.copyOf(prompt(random.nextInt(3), 150), 1 + random.nextInt(150)), prompt(random.nextInt(5), random.nextInt(40)));
                prompts.add(prompt);
                answers.add(engine.submit(request(prompt, 1 + random.nextInt(40))));
            }
            for (int i = 0; i < prompts.size(); i++) {
                check(answers.get(i), prompts.get(i), answers.get(i).request().options().maxTokens());
            }
            cached += engine.stats().cachedTokens();
            engine.close();
        }
        assertThat(cached).isGreaterThan(4000);
    }

    // ---- forms of reading --------------------------------------------------------------------------------------------

    @Test
    void piecesComeOnce() {
        engine();
        int[] prompt = prompt(1, 5);
        String expected = textOf(answer(prompt, 20));
        Answer iterated = engine.submit(request(prompt, 20));
        StringBuilder text = new StringBuilder();
        iterated.forEach(text::append);

        assertThat(text).hasToString(expected);
        assertThatIllegalStateException().isThrownBy(iterated::iterator);
        assertThatIllegalStateException().isThrownBy(iterated::stream);
        assertThat(iterated.text()).isEqualTo(expected);
        assertThat(engine.submit(request(prompt, 20)).stream().limit(3)).containsExactly(expected.substring(0, 1), expected.substring(1, 2),
                expected.substring(2, 3));
    }

    @Test
    void closingTheStreamCancels() {
        engine();
        Answer answer = engine.submit(request(prompt(1, 5), 10_000));
        try (var stream = answer.stream()) {
            assertThat(stream.findFirst()).isPresent();
        }
        answer.text();
        assertThat(answer.stats().finishReason()).isEqualTo(FinishReason.CANCELLED);
    }

    @Test
    void aFutureHasTheWholeText() throws Exception {
        engine();
        int[] prompt = prompt(1, 5);
        Answer answer = engine.submit(request(prompt, 20));
        CompletableFuture<String> future = answer.toFuture();

        assertThat(future.get()).isEqualTo(textOf(answer(prompt, 20)));
        assertThat(answer.toFuture()).isSameAs(future);
        assertThat(engine.submit(request(prompt, 5)).toFuture().thenApply(String::length).get()).isEqualTo(5);
        answer.text();
        Answer ended = engine.submit(request(prompt, 3));
        ended.text();
        assertThat(ended.toFuture().get()).isEqualTo(textOf(answer(prompt, 3)));
    }

    @Test
    void whatHangsOnAFutureHoldsUpNobody() throws Exception {
        engine();
        decoder.hold();
        CountDownLatch go = new CountDownLatch(1);
        Future<?> slow = engine.submit(request(prompt(1, 5), 5)).toFuture().thenRun(() -> {
            try {
                go.await();
            } catch (InterruptedException e) {
                throw new AssertionError(e);
            }
        });
        decoder.release(1000);
        check(engine.submit(request(prompt(2, 5), 5)), prompt(2, 5), 5);
        assertThat(slow.isDone()).isFalse();
        go.countDown();
        slow.get();
    }

    @Test
    void cancellingTheFutureCancelsTheAnswer() {
        engine();
        Answer answer = engine.submit(request(prompt(1, 5), 1_000_000));
        answer.toFuture().cancel(true);
        assertThat(answer.toFuture()).isCancelled();
        await(answer::isDone);
        assertThat(answer.stats().finishReason()).isEqualTo(FinishReason.CANCELLED);
    }

    @Test
    void aSlowReaderHoldsUpNobodyAndLosesNothing() {
        engine(OPTIONS.withMaxConcurrent(2).withReadAhead(10), 100_000);
        decoder.hold();
        int[] slowPrompt = prompt(1, 5);
        Answer slow = engine.submit(request(slowPrompt, 200));
        Iterator<String> reader = slow.iterator();
        Answer second = engine.submit(request(prompt(2, 5), 200));
        Iterator<String> secondReader = second.iterator();
        decoder.release(1_000_000);
        String first = reader.next();
        // these need the places of both
        for (int i = 3; i < 12; i++) {
            check(engine.submit(request(prompt(i, 20), 30)), prompt(i, 20), 30);
        }
        await(() -> second.tokens().length == 10 && slow.tokens().length >= 10);
        assertThat(slow.tokens()).hasSizeLessThanOrEqualTo(11);

        StringBuilder text = new StringBuilder(first);
        reader.forEachRemaining(text::append);
        assertThat(text).hasToString(textOf(answer(slowPrompt, 200)));
        assertThat(slow.stats().generatedTokens()).isEqualTo(200);
        assertThat(secondReader.next()).isEqualTo(textOf(answer(prompt(2, 5), 1)));
        check(second, prompt(2, 5), 200); // asking for the whole text lifts the limit
        assertThat(engine.stats().parked()).isPositive();
    }

    @Test
    void anAnswerThatNobodyReadsGoesOnToItsEnd() {
        engine(OPTIONS.withReadAhead(1), 100_000);
        Answer answer = engine.submit(request(prompt(1, 5), 300));
        await(answer::isDone);
        assertThat(answer.stats().generatedTokens()).isEqualTo(300);
        assertThat(String.join("", answer.stream().toList())).isEqualTo(textOf(answer(prompt(1, 5), 300)));
    }

    // ---- cancelling --------------------------------------------------------------------------------------------------

    @Test
    void cancelledInTheQueue() {
        engine(OPTIONS.withMaxConcurrent(1), 100_000);
        decoder.hold();
        Answer running = engine.submit(request(prompt(1, 5), 5));
        Answer waiting = engine.submit(request(prompt(2, 5), 5));
        waiting.cancel();
        decoder.release(1000);

        assertThat(waiting.text()).isEmpty();
        assertThat(waiting.stats().finishReason()).isEqualTo(FinishReason.CANCELLED);
        assertThat(waiting.stats().generatedTokens()).isZero();
        check(running, prompt(1, 5), 5);
    }

    @Test
    void cancelledWhileItsPromptIsComputed() {
        engine();
        decoder.hold();
        Answer longPrompt = engine.submit(request(prompt(1, 1000), 5));
        Answer other = engine.submit(request(prompt(2, 5), 50));
        decoder.release(3);
        await(() -> engine.stats().steps() == 3);
        longPrompt.cancel();
        decoder.release(1000);

        assertThat(longPrompt.text()).isEmpty();
        assertThat(longPrompt.stats().finishReason()).isEqualTo(FinishReason.CANCELLED);
        check(other, prompt(2, 5), 50);
        // what was computed of it is of use
        Answer again = engine.submit(request(prompt(1, 1000), 5));
        check(again, prompt(1, 1000), 5);
        assertThat(again.stats().cachedTokens()).isPositive();
    }

    @Test
    void cancelledWhileItAnswers() {
        engine();
        int[] prompt = prompt(1, 5);
        Answer answer = engine.submit(request(prompt, 1_000_000));
        Answer other = engine.submit(request(prompt(2, 5), 50));
        Iterator<String> reader = answer.iterator();
        String text = reader.next();
        answer.cancel();
        while (reader.hasNext()) {
            text += reader.next();
        }
        assertThat(answer.stats().finishReason()).isEqualTo(FinishReason.CANCELLED);
        assertThat(text).isEqualTo(textOf(answer(prompt, text.length()))).isEqualTo(answer.text()).isEqualTo(answer.textSoFar());
        check(other, prompt(2, 5), 50);
    }

    @Test
    void cancelledWhileItWaitsForItsReader() {
        engine(OPTIONS.withReadAhead(5), 100_000);
        decoder.hold();
        Answer answer = engine.submit(request(prompt(1, 5), 1_000_000));
        Iterator<String> reader = answer.iterator();
        decoder.release(1_000_000);
        await(() -> answer.tokens().length == 5);
        answer.close();
        await(answer::isDone);

        assertThat(answer.stats().finishReason()).isEqualTo(FinishReason.CANCELLED);
        StringBuilder text = new StringBuilder();
        reader.forEachRemaining(text::append);
        assertThat(text).hasToString(textOf(answer(prompt(1, 5), 5)));
    }

    @Test
    void cancelledAfterTheEnd() {
        engine();
        Answer answer = engine.submit(request(prompt(1, 5), 5));
        answer.text();
        answer.cancel();
        check(answer, prompt(1, 5), 5);
        assertThat(answer.stats().finishReason()).isEqualTo(FinishReason.LENGTH);
    }

    @Test
    void anInterruptOfTheReaderCancels() throws Exception {
        engine();
        for (boolean whole : new boolean[] {true, false}) {
            decoder.hold();
            Answer answer = engine.submit(request(prompt(1, 5), 100));
            CompletableFuture<Boolean> interrupted = new CompletableFuture<>();
            Thread reader = Thread.ofVirtual().start(() -> {
                if (whole) {
                    answer.text();
                } else {
                    answer.forEach(_ -> { });
                }
                interrupted.complete(Thread.currentThread().isInterrupted());
            });
            awaitWaiting(reader);
            reader.interrupt();
            await(answer::isCancelled);
            decoder.release(1000);
            assertThat(interrupted.get()).isTrue();
            assertThat(answer.stats().finishReason()).isEqualTo(FinishReason.CANCELLED);
        }
    }

    // ---- failures ----------------------------------------------------------------------------------------------------

    @Test
    void aFailingRequestFailsAlone() {
        engine();
        List<Answer> good = new ArrayList<>();
        List<Answer> bad = new ArrayList<>();
        for (int i = 0; i < 12; i++) {
            good.add(engine.submit(request(prompt(i, 10), 20)));
            int[] poisoned = prompt(100 + i, 10);
            poisoned[i % 10] = ToyDecoder.POISON;
            bad.add(engine.submit(request(poisoned, 20)));
        }
        for (Answer answer : bad) {
            assertThatExceptionOfType(GrammarException.class).isThrownBy(answer::text).withMessage("poison");
            assertThatExceptionOfType(GrammarException.class).isThrownBy(() -> answer.forEach(_ -> { }));
            assertThatExceptionOfType(ExecutionException.class).isThrownBy(() -> answer.toFuture().get()).withCauseInstanceOf(GrammarException.class);
            assertThat(answer.stats().finishReason()).isEqualTo(FinishReason.FAILED);
        }
        for (int i = 0; i < 12; i++) {
            check(good.get(i), prompt(i, 10), 20);
        }
    }

    @Test
    void badRequestsAreRefusedAtOnce() {
        engine(OPTIONS, 300);
        assertThatNullPointerException().isThrownBy(() -> engine.submit(null));
        assertThatNullPointerException().isThrownBy(() -> engine.trySubmit(null));
        assertThatIllegalArgumentException().isThrownBy(() -> engine.submit(EngineRequest.tokens())).withMessage("the prompt has no tokens");
        assertThatIllegalArgumentException().isThrownBy(() -> engine.submit(EngineRequest.tokens(5, 320)));
        assertThatIllegalArgumentException().isThrownBy(() -> engine.submit(EngineRequest.tokens(-1)));
        assertThatIllegalArgumentException().isThrownBy(() -> engine.submit(EngineRequest.chat(new ChatMessage("<s>", "x"))));
        assertThatExceptionOfType(ContextFullException.class).isThrownBy(() -> engine.submit(request(prompt(1, 301), 1)))
                .matches(e -> e.needed() == 301 && e.available() == 300);
        assertThatExceptionOfType(GrammarException.class).isThrownBy(() -> engine.submit(
                request(prompt(1, 5), 5).withOptions(GREEDY.withSampler(Sampler.greedy().constrainedBy(Grammar.of("root ::= ("))))));
        assertThatIllegalArgumentException().isThrownBy(() -> engine.submit(
                request(prompt(1, 5), 5).withOptions(GREEDY.withSampler(Sampler.builder().topP(7).build()))));
        assertThatExceptionOfType(UnsupportedFeatureException.class).isThrownBy(() -> engine.submit(
                request(prompt(1, 5), 5).withOptions(GREEDY.withRouting(Routing.to(model)))));
        check(engine.submit(request(prompt(1, 5), 5)), prompt(1, 5), 5);
        assertThat(engine.stats().steps()).isEqualTo(5);
    }

    @Test
    void aFailingBackendFailsTheRequestsOfItsStep() {
        engine(OPTIONS.withMaxConcurrent(2), 100_000);
        for (RuntimeException failure : List.of(new DecodeException("broken", 0), new InsufficientMemoryException("no memory"))) {
            decoder.hold();
            Answer first = engine.submit(request(prompt(1, 5), 50));
            Answer second = engine.submit(request(prompt(2, 5), 50));
            Answer waiting = engine.submit(request(prompt(3, 5), 50));
            decoder.release(4);
            await(() -> engine.stats().running() == 2 && first.tokens().length > 1);
            await(() -> first.tokens().length + second.tokens().length > 3);
            decoder.failNext(failure);
            decoder.release(1_000_000);

            assertThat(catchThrowable(first::text)).isSameAs(failure);
            assertThat(catchThrowable(second::text)).isSameAs(failure);
            assertThat(first.textSoFar()).isEqualTo(textOf(answer(prompt(1, 5), first.tokens().length)));
            check(waiting, prompt(3, 5), 50);
        }
    }

    @Test
    void anAbortFailsEverythingAndIsRemembered() {
        engine(OPTIONS.withMaxConcurrent(1), 100_000);
        decoder.hold();
        Answer running = engine.submit(request(prompt(1, 5), 50));
        Answer waiting = engine.submit(request(prompt(2, 5), 50));
        NativeAbortException abort = new NativeAbortException("ggml aborted");
        decoder.failNext(abort);
        decoder.release(1);

        assertThat(catchThrowable(running::text)).isSameAs(abort);
        assertThat(catchThrowable(waiting::text)).isSameAs(abort);
        assertThatIllegalStateException().isThrownBy(() -> engine.submit(request(prompt(1, 5), 5))).withCause(abort).withMessageContaining("ggml aborted");
        assertThatIllegalStateException().isThrownBy(() -> engine.trySubmit(request(prompt(1, 5), 5))).withCause(abort);
        await(decoder::isClosed);
    }

    @Test
    void anErrorOfTheDriverIsNoHang() {
        engine();
        decoder.failNext(new IllegalStateException("unexpected"));
        Answer answer = engine.submit(request(prompt(1, 5), 5));
        assertThatIllegalStateException().isThrownBy(answer::text).withMessage("unexpected");
        assertThatIllegalStateException().isThrownBy(() -> engine.submit(request(prompt(1, 5), 5)));
    }

    // ---- room --------------------------------------------------------------------------------------------------------

    @Test
    void nothingIsLostWhenCellsRunOut() {
        engine(OPTIONS.withMaxConcurrent(4), 200);
        List<Answer> answers = IntStream.range(0, 8).mapToObj(i -> engine.submit(request(prompt(i, 20), 120))).toList();
        for (int i = 0; i < 8; i++) {
            check(answers.get(i), prompt(i, 20), 120);
        }
        assertThat(engine.stats().parked()).isPositive();
    }

    @Test
    void anAnswerThatFillsTheContextEnds() {
        engine(OPTIONS, 100);
        Answer first = engine.submit(request(prompt(1, 20), Integer.MAX_VALUE));
        Answer second = engine.submit(request(prompt(2, 20), Integer.MAX_VALUE));

        check(first, prompt(1, 20), 81);
        check(second, prompt(2, 20), 81);
        assertThat(first.stats().finishReason()).isEqualTo(FinishReason.CONTEXT_FULL);
        assertThat(second.stats().finishReason()).isEqualTo(FinishReason.CONTEXT_FULL);
    }

    /// As with a sliding window whose cells sequences share.
    @Test
    void aContextThatIsFullEarlierThanCounted() {
        engine(OPTIONS, 1000);
        decoder.mostCells(90);
        List<Answer> answers = IntStream.range(0, 6).mapToObj(i -> engine.submit(request(prompt(i, 20), 50))).toList();
        for (int i = 0; i < 6; i++) {
            check(answers.get(i), prompt(i, 20), 50);
        }
        Answer longer = engine.submit(request(prompt(7, 60), 50));
        check(longer, prompt(7, 60), 31);
        assertThat(longer.stats().finishReason()).isEqualTo(FinishReason.CONTEXT_FULL);
        Answer tooLong = engine.submit(request(prompt(8, 120), 5));
        assertThatExceptionOfType(ContextFullException.class).isThrownBy(tooLong::text);
        check(engine.submit(request(prompt(9, 20), 5)), prompt(9, 20), 5);
    }

    // ---- queue -------------------------------------------------------------------------------------------------------

    @Test
    void aFullQueueTurnsAwayOrMakesWait() throws Exception {
        engine(OPTIONS.withMaxConcurrent(1).withQueueCapacity(2), 100_000);
        decoder.hold();
        Answer running = engine.submit(request(prompt(0, 5), 5));
        await(() -> engine.stats().running() == 0 && engine.trySubmit(request(prompt(1, 5), 5)).isPresent());
        // one runs, and two wait, as soon as the first has been admitted
        await(() -> engine.trySubmit(request(prompt(2, 5), 5)).isPresent());
        assertThat(engine.trySubmit(request(prompt(3, 5), 5))).isEmpty();

        List<Thread> threads = new ArrayList<>();
        for (int i = 4; i < 8; i++) {
            int number = i;
            Thread thread = Thread.ofVirtual().start(() -> {
                check(engine.submit(request(prompt(number, 5), 5)), prompt(number, 5), 5);
            });
            threads.add(thread);
            awaitWaiting(thread);
        }
        assertThat(engine.trySubmit(request(prompt(3, 5), 5))).isEmpty();
        decoder.release(1000);
        for (Thread thread : threads) {
            thread.join();
        }
        check(running, prompt(0, 5), 5);
        List<Integer> begun = decoder.begun();
        assertThat(begun.subList(begun.size() - 4, begun.size())).isEqualTo(IntStream.range(4, 8).mapToObj(i -> prompt(i, 5)[0]).toList());
        assertThat(engine.trySubmit(request(prompt(3, 5), 5))).isPresent();
    }

    @Test
    void aCancelledRequestMakesAPlaceInTheQueue() {
        engine(OPTIONS.withMaxConcurrent(1).withQueueCapacity(1), 100_000);
        decoder.hold();
        engine.submit(request(prompt(0, 5), 5));
        Answer waiting = engine.submit(request(prompt(1, 5), 5));
        assertThat(engine.trySubmit(request(prompt(2, 5), 5))).isEmpty();
        waiting.cancel();
        decoder.release(1);
        await(() -> engine.trySubmit(request(prompt(2, 5), 5)).isPresent());
        decoder.release(1000);
    }

    @Test
    void anInterruptEndsTheWaitForThePlace() throws Exception {
        engine(OPTIONS.withMaxConcurrent(1).withQueueCapacity(1), 100_000);
        decoder.hold();
        engine.submit(request(prompt(0, 5), 5));
        engine.submit(request(prompt(1, 5), 5));
        CompletableFuture<Throwable> failure = new CompletableFuture<>();
        Thread thread = Thread.ofVirtual().start(() -> {
            Throwable thrown = catchThrowable(() -> engine.submit(request(prompt(2, 5), 5)));
            failure.complete(Thread.currentThread().isInterrupted() ? thrown : new AssertionError("the flag is gone"));
        });
        awaitWaiting(thread);
        thread.interrupt();
        assertThat(failure.get()).isInstanceOf(CancelledException.class);
        decoder.release(1000);
        // nobody stands in line any more
        await(() -> engine.trySubmit(request(prompt(2, 5), 5)).isPresent());
    }

    @Test
    void aHigherPriorityIsAnsweredFirst() {
        engine(OPTIONS.withMaxConcurrent(1), 100_000);
        decoder.hold();
        Answer running = engine.submit(request(prompt(0, 5), 50));
        await(decoder::isWaiting);
        Answer low = engine.submit(request(prompt(1, 5), 5).withPriority(-1));
        Answer high = engine.submit(request(prompt(2, 5), 5).withPriority(1));
        decoder.release(50 + 5);
        await(high::isDone);
        assertThat(running.isDone()).isTrue();
        assertThat(low.isDone()).isFalse();
        decoder.release(1000);
        check(low, prompt(1, 5), 5);
    }

    // ---- deadlines ---------------------------------------------------------------------------------------------------

    @Test
    void aDeadlinePassesInTheQueue() throws InterruptedException {
        engine(OPTIONS.withMaxConcurrent(1), 100_000);
        decoder.hold();
        Answer running = engine.submit(request(prompt(1, 5), 5));
        Answer waiting = engine.submit(request(prompt(2, 5), 5).withDeadline(Duration.ofMillis(1)));
        Answer patient = engine.submit(request(prompt(3, 5), 5).withDeadline(Duration.ofDays(100_000_000)));
        Thread.sleep(20); // the deadline is over before the first step is
        decoder.release(1);
        await(() -> engine.stats().steps() > 0);
        await(() -> {
            decoder.release(1);
            return waiting.isDone();
        });
        decoder.release(1000);

        assertThatExceptionOfType(DeadlineException.class).isThrownBy(waiting::text).matches(e -> e.partialText().isEmpty());
        assertThat(waiting.stats().finishReason()).isEqualTo(FinishReason.DEADLINE);
        check(running, prompt(1, 5), 5);
        check(patient, prompt(3, 5), 5);
    }

    @Test
    void aDeadlinePassesWhileItAnswers() {
        engine();
        int[] prompt = prompt(1, 5);
        Answer answer = engine.submit(request(prompt, 100_000_000).withDeadline(Duration.ofMillis(50)));
        Throwable thrown = catchThrowable(answer::text);

        assertThat(thrown).isInstanceOf(DeadlineException.class);
        String partial = ((DeadlineException) thrown).partialText();
        assertThat(partial).isNotEmpty().isEqualTo(answer.textSoFar()).isEqualTo(textOf(answer.tokens()));
        assertThat(String.join("", drainPieces(answer))).isEqualTo(partial);
        assertThat(answer.stats().generatedTokens()).isEqualTo(partial.length());
    }

    private static List<String> drainPieces(Answer answer) {
        List<String> pieces = new ArrayList<>();
        assertThatExceptionOfType(DeadlineException.class).isThrownBy(() -> answer.forEach(pieces::add));
        return pieces;
    }

    /// The engine sleeps when nothing is to be computed, and must wake up for it.
    @Test
    void aDeadlinePassesWhileNothingRuns() {
        engine(OPTIONS.withReadAhead(5), 100_000);
        decoder.hold();
        Answer answer = engine.submit(request(prompt(1, 5), 1000).withDeadline(Duration.ofMillis(100)));
        Iterator<String> reader = answer.iterator();
        decoder.release(1_000_000);
        await(answer::isDone);
        assertThat(answer.stats().finishReason()).isEqualTo(FinishReason.DEADLINE);
        assertThat(reader.next()).isEqualTo(textOf(answer(prompt(1, 5), 1)));
    }

    @Test
    void aDeadlinePassesBeforeThereIsAPlaceInTheQueue() {
        engine(OPTIONS.withMaxConcurrent(1).withQueueCapacity(1), 100_000);
        decoder.hold();
        engine.submit(request(prompt(0, 5), 5));
        await(() -> engine.trySubmit(request(prompt(1, 5), 5)).isPresent());
        assertThatExceptionOfType(DeadlineException.class).isThrownBy(() -> engine.submit(request(prompt(2, 5), 5).withDeadline(Duration.ofMillis(20))));
        decoder.release(1000);
        await(() -> engine.trySubmit(request(prompt(2, 5), 5)).isPresent());
    }

    @Test
    void aDeadlineOfNothingFailsAtOnce() {
        engine();
        Answer answer = engine.submit(request(prompt(0, 5), 5).withDeadline(Duration.ZERO));
        assertThatExceptionOfType(DeadlineException.class).isThrownBy(answer::text);
    }

    // ---- closing -----------------------------------------------------------------------------------------------------

    @Test
    void closeEndsEverything() throws Exception {
        engine(OPTIONS.withMaxConcurrent(2).withQueueCapacity(2).withReadAhead(3), 100_000);
        decoder.hold();
        int[] prompt = prompt(0, 5);
        Answer running = engine.submit(request(prompt, 100_000_000));
        Answer lagging = engine.submit(request(prompt(1, 5), 1000));
        Iterator<String> reader = lagging.iterator();
        decoder.release(1_000_000);
        await(() -> lagging.tokens().length == 3 && running.tokens().length > 3);
        decoder.hold();
        await(() -> engine.trySubmit(request(prompt(2, 5), 5)).isPresent());
        List<CompletableFuture<Throwable>> blocked = new ArrayList<>();
        for (int i = 0; i < 6; i++) {
            CompletableFuture<Throwable> failure = new CompletableFuture<>();
            blocked.add(failure);
            int number = i;
            Thread.ofVirtual().start(() -> failure.complete(catchThrowable(() -> engine.submit(request(prompt(number, 5), 5)).text())));
        }
        engine.close();
        engine.close();

        assertThat(running.text()).isNotEmpty().isEqualTo(textOf(answer(prompt, running.tokens().length)));
        assertThat(running.stats().finishReason()).isEqualTo(FinishReason.CANCELLED);
        assertThat(lagging.stats().finishReason()).isEqualTo(FinishReason.CANCELLED);
        StringBuilder text = new StringBuilder();
        reader.forEachRemaining(text::append);
        assertThat(text).hasToString(textOf(answer(prompt(1, 5), 3)));
        for (CompletableFuture<Throwable> failure : blocked) {
            // admitted to the queue and cancelled, or turned away
            assertThat(failure.get()).satisfiesAnyOf(thrown -> assertThat(thrown).isNull(),
                    thrown -> assertThat(thrown).isInstanceOf(IllegalStateException.class).hasMessage("engine is closed"));
        }
        assertThatIllegalStateException().isThrownBy(() -> engine.submit(request(prompt, 5))).withMessage("engine is closed");
        assertThatIllegalStateException().isThrownBy(() -> engine.trySubmit(request(prompt, 5))).withMessage("engine is closed");
        assertThat(engine.drain(Duration.ZERO)).isTrue();
        running.cancel();
    }

    @Test
    void drainWaitsForTheAnswers() {
        engine(OPTIONS.withMaxConcurrent(2), 100_000);
        List<Answer> answers = IntStream.range(0, 8).mapToObj(i -> engine.submit(request(prompt(i, 5), 50))).toList();
        assertThat(engine.drain(Duration.ofSeconds(20))).isTrue();
        assertThat(answers).allMatch(Answer::isDone);
        for (int i = 0; i < 8; i++) {
            check(answers.get(i), prompt(i, 5), 50);
        }
        assertThatIllegalStateException().isThrownBy(() -> engine.submit(request(prompt(1, 5), 5))).withMessage("engine is being drained");
    }

    @Test
    void drainGivesUpInTime() {
        engine(OPTIONS.withReadAhead(1), 100_000);
        decoder.hold();
        Answer answer = engine.submit(request(prompt(1, 5), 50));
        answer.iterator();
        decoder.release(1000);
        assertThat(engine.drain(Duration.ofMillis(20))).isFalse();
        answer.cancel();
        assertThat(engine.drain(Duration.ofSeconds(20))).isTrue();
    }

    // ---- many at once ------------------------------------------------------------------------------------------------

    /// A thousand virtual threads submit, read in every way, cancel, and go away; every answer that was not cancelled is right, and nothing is left.
    @Test
    void manyThreadsDoAsTheyLike() throws Exception {
        engine(EngineOptions.defaults().withMaxConcurrent(8).withQueueCapacity(5).withStepTokens(40).withKeptSequences(4).withReadAhead(4), 600);
        ConcurrentLinkedQueue<Throwable> failures = new ConcurrentLinkedQueue<>();
        try (var executor = Executors.newVirtualThreadPerTaskExecutor()) {
            for (int i = 0; i < 1000; i++) {
                int number = i;
                executor.submit(() -> {
                    try {
                        behave(new Random(number));
                    } catch (Throwable e) {
                        failures.add(e);
                    }
                });
            }
        }
        assertThat(failures).isEmpty();
        assertThat(engine.drain(Duration.ofSeconds(20))).isTrue();
        await(() -> engine.stats().running() == 0);
        assertThat(engine.stats().queued()).isZero();
    }

    private void behave(Random random) throws Exception {
        int[] prompt = prompt(random.nextInt(5), 1 + random.nextInt(80));
        int count = random.nextInt(60);
        if (random.nextInt(10) == 0) {
            prompt[random.nextInt(prompt.length)] = ToyDecoder.POISON;
        }
        boolean poisoned = IntStream.of(prompt).anyMatch(token -> token == ToyDecoder.POISON) && count > 0;
        EngineRequest request = request(prompt, count).withPriority(random.nextInt(21) - 10);
        Optional<Answer> submitted = random.nextInt(4) == 0 ? engine.trySubmit(request) : Optional.of(engine.submit(request));
        if (submitted.isEmpty()) {
            return;
        }
        Answer answer = submitted.get();
        if (random.nextInt(4) == 0) {
            for (int i = random.nextInt(2000); i > 0; i--) {
                Thread.yield();
            }
            answer.cancel();
            assertThat(textOf(answer(prompt, count))).startsWith(poisoned ? "" : answer.text());
            return;
        }
        String text;
        try {
            text = switch (random.nextInt(4)) {
                case 0 -> answer.text();
                case 1 -> answer.toFuture().get();
                case 2 -> String.join("", answer.stream().toList());
                default -> {
                    StringBuilder pieces = new StringBuilder();
                    for (String piece : answer) {
                        pieces.append(piece);
                        Thread.yield();
                    }
                    yield pieces.toString();
                }
            };
        } catch (GrammarException | ExecutionException e) {
            assertThat(poisoned).isTrue();
            return;
        }
        assertThat(poisoned).isFalse();
        assertThat(text).isEqualTo(textOf(answer(prompt, count)));
        assertThat(answer.stats().generatedTokens()).isEqualTo(count);
    }

    @Test
    void closeWhileManyThreadsAreAtIt() throws Exception {
        for (int round = 0; round < 20; round++) {
            engine(EngineOptions.defaults().withMaxConcurrent(4).withQueueCapacity(3).withStepTokens(40).withReadAhead(2), 300);
            Engine closing = engine;
            ConcurrentLinkedQueue<Throwable> failures = new ConcurrentLinkedQueue<>();
            try (var executor = Executors.newVirtualThreadPerTaskExecutor()) {
                for (int i = 0; i < 40; i++) {
                    int[] prompt = prompt(i, 10);
                    boolean reads = i % 2 == 0;
                    executor.submit(() -> {
                        try {
                            Answer answer = closing.submit(request(prompt, 100));
                            String text = reads ? String.join("", answer.stream().toList()) : answer.text();
                            assertThat(textOf(answer(prompt, 100))).startsWith(text);
                        } catch (IllegalStateException e) {
                            if (!"engine is closed".equals(e.getMessage())) {
                                failures.add(e);
                            }
                        } catch (Throwable e) {
                            failures.add(e);
                        }
                    });
                }
                for (int i = 0; i < round * 500; i++) {
                    Thread.onSpinWait();
                }
                closing.close();
            }
            assertThat(failures).isEmpty();
            assertThat(decoder.isClosed()).isTrue();
        }
    }

    // ---- options -----------------------------------------------------------------------------------------------------

    @Test
    void optionsAreChecked() {
        EngineOptions defaults = EngineOptions.defaults();
        assertThatNullPointerException().isThrownBy(() -> defaults.withContext(null));
        for (int value : new int[] {Integer.MIN_VALUE, -1, 0, 241, Integer.MAX_VALUE}) {
            assertThatIllegalArgumentException().isThrownBy(() -> defaults.withMaxConcurrent(value));
        }
        assertThatIllegalArgumentException().isThrownBy(() -> defaults.withKeptSequences(-1));
        assertThatIllegalArgumentException().isThrownBy(() -> defaults.withKeptSequences(241));
        assertThatIllegalArgumentException().isThrownBy(() -> defaults.withQueueCapacity(0));
        assertThatIllegalArgumentException().isThrownBy(() -> defaults.withStepTokens(15));
        assertThatIllegalArgumentException().isThrownBy(() -> defaults.withReadAhead(0));
        for (double value : new double[] {1, 0, -1, Double.NaN, Double.NEGATIVE_INFINITY}) {
            assertThatIllegalArgumentException().isThrownBy(() -> defaults.withMaxSlowdown(value));
        }
        assertThatCode(() -> defaults.withMaxSlowdown(Double.POSITIVE_INFINITY)).doesNotThrowAnyException();
        assertThat(defaults.withMaxConcurrent(100).withKeptSequences(156).maxConcurrent()).isEqualTo(100);
        assertThat(defaults.withStepTokens(16).withMaxConcurrent(64).stepTokens()).isEqualTo(64);

        EngineRequest request = EngineRequest.text("a");
        assertThatIllegalArgumentException().isThrownBy(() -> request.withPriority(11));
        assertThatIllegalArgumentException().isThrownBy(() -> request.withPriority(Integer.MIN_VALUE));
        assertThatIllegalArgumentException().isThrownBy(() -> request.withDeadline(Duration.ofNanos(-1)));
        assertThatNullPointerException().isThrownBy(() -> request.withDeadline(null));
        assertThatNullPointerException().isThrownBy(() -> request.withOptions(null));
        assertThatNullPointerException().isThrownBy(() -> EngineRequest.text(null));
        assertThatNullPointerException().isThrownBy(() -> EngineRequest.chat((List<ChatMessage>) null));
        assertThatNullPointerException().isThrownBy(() -> EngineRequest.tokens((int[]) null));
        assertThatNullPointerException().isThrownBy(() -> model.newEngine(null));
    }
}
