package dev.chasqui;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.List;

/// Diffusion models with random weights, as [TinyGguf]s of another architecture.
public final class TinyDiffusion {

    /// The mask is a piece that no text gives.
    public static final int MASK = 319;

    private TinyDiffusion() {
    }

    /// @param architecture `llada` or `dream`
    /// @param shifted      whether the row before a position speaks of it
    public static Path write(Path file, String architecture, boolean shifted, long seed) {
        TinyGgufWriter out = TinyGguf.builder().heads(4, 4).seed(seed).writer();
        try {
            return as(out, architecture).put("diffusion.shift_logits", shifted).put("tokenizer.ggml.mask_token_id", MASK).write(file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /// Without a mask.
    public static Path writeWithoutMask(Path file) {
        try {
            return as(TinyGguf.builder().heads(4, 4).writer(), "llada").write(file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static TinyGgufWriter as(TinyGgufWriter out, String architecture) {
        out.put("general.architecture", architecture);
        for (String key : List.of("block_count", "context_length", "embedding_length", "feed_forward_length", "attention.head_count", "attention.head_count_kv",
                "attention.layer_norm_rms_epsilon", "rope.dimension_count", "rope.freq_base", "vocab_size")) {
            out.put(architecture + "." + key, out.value("llama." + key));
        }
        return out;
    }

    /// The model that has no masks to fill.
    public static Model other() {
        return TestModels.tiny();
    }

    public static Path directory() {
        return TestModels.directory();
    }
}
