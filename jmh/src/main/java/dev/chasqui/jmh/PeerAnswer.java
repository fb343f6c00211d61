package dev.chasqui.jmh;

import dev.chasqui.Context;
import dev.chasqui.ContextOptions;
import dev.chasqui.Generation;
import dev.chasqui.GenerationOptions;
import dev.chasqui.Model;
import dev.chasqui.Sampler;
import dev.chasqui.Sequence;
import dev.chasqui.speculation.Speculation;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;

/// Chasqui's side of [ComparePeers], a process of its own as the peers are: streams a greedy answer, then prints `prefill` and `decode` in tokens per second
/// on stderr.
///
/// Arguments: model file, threads, prompt file, its tokens, tokens to generate, tokens to generate beforehand as a warm-up, `plain` or `speculation`.
public final class PeerAnswer {

    private PeerAnswer() {
    }

    public static void main(String[] args) throws IOException {
        int threads = Integer.parseInt(args[1]);
        String prompt = Files.readString(Path.of(args[2]));
        int promptTokens = Integer.parseInt(args[3]);
        int tokens = Integer.parseInt(args[4]);
        int warmUp = Integer.parseInt(args[5]);
        GenerationOptions options = GenerationOptions.defaults().withSampler(Sampler.greedy()).withIgnoreEnd(true)
                .withSpeculation(args[6].equals("plain") ? Speculation.off() : Speculation.auto());
        try (Model model = Model.load(Path.of(args[0]));
                Context context = model.newContext(ContextOptions.defaults().withContextSize(1024).withThreads(threads));
                Sequence sequence = context.newSequence()) {
            try (Generation generation = sequence.generate(model.vocabulary().tokenize("Hello"), options.withMaxTokens(warmUp))) {
                generation.text();
            }
            sequence.rewind(0);
            long start = System.nanoTime();
            long first = 0;
            try (Generation generation = sequence.generate(model.vocabulary().tokenize(prompt), options.withMaxTokens(tokens))) {
                for (String piece : generation) {
                    if (first == 0) {
                        first = System.nanoTime();
                    }
                    System.out.print(piece);
                    System.out.flush();
                }
            }
            long end = System.nanoTime();
            System.err.print(String.format(Locale.ROOT, "%nprefill %.3f decode %.3f%n", promptTokens / ((first - start) / 1e9),
                    (tokens - 1) / ((end - first) / 1e9)));
        }
    }
}
