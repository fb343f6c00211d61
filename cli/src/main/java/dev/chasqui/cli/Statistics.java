package dev.chasqui.cli;

import dev.chasqui.vision.RelevanceCheck;
import java.util.stream.DoubleStream;
import java.util.stream.IntStream;

/// Mean, median and spread of samples.
final class Statistics {

    private Statistics() {
    }

    static double mean(double[] samples) {
        return DoubleStream.of(samples).average().orElse(0);
    }

    /// 0 without samples.
    static double median(double[] samples) {
        double[] sorted = DoubleStream.of(samples).sorted().toArray();
        return sorted.length == 0 ? 0 : (sorted[(sorted.length - 1) / 2] + sorted[sorted.length / 2]) / 2;
    }

    /// The probability of a difference at least as large between two runs over the same items that are equally good: McNemar's test, exact, two-sided,
    /// which is the sign test of right answers.
    static double mcNemar(boolean[] a, boolean[] b) {
        return RelevanceCheck.signTest(numbers(a), numbers(b));
    }

    private static double[] numbers(boolean[] right) {
        return IntStream.range(0, right.length).mapToDouble(i -> right[i] ? 1 : 0).toArray();
    }

    /// Standard deviation of the sample, 0 for fewer than two.
    static double deviation(double[] samples) {
        if (samples.length < 2) {
            return 0;
        }
        double mean = mean(samples);
        double squares = DoubleStream.of(samples).map(x -> (x - mean) * (x - mean)).sum();
        return Math.sqrt(squares / (samples.length - 1));
    }
}
