package dev.chasqui;

import dev.chasqui.vision.Image;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// The small vision-language model that was trained for this project: pictures of coloured shapes, and questions about them. Its models stay open for the life of
/// the test process.
final class TinyVlm {

    static final Path FOLDER = Path.of("src/test/resources/tiny-vlm");

    /// A question about a picture.
    record Question(int picture, String kind, String text, String answer) {

        Image image() {
            return TinyVlm.image(picture);
        }
    }

    private TinyVlm() {
    }

    /// Positions of one dimension.
    static Model model() {
        return Plain.MODEL;
    }

    static VisionModel vision() {
        return Plain.VISION;
    }

    /// The same weights as a model whose positions have several dimensions.
    static Model gridModel() {
        return Grid.MODEL;
    }

    static VisionModel gridVision() {
        return Grid.VISION;
    }

    static Path projector() {
        return FOLDER.resolve("tiny-mmproj.gguf");
    }

    static Image image(int picture) {
        return Image.of(FOLDER.resolve("img/%03d.png".formatted(picture)));
    }

    static List<Question> questions() {
        String json;
        try {
            json = Files.readString(FOLDER.resolve("qa.json"));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        List<Question> questions = new ArrayList<>();
        Matcher entry = Pattern.compile("\\[\"([^\"]*)\", \"([^\"]*)\", \"([^\"]*)\"]").matcher(json);
        while (entry.find()) {
            questions.add(new Question(questions.size() / 4, entry.group(1), entry.group(2), entry.group(3)));
        }
        return questions;
    }

    private static final class Plain {
        static final Model MODEL = Model.load(FOLDER.resolve("tiny-text.gguf"));
        static final VisionModel VISION = MODEL.vision(projector(), VisionModelOptions.defaults().withAttention(true));
    }

    private static final class Grid {
        static final Model MODEL = Model.load(FOLDER.resolve("mrope-text.gguf"));
        static final VisionModel VISION = MODEL.vision(projector());
    }
}
