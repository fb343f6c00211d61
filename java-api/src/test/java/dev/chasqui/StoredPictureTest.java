package dev.chasqui;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.within;

import dev.chasqui.kv.SequenceStore;
import dev.chasqui.kv.SequenceStoreOptions;
import dev.chasqui.vision.EncodedImage;
import dev.chasqui.vision.Importance;
import dev.chasqui.vision.Question;
import dev.chasqui.vision.RowPositions;
import dev.chasqui.vision.TokenPruner;
import dev.chasqui.vision.VisionOptions;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Sequences with pictures in saved states and in a store.
@Tag("standalone")
class StoredPictureTest {

    private static final GenerationOptions GREEDY = GenerationOptions.defaults().withSampler(Sampler.greedy()).withMaxTokens(8);

    @TempDir
    Path folder;

    private SequenceStore store = SequenceStore.open(SequenceStoreOptions.inMemory().withMinTokens(1));

    @AfterEach
    void close() {
        store.close();
    }

    private static Prompt prompt(Model model, EncodedImage picture, String question) {
        return Prompt.builder(model).begin().image(picture).text(question + "\nA:").build();
    }

    private Context context(Model model) {
        return model.newContext(ContextOptions.defaults().withContextSize(512).withThreads(1).withStore(store));
    }

    /// What a prompt takes over from the store in a new context, and the logits after it.
    private record Answer(int reused, float[] logits, String text) { }

    private Answer ask(Model model, Prompt prompt) {
        try (Context context = context(model); Sequence sequence = context.newSequence()) {
            int branch = sequence.prepare(prompt);
            int reused = sequence.computed();
            sequence.fill(branch, prompt);
            float[] logits = sequence.logits();
            return new Answer(reused, logits, sequence.generate(prompt, GREEDY).text());
        }
    }

    private static Answer askAlone(Model model, Prompt prompt) {
        try (Context context = model.newContext(ContextOptions.defaults().withContextSize(512).withThreads(1)); Sequence sequence = context.newSequence()) {
            sequence.set(prompt);
            float[] logits = sequence.logits();
            return new Answer(0, logits, sequence.generate(prompt, GREEDY).text());
        }
    }

    private void park(Model model, Prompt prompt) {
        try (Context context = context(model); Sequence sequence = context.newSequence()) {
            sequence.set(prompt);
            assertThat(store.park(sequence)).isTrue();
        }
    }

    @Test
    void theSamePictureWithTheSameOptionsIsReused() {
        for (VisionModel vision : List.of(TinyVlm.vision(), TinyVlm.gridVision())) {
            Model model = vision.model();
            VisionOptions options = VisionOptions.keeping(0.25).withPositions(vision.hasGridPositions() ? RowPositions.LINEAR : RowPositions.COMPACT);
            park(model, prompt(model, vision.encode(TinyVlm.image(3)).pruned(options), "What shape is red?"));

            // encoded and pruned anew: only what it is counts
            Prompt other = prompt(model, vision.encode(TinyVlm.image(3)).pruned(options), "Where is the circle?");
            Answer answer = ask(model, other);
            Answer alone = askAlone(model, other);
            assertThat(answer.reused()).isGreaterThanOrEqualTo(other.spans().getFirst().end());
            assertThat(answer.text()).isEqualTo(alone.text());
            for (int i = 0; i < alone.logits().length; i++) {
                assertThat(answer.logits()[i]).isCloseTo(alone.logits()[i], within(1e-3f));
            }

            // the very prompt brings its logits along, to the bit
            Prompt same = prompt(model, vision.encode(TinyVlm.image(3)).pruned(options), "What shape is red?");
            Answer again = ask(model, same);
            assertThat(again.reused()).isGreaterThanOrEqualTo(same.length() - 1);
            assertThat(again.text()).isEqualTo(askAlone(model, same).text());
        }
    }

    @Test
    void whatIsSeenOtherwiseIsNotShared() {
        VisionModel vision = TinyVlm.gridVision();
        Model model = vision.model();
        EncodedImage picture = vision.encode(TinyVlm.image(3));
        VisionOptions options = VisionOptions.keeping(0.25).withPositions(RowPositions.LINEAR);
        TokenPruner byText = TokenPruner.mmr().withImportance(Importance.TEXT);
        try (TokenEmbeddings embeddings = model.tokenEmbeddings()) {
            Question red = Question.of("What shape is red?", embeddings);
            Question blue = Question.of("What shape is blue?", embeddings);
            List<EncodedImage> seen = new ArrayList<>(List.of(
                    picture.pruned(options),
                    picture.pruned(options.withKeep(0.1)),
                    picture.pruned(options.withKeep(1)),
                    picture.pruned(options.withPruner(TokenPruner.mmr())),
                    picture.pruned(options.withPruner(TokenPruner.mmr(0.7f))),
                    picture.pruned(options.withPositions(RowPositions.COMPACT)),
                    picture.pruned(options.withPruner(byText), red),
                    picture.pruned(options.withPruner(byText), blue),
                    vision.encode(TinyVlm.image(4)).pruned(options)));
            for (EncodedImage one : seen) {
                Prompt prompt = prompt(model, one, "What shape is red?");
                assertThat(ask(model, prompt).reused()).as(one.chunks().getFirst().key()).isLessThanOrEqualTo(prompt.spans().getFirst().start());
                park(model, prompt);
            }
            for (EncodedImage one : seen) { // each is there for itself
                Prompt prompt = prompt(model, one, "What shape is red?");
                assertThat(ask(model, prompt).reused()).isGreaterThanOrEqualTo(prompt.length() - 1);
            }
            // a pruner that does not look at the question shares what it chose
            assertThat(picture.pruned(options, red).chunks().getFirst().key()).isEqualTo(picture.pruned(options, blue).chunks().getFirst().key());
        }
        assertThat(store.stats().lastFailure()).isEmpty();
    }

    @Test
    void aGenerationLeavesItsPictureInTheStore() {
        Model model = TinyVlm.model();
        EncodedImage picture = TinyVlm.vision().encode(TinyVlm.image(5)).pruned(VisionOptions.keeping(0.5));
        Prompt first = prompt(model, picture, "What is the text?");
        try (Context context = context(model); Sequence sequence = context.newSequence(); Generation generation = sequence.generate(first, GREEDY)) {
            generation.text();
        }
        try (Context context = context(model); Sequence sequence = context.newSequence();
                Generation generation = sequence.generate(prompt(model, picture, "How many shapes are there?"), GREEDY)) {
            generation.text();
            assertThat(generation.stats().cachedTokens()).isGreaterThanOrEqualTo(first.spans().getFirst().end());
        }
    }

    @Test
    void filesOutliveTheStore() {
        VisionModel vision = TinyVlm.gridVision();
        Model model = vision.model();
        EncodedImage picture = vision.encode(TinyVlm.image(6)).pruned(VisionOptions.keeping(0.25).withPositions(RowPositions.LINEAR));
        store.close();
        store = SequenceStore.open(SequenceStoreOptions.in(folder).withMinTokens(1));
        park(model, prompt(model, picture, "What shape is red?"));
        store.close();
        store = SequenceStore.open(SequenceStoreOptions.in(folder).withMinTokens(1));
        Prompt other = prompt(model, picture, "Where is the ring?");
        Answer answer = ask(model, other);
        assertThat(answer.reused()).isGreaterThanOrEqualTo(other.spans().getFirst().end());
        assertThat(answer.text()).isEqualTo(askAlone(model, other).text());
    }

    @Test
    void aRestoredSequenceGoesOnBehindItsPicture() throws IOException {
        VisionModel vision = TinyVlm.gridVision();
        Model model = vision.model();
        EncodedImage picture = vision.encode(TinyVlm.image(7)).pruned(VisionOptions.keeping(0.25).withPositions(RowPositions.LINEAR));
        Prompt prompt = prompt(model, picture, "What shape is red?");
        try (Context context = model.newContext(ContextOptions.defaults().withContextSize(512).withThreads(1).withMaxSequences(2));
                Sequence sequence = context.newSequence();
                Sequence copy = context.newSequence()) {
            sequence.set(prompt);
            sequence.save(folder.resolve("sequence"));
            try (SavedSequence saved = SavedSequence.load(folder.resolve("sequence"))) {
                assertThat(saved.tokens()).isEqualTo(prompt.tokens());
                assertThat(saved.note()).isEmpty();
                assertThat(copy.restore(saved)).isEqualTo(prompt.length());
            }
            assertThat(copy.key()).isEqualTo(sequence.key()).isEqualTo(prompt.key());
            int[] more = model.vocabulary().tokenize(" blue");
            sequence.append(more);
            float[] expected = sequence.logits();
            copy.append(more);
            assertThat(copy.logits()).isEqualTo(expected);
            assertThat(copy.set(prompt)).isEqualTo(prompt.length() - 1); // its last token is computed again, for the logits
            int end = prompt.spans().getFirst().end();
            copy.rewind(end);
            copy.append(more);
            sequence.rewind(end);
            sequence.append(more);
            float[] behind = copy.logits(); // in other cells than those of the original
            float[] original = sequence.logits();
            for (int i = 0; i < original.length; i++) {
                assertThat(behind[i]).isCloseTo(original[i], within(1e-2f));
            }

            byte[] state = sequence.save();
            state[128 + 4 * prompt.spans().getFirst().start()] ^= 1;
            assertThatExceptionOfType(StateMismatchException.class).isThrownBy(() -> copy.restore(state));
            assertThat(copy.length()).isEqualTo(end + more.length);
        }
    }

    @Test
    void whatARestoredSequenceCannotComputeAgainSaysSo() {
        Model model = TinyVlm.model();
        EncodedImage picture = TinyVlm.vision().encode(TinyVlm.image(7));
        Prompt prompt = prompt(model, picture, "What shape is red?");
        byte[] state;
        try (Context context = context(model); Sequence sequence = context.newSequence()) {
            sequence.set(prompt);
            state = sequence.save();
        }
        try (Context context = context(model); Sequence sequence = context.newSequence()) {
            sequence.restore(state);
            Prompt lessThanThePicture = Prompt.of(prompt.spans().getFirst().start() > 0 ? new int[] {prompt.tokens()[0], 5} : new int[] {5});
            sequence.set(lessThanThePicture); // drops it
            assertThat(sequence.set(prompt)).isLessThanOrEqualTo(prompt.spans().getFirst().start());
            assertThat(sequence.logits()).isEqualTo(askAlone(model, prompt).logits());
        }
    }

    @Test
    void aNoteThatDoesNotFitTheTokensIsRefused() {
        int row = Prompt.ROW;
        List<Prompt.Span> pictures = List.of(new Prompt.Span(1, 2, 4, "a", null), new Prompt.Span(4, 1, 1, "b", null));
        byte[] bytes = new PictureNote(new byte[] {7, 8}, pictures).encode();
        PictureNote read = PictureNote.decode(bytes, new int[] {5, row, row, 6, row});
        assertThat(read.note()).containsExactly(7, 8);
        assertThat(read.pictures()).isEqualTo(pictures);
        for (int[] tokens : new int[][] {{5, row, row, row}, {5, row, 6, row, row}, {row}, {5, row, row, 6, row, row}}) {
            assertThatExceptionOfType(StateMismatchException.class).isThrownBy(() -> PictureNote.decode(bytes, tokens));
        }
        for (int i = 0; i < bytes.length; i++) { // whatever is damaged: the right exception or something that makes sense
            byte[] damaged = bytes.clone();
            damaged[i] ^= (byte) 0x80;
            try {
                assertThat(PictureNote.decode(damaged, new int[] {5, row, row, 6, row}).pictures()).hasSize(2);
            } catch (StateMismatchException e) {
                assertThat(e).hasMessageContaining("pictures");
            }
        }
        assertThat(PictureNote.decode(new byte[] {1}, new int[] {5}).note()).containsExactly(1);
    }
}
