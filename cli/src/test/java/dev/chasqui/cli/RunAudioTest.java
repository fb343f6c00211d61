package dev.chasqui.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.chasqui.GgufWriter;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Questions about sounds, to a model that hears noise: the projector's only matrix is random.
class RunAudioTest {

    private static final Path MODELS = Path.of(System.getProperty("chasqui.root"), "java-api/src/test/resources/tiny-vlm");
    private static final int FRAME = 640;
    private static final int ROW = 192;

    @TempDir
    Path folder;

    private Path projector;
    private Path sound;

    @BeforeEach
    void write() throws IOException {
        projector = folder.resolve("hears.gguf");
        Random random = new Random(5);
        float[] matrix = new float[FRAME * ROW];
        for (int i = 0; i < matrix.length; i++) {
            matrix[i] = (float) random.nextGaussian() / 10;
        }
        GgufWriter.empty().put("general.architecture", "clip").put("general.type", "mmproj").put("clip.has_audio_encoder", true)
                .put("clip.audio.projector_type", "gemma4ua").put("clip.audio.num_mel_bins", 128).put("clip.audio.embedding_length", 64)
                .put("clip.audio.feed_forward_length", 64).put("clip.audio.block_count", 0).put("clip.audio.projection_dim", ROW)
                .put("clip.audio.attention.head_count", 4).put("clip.audio.attention.layer_norm_epsilon", 1e-5f)
                .tensor("mm.a.input_projection.weight", new long[] {FRAME, ROW}, matrix).write(projector);
        sound = Files.write(folder.resolve("tone.wav"), tone(16_000));
    }

    /// A second of 440 Hz.
    private static byte[] tone(int rate) {
        ByteBuffer out = ByteBuffer.allocate(44 + 2 * rate).order(ByteOrder.LITTLE_ENDIAN).put("RIFF".getBytes(StandardCharsets.US_ASCII)).putInt(36 + 2 * rate)
                .put("WAVEfmt ".getBytes(StandardCharsets.US_ASCII)).putInt(16).putShort((short) 1).putShort((short) 1).putInt(rate).putInt(2 * rate)
                .putShort((short) 2).putShort((short) 16).put("data".getBytes(StandardCharsets.US_ASCII)).putInt(2 * rate);
        for (int i = 0; i < rate; i++) {
            out.putShort((short) (16_000 * Math.sin(2 * Math.PI * 440 * i / rate)));
        }
        return out.array();
    }

    private static Cli run(Path projector, String... more) {
        String[] all = {"run", "-m", MODELS.resolve("tiny-text.gguf").toString(), "--mmproj", projector.toString(), "-t", "1", "-n", "4", "--temp", "0", "--json"};
        String[] args = new String[all.length + more.length];
        System.arraycopy(all, 0, args, 0, all.length);
        System.arraycopy(more, 0, args, all.length, more.length);
        return Cli.run(args);
    }

    @Test
    void aSecondIs25Tokens() {
        for (String raw : new String[] {"--speculation=off", "--raw"}) {
            Map<String, Object> one = run(projector, "--audio", sound.toString(), raw, "What is this?").json().getFirst();
            Map<String, Object> two = run(projector, "--audio", sound.toString(), "--audio", sound.toString(), raw, "What is this?").json().getFirst();
            Map<String, Object> none = run(projector, raw, "What is this?").json().getFirst();
            assertThat(one).containsEntry("audio_tokens", 25L).containsKey("audio_encode_ms").doesNotContainKey("image_tokens");
            assertThat(two).containsEntry("audio_tokens", 50L);
            assertThat(none).doesNotContainKey("audio_tokens");
            long first = (long) one.get("prompt_tokens") - (long) none.get("prompt_tokens");
            assertThat(first).isGreaterThan(25);
            assertThat((long) two.get("prompt_tokens") - (long) one.get("prompt_tokens")).isEqualTo(first);
        }
    }

    @Test
    void saysWhatIsWrong() throws IOException {
        Cli blind = Cli.run("run", "-m", MODELS.resolve("tiny-text.gguf").toString(), "--audio", sound.toString(), "What is this?");
        assertThat(blind.status()).isEqualTo(2);
        assertThat(blind.err()).contains("--mmproj");
        Cli deaf = run(MODELS.resolve("tiny-mmproj.gguf"), "--audio", sound.toString(), "What is this?");
        assertThat(deaf.status()).isEqualTo(1);
        assertThat(deaf.err()).contains("takes no sound");
        Path text = Files.writeString(folder.resolve("letter.mp3"), "no sound at all");
        Cli letter = run(projector, "--audio", text.toString(), "What is this?");
        assertThat(letter.status()).isEqualTo(1);
        assertThat(letter.err()).contains("letter.mp3", "WAV, FLAC or MP3");
        assertThat(letter.out()).isEmpty();
    }
}
