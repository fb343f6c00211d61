package dev.chasqui.examples.swingchat.settings;

import static org.assertj.core.api.Assertions.assertThat;

import dev.chasqui.Sampler;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@Tag("standalone")
class SettingsTest {

    @TempDir
    Path folder;

    @Test
    void whatIsWrittenIsRead() throws IOException {
        SettingsFile file = new SettingsFile(folder.resolve("settings.json"));
        assertThat(file.read()).isEqualTo(Settings.defaults());
        Settings changed = Settings.defaults().withTheme(ThemeChoice.DARK).withModel("m").withSystem("Be brief.").withKeep(0.25)
                .withProjector("/a", "/b").withAnswers(new AnswerSettings(0.1, 7, 0.5, 0.2, 1.1, 99, 42));
        file.write(changed);
        assertThat(file.read()).isEqualTo(changed);
    }

    @Test
    void whatAFileDoesNotSayIsAsByDefault() throws IOException {
        Path path = folder.resolve("settings.json");
        Files.writeString(path, "{\"theme\": \"DARK\", \"answers\": {\"topK\": 3}, \"unknown\": 1}");
        Settings read = new SettingsFile(path).read();
        AnswerSettings answers = AnswerSettings.defaults();
        assertThat(read).isEqualTo(Settings.defaults().withTheme(ThemeChoice.DARK).withAnswers(new AnswerSettings(answers.temperature(), 3, answers.topP(),
                answers.minP(), answers.repeatPenalty(), answers.maxTokens(), answers.seed())));
    }

    @Test
    void aDamagedFileIsPutAside() throws IOException {
        Path path = folder.resolve("settings.json");
        for (String damaged : new String[] {"", "{", "[]", "{\"theme\": \"PINK\"}", "{\"fontSize\": \"big\"}"}) {
            Files.writeString(path, damaged);
            assertThat(new SettingsFile(path).read()).as(damaged).isEqualTo(Settings.defaults());
            assertThat(folder.resolve("settings.json.damaged")).hasContent(damaged);
            assertThat(path).doesNotExist();
        }
    }

    @Property
    void noValueLeavesItsRange(@ForAll double temperature, @ForAll int topK, @ForAll double topP, @ForAll double minP, @ForAll double penalty,
            @ForAll int maxTokens, @ForAll int seed) {
        AnswerSettings answers = new AnswerSettings(temperature, topK, topP, minP, penalty, maxTokens, seed);
        assertThat(answers.temperature()).isBetween(0.0, 2.0);
        assertThat(answers.topK()).isBetween(0, 500);
        assertThat(answers.topP()).isBetween(0.05, 1.0);
        assertThat(answers.minP()).isBetween(0.0, 0.5);
        assertThat(answers.repeatPenalty()).isBetween(1.0, 1.5);
        assertThat(answers.maxTokens()).isBetween(16, 32_768);
        assertThat(answers.seed()).isGreaterThanOrEqualTo(-1);
        assertThat(answers.generation().maxTokens()).isEqualTo(answers.maxTokens());
    }

    @Test
    void aTemperatureOfZeroIsGreedy() {
        Sampler sampler = new AnswerSettings(0, 40, 0.9, 0, 1, 100, 1).generation().sampler();
        assertThat(sampler).isEqualTo(Sampler.greedy());
        assertThat(new AnswerSettings(0.5, 40, 0.9, 0, 1.2, 100, 1).generation().sampler().stages()).hasAtLeastOneElementOfType(Sampler.Penalties.class)
                .last().isEqualTo(new Sampler.Distribution(1));
    }
}
