package dev.chasqui.jmh;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Arrays;
import java.util.Locale;

/// The result of measuring Chasqui against something else: one JSON row.
final class Comparison {

    private Comparison() {
    }

    /// Prints the row and appends it to `results`.
    ///
    /// @param speeds tokens per second of Chasqui, by round
    /// @param ratios how many times faster Chasqui was, by round
    static void append(Path results, String peer, Path model, String test, double[] speeds, double[] ratios) throws IOException {
        String row = String.format(Locale.ROOT,
                "{\"time\":\"%s\",\"comparison\":\"%s\",\"model\":\"%s\",\"test\":\"%s\",\"cpu\":\"%s\",\"threads\":%d,\"rounds\":%d,"
                        + "\"median_tps\":%.3f,\"median_ratio\":%.4f,\"min_ratio\":%.4f,\"max_ratio\":%.4f}",
                Instant.now().truncatedTo(ChronoUnit.SECONDS), peer, model.getFileName(), test, cpu(),
                Runtime.getRuntime().availableProcessors(), ratios.length, median(speeds), median(ratios),
                Arrays.stream(ratios).min().orElse(0), Arrays.stream(ratios).max().orElse(0));
        System.out.println(row);
        Files.writeString(results, row + "\n", StandardOpenOption.CREATE, StandardOpenOption.APPEND);
    }

    static double median(double[] values) {
        double[] sorted = values.clone();
        Arrays.sort(sorted);
        int middle = sorted.length / 2;
        return sorted.length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
    }

    static String cpu() throws IOException {
        Path info = Path.of("/proc/cpuinfo");
        if (!Files.isReadable(info)) {
            return System.getProperty("os.arch");
        }
        return Files.readAllLines(info).stream().filter(line -> line.startsWith("model name")).findFirst()
                .map(line -> line.substring(line.indexOf(':') + 1).strip()).orElse(System.getProperty("os.arch"));
    }
}
