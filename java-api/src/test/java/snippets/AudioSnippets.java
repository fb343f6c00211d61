package snippets;

import dev.chasqui.ChatMessage;
import dev.chasqui.ChatSession;
import dev.chasqui.ContentPart;
import dev.chasqui.Model;
import dev.chasqui.VisionModel;
import dev.chasqui.audio.Audio;
import dev.chasqui.audio.EncodedAudio;
import java.nio.file.Path;

/// Code that the documentation of sound shows.
final class AudioSnippets {

    private AudioSnippets() {}

    static void samples(float[] recorded) {
        // @start region="samples"
        Audio file = Audio.of(Path.of("question.wav"));
        Audio live = Audio.ofSamples(48_000, recorded);
        // @end
    }

    static void hear(Model model, Path projector) {
        // @start region="hear"
        try (VisionModel hearing = model.vision(projector); ChatSession chat = model.chat()) {
            EncodedAudio sound = hearing.encode(Audio.of(Path.of("bird.mp3")));
            System.out.println(chat.send(ChatMessage.user(new ContentPart.Sound(sound), new ContentPart.Text("Which bird is this?"))).text());
        }
        // @end
    }
}
