package dev.chasqui.jmh;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// Draws what `bench kv` printed about quality: for each selector the divergence from full attention against the share of the cells that it attends to,
/// one panel for each model, text and context. Of rows with the same selector and share the one that compared most tokens counts, of these the last. Rows whose
/// budget is adaptive are open circles. Both axes are logarithmic.
///
/// Arguments: the JSON lines, the SVG file to write.
final class PlotSparseAttention {

    private static final List<String> SELECTORS = List.of("sketch", "exact", "chunks", "hisa", "fasa", "leoam", "box", "window", "random");
    private static final List<String> COLOURS = List.of("#c1121f", "#000000", "#e0a000", "#2a6f97", "#6a994e", "#bc6c25", "#8338ec", "#888888", "#bbbbbb");

    private static final int WIDTH = 360;
    private static final int HEIGHT = 300;
    private static final int LEFT = 56;
    private static final int RIGHT = 12;
    private static final int TOP = 34;
    private static final int BOTTOM = 44;
    private static final int COLUMNS = 2;
    private static final double LEAST_CELLS = 0.03;
    private static final double MOST_CELLS = 0.35;
    private static final double LEAST_KL = 0.0003;
    private static final double MOST_KL = 1;

    private record Point(double cells, double kl, int tokens, boolean adaptive) { }

    private PlotSparseAttention() {
    }

    public static void main(String[] args) throws IOException {
        Map<String, Map<String, Map<String, Point>>> panels = new LinkedHashMap<>();
        for (String line : Files.readAllLines(Path.of(args[0]))) {
            if (!line.contains("\"test\":\"quality\"") || line.contains("refresh") || line.contains("per_choice")
                    || line.contains("dense_layers") || !line.contains("\"kv_type\":\"f16\"")) {
                continue;
            }
            String panel = "%s, %s, %s tokens".formatted(field(line, "model"), field(line, "text"), field(line, "context"));
            panels.computeIfAbsent(panel, name -> new TreeMap<>())
                    .computeIfAbsent(field(line, "selector"), name -> new TreeMap<>())
                    .merge(budget(line), point(line), (a, b) -> b.tokens() < a.tokens() ? a : b);
        }
        Files.writeString(Path.of(args[1]), draw(panels));
    }

    private static boolean isAdaptive(String line) {
        return line.contains("missing_limit");
    }

    private static String budget(String line) {
        return isAdaptive(line) ? "missing " + field(line, "missing_limit") : field(line, "share");
    }

    private static Point point(String line) {
        return new Point(Double.parseDouble(field(line, "cells")), Double.parseDouble(field(line, "kl")), Integer.parseInt(field(line, "tokens")), isAdaptive(line));
    }

    private static String field(String line, String name) {
        Matcher value = Pattern.compile("\"" + name + "\":\\s*\"?([^\",}]+)").matcher(line);
        if (!value.find()) {
            throw new IllegalArgumentException("no " + name + " in " + line);
        }
        return value.group(1);
    }

    private static String draw(Map<String, Map<String, Map<String, Point>>> panels) {
        int rows = (panels.size() + COLUMNS - 1) / COLUMNS;
        StringBuilder svg = new StringBuilder();
        add(svg, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" font-size=\"11\">",
                COLUMNS * WIDTH, rows * HEIGHT + 30);
        add(svg, "<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>");
        int i = 0;
        for (Map.Entry<String, Map<String, Map<String, Point>>> panel : panels.entrySet()) {
            add(svg, "<g transform=\"translate(%d %d)\">", i % COLUMNS * WIDTH, i / COLUMNS * HEIGHT);
            panel(svg, panel.getKey(), panel.getValue());
            svg.append("</g>\n");
            i++;
        }
        for (int s = 0; s < SELECTORS.size(); s++) {
            int x = LEFT + s * 73;
            int y = rows * HEIGHT + 12;
            add(svg, "<line x1=\"%d\" x2=\"%d\" y1=\"%d\" y2=\"%d\" stroke=\"%s\" stroke-width=\"2\"/>", x, x + 18, y, y, COLOURS.get(s));
            add(svg, "<text x=\"%d\" y=\"%d\">%s</text>", x + 23, y + 4, SELECTORS.get(s));
        }
        return svg.append("</svg>\n").toString();
    }

    private static void panel(StringBuilder svg, String title, Map<String, Map<String, Point>> lines) {
        add(svg, "<text x=\"%d\" y=\"20\" font-size=\"12\">%s</text>", LEFT, title.replace("&", "&amp;").replace("<", "&lt;"));
        for (double tick : new double[] {0.001, 0.01, 0.1, 1}) {
            add(svg, "<line x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"#ddd\"/>", LEFT, WIDTH - RIGHT, y(tick), y(tick));
            add(svg, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%s</text>", LEFT - 6, y(tick) + 4, tick == 1 ? "1" : String.valueOf(tick));
        }
        for (double tick : new double[] {0.05, 0.1, 0.2, 0.3}) {
            add(svg, "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\" stroke=\"#ddd\"/>", x(tick), x(tick), TOP, HEIGHT - BOTTOM);
            add(svg, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%d%%</text>", x(tick), HEIGHT - BOTTOM + 15, Math.round(100 * tick));
        }
        add(svg, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">cells attended to</text>", (LEFT + WIDTH - RIGHT) / 2, HEIGHT - BOTTOM + 30);
        add(svg, "<text transform=\"translate(14 %d) rotate(-90)\" text-anchor=\"middle\">KL from full attention, nats</text>", (TOP + HEIGHT - BOTTOM) / 2);
        for (int s = 0; s < SELECTORS.size(); s++) {
            List<Point> points = lines.getOrDefault(SELECTORS.get(s), Map.of()).values().stream().sorted((a, b) -> Double.compare(a.cells(), b.cells())).toList();
            StringBuilder path = new StringBuilder();
            for (Point point : points) {
                if (!point.adaptive()) {
                    path.append(String.format(Locale.ROOT, "%.1f,%.1f ", x(point.cells()), y(point.kl())));
                }
                add(svg, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%s\" fill=\"%s\" stroke=\"%s\"/>", x(point.cells()), y(point.kl()), point.adaptive() ? "4" : "2.5",
                        point.adaptive() ? "none" : COLOURS.get(s), COLOURS.get(s));
            }
            add(svg, "<polyline points=\"%s\" fill=\"none\" stroke=\"%s\" stroke-width=\"1.5\"/>", path.toString().strip(), COLOURS.get(s));
        }
    }

    private static void add(StringBuilder svg, String format, Object... values) {
        svg.append(String.format(Locale.ROOT, format, values)).append('\n');
    }

    private static double x(double cells) {
        return LEFT + (WIDTH - LEFT - RIGHT) * part(cells, LEAST_CELLS, MOST_CELLS);
    }

    private static double y(double kl) {
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * part(kl, LEAST_KL, MOST_KL);
    }

    private static double part(double value, double least, double most) {
        return Math.log(Math.clamp(value, least, most) / least) / Math.log(most / least);
    }
}
