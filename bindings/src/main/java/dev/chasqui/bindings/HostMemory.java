package dev.chasqui.bindings;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/// Views of memory that the native side owns.
public final class HostMemory {

    private HostMemory() {
    }

    /// A view that can be used until the scope is closed. That the memory lives as long is up to the caller.
    public static MemorySegment view(MemorySegment address, long bytes, Arena scope) {
        return address.reinterpret(bytes, scope, null);
    }
}
