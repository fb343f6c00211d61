package dev.chasqui;

import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// How a model is loaded. Immutable; [#defaults()] suits most programs.
///
/// @param gpuLayers         layers whose weights go to GPUs; negative = all of them; without a GPU it has no effect
/// @param devices           names of the devices to use, as [Device#name()] gives them; empty = every GPU there is
/// @param rpcServers        `host:port` of [RpcServer]s whose devices come before those of this machine; a layer's weights and its part of
///                          the KV cache live on one device, as many layers on each as its free memory says. No authentication, no
///                          encryption: private networks only. Loading throws [RpcException] where one cannot be used
/// @param loadMode          how the file gets into memory
/// @param vocabularyOnly    loads no weights: enough to tokenise
/// @param checkTensors      looks for invalid numbers in the weights while loading; slower
/// @param repack            lets llama.cpp's backends store weights in the layout that suits their kernels
/// @param kernels           whether weights are packed for Chasqui's own kernels, which come before those of the backends
/// @param packedCache       where packed weights are kept for the next load; null = the folder that the environment variable
///                          `CHASQUI_PACKED_CACHE` names, or nowhere
/// @param metadataOverrides values that replace those in the file: [Boolean], [Long], [Double] or [String] of at most 127 bytes
/// @param placement         which weights go to which device
/// @param listener          hears of progress, or null
public record ModelOptions(
        int gpuLayers,
        List<String> devices,
        List<String> rpcServers,
        LoadMode loadMode,
        boolean vocabularyOnly,
        boolean checkTensors,
        boolean repack,
        Kernels kernels,
        @Nullable PackedCache packedCache,
        Map<String, Object> metadataOverrides,
        Placement placement,
        @Nullable LoadListener listener) {

    private static final ModelOptions DEFAULTS =
            new ModelOptions(-1, List.of(), List.of(), LoadMode.AUTO, false, false, true, Kernels.AUTO, null, Map.of(), Placement.defaults(), null);

    public ModelOptions {
        devices = List.copyOf(devices);
        rpcServers = List.copyOf(rpcServers);
        rpcServers.forEach(RpcAddress::check);
        Objects.requireNonNull(loadMode, "loadMode");
        Objects.requireNonNull(kernels, "kernels");
        Objects.requireNonNull(placement, "placement");
        metadataOverrides = Map.copyOf(metadataOverrides);
        metadataOverrides.forEach(ModelOptions::checkOverride);
    }

    /// All layers on a GPU where there is one, weights mapped, those on the CPU packed where that is faster, nothing overridden.
    public static ModelOptions defaults() {
        return DEFAULTS;
    }

    public ModelOptions withGpuLayers(int value) {
        return new ModelOptions(value, devices, rpcServers, loadMode, vocabularyOnly, checkTensors, repack, kernels, packedCache, metadataOverrides, placement, listener);
    }

    public ModelOptions withDevices(List<String> value) {
        return new ModelOptions(gpuLayers, value, rpcServers, loadMode, vocabularyOnly, checkTensors, repack, kernels, packedCache, metadataOverrides, placement, listener);
    }

    public ModelOptions withRpcServers(List<String> value) {
        return new ModelOptions(gpuLayers, devices, value, loadMode, vocabularyOnly, checkTensors, repack, kernels, packedCache, metadataOverrides, placement, listener);
    }

    public ModelOptions withLoadMode(LoadMode value) {
        return new ModelOptions(gpuLayers, devices, rpcServers, value, vocabularyOnly, checkTensors, repack, kernels, packedCache, metadataOverrides, placement, listener);
    }

    public ModelOptions withVocabularyOnly(boolean value) {
        return new ModelOptions(gpuLayers, devices, rpcServers, loadMode, value, checkTensors, repack, kernels, packedCache, metadataOverrides, placement, listener);
    }

    public ModelOptions withCheckTensors(boolean value) {
        return new ModelOptions(gpuLayers, devices, rpcServers, loadMode, vocabularyOnly, value, repack, kernels, packedCache, metadataOverrides, placement, listener);
    }

    public ModelOptions withRepack(boolean value) {
        return new ModelOptions(gpuLayers, devices, rpcServers, loadMode, vocabularyOnly, checkTensors, value, kernels, packedCache, metadataOverrides, placement, listener);
    }

    public ModelOptions withKernels(Kernels value) {
        return new ModelOptions(gpuLayers, devices, rpcServers, loadMode, vocabularyOnly, checkTensors, repack, value, packedCache, metadataOverrides, placement, listener);
    }

    public ModelOptions withPackedCache(@Nullable PackedCache value) {
        return new ModelOptions(gpuLayers, devices, rpcServers, loadMode, vocabularyOnly, checkTensors, repack, kernels, value, metadataOverrides, placement, listener);
    }

    public ModelOptions withMetadataOverrides(Map<String, Object> value) {
        return new ModelOptions(gpuLayers, devices, rpcServers, loadMode, vocabularyOnly, checkTensors, repack, kernels, packedCache, value, placement, listener);
    }

    public ModelOptions withPlacement(Placement value) {
        return new ModelOptions(gpuLayers, devices, rpcServers, loadMode, vocabularyOnly, checkTensors, repack, kernels, packedCache, metadataOverrides, value, listener);
    }

    public ModelOptions withListener(@Nullable LoadListener value) {
        return new ModelOptions(gpuLayers, devices, rpcServers, loadMode, vocabularyOnly, checkTensors, repack, kernels, packedCache, metadataOverrides, placement, value);
    }

    private static void checkOverride(String key, Object value) {
        if (key.isEmpty() || Utf8.length(key) > 127) {
            throw new IllegalArgumentException("a metadata key must have 1 to 127 bytes: '" + key + "'");
        }
        switch (value) {
            case Boolean _, Long _, Double _ -> { }
            case String text when Utf8.length(text) <= 127 -> { }
            default -> throw new IllegalArgumentException("metadata override of " + key
                    + " must be a Boolean, a Long, a Double or a String of at most 127 bytes, not " + value);
        }
    }
}
