package dev.chasqui.models;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/// A model of the catalog as a store sees it.
///
/// @param model  what the catalog says
/// @param path   where its first file is, or will be
/// @param cached whether every file is here, going by their sizes
public record StoredModel(NamedModel model, Path path, boolean cached) {

    public String name() {
        return model.name();
    }

    public String description() {
        return model.description();
    }

    public String licence() {
        return model.licence();
    }

    public Optional<String> terms() {
        return model.terms();
    }

    public List<ModelFile> files() {
        return model.files();
    }

    /// Bytes of all files.
    public long size() {
        return model.size();
    }
}
