package dev.chasqui.cli;

import java.util.stream.DoubleStream;

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

    /// The probability of a difference at least as large between two runs over the same items that are equally good: McNemar's test, exact, two-sided.
    static double mcNemar(boolean[] a, boolean[] b) {
        int onlyA = 0;
        int onlyB = 0;
        for (int i = 0; i < a.length; i++) {
            onlyA += a[i] && !b[i] ? 1 : 0;
            onlyB += b[i] && !a[i] ? 1 : 0;
        }
        int n = onlyA + onlyB;
        double tail = 0;
        double term = -n * Math.log(2); // of choosing none of n
        for (int k = 0; k <= Math.min(onlyA, onlyB); k++) {
            tail += Math.exp(term);
            term += Math.log((double) (n - k) / (k + 1));
        }
        return Math.min(1, 2 * tail);
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
