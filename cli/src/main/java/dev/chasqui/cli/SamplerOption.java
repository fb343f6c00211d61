package dev.chasqui.cli;

import dev.chasqui.Sampler;
import picocli.CommandLine.Option;

/// How tokens are picked.
final class SamplerOption {

    @Option(names = "--temp", paramLabel = "T", defaultValue = "0.8",
            description = "Temperature, 0 for the most probable token always (default: ${DEFAULT-VALUE}).")
    private float temperature;

    @Option(names = "--top-k", paramLabel = "K", defaultValue = "40", description = "Keep the K best tokens (default: ${DEFAULT-VALUE}).")
    private int topK;

    @Option(names = "--top-p", paramLabel = "P", defaultValue = "0.95", description = "Keep tokens up to probability P in all (default: ${DEFAULT-VALUE}).")
    private float topP;

    @Option(names = "--min-p", paramLabel = "P", defaultValue = "0.05", description = "Keep tokens of at least P times the best one's probability (default: ${DEFAULT-VALUE}).")
    private float minP;

    @Option(names = "--seed", paramLabel = "SEED", defaultValue = "-1", description = "Seed of the random numbers, -1 for another one each time (default: ${DEFAULT-VALUE}).")
    private int seed;

    Sampler get() {
        return temperature <= 0 ? Sampler.greedy()
                : Sampler.builder().topK(topK).topP(topP).minP(minP).temperature(temperature).seed(seed).build();
    }
}
