package dev.chasqui;

import dev.chasqui.bindings.NativeLoader;
import java.nio.file.Path;
import java.util.Objects;

/// A folder that keeps weights as [Kernels] packs them, for the next load of the same weights to map instead of packing them again.
///
/// Processes that map the same file share its memory. A file belongs to the exact bytes of one tensor of a model, and is used only
/// if its own checksum is right; one that is damaged is replaced. When the folder is full, what was used longest ago goes. Where the
/// folder cannot be used, models load without it, and the log says why. On Windows it has no effect.
///
/// Do not shorten or overwrite files in the folder while a model is open: like a model file itself, they are mapped, and a process
/// that reads mapped memory behind the end of its file is ended by the operating system. Deleting them is safe.
///
/// @param folder   created if it is not there; only the user may have the right to write to it
/// @param maxBytes of all its files together, not negative
public record PackedCache(Path folder, long maxBytes) {

    private static final long STANDARD_BYTES = 16L << 30;

    public PackedCache {
        Objects.requireNonNull(folder, "folder");
        if (maxBytes < 0) {
            throw new IllegalArgumentException("maxBytes is negative: " + maxBytes);
        }
    }

    /// Up to 16 GiB in the folder `chasqui/packed` of the user's cache folder.
    public static PackedCache standard() {
        return new PackedCache(NativeLoader.cacheFolder().resolve("packed"), STANDARD_BYTES);
    }
}
