package dev.chasqui.cli;

import dev.chasqui.Context;
import dev.chasqui.ContextOptions;
import dev.chasqui.Model;
import dev.chasqui.Sequence;
import dev.chasqui.Vocabulary;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

@Command(name = "perplexity", mixinStandardHelpOptions = true,
        description = "Perplexity of a text, counted as llama-perplexity does: over the second half of each chunk.")
final class PerplexityCommand implements Callable<Integer> {

    @Spec
    private CommandSpec spec;

    @Mixin
    private ModelOption model;

    @Mixin
    private ThreadsOption threads;

    @Option(names = {"-f", "--file"}, paramLabel = "TEXT", required = true, description = "The text, UTF-8.")
    private Path file;

    @Option(names = {"-c", "--context"}, paramLabel = "N", defaultValue = "512", description = "Tokens of a chunk (default: ${DEFAULT-VALUE}).")
    private int chunkSize;

    @Option(names = "--chunks", paramLabel = "N", defaultValue = "-1", description = "Most chunks to evaluate, -1 for all (default: ${DEFAULT-VALUE}).")
    private int maxChunks;

    @Option(names = "--json", description = "Print the result as a JSON object.")
    private boolean json;

    @Override
    public Integer call() throws IOException {
        if (chunkSize < 4) {
            throw new IllegalArgumentException("--context must be at least 4");
        }
        byte[] text = Files.readAllBytes(file);
        try (Model loaded = model.load()) {
            int[] tokens = loaded.vocabulary().tokenize(text, true, false);
            if (tokens.length < 2 * chunkSize) {
                throw new IllegalArgumentException("%s has %d tokens; a context of %d needs at least %d"
                        .formatted(file, tokens.length, chunkSize, 2 * chunkSize));
            }
            evaluate(loaded, tokens);
        }
        return 0;
    }

    private void evaluate(Model loaded, int[] tokens) {
        Vocabulary vocabulary = loaded.vocabulary();
        int chunks = tokens.length / chunkSize;
        if (maxChunks >= 0) {
            chunks = Math.min(chunks, maxChunks);
        }
        int first = chunkSize / 2;
        double sum = 0;
        double squares = 0;
        long count = 0;
        ContextOptions options = threads.apply(ContextOptions.defaults().withContextSize(chunkSize).withMaxLogitRows(512));
        try (Context context = loaded.newContext(options);
                Sequence sequence = context.newSequence();
                ProgressBar bar = ProgressBar.onStderr()) {
            for (int i = 0; i < chunks; i++) {
                int[] chunk = Arrays.copyOfRange(tokens, i * chunkSize, (i + 1) * chunkSize);
                if (vocabulary.addsBeginOfText() && vocabulary.special().beginOfText().isPresent()) {
                    chunk[0] = vocabulary.special().beginOfText().getAsInt();
                }
                sequence.rewind(0);
                sequence.append(Arrays.copyOf(chunk, first + 1));
                for (float logProbability : sequence.score(Arrays.copyOfRange(chunk, first + 1, chunkSize))) {
                    sum -= logProbability;
                    squares += (double) logProbability * logProbability;
                    count++;
                }
                bar.fraction("chunk %d of %d, perplexity %.4f".formatted(i + 1, chunks, Math.exp(sum / count)), (i + 1.0) / chunks);
            }
        }
        print(sum / count, squares / count, count, chunks);
    }

    private void print(double mean, double meanSquare, long count, int chunks) {
        double perplexity = Math.exp(mean);
        double error = count > 1 ? perplexity * Math.sqrt(Math.max(0, meanSquare - mean * mean) / (count - 1)) : 0;
        PrintWriter out = spec.commandLine().getOut();
        if (json) {
            Json.line(out, object -> {
                object.writeStringField("model", model.name());
                object.writeStringField("file", file.toString());
                object.writeNumberField("context", chunkSize);
                object.writeNumberField("chunks", chunks);
                object.writeNumberField("tokens", count);
                object.writeNumberField("perplexity", perplexity);
                object.writeNumberField("stderr", error);
            });
        } else {
            out.printf(Locale.ROOT, "perplexity %.4f ± %.4f (%d tokens in %d chunks of %d)%n", perplexity, error, count, chunks, chunkSize);
        }
    }
}
