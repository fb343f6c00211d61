package dev.chasqui.jmh;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// Puts the medians that `compare-llama-speculation.sh` collects side by side: one line for each kind of prompts.
///
/// Argument: the JSON lines.
final class LlamaSpeculationTable {

    private LlamaSpeculationTable() {
    }

    /// Speeds over plain decoding.
    private static final class Line {

        private double ours;
        private double oursOverStock;
        private double theirs;
        private double theirsWithOurKernels;
        private String drafter = "";
        private String drafterWithOurKernels = "";

        /// How many times as fast ours is, against llama.cpp's with the kernels that leave ours behind farthest.
        double ratio() {
            return Math.min(oursOverStock / theirs, ours / theirsWithOurKernels);
        }
    }

    public static void main(String[] args) throws IOException {
        Map<String, Line> lines = new LinkedHashMap<>();
        for (String row : Files.readAllLines(Path.of(args[0]))) {
            String category = text(row, "summary");
            if (category.isEmpty() || category.equals("all")) {
                continue;
            }
            Line line = lines.computeIfAbsent(category, name -> new Line());
            switch (text(row, "kernels")) {
                case "stock" -> {
                    line.theirs = number(row, "median_over_plain");
                    line.drafter = text(row, "drafter");
                }
                case "chasqui" -> {
                    line.theirsWithOurKernels = number(row, "median_over_plain");
                    line.drafterWithOurKernels = text(row, "drafter");
                }
                default -> {
                    line.ours = number(row, "median_speedup");
                    line.oursOverStock = number(row, "median_speedup_over_stock");
                }
            }
        }
        System.out.println("| prompts | ours over plain | over stock | llama.cpp's best over stock | with our kernels over plain | ours over llama.cpp's |");
        System.out.println("|---|---|---|---|---|---|");
        lines.forEach((category, line) -> System.out.printf(Locale.ROOT, "| %s | %.2f | %.2f | %.2f (%s) | %.2f (%s) | %.2f |%n", category, line.ours,
                line.oursOverStock, line.theirs, line.drafter, line.theirsWithOurKernels, line.drafterWithOurKernels, line.ratio()));
    }

    private static String text(String row, String name) {
        return find(row, "\"" + name + "\":\"([^\"]*)\"");
    }

    private static double number(String row, String name) {
        String value = find(row, "\"" + name + "\":([0-9.eE+-]+)");
        return value.isEmpty() ? Double.NaN : Double.parseDouble(value);
    }

    private static String find(String row, String pattern) {
        Matcher matcher = Pattern.compile(pattern).matcher(row);
        return matcher.find() ? matcher.group(1) : "";
    }
}
