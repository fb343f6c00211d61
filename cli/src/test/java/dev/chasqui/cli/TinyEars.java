package dev.chasqui.cli;

import dev.chasqui.GgufWriter;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;

/// What makes the model of `tiny-vlm` hear, though only noise, and something to hear.
final class TinyEars {

    private static final int FRAME = 640;
    private static final int ROW = 192;
    private static final int RATE = 16_000;

    private TinyEars() {
    }

    /// A projector whose only matrix is random; a second becomes 25 tokens.
    static Path projector(Path file) throws IOException {
        Random random = new Random(5);
        float[] matrix = new float[FRAME * ROW];
        for (int i = 0; i < matrix.length; i++) {
            matrix[i] = (float) random.nextGaussian() / 10;
        }
        GgufWriter.empty().put("general.architecture", "clip").put("general.type", "mmproj").put("clip.has_audio_encoder", true)
                .put("clip.audio.projector_type", "gemma4ua").put("clip.audio.num_mel_bins", 128).put("clip.audio.embedding_length", 64)
                .put("clip.audio.feed_forward_length", 64).put("clip.audio.block_count", 0).put("clip.audio.projection_dim", ROW)
                .put("clip.audio.attention.head_count", 4).put("clip.audio.attention.layer_norm_epsilon", 1e-5f)
                .tensor("mm.a.input_projection.weight", new long[] {FRAME, ROW}, matrix).write(file);
        return file;
    }

    /// A second of 440 Hz.
    static Path tone(Path file) throws IOException {
        ByteBuffer out = ByteBuffer.allocate(44 + 2 * RATE).order(ByteOrder.LITTLE_ENDIAN).put("RIFF".getBytes(StandardCharsets.US_ASCII)).putInt(36 + 2 * RATE)
                .put("WAVEfmt ".getBytes(StandardCharsets.US_ASCII)).putInt(16).putShort((short) 1).putShort((short) 1).putInt(RATE).putInt(2 * RATE)
                .putShort((short) 2).putShort((short) 16).put("data".getBytes(StandardCharsets.US_ASCII)).putInt(2 * RATE);
        for (int i = 0; i < RATE; i++) {
            out.putShort((short) (16_000 * Math.sin(2 * Math.PI * 440 * i / RATE)));
        }
        return Files.write(file, out.array());
    }
}
