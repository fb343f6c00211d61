package dev.chasqui;

import static dev.chasqui.bindings.Chq.*;

import dev.chasqui.bindings.chq_kv_file_stats;
import dev.chasqui.bindings.chq_sparse_params;
import dev.chasqui.bindings.chq_sparse_prefill_params;
import dev.chasqui.bindings.chq_sparse_prefill_stats;
import dev.chasqui.bindings.chq_sparse_stats;
import dev.chasqui.kv.KvFileStats;
import dev.chasqui.kv.KvStats;
import dev.chasqui.kv.PrefillStats;
import dev.chasqui.kv.SparseAttention;
import dev.chasqui.kv.SparsePrefill;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.OptionalDouble;
import org.jspecify.annotations.Nullable;

/// Sparse attention and sparse prefill of a native context, and the file behind its KV cache.
final class SparseCalls {

    private SparseCalls() {
    }

    static void set(MemorySegment context, @Nullable SparseAttention wanted) {
        try (Arena arena = Arena.ofConfined()) {
            Status.check(chq_context_set_sparse(context, wanted == null ? MemorySegment.NULL : params(wanted, arena)));
        }
    }

    private static MemorySegment params(SparseAttention wanted, Arena arena) {
        MemorySegment params = chq_sparse_params.allocate(arena);
        chq_sparse_params.selector(params, switch (wanted.selector()) {
            case SKETCH -> CHQ_SPARSE_SKETCH();
            case EXACT -> CHQ_SPARSE_EXACT();
            case BOX -> CHQ_SPARSE_BOX();
            case LEOAM -> CHQ_SPARSE_LEOAM();
            case HISA -> CHQ_SPARSE_HISA();
            case FASA -> CHQ_SPARSE_FASA();
            case RANDOM -> CHQ_SPARSE_RANDOM();
            case WINDOW -> CHQ_SPARSE_WINDOW();
            case CHUNKS -> CHQ_SPARSE_CHUNKS();
        });
        chq_sparse_params.share(params, (float) wanted.share());
        chq_sparse_params.max_share(params, (float) wanted.maxShare());
        chq_sparse_params.missing(params, (float) wanted.missing());
        chq_sparse_params.sinks(params, wanted.sinks());
        chq_sparse_params.window(params, wanted.window());
        chq_sparse_params.dense_layers(params, wanted.denseLayers());
        chq_sparse_params.refresh(params, wanted.refresh());
        chq_sparse_params.layers(params, wanted.layersPerChoice());
        chq_sparse_params.always(params, wanted.always());
        chq_sparse_params.seed(params, wanted.seed());
        return params;
    }

    static KvStats stats(MemorySegment context) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment stats = chq_sparse_stats.allocate(arena);
            Status.check(chq_context_sparse_stats(context, stats));
            double missing = chq_sparse_stats.missing(stats);
            return new KvStats(
                    chq_sparse_stats.steps(stats),
                    chq_sparse_stats.sparse_steps(stats),
                    chq_sparse_stats.cells(stats),
                    missing < 0 ? OptionalDouble.empty() : OptionalDouble.of(missing),
                    seconds(chq_sparse_stats.dense_seconds(stats)),
                    seconds(chq_sparse_stats.sparse_seconds(stats)),
                    chq_sparse_stats.sketch_bytes(stats),
                    fileStats(context, arena));
        }
    }

    static void setPrefill(MemorySegment context, @Nullable SparsePrefill wanted) {
        if (wanted == null) {
            Status.check(chq_context_set_sparse_prefill(context, MemorySegment.NULL));
            return;
        }
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment params = chq_sparse_prefill_params.allocate(arena);
            chq_sparse_prefill_params.missing(params, (float) wanted.missing());
            chq_sparse_prefill_params.sinks(params, wanted.sinks());
            chq_sparse_prefill_params.window(params, wanted.window());
            chq_sparse_prefill_params.last(params, wanted.last());
            chq_sparse_prefill_params.always(params, wanted.always());
            Status.check(chq_context_set_sparse_prefill(context, params));
        }
    }

    static PrefillStats prefillStats(MemorySegment context) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment stats = chq_sparse_prefill_stats.allocate(arena);
            Status.check(chq_context_sparse_prefill_stats(context, stats));
            return new PrefillStats(
                    chq_sparse_prefill_stats.tokens(stats),
                    chq_sparse_prefill_stats.sparse_tokens(stats),
                    chq_sparse_prefill_stats.pairs(stats),
                    chq_sparse_prefill_stats.missing(stats),
                    seconds(chq_sparse_prefill_stats.choice_seconds(stats)),
                    seconds(chq_sparse_prefill_stats.saved_seconds(stats)));
        }
    }

    private static KvFileStats fileStats(MemorySegment context, Arena arena) {
        MemorySegment stats = chq_kv_file_stats.allocate(arena);
        Status.check(chq_context_kv_file_stats(context, stats));
        return new KvFileStats(
                chq_kv_file_stats.file_bytes(stats),
                chq_kv_file_stats.budget_bytes(stats),
                chq_kv_file_stats.resident_bytes(stats),
                chq_kv_file_stats.most_resident(stats),
                chq_kv_file_stats.loaded_bytes(stats),
                chq_kv_file_stats.evicted_bytes(stats));
    }

    private static Duration seconds(double value) {
        return Duration.ofNanos((long) (value * 1e9));
    }
}
