package dev.chasqui;

import static org.assertj.core.api.Assertions.assertThat;

import dev.chasqui.vision.EncodedImage;
import dev.chasqui.vision.Image;
import dev.chasqui.vision.RowPositions;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("standalone")
class VisionModelTest {

    @Test
    void answersQuestions() throws Exception {
        Path folder = Path.of("src/test/resources/tiny-vlm");
        List<String> qa = new ArrayList<>();
        var m = java.util.regex.Pattern.compile("\\[\"([^\"]*)\", \"([^\"]*)\", \"([^\"]*)\"\\]").matcher(java.nio.file.Files.readString(folder.resolve("qa.json")));
        while (m.find()) { qa.add(m.group(2) + "\t" + m.group(3)); }
        for (String name : List.of("tiny", "mrope")) {
            int right = 0;
            try (Model model = Model.load(folder.resolve(name + "-text.gguf"));
                 VisionModel vision = model.vision(folder.resolve("tiny-mmproj.gguf"));
                 Context context = model.newContext(ContextOptions.defaults().withContextSize(512).withKvTypes(KvType.F32, KvType.F32).withFlashAttention(FlashAttention.OFF));
                 Sequence sequence = context.newSequence()) {
                for (int i = 0; i < qa.size(); i++) {
                    EncodedImage image = vision.encode(Image.of(folder.resolve("img/%03d.png".formatted(i / 4))));
                    if (name.equals("mrope")) {
                        EncodedImage.Rows rows = image.chunks().getFirst();
                        image = image.withChunks(List.of(rows.with(rows.kept(), RowPositions.LINEAR, "all")));
                    }
                    String[] q = qa.get(i).split("\t");
                    Prompt prompt = Prompt.builder(model).begin().image(image).text(q[0] + "\nA:").build();
                    String answer = sequence.generate(prompt, GenerationOptions.defaults().withSampler(Sampler.greedy()).withMaxTokens(8)).text();
                    right += answer.strip().equals(q[1]) ? 1 : 0;
                    if (i < 3) System.out.println(image + " " + q[0] + " " + answer);
                }
            }
            System.out.println(name + " " + right / (double) qa.size());
        }
    }
}
