package dev.chasqui.cli;

import dev.chasqui.Embedder;
import dev.chasqui.EmbedderOptions;
import dev.chasqui.EmbeddingMatrix;
import dev.chasqui.Model;
import dev.chasqui.Pooling;
import dev.chasqui.Truncation;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

@Command(name = "embed", mixinStandardHelpOptions = true, description = "Print the embedding of each text, as one JSON object per line.")
final class EmbedCommand implements Callable<Integer> {

    private static final int TEXTS_AT_ONCE = 256;

    @Spec
    private CommandSpec spec;

    @Mixin
    private ModelOption model;

    @Parameters(arity = "0..*", paramLabel = "TEXT", description = "Texts. Without any, each line of --file or of standard input is one.")
    private List<String> texts = List.of();

    @Option(names = {"-f", "--file"}, paramLabel = "FILE", description = "A file with a text on each line.")
    private @Nullable Path file;

    @Option(names = "--pooling", paramLabel = "model|mean|first|last", defaultValue = "model",
            description = "How the rows of the tokens become one: as the model has it, their mean, the first, the last (default: ${DEFAULT-VALUE}).")
    private Pooling pooling;

    @Option(names = "--dimensions", paramLabel = "N", defaultValue = "0", description = "Numbers to keep, 0 for all (default: ${DEFAULT-VALUE}).")
    private int dimensions;

    @Option(names = "--raw", description = "Leave the lengths of the embeddings as they are; they have unit length otherwise.")
    private boolean raw;

    @Option(names = "--truncate", paramLabel = "fail|end|start", defaultValue = "fail",
            description = "What to do with texts that are too long: fail, or cut off their end or start (default: ${DEFAULT-VALUE}).")
    private Truncation truncation;

    @Mixin
    private ThreadsOption threads;

    @Option(names = "--json", description = "Does nothing: JSON is what it prints.")
    private boolean json;

    @Override
    public Integer call() throws IOException {
        EmbedderOptions options = EmbedderOptions.defaults().withPooling(pooling).withDimensions(dimensions).withNormalize(!raw)
                .withTruncation(truncation).withThreads(threads.count());
        try (Model loaded = model.load(); Embedder embedder = Embedder.of(loaded, options)) {
            if (!texts.isEmpty()) {
                print(embedder, texts, 0);
                return 0;
            }
            try (BufferedReader lines = file == null
                    ? new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8)) : Files.newBufferedReader(file)) {
                List<String> some = new ArrayList<>();
                int done = 0;
                for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                    some.add(line);
                    if (some.size() == TEXTS_AT_ONCE) {
                        print(embedder, some, done);
                        done += some.size();
                        some.clear();
                    }
                }
                print(embedder, some, done);
            }
        }
        return 0;
    }

    private void print(Embedder embedder, List<String> some, int done) {
        if (some.isEmpty()) {
            return;
        }
        PrintWriter out = spec.commandLine().getOut();
        try (EmbeddingMatrix rows = embedder.embed(some)) {
            for (int i = 0; i < some.size(); i++) {
                int index = i;
                Json.line(out, object -> {
                    object.writeNumberField("index", done + index);
                    object.writeStringField("text", some.get(index));
                    object.writeArrayFieldStart("embedding");
                    for (float number : rows.row(index)) {
                        object.writeNumber(number);
                    }
                    object.writeEndArray();
                });
            }
        }
    }
}
