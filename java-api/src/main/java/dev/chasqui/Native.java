package dev.chasqui;

import static dev.chasqui.bindings.Chq.*;

import dev.chasqui.bindings.NativeLoadException;
import dev.chasqui.bindings.NativeLoader;
import dev.chasqui.internal.NativeAccess;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Optional;

/// Loads the native libraries at the first need, and passes text across.
final class Native {

    private static volatile boolean loaded;

    static {
        NativeAccess.install(new SharedNative());
    }

    private Native() {
    }

    /// Idempotent. A failure is thrown each time, so that fixing its cause at run time is possible.
    static void load() {
        if (!loaded) {
            loadOnce();
        }
    }

    private static synchronized void loadOnce() {
        if (loaded) {
            return;
        }
        try {
            NativeLoader.load();
        } catch (NativeLoadException e) {
            throw new NativeLibraryException(e.getMessage(), e);
        }
        Status.check(chq_runtime_init(MemorySegment.NULL));
        NativeLog.applyProperty();
        loaded = true;
    }

    /// A native text function: fills `capacity` bytes and writes the length needed.
    @FunctionalInterface
    interface TextCall {
        int write(MemorySegment text, long capacity, MemorySegment length);
    }

    /// Calls a text function, a second time with a larger buffer if the first is too small.
    static String text(TextCall call) {
        try (Arena arena = Arena.ofConfined()) {
            return text(arena, 512, call);
        }
    }

    /// As [#text], with a first buffer of a size that will probably do.
    static String text(long capacity, TextCall call) {
        try (Arena arena = Arena.ofConfined()) {
            return text(arena, capacity, call);
        }
    }

    /// As [#text], empty where the native side says that there is no such thing.
    static Optional<String> optionalText(TextCall call) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment length = arena.allocate(ValueLayout.JAVA_LONG);
            int status = call.write(MemorySegment.NULL, 0, length);
            return status == CHQ_STATUS_STATE() ? Optional.empty() : Optional.of(text(arena, 512, call));
        }
    }

    private static String text(Arena arena, long firstCapacity, TextCall call) {
        MemorySegment length = arena.allocate(ValueLayout.JAVA_LONG);
        long capacity = firstCapacity;
        while (true) {
            MemorySegment buffer = arena.allocate(capacity);
            int status = call.write(buffer, capacity, length);
            if (status == CHQ_STATUS_OK()) {
                return buffer.getString(0);
            }
            if (status != CHQ_STATUS_BUFFER()) {
                throw Status.failure(status);
            }
            capacity = length.get(ValueLayout.JAVA_LONG, 0) + 1;
        }
    }

    /// A terminated copy of the text for a C string parameter, which ends at the first NUL.
    ///
    /// @throws IllegalArgumentException if the text holds a NUL character
    static MemorySegment cString(Arena arena, String name, String text) {
        if (text.indexOf('\0') >= 0) {
            throw new IllegalArgumentException(name + " holds a NUL character");
        }
        byte[] bytes = Utf8.encode(text);
        MemorySegment segment = arena.allocate(bytes.length + 1L);
        MemorySegment.copy(bytes, 0, segment, ValueLayout.JAVA_BYTE, 0, bytes.length);
        return segment;
    }

    /// An array of C strings, NULL for an empty list.
    static MemorySegment cStrings(Arena arena, String name, Iterable<String> texts, int count) {
        if (count == 0) {
            return MemorySegment.NULL;
        }
        MemorySegment array = arena.allocate(ValueLayout.ADDRESS, count);
        int i = 0;
        for (String text : texts) {
            array.setAtIndex(ValueLayout.ADDRESS, i++, cString(arena, name, text));
        }
        return array;
    }
}
