package dev.chasqui.jmh;

import dev.chasqui.ChatMessage;
import dev.chasqui.ChatTemplate;
import dev.chasqui.Context;
import dev.chasqui.ContextOptions;
import dev.chasqui.Generation;
import dev.chasqui.GenerationOptions;
import dev.chasqui.Model;
import dev.chasqui.PromptCompressor;
import dev.chasqui.Sampler;
import dev.chasqui.Sequence;
import dev.chasqui.kv.CompressedPrompt;
import dev.chasqui.kv.PromptCompression;
import dev.chasqui.speculation.Speculation;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Random;

/// Codes of five digits hidden in a long text, and questions for each of them: how often the answer to what is left of the prompt has the code, and how often it is that to
/// the whole prompt, by how the tokens are chosen.
///
/// Arguments: model file, text file, results file, tokens of the text, questions, then what is kept, each as `METHOD:TOKENS`, where METHOD is `random`, `window` (the last
/// ones), or `LAYER/SCORE/QUERIES/POOLING` (`13/product/1/5`; `default` for the default layer). Prints JSON rows and appends them to the results file.
public final class PromptCompressionQuality {

    private static final List<String> CITIES = List.of("Lima", "Oslo", "Quito", "Cairo", "Delhi", "Tokyo", "Paris", "Havana", "Lagos", "Sofia", "Riga", "Dakar", "Hanoi",
            "Minsk", "Accra", "Bogota", "Prague", "Tunis", "Vienna", "Manila", "Nairobi", "Zagreb", "Ankara", "Dublin", "Madrid", "Kigali", "Seoul", "Berne", "Doha", "Luanda");
    private static final int LONGEST_ANSWER = 12;
    private static final GenerationOptions GREEDY =
            GenerationOptions.defaults().withSampler(Sampler.greedy()).withMaxTokens(LONGEST_ANSWER).withSpeculation(Speculation.off());

    private final Model model;
    private final ChatTemplate template;
    private final String text;
    private final Sequence sequence;
    private final int[][] prompts;
    private final String[] codes;
    private final Answer[] whole;

    private record Answer(String text, double seconds) { }

    /// @param duration of choosing, seconds
    private record Kept(int[] tokens, double duration) { }

    private PromptCompressionQuality(Model model, ChatTemplate template, Sequence sequence, String text, int questions) {
        this.model = model;
        this.template = template;
        this.sequence = sequence;
        this.text = text;
        this.prompts = new int[questions][];
        this.codes = new String[questions];
        this.whole = new Answer[questions];
    }

    public static void main(String[] args) throws IOException {
        Path file = Path.of(args[0]);
        String text = Files.readString(Path.of(args[1]));
        Path results = Path.of(args[2]);
        int tokens = Integer.parseInt(args[3]);
        int questions = Integer.parseInt(args[4]);
        try (Model model = Model.load(file);
                ChatTemplate template = model.chatTemplate();
                Context context = model.newContext(ContextOptions.defaults().withContextSize(tokens + tokens / 4));
                Sequence sequence = context.newSequence()) {
            var quality = new PromptCompressionQuality(model, template, sequence, text, questions);
            quality.ask(tokens);
            String row = "{\"time\":\"%s\",\"model\":\"%s\",\"tokens\":%d,\"questions\":%d,".formatted(Instant.now().truncatedTo(ChronoUnit.SECONDS),
                    file.getFileName(), quality.prompts[0].length, questions);
            quality.report(results, row + quality.row("whole", Integer.MAX_VALUE, prompt -> new Kept(prompt, 0)));
            for (String method : Arrays.asList(args).subList(5, args.length)) {
                int colon = method.indexOf(':');
                quality.report(results, row + quality.row(method.substring(0, colon), Integer.parseInt(method.substring(colon + 1))));
            }
        }
    }

    private void report(Path results, String row) throws IOException {
        System.out.println(row);
        Files.writeString(results, row + "\n", StandardOpenOption.CREATE, StandardOpenOption.APPEND);
    }

    /// Makes the prompts and answers them whole.
    private void ask(int tokens) {
        String document = document(tokens);
        for (int q = 0; q < prompts.length; q++) {
            String question = document + "\n\nWhat is the access code of the " + CITIES.get(q) + " depot? Answer with the number only.";
            prompts[q] = template.prompt(List.of(ChatMessage.user(question)), true).tokens();
            whole[q] = answer(prompts[q]);
        }
    }

    /// The text with one sentence for each question, at even distances.
    private String document(int tokens) {
        int[] all = model.vocabulary().tokenize(text, false, false);
        Random random = new Random(7);
        var document = new StringBuilder();
        int part = tokens / prompts.length;
        for (int q = 0; q < prompts.length; q++) {
            codes[q] = Integer.toString(10_000 + random.nextInt(90_000));
            String before = model.vocabulary().detokenize(Arrays.copyOfRange(all, q * part, (q + 1) * part - part / 2));
            String after = model.vocabulary().detokenize(Arrays.copyOfRange(all, (q + 1) * part - part / 2, (q + 1) * part));
            document.append(before).append("\nThe access code of the ").append(CITIES.get(q)).append(" depot is ").append(codes[q]).append(".\n").append(after);
        }
        return document.toString();
    }

    private Answer answer(int[] prompt) {
        try (Generation answer = sequence.generate(prompt, GREEDY)) {
            String text = answer.text().strip();
            return new Answer(text, answer.stats().timeToFirstToken().toNanos() / 1e9);
        }
    }

    private String row(String method, int keep) {
        PromptCompression options = PromptCompression.toTokens(keep);
        return switch (method) {
            case "random" -> {
                Random random = new Random(1);
                yield row(method, keep, prompt -> new Kept(random(prompt, keep, options, random), 0));
            }
            case "window" -> row(method, keep, prompt -> new Kept(with(prompt, options.sinks(), keep - options.sinks(), new int[0]), 0));
            default -> {
                String[] parts = method.split("/");
                PromptCompression wanted = options
                        .withScore(PromptCompression.Score.valueOf(parts[1].toUpperCase(Locale.ROOT)))
                        .withQueries(Integer.parseInt(parts[2]))
                        .withPooling(Integer.parseInt(parts[3]));
                if (!parts[0].equals("default")) {
                    wanted = wanted.withLayer(Integer.parseInt(parts[0]));
                }
                try (PromptCompressor compressor = model.promptCompressor(wanted, Arrays.stream(prompts).mapToInt(p -> p.length).max().orElseThrow())) {
                    yield row(method, keep, prompt -> {
                        CompressedPrompt shorter = compressor.compress(prompt);
                        return new Kept(shorter.tokens(), shorter.duration().toNanos() / 1e9);
                    });
                }
            }
        };
    }

    private static int[] random(int[] prompt, int keep, PromptCompression options, Random random) {
        int others = keep - options.sinks() - options.window();
        int[] shuffled = random.ints(options.sinks(), prompt.length - options.window()).distinct().limit(others).sorted().toArray();
        return with(prompt, options.sinks(), options.window(), shuffled);
    }

    private static int[] with(int[] prompt, int first, int last, int[] between) {
        int[] out = Arrays.copyOf(prompt, first + between.length + last);
        for (int i = 0; i < between.length; i++) {
            out[first + i] = prompt[between[i]];
        }
        System.arraycopy(prompt, prompt.length - last, out, first + between.length, last);
        return out;
    }

    private interface Choice {
        Kept of(int[] prompt);
    }

    private String row(String method, int keep, Choice choice) {
        int there = 0;
        int right = 0;
        int same = 0;
        double choosing = 0;
        double first = 0;
        for (int q = 0; q < prompts.length; q++) {
            Kept kept = choice.of(prompts[q]);
            boolean isWhole = kept.tokens().length == prompts[q].length;
            Answer answer = isWhole ? whole[q] : fresh(kept.tokens());
            there += model.vocabulary().detokenize(kept.tokens()).contains(codes[q]) ? 1 : 0;
            right += answer.text().contains(codes[q]) ? 1 : 0;
            same += answer.text().equals(whole[q].text()) ? 1 : 0;
            choosing = q == 0 ? kept.duration() : choosing;
            first = q == 0 ? answer.seconds() : first;
        }
        return String.format(Locale.ROOT, "\"method\":\"%s\",\"keep\":%d,\"code_kept\":%d,\"right\":%d,\"as_whole\":%d,\"choose_s\":%.3f,\"first_token_s\":%.3f}",
                method, Math.min(keep, prompts[0].length), there, right, same, choosing, choosing + first);
    }

    private Answer fresh(int[] prompt) {
        sequence.rewind(0);
        return answer(prompt);
    }
}
