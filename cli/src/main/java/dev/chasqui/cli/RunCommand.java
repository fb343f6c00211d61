package dev.chasqui.cli;

import dev.chasqui.ChatMessage;
import dev.chasqui.ChatOptions;
import dev.chasqui.ChatTemplate;
import dev.chasqui.ChatTurn;
import dev.chasqui.ContentPart;
import dev.chasqui.Context;
import dev.chasqui.ContextOptions;
import dev.chasqui.DraftModel;
import dev.chasqui.FinishReason;
import dev.chasqui.Generation;
import dev.chasqui.GenerationOptions;
import dev.chasqui.GenerationStats;
import dev.chasqui.Grammar;
import dev.chasqui.Model;
import dev.chasqui.Prompt;
import dev.chasqui.Routing;
import dev.chasqui.Sampler;
import dev.chasqui.Sequence;
import dev.chasqui.VisionModel;
import dev.chasqui.audio.Audio;
import dev.chasqui.audio.EncodedAudio;
import dev.chasqui.json.JsonSchema;
import dev.chasqui.vision.EncodedImage;
import dev.chasqui.vision.Image;
import dev.chasqui.vision.KeptTokens;
import dev.chasqui.vision.VisionStats;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

@Command(name = "run", description = "Answer one prompt.", mixinStandardHelpOptions = true)
final class RunCommand implements Callable<Integer> {

    @Spec
    private CommandSpec spec;

    @Mixin
    private ModelOption model;

    @Mixin
    private ThreadsOption threads;

    @Parameters(paramLabel = "PROMPT", description = "What to answer; - reads it from standard input.")
    private String prompt;

    @Option(names = {"-n", "--tokens"}, paramLabel = "N", defaultValue = "512",
            description = "Most tokens to generate (default: ${DEFAULT-VALUE}).")
    private int maxTokens;

    @Option(names = {"-c", "--context"}, paramLabel = "N",
            description = "Context size in tokens (default: what prompt and answer need).")
    private @Nullable Integer contextSize;

    @Mixin
    private SamplerOption sampler;

    @Option(names = {"-s", "--system"}, paramLabel = "TEXT", description = "System prompt.")
    private @Nullable String system;

    @Option(names = "--stop", paramLabel = "TEXT", description = "End the answer before this text. Can be given several times.")
    private List<String> stop = new ArrayList<>();

    @Option(names = "--grammar", paramLabel = "FILE", description = "A GBNF grammar that the answer must follow.")
    private @Nullable Path grammar;

    @Option(names = "--json-schema", paramLabel = "FILE|JSON", description = "A JSON schema that the answer must follow, or a file that has it.")
    private @Nullable String schema;

    @Mixin
    private SpeculationOption speculation;

    @Mixin
    private SparseAttentionOption sparse;

    @Mixin
    private KvFileOption kvFile;

    @Option(names = "--draft-model", paramLabel = "MODEL",
            description = "A smaller model of the same vocabulary that guesses as well; the answer is the same.")
    private @Nullable String draftModel;

    @Option(names = "--route-to", paramLabel = "MODEL",
            description = "Lossy: a larger model of the same vocabulary picks the tokens of which MODEL is unsure.")
    private @Nullable String routeTo;

    @Option(names = "--route-entropy", paramLabel = "NATS", defaultValue = "" + Routing.USUAL_ENTROPY,
            description = "How unsure that is: the entropy of its probabilities (default: ${DEFAULT-VALUE}).")
    private double routeEntropy;

    @Option(names = "--recycling", paramLabel = "FILE",
            description = "Start with the recycled tokens that an earlier run left in this file, and leave them there again.")
    private @Nullable Path recycling;

    @Option(names = "--image", paramLabel = "FILE", description = "A picture to look at. Can be given several times. Needs --mmproj.")
    private List<Path> images = new ArrayList<>();

    @Option(names = "--audio", paramLabel = "FILE",
            description = "A sound to listen to, WAV, FLAC or MP3; comes after the pictures. Can be given several times. Needs --mmproj.")
    private List<Path> sounds = new ArrayList<>();

    @Mixin
    private PictureOption pictures;

    @Option(names = "--overlay", paramLabel = "FILE", description = "Write a PNG that shows what was kept of the first picture.")
    private @Nullable Path overlay;

    @Option(names = "--reasoning-budget", paramLabel = "N",
            description = "Most tokens of thinking before the answer; 0 ends it at once (default: no limit).")
    private @Nullable Integer reasoningBudget;

    @Option(names = "--raw", description = "Continue the prompt as it is, without the model's chat template.")
    private boolean raw;

    @Option(names = "--json", description = "Print one JSON object instead of the stream.")
    private boolean json;

    private Sampler.@Nullable ReasoningBudget endOfReasoning;

    /// What the model gets to see and hear before the prompt.
    private record Perceived(List<EncodedImage> pictures, List<EncodedAudio> sounds) {

        List<ContentPart> parts() {
            return Stream.<ContentPart>concat(pictures.stream().map(ContentPart.Picture::new), sounds.stream().map(ContentPart.Sound::new)).toList();
        }
    }

    @Override
    public Integer call() throws IOException {
        if (reasoningBudget != null && (raw || grammar != null || schema != null)) {
            throw new ParameterException(spec.commandLine(), "--reasoning-budget goes neither with --raw nor with --grammar or --json-schema: there is no thinking then");
        }
        String text = prompt.equals("-") ? new String(System.in.readAllBytes(), StandardCharsets.UTF_8) : prompt;
        try (Model loaded = model.load(); Model helper = helper()) {
            if (recycling != null && Files.exists(recycling)) {
                loaded.recyclingTable().restore(recycling);
            }
            Perceived perceived = perceive(loaded, text);
            Prompt whole = prompt(loaded, text, perceived);
            try (Context context = loaded.newContext(contextOptions(whole.length()));
                    Generation generation = begin(context, whole, helper)) {
                int status = Interrupt.during(generation::cancel, () -> answer(generation, whole.length(), perceived));
                if (recycling != null) {
                    loaded.recyclingTable().save(recycling);
                }
                return status;
            }
        }
    }

    private Perceived perceive(Model loaded, String text) throws IOException {
        List<EncodedImage> seen = new ArrayList<>();
        List<EncodedAudio> heard = new ArrayList<>();
        if (images.isEmpty() && sounds.isEmpty()) {
            return new Perceived(seen, heard);
        }
        try (VisionModel senses = pictures.load(loaded)) {
            for (Path file : images) {
                seen.add(pictures.pruned(senses.encode(Image.of(file)), loaded, text));
            }
            for (Path file : sounds) {
                heard.add(senses.encode(Audio.of(file)));
            }
        } catch (IllegalArgumentException e) {
            throw new ParameterException(spec.commandLine(), e.getMessage(), e);
        }
        if (overlay != null && !seen.isEmpty()) {
            KeptTokens.of(seen.getFirst().chunks().getFirst()).write(seen.getFirst().image().toBufferedImage(), overlay);
        }
        return new Perceived(seen, heard);
    }

    private Prompt prompt(Model loaded, String text, Perceived perceived) {
        if (raw) {
            Prompt.Builder whole = Prompt.builder(loaded).begin();
            perceived.pictures().forEach(whole::image);
            perceived.sounds().forEach(whole::audio);
            return whole.text(text).build();
        }
        List<ChatMessage> messages = new ArrayList<>();
        if (system != null) {
            messages.add(ChatMessage.system(system));
        }
        List<ContentPart> parts = new ArrayList<>(perceived.parts());
        parts.add(new ContentPart.Text(text));
        messages.add(ChatMessage.user(parts.toArray(ContentPart[]::new)));
        try (ChatTemplate template = loaded.chatTemplate()) {
            if (reasoningBudget != null) {
                try (ChatTurn turn = template.turn(messages, ChatOptions.defaults().withReasoningBudget(reasoningBudget))) {
                    endOfReasoning = turn.reasoningBudget().orElse(null);
                }
            }
            return template.prompt(messages, true);
        }
    }

    private ContextOptions contextOptions(int promptTokens) {
        int size = contextSize != null ? contextSize : (int) Math.min(Integer.MAX_VALUE, promptTokens + (long) maxTokens + 1);
        return kvFile.applyTo(threads.apply(ContextOptions.defaults().withContextSize(size)));
    }

    /// The other model of the two.
    private @Nullable Model helper() {
        if (draftModel != null && routeTo != null) {
            throw new ParameterException(spec.commandLine(), "--draft-model and --route-to exclude each other: a routed answer is not guessed ahead");
        }
        String name = draftModel != null ? draftModel : routeTo;
        return name == null ? null : model.loadOther(name);
    }

    private @Nullable Grammar grammar() throws IOException {
        if (grammar != null && schema != null) {
            throw new ParameterException(spec.commandLine(), "--grammar and --json-schema exclude each other");
        }
        if (grammar != null) {
            return Grammar.of(Files.readString(grammar));
        }
        if (schema == null) {
            return null;
        }
        return Grammar.of(JsonSchema.parse(schema.strip().startsWith("{") ? schema : Files.readString(Path.of(schema))));
    }

    private GenerationOptions generationOptions(@Nullable Model helper) throws IOException {
        Grammar form = grammar();
        Sampler inForm = form == null ? sampler.get() : sampler.get().constrainedBy(form);
        GenerationOptions options = GenerationOptions.defaults().withMaxTokens(maxTokens)
                .withSampler(endOfReasoning == null ? inForm : inForm.beforePick(endOfReasoning))
                .withStop(stop.toArray(String[]::new)).withSpeculation(speculation.get());
        options = sparse.applyTo(options);
        if (helper == null) {
            return options;
        }
        return routeTo != null ? options.withRouting(Routing.to(helper).withEntropy(routeEntropy)) : options.withDraftModel(DraftModel.of(helper));
    }

    private Generation begin(Context context, Prompt whole, @Nullable Model helper) throws IOException {
        sparse.applyTo(context);
        return context.newSequence().generate(whole, generationOptions(helper));
    }

    private int answer(Generation generation, int promptLength, Perceived perceived) {
        PrintWriter out = spec.commandLine().getOut();
        StringBuilder text = new StringBuilder();
        for (String piece : generation) {
            if (json) {
                text.append(piece);
            } else {
                out.print(piece);
                out.flush();
            }
        }
        if (json) {
            printJson(generation, promptLength, text.toString(), perceived);
        } else {
            out.println();
        }
        out.flush(); // after Ctrl-C nobody else will
        return generation.stats().finishReason() == FinishReason.CANCELLED ? Interrupt.EXIT_STATUS : 0;
    }

    private void printJson(Generation generation, int promptLength, String text, Perceived perceived) {
        GenerationStats stats = generation.stats();
        Sequence sequence = generation.sequence();
        int[] tokens = Arrays.copyOfRange(sequence.tokens(), promptLength, sequence.length());
        Json.line(spec.commandLine().getOut(), object -> {
            object.writeStringField("model", model.name());
            object.writeStringField("text", text);
            object.writeFieldName("tokens");
            object.writeArray(tokens, 0, tokens.length);
            object.writeNumberField("prompt_tokens", stats.promptTokens());
            object.writeNumberField("cached_tokens", stats.cachedTokens());
            object.writeNumberField("ttft_ms", stats.timeToFirstToken().toNanos() / 1e6);
            object.writeNumberField("decode_tps", stats.decodeTokensPerSecond());
            object.writeNumberField("drafted", stats.speculation().drafted());
            object.writeNumberField("accepted", stats.speculation().accepted());
            object.writeNumberField("target_steps", stats.targetSteps());
            SpeculationJson.write(object, stats.speculation());
            sparse.write(object, stats.kv(), sequence.context());
            KvFileOption.write(object, sequence.context().sparseStats().file());
            if (!perceived.pictures().isEmpty()) {
                VisionStats vision = perceived.pictures().stream().map(EncodedImage::stats).reduce(VisionStats::plus).orElseThrow();
                object.writeNumberField("image_tokens", vision.tokens());
                object.writeNumberField("image_tokens_kept", vision.kept());
                object.writeNumberField("encode_ms", vision.encodeTime().toNanos() / 1e6);
                object.writeNumberField("select_ms", vision.selectTime().toNanos() / 1e6);
            }
            if (!perceived.sounds().isEmpty()) {
                object.writeNumberField("audio_tokens", perceived.sounds().stream().mapToInt(EncodedAudio::count).sum());
                object.writeNumberField("audio_encode_ms", perceived.sounds().stream().mapToLong(sound -> sound.encodeTime().toNanos()).sum() / 1e6);
            }
            object.writeNumberField("routed", stats.routedTokens());
            object.writeNumberField("packed_bytes", sequence.context().model().info().packedBytes());
            object.writeStringField("finish_reason", stats.finishReason().name().toLowerCase(Locale.ROOT));
        });
    }
}
