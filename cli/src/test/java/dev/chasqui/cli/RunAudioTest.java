package dev.chasqui.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Questions about sounds, to a model that hears noise.
class RunAudioTest {

    private static final Path MODELS = Path.of(System.getProperty("chasqui.root"), "java-api/src/test/resources/tiny-vlm");

    @TempDir
    Path folder;

    private Path projector;
    private Path sound;

    @BeforeEach
    void write() throws IOException {
        projector = TinyEars.projector(folder.resolve("hears.gguf"));
        sound = TinyEars.tone(folder.resolve("tone.wav"));
    }

    private static Cli run(Path projector, String... more) {
        String[] all = {"run", "-m", MODELS.resolve("tiny-text.gguf").toString(), "--mmproj", projector.toString(), "-t", "1", "-n", "4", "--temp", "0", "--json"};
        String[] args = new String[all.length + more.length];
        System.arraycopy(all, 0, args, 0, all.length);
        System.arraycopy(more, 0, args, all.length, more.length);
        return Cli.run(args);
    }

    @Test
    void aSecondIs25Tokens() {
        for (String raw : new String[] {"--speculation=off", "--raw"}) {
            Map<String, Object> one = run(projector, "--audio", sound.toString(), raw, "What is this?").json().getFirst();
            Map<String, Object> two = run(projector, "--audio", sound.toString(), "--audio", sound.toString(), raw, "What is this?").json().getFirst();
            Map<String, Object> none = run(projector, raw, "What is this?").json().getFirst();
            assertThat(one).containsEntry("audio_tokens", 25L).containsKey("audio_encode_ms").doesNotContainKey("image_tokens");
            assertThat(two).containsEntry("audio_tokens", 50L);
            assertThat(none).doesNotContainKey("audio_tokens");
            long first = (long) one.get("prompt_tokens") - (long) none.get("prompt_tokens");
            assertThat(first).isGreaterThan(25);
            assertThat((long) two.get("prompt_tokens") - (long) one.get("prompt_tokens")).isEqualTo(first);
        }
    }

    @Test
    void saysWhatIsWrong() throws IOException {
        Cli blind = Cli.run("run", "-m", MODELS.resolve("tiny-text.gguf").toString(), "--audio", sound.toString(), "What is this?");
        assertThat(blind.status()).isEqualTo(2);
        assertThat(blind.err()).contains("--mmproj");
        Cli deaf = run(MODELS.resolve("tiny-mmproj.gguf"), "--audio", sound.toString(), "What is this?");
        assertThat(deaf.status()).isEqualTo(1);
        assertThat(deaf.err()).contains("takes no sound");
        Path text = Files.writeString(folder.resolve("letter.mp3"), "no sound at all");
        Cli letter = run(projector, "--audio", text.toString(), "What is this?");
        assertThat(letter.status()).isEqualTo(1);
        assertThat(letter.err()).contains("letter.mp3", "WAV, FLAC or MP3");
        assertThat(letter.out()).isEmpty();
    }
}
