package dev.chasqui.cli;

import dev.chasqui.ContextOptions;
import picocli.CommandLine.Option;

/// CPU threads of a command.
final class ThreadsOption {

    @Option(names = {"-t", "--threads"}, paramLabel = "N", defaultValue = "0",
            description = "CPU threads, 0 for the number of physical cores (default: ${DEFAULT-VALUE}).")
    private int threads;

    int count() {
        return threads;
    }

    ContextOptions apply(ContextOptions options) {
        return options.withThreads(threads);
    }
}
