package dev.chasqui;

import static dev.chasqui.bindings.Chq.*;

import dev.chasqui.bindings.chq_state_info;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/// A saved state in native memory of its own: never changed once it is filled, so that what was checked stays checked. Counted as every
/// [NativeOwner]: closing it while somebody restores from it is safe.
final class StateMemory {

    private static final int SLICE = 4 << 20;

    private final NativeOwner memory;
    private final long size;

    private StateMemory(Object owner, MemorySegment address, long size) {
        this.memory = new NativeOwner(owner, "saved state", address, StateMemory::free, null);
        this.size = size;
    }

    private static int free(MemorySegment address) {
        chq_state_release(address);
        return CHQ_STATUS_OK();
    }

    /// What the head of a state says.
    ///
    /// @param head   its bytes
    /// @param fit    see `chq_state_fit`
    /// @param noteAt where the note begins in the head
    record Info(MemorySegment head, long bytes, long fit, long noteAt, int noteLength, int tokens, int kind, boolean logits) {

        int[] tokenIds() {
            return head.asSlice(CHQ_STATE_HEADER_BYTES(), (long) tokens * Integer.BYTES).toArray(ValueLayout.JAVA_INT_UNALIGNED);
        }

        byte[] note() {
            return head.asSlice(noteAt, noteLength).toArray(ValueLayout.JAVA_BYTE);
        }
    }

    /// Writes a state; gives a status and, in any case but for a failure, its size.
    @FunctionalInterface
    interface Save {
        int save(MemorySegment data, long capacity, MemorySegment size);
    }

    /// A new state, as large as it needs to be.
    static StateMemory save(Object owner, Save call) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment size = arena.allocate(ValueLayout.JAVA_LONG);
            int status = call.save(MemorySegment.NULL, 0, size);
            if (status != CHQ_STATUS_BUFFER()) {
                throw Status.failure(status);
            }
            long bytes = size.get(ValueLayout.JAVA_LONG, 0);
            MemorySegment data = allocate(arena, bytes);
            try {
                Status.check(call.save(data, bytes, size));
                return new StateMemory(owner, data, bytes);
            } catch (Throwable e) {
                chq_state_release(data);
                throw e;
            }
        }
    }

    /// Reads and checks a file.
    ///
    /// @throws StateMismatchException if it is no saved state, or damaged
    static StateMemory read(Object owner, Path file) throws IOException {
        Native.load();
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ); Arena arena = Arena.ofConfined()) {
            long bytes = readHead(channel, file, arena).bytes();
            MemorySegment data = allocate(arena, bytes);
            try {
                channel.position(0);
                fill(channel, file, data);
                check(file, chq_state_check(data, bytes));
                return new StateMemory(owner, data, bytes);
            } catch (Throwable e) {
                chq_state_release(data);
                throw e;
            }
        }
    }

    /// Reads and checks the head of a file, into memory of the arena.
    ///
    /// @throws StateMismatchException if it is no saved state, or its head is damaged
    static Info readHead(Path file, Arena arena) throws IOException {
        Native.load();
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
            return readHead(channel, file, arena);
        }
    }

    private static Info readHead(FileChannel channel, Path file, Arena arena) throws IOException {
        long total = channel.size();
        MemorySegment info = chq_state_info.allocate(arena);
        MemorySegment head = arena.allocate(Math.max(1, Math.min(total, CHQ_STATE_HEADER_BYTES())));
        fill(channel, file, head.asSlice(0, Math.min(total, CHQ_STATE_HEADER_BYTES())));
        int status = chq_state_read_head(head, Math.min(total, CHQ_STATE_HEADER_BYTES()), total, info);
        if (status == CHQ_STATUS_BUFFER()) {
            head = arena.allocate(chq_state_info.n_head(info), Long.BYTES);
            channel.position(0);
            fill(channel, file, head);
            status = chq_state_read_head(head, head.byteSize(), total, info);
        }
        check(file, status);
        return info(head, info);
    }

    private static Info info(MemorySegment head, MemorySegment info) {
        return new Info(head.asSlice(0, chq_state_info.n_head(info)), chq_state_info.n_bytes(info), chq_state_info.fit(info),
                chq_state_info.note_at(info), chq_state_info.n_note(info), chq_state_info.n_tokens(info), chq_state_info.kind(info),
                chq_state_info.logits(info));
    }

    /// Throws the right exception for a state that is not as it should be.
    private static void check(Path file, int status) {
        if (status == CHQ_STATUS_ARGUMENT()) {
            throw new StateMismatchException(file + ": " + Status.lastError());
        }
        Status.check(status);
    }

    private static MemorySegment allocate(Arena arena, long bytes) {
        MemorySegment out = arena.allocate(ValueLayout.ADDRESS);
        Status.check(chq_state_allocate(bytes, out));
        return out.get(C_POINTER, 0).asSlice(0, bytes);
    }

    private static void fill(FileChannel channel, Path file, MemorySegment memory) throws IOException {
        for (long at = 0; at < memory.byteSize(); at += SLICE) {
            ByteBuffer slice = memory.asSlice(at, Math.min(SLICE, memory.byteSize() - at)).asByteBuffer();
            while (slice.hasRemaining()) {
                if (channel.read(slice) < 0) {
                    throw new StateMismatchException(file + ": the saved state is damaged: the file became shorter while it was read");
                }
            }
        }
    }

    long size() {
        return size;
    }

    /// What its head says; the head's bytes live as long as [#acquire] is not undone.
    Info info() {
        MemorySegment data = acquire();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment info = chq_state_info.allocate(arena);
            Status.check(chq_state_read_head(data, size, size, info));
            return info(data, info);
        } finally {
            release();
        }
    }

    /// Writes it to a file, with the checksum of its body; see [AtomicFile].
    void write(Path file) throws IOException {
        MemorySegment data = acquire();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment header = arena.allocate(CHQ_STATE_HEADER_BYTES());
            Status.check(chq_state_seal(data, size, header));
            AtomicFile.write(file, header, data.asSlice(CHQ_STATE_HEADER_BYTES()));
        } finally {
            release();
        }
    }

    /// A copy in an array, with the checksum of its body.
    byte[] toArray() {
        if (size > Integer.MAX_VALUE - 8) {
            throw new UnsupportedFeatureException("a state of %,d bytes does not fit into an array".formatted(size));
        }
        MemorySegment data = acquire();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment header = arena.allocate(CHQ_STATE_HEADER_BYTES());
            Status.check(chq_state_seal(data, size, header));
            byte[] array = data.toArray(ValueLayout.JAVA_BYTE);
            MemorySegment.copy(header, ValueLayout.JAVA_BYTE, 0, array, 0, (int) header.byteSize());
            return array;
        } finally {
            release();
        }
    }

    /// The address, until [#release].
    ///
    /// @throws IllegalStateException if closed
    MemorySegment acquire() {
        return memory.acquire();
    }

    void release() {
        memory.release();
    }

    void close() {
        memory.close();
    }
}
