package dev.chasqui;

import static dev.chasqui.EngineTest.await;
import static dev.chasqui.TestModels.tokens;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;
import static org.assertj.core.api.Assertions.catchThrowable;

import dev.chasqui.kv.SequenceStore;
import dev.chasqui.kv.SequenceStoreOptions;
import dev.chasqui.speculation.Speculation;
import java.lang.reflect.Field;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Requests with adapters of their own: passes over a decoder that takes no time, and answers against those of each request alone.
@Tag("standalone")
@Timeout(120)
class EngineAdapterTest {

    private static final EngineOptions OPTIONS = EngineOptions.defaults().withMaxConcurrent(8).withStepTokens(64).withKeptSequences(4);
    private static final GenerationOptions GREEDY = GenerationOptions.defaults().withSampler(Sampler.greedy()).withIgnoreEnd(true);
    /// Sums in another order change no token.
    private static final ContextOptions CONTEXT = ContextOptions.defaults().withContextSize(4096).withThreads(1).withKvTypes(KvType.F32, KvType.F32)
            .withFlashAttention(FlashAttention.OFF);

    @TempDir
    Path directory;

    private Model model;
    private LoraAdapter first;
    private LoraAdapter second;
    /// No adapters, one, another one, the first with another scale, both.
    private List<LoraAdapter.Scaled[]> sets;
    private ToyDecoder decoder;
    private Engine engine;

    @BeforeEach
    void load() {
        model = Model.load(TestModels.tinyFile());
        first = LoraAdapter.load(model, TinyLora.write(directory.resolve("first.gguf"), 1));
        second = LoraAdapter.load(model, TinyLora.write(directory.resolve("second.gguf"), 2));
        sets = List.of(new LoraAdapter.Scaled[0], set(first.scaled(1)), set(second.scaled(1)), set(first.scaled(0.5f)), set(first.scaled(1), second.scaled(-1)));
    }

    @AfterEach
    void close() {
        if (engine != null) {
            engine.close();
        }
        first.close();
        second.close();
        model.close();
    }

    private static LoraAdapter.Scaled[] set(LoraAdapter.Scaled... adapters) {
        return adapters;
    }

    private void toyEngine(EngineOptions options) {
        decoder = new ToyDecoder(100_000, options.stepTokens(), options.maxConcurrent() + options.keptSequences());
        engine = new Engine(model, options, decoder);
    }

    private void realEngine(EngineOptions options) {
        engine = model.newEngine(options.withContext(options.context().contextSize() > 0 ? options.context() : CONTEXT));
    }

    private static int[] prompt(int seed, int length) {
        return new Random(seed).ints(length, 20, 300).toArray();
    }

    private Answer submit(int[] prompt, int tokens, LoraAdapter.Scaled... adapters) {
        return engine.submit(EngineRequest.tokens(prompt).withOptions(GREEDY.withMaxTokens(tokens)).withAdapters(adapters));
    }

    private static void check(Answer answer, int[] prompt, int tokens, LoraAdapter.Scaled... adapters) {
        answer.text();
        assertThat(answer.tokens()).isEqualTo(ToyDecoder.answer(prompt, tokens, adapters));
    }

    // ---- passes ------------------------------------------------------------------------------------------------------

    @Test
    void answersAreThoseOfTheirAdapters() {
        toyEngine(OPTIONS);
        List<Answer> answers = IntStream.range(0, 60).mapToObj(i -> submit(prompt(i / 10, 5 + i), 1 + i % 17, sets.get(i % 5))).toList();
        for (int i = 0; i < 60; i++) {
            check(answers.get(i), prompt(i / 10, 5 + i), 1 + i % 17, sets.get(i % 5));
        }
        EngineStats stats = engine.stats();
        assertThat(stats.passes()).isBetween(stats.steps() + 1, 5 * stats.steps());
    }

    @Test
    void adaptersAreSetOnlyWhenTheyChange() {
        toyEngine(OPTIONS);
        submit(prompt(1, 5), 30).text();
        assertThat(decoder.changes()).isZero();
        List<Answer> alike = IntStream.range(0, 8).mapToObj(i -> submit(prompt(i, 5), 30, first.scaled(1), second.scaled(2))).toList();
        alike.forEach(Answer::text);
        submit(prompt(1, 5), 30, second.scaled(2), first.scaled(1)).text();
        assertThat(decoder.changes()).isEqualTo(1);
        assertThat(engine.stats().passes()).isEqualTo(engine.stats().steps());
        submit(prompt(1, 5), 30, first.scaled(0), second.scaled(-0f)).text();
        assertThat(decoder.changes()).as("none, and scale 0").isEqualTo(2);

        long steps = engine.stats().steps();
        decoder.hold();
        List<Answer> two = List.of(submit(prompt(1, 5), 100), submit(prompt(2, 5), 100, first.scaled(1)));
        passUntil(2);
        decoder.release(1_000_000);
        two.forEach(Answer::text);
        assertThat(decoder.changes() - 2L).isBetween(2L, engine.stats().steps() - steps + 1);
    }

    @Test
    void beginningsAreSharedWithinASet() {
        toyEngine(OPTIONS.withKeptSequences(8));
        int[] prompt = prompt(1, 100);
        for (int round = 0; round < 2; round++) {
            for (int i = 0; i < 3; i++) {
                Answer answer = submit(prompt, 5, sets.get(i));
                check(answer, prompt, 5, sets.get(i));
                assertThat(answer.stats().cachedTokens()).as("set %d in round %d", i, round).isEqualTo(round == 0 ? 0 : 99);
            }
        }
    }

    /// Lets a pass run, and waits until the next one waits.
    private void pass() {
        long before = engine.stats().passes();
        decoder.release(1);
        await(() -> engine.stats().passes() > before && decoder.isWaiting());
    }

    private void passUntil(int running) {
        await(decoder::isWaiting);
        while (engine.stats().running() < running) {
            pass();
        }
    }

    @Test
    void whatIsCancelledBetweenPassesHasNoPassMore() {
        toyEngine(OPTIONS);
        decoder.hold();
        List<Answer> answers = IntStream.range(0, 3).mapToObj(i -> submit(prompt(i, 5), 500, sets.get(i))).toList();
        passUntil(3);
        long passes = engine.stats().passes();
        answers.get(1).cancel();
        answers.get(2).cancel();
        decoder.release(1); // one of them may have been in it
        await(() -> answers.get(1).isDone() && answers.get(2).isDone());
        assertThat(engine.stats().passes()).isEqualTo(passes + 1);
        decoder.release(1_000_000);
        check(answers.get(0), prompt(0, 5), 500, sets.get(0));
        assertThat(answers.get(1).stats().finishReason()).isEqualTo(FinishReason.CANCELLED);
    }

    @Test
    void whatIsOverdueBetweenPassesHasNoPassMore() throws InterruptedException {
        toyEngine(OPTIONS);
        decoder.hold();
        List<Answer> answers = IntStream.range(0, 3).mapToObj(i -> engine.submit(EngineRequest.tokens(prompt(i, 5)).withOptions(GREEDY.withMaxTokens(500))
                .withAdapters(sets.get(i)).withDeadline(Duration.ofMillis(i == 0 ? 1_000_000 : 500)))).toList();
        await(decoder::isWaiting);
        pass();
        Thread.sleep(510);
        long passes = engine.stats().passes();
        decoder.release(1);
        await(() -> answers.get(1).isDone() && answers.get(2).isDone() && engine.stats().passes() > passes && decoder.isWaiting());
        assertThat(engine.stats().passes()).isEqualTo(passes + 1);
        decoder.release(1_000_000);
        check(answers.get(0), prompt(0, 5), 500, sets.get(0));
        assertThat(answers.get(1).stats().finishReason()).isEqualTo(FinishReason.DEADLINE);
    }

    @Test
    void aFailingPassFailsItsOwnRequests() {
        toyEngine(OPTIONS);
        decoder.hold();
        List<Answer> answers = IntStream.range(0, 6).mapToObj(i -> submit(prompt(i, 5), 500, sets.get(i % 3))).toList();
        passUntil(6);
        while (!answers.stream().allMatch(answer -> answer.tokens().length > 0)) {
            pass();
        }
        DecodeException failure = new DecodeException("broken", 0);
        decoder.failNext(failure);
        decoder.release(1_000_000);
        answers.forEach(answer -> catchThrowable(answer::text));
        List<Integer> failed = IntStream.range(0, 6).filter(i -> answers.get(i).stats().finishReason() == FinishReason.FAILED).boxed().toList();

        assertThat(failed).hasSize(2);
        assertThat(failed.get(1)).isEqualTo(failed.get(0) + 3);
        for (int i = 0; i < 6; i++) {
            if (failed.contains(i)) {
                assertThat(catchThrowable(answers.get(i)::text)).isSameAs(failure);
            } else {
                check(answers.get(i), prompt(i, 5), 500, sets.get(i % 3));
            }
        }
    }

    /// Those of later passes are parked to make room for the present one.
    @Test
    void aContextThatIsFullEarlierThanCounted() {
        toyEngine(OPTIONS);
        decoder.mostCells(90);
        List<Answer> answers = IntStream.range(0, 9).mapToObj(i -> submit(prompt(i, 20), 50, sets.get(i % 5))).toList();
        for (int i = 0; i < 9; i++) {
            check(answers.get(i), prompt(i, 20), 50, sets.get(i % 5));
        }
        assertThat(engine.stats().parked()).isPositive();
    }

    @Test
    void closeEndsTheStep() {
        toyEngine(OPTIONS);
        decoder.hold();
        List<Answer> answers = IntStream.range(0, 6).mapToObj(i -> submit(prompt(i, 5), 20, sets.get(i % 3))).toList();
        await(decoder::isWaiting);
        engine.close();
        for (Answer answer : answers) {
            assertThat(answer.isDone()).isTrue();
            assertThat(answer.stats().finishReason()).isEqualTo(FinishReason.CANCELLED);
        }
        assertThat(engine.stats().passes()).isZero();
    }

    // ---- what is refused, and lifetimes ------------------------------------------------------------------------------

    @Test
    void whatIsRefused() {
        toyEngine(OPTIONS);
        EngineRequest request = EngineRequest.tokens(prompt(1, 5)).withOptions(GREEDY.withMaxTokens(5));
        assertThat(request.adapters()).isEmpty();
        assertThatIllegalArgumentException().isThrownBy(() -> request.withAdapters(first.scaled(1), first.scaled(2))).withMessageContaining("twice");
        assertThatNullPointerException().isThrownBy(() -> request.withAdapters((LoraAdapter.Scaled) null));
        assertThatNullPointerException().isThrownBy(() -> request.withAdapters((LoraAdapter.Scaled[]) null));
        assertThatIllegalArgumentException().isThrownBy(() -> request.withAdapters(first.scaled(Float.NaN)));
        try (Model other = Model.load(TestModels.tinyFile()); LoraAdapter foreign = LoraAdapter.load(other, first.path())) {
            assertThatIllegalArgumentException().isThrownBy(() -> engine.submit(request.withAdapters(foreign.scaled(1)))).withMessageContaining("another model");
            assertThatIllegalArgumentException().isThrownBy(() -> engine.submit(request.withAdapters(foreign.scaled(0))));
        }
        first.close();
        assertThatIllegalStateException().isThrownBy(() -> engine.submit(request.withAdapters(second.scaled(1), first.scaled(1))))
                .withMessageContaining("first.gguf is closed");
        Answer answer = engine.submit(request.withAdapters(second.scaled(1)).withPriority(3).withOptions(GREEDY.withMaxTokens(9)));
        assertThat(answer.request().adapters()).containsExactly(second.scaled(1));
        check(answer, prompt(1, 5), 9, second.scaled(1));
    }

    /// Waiting or running, it goes on with an adapter that is closed meanwhile.
    @Test
    void anAdapterIsThereUntilItsRequestsHaveEnded() {
        realEngine(OPTIONS.withMaxConcurrent(1));
        int[] expected = alone(tokens(20, 1), 60, first.scaled(1));
        List<Answer> answers = List.of(submit(tokens(20, 1), 60, first.scaled(1)), submit(tokens(20, 1), 60, first.scaled(1)));
        first.close();
        for (Answer answer : answers) {
            answer.text();
            assertThat(answer.tokens()).isEqualTo(expected);
        }
    }

    @Test
    void adaptersComeAndGo() throws ReflectiveOperationException {
        realEngine(OPTIONS);
        List<LoraAdapter> adapters = new ArrayList<>();
        for (int i = 0; i < 20; i++) {
            List<Answer> answers = new ArrayList<>();
            try (LoraAdapter own = LoraAdapter.load(model, i % 2 == 0 ? first.path() : second.path())) {
                adapters.add(own);
                answers.add(submit(tokens(10, i), 10, own.scaled(1)));
                answers.add(submit(tokens(10, i), 10));
                answers.add(submit(tokens(10, i), 10, own.scaled(1)));
            }
            if (i % 3 == 0) {
                answers.getFirst().cancel();
            }
            answers.forEach(Answer::text);
            assertThat(answers.getLast().tokens()).isEqualTo(alone(tokens(10, i), 10, (i % 2 == 0 ? first : second).scaled(1)));
        }
        for (LoraAdapter adapter : adapters.subList(0, 19)) {
            assertThat(uses(adapter)).isZero();
        }
        engine.close();
        assertThat(uses(adapters.getLast())).isZero();
    }

    private static int uses(LoraAdapter adapter) throws ReflectiveOperationException {
        Field uses = NativeOwner.class.getDeclaredField("uses");
        uses.setAccessible(true);
        return ((AtomicInteger) uses.get(adapter.handle())).get();
    }

    // ---- answers -----------------------------------------------------------------------------------------------------

    /// What a generation gives.
    private int[] alone(int[] prompt, int tokens, LoraAdapter.Scaled... adapters) {
        try (Context context = model.newContext(CONTEXT.withContextSize(512))) {
            context.setAdapters(adapters);
            Sequence sequence = context.newSequence();
            try (Generation generation = sequence.generate(prompt, GREEDY.withMaxTokens(tokens).withSpeculation(Speculation.off()))) {
                generation.text();
            }
            return Arrays.copyOfRange(sequence.tokens(), prompt.length, sequence.length());
        }
    }

    @Test
    void answersAreThoseOfEachRequestAlone() {
        Random random = new Random(1);
        for (ContextOptions context : List.of(CONTEXT, CONTEXT.withBatchSize(64).withMicroBatchSize(8), CONTEXT.withContextSize(512))) {
            realEngine(OPTIONS.withContext(context));
            List<int[]> prompts = IntStream.range(0, 30).mapToObj(i -> tokens(1 + random.nextInt(i % 6 == 0 ? 300 : 60), i)).toList();
            List<Answer> answers = IntStream.range(0, 30).mapToObj(i -> submit(prompts.get(i), 1 + i, sets.get(i % 5))).toList();
            for (int i = 0; i < 30; i++) {
                answers.get(i).text();
                assertThat(answers.get(i).tokens()).as("request %d", i).isEqualTo(alone(prompts.get(i), 1 + i, sets.get(i % 5)));
            }
            engine.close();
        }
    }

    @Test
    void onePromptWithAllAdapters() {
        int[] prompt = tokens(60, 3);
        List<int[]> expected = sets.stream().map(set -> alone(prompt, 30, set)).toList();
        assertThat(expected.stream().map(Arrays::toString)).doesNotHaveDuplicates();
        realEngine(OPTIONS);
        for (int round = 0; round < 3; round++) {
            List<Answer> answers = sets.stream().map(set -> submit(prompt, 30, set)).toList();
            for (int i = 0; i < sets.size(); i++) {
                answers.get(i).text();
                assertThat(answers.get(i).tokens()).as("set %d", i).isEqualTo(expected.get(i));
                // at most four are kept
                assertThat(answers.get(i).stats().cachedTokens()).isIn(round == 0 ? List.of(0) : List.of(0, 59));
            }
        }
        for (int i = 0; i < sets.size(); i++) {
            for (int cached : new int[] {-1, 59}) {
                Answer answer = submit(prompt, 30, sets.get(i));
                answer.text();
                assertThat(answer.tokens()).as("set %d alone", i).isEqualTo(expected.get(i));
                assertThat(cached < 0 ? cached : answer.stats().cachedTokens()).isEqualTo(cached);
            }
        }
    }

    /// Only what was computed without adapters is stored, and only where there are none it is taken over, whatever the context had last.
    @Test
    void theStoreIsForRequestsWithoutAdapters() {
        int[] prompt = tokens(100, 1);
        int[] longer = TestModels.concat(prompt, tokens(40, 2));
        try (SequenceStore store = SequenceStore.open(SequenceStoreOptions.inMemory())) {
            for (int round = 0; round < 2; round++) {
                try (Engine storing = model.newEngine(OPTIONS.withContext(CONTEXT.withStore(store)))) {
                    List<Answer> answers = new ArrayList<>();
                    for (LoraAdapter.Scaled[] set : sets.reversed()) { // that without adapters comes last
                        answers.addFirst(storing.submit(EngineRequest.tokens(round == 0 ? prompt : longer).withOptions(GREEDY.withMaxTokens(12)).withAdapters(set)));
                    }
                    for (int i = 0; i < sets.size(); i++) {
                        answers.get(i).text();
                        assertThat(answers.get(i).tokens()).isEqualTo(alone(round == 0 ? prompt : longer, 12, sets.get(i)));
                        assertThat(answers.get(i).stats().cachedTokens()).isEqualTo(round == 1 && i == 0 ? 100 : 0);
                    }
                }
                assertThat(store.stats().parked()).isEqualTo(round + 1);
            }
            assertThat(store.stats().hits()).isEqualTo(1);
        }
    }
}
