package soundquestion;

import dev.chasqui.ChatAnswer;
import dev.chasqui.ChatMessage;
import dev.chasqui.ChatOptions;
import dev.chasqui.ChatSession;
import dev.chasqui.ContentPart;
import dev.chasqui.ContextOptions;
import dev.chasqui.GenerationOptions;
import dev.chasqui.Model;
import dev.chasqui.Sampler;
import dev.chasqui.VisionModel;
import dev.chasqui.audio.Audio;
import dev.chasqui.audio.EncodedAudio;
import java.nio.file.Path;

/// Asks questions about a sound, which is computed once.
public final class SoundQuestion {

    private SoundQuestion() {}

    /// @param args language model, projector, sound, questions
    public static void main(String... args) {
        ChatOptions options = ChatOptions.defaults().withGeneration(GenerationOptions.defaults().withSampler(Sampler.greedy()).withMaxTokens(32));
        try (Model model = Model.load(Path.of(args[0]));
             VisionModel hearing = model.vision(Path.of(args[1]));
             ChatSession chat = model.chat(ContextOptions.defaults(), options)) {
            EncodedAudio sound = hearing.encode(Audio.of(Path.of(args[2])));
            IO.println(sound.audio() + ", " + sound.count() + " tokens");
            for (int i = 3; i < args.length; i++) {
                ContentPart question = new ContentPart.Text(args[i]);
                ChatAnswer answer = chat.send(i == 3 ? ChatMessage.user(new ContentPart.Sound(sound), question) : ChatMessage.user(question));
                IO.println("  " + args[i] + " " + answer.text().strip());
                IO.println("    %d of %d tokens were computed before".formatted(answer.stats().cachedTokens(), answer.stats().promptTokens()));
            }
        }
    }
}
