package dev.chasqui.examples.swingchat.app;

import com.sun.management.OperatingSystemMXBean;
import dev.chasqui.ChasquiException;
import dev.chasqui.GgufFile;
import dev.chasqui.KvType;
import dev.chasqui.examples.swingchat.engine.LoadRequest;
import dev.chasqui.examples.swingchat.settings.Settings;
import dev.chasqui.models.ModelStore;
import dev.chasqui.models.StoredModel;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// The models that there are. It reads files: not for the thread of the user interface.
public final class ModelLibrary {

    private final ModelStore store;

    public ModelLibrary(ModelStore store) {
        this.store = store;
    }

    /// The models of the catalog, after the file that is in use if that is another.
    public List<ModelEntry> list(Settings settings) {
        List<ModelEntry> all = new ArrayList<>();
        String chosen = settings.model();
        if (chosen != null && store.catalog().find(chosen).isEmpty()) {
            all.add(file(Path.of(chosen), settings));
        }
        store.list().forEach(model -> all.add(entry(model, settings)));
        return all;
    }

    /// A file as a model. It need not be one.
    public ModelEntry file(Path file, Settings settings) {
        try {
            GgufFile header = GgufFile.read(file);
            String description = header.name().orElse(file.getFileName().toString());
            boolean encoder = header.architecture().filter("clip"::equals).isPresent();
            return new ModelEntry(file.toString(), description, "", Optional.empty(), header.fileSize(), file, true, encoder ? 0 : memory(header, settings),
                    encoder ? "This file reads pictures for a model. Choose the model first, then this file as its projector." : null);
        } catch (ChasquiException e) {
            return new ModelEntry(file.toString(), file.getFileName().toString(), "", Optional.empty(), 0, file, true, 0, e.getMessage());
        }
    }

    /// What has to be loaded for a name of the catalog or a path; empty if the file is not there.
    public Optional<LoadRequest> request(String name, Settings settings) {
        return store.find(name).map(file -> {
            String title = store.catalog().find(name).isPresent() ? name : file.getFileName().toString();
            return new LoadRequest(title, file, projector(file, settings));
        });
    }

    /// The projector that was chosen for a model, else the only one in its folder.
    private static @Nullable Path projector(Path model, Settings settings) {
        String chosen = settings.projectors().get(model.toString());
        if (chosen != null) {
            return Path.of(chosen);
        }
        Path folder = model.toAbsolutePath().getParent();
        try (Stream<Path> files = Files.list(folder)) {
            List<Path> found = files.filter(file -> {
                String name = file.getFileName().toString().toLowerCase(Locale.ROOT);
                return name.contains("mmproj") && name.endsWith(".gguf");
            }).toList();
            return found.size() == 1 ? found.getFirst() : null;
        } catch (IOException e) {
            return null;
        }
    }

    /// Memory of this machine that is free, in bytes.
    public static long freeMemory() {
        return ManagementFactory.getPlatformMXBean(OperatingSystemMXBean.class).getFreeMemorySize();
    }

    private static ModelEntry entry(StoredModel model, Settings settings) {
        long memory = 0;
        String note = null;
        if (model.cached()) {
            try {
                memory = memory(GgufFile.read(model.path()), settings);
            } catch (ChasquiException e) {
                note = e.getMessage();
            }
        }
        return new ModelEntry(model.name(), model.description(), model.licence(), model.terms(), model.size(), model.path(), model.cached(), memory, note);
    }

    private static long memory(GgufFile header, Settings settings) {
        int size = (int) Math.min(settings.contextSize(), Math.max(Settings.CONTEXT_SIZE.low(), header.contextLength().orElse(settings.contextSize())));
        return header.estimate(size, KvType.F16, KvType.F16).totalBytes();
    }
}
