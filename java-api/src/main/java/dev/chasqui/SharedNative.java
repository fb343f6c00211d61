package dev.chasqui;

import dev.chasqui.internal.NativeAccess;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.function.ToIntFunction;
import org.jspecify.annotations.Nullable;

/// Gives the other packages of this module what is not public here.
final class SharedNative extends NativeAccess {

    @Override
    public Owner own(Object owner, String name, MemorySegment address, ToIntFunction<MemorySegment> free, @Nullable Owner parent) {
        NativeOwner counted = parent == null ? null : ((Counted) parent).owner();
        return new Counted(new NativeOwner(owner, name, address, free::applyAsInt, counted));
    }

    @Override
    public void check(int status) {
        Status.check(status);
    }

    @Override
    public MemorySegment cString(Arena arena, String name, String text) {
        return Native.cString(arena, name, text);
    }

    @Override
    public void drainLog() {
        NativeLog.drain();
    }

    private record Counted(NativeOwner owner) implements Owner {

        @Override
        public MemorySegment acquire() {
            return owner.acquire();
        }

        @Override
        public void release() {
            owner.release();
        }

        @Override
        public void close() {
            owner.close();
        }

        @Override
        public boolean isClosed() {
            return owner.isClosed();
        }
    }
}
