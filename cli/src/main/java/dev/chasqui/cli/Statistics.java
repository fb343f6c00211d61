package dev.chasqui.cli;

import java.util.stream.DoubleStream;

/// Mean and spread of samples.
final class Statistics {

    private Statistics() {
    }

    static double mean(double[] samples) {
        return DoubleStream.of(samples).average().orElse(0);
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
