package dev.chasqui.cli;

import dev.chasqui.ChatMessage;
import dev.chasqui.ChatTemplate;
import dev.chasqui.Context;
import dev.chasqui.ContextOptions;
import dev.chasqui.Generation;
import dev.chasqui.GenerationOptions;
import dev.chasqui.Model;
import dev.chasqui.Prompt;
import dev.chasqui.Sampler;
import dev.chasqui.Sequence;
import dev.chasqui.TokenEmbeddings;
import dev.chasqui.VisionModel;
import dev.chasqui.vision.BuiltInPruner;
import dev.chasqui.vision.EncodedImage;
import dev.chasqui.vision.Image;
import dev.chasqui.vision.Question;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

@Command(name = "vision", mixinStandardHelpOptions = true,
        description = "Ask questions about pictures of which only a share of the tokens is kept. Prints a JSON object for each pruner and share.")
final class BenchVisionCommand implements Callable<Integer> {

    @Spec
    private CommandSpec spec;

    @Mixin
    private ModelOption model;

    @Mixin
    private ThreadsOption threads;

    @Mixin
    private VisionOption vision;

    @Option(names = "--mmproj", required = true, paramLabel = "FILE", description = "The projector that makes the model see.")
    private Path projector;

    @Option(names = "--qa", required = true, paramLabel = "FILE",
            description = "A JSON array of [kind, question, answer], the same number for each picture, in the order of the pictures.")
    private Path questions;

    @Option(names = "--images", required = true, paramLabel = "DIR", description = "The folder of the pictures, PNG or JPEG, in the order of their names.")
    private Path folder;

    @Option(names = "--keep", paramLabel = "SHARE", split = ",", defaultValue = "1,0.5,0.25,0.1",
            description = "Shares of the tokens to keep, separated by commas (default: ${DEFAULT-VALUE}).")
    private List<Double> keep;

    @Option(names = "--pruner", paramLabel = "NAME", split = ",", defaultValue = "herding,mmr,max-sum,random", converter = PrunerConverter.class,
            description = "Pruners, separated by commas (default: ${DEFAULT-VALUE}). Others are compared with the one named random.")
    private List<BuiltInPruner> pruners;

    @Option(names = {"-n", "--tokens"}, paramLabel = "N", defaultValue = "16", description = "Most tokens of an answer (default: ${DEFAULT-VALUE}).")
    private int tokens;

    @Option(names = "--json", description = "Accepted for symmetry: the output is JSON in any case.")
    private boolean json;

    /// A question about a picture, and what it should be answered.
    private record Item(int picture, String kind, String question, String answer) { }

    /// How a pruner did: one entry a question.
    private record Result(boolean[] right, double[] selectMillis, double[] firstTokenMillis, int[] kept) {

        double accuracy() {
            return count() / (double) right.length;
        }

        int count() {
            return (int) IntStream.range(0, right.length).filter(i -> right[i]).count();
        }

        /// Binomial standard error.
        double error() {
            return Math.sqrt(accuracy() * (1 - accuracy()) / right.length);
        }
    }

    @Override
    public Integer call() throws IOException {
        List<Path> pictures = pictures();
        List<Item> items = items(pictures.size());
        boolean attention = pruners.stream().anyMatch(VisionOption::needsAttention);
        try (Model loaded = model.load(); VisionModel eyes = vision.load(loaded, projector, attention)) {
            List<EncodedImage> encoded = new ArrayList<>();
            for (Path picture : pictures) {
                encoded.add(eyes.encode(Image.of(picture)));
            }
            int longest = encoded.stream().mapToInt(EncodedImage::total).max().orElseThrow() + 512 + tokens;
            boolean asked = pruners.stream().anyMatch(BuiltInPruner::usesQuestion);
            try (Context context = loaded.newContext(threads.apply(ContextOptions.defaults().withContextSize(longest)));
                    Sequence sequence = context.newSequence();
                    ChatTemplate template = loaded.chatTemplate();
                    @Nullable TokenEmbeddings embeddings = asked ? loaded.tokenEmbeddings() : null) {
                for (double share : keep) {
                    Map<BuiltInPruner, Result> results = new LinkedHashMap<>();
                    for (BuiltInPruner pruner : pruners) {
                        results.put(pruner, ask(sequence, template, embeddings, encoded, items, share, pruner));
                    }
                    results.forEach((pruner, result) -> print(share, pruner, result, control(results, pruner), encoded, items));
                }
            }
        }
        return 0;
    }

    private List<Path> pictures() throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            List<Path> pictures = files.filter(file -> file.getFileName().toString().toLowerCase(java.util.Locale.ROOT).matches(".*\\.(png|jpe?g)")).sorted().toList();
            if (pictures.isEmpty()) {
                throw new ParameterException(spec.commandLine(), folder + " holds no PNG or JPEG files");
            }
            return pictures;
        }
    }

    private List<Item> items(int pictures) throws IOException {
        List<List<String>> rows = Json.table(questions);
        if (rows.isEmpty() || rows.size() % pictures != 0 || rows.stream().anyMatch(row -> row.size() != 3)) {
            throw new ParameterException(spec.commandLine(), questions + ": %d questions for %d pictures; each must be [kind, question, answer], as many for each picture"
                    .formatted(rows.size(), pictures));
        }
        List<Item> items = new ArrayList<>();
        for (List<String> row : rows) {
            items.add(new Item(items.size() * pictures / rows.size(), row.get(0), row.get(1), row.get(2)));
        }
        return items;
    }

    private Result ask(Sequence sequence, ChatTemplate template, @Nullable TokenEmbeddings embeddings, List<EncodedImage> encoded, List<Item> items, double share,
            BuiltInPruner pruner) {
        int n = items.size();
        Result result = new Result(new boolean[n], new double[n], new double[n], new int[n]);
        GenerationOptions options = GenerationOptions.defaults().withSampler(Sampler.greedy()).withMaxTokens(tokens);
        for (int i = 0; i < n; i++) {
            Item item = items.get(i);
            Question question = embeddings != null && pruner.usesQuestion() ? Question.of(item.question(), embeddings) : null;
            EncodedImage seen = encoded.get(item.picture()).pruned(vision.options(share, pruner), question);
            Prompt prompt = template.prompt(List.of(ChatMessage.user(item.question())), true, List.of(seen));
            sequence.rewind(0);
            try (Generation generation = sequence.generate(prompt, options)) {
                result.right()[i] = generation.text().strip().equals(item.answer());
                result.firstTokenMillis()[i] = generation.stats().timeToFirstToken().toNanos() / 1e6;
            }
            result.selectMillis()[i] = seen.stats().selectTime().toNanos() / 1e6;
            result.kept()[i] = seen.count();
        }
        return result;
    }

    private static @Nullable Result control(Map<BuiltInPruner, Result> results, BuiltInPruner pruner) {
        return results.entrySet().stream().filter(e -> e.getKey().name().equals("random") && !e.getKey().equals(pruner)).map(Map.Entry::getValue)
                .findFirst().orElse(null);
    }

    private void print(double share, BuiltInPruner pruner, Result result, @Nullable Result control, List<EncodedImage> encoded, List<Item> items) {
        Json.line(spec.commandLine().getOut(), object -> {
            object.writeStringField("model", model.name());
            object.writeStringField("pruner", pruner.key());
            object.writeNumberField("keep", share);
            object.writeNumberField("tokens", encoded.getFirst().total());
            object.writeNumberField("kept", result.kept()[0]);
            object.writeNumberField("questions", items.size());
            object.writeNumberField("accuracy", result.accuracy());
            object.writeNumberField("standard_error", result.error());
            if (control != null) {
                object.writeNumberField("p_against_random", Statistics.mcNemar(result.right(), control.right()));
            }
            object.writeNumberField("encode_ms", Statistics.median(encoded.stream().mapToDouble(e -> e.stats().encodeTime().toNanos() / 1e6).toArray()));
            object.writeNumberField("select_ms", Statistics.median(result.selectMillis()));
            object.writeNumberField("ttft_ms", Statistics.median(result.firstTokenMillis()));
            object.writeObjectFieldStart("kinds");
            for (String kind : items.stream().map(Item::kind).distinct().sorted().toList()) {
                int[] of = IntStream.range(0, items.size()).filter(i -> items.get(i).kind().equals(kind)).toArray();
                object.writeNumberField(kind, IntStream.of(of).filter(i -> result.right()[i]).count() / (double) of.length);
            }
            object.writeEndObject();
        });
    }
}
