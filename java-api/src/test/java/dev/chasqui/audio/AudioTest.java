package dev.chasqui.audio;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@Tag("standalone")
class AudioTest {

    private static final float[] TONE = Sounds.tone(5000, 440, 22_050);

    private static float[] samples(Audio audio) {
        return audio.samples().toArray(ValueLayout.JAVA_FLOAT);
    }

    @Test
    void filesAndSamplesAreTheSameSound(@TempDir Path folder) throws IOException {
        Audio wanted = Audio.ofSamples(22_050, TONE);
        Path file = Files.write(folder.resolve("tone.wav"), Sounds.wav(22_050, TONE));
        List<Audio> same = List.of(Audio.of(file), Audio.of(Sounds.wav(22_050, TONE)), Audio.of(Sounds.floatWav(22_050, TONE)), Audio.of(Sounds.flac(22_050, TONE)),
                Audio.ofSamples(22_050, MemorySegment.ofArray(TONE)));
        for (Audio audio : same) {
            assertThat(audio.rate()).isEqualTo(22_050);
            assertThat(samples(audio)).isEqualTo(TONE);
            assertThat(audio).isEqualTo(wanted).hasSameHashCodeAs(wanted);
        }
        assertThat(wanted.length()).isEqualTo(5000);
        assertThat(wanted.duration()).isEqualTo(Duration.ofNanos(226_757_369));
        assertThat(wanted).isNotEqualTo(Audio.ofSamples(22_051, TONE)).isNotEqualTo(Audio.ofSamples(22_050, Sounds.tone(5000, 441, 22_050)));
    }

    @Test
    void readsMp3() {
        Audio silence = Audio.of(Sounds.silentMp3(30));
        assertThat(silence.rate()).isEqualTo(44_100);
        assertThat(silence.length()).isBetween(28 * 1152, 30 * 1152);
        assertThat(samples(silence)).containsOnly(0f);
    }

    @Test
    void whatItHoldsIsACopy() {
        float[] mine = TONE.clone();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment segment = arena.allocateFrom(ValueLayout.JAVA_FLOAT, mine);
            Audio audio = Audio.ofSamples(8000, segment);
            segment.fill((byte) 0);
            assertThat(samples(audio)).isEqualTo(mine);
            assertThat(audio.samples().isReadOnly()).isTrue();
        }
    }

    @Test
    void keepsThePitchWhenItIsResampled() {
        Audio audio = Audio.ofSamples(44_100, Sounds.tone(44_100, 440, 44_100));
        for (int rate : new int[] {8_000, 16_000, 48_000}) {
            Audio other = audio.resampled(rate);
            float[] samples = samples(other);
            assertThat(other.rate()).isEqualTo(rate);
            assertThat(other.length()).isBetween(rate - 20, rate + 20);
            assertThat(IntStream.range(1, samples.length).filter(i -> samples[i] >= 0 != samples[i - 1] >= 0).count()).isBetween(877L, 883L);
        }
        assertThat(audio.resampled(44_100)).isSameAs(audio);
    }

    /// A tone above what the new rate can hold is gone, not folded down.
    @Test
    void filtersBeforeItResamples() {
        float[] low = samples(Audio.ofSamples(48_000, Sounds.tone(48_000, 1_000, 48_000)).resampled(8_000));
        float[] high = samples(Audio.ofSamples(48_000, Sounds.tone(48_000, 11_000, 48_000)).resampled(8_000));
        assertThat(energy(high)).isLessThan(energy(low) / 20);
    }

    private static double energy(float[] samples) {
        return IntStream.range(0, samples.length).mapToDouble(i -> samples[i] * samples[i]).sum();
    }

    @Test
    void refusesWhatIsNoSound() {
        assertThatIllegalArgumentException().isThrownBy(() -> Audio.ofSamples(16_000)).withMessageContaining("no samples");
        assertThatIllegalArgumentException().isThrownBy(() -> Audio.ofSamples(0, TONE)).withMessageContaining("rate");
        assertThatIllegalArgumentException().isThrownBy(() -> Audio.ofSamples(1 << 30, TONE));
        assertThatIllegalArgumentException().isThrownBy(() -> Audio.ofSamples(16_000, TONE).resampled(-1));
        assertThatIllegalArgumentException().isThrownBy(() -> Audio.ofSamples(16_000, MemorySegment.ofArray(new byte[7])));
        for (float bad : new float[] {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY, 1e7f}) {
            float[] samples = TONE.clone();
            samples[321] = bad;
            assertThatIllegalArgumentException().isThrownBy(() -> Audio.ofSamples(16_000, samples)).withMessageContaining("321");
            assertThatExceptionOfType(AudioException.class).isThrownBy(() -> Audio.of(Sounds.floatWav(16_000, samples))).withMessageContaining("321");
        }
        assertThatNullPointerException().isThrownBy(() -> Audio.of((Path) null));
        assertThatNullPointerException().isThrownBy(() -> Audio.of((byte[]) null));
    }

    @Test
    void saysWhatIsWrongWithAFile(@TempDir Path folder) throws IOException {
        Path text = Files.writeString(folder.resolve("letter.wav"), "no sound at all");
        assertThatExceptionOfType(AudioException.class).isThrownBy(() -> Audio.of(text)).withMessageContaining("letter.wav").withMessageContaining("WAV, FLAC or MP3");
        assertThatExceptionOfType(AudioException.class).isThrownBy(() -> Audio.of(folder.resolve("none.wav"))).withMessageContaining("none.wav");
        assertThatExceptionOfType(AudioException.class).isThrownBy(() -> Audio.of(new byte[0]));
        assertThatExceptionOfType(AudioException.class).isThrownBy(() -> Audio.of(Sounds.wav(16_000))).withMessageContaining("no samples");
        assertThatExceptionOfType(AudioException.class).isThrownBy(() -> Audio.of(Sounds.wav(10, TONE))).withMessageContaining("10 samples a second");
    }

    /// Lengths that a header claims cost nothing.
    @Test
    void doesNotBelieveHeaders() {
        byte[] wav = Sounds.wav(16_000, TONE);
        ByteBuffer.wrap(wav).order(ByteOrder.LITTLE_ENDIAN).putInt(40, 0x7FFF_FFF0);
        assertThat(Audio.of(wav).length()).isEqualTo(5000);
        byte[] flac = Sounds.flac(16_000, TONE);
        flac[21] |= 0x0F; // 64 thousand million samples
        assertThat(Audio.of(flac).length()).isEqualTo(5000);
        assertThatExceptionOfType(AudioException.class)
                .isThrownBy(() -> Audio.ofSamples(1_000, new float[1 << 20]).resampled(384_000)).withMessageContaining("more than");
    }

    @Test
    void damagedFilesAreRefusedOrHeard() {
        Random random = new Random(3);
        List<byte[]> good = List.of(Sounds.wav(16_000, TONE), Sounds.floatWav(16_000, TONE), Sounds.flac(16_000, TONE), Sounds.silentMp3(10), Sounds.noisyMp3(10, random));
        List<Integer> lengths = new ArrayList<>();
        for (int i = 0; i < 300; i++) {
            try {
                lengths.add(Audio.of(Sounds.damaged(good.get(i % good.size()), random)).length());
            } catch (AudioException e) {
                assertThat(e).hasMessageNotContaining("null");
            }
        }
        assertThat(lengths).hasSizeBetween(60, 290).allMatch(length -> length > 0 && length < 100_000);
    }
}
