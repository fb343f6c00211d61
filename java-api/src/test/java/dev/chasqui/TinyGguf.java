package dev.chasqui;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;

/// A model of the llama architecture with random weights that llama.cpp loads and runs: about a megabyte, the same bytes for the
/// same parameters. Its answers are nonsense, but they are the same nonsense every time.
///
/// The vocabulary is a sentencepiece one: `<unk>` 0, `<s>` 1, `</s>` 2, the bytes `<0x00>` to `<0xFF>` 3 to 258, then single
/// letters and the pieces of [#WORDS]; every text can be tokenized.
///
/// ```java
/// Path model = TinyGguf.write(directory.resolve("tiny.gguf"));
/// Path wide = TinyGguf.builder().layers(4).contextLength(2048).seed(7).write(directory.resolve("wide.gguf"));
/// ```
final class TinyGguf {

    static final int UNKNOWN = 0;
    static final int BEGIN = 1;
    static final int END = 2;
    static final int FIRST_BYTE = 3;

    /// Words that are single tokens in the default vocabulary, with a space in front.
    static final List<String> WORDS = List.of("the", "river", "of", "Peru", "is", "and", "a", "to", "in", "that");

    private static final int FIXED_TOKENS = FIRST_BYTE + 256;
    private static final int NORMAL = 1;
    private static final int UNKNOWN_TYPE = 2;
    private static final int CONTROL = 3;
    private static final int BYTE = 6;

    private TinyGguf() {}

    /// Writes the default model: 320 tokens, 64 wide, 2 layers of 4 heads (2 for keys and values), 512 tokens of context.
    static Path write(Path file) {
        return builder().write(file);
    }

    static Builder builder() {
        return new Builder();
    }

    static final class Builder {

        private int vocabularySize = 320;
        private int embedding = 64;
        private int layers = 2;
        private int heads = 4;
        private int keyHeads = 2;
        private int feedForward = 128;
        private int contextLength = 512;
        private long seed = 42;
        private GgmlType type = GgmlType.F32;
        private String chatTemplate = null;

        private Builder() {}

        /// @param value at least 259; tokens beyond the words are pieces that no text produces
        Builder vocabularySize(int value) {
            if (value < FIXED_TOKENS) {
                throw new IllegalArgumentException("at least " + FIXED_TOKENS + " tokens");
            }
            vocabularySize = value;
            return this;
        }

        /// @param value a multiple of twice the number of heads
        Builder embedding(int value) {
            embedding = value;
            return this;
        }

        Builder layers(int value) {
            layers = value;
            return this;
        }

        Builder heads(int queries, int keys) {
            heads = queries;
            keyHeads = keys;
            return this;
        }

        Builder feedForward(int value) {
            feedForward = value;
            return this;
        }

        Builder contextLength(int value) {
            contextLength = value;
            return this;
        }

        /// Other weights for another seed.
        Builder seed(long value) {
            seed = value;
            return this;
        }

        /// @param value of the matrices: F32, or Q8_0 where all sizes are multiples of 32
        Builder type(GgmlType value) {
            type = value;
            return this;
        }

        /// A Jinja template; there is none otherwise.
        Builder chatTemplate(String value) {
            chatTemplate = value;
            return this;
        }

        Path write(Path file) {
            try {
                return writer().write(file);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }

        byte[] bytes() {
            return writer().bytes();
        }

        /// The file before it is written, to add or replace something.
        TinyGgufWriter writer() {
            TinyGgufWriter out = new TinyGgufWriter()
                    .put("general.architecture", "llama")
                    .put("general.name", "tiny")
                    .put("llama.block_count", layers)
                    .put("llama.context_length", contextLength)
                    .put("llama.embedding_length", embedding)
                    .put("llama.feed_forward_length", feedForward)
                    .put("llama.attention.head_count", heads)
                    .put("llama.attention.head_count_kv", keyHeads)
                    .put("llama.attention.layer_norm_rms_epsilon", 1e-5f)
                    .put("llama.rope.dimension_count", embedding / heads)
                    .put("llama.rope.freq_base", 10000f)
                    .put("llama.vocab_size", vocabularySize);
            if (chatTemplate != null) {
                out.put("tokenizer.chat_template", chatTemplate);
            }
            vocabulary(out);
            weights(out);
            return out;
        }

        private void vocabulary(TinyGgufWriter out) {
            List<String> tokens = tokens();
            float[] scores = new float[vocabularySize];
            int[] types = new int[vocabularySize];
            for (int i = 0; i < vocabularySize; i++) {
                types[i] = i == UNKNOWN ? UNKNOWN_TYPE : i < FIRST_BYTE ? CONTROL : i < FIXED_TOKENS ? BYTE : NORMAL;
                // Longer pieces score higher, so that the tokenizer merges whole words.
                scores[i] = types[i] == NORMAL ? tokens.get(i).length() - 100f : 0;
            }
            out.put("tokenizer.ggml.model", "llama")
                    .put("tokenizer.ggml.tokens", tokens)
                    .put("tokenizer.ggml.scores", scores)
                    .put("tokenizer.ggml.token_type", types)
                    .put("tokenizer.ggml.unknown_token_id", UNKNOWN)
                    .put("tokenizer.ggml.bos_token_id", BEGIN)
                    .put("tokenizer.ggml.eos_token_id", END)
                    .put("tokenizer.ggml.add_bos_token", true)
                    .put("tokenizer.ggml.add_eos_token", false)
                    .put("tokenizer.ggml.add_space_prefix", true);
        }

        private List<String> tokens() {
            List<String> tokens = new ArrayList<>(List.of("<unk>", "<s>", "</s>"));
            for (int i = 0; i < 256; i++) {
                tokens.add("<0x%02X>".formatted(i));
            }
            Set<String> pieces = new LinkedHashSet<>();
            pieces.add("▁");
            for (char c = 'a'; c <= 'z'; c++) {
                pieces.add(String.valueOf(c));
            }
            pieces.add("P");
            pieces.add(".");
            // A piece is reached by merging two shorter ones, so every beginning of a word is a piece.
            for (String word : WORDS) {
                for (int end = 1; end <= word.length(); end++) {
                    pieces.add("▁" + word.substring(0, end));
                }
            }
            for (int i = 0; pieces.size() < vocabularySize - FIXED_TOKENS; i++) {
                pieces.add("[unused" + i + "]");
            }
            pieces.stream().limit(vocabularySize - FIXED_TOKENS).forEach(tokens::add);
            return tokens;
        }

        private void weights(TinyGgufWriter out) {
            Random random = new Random(seed);
            int keyWidth = embedding / heads * keyHeads;
            matrix(out, random, "token_embd.weight", embedding, vocabularySize);
            for (int layer = 0; layer < layers; layer++) {
                String block = "blk." + layer + ".";
                ones(out, block + "attn_norm.weight");
                matrix(out, random, block + "attn_q.weight", embedding, embedding);
                matrix(out, random, block + "attn_k.weight", embedding, keyWidth);
                matrix(out, random, block + "attn_v.weight", embedding, keyWidth);
                matrix(out, random, block + "attn_output.weight", embedding, embedding);
                ones(out, block + "ffn_norm.weight");
                matrix(out, random, block + "ffn_gate.weight", embedding, feedForward);
                matrix(out, random, block + "ffn_up.weight", embedding, feedForward);
                matrix(out, random, block + "ffn_down.weight", feedForward, embedding);
            }
            ones(out, "output_norm.weight");
            matrix(out, random, "output.weight", embedding, vocabularySize);
        }

        /// Scaled so that activations keep their size from layer to layer and the logits spread over a few units.
        private void matrix(TinyGgufWriter out, Random random, String name, int inputs, int outputs) {
            float[] values = new float[inputs * outputs];
            float scale = (float) (2 / Math.sqrt(inputs));
            for (int i = 0; i < values.length; i++) {
                values[i] = (float) random.nextGaussian() * scale;
            }
            switch (type) {
                case F32 -> out.tensor(name, values, inputs, outputs);
                case Q8_0 -> out.tensor(name, type, quantized(values), inputs, outputs);
                default -> throw new IllegalArgumentException("matrices of type " + type);
            }
        }

        /// Blocks of 32 values: a scale of 16 bits, then 8 bits for each.
        private static byte[] quantized(float[] values) {
            ByteBuffer bytes = ByteBuffer.allocate(values.length / 32 * 34).order(ByteOrder.LITTLE_ENDIAN);
            for (int block = 0; block < values.length; block += 32) {
                float largest = 0;
                for (int i = block; i < block + 32; i++) {
                    largest = Math.max(largest, Math.abs(values[i]));
                }
                float scale = largest / 127;
                bytes.putShort(Float.floatToFloat16(scale));
                for (int i = block; i < block + 32; i++) {
                    bytes.put((byte) Math.round(values[i] / scale));
                }
            }
            return bytes.array();
        }

        private void ones(TinyGgufWriter out, String name) {
            float[] values = new float[embedding];
            Arrays.fill(values, 1);
            out.tensor(name, values, embedding);
        }
    }
}
