package snippets;

import dev.chasqui.ChatMessage;
import dev.chasqui.ChatSession;
import dev.chasqui.Model;
import dev.chasqui.TokenEmbeddings;
import dev.chasqui.VisionModel;
import dev.chasqui.vision.EncodedImage;
import dev.chasqui.vision.Image;
import dev.chasqui.vision.PageRanking;
import dev.chasqui.vision.Question;
import dev.chasqui.vision.TokenPruner;
import dev.chasqui.vision.VisionOptions;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.IntStream;

/// Code that the documentation of pictures shows.
final class VisionSnippets {

    private VisionSnippets() {}

    static void vision(Model model, Path projector) {
        // @start region="vision"
        try (VisionModel vision = model.vision(projector); ChatSession chat = model.chat()) {
            EncodedImage picture = vision.encode(Image.of(Path.of("photo.jpg")));
            EncodedImage quarter = picture.pruned(VisionOptions.keeping(0.25));
            System.out.println(chat.send(ChatMessage.user(List.of(quarter), "What is this?")).text());
        }
        // @end
    }

    static void pruner() {
        // @start region="pruner"
        TokenPruner everyOther = (tokens, keep) -> IntStream.range(0, tokens.count()).filter(row -> row % 2 == 0).limit(keep).toArray();
        VisionOptions options = VisionOptions.keeping(0.5).withPruner(everyOther);
        // @end
    }

    static void pages(Model model, List<EncodedImage> pages) {
        // @start region="pages"
        try (TokenEmbeddings embeddings = model.tokenEmbeddings()) {
            Question question = Question.of("Which page has the price?", embeddings);
            List<EncodedImage> best = PageRanking.best(pages, question, PageRanking.Direction.LIKE, 3);
        }
        // @end
    }
}
