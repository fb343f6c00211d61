package dev.chasqui.examples.swingchat.app;

import static org.assertj.core.api.Assertions.assertThat;

import dev.chasqui.examples.swingchat.settings.Settings;
import dev.chasqui.models.ModelStore;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@Tag("standalone")
class ModelLibraryTest {

    private static final Path TINY = Path.of(System.getProperty("chasqui.root"), "java-api/src/test/resources/tiny-vlm");

    @TempDir
    Path folder;

    private final Settings settings = Settings.defaults();

    @Test
    void modelsOfTheCatalogAreListedWithTheirSizes() {
        assertThat(new ModelLibrary(ModelStore.at(folder)).list(settings)).extracting(ModelEntry::name).contains("smollm2-135m", "gemma3-270m");
        assertThat(new ModelLibrary(ModelStore.at(folder)).list(settings)).allSatisfy(entry -> {
            assertThat(entry.downloaded()).isFalse();
            assertThat(entry.fileBytes()).isPositive();
            assertThat(entry.memoryBytes()).isZero();
        });
    }

    @Test
    void aFileThatIsInUseIsListedFirstWithTheMemoryItNeeds() throws IOException {
        Path model = TINY.resolve("tiny-text.gguf");
        ModelEntry entry = new ModelLibrary(ModelStore.at(folder)).list(settings.withModel(model.toString())).getFirst();
        assertThat(entry.file()).isEqualTo(model);
        assertThat(entry.memoryBytes()).isGreaterThan(Files.size(model) / 2);
        assertThat(entry.note()).isNull();
    }

    @Test
    void aFileThatIsNoModelSaysWhy() throws IOException {
        Path text = Files.writeString(folder.resolve("x.gguf"), "no model");
        ModelLibrary library = new ModelLibrary(ModelStore.at(folder));
        assertThat(library.file(text, settings).note()).isNotBlank();
        assertThat(library.file(TINY.resolve("tiny-mmproj.gguf"), settings).note()).contains("projector");
    }

    @Test
    void aProjectorIsFoundBesideItsModelUnlessAnotherIsChosen() throws IOException {
        ModelLibrary library = new ModelLibrary(ModelStore.at(folder));
        Path model = Files.createFile(folder.resolve("m.gguf"));
        assertThat(library.request(model.toString(), settings).orElseThrow().projector()).isNull();
        Path one = Files.createFile(folder.resolve("MMPROJ-one.gguf"));
        assertThat(library.request(model.toString(), settings).orElseThrow().projector()).isEqualTo(one);
        Path two = Files.createFile(folder.resolve("mmproj-two.gguf"));
        assertThat(library.request(model.toString(), settings).orElseThrow().projector()).as("which one is not known").isNull();
        assertThat(library.request(model.toString(), settings.withProjector(model.toString(), two.toString())).orElseThrow().projector()).isEqualTo(two);
        assertThat(library.request("nowhere.gguf", settings)).isEmpty();
    }
}
