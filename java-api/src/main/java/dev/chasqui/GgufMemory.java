package dev.chasqui;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;

/// Works out a [MemoryEstimate]: reads the sizes of the layers out of the metadata as llama.cpp does, and adds up the caches
/// that it would allocate for them.
final class GgufMemory {

    private static final int CONTEXT_STEP = 256;
    private static final int MAX_LAYERS = 4096;

    /// Every how many layers one attends to the whole text, for architectures that use a window when their file has no pattern.
    private static final Map<String, Integer> WINDOW_PERIOD = Map.ofEntries(
            Map.entry("afmoe", 4), Map.entry("cohere2", 4), Map.entry("cohere2moe", 4), Map.entry("exaone-moe", 4),
            Map.entry("exaone4", 4), Map.entry("gemma-embedding", 6), Map.entry("gemma2", 2), Map.entry("gemma3", 6),
            Map.entry("gemma3n", 5), Map.entry("gpt-oss", 2), Map.entry("laguna", 4), Map.entry("llama4", 4),
            Map.entry("mellum", 4), Map.entry("modern-bert", 3), Map.entry("muse-glimmer", 4), Map.entry("olmo2", 4),
            Map.entry("plamo3", 8), Map.entry("smallthinker", 4));

    /// Those of them whose first layer of each period, not the last, attends to the whole text.
    private static final Set<String> WHOLE_TEXT_FIRST = Set.of("cohere2moe", "laguna", "modern-bert", "smallthinker");

    private static final Set<String> RECURRENT = Set.of("mamba", "mamba2", "rwkv6", "rwkv6qwen2", "rwkv7", "arwkv7");

    /// Architectures whose caches have parts that are not worked out here.
    private static final Set<String> UNUSUAL = Set.of(
            "deepseek4", "deepseek32", "glm-dsa", "dots3note", "qwen4exp", "minimax-01", "minimax-m3", "kimi-k3", "gemma4-assistant", "dflash");

    private final GgufFile file;
    private final String architecture;
    private final List<String> notes = new ArrayList<>();
    private final int layers;

    private GgufMemory(GgufFile file) {
        this.file = file;
        this.architecture = file.architecture().orElse("");
        this.layers = layers();
    }

    /// @throws ArithmeticException if a size does not fit into 63 bits
    static MemoryEstimate estimate(GgufFile file, ContextOptions options) {
        return new GgufMemory(file).estimate(options);
    }

    private MemoryEstimate estimate(ContextOptions options) {
        if (UNUSUAL.contains(architecture)) {
            notes.add("architecture '" + architecture + "' keeps more than keys and values, which is not counted");
        }
        if (layers == 0) {
            notes.add("this is not the file of a language model, only its tensors are counted");
        }
        file.split().filter(split -> split.count() > 1).ifPresent(split ->
                notes.add("only the tensors of part " + (split.index() + 1) + " of " + split.count() + " are counted"));
        int contextSize = contextSize(options);
        long weights = 0;
        for (GgufTensor tensor : file.tensors()) {
            weights = Math.addExact(weights, tensor.byteSize());
        }
        MemoryEstimate estimate = new MemoryEstimate(contextSize, weights,
                Math.min(kvBytes(contextSize, options), options.kvCache().residentBytes()), recurrentBytes(options),
                computeBytes(contextSize, options), outputBytes(options), notes);
        estimate.totalBytes(); // overflows here, if it does
        return estimate;
    }

    private static int contextSize(ContextOptions options, long trained) {
        long size = options.contextSize() > 0 ? options.contextSize() : Math.min(trained, ContextOptions.DEFAULT_MAX_SIZE);
        return (int) Math.min((size + CONTEXT_STEP - 1) / CONTEXT_STEP * CONTEXT_STEP, Integer.MAX_VALUE);
    }

    private int contextSize(ContextOptions options) {
        return contextSize(options, file.contextLength().orElse(ContextOptions.DEFAULT_MAX_SIZE));
    }

    private long kvBytes(int contextSize, ContextOptions options) {
        if (RECURRENT.contains(architecture)) {
            return 0;
        }
        GgmlType keyType = type(options.keyType());
        GgmlType valueType = type(options.valueType());
        // Without flash attention the value cache is transposed, and all its layers are as wide as the widest.
        boolean transposed = options.flashAttention() == FlashAttention.OFF;
        long widest = 0;
        for (int layer = 0; transposed && layer < layers; layer++) {
            widest = Math.max(widest, valueWidth(layer));
        }
        int windowCells = windowCells(contextSize, options);
        long total = 0;
        for (int layer = 0; layer < cachedLayers(); layer++) {
            if (isRecurrent(layer) && !architecture.equals("falcon-h1")) {
                continue;
            }
            long cells = isWindowed(layer) ? windowCells : contextSize;
            long values = isLatent() ? 0 : transposed ? widest : valueWidth(layer);
            long bytes = Math.addExact(rowBytes(keyType, keyWidth(layer)), rowBytes(valueType, values));
            total = Math.addExact(total, Math.multiplyExact(cells, bytes));
        }
        return total;
    }

    private static GgmlType type(KvType type) {
        return GgmlType.of(type.ggmlType()).orElseThrow();
    }

    private static long rowBytes(GgmlType type, long count) {
        long blocks = (count + type.blockSize() - 1) / type.blockSize();
        return Math.multiplyExact(blocks, (long) type.blockBytes());
    }

    private long recurrentBytes(ContextOptions options) {
        long count = 0;
        for (int layer = 0; layer < layers; layer++) {
            if (isRecurrent(layer)) {
                count++;
            }
        }
        if (count == 0) {
            return 0;
        }
        long state = Math.addExact(convolutionState(), scanState());
        if (state == 0) {
            notes.add("the size of the recurrent state of '" + architecture + "' is not in the metadata");
        }
        return Math.multiplyExact(Math.multiplyExact(count * Float.BYTES, state), options.maxSequences());
    }

    private long convolutionState() {
        long embedding = file.embeddingLength().orElse(0);
        if (integer("wkv.head_size") > 0) {
            return Math.multiplyExact(Math.max(integer("token_shift_count"), 1), embedding);
        }
        long shortConvolution = integer("shortconv.l_cache");
        if (shortConvolution > 0) {
            return Math.multiplyExact(embedding, shortConvolution - 1);
        }
        long kernel = integer("ssm.conv_kernel");
        long width = Math.addExact(integer("ssm.inner_size"),
                Math.multiplyExact(Math.multiplyExact(2L, integer("ssm.group_count")), integer("ssm.state_size")));
        return Math.multiplyExact(Math.max(kernel - 1, 0), width);
    }

    private long scanState() {
        long head = integer("wkv.head_size");
        if (head > 0) {
            return Math.multiplyExact(head, file.embeddingLength().orElse(0));
        }
        return Math.multiplyExact(integer("ssm.state_size"), integer("ssm.inner_size"));
    }

    /// The allocator reuses memory between the steps of a pass, so the most demanding step decides: attention scores, the
    /// feed-forward layer or the logits. The factors were fitted to what llama.cpp reports for its CPU buffer.
    private long computeBytes(int contextSize, ContextOptions options) {
        if (layers == 0) {
            return 0;
        }
        double tokens = options.microBatchSize();
        double embedding = file.embeddingLength().orElse(0);
        double heads = heads(0);
        double cells = contextSize;
        int masks = hasWindow() ? 2 : 1;
        double feedForward = Math.max(feedForward(), integer("expert_feed_forward_length") * (double) integer("expert_used_count"));
        boolean fused = options.flashAttention() != FlashAttention.OFF;

        double masked = masks * cells * tokens * (fused ? 2 : 4);
        double attention = masked + (fused ? 0 : heads * cells * tokens * 4) + 5.5 * embedding * tokens * 4;
        double feeding = masked + (3 * feedForward + 4 * embedding) * tokens * 4;
        double outputs = Math.min(tokens, options.maxLogitRows());
        double logits = (tokens * embedding + outputs * (file.vocabularySize().orElse(0) + embedding)) * 4;
        return (long) Math.max(Math.max(attention, feeding), logits);
    }

    private long outputBytes(ContextOptions options) {
        long rows = Math.min(options.maxLogitRows(), options.batchSize());
        return Math.multiplyExact(rows * Float.BYTES, file.vocabularySize().orElse(0));
    }

    /// Sliding-window layers keep the window of every sequence and one micro-batch.
    private int windowCells(int contextSize, ContextOptions options) {
        if (options.fullWindowCache()) {
            return contextSize;
        }
        long window = architecture.equals("llama4") ? 8192 : integer("attention.sliding_window");
        long cells = Math.min(contextSize, Math.addExact(Math.multiplyExact(window, options.maxSequences()), options.microBatchSize()));
        return (int) ((cells + CONTEXT_STEP - 1) / CONTEXT_STEP * CONTEXT_STEP);
    }

    private boolean hasWindow() {
        for (int layer = 0; layer < layers; layer++) {
            if (isWindowed(layer)) {
                return true;
            }
        }
        return false;
    }

    private boolean isWindowed(int layer) {
        long window = integer("attention.sliding_window");
        boolean llama4 = architecture.equals("llama4") && file.integer(key("attention.sliding_window")).orElse(-1) != 0;
        if (!llama4 && window <= 0 || architecture.equals("phi3")) {
            return false;
        }
        if (file.value(key("attention.sliding_window_pattern")).orElse(null) instanceof GgufValue.Numbers pattern) {
            return layer < pattern.size() && pattern.bool(layer);
        }
        if (architecture.startsWith("lfm2")) {
            return !isRecurrent(layer);
        }
        Integer usual = WINDOW_PERIOD.get(architecture);
        if (usual == null) {
            return false;
        }
        long period = file.integer(key("attention.sliding_window_pattern")).orElse(usual);
        if (period <= 0) {
            return true;
        }
        return WHOLE_TEXT_FIRST.contains(architecture) ? layer % period != 0 : layer % period < period - 1;
    }

    private boolean isRecurrent(int layer) {
        if (RECURRENT.contains(architecture) || architecture.equals("falcon-h1")) {
            return true;
        }
        long interval = integer("full_attention_interval");
        if (file.value(key("attention.recurrent_layers")).orElse(null) instanceof GgufValue.Numbers flags) {
            return layer < flags.size() && flags.bool(layer);
        }
        if (interval > 0) {
            return (layer + 1) % interval != 0;
        }
        boolean hasState = integer("ssm.state_size") > 0 || integer("shortconv.l_cache") > 0;
        return hasState && keyHeads(layer) == 0;
    }

    /// Multi-head latent attention caches one compressed vector and no values.
    private boolean isLatent() {
        return integer("attention.key_length_mla") > 0 && integer("attention.value_length_mla") > 0;
    }

    /// The last layers may use the cache of earlier ones.
    private int cachedLayers() {
        if (architecture.equals("gemma3n")) {
            return Math.min(layers, 20);
        }
        return Math.clamp(layers - integer("attention.shared_kv_layers"), 0, layers);
    }

    private int layers() {
        long count = integer("block_count") - integer("nextn_predict_layers");
        if (count > MAX_LAYERS) {
            notes.add("only " + MAX_LAYERS + " of " + count + " layers are counted");
        }
        return Math.clamp(count, 0, MAX_LAYERS);
    }

    private long keyWidth(int layer) {
        return Math.multiplyExact(keyHeads(layer), headLength(layer, "key_length"));
    }

    private long valueWidth(int layer) {
        return Math.multiplyExact(keyHeads(layer), headLength(layer, "value_length"));
    }

    private long headLength(int layer, String name) {
        long heads = heads(0);
        long usual = integerOr("attention." + name, heads == 0 ? 0 : file.embeddingLength().orElse(0) / heads);
        return isWindowed(layer) ? integerOr("attention." + name + "_swa", usual) : usual;
    }

    private long heads(int layer) {
        return perLayer("attention.head_count", layer, 0);
    }

    private long keyHeads(int layer) {
        return perLayer("attention.head_count_kv", layer, heads(layer));
    }

    private long feedForward() {
        long widest = 0;
        for (int layer = 0; layer < layers; layer++) {
            widest = Math.max(widest, perLayer("feed_forward_length", layer, 0));
        }
        return widest;
    }

    /// A value that is either the same for all layers or an array with one per layer.
    private long perLayer(String name, int layer, long otherwise) {
        if (file.value(key(name)).orElse(null) instanceof GgufValue.Numbers values) {
            return layer < values.size() ? Math.max(values.integer(layer), 0) : 0;
        }
        return integerOr(name, otherwise);
    }

    private long integer(String name) {
        return integerOr(name, 0);
    }

    private long integerOr(String name, long otherwise) {
        return Math.max(file.integer(key(name)).orElse(otherwise), 0);
    }

    private String key(String name) {
        return architecture + "." + name;
    }
}
