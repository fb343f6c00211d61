package dev.chasqui.jmh;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// Draws what `bench speculation` printed: a dot for each prompt by its category, a bar at the median, on a logarithmic axis.
///
/// Arguments: the JSON lines, the SVG file to write, a title.
final class PlotSpeculation {

    private static final Pattern CATEGORY = Pattern.compile("\"category\":\\s*\"([^\"]+)\"");
    private static final Pattern SPEEDUP = Pattern.compile("\"speedup\":\\s*([0-9.eE+-]+)");

    private static final int WIDTH = 720;
    private static final int LEFT = 120;
    private static final int RIGHT = 70;
    private static final int TOP = 48;
    private static final int ROW = 34;
    private static final double LEAST = 0.5;
    private static final double MOST = 8;

    private PlotSpeculation() {
    }

    public static void main(String[] args) throws IOException {
        Map<String, List<Double>> speedups = new LinkedHashMap<>();
        for (String line : Files.readAllLines(Path.of(args[0]))) {
            Matcher category = CATEGORY.matcher(line);
            Matcher speedup = SPEEDUP.matcher(line);
            if (category.find() && speedup.find()) {
                speedups.computeIfAbsent(category.group(1), name -> new ArrayList<>()).add(Double.parseDouble(speedup.group(1)));
            }
        }
        Files.writeString(Path.of(args[1]), draw(speedups, args[2]));
    }

    private static String draw(Map<String, List<Double>> speedups, String title) {
        int height = TOP + speedups.size() * ROW + 40;
        StringBuilder svg = new StringBuilder();
        add(svg, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" font-size=\"13\">", WIDTH, height);
        add(svg, "<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>");
        add(svg, "<text x=\"%d\" y=\"24\" font-size=\"15\">%s</text>", LEFT, title.replace("&", "&amp;").replace("<", "&lt;"));
        for (double tick : new double[] {0.5, 1, 2, 4, 8}) {
            add(svg, "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\" stroke=\"%s\"/>", x(tick), x(tick), TOP - 8, height - 32, tick == 1 ? "#444" : "#ddd");
            add(svg, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s×</text>", x(tick), height - 14, tick == 0.5 ? "0.5" : String.valueOf((int) tick));
        }
        int y = TOP + ROW / 2;
        for (Map.Entry<String, List<Double>> row : speedups.entrySet()) {
            add(svg, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%s</text>", LEFT - 12, y + 4, row.getKey());
            for (double speedup : row.getValue()) {
                add(svg, "<circle cx=\"%.1f\" cy=\"%d\" r=\"4\" fill=\"#2a6f97\" fill-opacity=\"0.45\"/>", x(speedup), y);
            }
            double median = median(row.getValue());
            add(svg, "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\" stroke=\"#c1121f\" stroke-width=\"3\"/>", x(median), x(median), y - 11, y + 11);
            add(svg, "<text x=\"%d\" y=\"%d\">%.2f×</text>", WIDTH - RIGHT + 12, y + 4, median);
            y += ROW;
        }
        return svg.append("</svg>\n").toString();
    }

    private static void add(StringBuilder svg, String format, Object... values) {
        svg.append(String.format(Locale.ROOT, format, values)).append('\n');
    }

    private static double x(double speedup) {
        double part = Math.log(Math.clamp(speedup, LEAST, MOST) / LEAST) / Math.log(MOST / LEAST);
        return LEFT + part * (WIDTH - LEFT - RIGHT);
    }

    private static double median(List<Double> values) {
        double[] sorted = values.stream().mapToDouble(Double::doubleValue).sorted().toArray();
        int middle = sorted.length / 2;
        return sorted.length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
    }
}
