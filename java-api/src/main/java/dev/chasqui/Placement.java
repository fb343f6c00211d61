package dev.chasqui;

import static dev.chasqui.bindings.Chq.*;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Objects;
import java.util.SequencedMap;

/// Where the weights of a model go. Immutable.
///
/// @param tensors     regular expressions, of at most 256 bytes, that are looked for in the names of tensors, and the names of the devices for those
///                    in which they are found, as [Device#name()] gives them; the first one counts. `CPU` for the experts of a mixture is the usual
///                    one: `\\.ffn_(up|down|gate)_exps\\.`
/// @param splitMode   how several devices share a model
/// @param shares      of the layers for each device, in the order of the devices, in any unit; empty = by the memory that is free
/// @param fitContext  0, or a number of tokens: at most as many layers go to GPUs as fit into their free memory beside a context of that size
/// @param cpuFallback whether a model that cannot be loaded to the GPUs that were chosen goes to the CPU; [Model#devices()] then says why
public record Placement(
        SequencedMap<String, String> tensors,
        SplitMode splitMode,
        List<Double> shares,
        int fitContext,
        boolean cpuFallback) {

    private static final Placement DEFAULTS = new Placement(new LinkedHashMap<>(), SplitMode.LAYER, List.of(), 0, true);

    /// How several devices share a model.
    public enum SplitMode {

        /// The first device has all of it.
        NONE,

        /// Whole layers with their part of the KV cache.
        LAYER,

        /// Rows of matrices, where the backend can.
        ROW,

        /// Every tensor, computed by all at once; new in llama.cpp.
        TENSOR;

        int nativeValue() {
            return switch (this) {
                case NONE -> LLAMA_SPLIT_MODE_NONE();
                case LAYER -> LLAMA_SPLIT_MODE_LAYER();
                case ROW -> LLAMA_SPLIT_MODE_ROW();
                case TENSOR -> LLAMA_SPLIT_MODE_TENSOR();
            };
        }
    }

    public Placement {
        tensors = Collections.unmodifiableSequencedMap(new LinkedHashMap<>(tensors));
        tensors.forEach((pattern, device) -> {
            Objects.requireNonNull(device, "a device in tensors");
            if (pattern.isEmpty()) {
                throw new IllegalArgumentException("a pattern in tensors is empty");
            }
        });
        Objects.requireNonNull(splitMode, "splitMode");
        shares = List.copyOf(shares);
        for (double share : shares) {
            if (!(share >= 0) || share > Float.MAX_VALUE) {
                throw new IllegalArgumentException("shares = " + shares);
            }
        }
        if (fitContext < 0) {
            throw new IllegalArgumentException("fitContext = " + fitContext);
        }
    }

    /// Layers on devices by their free memory, all that were asked for, and the CPU where that fails.
    public static Placement defaults() {
        return DEFAULTS;
    }

    public Placement withTensors(SequencedMap<String, String> value) {
        return new Placement(value, splitMode, shares, fitContext, cpuFallback);
    }

    /// These tensors on that device, before what there is.
    public Placement withTensors(String pattern, String device) {
        SequencedMap<String, String> all = new LinkedHashMap<>();
        all.put(pattern, device);
        tensors.forEach(all::putIfAbsent);
        return withTensors(all);
    }

    public Placement withSplitMode(SplitMode value) {
        return new Placement(tensors, value, shares, fitContext, cpuFallback);
    }

    public Placement withShares(List<Double> value) {
        return new Placement(tensors, splitMode, value, fitContext, cpuFallback);
    }

    public Placement withFitContext(int value) {
        return new Placement(tensors, splitMode, shares, value, cpuFallback);
    }

    public Placement withCpuFallback(boolean value) {
        return new Placement(tensors, splitMode, shares, fitContext, value);
    }
}
