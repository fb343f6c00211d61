package dev.chasqui.kv;

import dev.chasqui.SavedSequence;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// A sequence in a store: in memory, in a file, or both. Whoever reads or writes its changing parts holds the store's lock.
final class StoredSequence {

    /// What can be restored in the same contexts and means the same there.
    ///
    /// @param fit see [dev.chasqui.Context#stateFit()]
    record Space(long fit, String scope) { }

    final Space space;
    final PromptKey key;
    final long bytes;
    final boolean logits;
    final double secondsPerToken;
    /// In the folder.
    final String fileName;

    @Nullable SavedSequence memory;
    boolean onDisk;
    /// Waits for its file, or is being written.
    boolean pending;
    /// Calls that use the memory.
    int users;
    int pins;
    long lastUse;
    /// When the file was last marked as used, in milliseconds.
    long touchedAt;
    /// Prefixes of this sequence that go once it is in its file.
    final List<StoredSequence> supersedes = new ArrayList<>();

    StoredSequence(Space space, PromptKey key, long bytes, boolean logits, double secondsPerToken) {
        this.space = space;
        this.key = key;
        this.bytes = bytes;
        this.logits = logits;
        this.secondsPerToken = secondsPerToken;
        this.fileName = StoreFolder.nameOf(space, key);
    }

    int length() {
        return key.length();
    }

    /// Whether the memory may go.
    boolean evictable() {
        return memory != null && users == 0 && pins == 0 && !pending;
    }

    /// Whether there is nothing left of it.
    boolean gone() {
        return memory == null && !onDisk && !pending;
    }
}
