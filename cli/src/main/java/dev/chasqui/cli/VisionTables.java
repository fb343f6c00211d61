package dev.chasqui.cli;

import dev.chasqui.Model;
import dev.chasqui.VisionModel;
import dev.chasqui.vision.BuiltInPruner;
import dev.chasqui.vision.RowPositions;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// Tables of pruners by shares of tokens kept, one for each model of a folder and way of placing rows.
final class VisionTables implements AutoCloseable {

    /// Shares at which pruners are told apart from chance.
    private static final List<Double> TESTED = List.of(0.25, 0.1);

    private final PrintWriter out;
    private final @Nullable PrintWriter lines;
    private final List<Double> keep;
    private final List<BuiltInPruner> pruners;
    private final int tokens;
    private final VisionOption vision;
    private final ThreadsOption threads;

    VisionTables(PrintWriter out, @Nullable Path lines, List<Double> keep, List<BuiltInPruner> pruners, int tokens, VisionOption vision, ThreadsOption threads)
            throws IOException {
        this.out = out;
        this.lines = lines == null ? null : new PrintWriter(Files.newBufferedWriter(lines));
        this.keep = keep;
        this.pruners = pruners;
        this.tokens = tokens;
        this.vision = vision;
        this.threads = threads;
    }

    /// Asks the questions of a folder to each of its models.
    void print(Path folder) throws IOException {
        List<Path> projectors = models(folder, true);
        List<Path> models = models(folder, false);
        if (projectors.size() != 1 || models.isEmpty()) {
            throw new IOException("%s holds %d projectors (*mmproj*.gguf) and %d models; one and at least one are needed".formatted(folder, projectors.size(), models.size()));
        }
        List<Path> pictures = VisionQuestions.pictures(folder.resolve("img"));
        List<VisionQuestions.Item> items = VisionQuestions.items(folder.resolve("qa.json"), pictures.size());
        boolean attention = pruners.stream().anyMatch(VisionOption::needsAttention);
        boolean asked = pruners.stream().anyMatch(BuiltInPruner::usesQuestion);
        for (Path file : models) {
            try (Model model = Model.load(file);
                    VisionModel eyes = vision.load(model, projectors.getFirst(), attention);
                    VisionQuestions asking = new VisionQuestions(model, eyes, pictures, items, tokens, asked, threads)) {
                for (RowPositions positions : eyes.hasGridPositions() ? vision.andCompact() : List.of(RowPositions.COMPACT)) {
                    print(file.getFileName().toString(), positions, asking);
                }
            }
        }
    }

    private static List<Path> models(Path folder, boolean projectors) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.filter(file -> file.getFileName().toString().endsWith(".gguf"))
                    .filter(file -> file.getFileName().toString().contains("mmproj") == projectors).sorted().toList();
        }
    }

    private void print(String name, RowPositions positions, VisionQuestions asking) {
        Map<BuiltInPruner, Map<Double, VisionQuestions.Result>> cells = new LinkedHashMap<>();
        pruners.forEach(pruner -> cells.put(pruner, new LinkedHashMap<>()));
        for (double share : keep) {
            Map<BuiltInPruner, VisionQuestions.Result> results = new LinkedHashMap<>();
            VisionQuestions.Result whole = null;
            for (BuiltInPruner pruner : pruners) {
                VisionQuestions.Result result = whole == null ? asking.ask(vision.options(share, pruner, positions), pruner, false) : whole;
                whole = share == 1 ? result : null; // which rows are chosen of all makes no difference
                results.put(pruner, result);
                cells.get(pruner).put(share, result);
            }
            results.forEach((pruner, result) -> line(name, positions, share, pruner, result, BenchVisionCommand.control(results, pruner), asking));
        }
        table(name, positions, cells, asking);
    }

    private void line(String name, RowPositions positions, double share, BuiltInPruner pruner, VisionQuestions.Result result,
            VisionQuestions.@Nullable Result control, VisionQuestions asking) {
        if (lines != null) {
            Json.line(lines, object -> {
                object.writeStringField("model", name);
                object.writeStringField("positions", positions.name().toLowerCase(Locale.ROOT));
                BenchVisionCommand.writeResult(object, share, pruner, result, control, asking);
            });
        }
    }

    private void table(String name, RowPositions positions, Map<BuiltInPruner, Map<Double, VisionQuestions.Result>> cells, VisionQuestions asking) {
        List<Double> tested = keep.stream().filter(TESTED::contains).toList();
        out.printf(Locale.ROOT, "**%s, %s positions**: share of %d questions answered rightly ± standard error; p of McNemar's exact test against random%n%n", name,
                positions.name().toLowerCase(Locale.ROOT), asking.count());
        StringBuilder head = new StringBuilder("| pruner |");
        keep.forEach(share -> head.append(percent(share)).append(" |"));
        tested.forEach(share -> head.append(" p at").append(percent(share)).append(" |"));
        out.println(head);
        out.println("|---|" + "---:|".repeat(keep.size() + tested.size()));
        cells.forEach((pruner, results) -> {
            StringBuilder row = new StringBuilder("| " + pruner.name() + " |");
            for (double share : keep) {
                VisionQuestions.Result result = results.get(share);
                row.append(String.format(Locale.ROOT, " %.3f ± %.3f |", result.accuracy(), result.error()));
            }
            for (double share : tested) {
                Map<BuiltInPruner, VisionQuestions.Result> column = new LinkedHashMap<>();
                cells.forEach((p, r) -> column.put(p, r.get(share)));
                VisionQuestions.Result control = BenchVisionCommand.control(column, pruner);
                row.append(control == null ? " – |" : String.format(Locale.ROOT, " %.2g |", Statistics.mcNemar(results.get(share).right(), control.right())));
            }
            out.println(row);
        });
        out.println();
        out.flush();
    }

    private static String percent(double share) {
        return " " + (share * 100 == Math.rint(share * 100) ? Long.toString(Math.round(share * 100)) : Double.toString(share * 100)) + "%";
    }

    @Override
    public void close() {
        if (lines != null) {
            lines.close();
        }
    }
}
