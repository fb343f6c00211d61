package dev.chasqui.internal;

import dev.chasqui.Chasqui;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Objects;
import java.util.function.ToIntFunction;
import org.jspecify.annotations.Nullable;

/// The way of [dev.chasqui] with native calls and native objects, for the other packages of this module.
public abstract class NativeAccess {

    private static volatile @Nullable NativeAccess instance;

    /// A counted native object: freed when its owner has closed it and nobody uses it any more, neither a call in progress nor a child.
    public interface Owner {

        /// The address for one call, to be paired with [#release()].
        ///
        /// @throws IllegalStateException if closed
        MemorySegment acquire();

        void release();

        /// Ends the owner's own use; idempotent.
        void close();

        boolean isClosed();
    }

    /// Loads the native libraries if need be.
    public static NativeAccess get() {
        Chasqui.load(); // installs it
        return Objects.requireNonNull(instance);
    }

    public static void install(NativeAccess access) {
        instance = access;
    }

    /// Takes over an address, and one use of `parent` that the caller has acquired.
    public abstract Owner own(Object owner, String name, MemorySegment address, ToIntFunction<MemorySegment> free, @Nullable Owner parent);

    /// Throws what a status other than OK means, with the message of this thread's last failing call.
    public abstract void check(int status);

    /// A terminated copy of a text.
    public abstract MemorySegment cString(Arena arena, String name, String text);

    /// Hands on what the native side has logged; after coarse calls.
    public abstract void drainLog();
}
