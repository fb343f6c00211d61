package pages;

import dev.chasqui.ChatMessage;
import dev.chasqui.ContextOptions;
import dev.chasqui.GenerationOptions;
import dev.chasqui.Model;
import dev.chasqui.Sampler;
import dev.chasqui.vision.EncodedImage;
import dev.chasqui.vision.Image;
import dev.chasqui.vision.PageRanking;
import dev.chasqui.vision.PageRanking.RankedPage;
import dev.chasqui.vision.Question;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/// Many pictures, one question: the pictures are ranked by what they have in common with the question, and the model sees the best one only.
public final class Pages {

    private Pages() {}

    /// @param args language model, projector, LIKE or UNLIKE (see [PageRanking]), question, pictures
    public static void main(String... args) {
        try (var model = Model.load(Path.of(args[0]));
             var vision = model.vision(Path.of(args[1]));
             var embeddings = model.tokenEmbeddings();
             var chat = model.chat(ContextOptions.defaults(), GenerationOptions.defaults().withSampler(Sampler.greedy()).withMaxTokens(16))) {
            var direction = PageRanking.Direction.valueOf(args[2]);
            List<EncodedImage> pages = new ArrayList<>();
            for (int i = 4; i < args.length; i++) {
                pages.add(vision.encode(Image.of(Path.of(args[i]))));
            }
            Question question = Question.of(args[3], embeddings);
            List<RankedPage> ranked = PageRanking.rank(pages, question, direction);
            for (RankedPage page : ranked) {
                IO.println("%+.3f  %s".formatted(page.score(), Path.of(args[4 + page.page()]).getFileName()));
            }
            EncodedImage best = pages.get(ranked.getFirst().page());
            IO.println(args[3] + " " + chat.send(ChatMessage.user(List.of(best), args[3])).text().strip());
        }
    }
}
