package dev.chasqui;

import dev.chasqui.bindings.chq_device_info;
import java.lang.foreign.MemorySegment;

/// A device that llama.cpp can compute on.
///
/// @param name        short name, e.g. `CPU` or `CUDA0`
/// @param description what it is, e.g. the card's name
/// @param backend     the backend that drives it
/// @param library     path of the library that holds the backend, empty if unknown
/// @param type        kind of device
/// @param freeMemory  bytes free when asked
/// @param totalMemory bytes in all
public record Device(
        String name, String description, String backend, String library, Type type, long freeMemory, long totalMemory) {

    /// Kind of device.
    public enum Type {
        CPU,
        /// A GPU with memory of its own.
        GPU,
        /// A GPU that shares the host's memory.
        INTEGRATED_GPU,
        /// Helps the CPU and uses the host's memory.
        ACCELERATOR,
        /// Stands for several devices.
        META
    }

    static Device of(MemorySegment info) {
        return new Device(
                chq_device_info.name(info).getString(0),
                chq_device_info.description(info).getString(0),
                chq_device_info.backend(info).getString(0),
                chq_device_info.library(info).getString(0),
                Type.values()[chq_device_info.type(info)],
                chq_device_info.memory_free(info),
                chq_device_info.memory_total(info));
    }
}
