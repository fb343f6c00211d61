package dev.chasqui.kv;

import java.nio.file.Path;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// Where the KV cache of a context is: in memory, or on a file with a part of it in memory. Of which types its elements are is another question, see
/// `ContextOptions.withKvTypes`.
///
/// On a file a text can be longer than the memory for it allows. What a step needs is brought into memory before, and other pages leave for it, so that
/// there are never more than allowed. The answers are those of a cache in memory. A step of full attention reads all of the cache, layer by layer, which takes
/// as long as the disk needs for it; with [SparseAttention] each step reads the pages that it chooses, of which most are still there from the steps before. See
/// `docs/sparse-attention.md` for measurements.
///
/// The file has no name, takes its whole room when the context is made, and is gone with the context. Only on the CPU, with Chasqui's kernels and flash attention; not on
/// Windows.
///
/// Immutable, and safe to share.
///
/// @param folder        an existing folder on a disk, in which the file is made; null = all of the cache is in memory
/// @param residentBytes most bytes of keys and values that are in memory; at least those of one layer. What is kept of keys for [SparseAttention] is beside
///                      that, about a tenth of the cache
public record KvCacheOptions(@Nullable Path folder, long residentBytes) {

    private static final KvCacheOptions IN_MEMORY = new KvCacheOptions(null, Long.MAX_VALUE);

    /// @throws IllegalArgumentException if `residentBytes` is not positive
    public KvCacheOptions {
        if (residentBytes <= 0) {
            throw new IllegalArgumentException("residentBytes = " + residentBytes);
        }
    }

    /// All of the cache in memory.
    public static KvCacheOptions inMemory() {
        return IN_MEMORY;
    }

    public static KvCacheOptions onFile(Path folder, long residentBytes) {
        return new KvCacheOptions(Objects.requireNonNull(folder, "folder"), residentBytes);
    }
}
