package agent;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import dev.chasqui.Model;
import dev.chasqui.models.ModelStore;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDateTime;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class AgentTest {

    @Test
    void eightOfTenTasks(@TempDir Path folder) throws Exception {
        assumeThat(ModelStore.standard().find("qwen2.5-coder-1.5b")).as("fetched before").isPresent();
        Files.writeString(folder.resolve("notes.txt"), "The password of the router is condor42.\nThe dentist is on Thursday at nine.\n");
        Files.createDirectory(folder.resolve("house"));
        Files.writeString(folder.resolve("house/costs.txt"), "The rent is 850 soles a month.\nWater costs 40 soles.\n");
        Agent agent = new Agent(folder, () -> LocalDateTime.of(2031, 5, 4, 14, 30));
        List<String> tasks = Files.readAllLines(Path.of("agent/tasks.txt")).stream().filter(line -> !line.startsWith("#")).toList();
        int done = 0;
        try (Model model = Model.load(ModelStore.standard().get("qwen2.5-coder-1.5b"))) {
            for (String line : tasks) {
                String[] task = line.split("\\|");
                String answer = agent.run(model, task[0], true);
                boolean right = Arrays.stream(task[1].split(",")).anyMatch(answer::contains);
                System.out.println((right ? "done: " : "failed: ") + task[0] + " " + answer);
                done += right ? 1 : 0;
            }
        }
        assertThat(tasks).hasSize(10);
        assertThat(done).isGreaterThanOrEqualTo(8);
    }
}
