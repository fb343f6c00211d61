package dev.chasqui.models;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;

/// A web server on the loopback interface that can also misbehave: the handler writes the raw answer.
final class TestServer implements AutoCloseable {

    /// @param range the first byte asked for, if it was a Range request
    record Request(String path, Optional<Integer> range) {}

    interface Handler {
        void answer(Request request, OutputStream out) throws Exception;
    }

    private final ServerSocket socket = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
    private final List<Request> requests = new CopyOnWriteArrayList<>();
    private volatile Handler handler;

    TestServer(Handler handler) throws IOException {
        this.handler = handler;
        Thread.ofVirtual().start(this::listen);
    }

    void handler(Handler next) {
        handler = next;
    }

    URI uri(String path) {
        return URI.create("http://127.0.0.1:" + socket.getLocalPort() + path);
    }

    List<Request> requests() {
        return requests;
    }

    /// Serves the bytes as a good server does.
    static Handler serving(byte[] content) {
        return (request, out) -> send(out, content, request.range(), content.length);
    }

    /// Serves the bytes, but breaks the connection before this offset of the file.
    static void send(OutputStream out, byte[] content, Optional<Integer> range, int until) throws IOException {
        int from = range.orElse(0);
        String head = range.isPresent()
                ? "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes %d-%d/%d\r\n".formatted(from, content.length - 1, content.length)
                : "HTTP/1.1 200 OK\r\n";
        write(out, head + "Content-Length: " + (content.length - from) + "\r\nConnection: close\r\n\r\n");
        out.write(content, from, Math.max(until - from, 0));
        out.flush();
    }

    static void write(OutputStream out, String text) throws IOException {
        out.write(text.getBytes(StandardCharsets.ISO_8859_1));
        out.flush();
    }

    @Override
    public void close() throws IOException {
        socket.close();
    }

    private void listen() {
        while (!socket.isClosed()) {
            try {
                Socket connection = socket.accept();
                Thread.ofVirtual().start(() -> serve(connection));
            } catch (IOException closed) {
                return;
            }
        }
    }

    private void serve(Socket connection) {
        try (connection) {
            var in = new BufferedReader(new InputStreamReader(connection.getInputStream(), StandardCharsets.ISO_8859_1));
            String path = in.readLine().split(" ")[1];
            Optional<Integer> range = Optional.empty();
            for (String line; !(line = in.readLine()).isEmpty(); ) {
                if (line.toLowerCase().startsWith("range: bytes=")) {
                    range = Optional.of(Integer.parseInt(line.substring(13, line.length() - 1)));
                }
            }
            Request request = new Request(path, range);
            requests.add(request);
            handler.answer(request, connection.getOutputStream());
        } catch (Exception clientWentAway) {
            // The tests look at what the client made of it.
        }
    }
}
