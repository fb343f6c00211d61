package dev.chasqui.cli;

import dev.chasqui.Kernels;
import dev.chasqui.Model;
import dev.chasqui.ModelOptions;
import dev.chasqui.PackedCache;
import dev.chasqui.models.ModelStore;
import java.nio.file.Path;
import java.util.List;
import picocli.CommandLine.Option;

/// The model a command works with, and how it is loaded.
final class ModelOption {

    static final String DEFAULT_MODEL = "smollm2-135m";

    @Option(names = {"-m", "--model"}, paramLabel = "MODEL", defaultValue = DEFAULT_MODEL,
            description = "A name that 'chasqui models' lists, or the path of a GGUF file (default: ${DEFAULT-VALUE}).")
    private String model;

    @Option(names = {"-ngl", "--gpu-layers"}, paramLabel = "N", defaultValue = "-1",
            description = "Layers to put on a GPU, negative for all (default: ${DEFAULT-VALUE}).")
    private int gpuLayers;

    @Option(names = "--rpc", paramLabel = "HOST:PORT", split = ",",
            description = "Put layers on the machines that run 'chasqui rpc-server' there; several are separated by commas.")
    private List<String> rpcServers = List.of();

    @Option(names = "--kernels", paramLabel = "auto|on|off", defaultValue = "auto",
            description = "Chasqui's own kernels: auto where they are faster, on wherever they can be used, off (default: ${DEFAULT-VALUE}).")
    private Kernels kernels;

    @Option(names = "--packed-cache",
            description = "Keep the weights as the kernels pack them, for the next load; the folder is chasqui/packed in your cache folder.")
    private boolean packedCache;

    /// The file, fetched if need be, with progress on stderr.
    Path file() {
        return file(model);
    }

    private static Path file(String name) {
        try (DownloadProgress progress = new DownloadProgress()) {
            return ModelStore.standard().get(name, progress);
        }
    }

    Model load() {
        return load(model);
    }

    /// Another model in the place of the one that was named.
    Model load(String name) {
        return load(file(name), options().withRpcServers(rpcServers));
    }

    /// Another model, with the same options, on this machine: what helps the first one must answer faster than a network.
    Model loadOther(String name) {
        return load(file(name), options());
    }

    /// The same model with llama.cpp's own kernels, to compare with.
    Model loadStock() {
        return load(file(model), options().withKernels(Kernels.OFF));
    }

    private ModelOptions options() {
        return ModelOptions.defaults().withGpuLayers(gpuLayers).withKernels(kernels).withPackedCache(packedCache ? PackedCache.standard() : null);
    }

    /// Enough for tokenising.
    Model loadVocabulary() {
        return load(file(), ModelOptions.defaults().withVocabularyOnly(true));
    }

    private static Model load(Path file, ModelOptions options) {
        try (ProgressBar bar = ProgressBar.onStderr()) {
            return Model.load(file, options
                    .withListener(fraction -> {
                        bar.fraction("loading " + file.getFileName(), fraction);
                        return true;
                    }));
        }
    }

    String name() {
        return model;
    }
}
