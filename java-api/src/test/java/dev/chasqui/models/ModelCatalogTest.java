package dev.chasqui.models;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

@Tag("standalone")
class ModelCatalogTest {

    private static final String SHA = "0123456789abcdef".repeat(4);

    private static final String VALID = """
            {"default": "tiny", "models": {"tiny": {"description": "d", "licence": "MIT", "terms": "be kind", "files": [
              {"name": "tiny.gguf", "size": 10, "sha256": "%s", "sources": [
                {"url": "https://example.org/tiny.gguf"},
                {"python": [{"package": "tiny==1.0", "member": "tiny/a", "size": 4},
                            {"package": "tiny-b==1.0", "member": "tiny/b", "size": 6}]}]}]}}}
            """.formatted(SHA);

    @Test
    void builtInCatalogHasTheDocumentedModels() {
        ModelCatalog catalog = ModelCatalog.builtIn();

        assertThat(catalog.defaultName()).contains("smollm2-135m");
        assertThat(catalog.models()).extracting(NamedModel::name)
                .containsExactly("smollm2-135m", "qwen2.5-coder-0.5b", "qwen2.5-coder-1.5b", "gemma3-270m");
        assertThat(catalog.find("qwen2.5-coder-0.5b").orElseThrow().size()).isEqualTo(491_400_064);
        assertThat(catalog.find("qwen2.5-coder-1.5b").orElseThrow().size()).isEqualTo(1_117_320_768);
        assertThat(catalog.find("gemma3-270m").orElseThrow().terms()).hasValueSatisfying(terms ->
                assertThat(terms).contains("Gemma Terms of Use"));
        assertThat(catalog.models()).allSatisfy(model -> assertThat(model.files()).allSatisfy(file ->
                assertThat(file.sources()).anyMatch(ModelSource.PythonPackages.class::isInstance)));
    }

    @Test
    void readsEveryField(@TempDir Path dir) throws Exception {
        ModelCatalog catalog = ModelCatalog.read(Files.writeString(dir.resolve("mine.json"), VALID));

        NamedModel tiny = catalog.find("tiny").orElseThrow();
        assertThat(tiny.description()).isEqualTo("d");
        assertThat(tiny.licence()).isEqualTo("MIT");
        assertThat(tiny.terms()).contains("be kind");
        ModelFile file = tiny.files().getFirst();
        assertThat(file.sha256()).isEqualTo(SHA);
        assertThat(file.sources()).containsExactly(
                new ModelSource.Web(URI.create("https://example.org/tiny.gguf")),
                new ModelSource.PythonPackages(List.of(
                        new ModelSource.Part("tiny==1.0", "tiny/a", 4), new ModelSource.Part("tiny-b==1.0", "tiny/b", 6))));
    }

    @Test
    void laterCatalogWins() {
        ModelCatalog own = ModelCatalog.parse("own", VALID.replace("tiny\"", "gemma3-270m\""));
        ModelCatalog both = ModelCatalog.builtIn().with(own);

        assertThat(both.models()).hasSize(4);
        assertThat(both.find("gemma3-270m").orElseThrow().description()).isEqualTo("d");
        assertThat(both.defaultName()).contains("gemma3-270m");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', value = {
        "\"default\": \"tiny\"|\"default\": \"big\"|1:13: there is no model \"big\"",
        "\"licence\": \"MIT\"|\"license\": \"MIT\"|unknown key \"license\"",
        "\"licence\": \"MIT\", |`` |\"licence\" is missing",
        "\"size\": 10|\"size\": 11|2:3: the parts of 'tiny.gguf' are 10 bytes, the file 11",
        "\"size\": 10|\"size\": -1|must be positive",
        "\"size\": 10|\"size\": \"10\"|expected an integer",
        "tiny.gguf\", \"size|../../x\", \"size|file name '../../x' may only have",
        "\"tiny\": {|\"..\": {|model name '..' may only have",
        "0123456789abcdef0123|0123456789ABCDEF0123|64 lower-case",
        "tiny==1.0|--index-url|is not of the form package==version",
        "tiny==1.0|tiny>=1.0|is not of the form package==version",
        "https://example|file://example|not an http or https URL",
        "{\"url\": \"https://example.org/tiny.gguf\"},|{},|3:5: a source has either",
    })
    void saysWhatIsWrongAndWhere(String text, String replacement, String message) {
        String broken = VALID.replace(text, replacement == null ? "" : replacement);
        assertThat(broken).isNotEqualTo(VALID);

        assertThatThrownBy(() -> ModelCatalog.parse("own.json", broken))
                .isInstanceOf(ModelStoreException.class)
                .hasMessageStartingWith("own.json:")
                .hasMessageContaining(message);
    }

    @ParameterizedTest
    @ValueSource(strings = {"", ".", "..", "a/b", "a\\b", ".hidden", "a b", "trailing."})
    void modelNamesCannotLeaveTheCache(String name) {
        assertThatThrownBy(() -> NamedModel.requireSafeName("model", name)).isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void missingFileIsNamed(@TempDir Path dir) {
        Path missing = dir.resolve("none.json");
        assertThatThrownBy(() -> ModelCatalog.read(missing))
                .isInstanceOf(ModelStoreException.class).hasMessageContaining(missing.toString());
    }
}
