package dev.chasqui.cli;

import dev.chasqui.Model;
import dev.chasqui.TokenEmbeddings;
import dev.chasqui.VisionModel;
import dev.chasqui.vision.BuiltInPruner;
import dev.chasqui.vision.EncodedImage;
import dev.chasqui.vision.Question;
import dev.chasqui.vision.TokenPruner;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/// What a model sees and hears with, and how much of pictures it gets to see.
final class PictureOption {

    @Option(names = "--mmproj", paramLabel = "FILE", description = "The projector that makes the model see or hear.")
    private @Nullable Path projector;

    @Option(names = "--keep", paramLabel = "SHARE", defaultValue = "1",
            description = "Lossy: the share of a picture's tokens that the model gets to see (default: all).")
    private double keep;

    @Option(names = "--pruner", paramLabel = "NAME", converter = PrunerConverter.class,
            description = "What chooses them, with options after colons, as mmr:lambda=0.7 (default: herding).")
    private @Nullable BuiltInPruner pruner;

    @Mixin
    private VisionOption vision;

    /// @throws IllegalArgumentException without a projector
    VisionModel load(Model model) {
        if (projector == null) {
            throw new IllegalArgumentException("pictures and sounds need --mmproj, the file that makes the model see and hear");
        }
        return vision.load(model, projector, VisionOption.needsAttention(pruner()));
    }

    /// What the model gets to see of a picture when it is asked something.
    EncodedImage pruned(EncodedImage picture, Model model, String question) {
        BuiltInPruner chosen = pruner();
        return picture.pruned(vision.options(keep, chosen), chosen.usesQuestion() ? question(model, question) : null);
    }

    private BuiltInPruner pruner() {
        return pruner == null ? TokenPruner.herding() : pruner;
    }

    private static Question question(Model model, String text) {
        try (TokenEmbeddings embeddings = model.tokenEmbeddings()) {
            return Question.of(text, embeddings);
        }
    }
}
