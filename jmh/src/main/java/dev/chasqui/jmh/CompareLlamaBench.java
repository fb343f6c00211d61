package dev.chasqui.jmh;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// Runs `llama-bench` and `chasqui bench` of the same build in turns and prints the ratio of each pair, one JSON row per test.
///
/// Arguments: repository root, model file, rounds, results file. Nothing else should run meanwhile.
public final class CompareLlamaBench {

    private static final Pattern SPEED = Pattern.compile("\"avg_ts\": ?([0-9.eE+-]+)");
    private static final String[] TESTS = {"pp512", "tg128"};

    private CompareLlamaBench() {
    }

    public static void main(String[] args) throws IOException, InterruptedException {
        Path root = Path.of(args[0]);
        String model = args[1];
        int rounds = Integer.parseInt(args[2]);
        Path results = Path.of(args[3]);
        List<String> options = List.of("-m", model, "-p", "512", "-n", "128", "-r", "1", "-o", "jsonl");
        List<String> peer = prepend(root.resolve("build/native/bin/llama-bench").toString(), options);
        List<String> ours = prepend(root.resolve("chasqui").toString(), prepend("bench", options));

        double[][] ratios = new double[TESTS.length][rounds];
        double[][] speeds = new double[TESTS.length][rounds];
        for (int round = 0; round < rounds; round++) {
            boolean oursFirst = round % 2 == 1;
            double[] first = speeds(oursFirst ? ours : peer);
            double[] second = speeds(oursFirst ? peer : ours);
            for (int test = 0; test < TESTS.length; test++) {
                double our = oursFirst ? first[test] : second[test];
                double their = oursFirst ? second[test] : first[test];
                speeds[test][round] = our;
                ratios[test][round] = our / their;
                System.err.printf(Locale.ROOT, "round %d %s: %.2f against %.2f t/s, ratio %.4f%n", round + 1, TESTS[test], our, their, our / their);
            }
        }
        for (int test = 0; test < TESTS.length; test++) {
            Comparison.append(results, "llama-bench", Path.of(model), TESTS[test], speeds[test], ratios[test]);
        }
    }

    private static double[] speeds(List<String> command) throws IOException, InterruptedException {
        Process process = new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.DISCARD).start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        if (process.waitFor() != 0) {
            throw new IllegalStateException(command + " failed: " + output);
        }
        Matcher matcher = SPEED.matcher(output);
        return matcher.results().mapToDouble(match -> Double.parseDouble(match.group(1))).toArray();
    }

    private static List<String> prepend(String first, List<String> rest) {
        List<String> all = new ArrayList<>();
        all.add(first);
        all.addAll(rest);
        return all;
    }
}
