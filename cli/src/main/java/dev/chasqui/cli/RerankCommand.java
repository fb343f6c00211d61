package dev.chasqui.cli;

import dev.chasqui.Model;
import dev.chasqui.Reranker;
import dev.chasqui.RerankerOptions;
import dev.chasqui.Truncation;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

@Command(name = "rerank", mixinStandardHelpOptions = true, description = "Sort documents by how well they answer a query, with a reranking model.")
final class RerankCommand implements Callable<Integer> {

    @Spec
    private CommandSpec spec;

    @Mixin
    private ModelOption model;

    @Parameters(index = "0", paramLabel = "QUERY", description = "What is asked.")
    private String query;

    @Parameters(index = "1..*", arity = "0..*", paramLabel = "DOCUMENT",
            description = "Documents. Without any, each line of --file or of standard input is one.")
    private List<String> documents = List.of();

    @Option(names = {"-f", "--file"}, paramLabel = "FILE", description = "A file with a document on each line.")
    private @Nullable Path file;

    @Option(names = "--top", paramLabel = "N", defaultValue = "0", description = "Print the best N only, 0 for all (default: ${DEFAULT-VALUE}).")
    private int top;

    @Option(names = "--truncate", paramLabel = "fail|end|start", defaultValue = "end",
            description = "What to do with documents that are too long: fail, or cut off their end or start (default: ${DEFAULT-VALUE}).")
    private Truncation truncation;

    @Mixin
    private ThreadsOption threads;

    @Option(names = "--json", description = "Print a JSON object per document.")
    private boolean json;

    @Override
    public Integer call() throws IOException {
        List<String> all = documents();
        try (Model loaded = model.load();
                Reranker reranker = Reranker.of(loaded, RerankerOptions.defaults().withTruncation(truncation).withThreads(threads.count()))) {
            PrintWriter out = spec.commandLine().getOut();
            List<Reranker.Ranked> ranked = reranker.rank(query, all);
            for (Reranker.Ranked one : top > 0 ? ranked.subList(0, Math.min(top, ranked.size())) : ranked) {
                if (json) {
                    Json.line(out, object -> {
                        object.writeNumberField("index", one.index());
                        object.writeNumberField("score", one.score());
                        object.writeStringField("text", all.get(one.index()));
                    });
                } else {
                    out.printf("%10.4f  %s%n", one.score(), all.get(one.index()));
                }
            }
        }
        return 0;
    }

    private List<String> documents() throws IOException {
        if (!documents.isEmpty()) {
            return documents;
        }
        if (file != null) {
            return Files.readAllLines(file);
        }
        return new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8)).lines().toList();
    }
}
