package dev.chasqui;

import static dev.chasqui.bindings.Chq.*;

import dev.chasqui.bindings.NativeLoader;
import dev.chasqui.bindings.chq_model_info;
import dev.chasqui.bindings.chq_placement;
import dev.chasqui.kv.PromptCompression;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// The weights and the vocabulary of a language model, from a GGUF file.
///
/// {@snippet class="snippets.ModelSnippets" region="load"}
///
/// Thread-safe: any number of contexts on any number of threads may share it. The weights are freed when the model and
/// everything made of it is closed.
public final class Model implements AutoCloseable {

    /// What passes of smaller ones cost is measured anew before it would be read.
    private static final long LEAST_BYTES_WITH_COSTS = 32L << 20;

    private final Path path;
    private final NativeOwner handle;
    private final ModelInfo info;
    private final Vocabulary vocabulary;
    private final ModelDevices devices;
    private final RecyclingTable recyclingTable;

    private Model(Path path, MemorySegment address, @Nullable String cpuReason) {
        this.path = path;
        this.handle = new NativeOwner(this, "model " + path.getFileName(), address, model -> chq_model_free(model), null);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment raw = arena.allocate(chq_model_info.layout());
            Status.check(chq_model_get_info(address, raw));
            String description = Native.text((text, capacity, length) -> chq_model_description(address, text, capacity, length));
            this.info = new ModelInfo(
                    description,
                    chq_model_info.n_ctx_train(raw),
                    chq_model_info.n_embd(raw),
                    chq_model_info.n_embd_inp(raw),
                    chq_model_info.n_layer(raw),
                    chq_model_info.n_head(raw),
                    chq_model_info.n_head_kv(raw),
                    chq_model_info.n_swa(raw),
                    chq_model_info.n_params(raw),
                    chq_model_info.n_bytes(raw),
                    chq_model_info.n_bytes_packed(raw),
                    chq_model_info.has_encoder(raw),
                    chq_model_info.has_decoder(raw),
                    chq_model_info.is_recurrent(raw),
                    chq_model_info.is_hybrid(raw),
                    chq_model_info.is_diffusion(raw),
                    chq_model_info.vocab_only(raw));
            this.vocabulary = new Vocabulary(handle, raw);
            this.devices = new ModelDevices(parts(address, arena), Optional.ofNullable(cpuReason));
            if (info.sizeInBytes() >= LEAST_BYTES_WITH_COSTS && !info.vocabularyOnly()) {
                Path costs = NativeLoader.cacheFolder().resolve("costs");
                Status.check(chq_pass_costs_keep(address, Native.cString(arena, "costs", costs.toString())));
            }
        }
        this.recyclingTable = new RecyclingTable(handle);
    }

    /// Loads a model with [ModelOptions#defaults()].
    ///
    /// @throws ModelLoadException if the file cannot be used
    public static Model load(Path path) {
        return load(path, ModelOptions.defaults());
    }

    /// Loads a model.
    ///
    /// @throws ModelLoadException          if the file cannot be used
    /// @throws InsufficientMemoryException if it does not fit
    /// @throws RpcException                if one of [ModelOptions#rpcServers()] cannot be used or is lost
    /// @throws CancelledException          if the listener stopped it
    public static Model load(Path path, ModelOptions options) {
        Objects.requireNonNull(path, "path");
        Objects.requireNonNull(options, "options");
        Native.load();
        boolean wantsGpu = options.gpuLayers() != 0 && options.rpcServers().isEmpty() && !options.vocabularyOnly();
        List<Device> gpus = wantsGpu ? gpus(options) : List.of();
        if (wantsGpu && gpus.isEmpty()) {
            return load(path, options, options.devices().isEmpty() ? "no backend of this build sees a GPU" : "none of the devices " + options.devices() + " is a GPU");
        }
        int fitContext = options.placement().fitContext();
        if (fitContext > 0 && !gpus.isEmpty()) {
            int fit = GpuFit.layers(GgufFile.read(path), fitContext, gpus.stream().map(Device::freeMemory).toList());
            if (fit == 0) {
                return load(path, options.withGpuLayers(0), "not one layer fits into the free memory of " + gpus.stream().map(Device::name).toList());
            }
            options = fit < 0 || (options.gpuLayers() > 0 && options.gpuLayers() < fit) ? options : options.withGpuLayers(fit);
        }
        try {
            return load(path, options, null);
        } catch (ModelLoadException | InsufficientMemoryException e) {
            if (gpus.isEmpty() || !options.placement().cpuFallback()) {
                throw e;
            }
            return load(path, options.withGpuLayers(0), e.getMessage());
        }
    }

    private static List<Device> gpus(ModelOptions options) {
        List<String> names = options.devices().isEmpty() ? ModelParameters.localGpus() : options.devices();
        return names.isEmpty() ? List.of() : Chasqui.devices().stream().filter(device -> names.contains(device.name())
                && (device.type() == Device.Type.GPU || device.type() == Device.Type.INTEGRATED_GPU)).toList();
    }

    private static Model load(Path path, ModelOptions options, @Nullable String cpuReason) {
        try (Arena arena = Arena.ofConfined(); ModelParameters parameters = ModelParameters.of(options, arena)) {
            MemorySegment file = Native.cString(arena, "path", path.toString());
            MemorySegment out = arena.allocate(ValueLayout.ADDRESS);
            PackedCache cache = options.packedCache();
            MemorySegment folder = cache == null ? MemorySegment.NULL : Native.cString(arena, "packedCache", cache.folder().toString());
            int status = chq_model_load_cached(file, parameters.segment(), options.kernels().nativeValue(), folder,
                    cache == null ? 0 : cache.maxBytes(), out);
            parameters.rethrow();
            if (status == CHQ_STATUS_LOAD() || status == CHQ_STATUS_ABORTED() || status == CHQ_STATUS_INTERNAL()) {
                String reason = Status.lastError();
                NativeLog.drain();
                throw new ModelLoadException(path, reason);
            }
            Status.check(status);
            NativeLog.drain();
            return new Model(path, out.get(ValueLayout.ADDRESS, 0), cpuReason);
        }
    }

    /// The file it was loaded from.
    public Path path() {
        return path;
    }

    public ModelInfo info() {
        return info;
    }

    public Vocabulary vocabulary() {
        return vocabulary;
    }

    /// Where its weights are, and why not on a GPU.
    public ModelDevices devices() {
        return devices;
    }

    private static List<ModelDevices.Part> parts(MemorySegment address, Arena arena) {
        MemorySegment count = arena.allocate(ValueLayout.JAVA_INT);
        Status.check(chq_model_placement(address, MemorySegment.NULL, 0, count));
        int n = count.get(ValueLayout.JAVA_INT, 0);
        MemorySegment all = chq_placement.allocateArray(Math.max(1, n), arena);
        Status.check(chq_model_placement(address, all, n, count));
        List<ModelDevices.Part> parts = new ArrayList<>();
        for (int i = 0; i < n; i++) {
            MemorySegment one = chq_placement.asSlice(all, i);
            parts.add(new ModelDevices.Part(chq_placement.device(one).getString(0), chq_placement.n_layers(one), chq_placement.n_bytes(one)));
        }
        return parts;
    }

    /// A scalar metadata value of the file as text.
    public Optional<String> metadata(String key) {
        Objects.requireNonNull(key, "key");
        MemorySegment address = handle.acquire();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment name = Native.cString(arena, "key", key);
            return Native.optionalText((text, capacity, length) -> chq_model_meta(address, name, text, capacity, length));
        } finally {
            handle.release();
        }
    }

    /// A context with [ContextOptions#defaults()].
    public Context newContext() {
        return newContext(ContextOptions.defaults());
    }

    /// A context of this model.
    ///
    /// @throws InsufficientMemoryException if it does not fit
    /// @throws UnsupportedFeatureException if this model cannot be used that way
    public Context newContext(ContextOptions options) {
        return new Context(this, Objects.requireNonNull(options, "options"));
    }

    /// A live copy of a sampler for this vocabulary.
    ///
    /// @throws GrammarException         if its grammar does not parse
    /// @throws IllegalArgumentException if a stage has a value out of its range
    public SamplerChain newSamplerChain(Sampler sampler) {
        return new SamplerChain(this, Objects.requireNonNull(sampler, "sampler"));
    }

    /// The model's own chat template, or ChatML if it has none.
    public ChatTemplate chatTemplate() {
        return new ChatTemplate(this, null);
    }

    /// A conversation in a context of its own, with the default options.
    public ChatSession chat() {
        return chat(ContextOptions.defaults(), GenerationOptions.defaults());
    }

    /// A conversation in a context of its own.
    public ChatSession chat(ContextOptions contextOptions, GenerationOptions generationOptions) {
        return chat(contextOptions, ChatOptions.defaults().withGeneration(generationOptions));
    }

    /// A conversation in a context of its own, with tools and whatever else the options have.
    public ChatSession chat(ContextOptions contextOptions, ChatOptions chatOptions) {
        return new ChatSession(this, contextOptions, chatOptions);
    }

    /// The continuation of a text, in a context of its own that is as large as needed and goes away with the generation. The
    /// text is taken literally: no chat template, no control tokens but the model's begin-of-text.
    public Generation generate(String prompt, GenerationOptions options) {
        int[] tokens = vocabulary.tokenize(prompt, true, false);
        int room = Math.min(options.maxTokens(), ContextOptions.DEFAULT_MAX_SIZE);
        Context context = newContext(ContextOptions.defaults().withContextSize(tokens.length + room + 1));
        try {
            return context.newSequence().generate(Prompt.of(tokens), options, context);
        } catch (Throwable e) {
            context.close();
            throw e;
        }
    }

    /// An encoder of pictures, sounds or both for this model, with [VisionModelOptions#defaults()].
    ///
    /// @param projector an `mmproj` file
    /// @throws ModelLoadException if the file cannot be used, or not with this model
    public VisionModel vision(Path projector) {
        return vision(projector, VisionModelOptions.defaults());
    }

    /// An encoder of pictures, sounds or both for this model.
    ///
    /// @param projector an `mmproj` file
    /// @throws ModelLoadException if the file cannot be used, or not with this model
    public VisionModel vision(Path projector, VisionModelOptions options) {
        return new VisionModel(this, Objects.requireNonNull(projector, "projector"), Objects.requireNonNull(options, "options"));
    }

    /// A probe that tells which rows of pictures a question looks at in a layer.
    ///
    /// @param layer     0 to [ModelInfo#layers()] - 1
    /// @param maxTokens tokens and rows of the longest prompt
    /// @throws UnsupportedFeatureException if the model's layers do not show their attention
    public AttentionProbe attentionProbe(int layer, int maxTokens) {
        return new AttentionProbe(this, layer, maxTokens, 0);
    }

    /// What makes long prompts shorter, at the price of what they lose. It takes the memory of a context of `maxTokens`.
    ///
    /// @param maxTokens tokens of the longest prompt
    /// @throws IllegalArgumentException    if the model has no such layer, or for less than one token
    /// @throws UnsupportedFeatureException if the model is recurrent or has layers without attention
    /// @throws InsufficientMemoryException if there is no room for it
    public PromptCompressor promptCompressor(PromptCompression options, int maxTokens) {
        return new PromptCompressor(this, Objects.requireNonNull(options, "options"), maxTokens, 0);
    }

    /// The embeddings of its tokens, from the file. The caller closes them.
    ///
    /// @throws ModelLoadException          if the file is gone
    /// @throws UnsupportedFeatureException if it has none, or in a format that cannot be read
    public TokenEmbeddings tokenEmbeddings() {
        return new TokenEmbeddings(this);
    }

    /// An engine that answers many requests at once, with [EngineOptions#defaults()].
    public Engine newEngine() {
        return newEngine(EngineOptions.defaults());
    }

    /// An engine that answers many requests at once, in a context of its own.
    ///
    /// @throws InsufficientMemoryException if the context does not fit
    /// @throws UnsupportedFeatureException if this model cannot be used that way
    public Engine newEngine(EngineOptions options) {
        return new Engine(this, Objects.requireNonNull(options, "options"));
    }

    /// What the model's generations guess from besides their own text.
    public RecyclingTable recyclingTable() {
        return recyclingTable;
    }

    /// Frees the weights once everything made of this model is closed too. Idempotent.
    @Override
    public void close() {
        handle.close();
    }

    @Override
    public String toString() {
        return "Model[" + path.getFileName() + ", " + info.description() + "]";
    }

    NativeOwner handle() {
        return handle;
    }
}
