package dev.chasqui;

import java.util.List;
import java.util.Optional;

/// Where the weights of a loaded model are. Immutable.
///
/// @param parts     a part for each device that has some
/// @param cpuReason why the model is on the CPU though layers were to go to a GPU; empty if they did, or none were to
public record ModelDevices(List<Part> parts, Optional<String> cpuReason) {

    public ModelDevices {
        parts = List.copyOf(parts);
    }

    /// What one device has.
    ///
    /// @param device as [Device#name()] gives it
    /// @param layers of the model, the output counted as one more
    /// @param bytes  of weights, as llama.cpp counts them
    public record Part(String device, int layers, long bytes) { }
}
