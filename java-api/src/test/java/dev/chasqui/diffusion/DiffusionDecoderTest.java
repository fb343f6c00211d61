package dev.chasqui.diffusion;

import static dev.chasqui.TinyDiffusion.MASK;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;

import dev.chasqui.ContextFullException;
import dev.chasqui.ContextOptions;
import dev.chasqui.Denoiser;
import dev.chasqui.FinishReason;
import dev.chasqui.Kernels;
import dev.chasqui.Model;
import dev.chasqui.ModelOptions;
import dev.chasqui.TinyDiffusion;
import dev.chasqui.UnsupportedFeatureException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// Properties of the loop, on models with random weights.
@Tag("standalone")
@Timeout(300)
class DiffusionDecoderTest {

    private static final int MOST = 96;
    private static final ContextOptions ONE_THREAD = ContextOptions.defaults().withThreads(1);
    private static final DiffusionOptions OPTIONS = DiffusionOptions.defaults().withLength(40).withBlockLength(16).withIgnoreEnd(true);

    private static Path directory;
    private static Map<String, Model> models;
    private final int[] prompt = new Random(5).ints(17, 3, 300).toArray();

    /// The policies of the package, at values that random weights reach sometimes.
    private static final Map<String, CommitPolicy> POLICIES = new TreeMap<>(Map.of(
            "one", CommitPolicy.best(1),
            "three", CommitPolicy.best(3),
            "threshold", CommitPolicy.threshold(0.25f),
            "entropy", CommitPolicy.entropy(3),
            "factor", CommitPolicy.factor(2.5f),
            "localLeap", CommitPolicy.localLeap(0.3f, 0.15f, 4),
            "limited", CommitPolicy.threshold(0).atMost(5),
            "none", (_, _) -> { },
            "random", new CommitPolicy() {
                private final Random random = new Random(3);

                @Override
                public void choose(Proposals proposals, BitSet chosen) {
                    for (int i = 0; i < proposals.size(); i++) {
                        chosen.set(i, random.nextInt(4) == 0);
                    }
                }
            }));

    @BeforeAll
    static void load() {
        directory = TinyDiffusion.directory();
        ModelOptions options = ModelOptions.defaults().withKernels(Kernels.OFF);
        models = Map.of("llada", Model.load(TinyDiffusion.write(directory.resolve("llada.gguf"), "llada", false, 1), options),
                "dream", Model.load(TinyDiffusion.write(directory.resolve("dream.gguf"), "dream", true, 2), options));
    }

    @AfterAll
    static void close() {
        models.values().forEach(Model::close);
    }

    static List<String> cases() {
        return models().flatMap(model -> POLICIES.keySet().stream().map(policy -> model + " " + policy)).toList();
    }

    private static Stream<String> models() {
        return Stream.of("llada", "dream");
    }

    /// Every mask is filled, what is filled is never changed, blocks are filled in their order, and each step takes at least one.
    @ParameterizedTest
    @MethodSource("cases")
    void theLoopKeepsItsPromises(String which) {
        String[] names = which.split(" ");
        try (DiffusionDecoder decoder = DiffusionDecoder.of(models.get(names[0]), MOST, ONE_THREAD)) {
            List<int[]> seen = new ArrayList<>();
            List<DiffusionProgress> steps = new ArrayList<>();
            DiffusionResult result = decoder.generate(prompt, OPTIONS.withPolicy(POLICIES.get(names[1])).withProgress(progress -> {
                seen.add(progress.tokens());
                steps.add(progress);
            }));

            assertThat(result.tokens()).hasSize(40).doesNotContain(MASK);
            assertThat(result.finishReason()).isEqualTo(FinishReason.LENGTH);
            assertThat(result.filled()).isEqualTo(40);
            assertThat(result.steps()).isEqualTo(steps.size()).isBetween(3, 40);
            assertThat(seen.getLast()).isEqualTo(result.tokens());

            int[] before = new int[40];
            Arrays.fill(before, MASK);
            for (int s = 0; s < seen.size(); s++) {
                int[] now = seen.get(s);
                int taken = 0;
                int firstMask = indexOfMask(before);
                int blockEnd = Math.min(40, firstMask / 16 * 16 + 16);
                for (int i = 0; i < 40; i++) {
                    if (before[i] == MASK && now[i] != MASK) {
                        taken++;
                        assertThat(i).as("within the block").isLessThan(blockEnd);
                    } else {
                        assertThat(now[i]).as("position %d in step %d", i, s).isEqualTo(before[i]);
                    }
                }
                assertThat(steps.get(s).taken()).isEqualTo(taken).isPositive();
                assertThat(steps.get(s).steps()).isEqualTo(s + 1);
                assertThat(steps.get(s).masked()).isEqualTo((int) Arrays.stream(now).filter(t -> t == MASK).count());
                switch (names[1]) {
                    case "one", "none" -> assertThat(taken).isEqualTo(1);
                    case "three" -> assertThat(taken).isLessThanOrEqualTo(3);
                    case "limited" -> assertThat(taken).isEqualTo(Math.min(5, blockEnd - firstMask - filledBetween(before, firstMask, blockEnd)));
                    default -> { }
                }
                before = now;
            }
        }
    }

    private static int indexOfMask(int[] tokens) {
        return IntStream.range(0, tokens.length).filter(i -> tokens[i] == MASK).findFirst().orElse(tokens.length);
    }

    private static int filledBetween(int[] tokens, int begin, int end) {
        return (int) IntStream.range(begin, end).filter(i -> tokens[i] != MASK).count();
    }

    /// The decoder against the loop written out, with the proposals asked for one position at a time.
    @ParameterizedTest
    @MethodSource("models")
    void isTheLoopWrittenOut(String which) {
        Model model = models.get(which);
        int[] text = Arrays.copyOf(prompt, prompt.length + 24);
        Arrays.fill(text, prompt.length, text.length, MASK);
        try (Denoiser denoiser = Denoiser.of(model, 64, ONE_THREAD); DiffusionDecoder decoder = DiffusionDecoder.of(model, MOST, ONE_THREAD)) {
            for (int begin = prompt.length; begin < text.length; begin += 8) {
                while (true) {
                    int best = -1;
                    int token = -1;
                    float probability = -1;
                    for (int i = begin; i < begin + 8; i++) {
                        if (text[i] == MASK) {
                            Proposals one = denoiser.propose(text, new int[] {i}, 0, 0);
                            if (one.probability(0) > probability) {
                                best = i;
                                token = one.token(0);
                                probability = one.probability(0);
                            }
                        }
                    }
                    if (best < 0) {
                        break;
                    }
                    text[best] = token;
                }
            }
            DiffusionResult result = decoder.generate(prompt, OPTIONS.withLength(24).withBlockLength(8).withPolicy(CommitPolicy.best(1)));
            assertThat(result.tokens()).isEqualTo(Arrays.copyOfRange(text, prompt.length, text.length));
        }
    }

    /// Without the policy that has a state.
    static List<String> repeatableCases() {
        return cases().stream().filter(which -> !which.endsWith(" random")).toList();
    }

    @ParameterizedTest
    @MethodSource("repeatableCases")
    void sizesOfTheContextDoNotMatter(String which) {
        String[] names = which.split(" ");
        Set<List<Integer>> results = new HashSet<>();
        for (int maxTokens : new int[] {57, 96, 300}) {
            try (DiffusionDecoder decoder = DiffusionDecoder.of(models.get(names[0]), maxTokens, ONE_THREAD)) {
                for (float temperature : new float[] {0, 0.8f}) {
                    DiffusionResult result = decoder.generate(prompt, OPTIONS.withPolicy(POLICIES.get(names[1])).withTemperature(temperature).withSeed(77));
                    results.add(Arrays.stream(result.tokens()).boxed().toList());
                }
            }
        }
        assertThat(results).as("one for each temperature").hasSize(2);
    }

    @Test
    void anotherSeedGivesAnotherText() {
        try (DiffusionDecoder decoder = DiffusionDecoder.of(models.get("llada"), MOST, ONE_THREAD)) {
            DiffusionOptions warm = OPTIONS.withTemperature(1);
            assertThat(decoder.generate(prompt, warm.withSeed(1)).tokens()).isNotEqualTo(decoder.generate(prompt, warm.withSeed(2)).tokens());
            assertThat(decoder.generate(prompt, OPTIONS.withSeed(1))).usingRecursiveComparison().isEqualTo(decoder.generate(prompt, OPTIONS.withSeed(2)));
        }
    }

    @Test
    void stepsAreLimited() {
        try (DiffusionDecoder decoder = DiffusionDecoder.of(models.get("llada"), MOST, ONE_THREAD)) {
            for (int limit : new int[] {1, 2, 3, 5, 16, 100}) {
                for (String policy : List.of("one", "none", "threshold", "random")) {
                    List<Integer> taken = new ArrayList<>();
                    DiffusionResult result = decoder.generate(prompt, OPTIONS.withLength(32).withMaxSteps(limit).withPolicy(POLICIES.get(policy))
                            .withProgress(progress -> taken.add(progress.taken())));
                    assertThat(result.steps()).isLessThanOrEqualTo(2 * limit);
                    assertThat(result.tokens()).doesNotContain(MASK);
                    if (policy.equals("none") && limit <= 16) {
                        assertThat(result.steps()).as("spread evenly").isEqualTo(2 * limit);
                        assertThat(taken.subList(0, limit)).allMatch(n -> n == 16 / limit || n == 16 / limit + 1);
                    }
                }
            }
        }
    }

    @Test
    void anAnswerEndsWithItsEndToken() {
        Model model = models.get("llada");
        try (DiffusionDecoder decoder = DiffusionDecoder.of(model, MOST, ONE_THREAD)) {
            int found = 0;
            for (int seed = 0; seed < 60 && found < 3; seed++) {
                DiffusionOptions options = OPTIONS.withTemperature(3).withSeed(seed).withPolicy(CommitPolicy.best(8));
                int[] whole = decoder.generate(prompt, options).tokens();
                int end = IntStream.range(0, 40).filter(i -> model.vocabulary().info(whole[i]).isEnd()).findFirst().orElse(-1);
                if (end < 0) {
                    continue;
                }
                found++;
                DiffusionResult result = decoder.generate(prompt, options.withIgnoreEnd(false));
                assertThat(result.finishReason()).isEqualTo(FinishReason.END);
                assertThat(result.tokens()).isEqualTo(Arrays.copyOf(whole, end));
                assertThat(result.steps()).as("no block after that").isEqualTo(2 * (end / 16 + 1));
            }
            assertThat(found).isEqualTo(3);
        }
    }

    @Test
    void masksInTheMiddleAreFilledAndTheRestStays() {
        for (String which : models.keySet()) {
            try (DiffusionDecoder decoder = DiffusionDecoder.of(models.get(which), MOST, ONE_THREAD)) {
                int[] text = new Random(9).ints(50, 3, 300).toArray();
                for (int i : new int[] {0, 4, 5, 30, 49}) {
                    text[i] = decoder.mask();
                }
                DiffusionResult result = decoder.fill(text, DiffusionOptions.defaults().withBlockLength(7));
                assertThat(result.tokens()).hasSize(50).doesNotContain(MASK);
                assertThat(result.filled()).isEqualTo(5);
                assertThat(result.finishReason()).isEqualTo(FinishReason.LENGTH);
                for (int i = 0; i < 50; i++) {
                    if (text[i] != MASK) {
                        assertThat(result.tokens()[i]).isEqualTo(text[i]);
                    }
                }
                DiffusionResult nothing = decoder.fill(result.tokens(), DiffusionOptions.defaults());
                assertThat(nothing.steps()).isZero();
                assertThat(nothing.tokens()).isEqualTo(result.tokens());
            }
        }
    }

    @Test
    void progressShowsTheTextWithItsGaps() {
        try (DiffusionDecoder decoder = DiffusionDecoder.of(models.get("llada"), MOST, ONE_THREAD)) {
            List<String> texts = new ArrayList<>();
            DiffusionResult result = decoder.generate("the river",
                    OPTIONS.withLength(12).withPolicy(CommitPolicy.best(1)).withProgress(progress -> texts.add(progress.text())));
            assertThat(texts).hasSize(12);
            for (int i = 0; i < 12; i++) {
                assertThat(texts.get(i).chars().filter(c -> c == '░').count()).isEqualTo(11 - i);
            }
            assertThat(texts.getLast()).isEqualTo(result.text());
        }
    }

    @Test
    void cancelKeepsWhatThereIs() throws InterruptedException {
        try (DiffusionDecoder decoder = DiffusionDecoder.of(models.get("llada"), MOST, ONE_THREAD)) {
            CountDownLatch started = new CountDownLatch(1);
            CountDownLatch checked = new CountDownLatch(1);
            CompletableFuture<DiffusionResult> running = CompletableFuture.supplyAsync(() -> decoder.generate(prompt,
                    OPTIONS.withPolicy(CommitPolicy.best(1)).withProgress(_ -> {
                        started.countDown();
                        try {
                            checked.await();
                        } catch (InterruptedException e) {
                            Thread.currentThread().interrupt();
                        }
                    })), task -> Thread.ofPlatform().start(task));
            started.await();
            assertThatIllegalStateException().isThrownBy(() -> decoder.generate(prompt, OPTIONS.withLength(1))).withMessageContaining("another text");
            decoder.cancel();
            checked.countDown();
            DiffusionResult result = running.join();
            assertThat(result.finishReason()).isEqualTo(FinishReason.CANCELLED);
            assertThat(result.tokens()).hasSize(40).contains(MASK);
            assertThat(result.text()).contains(DiffusionProgress.PLACEHOLDER);
            assertThat(decoder.generate(prompt, OPTIONS).finishReason()).as("usable again").isEqualTo(FinishReason.LENGTH);
        }
    }

    @Test
    void cancelFromTheProgressAndInterrupts() {
        try (DiffusionDecoder decoder = DiffusionDecoder.of(models.get("dream"), MOST, ONE_THREAD)) {
            DiffusionResult result = decoder.generate(prompt, OPTIONS.withPolicy(CommitPolicy.best(1)).withProgress(progress -> {
                if (progress.steps() == 7) {
                    decoder.cancel();
                }
            }));
            assertThat(result.finishReason()).isEqualTo(FinishReason.CANCELLED);
            assertThat(result.steps()).isEqualTo(7);
            assertThat(result.filled()).isEqualTo(7);
            assertThat(Arrays.stream(result.tokens()).filter(t -> t == MASK).count()).isEqualTo(33);

            Thread.currentThread().interrupt();
            assertThat(decoder.generate(prompt, OPTIONS).finishReason()).isEqualTo(FinishReason.CANCELLED);
            assertThat(Thread.interrupted()).as("the flag stays").isTrue();
        }
    }

    @Test
    void failuresOfThePolicyAndTheListenerArePassedOn() {
        try (DiffusionDecoder decoder = DiffusionDecoder.of(models.get("llada"), MOST, ONE_THREAD)) {
            UnsupportedOperationException failure = new UnsupportedOperationException();
            assertThatExceptionOfType(UnsupportedOperationException.class).isThrownBy(() -> decoder.generate(prompt, OPTIONS.withPolicy((_, _) -> {
                throw failure;
            })));
            assertThatExceptionOfType(UnsupportedOperationException.class).isThrownBy(() -> decoder.generate(prompt, OPTIONS.withProgress(_ -> {
                throw failure;
            })));
            assertThatIllegalArgumentException().isThrownBy(() -> decoder.generate(prompt, OPTIONS.withPolicy((proposals, chosen) -> chosen.set(proposals.size()))))
                    .withMessageContaining("16");
            assertThat(decoder.generate(prompt, OPTIONS).filled()).isEqualTo(40);
        }
    }

    @Test
    void otherModelsAreRefused() {
        assertThatExceptionOfType(UnsupportedFeatureException.class).isThrownBy(() -> DiffusionDecoder.of(TinyDiffusion.other(), MOST))
                .withMessageContaining("no diffusion model");
        try (Model model = Model.load(TinyDiffusion.writeWithoutMask(directory.resolve("maskless.gguf")))) {
            assertThatExceptionOfType(UnsupportedFeatureException.class).isThrownBy(() -> DiffusionDecoder.of(model, MOST)).withMessageContaining("mask");
        }
    }

    @Test
    void argumentsAreChecked() {
        Model model = models.get("llada");
        assertThatIllegalArgumentException().isThrownBy(() -> DiffusionDecoder.of(model, 0));
        assertThatIllegalArgumentException().isThrownBy(() -> DiffusionDecoder.of(model, Integer.MAX_VALUE));
        assertThatNullPointerException().isThrownBy(() -> DiffusionDecoder.of(model, 8, null));
        DiffusionDecoder decoder = DiffusionDecoder.of(model, 32, ONE_THREAD);
        assertThatExceptionOfType(ContextFullException.class).isThrownBy(() -> decoder.generate(prompt, OPTIONS.withLength(16)))
                .satisfies(e -> assertThat(e.available()).isEqualTo(15));
        assertThatExceptionOfType(ContextFullException.class).isThrownBy(() -> decoder.generate(prompt, OPTIONS.withLength(Integer.MAX_VALUE)));
        assertThatExceptionOfType(ContextFullException.class).isThrownBy(() -> decoder.fill(new int[33], OPTIONS));
        assertThatIllegalArgumentException().isThrownBy(() -> decoder.fill(new int[0], OPTIONS));
        assertThatIllegalArgumentException().isThrownBy(() -> decoder.fill(new int[] {MASK, 320}, OPTIONS));
        assertThatIllegalArgumentException().isThrownBy(() -> decoder.fill(new int[] {MASK, -1}, OPTIONS));
        assertThatIllegalArgumentException().isThrownBy(() -> decoder.generate(new int[] {5, MASK}, OPTIONS.withLength(3)));
        assertThatNullPointerException().isThrownBy(() -> decoder.generate(prompt, null));
        assertThat(decoder.generate(new int[0], OPTIONS.withLength(3)).tokens()).as("without a prompt").hasSize(3);
        decoder.close();
        decoder.close();
        assertThatIllegalStateException().isThrownBy(() -> decoder.generate(prompt, OPTIONS.withLength(3)));

        assertThatIllegalArgumentException().isThrownBy(() -> OPTIONS.withLength(0));
        assertThatIllegalArgumentException().isThrownBy(() -> OPTIONS.withBlockLength(0));
        assertThatIllegalArgumentException().isThrownBy(() -> OPTIONS.withMaxSteps(-1));
        for (float wrong : new float[] {-1, Float.NaN, Float.POSITIVE_INFINITY}) {
            assertThatIllegalArgumentException().isThrownBy(() -> OPTIONS.withTemperature(wrong));
        }
        assertThatNullPointerException().isThrownBy(() -> OPTIONS.withPolicy(null));
        assertThat(OPTIONS.withLength(1).withBlockLength(2).withMaxSteps(3).withTemperature(4).withSeed(5).withIgnoreEnd(false).withProgress(null)
                .withPolicy(OPTIONS.policy()))
                .isEqualTo(new DiffusionOptions(1, 2, 3, 4, 5, OPTIONS.policy(), false, null));
    }

    @Test
    void proposalsOfADenoiser() {
        try (Denoiser denoiser = Denoiser.of(models.get("dream"), 32, ONE_THREAD)) {
            int[] text = Arrays.copyOf(prompt, 20);
            text[4] = MASK;
            Proposals proposals = denoiser.propose(text, new int[] {4, 2}, 0, 0);
            assertThat(proposals.size()).isEqualTo(2);
            assertThat(proposals.position(1)).isEqualTo(2);
            assertThat(proposals.token(0)).isBetween(0, 318);
            assertThat(proposals.probability(0)).isBetween(0f, 1f);
            assertThat(proposals.margin(0)).isBetween(0f, proposals.probability(0));
            assertThat(proposals.entropy(0)).isBetween(0f, (float) Math.log(319));
            assertThatIllegalArgumentException().isThrownBy(() -> denoiser.propose(text, new int[] {20}, 0, 0));
            assertThatIllegalArgumentException().isThrownBy(() -> denoiser.propose(text, new int[0], 0, 0));
            assertThatIllegalArgumentException().isThrownBy(() -> denoiser.propose(new int[33], new int[] {1}, 0, 0));
            assertThatIllegalArgumentException().isThrownBy(() -> denoiser.propose(text, new int[] {4}, Float.NaN, 0));
        }
    }
}
