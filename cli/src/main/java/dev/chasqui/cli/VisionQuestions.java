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
import dev.chasqui.vision.RelevanceCheck;
import dev.chasqui.vision.VisionOptions;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// Questions about pictures, and answers that a model gives with some of the pictures' tokens. Each picture is encoded once.
final class VisionQuestions implements AutoCloseable {

    /// A question about a picture, and what it should be answered.
    record Item(int picture, String kind, String question, String answer) { }

    /// How a pruner did: one entry a question.
    record Result(boolean[] right, double[] selectMillis, double[] firstTokenMillis, int[] kept) {

        double accuracy() {
            return count() / (double) right.length;
        }

        private int count() {
            return (int) IntStream.range(0, right.length).filter(i -> right[i]).count();
        }

        /// Binomial standard error.
        double error() {
            return Math.sqrt(accuracy() * (1 - accuracy()) / right.length);
        }
    }

    private final List<Item> items;
    private final List<EncodedImage> encoded = new ArrayList<>();
    private final int tokens;
    private final ChatTemplate template;
    private final Context context;
    private final Sequence sequence;
    private final @Nullable TokenEmbeddings embeddings;

    /// @param tokens most tokens of an answer
    /// @param asked  whether a pruner will look at questions
    VisionQuestions(Model model, VisionModel vision, List<Path> pictures, List<Item> items, int tokens, boolean asked, ThreadsOption threads) {
        this.items = items;
        this.tokens = tokens;
        for (Path picture : pictures) {
            encoded.add(vision.encode(Image.of(picture)));
        }
        int longest = encoded.stream().mapToInt(EncodedImage::total).max().orElseThrow() + 512 + tokens;
        this.template = model.chatTemplate();
        this.context = model.newContext(threads.apply(ContextOptions.defaults().withContextSize(longest)));
        this.sequence = context.newSequence();
        this.embeddings = asked ? model.tokenEmbeddings() : null;
    }

    /// The pictures of a folder, in the order of their names.
    static List<Path> pictures(Path folder) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            List<Path> pictures = files.filter(file -> file.getFileName().toString().toLowerCase(Locale.ROOT).matches(".*\\.(png|jpe?g)")).sorted().toList();
            if (pictures.isEmpty()) {
                throw new IOException(folder + " holds no PNG or JPEG files");
            }
            return pictures;
        }
    }

    /// The questions of a file, as many for each picture.
    static List<Item> items(Path file, int pictures) throws IOException {
        List<List<String>> rows = Json.table(file);
        if (rows.isEmpty() || rows.size() % pictures != 0 || rows.stream().anyMatch(row -> row.size() != 3)) {
            throw new IOException(file + ": %d questions for %d pictures; each must be [kind, question, answer], as many for each picture"
                    .formatted(rows.size(), pictures));
        }
        List<Item> items = new ArrayList<>();
        for (List<String> row : rows) {
            items.add(new Item(items.size() * pictures / rows.size(), row.get(0), row.get(1), row.get(2)));
        }
        return items;
    }

    List<EncodedImage> encoded() {
        return encoded;
    }

    /// Asks all questions.
    ///
    /// @param timed whether each question starts from nothing, so that times mean something; otherwise those about the same rows share what they begin with
    Result ask(VisionOptions options, BuiltInPruner pruner, boolean timed) {
        int n = items.size();
        Result result = new Result(new boolean[n], new double[n], new double[n], new int[n]);
        GenerationOptions greedy = GenerationOptions.defaults().withSampler(Sampler.greedy()).withMaxTokens(tokens);
        EncodedImage seen = encoded.getFirst();
        sequence.rewind(0);
        for (int i = 0; i < n; i++) {
            Item item = items.get(i);
            Question question = embeddings != null && pruner.usesQuestion() ? Question.of(item.question(), embeddings) : null;
            if (timed || question != null || i == 0 || item.picture() != items.get(i - 1).picture()) {
                seen = encoded.get(item.picture()).pruned(options, question);
            }
            Prompt prompt = template.prompt(List.of(ChatMessage.user(item.question())), true, List.of(seen));
            if (timed) {
                sequence.rewind(0);
            }
            try (Generation generation = sequence.generate(prompt, greedy)) {
                result.right()[i] = generation.text().strip().equals(item.answer());
                result.firstTokenMillis()[i] = generation.stats().timeToFirstToken().toNanos() / 1e6;
            }
            result.selectMillis()[i] = seen.stats().selectTime().toNanos() / 1e6;
            result.kept()[i] = seen.count();
        }
        return result;
    }

    /// What likeness to the question is worth with this model.
    RelevanceCheck checkRelevance(double keep) {
        return RelevanceCheck.run(sequence, items.stream().map(item -> new RelevanceCheck.Sample(encoded.get(item.picture()), item.question())).toList(), keep);
    }

    /// Shares of right answers by kind.
    double share(Result result, String kind) {
        int[] of = IntStream.range(0, items.size()).filter(i -> items.get(i).kind().equals(kind)).toArray();
        return IntStream.of(of).filter(i -> result.right()[i]).count() / (double) of.length;
    }

    List<String> kinds() {
        return items.stream().map(Item::kind).distinct().sorted().toList();
    }

    int count() {
        return items.size();
    }

    @Override
    public void close() {
        if (embeddings != null) {
            embeddings.close();
        }
        sequence.close();
        context.close();
        template.close();
    }
}
