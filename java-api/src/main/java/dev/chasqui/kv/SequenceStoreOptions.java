package dev.chasqui.kv;

import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/// Where a [SequenceStore] keeps sequences and how many. Immutable; change a copy with the `with` methods.
///
/// @param folder      for files, made if it is not there; null = memory only. Only the user may have the right to write to it: what
///                    is in it is handed to llama.cpp
/// @param ramBytes    most native memory for stored sequences
/// @param diskBytes   most bytes of files in the folder, of all programs that use it
/// @param writeBehind whether files are written on a thread of the store's own; otherwise [SequenceStore#park] writes them
/// @param minTokens   shorter sequences are not stored, at least 1
public record SequenceStoreOptions(@Nullable Path folder, long ramBytes, long diskBytes, boolean writeBehind, int minTokens) {

    private static final SequenceStoreOptions DEFAULTS = new SequenceStoreOptions(null, 1L << 30, 16L << 30, true, 32);

    public SequenceStoreOptions {
        notNegative("ramBytes", ramBytes);
        notNegative("diskBytes", diskBytes);
        if (minTokens < 1) {
            throw new IllegalArgumentException("minTokens is " + minTokens + ", must be at least 1");
        }
    }

    /// In memory only, up to 1 GiB.
    public static SequenceStoreOptions inMemory() {
        return DEFAULTS;
    }

    /// Up to 1 GiB in memory and 16 GiB in the folder.
    public static SequenceStoreOptions in(Path folder) {
        return DEFAULTS.withFolder(folder);
    }

    public SequenceStoreOptions withFolder(@Nullable Path value) {
        return new SequenceStoreOptions(value, ramBytes, diskBytes, writeBehind, minTokens);
    }

    public SequenceStoreOptions withRamBytes(long value) {
        return new SequenceStoreOptions(folder, value, diskBytes, writeBehind, minTokens);
    }

    public SequenceStoreOptions withDiskBytes(long value) {
        return new SequenceStoreOptions(folder, ramBytes, value, writeBehind, minTokens);
    }

    public SequenceStoreOptions withWriteBehind(boolean value) {
        return new SequenceStoreOptions(folder, ramBytes, diskBytes, value, minTokens);
    }

    public SequenceStoreOptions withMinTokens(int value) {
        return new SequenceStoreOptions(folder, ramBytes, diskBytes, writeBehind, value);
    }

    private static void notNegative(String name, long value) {
        if (value < 0) {
            throw new IllegalArgumentException(name + " is negative: " + value);
        }
    }
}
