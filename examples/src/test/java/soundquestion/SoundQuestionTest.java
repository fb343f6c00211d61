package soundquestion;

import static org.assertj.core.api.Assertions.assertThat;

import dev.chasqui.GgufWriter;
import examples.Printed;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// With a projector of random numbers, through which the model hears noise.
class SoundQuestionTest {

    private static final Path MODEL = Path.of(System.getProperty("chasqui.root"), "java-api/src/test/resources/tiny-vlm/tiny-text.gguf");

    @Test
    void computesTheSoundOnce(@TempDir Path folder) throws Exception {
        String printed = Printed.by(() -> SoundQuestion.main(MODEL.toString(), projector(folder.resolve("mmproj.gguf")).toString(), sound(folder.resolve("noise.wav")).toString(),
                "What is this?", "And now?"));
        assertThat(printed.lines().findFirst().orElseThrow()).startsWith("Audio[2.000 s at 16000/s").endsWith("50 tokens");
        Matcher computed = Pattern.compile("(\\d+) of (\\d+) tokens were computed before").matcher(printed);
        assertThat(computed.find()).isTrue();
        assertThat(computed.group(1)).isEqualTo("0");
        assertThat(Integer.parseInt(computed.group(2))).isGreaterThan(50);
        int first = Integer.parseInt(computed.group(2));
        assertThat(computed.find()).isTrue();
        assertThat(Integer.parseInt(computed.group(1))).isGreaterThanOrEqualTo(first);
    }

    private static Path projector(Path file) throws IOException {
        Random random = new Random(5);
        float[] matrix = new float[640 * 192];
        for (int i = 0; i < matrix.length; i++) {
            matrix[i] = (float) random.nextGaussian() / 10;
        }
        GgufWriter.empty().put("general.architecture", "clip").put("general.type", "mmproj").put("clip.has_audio_encoder", true)
                .put("clip.audio.projector_type", "gemma4ua").put("clip.audio.num_mel_bins", 128).put("clip.audio.embedding_length", 64)
                .put("clip.audio.feed_forward_length", 64).put("clip.audio.block_count", 0).put("clip.audio.projection_dim", 192)
                .put("clip.audio.attention.head_count", 4).put("clip.audio.attention.layer_norm_epsilon", 1e-5f)
                .tensor("mm.a.input_projection.weight", new long[] {640, 192}, matrix).write(file);
        return file;
    }

    private static Path sound(Path file) throws IOException {
        byte[] noise = new byte[64_000];
        new Random(6).nextBytes(noise);
        ByteBuffer out = ByteBuffer.allocate(44 + noise.length).order(ByteOrder.LITTLE_ENDIAN).put("RIFF".getBytes(StandardCharsets.US_ASCII)).putInt(36 + noise.length)
                .put("WAVEfmt ".getBytes(StandardCharsets.US_ASCII)).putInt(16).putShort((short) 1).putShort((short) 1).putInt(16_000).putInt(32_000)
                .putShort((short) 2).putShort((short) 16).put("data".getBytes(StandardCharsets.US_ASCII)).putInt(noise.length).put(noise);
        return Files.write(file, out.array());
    }
}
