package dev.chasqui.cli;

import dev.chasqui.Model;
import dev.chasqui.VisionModel;
import dev.chasqui.VisionModelOptions;
import dev.chasqui.vision.BuiltInPruner;
import dev.chasqui.vision.Importance;
import dev.chasqui.vision.RowPositions;
import dev.chasqui.vision.TokenPruner;
import dev.chasqui.vision.VisionOptions;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import picocli.CommandLine.Option;
import picocli.CommandLine.TypeConversionException;

/// How pictures are read, and where their rows are put.
final class VisionOption {

    @Option(names = "--positions", paramLabel = "projector|linear|compact", defaultValue = "projector",
            description = "Positions of a picture's tokens: as the projector says, in a line with gaps where tokens were dropped, or without gaps (default: ${DEFAULT-VALUE}).")
    private RowPositions positions;

    /// What pictures go through for this model.
    VisionModel load(Model model, Path projector, boolean attention) {
        try (ProgressBar bar = ProgressBar.onStderr()) {
            bar.fraction("loading " + projector.getFileName(), 0);
            return model.vision(projector, VisionModelOptions.defaults().withAttention(attention));
        }
    }

    VisionOptions options(double keep, TokenPruner pruner) {
        return options(keep, pruner, positions);
    }

    VisionOptions options(double keep, TokenPruner pruner, RowPositions at) {
        return VisionOptions.keeping(keep).withPruner(pruner).withPositions(at);
    }

    /// Ways of placing rows to compare: the one that was asked for, and without gaps.
    List<RowPositions> andCompact() {
        return Stream.of(positions, RowPositions.COMPACT).distinct().toList();
    }

    /// Whether a pruner goes by what the encoder attends to.
    static boolean needsAttention(BuiltInPruner pruner) {
        return pruner.importance() == Importance.GIVEN;
    }

    static BuiltInPruner pruner(String key) {
        try {
            return TokenPruner.named(key);
        } catch (IllegalArgumentException e) {
            throw new TypeConversionException(e.getMessage());
        }
    }
}
