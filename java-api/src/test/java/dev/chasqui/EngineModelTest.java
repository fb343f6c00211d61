package dev.chasqui;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.chasqui.kv.SequenceStore;
import dev.chasqui.kv.SequenceStoreOptions;
import dev.chasqui.models.ModelStore;
import dev.chasqui.speculation.Speculation;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Answers of real models beside others against each alone: mostly the same, else parted where the two best tokens are nearly equal. Sums in another
/// order, as of one token at a time or of several, change the best logits of these models by up to 0.9, without an engine too.
@Tag("model")
class EngineModelTest {

    private static final double NEARLY = 1; // logits

    private static final List<String> QUESTIONS = List.of(
            "Name three rivers of Peru.",
            "Write a Python function that adds two numbers.",
            "What is the capital of France?",
            "List the first ten prime numbers.",
            "Translate 'good morning' into Spanish.",
            "Explain in one sentence why the sky is blue.",
            "Write a haiku about the sea.",
            "Who wrote Don Quixote?");

    private static final String TALE = "The llama walked along the road and saw a mountain far away. ";

    private record Case(int[] prompt, GenerationOptions options) { }

    private static final GenerationOptions GREEDY = GenerationOptions.defaults().withSampler(Sampler.greedy());

    /// Prompts of 20 to 400 tokens, answers of 4 to 24.
    private static List<Case> cases(Model model, int count) {
        List<Case> cases = new ArrayList<>();
        try (ChatTemplate template = model.chatTemplate()) {
            for (int i = 0; i < count; i++) {
                String question = TALE.repeat(i % 7 == 3 ? 20 : i % 5) + QUESTIONS.get(i % QUESTIONS.size());
                cases.add(new Case(template.tokenize(List.of(ChatMessage.user(question)), true), GREEDY.withMaxTokens(4 + i * 5 % 21)));
            }
        }
        return cases;
    }

    private static int[] alone(Sequence sequence, Case one) {
        try (Generation generation = sequence.generate(one.prompt(), one.options().withSpeculation(Speculation.off()))) {
            generation.text();
            return Arrays.copyOfRange(sequence.tokens(), one.prompt().length, sequence.length());
        }
    }

    /// @return whether the answers are the same to the end
    private static boolean same(Sequence sequence, Case one, int[] tokens) {
        int[] expected = alone(sequence, one);
        int difference = Arrays.mismatch(expected, tokens);
        if (difference >= 0) {
            sequence.set(TestModels.concat(one.prompt(), Arrays.copyOf(expected, difference)));
            float[] logits = sequence.logits();
            Arrays.sort(logits);
            assertThat(logits[logits.length - 1] - logits[logits.length - 2])
                    .as("token %d of %d after a prompt of %d", difference, expected.length, one.prompt().length).isLessThan((float) NEARLY);
        }
        return difference < 0;
    }

    @Test
    void manyRequestsFromVirtualThreads() throws InterruptedException, ExecutionException {
        Model model = TestModels.smollm2();
        List<Case> cases = cases(model, 32);
        List<int[]> answers = new ArrayList<>();
        try (Engine engine = model.newEngine(EngineOptions.defaults().withMaxConcurrent(24).withKeptSequences(8));
                var executor = Executors.newVirtualThreadPerTaskExecutor()) {
            List<Future<int[]>> futures = new ArrayList<>();
            for (Case one : cases) {
                futures.add(executor.submit(() -> {
                    Answer answer = engine.submit(EngineRequest.tokens(one.prompt()).withOptions(one.options()));
                    StringBuilder text = new StringBuilder();
                    answer.forEach(text::append);
                    assertThat(text).hasToString(answer.text());
                    return answer.tokens();
                }));
            }
            for (Future<int[]> future : futures) {
                answers.add(future.get());
            }
            // the template's beginning, and tales
            assertThat(engine.stats().cachedTokens()).isGreaterThan(1000);
        }
        try (Context context = model.newContext(ContextOptions.defaults().withContextSize(1024)); Sequence sequence = context.newSequence()) {
            int same = 0;
            for (int i = 0; i < cases.size(); i++) {
                same += same(sequence, cases.get(i), answers.get(i)) ? 1 : 0;
            }
            assertThat(same).isGreaterThanOrEqualTo(cases.size() / 2);
        }
    }

    /// What a model repeats is guessed right, also for several answers in one pass.
    @Test
    void answersAreGuessedAhead() {
        Model model = TestModels.smollm2();
        List<Case> cases = new ArrayList<>();
        for (String text : List.of("1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4, 1, 2,", "red green blue red green blue red green blue red", "To be, or not to be. To be, or not to be. To be,")) {
            cases.add(new Case(model.vocabulary().tokenize(text, true, false), GREEDY.withMaxTokens(60).withIgnoreEnd(true)));
        }
        try (Engine engine = model.newEngine(EngineOptions.defaults().withContext(ContextOptions.defaults().withContextSize(1024)).withMaxConcurrent(4));
                Context context = model.newContext(ContextOptions.defaults().withContextSize(1024));
                Sequence sequence = context.newSequence()) {
            GenerationOptions guessed = GREEDY.withMaxTokens(60).withIgnoreEnd(true).withSpeculation(Speculation.auto().withAdaptive(false).withMaxTokens(4));
            List<Answer> answers = cases.stream().map(one -> engine.submit(EngineRequest.tokens(one.prompt()).withOptions(guessed))).toList();
            answers.forEach(Answer::text);
            for (int i = 0; i < cases.size(); i++) {
                same(sequence, cases.get(i), answers.get(i).tokens());
                GenerationStats stats = answers.get(i).stats();
                assertThat(stats.generatedTokens()).isEqualTo(60);
                assertThat(stats.speculation().accepted()).isPositive();
                assertThat(stats.targetSteps()).isLessThan(59);
                assertThat(stats.targetSteps() + stats.speculation().accepted()).isEqualTo(59);
            }
            // their texts are kept without what was guessed beyond them
            int[] whole = TestModels.concat(cases.getFirst().prompt(), answers.getFirst().tokens());
            Answer more = engine.submit(EngineRequest.tokens(whole).withOptions(GREEDY.withMaxTokens(8)));
            assertThat(more.text()).isNotEmpty();
            assertThat(more.stats().cachedTokens()).isEqualTo(whole.length - 1);
            same(sequence, new Case(whole, GREEDY.withMaxTokens(8)), more.tokens());
        }
    }

    /// A second engine on the folder of the first goes on where that one was.
    @Test
    void aSystemPromptOutlivesItsEngine(@TempDir Path directory) {
        Model model = TestModels.smollm2();
        EngineOptions options = EngineOptions.defaults().withContext(ContextOptions.defaults().withContextSize(4096)).withMaxConcurrent(4);
        String system = "You are a guide for travellers to the Andes. " + TALE.repeat(30);
        List<int[]> prompts = new ArrayList<>();
        try (ChatTemplate template = model.chatTemplate()) {
            QUESTIONS.forEach(question -> prompts.add(template.tokenize(List.of(ChatMessage.system(system), ChatMessage.user(question)), true)));
        }
        int shared = Arrays.mismatch(prompts.get(0), prompts.get(1));
        assertThat(shared).isGreaterThan(400);
        List<Case> cases = prompts.stream().map(prompt -> new Case(prompt, GREEDY.withMaxTokens(16))).toList();
        SequenceStoreOptions folder = SequenceStoreOptions.in(directory.resolve("store"));
        try (SequenceStore store = SequenceStore.open(folder); Engine engine = model.newEngine(options.withContext(options.context().withStore(store)))) {
            Answer first = engine.submit(EngineRequest.tokens(prompts.getFirst()).withOptions(GREEDY.withMaxTokens(16)));
            first.text();
            assertThat(first.stats().cachedTokens()).isZero();
        }
        List<int[]> answers = new ArrayList<>();
        try (SequenceStore store = SequenceStore.open(folder); Engine engine = model.newEngine(options.withContext(options.context().withStore(store)))) {
            List<Answer> running = cases.subList(1, 8).stream().map(one -> engine.submit(EngineRequest.tokens(one.prompt()).withOptions(one.options()))).toList();
            for (Answer answer : running) {
                answer.text();
                answers.add(answer.tokens());
                assertThat(answer.stats().cachedTokens()).isGreaterThanOrEqualTo(shared);
            }
            assertThat(store.stats().hits()).as("restored once, then shared").isEqualTo(1);
            assertThat(engine.stats().promptTokens()).isLessThan(7 * 100);
        }
        try (Context context = model.newContext(options.context()); Sequence sequence = context.newSequence()) {
            int same = 0;
            for (int i = 1; i < cases.size(); i++) {
                same += same(sequence, cases.get(i), answers.get(i - 1)) ? 1 : 0;
            }
            assertThat(same).isGreaterThanOrEqualTo(4);
        }
    }

    /// The same questions of each set of adapters, all at once.
    @Test
    void requestsWithAdaptersOfTheirOwn(@TempDir Path directory) throws IOException {
        Path file = ModelStore.standard().get("smollm2-135m");
        GgufFile facts = GgufFile.read(file);
        try (Model model = Model.load(file);
                LoraAdapter a = LoraAdapter.load(model, TinyLora.write(directory.resolve("a.gguf"), facts, 1));
                LoraAdapter b = LoraAdapter.load(model, TinyLora.write(directory.resolve("b.gguf"), facts, 2))) {
            List<List<LoraAdapter.Scaled>> sets = List.of(List.of(), List.of(a.scaled(1)), List.of(b.scaled(1)), List.of(a.scaled(0.5f)),
                    List.of(b.scaled(1), a.scaled(-0.5f)));
            List<Case> cases = cases(model, 8).subList(4, 8).stream().map(one -> new Case(one.prompt(), GREEDY.withMaxTokens(24))).toList();
            List<List<Answer>> answers = new ArrayList<>();
            ContextOptions context = ContextOptions.defaults().withKvTypes(KvType.F32, KvType.F32).withFlashAttention(FlashAttention.OFF);
            try (Engine engine = model.newEngine(EngineOptions.defaults().withContext(context).withMaxConcurrent(20))) {
                for (List<LoraAdapter.Scaled> set : sets) {
                    answers.add(cases.stream().map(one -> engine.submit(EngineRequest.tokens(one.prompt()).withOptions(one.options())
                            .withAdapters(set.toArray(LoraAdapter.Scaled[]::new)))).toList());
                }
                answers.forEach(some -> some.forEach(Answer::text));
                assertThat(engine.stats().passes()).isGreaterThan(engine.stats().steps());
            }
            assertThat(answers.stream().map(some -> some.stream().map(Answer::text).toList())).doesNotHaveDuplicates();
            int same = 0;
            try (Context own = model.newContext(context.withContextSize(1024)); Sequence sequence = own.newSequence()) {
                for (int i = 0; i < sets.size(); i++) {
                    own.setAdapters(sets.get(i).toArray(LoraAdapter.Scaled[]::new));
                    for (int k = 0; k < cases.size(); k++) {
                        same += same(sequence, cases.get(k), answers.get(i).get(k).tokens()) ? 1 : 0;
                    }
                }
            }
            assertThat(same).isGreaterThanOrEqualTo(sets.size() * cases.size() / 3);
        }
    }

    /// Cells that a window has left behind are reused by others, whether the cache keeps whole texts or only windows.
    @Test
    void slidingWindows() {
        Optional<Path> file = ModelStore.standard().find("gemma3-270m");
        assumeTrue(file.isPresent(), "gemma3-270m is not in the model store's cache");
        try (Model model = Model.load(file.get())) {
            int[] tale = model.vocabulary().tokenize(TALE.repeat(48), true, false);
            assertThat(tale.length).isGreaterThan(model.info().slidingWindow() + 50);
            List<Case> cases = new ArrayList<>();
            for (int i = 0; i < 4; i++) {
                int[] tail = model.vocabulary().tokenize(QUESTIONS.get(i));
                cases.add(new Case(TestModels.concat(Arrays.copyOf(tale, tale.length - 30 * i), tail), GREEDY.withMaxTokens(6)));
            }
            for (boolean whole : new boolean[] {true, false}) {
                ContextOptions context = ContextOptions.defaults().withContextSize(1536).withFullWindowCache(whole);
                List<Answer> answers = new ArrayList<>();
                try (Engine engine = model.newEngine(EngineOptions.defaults().withContext(context).withMaxConcurrent(3).withKeptSequences(3))) {
                    cases.forEach(one -> answers.add(engine.submit(EngineRequest.tokens(one.prompt()).withOptions(one.options()))));
                    answers.forEach(Answer::text);
                }
                try (Context own = model.newContext(context); Sequence sequence = own.newSequence()) {
                    for (int i = 0; i < cases.size(); i++) {
                        same(sequence, cases.get(i), answers.get(i).tokens());
                    }
                }
            }
        }
    }
}
