package dev.chasqui.models;

import dev.chasqui.json.Json;
import dev.chasqui.json.JsonException;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.URISyntaxException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.function.Supplier;

/// A list of named models. Immutable.
///
/// [#builtIn()] is the list that comes with the library. A list of one's own has the same form (`docs/models.md`) and is read
/// with [#read(Path)] or built of [NamedModel] records.
public final class ModelCatalog {

    private static final String RESOURCE = "models.json";

    private final Map<String, NamedModel> models;
    private final Optional<String> defaultName;

    private ModelCatalog(Map<String, NamedModel> models, Optional<String> defaultName) {
        this.models = Collections.unmodifiableMap(models);
        this.defaultName = defaultName;
    }

    /// The models that come with the library.
    public static ModelCatalog builtIn() {
        return BuiltIn.CATALOG;
    }

    /// A catalog of these models, without a default.
    public static ModelCatalog of(NamedModel... models) {
        Map<String, NamedModel> byName = new LinkedHashMap<>();
        for (NamedModel model : models) {
            if (byName.put(model.name(), model) != null) {
                throw new IllegalArgumentException("two models are named '" + model.name() + "'");
            }
        }
        return new ModelCatalog(byName, Optional.empty());
    }

    /// Reads a catalog file.
    ///
    /// @throws ModelStoreException if it cannot be read or is not a catalog; the message has file, line and column
    public static ModelCatalog read(Path file) {
        try {
            return parse(file.toString(), Files.readString(file));
        } catch (IOException e) {
            throw new ModelStoreException("cannot read the model catalog " + file + ": " + e, e);
        }
    }

    /// All models, in the order of the file.
    public List<NamedModel> models() {
        return List.copyOf(models.values());
    }

    public Optional<NamedModel> find(String name) {
        return Optional.ofNullable(models.get(Objects.requireNonNull(name, "name")));
    }

    /// The name of the model to use when nothing else is asked for.
    public Optional<String> defaultName() {
        return defaultName;
    }

    /// A copy with the models of another catalog added. Where both have a name or a default, the other one's is taken.
    public ModelCatalog with(ModelCatalog other) {
        Map<String, NamedModel> all = new LinkedHashMap<>(models);
        all.putAll(other.models);
        return new ModelCatalog(all, other.defaultName.or(() -> defaultName));
    }

    static ModelCatalog parse(String origin, String text) {
        try {
            return read(origin, text);
        } catch (JsonException e) {
            throw new ModelStoreException(e.getMessage(), e);
        }
    }

    private static ModelCatalog read(String origin, String text) {
        Json root = Json.parse(origin, text);
        root.object("default", "models");
        Map<String, NamedModel> models = new LinkedHashMap<>();
        root.member("models").members().forEach((name, json) -> models.put(name, model(name, json)));
        Json defaultName = root.members().get("default");
        if (defaultName != null && !models.containsKey(defaultName.string())) {
            throw defaultName.error("there is no model \"" + defaultName.string() + "\"");
        }
        return new ModelCatalog(models, Optional.ofNullable(defaultName).map(Json::string));
    }

    private static NamedModel model(String name, Json json) {
        json.object("description", "licence", "terms", "files");
        List<ModelFile> files = new ArrayList<>();
        for (Json file : json.member("files").array()) {
            files.add(file(file));
        }
        return checked(json, () -> new NamedModel(
                name,
                json.member("description").string(),
                json.member("licence").string(),
                Optional.ofNullable(json.members().get("terms")).map(Json::string),
                files));
    }

    private static ModelFile file(Json json) {
        json.object("name", "size", "sha256", "sources");
        List<ModelSource> sources = new ArrayList<>();
        for (Json source : json.member("sources").array()) {
            sources.add(source(source));
        }
        return checked(json, () -> new ModelFile(
                json.member("name").string(), json.member("size").integer(), json.member("sha256").string(), sources));
    }

    private static ModelSource source(Json json) {
        Map<String, Json> members = json.object("url", "python");
        if (members.size() != 1) {
            throw json.error("a source has either \"url\" or \"python\"");
        }
        Json url = members.get("url");
        if (url != null) {
            return checked(url, () -> new ModelSource.Web(uri(url)));
        }
        List<ModelSource.Part> parts = new ArrayList<>();
        for (Json part : json.member("python").array()) {
            part.object("package", "member", "size");
            parts.add(checked(part, () -> new ModelSource.Part(
                    part.member("package").string(), part.member("member").string(), part.member("size").integer())));
        }
        return checked(json, () -> new ModelSource.PythonPackages(parts));
    }

    private static URI uri(Json json) {
        try {
            return new URI(json.string());
        } catch (URISyntaxException e) {
            throw json.error(e.getMessage());
        }
    }

    /// Gives the complaint of a record's constructor the place in the file.
    private static <T> T checked(Json json, Supplier<T> constructor) {
        try {
            return constructor.get();
        } catch (IllegalArgumentException e) {
            throw json.error(e.getMessage());
        }
    }

    private static final class BuiltIn {
        static final ModelCatalog CATALOG = load();

        private static ModelCatalog load() {
            try (InputStream in = ModelCatalog.class.getResourceAsStream(RESOURCE)) {
                if (in == null) {
                    throw new IllegalStateException("this build of the library lacks its " + RESOURCE);
                }
                return parse(RESOURCE, new String(in.readAllBytes(), StandardCharsets.UTF_8));
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
    }
}
