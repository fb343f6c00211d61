package dev.chasqui;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;
import static org.assertj.core.api.Assertions.within;

import dev.chasqui.audio.Audio;
import dev.chasqui.audio.AudioException;
import dev.chasqui.audio.EncodedAudio;
import dev.chasqui.audio.Sounds;
import dev.chasqui.vision.EncodedImage;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("standalone")
class HearingTest {

    private static final GenerationOptions GREEDY = GenerationOptions.defaults().withSampler(Sampler.greedy()).withMaxTokens(8).withIgnoreEnd(true);

    private final Context context = TinyVlm.model().newContext(ContextOptions.defaults().withContextSize(2048).withMaxSequences(2)
            .withKvTypes(KvType.F32, KvType.F32).withThreads(1));
    private final Sequence sequence = context.newSequence();

    @AfterEach
    void close() {
        context.close();
    }

    private static Audio tone(int samples, double pitch) {
        return Audio.ofSamples(TinyAudio.RATE, Sounds.tone(samples, pitch, TinyAudio.RATE));
    }

    private static Prompt prompt(EncodedAudio audio) {
        return Prompt.builder(TinyVlm.model()).begin().audio(audio).text("What is this?\nA:").build();
    }

    private static EncodedImage.Rows rows(EncodedAudio audio) {
        return audio.parts().stream().filter(EncodedImage.Rows.class::isInstance).map(EncodedImage.Rows.class::cast).findFirst().orElseThrow();
    }

    private float[] logits(Prompt prompt) {
        sequence.rewind(0);
        sequence.set(prompt);
        return sequence.logits();
    }

    @Test
    void tellsWhetherItHears() {
        assertThat(TinyAudio.frames().supportsAudio()).isTrue();
        assertThat(TinyAudio.frames().supportsImages()).isFalse();
        assertThat(TinyAudio.frames().audioRate()).hasValue(TinyAudio.RATE);
        assertThat(TinyAudio.frames().projector()).isEqualTo("gemma4ua");
        assertThat(TinyAudio.both().supportsAudio()).isTrue();
        assertThat(TinyAudio.both().supportsImages()).isTrue();
        assertThat(TinyAudio.both().projector()).isEqualTo("janus_pro");
        assertThat(TinyVlm.vision().supportsAudio()).isFalse();
        assertThat(TinyVlm.vision().supportsImages()).isTrue();
        assertThat(TinyVlm.vision().audioRate()).isEmpty();
        assertThatExceptionOfType(UnsupportedFeatureException.class).isThrownBy(() -> TinyVlm.vision().encode(tone(16_000, 440))).withMessageContaining("takes no sound");
        assertThatExceptionOfType(UnsupportedFeatureException.class).isThrownBy(() -> TinyAudio.frames().encode(TinyVlm.image(0))).withMessageContaining("does not take images");
        assertThatNullPointerException().isThrownBy(() -> TinyAudio.frames().encode((Audio) null));
    }

    @Test
    void rowsGrowWithTheSound() {
        for (int samples : new int[] {1_600, 1_601, 6_400, 100_000}) {
            EncodedAudio audio = TinyAudio.frames().encode(tone(samples, 300));
            assertThat(audio.count()).isEqualTo((samples + TinyAudio.FRAME - 1) / TinyAudio.FRAME);
            assertThat(audio.parts().getFirst()).isInstanceOf(EncodedImage.Frame.class);
            assertThat(audio.parts().getLast()).isInstanceOf(EncodedImage.Frame.class);
            assertThat(prompt(audio).length()).isGreaterThan(audio.count());
        }
        assertThat(TinyAudio.windows().encode(tone(20_000, 300)).count()).isEqualTo(750);
        assertThat(TinyAudio.windows().encode(tone(31 * TinyAudio.RATE, 300)).count()).isEqualTo(1500);
        assertThatExceptionOfType(UnsupportedFeatureException.class).isThrownBy(() -> TinyAudio.frames().encode(tone(1_599, 300))).withMessageContaining("tenth of a second");
    }

    /// A matrix times 40 ms that are scaled to a mean square of one.
    @Test
    void rowsAreThoseOfTheBook() {
        float[] samples = Sounds.tone(2_000, 523, TinyAudio.RATE);
        EncodedImage.Rows rows = rows(TinyAudio.frames().encode(Audio.ofSamples(TinyAudio.RATE, samples)));
        float[] numbers = rows.data().toArray(ValueLayout.JAVA_FLOAT);
        assertThat(rows.count()).isEqualTo(4);
        assertThat(rows.gridWidth()).isZero();
        assertThat(rows.causal()).isTrue();
        for (int row = 0; row < 4; row++) {
            float[] frame = Arrays.copyOf(Arrays.copyOfRange(samples, row * TinyAudio.FRAME, Math.min(samples.length, (row + 1) * TinyAudio.FRAME)), TinyAudio.FRAME);
            double square = 1e-6;
            for (float sample : frame) {
                square += sample * sample / (double) TinyAudio.FRAME;
            }
            for (int out = 0; out < TinyAudio.ROW; out++) {
                double sum = 0;
                for (int i = 0; i < TinyAudio.FRAME; i++) {
                    sum += TinyAudio.MATRIX[out * TinyAudio.FRAME + i] * frame[i];
                }
                assertThat(numbers[row * TinyAudio.ROW + out]).isCloseTo((float) (sum / Math.sqrt(square)), within(1e-3f));
            }
        }
    }

    @Test
    void aFileSoundsLikeItsSamples() {
        for (VisionModel hearing : List.of(TinyAudio.frames(), TinyAudio.windows())) {
            float[] samples = Sounds.tone(20_000, 440, TinyAudio.RATE);
            float[] wanted = logits(prompt(hearing.encode(Audio.ofSamples(TinyAudio.RATE, samples))));
            assertThat(logits(prompt(hearing.encode(Audio.of(Sounds.wav(TinyAudio.RATE, samples)))))).isEqualTo(wanted);
            assertThat(logits(prompt(hearing.encode(Audio.of(Sounds.floatWav(TinyAudio.RATE, samples)))))).isEqualTo(wanted);
            assertThat(logits(prompt(hearing.encode(Audio.of(Sounds.flac(TinyAudio.RATE, samples)))))).isEqualTo(wanted);
            assertThat(logits(prompt(hearing.encode(tone(20_000, 880))))).isNotEqualTo(wanted);
        }
    }

    @Test
    void otherRatesAreResampled() {
        Audio audio = Audio.ofSamples(48_000, Sounds.tone(48_000, 440, 48_000));
        EncodedAudio encoded = TinyAudio.frames().encode(audio);
        assertThat(encoded.audio()).isSameAs(audio);
        assertThat(encoded.count()).isBetween(24, 25);
        assertThat(logits(prompt(encoded))).isEqualTo(logits(prompt(TinyAudio.frames().encode(audio.resampled(TinyAudio.RATE)))));
        assertThatExceptionOfType(AudioException.class)
                .isThrownBy(() -> TinyAudio.frames().encode(Audio.ofSamples(1_000, new float[1 << 23]))).withMessageContaining("too long");
    }

    @Test
    void aSoundIsComputedOnce() {
        Generation first = sequence.generate(prompt(TinyAudio.frames().encode(tone(20_000, 440))), GREEDY);
        String answer = first.text();
        assertThat(first.stats().cachedTokens()).isZero();
        Generation second = sequence.generate(prompt(TinyAudio.frames().encode(tone(20_000, 440))), GREEDY);
        assertThat(second.text()).isEqualTo(answer);
        assertThat(second.stats().cachedTokens()).isEqualTo(second.stats().promptTokens() - 1);
        Generation third = sequence.generate(prompt(TinyAudio.frames().encode(tone(20_000, 441))), GREEDY);
        third.text();
        assertThat(third.stats().cachedTokens()).isLessThan(16); // what frames the rows, and no row
    }

    @Test
    void aChatRemembersSounds() {
        EncodedAudio audio = TinyAudio.frames().encode(tone(20_000, 440));
        try (ChatSession chat = TinyVlm.model().chat(ContextOptions.defaults().withContextSize(512),
                ChatOptions.defaults().withGeneration(GREEDY))) {
            ChatAnswer first = chat.send(ChatMessage.user(new ContentPart.Text("Listen: "), new ContentPart.Sound(audio), new ContentPart.Text("What is this?")));
            first.text();
            assertThat(first.stats().promptTokens()).isGreaterThan(audio.count());
            ChatAnswer second = chat.send("And now?");
            second.text();
            assertThat(second.stats().cachedTokens()).isGreaterThanOrEqualTo(first.stats().promptTokens());
            assertThat(chat.messages().getFirst().content()).isEqualTo("Listen: What is this?");
            assertThat(chat.messages().getFirst().parts().get(1)).isEqualTo(new ContentPart.Sound(audio));
        }
    }

    @Test
    void partsStayInTheirOrder() {
        EncodedAudio audio = TinyAudio.both().encode(tone(10_000, 440));
        EncodedImage image = TinyAudio.both().encode(TinyVlm.image(0));
        ContentPart sound = new ContentPart.Sound(audio);
        ContentPart picture = new ContentPart.Picture(image);
        ContentPart text = new ContentPart.Text("red");
        try (ChatTemplate template = TinyVlm.model().chatTemplate()) {
            List<float[]> all = new ArrayList<>();
            for (List<ContentPart> parts : List.of(List.of(sound, picture, text), List.of(picture, sound, text), List.of(text, sound, picture))) {
                Prompt prompt = template.prompt(List.of(ChatMessage.user(parts.toArray(ContentPart[]::new))), true);
                List<String> keys = prompt.spans().stream().map(Prompt.Span::key).toList();
                assertThat(keys.indexOf(rows(audio).key()) < keys.indexOf(image.chunks().getFirst().key())).isEqualTo(parts.indexOf(sound) < parts.indexOf(picture));
                assertThat(prompt.spans().getFirst().start() > 4).isEqualTo(parts.getFirst() == text || parts.getFirst() == sound); // "red", or the frame of the sound
                all.add(logits(prompt));
                assertThat(logits(prompt)).isEqualTo(all.getLast());
            }
            assertThat(all.get(0)).isNotEqualTo(all.get(1));
            assertThat(all.get(1)).isNotEqualTo(all.get(2));
            assertThatIllegalArgumentException().isThrownBy(() -> template.tokenize(List.of(ChatMessage.user(sound, text)), true)).withMessageContaining("sounds");
            assertThat(template.render(List.of(ChatMessage.user(text, sound)), true)).isEqualTo(template.render(List.of(ChatMessage.user(text)), true));
        }
    }

    /// The picture half of a projector for both gives what the projector for pictures gives.
    @Test
    void hearingChangesNothingOfSeeing() {
        EncodedImage.Rows both = TinyAudio.both().encode(TinyVlm.image(0)).chunks().getFirst();
        EncodedImage.Rows alone = TinyVlm.vision().encode(TinyVlm.image(0)).chunks().getFirst();
        assertThat(both.data().toArray(ValueLayout.JAVA_FLOAT)).isEqualTo(alone.data().toArray(ValueLayout.JAVA_FLOAT));
        EncodedAudio one = TinyAudio.both().encode(tone(10_000, 440));
        EncodedAudio other = TinyAudio.frames().encode(tone(10_000, 440));
        assertThat(rows(one).data().toArray(ValueLayout.JAVA_FLOAT)).isEqualTo(rows(other).data().toArray(ValueLayout.JAVA_FLOAT));
    }

    @Test
    void positionsOfSeveralDimensionsGoOnOneByOne() {
        EncodedAudio audio = TinyAudio.gridFrames().encode(tone(20_000, 440));
        assertThat(rows(audio).gridPositions()).isNull();
        assertThat(rows(audio).positions()).isEqualTo(rows(audio).count());
        try (Context grid = TinyVlm.gridModel().newContext(ContextOptions.defaults().withContextSize(512).withKvTypes(KvType.F32, KvType.F32).withThreads(1));
             Sequence one = grid.newSequence()) {
            one.set(Prompt.builder(TinyVlm.gridModel()).begin().audio(audio).text("What is this?\nA:").build());
            float[] logits = one.logits();
            float[] wanted = logits(prompt(TinyAudio.frames().encode(tone(20_000, 440))));
            for (int i = 0; i < wanted.length; i++) {
                assertThat(logits[i]).isCloseTo(wanted[i], within(0.1f)); // the same weights, and the same numbers in each dimension; they span more than 20
            }
        }
    }

    @Test
    void aSoundStaysWhole() {
        EncodedAudio audio = TinyAudio.frames().encode(tone(20_000, 440));
        Prompt prompt = prompt(audio);
        sequence.set(prompt);
        float[] before = sequence.logits();
        int start = prompt.spans().getFirst().start();
        assertThatIllegalArgumentException().isThrownBy(() -> sequence.rewind(start + 3)).withMessageContaining("a picture or a sound");
        sequence.rewind(start);
        assertThat(sequence.set(prompt)).isEqualTo(start);
        assertThat(sequence.logits()).isEqualTo(before);
        try (SavedSequence saved = sequence.snapshot(); Sequence restored = context.newSequence()) {
            restored.restore(saved);
            assertThat(restored.set(prompt)).isEqualTo(prompt.length());
            assertThat(restored.logits()).isEqualTo(before);
        }
    }

    @Test
    void whatDoesNotFitIsRefused() {
        EncodedAudio audio = TinyAudio.windows().encode(tone(61 * TinyAudio.RATE, 440));
        assertThat(audio.count()).isEqualTo(2250);
        assertThatExceptionOfType(ContextFullException.class).isThrownBy(() -> sequence.set(prompt(audio)));
        assertThat(sequence.set(prompt(TinyAudio.windows().encode(tone(20_000, 440))))).isZero();
    }

    @Test
    void damagedFilesEndInAnAnswerOrAnException() {
        Random random = new Random(11);
        float[] samples = Sounds.tone(8_000, 440, TinyAudio.RATE);
        List<byte[]> good = List.of(Sounds.wav(TinyAudio.RATE, samples), Sounds.floatWav(TinyAudio.RATE, samples), Sounds.flac(TinyAudio.RATE, samples),
                Sounds.noisyMp3(12, random));
        int heard = 0;
        for (int i = 0; i < 300; i++) {
            try {
                EncodedAudio audio = TinyAudio.frames().encode(Audio.of(Sounds.damaged(good.get(i % good.size()), random)));
                for (float logit : logits(prompt(audio))) {
                    assertThat(logit).isFinite();
                }
                heard++;
            } catch (AudioException | UnsupportedFeatureException | ContextFullException e) {
                assertThat(e).hasMessageNotContaining("null");
            }
        }
        assertThat(heard).isBetween(50, 290);
    }

    @Test
    void silenceIsASound() {
        for (VisionModel hearing : List.of(TinyAudio.frames(), TinyAudio.windows())) {
            for (float logit : logits(prompt(hearing.encode(Audio.ofSamples(TinyAudio.RATE, new float[TinyAudio.RATE]))))) {
                assertThat(logit).isFinite();
            }
        }
    }
}
