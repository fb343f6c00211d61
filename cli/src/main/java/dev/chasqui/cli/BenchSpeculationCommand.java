package dev.chasqui.cli;

import com.fasterxml.jackson.core.JsonGenerator;
import dev.chasqui.Chasqui;
import dev.chasqui.ChatMessage;
import dev.chasqui.ChatTemplate;
import dev.chasqui.Context;
import dev.chasqui.ContextOptions;
import dev.chasqui.Device;
import dev.chasqui.DraftModel;
import dev.chasqui.GenerationOptions;
import dev.chasqui.Model;
import dev.chasqui.RecyclingTable;
import dev.chasqui.Sequence;
import dev.chasqui.speculation.Speculation;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
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
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

@Command(name = "speculation", mixinStandardHelpOptions = true,
        description = "Answer prompts with and without speculation, in turns in one process. Prints a JSON object for each prompt, each category and all; "
                + "at the end a table of the categories on stderr.")
final class BenchSpeculationCommand implements Callable<Integer> {

    @Spec
    private CommandSpec spec;

    @Mixin
    private ModelOption model;

    @Mixin
    private ThreadsOption threads;

    @Option(names = "--prompts", required = true, split = ",", paramLabel = "FILE",
            description = "JSON lines with prompt (text) or turns (texts, the first is used), and perhaps category and an id (question_id, task_id); "
                    + "several files are separated by commas.")
    private List<Path> prompts;

    @Option(names = {"-n", "--tokens"}, paramLabel = "N", defaultValue = "256", description = "Tokens to generate (default: ${DEFAULT-VALUE}).")
    private int tokens;

    @Option(names = "--limit", paramLabel = "N", defaultValue = "1000000", description = "Prompts of each category at most.")
    private int limit;

    @Option(names = "--raw", description = "Continue each prompt as it is, without the model's chat template.")
    private boolean raw;

    @Mixin
    private SpeculationOption speculation;

    @Option(names = "--draft-model", paramLabel = "MODEL", description = "A smaller model of the same vocabulary that guesses too.")
    private @Nullable String draftModel;

    @Option(names = "--stock", paramLabel = "N", defaultValue = "0",
            description = "Measure N tokens after each prompt with llama.cpp's own kernels as well, on a second copy of the model (default: ${DEFAULT-VALUE}).")
    private int stockTokens;

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

    @Override
    public Integer call() throws IOException {
        if (stockTokens == 1 || stockTokens < 0) {
            throw new ParameterException(spec.commandLine(), "--stock takes at least 2 tokens: the first one has no speed");
        }
        Map<String, List<PromptFile.Prompt>> categories = new LinkedHashMap<>();
        for (Path file : prompts) {
            for (PromptFile.Prompt prompt : PromptFile.read(file)) {
                List<PromptFile.Prompt> category = categories.computeIfAbsent(prompt.category(), name -> new ArrayList<>());
                if (category.size() < limit) {
                    category.add(prompt);
                }
            }
        }
        List<SpeculationSummary> summaries = new ArrayList<>();
        try (Model loaded = model.load();
                @Nullable Model draft = draftModel == null ? null : model.loadOther(draftModel);
                @Nullable Model stock = stockTokens == 0 ? null : model.loadStock();
                ChatTemplate template = loaded.chatTemplate()) {
            if (loadRecycling != null) {
                loaded.recyclingTable().restore(loadRecycling);
            }
            categories.forEach((name, category) -> {
                List<SpeculationRow> rows = new ArrayList<>();
                for (PromptFile.Prompt prompt : category) {
                    int[] start = raw ? loaded.vocabulary().tokenize(prompt.text(), true, false)
                            : template.tokenize(List.of(ChatMessage.user(prompt.text())), true);
                    SpeculationRow row = compare(new Models(loaded, draft, stock), prompt, start);
                    rows.add(row);
                    print(loaded, row::write);
                }
                summaries.add(new SpeculationSummary(name, rows));
            });
            if (saveRecycling != null) {
                loaded.recyclingTable().save(saveRecycling);
            }
            if (!summaries.isEmpty()) {
                summaries.add(new SpeculationSummary("all", summaries.stream().flatMap(summary -> summary.rows().stream()).toList()));
            }
            summaries.forEach(summary -> print(loaded, summary::write));
        }
        PrintWriter err = spec.commandLine().getErr();
        err.println(SpeculationSummary.TABLE_HEAD);
        summaries.forEach(summary -> err.println(summary.tableLine()));
        err.flush();
        return 0;
    }

    private record Models(Model loaded, @Nullable Model draft, @Nullable Model stock) { }

    /// Each kind of answer twice, in an order that a machine which becomes slower or faster treats alike.
    private SpeculationRow compare(Models models, PromptFile.Prompt prompt, int[] start) {
        ContextOptions options = threads.apply(ContextOptions.defaults());
        try (Context context = models.loaded().newContext(options.withContextSize(start.length + tokens + 1));
                Sequence sequence = context.newSequence();
                @Nullable Context stockContext = models.stock() == null ? null : models.stock().newContext(options.withContextSize(start.length + stockTokens + 1));
                @Nullable Sequence stockSequence = stockContext == null ? null : stockContext.newSequence()) {
            RecyclingTable table = models.loaded().recyclingTable();
            if (cold) {
                table.clear();
            }
            double stock = stockSequence == null ? 0 : stockSpeed(stockSequence, start);
            byte[] before = table.save(); // the second answer must not profit from the first; what passes cost and how often guesses hit is kept
            GreedyAnswer plain = answer(sequence, start, Speculation.off(), null);
            GreedyAnswer guessed = answer(sequence, start, policy(), models.draft());
            table.restore(before);
            double guessedSpeed = mean(speed(guessed), speed(answer(sequence, start, policy(), models.draft())));
            double plainSpeed = mean(speed(plain), speed(answer(sequence, start, Speculation.off(), null)));
            stock = stockSequence == null ? 0 : mean(stock, stockSpeed(stockSequence, start));
            int difference = Arrays.mismatch(plain.tokens(), guessed.tokens());
            double margin = difference < 0 ? 0 : plain.lead(sequence, difference);
            return new SpeculationRow(prompt, plainSpeed, guessedSpeed, stock, guessed.stats(), difference < 0 ? -1 : difference - start.length, margin);
        }
    }

    private Speculation policy() {
        Speculation policy = speculation.get().withAdaptive(!fixed);
        return guess == null ? policy : policy.withMaxTokens(guess);
    }

    private GreedyAnswer answer(Sequence sequence, int[] start, Speculation speculation, @Nullable Model draft) {
        GenerationOptions options = GenerationOptions.defaults().withMaxTokens(tokens).withSpeculation(speculation);
        return GreedyAnswer.of(sequence, start, draft == null ? options : options.withDraftModel(DraftModel.of(draft)));
    }

    private double stockSpeed(Sequence sequence, int[] start) {
        return speed(GreedyAnswer.of(sequence, start,
                GenerationOptions.defaults().withMaxTokens(stockTokens).withIgnoreEnd(true).withSpeculation(Speculation.off())));
    }

    private static double speed(GreedyAnswer answer) {
        return answer.stats().decodeTokensPerSecond();
    }

    /// By their times, which makes a run that was disturbed count less than in the mean of the speeds.
    private static double mean(double a, double b) {
        return 2 / (1 / Math.max(1e-9, a) + 1 / Math.max(1e-9, b));
    }

    private void print(Model loaded, Json.Members members) {
        Json.line(spec.commandLine().getOut(), object -> {
            conditions(loaded, object);
            members.write(object);
        });
    }

    private void conditions(Model loaded, JsonGenerator object) throws IOException {
        object.writeStringField("time", Instant.now().truncatedTo(ChronoUnit.SECONDS).toString());
        object.writeStringField("comparison", "speculation");
        object.writeStringField("build", "chasqui " + Chasqui.version() + ", llama.cpp " + Chasqui.llamaVersion());
        object.writeStringField("cpu", Chasqui.devices().stream().filter(device -> device.type() == Device.Type.CPU).map(Device::description)
                .findFirst().orElse("") + Chasqui.kernels().map(set -> " (" + set + ")").orElse(""));
        object.writeStringField("model", loaded.path().getFileName().toString());
        object.writeNumberField("threads", threads.count() == 0 ? Chasqui.physicalCores() : threads.count());
        object.writeStringField("policy", speculation.name() + (fixed ? ", fixed" : "") + (guess == null ? "" : ", " + guess + " tokens")
                + (draftModel == null ? "" : ", drafts of " + Path.of(draftModel).getFileName()));
    }
}
