package dev.chasqui;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;

/// An encoder with random weights: 64 wide, 2 layers, texts of at most 128 tokens, and a vocabulary of single letters and the numbers 0 to 99.
final class TinyBert {

    static final int CLS = 2;
    static final int SEPARATOR = 3;
    static final int CONTEXT = 128;
    static final int EMBEDDING = 64;

    private static final int FEED_FORWARD = 96;
    private static final int LAYERS = 2;
    private static final int NORMAL = 1;
    private static final int UNKNOWN_TYPE = 2;
    private static final int CONTROL = 3;

    private final Random random = new Random(11);
    private final TinyGgufWriter out = new TinyGgufWriter();

    private TinyBert() {
    }

    /// @param pooling as llama.cpp numbers them: 1 mean, 2 the first token, 4 a score; 0 none
    static Path write(Path file, int pooling) {
        try {
            return new TinyBert().writer(pooling).write(file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private TinyGgufWriter writer(int pooling) {
        List<String> tokens = new ArrayList<>(List.of("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"));
        for (char letter = 'a'; letter <= 'z'; letter++) {
            tokens.add("\u2581" + letter);
            tokens.add(String.valueOf(letter));
        }
        for (int number = 0; number < 100; number++) {
            tokens.add("\u2581" + number);
        }
        int[] types = new int[tokens.size()];
        Arrays.fill(types, NORMAL);
        Arrays.fill(types, 0, 5, CONTROL);
        types[1] = UNKNOWN_TYPE;
        out.put("general.architecture", "bert")
                .put("general.name", "tiny bert")
                .put("bert.block_count", LAYERS)
                .put("bert.context_length", CONTEXT)
                .put("bert.embedding_length", EMBEDDING)
                .put("bert.feed_forward_length", FEED_FORWARD)
                .put("bert.attention.head_count", 4)
                .put("bert.attention.layer_norm_epsilon", 1e-12f)
                .put("bert.attention.causal", false)
                .put("tokenizer.ggml.model", "bert")
                .put("tokenizer.ggml.token_type_count", 2)
                .put("tokenizer.ggml.tokens", tokens)
                .put("tokenizer.ggml.token_type", types)
                .put("tokenizer.ggml.padding_token_id", 0)
                .put("tokenizer.ggml.unknown_token_id", 1)
                .put("tokenizer.ggml.bos_token_id", CLS)
                .put("tokenizer.ggml.seperator_token_id", SEPARATOR)
                .put("tokenizer.ggml.mask_token_id", 4);
        if (pooling > 0) {
            out.put("bert.pooling_type", pooling);
        }
        tensor("token_embd.weight", 0, 1, EMBEDDING, tokens.size());
        tensor("token_types.weight", 0, 0.1f, EMBEDDING, 2);
        tensor("position_embd.weight", 0, 0.5f, EMBEDDING, CONTEXT);
        norm("token_embd_norm");
        for (int layer = 0; layer < LAYERS; layer++) {
            String block = "blk." + layer + ".";
            for (String part : List.of("attn_q", "attn_k", "attn_v", "attn_output")) {
                tensor(block + part + ".weight", 0, 0.2f, EMBEDDING, EMBEDDING);
                tensor(block + part + ".bias", 0, 0.1f, EMBEDDING);
            }
            norm(block + "attn_output_norm");
            tensor(block + "ffn_up.weight", 0, 0.2f, EMBEDDING, FEED_FORWARD);
            tensor(block + "ffn_up.bias", 0, 0.1f, FEED_FORWARD);
            tensor(block + "ffn_down.weight", 0, 0.2f, FEED_FORWARD, EMBEDDING);
            tensor(block + "ffn_down.bias", 0, 0.1f, EMBEDDING);
            norm(block + "layer_output_norm");
        }
        if (pooling == 4) {
            tensor("cls.weight", 0, 0.2f, EMBEDDING, EMBEDDING);
            tensor("cls.bias", 0, 0.1f, EMBEDDING);
            tensor("cls.output.weight", 0, 0.5f, EMBEDDING, 1);
            tensor("cls.output.bias", 0, 0.1f, 1);
        }
        return out;
    }

    private void norm(String name) {
        tensor(name + ".weight", 1, 0.1f, EMBEDDING);
        tensor(name + ".bias", 0, 0.1f, EMBEDDING);
    }

    private void tensor(String name, float mean, float spread, long... shape) {
        float[] values = new float[(int) Arrays.stream(shape).reduce(1, (a, b) -> a * b)];
        for (int i = 0; i < values.length; i++) {
            values[i] = mean + spread * (float) random.nextGaussian();
        }
        out.tensor(name, values, shape);
    }
}
