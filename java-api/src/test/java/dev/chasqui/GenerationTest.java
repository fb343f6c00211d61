package dev.chasqui;

import static dev.chasqui.TestModels.concat;
import static dev.chasqui.TestModels.fresh;
import static dev.chasqui.TestModels.greedy;
import static dev.chasqui.TestModels.small;
import static dev.chasqui.TestModels.tokens;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;

import dev.chasqui.speculation.Speculation;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.concurrent.CountDownLatch;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@Tag("standalone")
class GenerationTest {

    private static final GenerationOptions GREEDY = GenerationOptions.defaults().withSampler(Sampler.greedy()).withMaxTokens(40);

    private static final Sampler LETTERS = Sampler.greedy().constrainedBy(Grammar.of("root ::= [a-z]{35,100}"));

    private final Model model = TestModels.tiny();
    private final Vocabulary vocabulary = model.vocabulary();
    private final int[] prompt = tokens(30, 1);
    private Context context;
    private Sequence sequence;

    @BeforeEach
    void open() {
        context = model.newContext(small().withMaxSequences(2));
        sequence = context.newSequence();
    }

    @AfterEach
    void close() {
        context.close();
    }

    @Test
    void piecesAreTheTextOfTheTokens() {
        List<String> pieces = new ArrayList<>();
        Generation generation = sequence.generate(prompt, GREEDY);
        for (String piece : generation) {
            assertThat(piece).isNotEmpty();
            pieces.add(piece);
        }
        int[] generated = Arrays.copyOfRange(sequence.tokens(), 30, sequence.length());

        assertThat(generated).isEqualTo(fresh(model, prompt, generated.length));
        assertThat(String.join("", pieces)).isEqualTo(textOf(generated));
        assertThat(pieces.size()).isGreaterThan(5);
    }

    @Test
    void textAndStreamGiveTheSame() {
        String text = sequence.generate(prompt, GREEDY).text();
        String streamed = sequence.generate(prompt, GREEDY).stream().collect(Collectors.joining());

        assertThat(text).isNotEmpty().isEqualTo(streamed);
    }

    @Test
    void stopsAtMaxTokens() {
        Generation generation = sequence.generate(prompt, GREEDY.withMaxTokens(7).withIgnoreEnd(true));
        generation.text();

        assertThat(sequence.length()).isEqualTo(37);
        assertThat(generation.stats().generatedTokens()).isEqualTo(7);
        assertThat(generation.stats().finishReason()).isEqualTo(FinishReason.LENGTH);
    }

    @Test
    void maxTokensOfZeroComputesThePromptOnly() {
        Generation generation = sequence.generate(prompt, GREEDY.withMaxTokens(0));

        assertThat(generation.text()).isEmpty();
        assertThat(sequence.tokens()).isEqualTo(prompt);
        assertThat(sequence.room()).isEqualTo(512 - 30);
        assertThat(generation.stats()).satisfies(
                stats -> assertThat(stats.finishReason()).isEqualTo(FinishReason.LENGTH),
                stats -> assertThat(stats.promptTokens()).isEqualTo(30),
                stats -> assertThat(stats.generatedTokens()).isZero(),
                stats -> assertThat(stats.timeToFirstToken()).isZero());
    }

    @Test
    void statsCount() {
        sequence.append(Arrays.copyOf(prompt, 20));
        Generation generation =
                sequence.generate(prompt, GREEDY.withMaxTokens(5).withIgnoreEnd(true).withSpeculation(Speculation.off()));
        generation.text();
        GenerationStats stats = generation.stats();

        assertThat(stats.promptTokens()).isEqualTo(30);
        assertThat(stats.cachedTokens()).isEqualTo(20);
        assertThat(stats.generatedTokens()).isEqualTo(5);
        assertThat(stats.targetSteps()).isEqualTo(4);
        assertThat(stats.speculation().drafted()).isZero();
        assertThat(stats.speculation().accepted()).isZero();
        assertThat(stats.timeToFirstToken()).isPositive();
        assertThat(stats.decodeTime()).isPositive();
        assertThat(stats.decodeTokensPerSecond()).isPositive();
    }

    @Test
    void goesOnFromWhatTheSequenceHolds() {
        sequence.append(prompt);
        Generation generation = sequence.generate(GREEDY.withMaxTokens(10).withIgnoreEnd(true));
        generation.text();

        assertThat(sequence.tokens()).isEqualTo(concat(prompt, fresh(model, prompt, 10)));
        assertThat(generation.stats().promptTokens()).isEqualTo(30);
        assertThat(generation.stats().cachedTokens()).isEqualTo(30);
        assertThat(generation.sequence()).isSameAs(sequence);
    }

    @Test
    void endsWhenTheModelEnds() {
        Sampler end = Sampler.builder().logitBias(Map.of(TinyGguf.END, 1000f)).greedy().build();
        Generation generation = sequence.generate(prompt, GREEDY.withSampler(end));

        assertThat(generation.text()).isEmpty();
        assertThat(generation.stats().finishReason()).isEqualTo(FinishReason.END);
        assertThat(generation.stats().generatedTokens()).isEqualTo(1);

        Generation special = sequence.generate(prompt, GREEDY.withSampler(end).withSpecialTokens(true));
        assertThat(special.text()).isEqualTo("</s>");

        Generation endless = sequence.generate(prompt, GREEDY.withSampler(end).withIgnoreEnd(true).withMaxTokens(6));
        assertThat(endless.text()).isEmpty();
        assertThat(endless.stats().finishReason()).isEqualTo(FinishReason.LENGTH);
        assertThat(endless.stats().generatedTokens()).isEqualTo(6);
    }

    @Test
    void endsWhenTheContextIsFull() {
        Generation generation = sequence.generate(tokens(500, 2), GREEDY.withMaxTokens(100).withIgnoreEnd(true));
        generation.text();

        assertThat(generation.stats().finishReason()).isEqualTo(FinishReason.CONTEXT_FULL);
        // The last token was picked from the last cell and has none of its own.
        assertThat(generation.stats().generatedTokens()).isEqualTo(13);
        assertThat(sequence.length()).isEqualTo(513);
    }

    @Test
    void promptThatDoesNotFitIsAnError() {
        Generation generation = sequence.generate(tokens(513, 2), GREEDY);

        assertThatExceptionOfType(ContextFullException.class).isThrownBy(generation::text)
                .satisfies(e -> assertThat(e.needed()).isEqualTo(513), e -> assertThat(e.available()).isEqualTo(512));
        assertThat(sequence.generate(prompt, GREEDY).text()).isEqualTo(sequence.generate(prompt, GREEDY).text());
    }

    @Test
    void stopStringEndsTheText() {
        String whole = sequence.generate(prompt, GREEDY.withSampler(LETTERS)).text();
        String stop = whole.substring(8, 11);
        Generation generation = sequence.generate(prompt, GREEDY.withSampler(LETTERS).withStop("NEVER", stop));

        assertThat(whole).hasSizeGreaterThan(30);
        assertThat(generation.text()).isEqualTo(whole.substring(0, whole.indexOf(stop)));
        assertThat(generation.stats().finishReason()).isEqualTo(FinishReason.STOP);
        assertThat(generation.stats().generatedTokens()).isLessThan(40);
    }

    @Test
    void stopStringThatNeverComesChangesNothing() {
        String whole = sequence.generate(prompt, GREEDY.withSampler(LETTERS)).text();
        String almost = whole.substring(whole.length() - 3) + "NEVER";

        assertThat(sequence.generate(prompt, GREEDY.withSampler(LETTERS).withStop(almost)).text()).isEqualTo(whole);
    }

    @Test
    void wideCharactersComeOutWhole() {
        Sampler emoji = Sampler.greedy().constrainedBy(Grammar.of("root ::= \"é€😀\"{3}"));
        Generation generation = sequence.generate(prompt, GREEDY.withSampler(emoji).withMaxTokens(27));
        List<String> pieces = generation.stream().toList();

        assertThat(pieces).hasSizeGreaterThanOrEqualTo(9).allMatch(piece -> List.of("é", "€", "😀").contains(piece));
        assertThat(String.join("", pieces)).isEqualTo("é€😀".repeat(3));
    }

    /// The buffer that each step reuses holds 512 bytes.
    @Test
    void piecesLongerThanTheBuffer(@TempDir Path directory) throws IOException {
        Path file = Files.write(directory.resolve("long.gguf"), TestModels.tinyWithPiece("long ".repeat(1000)));
        Sampler favour = Sampler.builder().logitBias(Map.of(319, 100f)).greedy().build();
        try (Model wide = Model.load(file); Context own = wide.newContext(small())) {
            List<String> pieces = own.newSequence().generate(prompt, GREEDY.withSampler(favour).withMaxTokens(2)).stream().toList();

            assertThat(pieces).containsExactly("long ".repeat(1000), "long ".repeat(1000));
        }
    }

    @Test
    void cutOffCharacterAtTheLimit() {
        Sampler emoji = Sampler.greedy().constrainedBy(Grammar.of("root ::= \"😀\"{2}"));

        assertThat(sequence.generate(prompt, GREEDY.withSampler(emoji).withMaxTokens(6)).text()).isEqualTo("😀\uFFFD");
    }

    @Test
    void canBeIteratedOnce() {
        Generation generation = sequence.generate(prompt, GREEDY);
        generation.text();

        assertThatIllegalStateException().isThrownBy(generation::iterator).withMessageContaining("once");
        assertThatIllegalStateException().isThrownBy(generation::text);
        assertThatIllegalStateException().isThrownBy(generation::stream);
    }

    @Test
    void iteratorEndsLikeAnyOther() {
        Iterator<String> pieces = sequence.generate(prompt, GREEDY.withMaxTokens(0)).iterator();

        assertThat(pieces.hasNext()).isFalse();
        assertThat(pieces.hasNext()).isFalse();
        assertThatExceptionOfType(NoSuchElementException.class).isThrownBy(pieces::next);
    }

    @Test
    void nothingRunsBeforeTheFirstPieceIsAskedFor() {
        Generation generation = sequence.generate(prompt, GREEDY);
        Iterator<String> pieces = generation.iterator();
        assertThat(sequence.length()).isZero();
        assertThatIllegalStateException().isThrownBy(generation::stats).withMessageContaining("not ended");

        pieces.next();
        int length = sequence.length();
        assertThat(length).isGreaterThan(30);
        assertThat(pieces.hasNext()).isTrue();
        generation.close();
    }

    @Test
    void promptIsACopy() {
        int[] own = prompt.clone();
        Generation generation = sequence.generate(own, GREEDY.withMaxTokens(1));
        Arrays.fill(own, 3);
        generation.text();

        assertThat(Arrays.copyOf(sequence.tokens(), 30)).isEqualTo(prompt);
    }

    @Test
    void cancelBeforeTheStart() {
        Generation generation = sequence.generate(prompt, GREEDY);
        generation.cancel();

        assertThat(generation.text()).isEmpty();
        assertThat(sequence.length()).isZero();
        assertThat(generation.stats().finishReason()).isEqualTo(FinishReason.CANCELLED);
        usable();
    }

    @Test
    void cancelBetweenPieces() {
        Generation generation = sequence.generate(prompt, GREEDY.withIgnoreEnd(true));
        int pieces = 0;
        for (String piece : generation) {
            assertThat(piece).isNotEmpty();
            if (++pieces == 3) {
                generation.cancel();
                generation.cancel();
            }
        }

        assertThat(pieces).isBetween(3, 4); // held-back bytes may come out at the end
        assertThat(generation.stats().finishReason()).isEqualTo(FinishReason.CANCELLED);
        assertThat(generation.stats().generatedTokens()).isLessThan(40);
        usable();
    }

    @Test
    void cancelAfterTheEndChangesNothing() {
        Generation generation = sequence.generate(prompt, GREEDY.withMaxTokens(3).withIgnoreEnd(true));
        generation.text();
        generation.cancel();

        assertThat(generation.stats().finishReason()).isEqualTo(FinishReason.LENGTH);
        usable();
    }

    /// The prompt takes seconds; the cancel arrives while it is computed.
    @Test
    void cancelInTheMiddleOfThePromptFromAnotherThread() throws InterruptedException {
        try (Context large = model.newContext(small().withContextSize(60_000).withBatchSize(512))) {
            Sequence own = large.newSequence();
            int[] text = tokens(60_000, 3);
            Generation generation = own.generate(text, GREEDY);
            CountDownLatch started = new CountDownLatch(1);
            Thread canceller = Thread.ofPlatform().start(() -> {
                try {
                    started.await();
                    Thread.sleep(100);
                } catch (InterruptedException e) {
                    return;
                }
                generation.cancel();
            });
            started.countDown();
            String answer = generation.text();
            canceller.join();

            assertThat(answer).isEmpty();
            assertThat(generation.stats().finishReason()).isEqualTo(FinishReason.CANCELLED);
            assertThat(generation.stats().generatedTokens()).isZero();
            assertThat(own.length()).isLessThan(60_000);
            assertThat(own.tokens()).isEqualTo(Arrays.copyOf(text, own.length()));
            own.set(prompt);
            assertThat(greedy(own, 5)).isEqualTo(fresh(model, prompt, 5));
        }
    }

    @Test
    void interruptEndsTheGeneration() {
        Generation generation = sequence.generate(prompt, GREEDY.withIgnoreEnd(true));
        int pieces = 0;
        for (String piece : generation) {
            assertThat(piece).isNotEmpty();
            if (++pieces == 2) {
                Thread.currentThread().interrupt();
            }
        }

        assertThat(Thread.interrupted()).as("the flag stays set").isTrue();
        assertThat(pieces).isBetween(2, 3);
        assertThat(generation.stats().finishReason()).isEqualTo(FinishReason.CANCELLED);
        usable();
    }

    @Test
    void interruptedBeforeTheStart() {
        Thread.currentThread().interrupt();
        Generation generation = sequence.generate(prompt, GREEDY);
        String text = generation.text();

        assertThat(Thread.interrupted()).isTrue();
        assertThat(text).isEmpty();
        assertThat(generation.stats().finishReason()).isEqualTo(FinishReason.CANCELLED);
        usable();
    }

    @Test
    void closeEarlyEndsIt() {
        Generation generation = sequence.generate(prompt, GREEDY);
        Iterator<String> pieces = generation.iterator();
        pieces.next();
        generation.close();
        generation.close();

        assertThat(pieces.hasNext()).isFalse();
        assertThat(generation.stats().finishReason()).isEqualTo(FinishReason.CANCELLED);
        usable();
    }

    @Test
    void closeBeforeTheStart() {
        Generation generation = sequence.generate(prompt, GREEDY);
        generation.close();

        assertThat(generation.text()).isEmpty();
        assertThat(sequence.length()).isZero();
        usable();
    }

    @Test
    void twoGenerationsTakeTurnsInOneContext() {
        Sequence second = context.newSequence();
        int[] other = tokens(25, 5);
        Iterator<String> left = sequence.generate(prompt, GREEDY.withIgnoreEnd(true)).iterator();
        Iterator<String> right = second.generate(other, GREEDY.withIgnoreEnd(true)).iterator();
        StringBuilder leftText = new StringBuilder();
        StringBuilder rightText = new StringBuilder();
        while (left.hasNext() || right.hasNext()) {
            if (left.hasNext()) {
                leftText.append(left.next());
            }
            if (right.hasNext()) {
                rightText.append(right.next());
            }
        }

        assertThat(leftText).hasToString(textOf(fresh(model, prompt, 40)));
        assertThat(rightText).hasToString(textOf(fresh(model, other, 40)));
    }

    @Test
    void penaltiesLookBackIntoThePrompt() {
        int first = fresh(model, prompt, 1)[0];
        int[] withFirst = concat(prompt, new int[] {first});
        Sampler forbidding = Sampler.builder().penalties(64, 1, 0, 1000).greedy().build();
        sequence.generate(withFirst, GREEDY.withSampler(forbidding).withIgnoreEnd(true)).text();

        assertThat(Arrays.copyOfRange(sequence.tokens(), 31, sequence.length())).doesNotContain(withFirst).doesNotHaveDuplicates();
    }

    @Test
    void oneLineGenerationOwnsItsContext() {
        Generation generation = model.generate("the river", GREEDY.withMaxTokens(10).withIgnoreEnd(true));
        Sequence own = generation.sequence();
        String text = generation.text();
        int[] begin = vocabulary.tokenize("the river", true, false);

        assertThat(begin).startsWith(TinyGguf.BEGIN);
        assertThat(text).isEqualTo(textOf(fresh(model, begin, 10)));
        assertThat(generation.stats().generatedTokens()).isEqualTo(10);
        assertThatIllegalStateException().isThrownBy(own::room).withMessage("context is closed");
    }

    @Test
    void oneLineGenerationTakesTheTextLiterally() {
        Generation generation = model.generate("a</s><s>b", GREEDY.withMaxTokens(0));
        generation.iterator().hasNext();

        assertThat(generation.sequence().tokens()).isEqualTo(vocabulary.tokenize("a</s><s>b", true, false));
        assertThat(generation.sequence().tokens()).containsOnlyOnce(TinyGguf.BEGIN).doesNotContain(TinyGguf.END);
    }

    @Test
    void closingAnUnusedOneLineGenerationFreesItsContext() {
        Generation generation = model.generate("the river", GREEDY.withMaxTokens(10));
        generation.close();

        assertThatIllegalStateException().isThrownBy(() -> generation.sequence().room()).withMessage("context is closed");
    }

    @Test
    void badSamplerIsAnErrorOfTheFirstPiece() {
        Sampler bad = Sampler.builder().topP(7).build();

        assertThatIllegalArgumentException().isThrownBy(() -> sequence.generate(prompt, GREEDY.withSampler(bad)).text());
        usable();
    }

    @Test
    void nullIsRefused() {
        assertThatNullPointerException().isThrownBy(() -> sequence.generate(prompt, null));
        assertThatNullPointerException().isThrownBy(() -> sequence.generate((GenerationOptions) null));
        assertThatNullPointerException().isThrownBy(() -> model.generate(null, GREEDY));
        assertThatNullPointerException().isThrownBy(() -> model.generate("a", null));
    }

    private void usable() {
        Sequence fresh = context.newSequence();
        fresh.append(prompt);
        assertThat(greedy(fresh, 5)).isEqualTo(fresh(model, prompt, 5));
        fresh.close();
        sequence.set(prompt);
        assertThat(greedy(sequence, 5)).isEqualTo(fresh(model, prompt, 5));
    }

    /// Control tokens have no text.
    private String textOf(int[] tokens) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        for (int token : tokens) {
            if (!vocabulary.info(token).isControl()) {
                bytes.writeBytes(vocabulary.piece(token));
            }
        }
        return bytes.toString(StandardCharsets.UTF_8);
    }
}
