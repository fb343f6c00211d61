package ownpruner;

import dev.chasqui.ChatMessage;
import dev.chasqui.ContextOptions;
import dev.chasqui.GenerationOptions;
import dev.chasqui.Model;
import dev.chasqui.Sampler;
import dev.chasqui.vision.EncodedImage;
import dev.chasqui.vision.Image;
import dev.chasqui.vision.ImageTokens;
import dev.chasqui.vision.KeptTokens;
import dev.chasqui.vision.TokenPruner;
import dev.chasqui.vision.VisionOptions;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;

/// A pruner of one's own: it keeps the tokens that are least like the mean of the picture, which drops the background. Next to it the pruner that comes first
/// in the library, and what both keep as pictures.
public final class OwnPruner {

    private OwnPruner() {}

    /// @param args language model, projector, picture, question, and a folder for pictures of what was kept
    public static void main(String... args) throws IOException {
        TokenPruner unlikeTheMean = OwnPruner::unlikeTheMean;
        Path folder = args.length > 4 ? Path.of(args[4]) : Files.createTempDirectory("ownpruner");
        try (var model = Model.load(Path.of(args[0]));
             var vision = model.vision(Path.of(args[1]));
             var chat = model.chat(ContextOptions.defaults(), GenerationOptions.defaults().withSampler(Sampler.greedy()).withMaxTokens(16))) {
            EncodedImage whole = vision.encode(Image.of(Path.of(args[2])));
            for (TokenPruner pruner : List.of(unlikeTheMean, TokenPruner.herding())) {
                EncodedImage half = whole.pruned(VisionOptions.keeping(0.5).withPruner(pruner));
                String name = pruner == unlikeTheMean ? "unlike-the-mean" : pruner.name();
                KeptTokens.of(half.chunks().getFirst()).write(half.image().toBufferedImage(), folder.resolve(name + ".png"));
                chat.clear();
                IO.println("%s keeps %d of %d tokens: %s".formatted(name, half.count(), half.total(),
                        chat.send(ChatMessage.user(List.of(half), args[3])).text().strip()));
            }
        }
    }

    /// Rows by their distance from the mean of all, the farthest first.
    private static int[] unlikeTheMean(ImageTokens tokens, int keep) {
        double[] mean = new double[tokens.width()];
        for (int i = 0; i < tokens.count(); i++) {
            float[] row = tokens.row(i);
            for (int k = 0; k < mean.length; k++) {
                mean[k] += row[k] / tokens.count();
            }
        }
        double[] distance = new double[tokens.count()];
        for (int i = 0; i < tokens.count(); i++) {
            float[] row = tokens.row(i);
            for (int k = 0; k < mean.length; k++) {
                distance[i] += (row[k] - mean[k]) * (row[k] - mean[k]);
            }
        }
        return IntStream.range(0, tokens.count()).boxed().sorted(Comparator.comparingDouble(i -> -distance[i])).limit(keep)
                .mapToInt(i -> i).sorted().toArray();
    }
}
