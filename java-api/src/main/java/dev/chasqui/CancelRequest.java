package dev.chasqui;

import java.lang.foreign.MemorySegment;
import java.util.function.Consumer;

/// A wish of any thread that what another one computes on a native object stop, which holds until the next use of the object begins. Its monitor also keeps
/// the object open meanwhile: whoever closes it holds that.
final class CancelRequest {

    private volatile boolean made;

    /// Stops the use at hand. Does nothing once the object is closed.
    void make(NativeOwner handle, Consumer<MemorySegment> cancel) {
        synchronized (this) {
            if (!handle.isClosed()) {
                made = true;
                cancel.accept(handle.address());
            }
        }
    }

    /// Begins a use of the object by the thread that has it to itself.
    ///
    /// @param reset takes an earlier request back
    /// @return its address
    /// @throws IllegalStateException if another thread uses it, or it is closed
    MemorySegment enter(Exclusive exclusive, NativeOwner handle, Consumer<MemorySegment> reset) {
        exclusive.enter();
        try {
            MemorySegment address = handle.address();
            if (made) {
                synchronized (this) {
                    made = false;
                    reset.accept(address);
                }
            }
            return address;
        } catch (Throwable e) {
            exclusive.exit();
            throw e;
        }
    }
}
