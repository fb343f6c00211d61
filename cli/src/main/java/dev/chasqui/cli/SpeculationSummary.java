package dev.chasqui.cli;

import com.fasterxml.jackson.core.JsonGenerator;
import java.io.IOException;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.function.ToDoubleFunction;

/// The rows of a category, or all.
record SpeculationSummary(String name, List<SpeculationRow> rows) {

    static final String TABLE_HEAD = """
            | prompts | n | over plain | worst | over stock | worst | tokens a step | identical | largest margin at a difference |
            |---|---|---|---|---|---|---|---|---|""";

    /// A line of the table under that head: medians, worst prompts.
    String tableLine() {
        SpeculationRow worst = worst(rows, SpeculationRow::speedup);
        List<SpeculationRow> stock = stock();
        String overStock = "– | –";
        if (!stock.isEmpty()) {
            SpeculationRow worstOverStock = worst(stock, SpeculationRow::speedupOverStock);
            overStock = String.format(Locale.ROOT, "%.2f | %.2f (%s)",
                    median(stock, SpeculationRow::speedupOverStock), worstOverStock.speedupOverStock(), worstOverStock.prompt().id());
        }
        return String.format(Locale.ROOT, "| %s | %d | %.2f | %.2f (%s) | %s | %.2f | %d | %s |",
                name, rows.size(), median(rows, SpeculationRow::speedup), worst.speedup(), worst.prompt().id(), overStock, tokensPerStep(), identical(),
                identical() == rows.size() ? "–" : String.format(Locale.ROOT, "%.2f", largestMargin()));
    }

    void write(JsonGenerator object) throws IOException {
        SpeculationRow worst = worst(rows, SpeculationRow::speedup);
        object.writeStringField("summary", name);
        object.writeNumberField("prompts", rows.size());
        object.writeNumberField("median_speedup", median(rows, SpeculationRow::speedup));
        object.writeNumberField("worst_speedup", worst.speedup());
        object.writeStringField("worst_prompt", worst.prompt().id());
        List<SpeculationRow> stock = stock();
        if (!stock.isEmpty()) {
            object.writeNumberField("median_speedup_over_stock", median(stock, SpeculationRow::speedupOverStock));
            object.writeNumberField("worst_speedup_over_stock", worst(stock, SpeculationRow::speedupOverStock).speedupOverStock());
        }
        object.writeNumberField("mean_accepted", tokensPerStep());
        object.writeNumberField("identical", identical());
        object.writeNumberField("largest_margin", largestMargin());
    }

    private List<SpeculationRow> stock() {
        return rows.stream().filter(SpeculationRow::hasStock).toList();
    }

    private double tokensPerStep() {
        return rows.stream().mapToDouble(SpeculationRow::tokensPerStep).average().orElseThrow();
    }

    private long identical() {
        return rows.stream().filter(SpeculationRow::isIdentical).count();
    }

    private double largestMargin() {
        return rows.stream().mapToDouble(SpeculationRow::margin).max().orElseThrow();
    }

    private static double median(List<SpeculationRow> rows, ToDoubleFunction<SpeculationRow> value) {
        return Statistics.median(rows.stream().mapToDouble(value).toArray());
    }

    private static SpeculationRow worst(List<SpeculationRow> rows, ToDoubleFunction<SpeculationRow> value) {
        return rows.stream().min(Comparator.comparingDouble(value)).orElseThrow();
    }
}
