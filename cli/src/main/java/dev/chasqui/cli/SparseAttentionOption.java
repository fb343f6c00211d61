package dev.chasqui.cli;

import com.fasterxml.jackson.core.JsonGenerator;
import dev.chasqui.Context;
import dev.chasqui.GenerationOptions;
import dev.chasqui.kv.CellSelector;
import dev.chasqui.kv.KvStats;
import dev.chasqui.kv.PrefillStats;
import dev.chasqui.kv.SparseAttention;
import dev.chasqui.kv.SparsePrefill;
import java.io.IOException;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/// `--sparse-attention` and what goes with it, and `--sparse-prefill`.
final class SparseAttentionOption {

    @Option(names = "--sparse-attention", paramLabel = "SHARE",
            description = "Lossy: while generating, attend to this share of a long text beside its first and last tokens, e.g. 0.1.")
    private @Nullable Double share;

    @Option(names = "--sparse-missing", paramLabel = "SHARE", defaultValue = "0",
            description = "Choose fewer tokens where they leave out no more than this share of the attention (default: ${DEFAULT-VALUE}, always as many).")
    private double missing;

    @Option(names = "--sparse-selector", paramLabel = "NAME", defaultValue = "sketch",
            description = "By what they are chosen: ${COMPLETION-CANDIDATES} (default: ${DEFAULT-VALUE}).")
    private CellSelector selector = CellSelector.SKETCH;

    @Option(names = "--sparse-prefill", paramLabel = "SHARE",
            description = "Lossy: leave out up to this share of the attention within a long prompt, e.g. 0.05.")
    private @Nullable Double prefill;

    void applyTo(Context context) {
        if (prefill != null) {
            context.setSparsePrefill(SparsePrefill.defaults().withMissing(prefill));
        }
    }

    GenerationOptions applyTo(GenerationOptions options) {
        if (share == null) {
            return options;
        }
        SparseAttention wanted = SparseAttention.sketch().withSelector(selector);
        return options.withSparseAttention(missing > 0 ? wanted.withShares(Math.min(0.02, share), share).withMissing(missing) : wanted.withShare(share));
    }

    /// Nothing without these.
    void write(JsonGenerator object, KvStats stats, Context context) throws IOException {
        if (prefill != null) {
            PrefillStats prompt = context.sparsePrefillStats();
            object.writeNumberField("sparse_prefill_tokens", prompt.sparseTokens());
            object.writeNumberField("sparse_prefill_pairs", prompt.pairs());
            object.writeNumberField("sparse_prefill_missing", prompt.missing());
        }
        if (share == null) {
            return;
        }
        object.writeNumberField("sparse_steps", stats.sparseSteps());
        object.writeNumberField("sparse_cells", stats.cells());
        if (stats.missing().isPresent()) {
            object.writeNumberField("sparse_missing", stats.missing().getAsDouble());
        }
        object.writeNumberField("sketch_bytes", stats.sketchBytes());
    }
}
