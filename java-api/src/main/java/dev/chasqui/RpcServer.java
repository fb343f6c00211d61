package dev.chasqui;

import static dev.chasqui.bindings.Chq.*;

import dev.chasqui.bindings.chq_device_info;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// Lends this machine's devices to programs on other machines, by llama.cpp's RPC backend.
///
/// **There is no authentication and no encryption, and whoever connects is trusted with the memory of this process.** It belongs on a private
/// network, never where strangers can reach it.
///
/// llama.cpp's server cannot be stopped from within and ends the process on some malformed requests, so give it a process of its own, such as
/// `chasqui rpc-server`. One client is served at a time; others wait.
public final class RpcServer {

    /// The port of llama.cpp's own server.
    public static final int DEFAULT_PORT = 50052;

    private RpcServer() {
    }

    /// How to serve. Immutable.
    ///
    /// @param host    IPv4 address of the interface to listen on; `0.0.0.0` = all of them
    /// @param port    TCP port
    /// @param threads CPU threads if the CPU is what is lent; 0 = the number of physical cores
    /// @param cache   folder that keeps weights of more than 10 MiB by their hash, so that clients need not send them again; made if
    ///                it is missing, never cleaned; null = none
    public record Options(String host, int port, int threads, @Nullable Path cache) {

        private static final Options DEFAULTS = new Options("127.0.0.1", DEFAULT_PORT, 0, null);

        public Options {
            RpcAddress.check(host + ":" + port);
            if (threads < 0 || threads > 512) {
                throw new IllegalArgumentException("threads = " + threads + " is not in 0..512");
            }
        }

        /// Reachable from this machine only, at [#DEFAULT_PORT], without a cache.
        public static Options defaults() {
            return DEFAULTS;
        }

        public Options withHost(String value) {
            return new Options(value, port, threads, cache);
        }

        public Options withPort(int value) {
            return new Options(host, value, threads, cache);
        }

        public Options withThreads(int value) {
            return new Options(host, port, value, cache);
        }

        public Options withCache(@Nullable Path value) {
            return new Options(host, port, threads, value);
        }

        /// Whether only programs on this machine can connect.
        public boolean loopback() {
            return host.startsWith("127.");
        }
    }

    /// Serves this machine's GPUs, or its CPU if it has none, until the process ends. llama.cpp writes to the standard output who comes and goes.
    ///
    /// @throws IllegalStateException    if the port is in use or the host is no address of this machine
    /// @throws IllegalArgumentException if the host is no IPv4 address
    /// @throws NativeAbortException     if a client sent something that llama.cpp gives up on; end the process then
    /// @throws UncheckedIOException     if the cache folder cannot be made
    public static void serve(Options options) {
        Objects.requireNonNull(options, "options");
        Path cache = options.cache();
        if (cache != null) {
            try {
                Files.createDirectories(cache);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
        Native.load();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment endpoint = Native.cString(arena, "host", options.host() + ":" + options.port());
            MemorySegment folder = cache == null ? MemorySegment.NULL : Native.cString(arena, "cache", cache.toString());
            Status.check(chq_rpc_serve(endpoint, folder, options.threads()));
        }
    }

    /// The devices of a server, with their memory as it is now.
    ///
    /// @param address `host:port`
    /// @throws RpcException if it cannot be reached or is none
    public static List<Device> devices(String address) {
        RpcAddress.check(address);
        Native.load();
        try (Arena arena = Arena.ofConfined(); RpcConnection server = RpcConnection.open(address)) {
            MemorySegment info = arena.allocate(chq_device_info.layout());
            List<Device> devices = new ArrayList<>();
            for (int i = 0, n = server.deviceCount(); i < n; i++) {
                Status.check(chq_rpc_device(server.handle(), i, info, MemorySegment.NULL));
                devices.add(Device.of(info));
            }
            return List.copyOf(devices);
        }
    }
}
