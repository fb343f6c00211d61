package rerank;

import dev.chasqui.GgufValue;
import dev.chasqui.GgufWriter;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;

/// A model that ranks, with random weights: what it says means nothing, but it says it in the form of a real one.
final class RankingModel {

    private static final int SIZE = 32;

    private final Random random = new Random(5);
    private final GgufWriter out = GgufWriter.empty();

    private RankingModel() {}

    static Path write(Path file) throws IOException {
        return new RankingModel().model().write(file).path();
    }

    private GgufWriter model() {
        List<String> tokens = new ArrayList<>(List.of("[PAD]", "[UNK]", "[CLS]", "[SEP]"));
        for (char letter = 'a'; letter <= 'z'; letter++) {
            tokens.add("\u2581" + letter);
            tokens.add(String.valueOf(letter));
        }
        int[] types = new int[tokens.size()];
        Arrays.fill(types, 1);
        Arrays.fill(types, 0, 4, 3);
        types[1] = 2;
        out.put("general.architecture", "bert").put("general.name", "ranking")
                .put("bert.block_count", 1).put("bert.context_length", 256).put("bert.embedding_length", SIZE)
                .put("bert.feed_forward_length", SIZE).put("bert.attention.head_count", 2).put("bert.attention.layer_norm_epsilon", 1e-12f)
                .put("bert.attention.causal", false).put("bert.pooling_type", 4)
                .put("tokenizer.ggml.model", "bert").put("tokenizer.ggml.token_type_count", 2)
                .put("tokenizer.ggml.tokens", GgufValue.strings(tokens)).put("tokenizer.ggml.token_type", GgufValue.numbers(types))
                .put("tokenizer.ggml.padding_token_id", 0).put("tokenizer.ggml.unknown_token_id", 1)
                .put("tokenizer.ggml.bos_token_id", 2).put("tokenizer.ggml.seperator_token_id", 3);
        matrix("token_embd.weight", SIZE, tokens.size());
        matrix("token_types.weight", SIZE, 2);
        matrix("position_embd.weight", SIZE, 256);
        for (String norm : List.of("token_embd_norm", "blk.0.attn_output_norm", "blk.0.layer_output_norm")) {
            matrix(norm + ".weight", SIZE);
            matrix(norm + ".bias", SIZE);
        }
        for (String weight : List.of("attn_q", "attn_k", "attn_v", "attn_output", "ffn_up", "ffn_down")) {
            matrix("blk.0." + weight + ".weight", SIZE, SIZE);
        }
        matrix("cls.output.weight", SIZE, 1);
        return out;
    }

    private void matrix(String name, long... shape) {
        float[] values = new float[(int) Arrays.stream(shape).reduce(1, (a, b) -> a * b)];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) random.nextGaussian();
        }
        out.tensor(name, shape, values);
    }
}
