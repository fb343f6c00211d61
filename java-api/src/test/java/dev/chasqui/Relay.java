package dev.chasqui;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;

/// A wire that can break: passes bytes between clients and a server on the loopback interface, counts them, and cuts or stops where it is told.
final class Relay implements AutoCloseable {

    private final ServerSocket listener;
    private final int target;
    private final AtomicLong toServer = new AtomicLong();
    private final AtomicLong toClient = new AtomicLong();
    private final List<Socket> sockets = new ArrayList<>();
    private volatile long cutToServer = Long.MAX_VALUE;
    private volatile long cutToClient = Long.MAX_VALUE;
    private volatile boolean paused;

    Relay(int target) {
        this.target = target;
        try {
            this.listener = new ServerSocket(0, 5, InetAddress.getLoopbackAddress());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        Thread.ofPlatform().daemon().start(this::accept);
    }

    String address() {
        return "127.0.0.1:" + listener.getLocalPort();
    }

    long bytesToServer() {
        return toServer.get();
    }

    long bytesToClient() {
        return toClient.get();
    }

    /// Closes both sides when as many bytes have passed, counted from now.
    void cutAfter(long bytesToServer, long bytesToClient) {
        cutToServer = toServer.get() + bytesToServer;
        cutToClient = toClient.get() + bytesToClient;
    }

    void neverCut() {
        cutToServer = Long.MAX_VALUE;
        cutToClient = Long.MAX_VALUE;
    }

    /// Holds answers back, or lets them through again.
    void pause(boolean value) {
        paused = value;
    }

    private void accept() {
        try {
            while (true) {
                Socket client = listener.accept();
                Socket server = new Socket(InetAddress.getLoopbackAddress(), target);
                client.setTcpNoDelay(true);
                server.setTcpNoDelay(true);
                synchronized (sockets) {
                    sockets.add(client);
                    sockets.add(server);
                }
                Thread.ofPlatform().daemon().start(() -> pass(client, server, true));
                Thread.ofPlatform().daemon().start(() -> pass(server, client, false));
            }
        } catch (IOException closed) {
            // no more clients
        }
    }

    private void pass(Socket from, Socket to, boolean toServerSide) {
        AtomicLong count = toServerSide ? toServer : toClient;
        byte[] buffer = new byte[1 << 16];
        try (from; to) {
            InputStream in = from.getInputStream();
            OutputStream out = to.getOutputStream();
            int n;
            while ((n = in.read(buffer)) >= 0) {
                while (paused && !toServerSide) {
                    Thread.sleep(10);
                }
                long left = (toServerSide ? cutToServer : cutToClient) - count.get();
                out.write(buffer, 0, Math.clamp(left, 0, n));
                count.addAndGet(n);
                if (left < n) {
                    return;
                }
            }
        } catch (IOException ended) {
            // one side is gone, the other one follows
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    @Override
    public void close() {
        try {
            listener.close();
            synchronized (sockets) {
                for (Socket socket : sockets) {
                    socket.close();
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
