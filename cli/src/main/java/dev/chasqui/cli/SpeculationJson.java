package dev.chasqui.cli;

import com.fasterxml.jackson.core.JsonGenerator;
import dev.chasqui.speculation.DraftSource;
import dev.chasqui.speculation.SpeculationStats;
import java.io.IOException;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/// What speculation did, as an object of JSON output.
final class SpeculationJson {

    private SpeculationJson() {
    }

    /// Writes the field `speculation`.
    static void write(JsonGenerator object, SpeculationStats stats) throws IOException {
        object.writeObjectFieldStart("speculation");
        object.writeNumberField("steps", stats.steps());
        object.writeNumberField("plain_steps", stats.plainSteps());
        object.writeNumberField("tree_steps", stats.treeSteps());
        object.writeNumberField("tokens_per_step", stats.tokensPerStep());
        object.writeNumberField("draft_ms", stats.draftTime().toNanos() / 1e6);
        object.writeNumberField("target_ms", stats.targetTime().toNanos() / 1e6);
        object.writeNumberField("verify_ms", stats.verifyTime().toNanos() / 1e6);
        for (Map.Entry<DraftSource, SpeculationStats.SourceStats> source : stats.sources().entrySet()) {
            object.writeObjectFieldStart(source.getKey().name().toLowerCase(Locale.ROOT));
            counts(object, "drafted", source.getValue().drafted());
            counts(object, "accepted", source.getValue().accepted());
            object.writeEndObject();
        }
        object.writeEndObject();
    }

    private static void counts(JsonGenerator object, String name, List<Long> counts) throws IOException {
        object.writeArrayFieldStart(name);
        for (long count : counts) {
            object.writeNumber(count);
        }
        object.writeEndArray();
    }
}
