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
