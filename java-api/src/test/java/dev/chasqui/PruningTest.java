package dev.chasqui;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import dev.chasqui.vision.EncodedImage;
import dev.chasqui.vision.Importance;
import dev.chasqui.vision.KeptTokens;
import dev.chasqui.vision.Question;
import dev.chasqui.vision.RowPositions;
import dev.chasqui.vision.TokenPruner;
import dev.chasqui.vision.VisionOptions;
import java.awt.image.BufferedImage;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("standalone")
class PruningTest {

    private static final GenerationOptions GREEDY = GenerationOptions.defaults().withSampler(Sampler.greedy()).withMaxTokens(8);

    private static final List<EncodedImage> PICTURES = pictures();

    private static List<EncodedImage> pictures() {
        List<EncodedImage> pictures = new ArrayList<>();
        for (int i = 0; i < 60; i++) {
            pictures.add(TinyVlm.gridVision().encode(TinyVlm.image(i)));
        }
        return pictures;
    }

    /// Which questions are answered rightly.
    private static boolean[] right(VisionOptions options) {
        List<TinyVlm.Question> questions = TinyVlm.questions();
        boolean[] right = new boolean[questions.size()];
        try (Context context = TinyVlm.gridModel().newContext(ContextOptions.defaults().withContextSize(256)); Sequence sequence = context.newSequence()) {
            EncodedImage seen = null;
            for (int i = 0; i < right.length; i++) {
                TinyVlm.Question question = questions.get(i);
                if (i == 0 || question.picture() != questions.get(i - 1).picture()) {
                    seen = PICTURES.get(question.picture()).pruned(options);
                }
                Prompt prompt = Prompt.builder(TinyVlm.gridModel()).begin().image(seen).text(question.text() + "\nA:").build();
                right[i] = sequence.generate(prompt, GREEDY).text().strip().equals(question.answer());
            }
        }
        return right;
    }

    private static double share(boolean[] right) {
        int n = 0;
        for (boolean one : right) {
            n += one ? 1 : 0;
        }
        return n / (double) right.length;
    }

    /// The sets that a program of its own chose for the first two pictures.
    @Test
    void herdingChoosesAsElsewhere() {
        VisionOptions tenth = VisionOptions.keeping(0.1).withPositions(RowPositions.LINEAR);
        assertThat(PICTURES.get(0).pruned(tenth).chunks().getFirst().kept()).containsExactly(13, 19, 27, 34, 52, 70, 73, 77, 104, 105, 114, 121, 130, 137);
        assertThat(PICTURES.get(1).pruned(tenth).chunks().getFirst().kept()).containsExactly(1, 27, 33, 39, 44, 56, 77, 86, 90, 95, 108, 123, 129, 138);
    }

    /// With a quarter of the tokens nothing is lost on these questions; with a tenth far less than by chance.
    @Test
    void herdingKeepsWhatMatters() {
        VisionOptions quarter = VisionOptions.keeping(0.25).withPositions(RowPositions.LINEAR);
        assertThat(share(right(quarter))).isGreaterThanOrEqualTo(0.70);
        boolean[] tenth = right(quarter.withKeep(0.1));
        boolean[] chance = right(quarter.withKeep(0.1).withPruner(TokenPruner.random(5)));
        assertThat(share(tenth)).isGreaterThanOrEqualTo(0.66);
        int better = 0;
        int worse = 0;
        for (int i = 0; i < tenth.length; i++) {
            better += tenth[i] && !chance[i] ? 1 : 0;
            worse += chance[i] && !tenth[i] ? 1 : 0;
        }
        // of so few that differ, so many in one direction are one in ten thousand by chance
        assertThat(better).isGreaterThan(2 * worse + 12);
    }

    @Test
    void everyPrunerWorksOnAPicture() {
        EncodedImage picture = TinyVlm.vision().encode(TinyVlm.image(3)); // with the encoder's attention
        try (TokenEmbeddings embeddings = TinyVlm.model().tokenEmbeddings()) {
            Question question = Question.of("Where is the circle?", embeddings);
            for (String name : TokenPruner.names()) {
                EncodedImage seen = picture.pruned(VisionOptions.keeping(0.25).withPruner(TokenPruner.named(name)), question);
                assertThat(seen.count()).as(name).isEqualTo(36);
                assertThat(seen.stats().tokens()).isEqualTo(144);
                assertThat(seen.chunks().getFirst().kept()).isSorted().doesNotHaveDuplicates();
                assertThat(seen.chunks().getFirst().positions()).isEqualTo(36);
            }
            TokenPruner byAttention = TokenPruner.mmr().withImportance(Importance.GIVEN);
            assertThat(picture.pruned(VisionOptions.keeping(0.1).withPruner(byAttention)).count()).isEqualTo(14);
            TokenPruner byText = TokenPruner.mmr().withImportance(Importance.TEXT);
            assertThatIllegalArgumentException().isThrownBy(() -> picture.pruned(VisionOptions.keeping(0.1).withPruner(byText)));
            String asked = picture.pruned(VisionOptions.keeping(0.1).withPruner(byText), question).chunks().getFirst().key();
            String other = picture.pruned(VisionOptions.keeping(0.1).withPruner(byText), Question.of("What is red?", embeddings)).chunks().getFirst().key();
            assertThat(asked).isNotEqualTo(other);
        }
    }

    @Test
    void whatAProbeFoundCanDecide() {
        EncodedImage picture = TinyVlm.vision().encode(TinyVlm.image(3));
        Prompt prompt = Prompt.builder(TinyVlm.model()).begin().image(picture).text("Where is the circle?\nA:").build();
        try (AttentionProbe probe = TinyVlm.model().attentionProbe(1, 300)) {
            float[] scores = probe.scores(prompt);
            EncodedImage scored = picture.withChunks(List.of(picture.chunks().getFirst().withImportance(scores)));
            int[] kept = scored.pruned(VisionOptions.keeping(0.1).withPruner(TokenPruner.top().withImportance(Importance.GIVEN))).chunks().getFirst().kept();
            float[] sorted = scores.clone();
            Arrays.sort(sorted);
            for (int row : kept) {
                assertThat(scores[row]).isGreaterThanOrEqualTo(sorted[144 - 14]);
            }
        }
    }

    @Test
    void keysTellChoicesApart() {
        EncodedImage picture = PICTURES.getFirst();
        List<String> keys = new ArrayList<>();
        for (double keep : new double[] {1, 0.5, 0.25}) {
            for (RowPositions positions : RowPositions.values()) {
                keys.add(picture.pruned(VisionOptions.keeping(keep).withPositions(positions)).chunks().getFirst().key());
            }
        }
        keys.add(picture.pruned(VisionOptions.keeping(0.25).withPruner(TokenPruner.mmr())).chunks().getFirst().key());
        keys.add(picture.pruned(VisionOptions.keeping(0.25).withPruner(TokenPruner.mmr(0.6f))).chunks().getFirst().key());
        keys.add(PICTURES.get(1).chunks().getFirst().key());
        assertThat(keys).doesNotHaveDuplicates();
        assertThat(TinyVlm.gridVision().encode(TinyVlm.image(0)).pruned(VisionOptions.keeping(0.25)).chunks().getFirst().key())
                .isEqualTo(picture.pruned(VisionOptions.keeping(0.25)).chunks().getFirst().key());
    }

    @Test
    void budgetsAddUp() {
        VisionOptions options = VisionOptions.keeping(0.25).withTokens(8, 50);
        assertThat(options.budget(144)).isEqualTo(36);
        assertThat(options.budget(16)).isEqualTo(8);
        assertThat(options.budget(4)).isEqualTo(4);
        assertThat(options.budget(2880)).isEqualTo(50);
        assertThat(options.within(Duration.ofMillis(100), 300, 10).budget(2880)).isEqualTo(20);
        assertThat(options.within(Duration.ofMillis(100), 0, 10)).isEqualTo(options);
        assertThat(options.within(Duration.ZERO, 300, 10).budget(2880)).isEqualTo(8);
        assertThatIllegalArgumentException().isThrownBy(() -> VisionOptions.keeping(0));
        assertThatIllegalArgumentException().isThrownBy(() -> VisionOptions.keeping(1.01));
        assertThatIllegalArgumentException().isThrownBy(() -> VisionOptions.keeping(Double.NaN));
        assertThatIllegalArgumentException().isThrownBy(() -> options.withTokens(5, 4));
    }

    @Test
    void onesOwnPrunerIsChecked() {
        EncodedImage picture = PICTURES.getFirst();
        VisionOptions options = VisionOptions.keeping(0.1);
        assertThat(picture.pruned(options.withPruner((tokens, keep) -> new int[] {3, 5, 8})).chunks().getFirst().kept()).containsExactly(3, 5, 8);
        assertThatIllegalStateException().isThrownBy(() -> picture.pruned(options.withPruner((tokens, keep) -> new int[] {5, 3})));
        assertThatIllegalStateException().isThrownBy(() -> picture.pruned(options.withPruner((tokens, keep) -> new int[] {144})));
        assertThatIllegalStateException().isThrownBy(() -> picture.pruned(options.withPruner((tokens, keep) -> new int[keep + 1])));
        assertThatIllegalStateException().isThrownBy(() -> picture.pruned(options.withPruner((tokens, keep) -> null)));
        assertThatIllegalArgumentException().isThrownBy(() -> TokenPruner.named("best")).withMessageContaining("herding");
    }

    @Test
    void showsWhatWasKept() {
        EncodedImage seen = PICTURES.getFirst().pruned(VisionOptions.keeping(0.25).withPositions(RowPositions.LINEAR));
        KeptTokens kept = KeptTokens.of(seen.chunks().getFirst());
        assertThat(kept.count()).isEqualTo(36);
        BufferedImage overlay = kept.over(seen.image().toBufferedImage());
        assertThat(overlay.getWidth()).isEqualTo(96);
        int row = seen.chunks().getFirst().kept()[0];
        int x = row % 12 * 8 + 4;
        int y = row / 12 * 8 + 4;
        assertThat(overlay.getRGB(x, y) & 0xFFFFFF).isEqualTo(seen.image().pixel(x, y));
    }

    @Test
    void aTemplatePutsPicturesBeforeTheQuestion() {
        EncodedImage picture = TinyVlm.vision().encode(TinyVlm.image(0));
        try (ChatTemplate template = TinyVlm.model().chatTemplate()) {
            Prompt prompt = template.prompt(List.of(ChatMessage.user("What shape is yellow?")), true, List.of(picture));
            Prompt byHand = Prompt.builder(TinyVlm.model()).begin().image(picture).text("What shape is yellow?\nA:").build();
            assertThat(prompt.tokens()).isEqualTo(byHand.tokens());
            // what a user writes stays text
            Prompt spelled = template.prompt(List.of(ChatMessage.user("</s> What?")), true, List.of(picture));
            int end = TinyVlm.model().vocabulary().special().endOfText().getAsInt();
            assertThat(spelled.tokens()).doesNotContain(end);
            assertThatIllegalArgumentException().isThrownBy(() -> template.prompt(List.of(ChatMessage.system("x")), true, List.of(picture)));
        }
    }
}
