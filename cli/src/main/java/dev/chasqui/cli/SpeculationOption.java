package dev.chasqui.cli;

import dev.chasqui.speculation.DraftSource;
import dev.chasqui.speculation.Speculation;
import java.util.Set;
import java.util.function.Supplier;
import picocli.CommandLine.Option;

/// `--speculation`, in every command that generates.
final class SpeculationOption {

    /// The policies by name.
    enum Policy {
        auto(Speculation::auto),
        chain(() -> Speculation.auto().withMaxPaths(1)),
        repeated(() -> Speculation.auto().withSources(Set.of(DraftSource.REPEATED))),
        recycled(() -> Speculation.auto().withSources(Set.of(DraftSource.RECYCLED))),
        off(Speculation::off);

        private final Supplier<Speculation> speculation;

        Policy(Supplier<Speculation> speculation) {
            this.speculation = speculation;
        }
    }

    @Option(names = "--speculation", paramLabel = "POLICY", defaultValue = "auto",
            description = "Guess tokens ahead where that pays; the answer is the same: ${COMPLETION-CANDIDATES} (default: ${DEFAULT-VALUE}).")
    private Policy policy = Policy.auto;

    String name() {
        return policy.name();
    }

    Speculation get() {
        return policy.speculation.get();
    }
}
