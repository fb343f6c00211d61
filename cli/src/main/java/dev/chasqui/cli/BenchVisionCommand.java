package dev.chasqui.cli;

import com.fasterxml.jackson.core.JsonGenerator;
import dev.chasqui.Model;
import dev.chasqui.VisionModel;
import dev.chasqui.vision.BuiltInPruner;
import dev.chasqui.vision.RelevanceCheck;
import dev.chasqui.vision.TokenPruner;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
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

@Command(name = "vision", mixinStandardHelpOptions = true,
        description = "Ask questions about pictures of which only a share of the tokens is kept. Prints a JSON object for each pruner and share, or, for a folder, tables.")
final class BenchVisionCommand implements Callable<Integer> {

    @Spec
    private CommandSpec spec;

    @Mixin
    private ModelOption model;

    @Mixin
    private ThreadsOption threads;

    @Mixin
    private VisionOption vision;

    @Option(names = "--mmproj", paramLabel = "FILE", description = "The projector that makes the model see.")
    private @Nullable Path projector;

    @Option(names = "--qa", paramLabel = "FILE",
            description = "A JSON array of [kind, question, answer], the same number for each picture, in the order of the pictures.")
    private @Nullable Path questions;

    @Option(names = "--images", paramLabel = "DIR", description = "The folder of the pictures, PNG or JPEG, in the order of their names.")
    private @Nullable Path images;

    @Option(names = "--folder", paramLabel = "DIR",
            description = "In place of --model, --mmproj, --qa and --images: a folder with one *mmproj*.gguf, any number of other *.gguf that it fits, qa.json and img. "
                    + "Prints Markdown tables for each model and way of placing rows: the one of --positions, if the model has it, and compact.")
    private @Nullable Path folder;

    @Option(names = "--keep", paramLabel = "SHARE", split = ",", defaultValue = "1,0.5,0.25,0.1",
            description = "Shares of the tokens to keep, separated by commas (default: ${DEFAULT-VALUE}).")
    private List<Double> keep;

    @Option(names = "--pruner", paramLabel = "NAME", split = ",", converter = PrunerConverter.class,
            description = "Pruners, separated by commas (default: herding,mmr,max-sum,random; with --folder all). Others are compared with the one named random.")
    private @Nullable List<BuiltInPruner> pruners;

    @Option(names = "--check-relevance",
            description = "Find out whether rows that are like the question, or unlike it, are worth more than others with this model: for importance=text.")
    private boolean relevance;

    @Option(names = {"-n", "--tokens"}, paramLabel = "N", defaultValue = "16", description = "Most tokens of an answer (default: ${DEFAULT-VALUE}).")
    private int tokens;

    @Option(names = "--jsonl", paramLabel = "FILE", description = "With --folder: where a JSON object for each figure of the tables goes.")
    private @Nullable Path lines;

    @Option(names = "--json", description = "Accepted for symmetry: the output is JSON in any case, but for --folder.")
    private boolean json;

    @Override
    public Integer call() throws IOException {
        if (folder != null) {
            List<BuiltInPruner> compared = pruners == null ? TokenPruner.names().stream().map(TokenPruner::named).toList() : pruners;
            try (VisionTables tables = new VisionTables(spec.commandLine().getOut(), lines, keep, compared, tokens, vision, threads)) {
                tables.print(folder);
            }
            return 0;
        }
        if (projector == null || questions == null || images == null) {
            throw new ParameterException(spec.commandLine(), "either --folder is needed, or --mmproj, --qa and --images");
        }
        List<BuiltInPruner> compared = pruners == null ? List.of(TokenPruner.herding(), TokenPruner.mmr(), TokenPruner.maxSum(), TokenPruner.random(0)) : pruners;
        List<Path> pictures = VisionQuestions.pictures(images);
        List<VisionQuestions.Item> items = VisionQuestions.items(questions, pictures.size());
        boolean attention = compared.stream().anyMatch(VisionOption::needsAttention);
        boolean asked = compared.stream().anyMatch(BuiltInPruner::usesQuestion);
        try (Model loaded = model.load();
                VisionModel eyes = vision.load(loaded, projector, attention);
                VisionQuestions asking = new VisionQuestions(loaded, eyes, pictures, items, tokens, asked, threads)) {
            if (relevance) {
                for (double share : keep.stream().filter(share -> share < 1).toList()) {
                    print(share, asking.checkRelevance(share));
                }
                return 0;
            }
            for (double share : keep) {
                Map<BuiltInPruner, VisionQuestions.Result> results = new LinkedHashMap<>();
                for (BuiltInPruner pruner : compared) {
                    results.put(pruner, asking.ask(vision.options(share, pruner), pruner, true));
                }
                results.forEach((pruner, result) -> print(share, pruner, result, control(results, pruner), asking));
            }
        }
        return 0;
    }

    /// What the pruner named random did, to compare others with.
    static VisionQuestions.@Nullable Result control(Map<BuiltInPruner, VisionQuestions.Result> results, BuiltInPruner pruner) {
        return results.entrySet().stream().filter(e -> e.getKey().name().equals("random") && !e.getKey().equals(pruner)).map(Map.Entry::getValue)
                .findFirst().orElse(null);
    }

    private void print(double share, BuiltInPruner pruner, VisionQuestions.Result result, VisionQuestions.@Nullable Result control, VisionQuestions asking) {
        PrintWriter out = spec.commandLine().getOut();
        Json.line(out, object -> {
            object.writeStringField("model", model.name());
            writeResult(object, share, pruner, result, control, asking);
            object.writeNumberField("encode_ms", Statistics.median(asking.encoded().stream().mapToDouble(e -> e.stats().encodeTime().toNanos() / 1e6).toArray()));
            object.writeNumberField("select_ms", Statistics.median(result.selectMillis()));
            object.writeNumberField("ttft_ms", Statistics.median(result.firstTokenMillis()));
        });
    }

    private void print(double share, RelevanceCheck check) {
        Json.line(spec.commandLine().getOut(), object -> {
            object.writeStringField("model", model.name());
            object.writeNumberField("keep", share);
            object.writeNumberField("questions", check.samples());
            object.writeNumberField("like_nats", check.like());
            object.writeNumberField("unlike_nats", check.unlike());
            object.writeNumberField("chance_nats", check.chance());
            object.writeNumberField("p_direction", check.pDirection());
            object.writeNumberField("p_against_chance", check.pChance());
            object.writeBooleanField("passed", check.passed());
        });
    }

    /// What answers say of a pruner.
    static void writeResult(JsonGenerator object, double share, BuiltInPruner pruner, VisionQuestions.Result result, VisionQuestions.@Nullable Result control,
            VisionQuestions asking) throws IOException {
        object.writeStringField("pruner", pruner.key());
        object.writeNumberField("keep", share);
        object.writeNumberField("tokens", asking.encoded().getFirst().total());
        object.writeNumberField("kept", result.kept()[0]);
        object.writeNumberField("questions", asking.count());
        object.writeNumberField("accuracy", result.accuracy());
        object.writeNumberField("standard_error", result.error());
        if (control != null) {
            object.writeNumberField("p_against_random", Statistics.mcNemar(result.right(), control.right()));
        }
        object.writeObjectFieldStart("kinds");
        for (String kind : asking.kinds()) {
            object.writeNumberField(kind, asking.share(result, kind));
        }
        object.writeEndObject();
    }
}
