package rerank;

import static org.assertj.core.api.Assertions.assertThat;

import dev.chasqui.models.ModelStore;
import examples.Printed;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RerankTest {

    @TempDir
    Path folder;

    @Test
    void everyAnswerHasAPlace() throws Exception {
        Path model = RankingModel.write(folder.resolve("ranking.gguf"));
        List<String> lines = Printed.by(() -> Rerank.main(model.toString())).lines().toList();
        assertThat(lines).hasSize(3);
        assertThat(lines.stream().map(line -> line.replaceFirst("^ *-?[0-9.]+  ", ""))).containsExactlyInAnyOrder(
                "The Amazon carries more water than any other river.", "People in the Andes were the first to grow potatoes.",
                "Potatoes are boiled, baked or fried.");
        assertThat(lines.stream().map(line -> Double.parseDouble(line.strip().split(" ")[0]))).isSortedAccordingTo(Comparator.reverseOrder());
    }

    @Test
    void otherModelsDoNotRank() throws Exception {
        String model = ModelStore.standard().get("smollm2-135m").toString();
        assertThat(Printed.by(() -> Rerank.main(model))).contains("does not rank");
    }
}
