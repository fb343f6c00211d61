package dev.chasqui.cli;

import dev.chasqui.ChatMessage;
import dev.chasqui.ChatTemplate;
import dev.chasqui.Context;
import dev.chasqui.ContextOptions;
import dev.chasqui.DraftModel;
import dev.chasqui.FlashAttention;
import dev.chasqui.GenerationOptions;
import dev.chasqui.KvType;
import dev.chasqui.Model;
import dev.chasqui.Sequence;
import dev.chasqui.speculation.DraftSource;
import dev.chasqui.speculation.Speculation;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.function.Supplier;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

@Command(name = "lossless", mixinStandardHelpOptions = true,
        description = "Compare answers of the best tokens with guesses to those without, token for token. Prints a JSON object for each answer that differs, with "
                + "the lead of the plain answer's best token there, and the counts of each policy in each setting. Fails if a lead is 0.5 logits or more.")
final class BenchLosslessCommand implements Callable<Integer> {

    private static final double NEARLY_EQUAL = 0.5; // logits

    @Spec
    private CommandSpec spec;

    @Mixin
    private ModelOption model;

    @Option(names = "--prompts", required = true, split = ",", paramLabel = "FILE", description = "As those of 'bench speculation'.")
    private List<Path> prompts;

    @Option(names = {"-n", "--tokens"}, paramLabel = "N", defaultValue = "128", description = "Tokens of each answer (default: ${DEFAULT-VALUE}).")
    private int tokens;

    @Option(names = "--limit", paramLabel = "N", defaultValue = "1000000", description = "Prompts of each file at most.")
    private int limit;

    @Option(names = "--policies", split = ",", paramLabel = "POLICY",
            description = "All but auto guess as much as they can, whether it pays or not: ${COMPLETION-CANDIDATES} (default: all; model with --draft-model only).")
    private @Nullable Set<Policy> policies;

    @Option(names = "--settings", split = ",", paramLabel = "SETTING",
            description = "One for each prompt, in turns: ${COMPLETION-CANDIDATES} (default: all).")
    private Set<Setting> settings = EnumSet.allOf(Setting.class);

    @Option(names = "--draft-model", paramLabel = "MODEL", description = "A smaller model of the same vocabulary, or the same one, for the policy model.")
    private @Nullable String draftModel;

    /// Where guesses come from.
    enum Policy {
        auto(Speculation::auto),
        merged(() -> Speculation.auto().withAdaptive(false)),
        chain(() -> Speculation.auto().withAdaptive(false).withMaxPaths(1)),
        repeated(() -> Speculation.auto().withAdaptive(false).withSources(Set.of(DraftSource.REPEATED))),
        recycled(() -> Speculation.auto().withAdaptive(false).withSources(Set.of(DraftSource.RECYCLED))),
        model(() -> Speculation.auto().withAdaptive(false));

        private final Supplier<Speculation> speculation;

        Policy(Supplier<Speculation> speculation) {
            this.speculation = speculation;
        }
    }

    /// What else changes how sums are rounded.
    enum Setting {
        one_thread(options -> options.withThreads(1)),
        two_threads(options -> options.withThreads(2)),
        no_flash_attention(options -> options.withThreads(1).withFlashAttention(FlashAttention.OFF)),
        q8_0_cache(options -> options.withThreads(1).withFlashAttention(FlashAttention.ON).withKvTypes(KvType.Q8_0, KvType.Q8_0));

        private final UnaryOperator<ContextOptions> options;

        Setting(UnaryOperator<ContextOptions> options) {
            this.options = options;
        }
    }

    private record Case(Setting setting, Policy policy) { }

    /// What became of the answers of a case.
    private static final class Counts {

        private int answers;
        private int identical;
        private long tokens;
        private long accepted;
        private double largestLead;
    }

    private final Map<Case, Counts> counts = new LinkedHashMap<>();

    @Override
    public Integer call() throws IOException {
        if (policies == null) {
            policies = draftModel == null ? EnumSet.complementOf(EnumSet.of(Policy.model)) : EnumSet.allOf(Policy.class);
        }
        List<PromptFile.Prompt> all = new ArrayList<>();
        for (Path file : prompts) {
            all.addAll(PromptFile.read(file).stream().limit(limit).toList());
        }
        List<Setting> turns = List.copyOf(settings);
        try (Model loaded = model.load();
                @Nullable Model draft = draftModel == null ? null : model.loadOther(draftModel);
                ChatTemplate template = loaded.chatTemplate()) {
            for (int i = 0; i < all.size(); i++) {
                int[] start = template.tokenize(List.of(ChatMessage.user(all.get(i).text())), true);
                compare(loaded, draft, all.get(i), start, turns.get(i % turns.size()));
            }
        }
        for (Policy policy : policies) {
            Counts sum = new Counts();
            counts.forEach((key, count) -> {
                if (key.policy() == policy) {
                    print(key.setting().name(), policy, count);
                    sum.answers += count.answers;
                    sum.identical += count.identical;
                    sum.tokens += count.tokens;
                    sum.accepted += count.accepted;
                    sum.largestLead = Math.max(sum.largestLead, count.largestLead);
                }
            });
            print("all", policy, sum);
        }
        return counts.values().stream().allMatch(count -> count.largestLead < NEARLY_EQUAL) ? 0 : 1;
    }

    private void compare(Model loaded, @Nullable Model draft, PromptFile.Prompt prompt, int[] start, Setting setting) {
        ContextOptions options = setting.options.apply(ContextOptions.defaults()).withContextSize(start.length + tokens + 1);
        try (Context context = loaded.newContext(options); Sequence sequence = context.newSequence()) {
            GreedyAnswer plain = answer(sequence, start, Speculation.off(), null);
            for (Policy policy : policies) {
                GreedyAnswer guessed = answer(sequence, start, policy.speculation.get(), policy == Policy.model ? draft : null);
                Counts count = counts.computeIfAbsent(new Case(setting, policy), key -> new Counts());
                int difference = Arrays.mismatch(plain.tokens(), guessed.tokens());
                count.answers++;
                count.tokens += guessed.stats().generatedTokens();
                count.accepted += guessed.stats().speculation().accepted();
                if (difference < 0) {
                    count.identical++;
                } else {
                    double lead = plain.lead(sequence, difference);
                    count.largestLead = Math.max(count.largestLead, lead);
                    Json.line(spec.commandLine().getOut(), object -> {
                        object.writeStringField("id", prompt.id());
                        object.writeStringField("setting", setting.name());
                        object.writeStringField("policy", policy.name());
                        object.writeNumberField("first_difference", difference - start.length);
                        object.writeNumberField("margin", lead);
                    });
                }
            }
        }
    }

    private GreedyAnswer answer(Sequence sequence, int[] start, Speculation speculation, @Nullable Model draft) {
        GenerationOptions options = GenerationOptions.defaults().withMaxTokens(tokens).withSpeculation(speculation);
        return GreedyAnswer.of(sequence, start, draft == null ? options : options.withDraftModel(DraftModel.of(draft).withShape(DraftModel.Shape.DYNAMIC)));
    }

    private void print(String setting, Policy policy, Counts count) {
        Json.line(spec.commandLine().getOut(), object -> {
            object.writeStringField("comparison", "lossless");
            object.writeStringField("model", model.name());
            object.writeStringField("setting", setting);
            object.writeStringField("policy", policy.name());
            object.writeNumberField("answers", count.answers);
            object.writeNumberField("tokens", count.tokens);
            object.writeNumberField("accepted", count.accepted);
            object.writeNumberField("identical", count.identical);
            object.writeNumberField("largest_margin", count.largestLead);
        });
    }
}
