package dev.chasqui;

import static dev.chasqui.bindings.Chq.*;

import dev.chasqui.bindings.chq_recycling_info;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;

/// What a model rated best after the tokens it has seen, kept to guess from in later answers ("token recycling"). All generations of the model fill and use
/// it; it takes some 40 bytes for each token of the vocabulary and grows to 15 MiB more. Saved, it makes the next program's first answers as fast as this one's last.
///
/// Safe from any thread. It lives as long as its model.
public final class RecyclingTable {

    private final NativeOwner model;

    RecyclingTable(NativeOwner model) {
        this.model = model;
    }

    /// How much is known.
    ///
    /// @param entries contexts of one to four tokens with their successors
    /// @param bytes   of native memory
    public record Info(long entries, long bytes) { }

    public Info info() {
        MemorySegment address = model.acquire();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment info = chq_recycling_info.allocate(arena);
            Status.check(chq_recycling_get_info(address, info));
            return new Info(chq_recycling_info.n_entries(info), chq_recycling_info.n_bytes(info));
        } finally {
            model.release();
        }
    }

    /// Forgets everything.
    public void clear() {
        MemorySegment address = model.acquire();
        try {
            Status.check(chq_recycling_clear(address));
        } finally {
            model.release();
        }
    }

    /// The content, for [#restore] in this or a later program with the same model.
    public byte[] save() {
        MemorySegment address = model.acquire();
        try (Arena scratch = Arena.ofConfined()) {
            MemorySegment size = scratch.allocate(ValueLayout.JAVA_LONG);
            int status = chq_recycling_save(address, MemorySegment.NULL, 0, size);
            while (status == CHQ_STATUS_BUFFER()) {
                // other threads may add to it meanwhile
                long capacity = size.get(ValueLayout.JAVA_LONG, 0) * 5 / 4;
                try (Arena arena = Arena.ofConfined()) {
                    MemorySegment data = arena.allocate(capacity);
                    status = chq_recycling_save(address, data, capacity, size);
                    if (status == CHQ_STATUS_OK()) {
                        return data.asSlice(0, size.get(ValueLayout.JAVA_LONG, 0)).toArray(ValueLayout.JAVA_BYTE);
                    }
                }
            }
            throw Status.failure(status);
        } finally {
            model.release();
        }
    }

    /// Replaces the content by a saved one.
    ///
    /// @throws IllegalArgumentException for bytes that [#save] of the same model has not given; nothing is changed then
    public void restore(byte[] saved) {
        MemorySegment address = model.acquire();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment data = arena.allocate(Math.max(1, saved.length));
            MemorySegment.copy(saved, 0, data, ValueLayout.JAVA_BYTE, 0, saved.length);
            Status.check(chq_recycling_load(address, data, saved.length));
        } finally {
            model.release();
        }
    }

    /// Writes the content to a file, aside first, so that a reader never sees half of it.
    public void save(Path file) throws IOException {
        AtomicFile.write(file, MemorySegment.ofArray(save()));
    }

    /// Replaces the content by that of a file that [#save(Path)] wrote.
    ///
    /// @throws IllegalArgumentException for another file
    public void restore(Path file) throws IOException {
        restore(Files.readAllBytes(file));
    }
}
