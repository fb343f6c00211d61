package dev.chasqui.cli;

import dev.chasqui.models.ModelStore;
import dev.chasqui.models.StoredModel;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

@Command(name = "models", description = "List, fetch, check and remove named models.", mixinStandardHelpOptions = true)
final class ModelsCommand implements Callable<Integer> {

    @Spec
    private CommandSpec spec;

    @Option(names = "--json", description = "Print one JSON object per model.")
    private boolean json;

    @Override
    public Integer call() {
        return list(json);
    }

    @Command(name = "list", description = "The models that have a name, and whether they are here.", mixinStandardHelpOptions = true)
    int list(@Option(names = "--json", description = "Print one JSON object per model.") boolean asJson) {
        PrintWriter out = spec.commandLine().getOut();
        List<StoredModel> models = ModelStore.standard().list();
        int width = models.stream().mapToInt(model -> model.name().length()).max().orElse(0);
        for (StoredModel model : models) {
            if (asJson || json) {
                Json.line(out, object -> {
                    object.writeStringField("name", model.name());
                    object.writeStringField("description", model.description());
                    object.writeStringField("licence", model.licence());
                    object.writeNumberField("size", model.size());
                    object.writeBooleanField("cached", model.cached());
                    object.writeStringField("path", model.path().toString());
                });
            } else {
                out.printf("%s %-" + width + "s  %10s  %-12s  %s%n", model.cached() ? "*" : " ", model.name(), Bytes.text(model.size()),
                        model.licence(), model.description());
            }
        }
        if (!asJson && !json) {
            out.println();
            out.println("* is in " + ModelStore.standard().directory() + "; 'chasqui models pull NAME' fetches another.");
        }
        return 0;
    }

    @Command(name = "pull", description = "Fetch models.", mixinStandardHelpOptions = true)
    int pull(@Parameters(arity = "1..*", paramLabel = "NAME", description = "Names of models.") List<String> names) {
        for (String name : names) {
            Path file;
            try (DownloadProgress progress = new DownloadProgress()) {
                file = ModelStore.standard().get(name, progress);
            }
            spec.commandLine().getOut().println(file);
        }
        return 0;
    }

    @Command(name = "verify", description = "Compare the checksums of fetched models.", mixinStandardHelpOptions = true)
    int verify(@Parameters(arity = "1..*", paramLabel = "NAME", description = "Names of models.") List<String> names) {
        for (String name : names) {
            try (DownloadProgress progress = new DownloadProgress()) {
                spec.commandLine().getOut().println("ok " + ModelStore.standard().verify(name, progress));
            }
        }
        return 0;
    }

    @Command(name = "remove", description = "Delete fetched models.", mixinStandardHelpOptions = true)
    int remove(@Parameters(arity = "1..*", paramLabel = "NAME", description = "Names of models.") List<String> names) {
        for (String name : names) {
            String result = ModelStore.standard().remove(name) ? "removed " : "was not here: ";
            spec.commandLine().getOut().println(result + name);
        }
        return 0;
    }
}
