package dev.chasqui;

import static dev.chasqui.bindings.Chq.*;

import dev.chasqui.bindings.NativeLoader;
import dev.chasqui.bindings.chq_device_info;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// The runtime under everything: versions, devices and the native log. Thread-safe.
///
/// The native libraries are loaded at the first need. They come from the folder that the system property
/// `chasqui.library.path` names, or else from the natives jar, which is unpacked once into the user's cache folder.
public final class Chasqui {

    private Chasqui() {
    }

    /// Loads the native libraries now instead of at the first need.
    ///
    /// @throws NativeLibraryException if that is not possible
    public static void load() {
        Native.load();
    }

    /// Version of the native side of Chasqui.
    public static String version() {
        Native.load();
        return chq_version().getString(0);
    }

    /// The llama.cpp release underneath, e.g. `v0.5.0`.
    public static String llamaVersion() {
        Native.load();
        return chq_llama_tag().getString(0);
    }

    /// Where the native libraries were loaded from.
    public static String libraryLocation() {
        Native.load();
        return NativeLoader.location().toString();
    }

    /// Every device that can compute, the CPU included.
    public static List<Device> devices() {
        Native.load();
        List<Device> devices = new ArrayList<>();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment info = arena.allocate(chq_device_info.layout());
            for (int i = 0; i < chq_device_count(); i++) {
                Status.check(chq_device(i, info));
                devices.add(Device.of(info));
            }
        }
        return List.copyOf(devices);
    }

    /// Instruction sets that the CPU backend in use was built for.
    public static String cpuFeatures() {
        Native.load();
        return Native.text((text, capacity, length) -> chq_cpu_features(text, capacity, length));
    }

    /// Instruction set of Chasqui's own kernels, e.g. `AVX512-VNNI`; empty if the natives have none. See [Kernels].
    public static Optional<String> kernels() {
        Native.load();
        return Native.optionalText((text, capacity, length) -> chq_kernels(text, capacity, length));
    }

    /// Physical cores that this process may use: the default number of threads.
    public static int physicalCores() {
        Native.load();
        return chq_physical_cores();
    }

    /// Lets native log lines of this level and above through to the [System.Logger] `dev.chasqui.native`. They are off at the
    /// start unless the system property `chasqui.log` is `error`, `warn`, `info` or `debug`; failures carry the native reason
    /// in their exception anyway.
    public static void nativeLog(System.Logger.Level level) {
        Native.load();
        NativeLog.level(level);
    }
}
