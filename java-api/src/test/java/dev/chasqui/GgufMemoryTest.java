package dev.chasqui;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.chasqui.models.ModelStore;
import java.nio.file.Path;
import org.assertj.core.data.Percentage;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The expected sizes are those that llama.cpp logs for the same parameters.
class GgufMemoryTest {

    private static final long MIB = 1 << 20;

    @TempDir
    Path directory;

    @Test
    @Tag("standalone")
    void slidingWindowLayersKeepOnlyTheirWindow() throws Exception {
        GgufFile gemma = gemma3(new TinyGgufWriter());
        ContextOptions options = ContextOptions.defaults().withContextSize(8192);

        assertThat(gemma.estimate(options).kvBytes()).isEqualTo(144 * MIB);
        assertThat(gemma.estimate(options.withFullWindowCache(false)).kvBytes()).isEqualTo(39 * MIB);
        assertThat(gemma.estimate(options.withContextSize(4096).withFullWindowCache(false).withMaxSequences(4)).kvBytes())
                .isEqualTo(12 * MIB + 75 * MIB / 2);
    }

    @Test
    @Tag("standalone")
    void patternOfTheFileComesBeforeTheUsualOne() throws Exception {
        byte[] onlyTheFirst = new byte[18];
        onlyTheFirst[0] = 1;
        GgufFile gemma = gemma3(new TinyGgufWriter().put("gemma3.attention.sliding_window_pattern",
                new GgufValue.Numbers(GgufValue.Type.BOOL, onlyTheFirst)));
        ContextOptions options = ContextOptions.defaults().withContextSize(8192).withFullWindowCache(false);

        // 17 layers of 8192 cells and one of 1024, 1 KiB per cell and layer.
        assertThat(gemma.estimate(options).kvBytes()).isEqualTo((17 * 8192L + 1024) * 1024);

        GgufFile everySecond = gemma3(new TinyGgufWriter().put("gemma3.attention.sliding_window_pattern", 2));
        assertThat(everySecond.estimate(options).kvBytes()).isEqualTo(9 * (8192L + 1024) * 1024);
    }

    @Test
    @Tag("standalone")
    void layersMayDifferInTheirHeads() throws Exception {
        GgufFile file = write(new TinyGgufWriter()
                .put("general.architecture", "deci").put("deci.block_count", 3).put("deci.embedding_length", 128)
                .put("deci.attention.head_count", 4).put("deci.attention.head_count_kv", new int[] {4, 0, 1}));
        ContextOptions options = ContextOptions.defaults().withContextSize(256);

        assertThat(file.estimate(options).kvBytes()).isEqualTo(256L * 2 * (4 + 0 + 1) * 32 * 2);
        // Transposed value caches are as wide as the widest layer.
        assertThat(file.estimate(options.withFlashAttention(FlashAttention.OFF)).kvBytes()).isEqualTo(256L * 2 * 32 * (4 + 1 + 3 * 4));
        assertThat(file.estimate(options.withKvTypes(KvType.Q8_0, KvType.F32)).kvBytes()).isEqualTo(256L * 5 * (34 + 32 * 4));
    }

    @Test
    @Tag("standalone")
    void latentAttentionCachesNoValues() throws Exception {
        GgufFile file = write(new TinyGgufWriter()
                .put("general.architecture", "deepseek2").put("deepseek2.block_count", 2).put("deepseek2.embedding_length", 2048)
                .put("deepseek2.attention.head_count", 16).put("deepseek2.attention.head_count_kv", 1)
                .put("deepseek2.attention.key_length", 576).put("deepseek2.attention.value_length", 512)
                .put("deepseek2.attention.key_length_mla", 192).put("deepseek2.attention.value_length_mla", 128));

        assertThat(file.estimate(1024, KvType.F16, KvType.F16).kvBytes()).isEqualTo(1024L * 2 * 576 * 2);
    }

    @Test
    @Tag("standalone")
    void recurrentStatesDependOnSequencesNotOnContext() throws Exception {
        GgufFile file = write(new TinyGgufWriter()
                .put("general.architecture", "mamba").put("mamba.block_count", 24).put("mamba.embedding_length", 768)
                .put("mamba.ssm.conv_kernel", 4).put("mamba.ssm.inner_size", 1536).put("mamba.ssm.state_size", 16));
        MemoryEstimate one = file.estimate(ContextOptions.defaults());
        MemoryEstimate eight = file.estimate(ContextOptions.defaults().withContextSize(99_999).withMaxSequences(8));

        assertThat(one.kvBytes()).isZero();
        assertThat(one.recurrentBytes()).isEqualTo(24L * 4 * (3 * 1536 + 16 * 1536));
        assertThat(eight.recurrentBytes()).isEqualTo(8 * one.recurrentBytes());
    }

    @Test
    @Tag("standalone")
    void contextSizeIsRoundedAndDefaultsToTheTrainedOne() throws Exception {
        GgufFile file = GgufFile.read(TinyGguf.builder().contextLength(1000).write(directory.resolve("t.gguf")));

        assertThat(file.estimate(0, KvType.F16, KvType.F16).contextSize()).isEqualTo(1024);
        assertThat(file.estimate(257, KvType.F16, KvType.F16).contextSize()).isEqualTo(512);
        MemoryEstimate estimate = file.estimate(4096, KvType.F16, KvType.F16);
        assertThat(estimate.kvBytes()).isEqualTo(MIB);
        assertThat(estimate.weightBytes()).isEqualTo(4 * file.parameterCount());
        assertThat(estimate.outputBytes()).isEqualTo(64L * 320 * 4);
        assertThat(estimate.totalBytes()).isEqualTo(estimate.weightBytes() + estimate.kvBytes() + estimate.computeBytes()
                + estimate.outputBytes());
        assertThat(estimate.notes()).isEmpty();
    }

    @Test
    @Tag("standalone")
    void absurdMetadataAreRefused() throws Exception {
        GgufFile file = write(new TinyGgufWriter()
                .put("general.architecture", "llama").put("llama.block_count", 32)
                .put("llama.attention.head_count", new GgufValue.Int64(Long.MAX_VALUE))
                .put("llama.attention.key_length", new GgufValue.Int64(Long.MAX_VALUE)));

        assertThatThrownBy(() -> file.estimate(0, KvType.F16, KvType.F16))
                .isInstanceOf(GgufException.class).hasMessageContaining("more than 2^63 bytes");
    }

    @Test
    @Tag("model")
    void agreesWithLlamaCppOnARealModel() {
        GgufFile file = GgufFile.read(ModelStore.standard().get("smollm2-135m"));
        ContextOptions options = ContextOptions.defaults().withContextSize(4096);

        assertThat(file.architecture()).contains("llama");
        assertThat(file.parameterCount()).isEqualTo(134_515_008);
        assertThat(file.vocabularySize()).hasValue(49_152);
        assertThat(file.texts("tokenizer.ggml.tokens").orElseThrow().text(1)).isEqualTo("<|im_start|>");
        assertThat(file.chatTemplate().orElseThrow()).contains("<|im_start|>");
        assertThat(file.dominantType()).contains(GgmlType.Q4_1);
        MemoryEstimate estimate = file.estimate(options);
        assertThat(estimate.weightBytes() / (double) MIB).isEqualTo(92.10, within(0.01));
        assertThat(estimate.kvBytes()).isEqualTo(90 * MIB);
        assertThat(estimate.computeBytes() / (double) MIB).isCloseTo(17.51, Percentage.withPercentage(5));
        assertThat(file.estimate(options.withContextSize(8192).withFlashAttention(FlashAttention.OFF)).computeBytes() / (double) MIB)
                .isCloseTo(166.38, Percentage.withPercentage(5));
        assertThat(file.estimate(4096, KvType.Q8_0, KvType.Q8_0).kvBytes() / (double) MIB).isEqualTo(47.81, within(0.01));
    }

    private GgufFile gemma3(TinyGgufWriter writer) throws Exception {
        return write(writer
                .put("general.architecture", "gemma3").put("gemma3.block_count", 18).put("gemma3.embedding_length", 640)
                .put("gemma3.attention.head_count", 4).put("gemma3.attention.head_count_kv", 1)
                .put("gemma3.attention.key_length", 256).put("gemma3.attention.value_length", 256)
                .put("gemma3.attention.sliding_window", 512).put("gemma3.feed_forward_length", 2048));
    }

    private GgufFile write(TinyGgufWriter writer) throws Exception {
        return GgufFile.read(writer.write(directory.resolve("test.gguf")));
    }
}
