package dev.chasqui.cli;

import dev.chasqui.ChatMessage;
import dev.chasqui.ChatTemplate;
import dev.chasqui.Context;
import dev.chasqui.ContextOptions;
import dev.chasqui.Generation;
import dev.chasqui.GenerationOptions;
import dev.chasqui.GenerationStats;
import dev.chasqui.Model;
import dev.chasqui.Sampler;
import dev.chasqui.Sequence;
import dev.chasqui.RecyclingTable;
import dev.chasqui.speculation.Speculation;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

@Command(name = "speculation", mixinStandardHelpOptions = true,
        description = "Answer prompts with and without speculation, in turns in one process. Prints a JSON object for each prompt, each category and all.")
final class BenchSpeculationCommand implements Callable<Integer> {

    @Spec
    private CommandSpec spec;

    @Mixin
    private ModelOption model;

    @Mixin
    private ThreadsOption threads;

    @Option(names = "--prompts", required = true, paramLabel = "FILE",
            description = "JSON lines with prompt (text) or turns (texts, the first is used), and perhaps category and an id (question_id, task_id).")
    private Path prompts;

    @Option(names = {"-n", "--tokens"}, paramLabel = "N", defaultValue = "256", description = "Tokens to generate (default: ${DEFAULT-VALUE}).")
    private int tokens;

    @Option(names = "--limit", paramLabel = "N", defaultValue = "1000000", description = "Prompts of each category at most.")
    private int limit;

    @Option(names = "--raw", description = "Continue each prompt as it is, without the model's chat template.")
    private boolean raw;

    @Mixin
    private SpeculationOption speculation;

    @Option(names = "--guess", paramLabel = "N", description = "Most tokens of a guess.")
    private @Nullable Integer guess;

    @Option(names = "--fixed", description = "Guess as much as the limits allow, whether it pays or not.")
    private boolean fixed;

    @Option(names = "--cold", description = "Forget recycled tokens before each answer, instead of keeping those of the prompts before.")
    private boolean cold;

    @Option(names = "--load-recycling", paramLabel = "FILE", description = "Start with these recycled tokens.")
    private @Nullable Path loadRecycling;

    @Option(names = "--save-recycling", paramLabel = "FILE", description = "Leave the recycled tokens here.")
    private @Nullable Path saveRecycling;

    @Option(names = "--json", description = "Accepted for symmetry: the output is JSON in any case.")
    private boolean json;

    /// One answer, or the mean of two.
    private record Run(int[] tokens, GenerationStats stats, double tokensPerSecond) { }

    /// @param difference index of the first token that differs, -1 = none
    /// @param margin     of the plain answer's best logit over the second there
    private record Result(PromptFile.Prompt prompt, Run plain, Run guessed, int difference, double margin) {

        double speedup() {
            return guessed.tokensPerSecond() / plain.tokensPerSecond();
        }

        double tokensPerStep() {
            return (guessed.stats().generatedTokens() - 1.0) / Math.max(1, guessed.stats().targetSteps());
        }
    }

    @Override
    public Integer call() throws IOException {
        List<PromptFile.Prompt> all = PromptFile.read(prompts);
        Map<String, List<Result>> results = new LinkedHashMap<>();
        try (Model loaded = model.load(); ChatTemplate template = loaded.chatTemplate()) {
            if (loadRecycling != null) {
                loaded.recyclingTable().restore(loadRecycling);
            }
            for (PromptFile.Prompt prompt : all) {
                List<Result> category = results.computeIfAbsent(prompt.category(), name -> new ArrayList<>());
                if (category.size() < limit) {
                    int[] start = raw ? loaded.vocabulary().tokenize(prompt.text(), true, false)
                            : template.tokenize(List.of(ChatMessage.user(prompt.text())), true);
                    Result result = compare(loaded, prompt, start);
                    category.add(result);
                    print(result);
                }
            }
            if (saveRecycling != null) {
                loaded.recyclingTable().save(saveRecycling);
            }
        }
        results.forEach(this::summary);
        summary(null, results.values().stream().flatMap(List::stream).toList());
        return 0;
    }

    private Result compare(Model loaded, PromptFile.Prompt prompt, int[] start) {
        try (Context context = loaded.newContext(threads.apply(ContextOptions.defaults().withContextSize(start.length + tokens + 1)));
                Sequence sequence = context.newSequence()) {
            RecyclingTable table = loaded.recyclingTable();
            if (cold) {
                table.clear();
            }
            byte[] before = table.save(); // the second answer must not profit from the first; what passes cost and how often guesses hit is kept
            Run plain = answer(sequence, start, Speculation.off());
            Run guessed = answer(sequence, start, policy());
            table.restore(before);
            guessed = mean(guessed, answer(sequence, start, policy()));
            plain = mean(plain, answer(sequence, start, Speculation.off()));
            int difference = Arrays.mismatch(plain.tokens(), guessed.tokens());
            double margin = 0;
            if (difference >= 0) {
                sequence.rewind(0);
                sequence.append(start);
                for (int i = start.length; i < difference; i++) {
                    sequence.append(plain.tokens()[i]);
                }
                margin = margin(sequence.logits());
            }
            return new Result(prompt, plain, guessed, difference < 0 ? -1 : difference - start.length, margin);
        }
    }

    private Speculation policy() {
        Speculation policy = speculation.get().withAdaptive(!fixed);
        return guess == null ? policy : policy.withMaxTokens(guess);
    }

    private Run answer(Sequence sequence, int[] start, Speculation speculation) {
        GenerationOptions options = GenerationOptions.defaults().withSampler(Sampler.greedy()).withMaxTokens(tokens).withSpeculation(speculation);
        try (Generation generation = sequence.generate(start, options)) {
            for (String piece : generation) {
                assert !piece.isEmpty();
            }
            return new Run(sequence.tokens(), generation.stats(), generation.stats().decodeTokensPerSecond());
        }
    }

    /// Of two runs by their times, which makes a run that was disturbed count less than the mean of their speeds would.
    private static Run mean(Run a, Run b) {
        double time = 1 / Math.max(1e-9, a.tokensPerSecond()) + 1 / Math.max(1e-9, b.tokensPerSecond());
        return new Run(a.tokens(), a.stats(), 2 / time);
    }

    private static double margin(float[] logits) {
        float best = Float.NEGATIVE_INFINITY;
        float second = Float.NEGATIVE_INFINITY;
        for (float x : logits) {
            second = Math.max(second, Math.min(best, x));
            best = Math.max(best, x);
        }
        return best - second;
    }

    private void print(Result result) {
        Json.line(spec.commandLine().getOut(), object -> {
            object.writeStringField("id", result.prompt().id());
            object.writeStringField("category", result.prompt().category());
            object.writeNumberField("tokens", result.guessed().stats().generatedTokens());
            object.writeNumberField("plain_tps", result.plain().tokensPerSecond());
            object.writeNumberField("spec_tps", result.guessed().tokensPerSecond());
            object.writeNumberField("speedup", result.speedup());
            object.writeNumberField("mean_accepted", result.tokensPerStep());
            object.writeNumberField("drafted", result.guessed().stats().speculation().drafted());
            object.writeNumberField("accepted", result.guessed().stats().speculation().accepted());
            object.writeNumberField("target_steps", result.guessed().stats().targetSteps());
            SpeculationJson.write(object, result.guessed().stats().speculation());
            object.writeBooleanField("identical", result.difference() < 0);
            if (result.difference() >= 0) {
                object.writeNumberField("first_difference", result.difference());
                object.writeNumberField("margin", result.margin());
            }
        });
    }

    /// @param category null for all
    private void summary(@Nullable String category, List<Result> results) {
        Json.line(spec.commandLine().getOut(), object -> {
            double[] speedups = results.stream().mapToDouble(Result::speedup).toArray();
            object.writeStringField("summary", category == null ? "all" : category);
            object.writeNumberField("prompts", speedups.length);
            object.writeNumberField("median_speedup", Statistics.median(speedups));
            object.writeNumberField("worst_speedup", Arrays.stream(speedups).min().orElse(0));
            object.writeNumberField("mean_accepted", results.stream().mapToDouble(Result::tokensPerStep).average().orElse(0));
            object.writeNumberField("identical", results.stream().filter(result -> result.difference() < 0).count());
            object.writeNumberField("largest_margin", results.stream().mapToDouble(Result::margin).max().orElse(0));
        });
    }
}
