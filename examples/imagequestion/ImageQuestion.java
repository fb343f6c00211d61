package imagequestion;

import dev.chasqui.ChatMessage;
import dev.chasqui.ChatTemplate;
import dev.chasqui.Context;
import dev.chasqui.GenerationOptions;
import dev.chasqui.Model;
import dev.chasqui.Prompt;
import dev.chasqui.Sampler;
import dev.chasqui.Sequence;
import dev.chasqui.VisionModel;
import dev.chasqui.vision.EncodedImage;
import dev.chasqui.vision.Image;
import dev.chasqui.vision.VisionOptions;
import java.nio.file.Path;
import java.util.List;

/// Asks questions about a picture, with all of its tokens and with a quarter of them.
public final class ImageQuestion {

    private ImageQuestion() {}

    /// @param args language model, projector, picture, questions
    public static void main(String... args) {
        try (Model model = Model.load(Path.of(args[0]));
             VisionModel vision = model.vision(Path.of(args[1]));
             ChatTemplate template = model.chatTemplate();
             Context context = model.newContext();
             Sequence sequence = context.newSequence()) {
            EncodedImage whole = vision.encode(Image.of(Path.of(args[2])));
            for (EncodedImage picture : List.of(whole, whole.pruned(VisionOptions.keeping(0.25)))) {
                IO.println(picture.count() + " of " + picture.total() + " tokens");
                for (int i = 3; i < args.length; i++) {
                    Prompt prompt = template.prompt(List.of(ChatMessage.user(args[i])), true, List.of(picture));
                    String answer = sequence.generate(prompt, GenerationOptions.defaults().withSampler(Sampler.greedy()).withMaxTokens(16)).text();
                    IO.println("  " + args[i] + " " + answer.strip());
                }
            }
        }
    }
}
