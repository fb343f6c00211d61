package dev.chasqui.cli;

import dev.chasqui.ChatOptions;
import dev.chasqui.ContextOptions;
import dev.chasqui.GenerationOptions;
import dev.chasqui.PackedCache;
import dev.chasqui.kv.SequenceStore;
import dev.chasqui.kv.SequenceStoreOptions;
import dev.chasqui.models.ModelStore;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

@Command(name = "chat", description = "Talk with a model in the terminal; /help there lists what else can be done. Lines can also be piped in.",
        mixinStandardHelpOptions = true)
final class ChatCommand implements Callable<Integer> {

    @Spec
    private CommandSpec spec;

    @Mixin
    private ModelOption model;

    @Mixin
    private ThreadsOption threads;

    @Option(names = {"-n", "--tokens"}, paramLabel = "N", defaultValue = "2048",
            description = "Most tokens of an answer (default: ${DEFAULT-VALUE}).")
    private int maxTokens;

    @Option(names = {"-c", "--context"}, paramLabel = "N", defaultValue = "0",
            description = "Context size in tokens (default: what the model was trained for, at most " + ContextOptions.DEFAULT_MAX_SIZE + ").")
    private int contextSize;

    @Mixin
    private SamplerOption sampler;

    @Option(names = {"-s", "--system"}, paramLabel = "TEXT", description = "System prompt.")
    private @Nullable String system;

    @Option(names = "--stop", paramLabel = "TEXT", description = "End an answer before this text. Can be given several times.")
    private List<String> stop = new ArrayList<>();

    @Option(names = "--no-thinking", description = "A model that can think before it speaks does not.")
    private boolean noThinking;

    @Option(names = "--reasoning-budget", paramLabel = "N", description = "Most tokens of thinking before an answer; 0 ends it at once (default: no limit).")
    private @Nullable Integer reasoningBudget;

    @Mixin
    private SpeculationOption speculation;

    @Mixin
    private PictureOption pictures;

    @Option(names = "--store", paramLabel = "FOLDER",
            description = "Keep what was computed, so that a conversation that is loaded again, or begins alike, goes on at once.")
    private @Nullable Path store;

    @Option(names = "--history", paramLabel = "FILE", description = "Lines typed before (default: chat-history in Chasqui's cache folder).")
    private @Nullable Path history;

    @Override
    public Integer call() throws IOException {
        try (SequenceStore kept = store == null ? null : SequenceStore.open(SequenceStoreOptions.in(store))) {
            if (!Terminal.isInteractive()) {
                return talk(new PipedInput(System.in), TextView.plain(spec.commandLine().getOut(), spec.commandLine().getErr()), kept);
            }
            try (TerminalInput input = TerminalInput.ofSystem(new ChatCompleter(ModelStore.standard()),
                    history != null ? history : PackedCache.standard().folder().resolveSibling("chat-history"))) {
                return talk(input, input.view(), kept);
            }
        }
    }

    private int talk(ChatInput input, ChatView view, @Nullable SequenceStore kept) {
        ContextOptions context = threads.apply(ContextOptions.defaults().withContextSize(contextSize).withStore(kept));
        ChatOptions options = ChatOptions.defaults().withThinking(!noThinking).withGeneration(GenerationOptions.defaults()
                .withMaxTokens(maxTokens).withSampler(sampler.get()).withStop(stop.toArray(String[]::new)).withSpeculation(speculation.get()));
        if (reasoningBudget != null) {
            options = options.withReasoningBudget(reasoningBudget);
        }
        try (Conversation conversation = new Conversation(model::load, model.name(), context, options, pictures, view)) {
            if (system != null) {
                conversation.take(new ChatLine.Command(ChatVerb.SYSTEM, system));
            }
            return talk(input, conversation);
        }
    }

    /// Line by line, until the end.
    static int talk(ChatInput input, Conversation conversation) {
        AtomicBoolean killed = new AtomicBoolean();
        return Interrupt.during(() -> {
            killed.set(true);
            conversation.stop();
        }, () -> {
            for (String typed = input.read(); typed != null && !killed.get(); typed = input.read()) {
                ChatLine line = ChatLine.parse(typed);
                if (!input.during(conversation::stop, () -> conversation.take(line))) {
                    break;
                }
            }
            return killed.get() ? Interrupt.EXIT_STATUS : 0;
        });
    }
}
