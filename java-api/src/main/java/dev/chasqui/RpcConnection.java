package dev.chasqui;

import static dev.chasqui.bindings.Chq.*;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;

/// A use of this process's connection to an RPC server. Models on the server's devices have uses of their own.
final class RpcConnection implements AutoCloseable {

    private static final int CONNECT_MILLIS = 5_000;
    private static final long DEFAULT_ANSWER_SECONDS = 600;

    private final MemorySegment handle;

    private RpcConnection(MemorySegment handle) {
        this.handle = handle;
    }

    static RpcConnection open(String address) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment out = arena.allocate(ValueLayout.ADDRESS);
            Status.check(chq_rpc_connect(Native.cString(arena, "address", address), CONNECT_MILLIS, answerMillis(), out));
            return new RpcConnection(out.get(ValueLayout.ADDRESS, 0));
        }
    }

    MemorySegment handle() {
        return handle;
    }

    int deviceCount() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment count = arena.allocate(ValueLayout.JAVA_INT);
            Status.check(chq_rpc_device_count(handle, count));
            return count.get(ValueLayout.JAVA_INT, 0);
        }
    }

    /// What native code names the devices by.
    List<MemorySegment> devices() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment out = arena.allocate(ValueLayout.ADDRESS);
            List<MemorySegment> devices = new ArrayList<>();
            for (int i = 0, n = deviceCount(); i < n; i++) {
                Status.check(chq_rpc_device(handle, i, MemorySegment.NULL, out));
                devices.add(out.get(ValueLayout.ADDRESS, 0));
            }
            return devices;
        }
    }

    @Override
    public void close() {
        chq_rpc_disconnect(handle);
    }

    /// How long a server may take for its part of one batch.
    private static int answerMillis() {
        long seconds = Long.getLong("chasqui.rpc.timeout", DEFAULT_ANSWER_SECONDS);
        return Math.clamp(seconds, 1, 86_400) * 1000;
    }
}
