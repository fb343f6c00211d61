package dev.chasqui;

import static dev.chasqui.TestModels.concat;
import static dev.chasqui.TestModels.tokens;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import com.sun.management.ThreadMXBean;
import dev.chasqui.kv.SequenceStore;
import dev.chasqui.kv.SequenceStoreOptions;
import dev.chasqui.kv.StoreStats;
import dev.chasqui.speculation.Speculation;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.Executors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Answers of an engine against those of each request alone in a context of its own. The cache has 32 bits and attention is not fused, so that sums in
/// another order do not change a token.
@Tag("standalone")
@Timeout(120)
class EngineDecodeTest {

    private static final ContextOptions CONTEXT = ContextOptions.defaults().withThreads(1).withKvTypes(KvType.F32, KvType.F32)
            .withFlashAttention(FlashAttention.OFF);
    private static final EngineOptions OPTIONS = EngineOptions.defaults().withContext(CONTEXT.withContextSize(4096));
    private static final GenerationOptions GREEDY = GenerationOptions.defaults().withSampler(Sampler.greedy()).withIgnoreEnd(true);

    private final Model model = TestModels.tiny();

    private record Expected(String text, int[] tokens, FinishReason reason) { }

    /// What a generation gives.
    private Expected alone(int[] prompt, GenerationOptions options, int contextSize) {
        try (Context context = model.newContext(CONTEXT.withContextSize(contextSize)); Sequence sequence = context.newSequence();
                Generation generation = sequence.generate(prompt, options.withSpeculation(Speculation.off()))) {
            String text = generation.text();
            int[] all = sequence.tokens();
            return new Expected(text, Arrays.copyOfRange(all, prompt.length, all.length), generation.stats().finishReason());
        }
    }

    private void check(Answer answer, int[] prompt, int contextSize) {
        Expected expected = alone(prompt, answer.request().options(), contextSize);
        assertThat(answer.text()).isEqualTo(expected.text());
        assertThat(answer.tokens()).isEqualTo(expected.tokens());
        assertThat(answer.stats().finishReason()).isEqualTo(expected.reason());
        assertThat(answer.stats().generatedTokens()).isEqualTo(expected.tokens().length);
        assertThat(answer.stats().promptTokens()).isEqualTo(prompt.length);
    }

    private static EngineRequest request(int[] prompt, int tokens) {
        return EngineRequest.tokens(prompt).withOptions(GREEDY.withMaxTokens(tokens));
    }

    private static final List<GenerationOptions> VARIANTS = List.of(
            GREEDY,
            GREEDY.withSampler(Sampler.standard(0.9f, 7)),
            GREEDY.withSampler(Sampler.builder().penalties(64, 1.3f, 0.1f, 0.1f).topK(30).temperature(1.2f).seed(3).build()),
            GREEDY.withSampler(Sampler.greedy().constrainedBy(Grammar.of("root ::= [a-z ]+"))),
            GREEDY.withSampler(Sampler.builder().seed(9).mirostatV2(5, 0.1f).build()),
            GREEDY.withSampler(Sampler.standard(1, 11)).withStop("a", "the"),
            GREEDY.withIgnoreEnd(false).withSpecialTokens(true).withSampler(Sampler.standard(1.5f, 5)),
            GREEDY.withMaxTokens(0),
            GREEDY.withMaxTokens(1));

    private static GenerationOptions variant(int i) {
        GenerationOptions options = VARIANTS.get(i % VARIANTS.size());
        return options.withMaxTokens(Math.min(options.maxTokens(), 40));
    }

    @Test
    void answersAreThoseOfEachRequestAlone() {
        Random random = new Random(1);
        EngineOptions options = OPTIONS.withMaxConcurrent(12).withStepTokens(40);
        for (ContextOptions context : List.of(OPTIONS.context(), OPTIONS.context().withBatchSize(64).withMicroBatchSize(8))) {
            try (Engine engine = model.newEngine(options.withContext(context))) {
                List<int[]> prompts = IntStream.range(0, 36).mapToObj(i -> tokens(1 + random.nextInt(i % 8 == 0 ? 300 : 60), i)).toList();
                List<Answer> answers = new ArrayList<>();
                for (int i = 0; i < prompts.size(); i++) {
                    answers.add(engine.submit(EngineRequest.tokens(prompts.get(i)).withOptions(variant(i))));
                }
                for (int i = 0; i < prompts.size(); i++) {
                    check(answers.get(i), prompts.get(i), 512);
                }
                assertThat(engine.stats().parked()).isZero();
            }
        }
    }

    @Test
    void sharedBeginningsAreComputedOnce() {
        int[] beginning = tokens(200, 1);
        try (Engine engine = model.newEngine(OPTIONS.withMaxConcurrent(8).withStepTokens(64).withKeptSequences(3))) {
            List<int[]> prompts = new ArrayList<>();
            List<Answer> answers = new ArrayList<>();
            for (int i = 0; i < 24; i++) {
                prompts.add(concat(Arrays.copyOf(beginning, 200 - i % 5), tokens(3 + i % 4, 100 + i)));
                answers.add(engine.submit(EngineRequest.tokens(prompts.get(i)).withOptions(variant(i))));
            }
            for (int i = 0; i < 24; i++) {
                check(answers.get(i), prompts.get(i), 512);
            }
            assertThat(engine.stats().cachedTokens()).isGreaterThan(23 * 190);
            assertThat(engine.stats().promptTokens()).isLessThan(200 + 24 * 20);

            // and the next turn of a conversation goes on from the one before
            int[] next = concat(prompts.get(23), answers.get(23).tokens(), tokens(10, 9));
            Answer answer = engine.submit(request(next, 20));
            check(answer, next, 512);
            assertThat(answer.stats().cachedTokens()).isEqualTo(prompts.get(23).length + answers.get(23).tokens().length - 1);
        }
    }

    @Test
    void nothingIsLostWhenCellsRunOut() {
        try (Engine engine = model.newEngine(OPTIONS.withContext(CONTEXT.withContextSize(512)).withMaxConcurrent(8).withStepTokens(32))) {
            List<int[]> prompts = IntStream.range(0, 12).mapToObj(i -> tokens(30 + i, i)).toList();
            List<Answer> answers = IntStream.range(0, 12).mapToObj(i -> engine.submit(EngineRequest.tokens(prompts.get(i)).withOptions(
                    variant(i).withMaxTokens(200)))).toList();
            for (int i = 0; i < 12; i++) {
                check(answers.get(i), prompts.get(i), 512);
            }
            assertThat(engine.stats().parked()).isPositive();
        }
    }

    @Test
    void anAnswerThatFillsTheContextEndsAsAGenerationDoes() {
        try (Engine engine = model.newEngine(OPTIONS.withContext(CONTEXT.withContextSize(256)).withMaxConcurrent(2))) {
            List<Answer> answers = IntStream.range(0, 4).mapToObj(i -> engine.submit(request(tokens(100, i), Integer.MAX_VALUE))).toList();
            for (int i = 0; i < 4; i++) {
                check(answers.get(i), tokens(100, i), 256);
                assertThat(answers.get(i).stats().finishReason()).isEqualTo(FinishReason.CONTEXT_FULL);
            }
            Answer exact = engine.submit(request(tokens(256, 9), 5));
            check(exact, tokens(256, 9), 256);
        }
    }

    /// The grammar asks for an end that the chain forbids.
    @Test
    void aGrammarFailsAlone() {
        Map<Integer, Float> noEnd = new HashMap<>();
        IntStream.range(0, model.vocabulary().size()).filter(token -> model.vocabulary().info(token).isEnd())
                .forEach(token -> noEnd.put(token, Float.NEGATIVE_INFINITY));
        Sampler stuck = Sampler.builder().grammar(Grammar.of("root ::= \"river\"")).logitBias(noEnd).greedy().build();
        try (Engine engine = model.newEngine(OPTIONS)) {
            List<Answer> good = new ArrayList<>();
            List<Answer> bad = new ArrayList<>();
            for (int i = 0; i < 8; i++) {
                good.add(engine.submit(request(tokens(20, i), 40)));
                bad.add(engine.submit(EngineRequest.tokens(tokens(20, i)).withOptions(GREEDY.withSampler(stuck))));
            }
            for (Answer answer : bad) {
                assertThatIllegalStateException().isThrownBy(answer::text).withMessageContaining("no candidate is left");
                assertThat(answer.textSoFar()).isEqualTo("river");
                assertThat(answer.stats().finishReason()).isEqualTo(FinishReason.FAILED);
            }
            for (int i = 0; i < 8; i++) {
                check(good.get(i), tokens(20, i), 512);
            }
        }
    }

    @Test
    void longPiecesComeWhole(@TempDir Path directory) throws Exception {
        String piece = "x".repeat(700);
        Path file = java.nio.file.Files.write(directory.resolve("long.gguf"), TestModels.tinyWithPiece(piece));
        try (Model wide = Model.load(file); Engine engine = wide.newEngine(OPTIONS)) {
            Sampler always = Sampler.builder().logitBias(Map.of(319, 1e6f)).greedy().build();
            Answer answer = engine.submit(EngineRequest.tokens(20, 21).withOptions(GREEDY.withSampler(always).withMaxTokens(2)));
            assertThat(answer.text()).isEqualTo(piece + piece);
        }
    }

    @Test
    void anEngineOutlivesTheCloseOfItsModel() {
        Model own = Model.load(TestModels.tinyFile());
        Engine engine = own.newEngine(OPTIONS);
        Answer first = engine.submit(request(tokens(20, 1), 30));
        own.close();
        check(first, tokens(20, 1), 512);
        engine.close();
        assertThatIllegalStateException().isThrownBy(() -> engine.submit(request(tokens(20, 1), 30)));
        assertThat(engine.info().contextSize()).isEqualTo(4096);
    }

    @Test
    void closeStopsALongPrompt() throws InterruptedException {
        Model wide = Model.load(TinyGguf.builder().layers(8).embedding(256).feedForward(1024).contextLength(16384).write(TestModels.directory().resolve("wide.gguf")));
        Engine engine = wide.newEngine(OPTIONS.withContext(CONTEXT.withContextSize(16384).withBatchSize(8192)).withStepTokens(8192));
        Answer answer = engine.submit(request(tokens(16000, 1), 5));
        Thread.sleep(50); // mostly, it is in the middle of the first step then
        engine.close();
        assertThat(answer.stats().finishReason()).isEqualTo(FinishReason.CANCELLED);
        assertThat(answer.text()).isEmpty();
        wide.close();
    }

    /// A thousand virtual threads with few different requests, some of them cancelled.
    @Test
    void manyThreads() {
        Map<Integer, Expected> expected = new HashMap<>();
        for (int i = 0; i < 20; i++) {
            expected.put(i, alone(tokens(5 + i * 4, i % 7), GREEDY.withMaxTokens(1 + i % 13), 512));
        }
        ConcurrentLinkedQueue<Throwable> failures = new ConcurrentLinkedQueue<>();
        try (Engine engine = model.newEngine(OPTIONS.withContext(CONTEXT.withContextSize(1024)).withMaxConcurrent(16).withQueueCapacity(20).withReadAhead(3))) {
            try (var executor = Executors.newVirtualThreadPerTaskExecutor()) {
                for (int i = 0; i < 1000; i++) {
                    int number = i;
                    executor.submit(() -> {
                        try {
                            behave(engine, number % 20, expected.get(number % 20), new Random(number));
                        } catch (Throwable e) {
                            failures.add(e);
                        }
                    });
                }
            }
            assertThat(failures).isEmpty();
            assertThat(engine.drain(Duration.ofSeconds(20))).isTrue();
        }
    }

    private static void behave(Engine engine, int which, Expected expected, Random random) {
        Answer answer = engine.submit(request(tokens(5 + which * 4, which % 7), 1 + which % 13));
        if (random.nextInt(5) == 0) {
            if (random.nextBoolean()) {
                answer.iterator().hasNext();
            }
            answer.cancel();
            answer.text();
            assertThat(answer.tokens()).isEqualTo(Arrays.copyOf(expected.tokens(), answer.tokens().length));
        } else if (random.nextBoolean()) {
            assertThat(String.join("", answer.stream().toList())).isEqualTo(expected.text());
        } else {
            assertThat(answer.text()).isEqualTo(expected.text());
            assertThat(answer.tokens()).isEqualTo(expected.tokens());
        }
    }

    /// What is left beside pieces: lists of tokens and cells that grow, and what a request takes, which is some KiB more where tokens are guessed.
    @Test
    void aStepAllocatesLittleButItsPieces() {
        assertThat(bytesPerToken(Speculation.off())).isLessThan(64);
        assertThat(bytesPerToken(Speculation.auto())).isLessThan(200);
    }

    private long bytesPerToken(Speculation speculation) {
        ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        // control tokens have no text, so that no piece is made
        Sampler silent = Sampler.builder().logitBias(Map.of(TinyGguf.BEGIN, 1e6f)).greedy().build();
        try (Engine engine = model.newEngine(OPTIONS.withContext(CONTEXT.withContextSize(1024)).withMaxConcurrent(16))) {
            long bytes = 0;
            long tokens = 0;
            for (int round = 0; round < 10; round++) {
                if (round == 8) {
                    bytes = allocated(threads);
                    tokens = engine.stats().generatedTokens();
                }
                List<Answer> answers = IntStream.range(0, 16).mapToObj(i -> engine.submit(EngineRequest.tokens(tokens(8, i))
                        .withOptions(GREEDY.withSampler(silent).withMaxTokens(50).withSpeculation(speculation)))).toList();
                answers.forEach(Answer::text);
            }
            return (allocated(threads) - bytes) / (engine.stats().generatedTokens() - tokens);
        }
    }

    private static long allocated(ThreadMXBean threads) {
        return Arrays.stream(threads.getAllThreadIds())
                .filter(id -> threads.getThreadInfo(id) != null && threads.getThreadInfo(id).getThreadName().equals("chasqui-engine"))
                .map(threads::getThreadAllocatedBytes).max().orElseThrow();
    }

    /// A program that ends while engines and publishers compute ends well.
    @Test
    void theEndOfTheProgram(@TempDir Path directory) {
        for (String how : List.of("return", "exit")) {
            ChildJvm.Result result = ChildJvm.run(EndOfProgram.class, directory, List.of("-Xmx512m"), List.of(how), 2);
            assertThat(result.exit()).as(result.summary()).isEqualTo(how.equals("exit") ? 7 : 0);
            assertThat(result.crash()).isEmpty();
        }
    }

    /// Starts what computes for ever, and ends.
    static final class EndOfProgram {

        public static void main(String[] arguments) throws Exception {
            Model model = Model.load(TinyGguf.builder().layers(8).embedding(256).feedForward(1024).contextLength(16384)
                    .write(TestModels.directory().resolve("wide.gguf")));
            Engine engine = model.newEngine(OPTIONS.withContext(CONTEXT.withContextSize(16384).withThreads(2)));
            Iterator<String> reader = engine.submit(request(tokens(50, 1), 10_000)).iterator();
            reader.next();
            model.generate("the river", GREEDY.withMaxTokens(8000)).publisher().subscribe(new EndlessSubscriber());
            reader.next();
            if (arguments[0].equals("exit")) {
                System.exit(7);
            }
        }
    }

    private static final class EndlessSubscriber implements java.util.concurrent.Flow.Subscriber<String> {

        @Override
        public void onSubscribe(java.util.concurrent.Flow.Subscription subscription) {
            subscription.request(Long.MAX_VALUE);
        }

        @Override
        public void onNext(String piece) {
            // only the computing matters
        }

        @Override
        public void onError(Throwable failure) {
            failure.printStackTrace();
        }

        @Override
        public void onComplete() {
            // never comes
        }
    }

    // ---- a store -----------------------------------------------------------------------------------------------------

    private static Engine storing(Model model, EngineOptions options, SequenceStore store) {
        return model.newEngine(options.withContext(options.context().withStore(store)));
    }

    /// What one engine computed, the next one takes over, whatever else runs and however few cells there are.
    @Test
    void answersWithAStoreAreThoseOfEachRequestAlone(@TempDir Path directory) {
        Random random = new Random(2);
        List<int[]> beginnings = List.of(tokens(200, 1), tokens(150, 2), concat(tokens(200, 1), tokens(60, 3)));
        long restored = 0;
        for (int round = 0; round < 3; round++) {
            try (SequenceStore store = SequenceStore.open(SequenceStoreOptions.in(directory.resolve("store")));
                    Engine engine = storing(model, OPTIONS.withContext(CONTEXT.withContextSize(round == 1 ? 700 : 4096)).withMaxConcurrent(6).withStepTokens(40), store)) {
                List<int[]> prompts = IntStream.range(0, 18).mapToObj(i -> concat(beginnings.get(i % 3), tokens(1 + random.nextInt(60), 100 + random.nextInt(20)))).toList();
                List<Answer> answers = IntStream.range(0, 18).mapToObj(i -> engine.submit(EngineRequest.tokens(prompts.get(i)).withOptions(variant(i)))).toList();
                for (int i = 0; i < answers.size(); i++) {
                    check(answers.get(i), prompts.get(i), 4096);
                }
                assertThat(engine.drain(Duration.ofSeconds(20))).isTrue();
                StoreStats stats = store.stats();
                assertThat(stats.parked()).isPositive();
                assertThat(stats.lastFailure()).isEmpty();
                assertThat(engine.stats().cachedTokens()).isGreaterThanOrEqualTo(stats.tokensReused());
                restored += stats.tokensReused();
                assertThat(stats.hits() == 0).isEqualTo(round == 0 && stats.tokensReused() == 0);
            }
        }
        assertThat(restored).isGreaterThan(400);
    }

    /// Of a whole conversation, in an engine and outside of one.
    @Test
    void anEngineAndAChatShareAStore() {
        int[] prompt = tokens(120, 1);
        try (SequenceStore store = SequenceStore.open(SequenceStoreOptions.inMemory())) {
            try (Context context = model.newContext(CONTEXT.withContextSize(1024).withStore(store)); Sequence sequence = context.newSequence()) {
                sequence.generate(prompt, GREEDY.withMaxTokens(1)).text();
            }
            int[] next = concat(prompt, tokens(30, 2));
            try (Engine engine = storing(model, OPTIONS, store)) {
                Answer answer = engine.submit(request(next, 20));
                check(answer, next, 1024);
                assertThat(answer.stats().cachedTokens()).isEqualTo(120);
                Answer same = engine.submit(request(next, 20));
                check(same, next, 1024);
                assertThat(same.stats().cachedTokens()).as("shared").isEqualTo(next.length - 1);
                assertThat(store.stats().hits()).isEqualTo(1);
            }
            try (Context context = model.newContext(CONTEXT.withContextSize(1024).withStore(store)); Sequence sequence = context.newSequence()) {
                assertThat(sequence.set(next)).isEqualTo(next.length - 1);
            }
        }
    }

    @Test
    void aStoreThatFailsFailsNoRequest(@TempDir Path directory) throws IOException {
        Path folder = directory.resolve("store");
        int[] prompt = tokens(120, 1);
        try (SequenceStore store = SequenceStore.open(SequenceStoreOptions.in(folder)); Engine engine = storing(model, OPTIONS, store)) {
            check(engine.submit(request(prompt, 5)), prompt, 1024);
        }
        Path file;
        try (Stream<Path> files = Files.list(folder)) {
            file = files.filter(one -> one.toString().endsWith(".kv")).findFirst().orElseThrow();
        }
        byte[] bytes = Files.readAllBytes(file);
        bytes[bytes.length - 100] ^= 1;
        Files.write(file, bytes);
        SequenceStore store = SequenceStore.open(SequenceStoreOptions.in(folder));
        try (Engine engine = storing(model, OPTIONS, store)) {
            Answer damaged = engine.submit(request(concat(prompt, tokens(9, 2)), 5));
            check(damaged, concat(prompt, tokens(9, 2)), 1024);
            assertThat(damaged.stats().cachedTokens()).isZero();
            assertThat(store.stats().damaged()).isEqualTo(1);
            store.close();
            int[] other = tokens(130, 3);
            check(engine.submit(request(other, 5)), other, 1024);
            check(engine.submit(request(other, 7)), other, 1024);
        }
    }

    /// A state is taken over as a whole, and goes on.
    @Test
    void aRecurrentConversationGoesOn(@TempDir Path directory) {
        try (Model mamba = Model.load(TinyMamba.write(directory.resolve("mamba.gguf"))); SequenceStore store = SequenceStore.open(SequenceStoreOptions.inMemory())) {
            int[] prompt = tokens(100, 1);
            int[] first;
            try (Engine engine = storing(mamba, OPTIONS, store)) {
                Answer answer = engine.submit(request(prompt, 10));
                answer.text();
                first = answer.tokens();
            }
            int[] next = concat(prompt, first, tokens(20, 2));
            try (Engine plain = mamba.newEngine(OPTIONS); Engine engine = storing(mamba, OPTIONS, store)) {
                Answer answer = engine.submit(request(next, 10));
                assertThat(answer.text()).isEqualTo(plain.submit(request(next, 10)).text());
                assertThat(answer.stats().cachedTokens()).isEqualTo(109);
            }
        }
    }
}
