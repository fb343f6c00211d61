package dev.chasqui.jmh;

import java.awt.Color;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.knowm.xchart.BitmapEncoder;
import org.knowm.xchart.CategoryChart;
import org.knowm.xchart.CategoryChartBuilder;
import org.knowm.xchart.style.Styler;

/// Draws the last rows of `compare-peers.sh` for a model: how many times as fast Chasqui, without speculation, computes prompt and answer as each other program.
///
/// Arguments: the JSON lines, the name of the model's file, the PNG file to write.
final class PlotPeers {

    private static final int WIDTH = 960;
    private static final int HEIGHT = 380;

    private PlotPeers() {
    }

    private record Ratios(double prompt, double answer) { }

    public static void main(String[] args) throws IOException {
        Map<String, Ratios> ratios = new LinkedHashMap<>();
        for (String line : Files.readAllLines(Path.of(args[0]))) {
            if (text(line, "test").equals("generate") && text(line, "model").equals(args[1]) && !text(line, "program").startsWith("Chasqui")) {
                String name = text(line, "program").replaceFirst(",.*", ""); // a longer one is left out of the plot
                ratios.put(name, new Ratios(number(line, "chasqui_to_prefill_tps"), number(line, "chasqui_to_decode_tps")));
            }
        }
        if (ratios.isEmpty()) {
            throw new IllegalArgumentException(args[0] + " has no rows of " + args[1]);
        }
        BitmapEncoder.saveBitmap(chart(args[1], ratios), args[2], BitmapEncoder.BitmapFormat.PNG);
    }

    private static CategoryChart chart(String model, Map<String, Ratios> ratios) {
        CategoryChart chart = new CategoryChartBuilder().width(WIDTH).height(HEIGHT).title(model).yAxisTitle("times as fast").build();
        List<String> programs = new ArrayList<>(ratios.keySet());
        chart.addSeries("prompt", programs, ratios.values().stream().map(Ratios::prompt).toList()).setFillColor(new Color(0x2a6f97));
        chart.addSeries("answer", programs, ratios.values().stream().map(Ratios::answer).toList()).setFillColor(new Color(0xe09f3e));
        chart.getStyler().setLegendPosition(Styler.LegendPosition.InsideNE).setChartBackgroundColor(Color.WHITE);
        chart.getStyler().setYAxisMin(0.0);
        chart.getStyler().setLabelsVisible(true);
        chart.getStyler().setDecimalPattern("0.0");
        return chart;
    }

    private static String text(String line, String field) {
        return find(line, "\"" + field + "\":\"([^\"]*)\"");
    }

    private static double number(String line, String field) {
        return Double.parseDouble(find(line, "\"" + field + "\":([0-9.]+)"));
    }

    private static String find(String line, String pattern) {
        Matcher matcher = Pattern.compile(pattern).matcher(line);
        if (!matcher.find()) {
            throw new IllegalArgumentException("no " + pattern + " in " + line);
        }
        return matcher.group(1);
    }
}
