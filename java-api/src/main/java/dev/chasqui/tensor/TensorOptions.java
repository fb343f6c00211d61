package dev.chasqui.tensor;

import dev.chasqui.Device;
import org.jspecify.annotations.Nullable;

/// Where a [TensorArena] keeps its tensors and computes. Immutable; change a copy with the `with` methods.
///
/// @param device  name of the device, as [Device#name()]; null = the CPU. What it cannot compute is computed on the CPU.
/// @param threads CPU threads; 0 = physical cores
public record TensorOptions(@Nullable String device, int threads) {

    private static final TensorOptions DEFAULTS = new TensorOptions(null, 0);

    public TensorOptions {
        if (threads < 0 || threads > 512) {
            throw new IllegalArgumentException("threads = " + threads + " is not in 0..512");
        }
    }

    /// The CPU with every physical core.
    public static TensorOptions defaults() {
        return DEFAULTS;
    }

    public TensorOptions withDevice(@Nullable String value) {
        return new TensorOptions(value, threads);
    }

    public TensorOptions withDevice(Device value) {
        return withDevice(value.name());
    }

    public TensorOptions withThreads(int value) {
        return new TensorOptions(device, value);
    }
}
