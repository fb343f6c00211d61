package dev.chasqui;

import java.lang.foreign.MemorySegment;
import java.lang.ref.Cleaner;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/// A counted native object. It is freed when its owner has closed it and nobody uses it any more: neither a call in
/// progress nor a child that was made of it. That makes every order of closing safe.
final class NativeOwner {

    /// How a native object is freed; gives a status.
    @FunctionalInterface
    interface Free {
        int free(MemorySegment address);
    }

    private final String name;
    private final MemorySegment address;
    private final Free free;
    private final @Nullable NativeOwner parent;
    private final AtomicInteger uses = new AtomicInteger(1);
    private final Leaks.@Nullable Watch watch;
    private volatile boolean closed;

    /// Takes over `address`, and one use of `parent` that the caller has acquired.
    NativeOwner(Object owner, String name, MemorySegment address, Free free, @Nullable NativeOwner parent) {
        this.name = name;
        this.address = address;
        this.free = free;
        this.parent = parent;
        this.watch = Leaks.watch(owner, name);
    }

    /// The address for one call or one child, to be paired with [#release()].
    ///
    /// @throws IllegalStateException if closed
    MemorySegment acquire() {
        while (true) {
            int n = uses.get();
            if (closed || n == 0) {
                throw closedException();
            }
            if (uses.compareAndSet(n, n + 1)) {
                return address;
            }
        }
    }

    /// Another use, for somebody who has one already; works after [#close()] too.
    void retain() {
        uses.incrementAndGet();
    }

    /// The address, for somebody who has a use of it; works after [#close()] too.
    MemorySegment addressInUse() {
        return address;
    }

    void release() {
        if (uses.decrementAndGet() == 0) {
            int status = free.free(address);
            if (parent != null) {
                parent.release();
            }
            NativeLog.drain();
            Status.check(status);
        }
    }

    /// Ends the owner's own use; idempotent.
    void close() {
        synchronized (this) {
            if (closed) {
                return;
            }
            closed = true;
        }
        if (watch != null) {
            watch.closed();
        }
        release();
    }

    boolean isClosed() {
        return closed;
    }

    /// The address without a use of its own, for an owner that serialises its calls and its close itself.
    MemorySegment address() {
        if (closed) {
            throw closedException();
        }
        return address;
    }

    private IllegalStateException closedException() {
        return new IllegalStateException(name + " is closed");
    }

    /// Reports objects that were dropped without being closed, with the place that made them. It never frees anything.
    /// Off unless the system property `chasqui.leaks` is `true`.
    private static final class Leaks {

        private static final @Nullable Cleaner CLEANER = Boolean.getBoolean("chasqui.leaks") ? Cleaner.create() : null;

        static @Nullable Watch watch(Object owner, String name) {
            if (CLEANER == null) {
                return null;
            }
            Watch watch = new Watch(name);
            CLEANER.register(owner, watch);
            return watch;
        }

        private static final class Watch implements Runnable {

            private final String name;
            private final Throwable origin = new Throwable("it was made here");
            private volatile boolean closed;

            Watch(String name) {
                this.name = name;
            }

            void closed() {
                closed = true;
            }

            @Override
            public void run() {
                if (!closed) {
                    System.getLogger("dev.chasqui.leaks")
                            .log(System.Logger.Level.WARNING, name + " was dropped without close()", origin);
                }
            }
        }
    }
}
