package dev.chasqui.examples.swingchat.app;

import com.sun.net.httpserver.HttpServer;
import dev.chasqui.models.ModelCatalog;
import dev.chasqui.models.ModelFile;
import dev.chasqui.models.ModelSource;
import dev.chasqui.models.ModelStore;
import dev.chasqui.models.NamedModel;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;

/// A server of one small model, which sends the first half and waits with the rest until it is told to go on.
public final class ModelServer implements AutoCloseable {

    public static final String NAME = "small";

    private final HttpServer server;
    private final CountDownLatch rest = new CountDownLatch(1);
    private final byte[] content;

    public ModelServer(Path model) throws IOException {
        this.content = Files.readAllBytes(model);
        this.server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.createContext("/", exchange -> {
            String range = exchange.getRequestHeaders().getFirst("Range");
            int from = range == null ? 0 : Integer.parseInt(range.replaceAll("\\D+(\\d+)-.*", "$1"));
            if (from > 0) {
                exchange.getResponseHeaders().add("Content-Range", "bytes %d-%d/%d".formatted(from, content.length - 1, content.length));
            }
            exchange.sendResponseHeaders(from > 0 ? 206 : 200, content.length - from);
            try (var body = exchange.getResponseBody()) {
                int half = Math.max(from, content.length / 2);
                body.write(content, from, half - from);
                body.flush();
                rest.await();
                body.write(content, half, content.length - half);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        });
        server.setExecutor(task -> Thread.ofPlatform().daemon().start(task));
        server.start();
    }

    /// A store that knows the model.
    public ModelStore store(Path folder) {
        ModelSource source = new ModelSource.Web(URI.create("http://127.0.0.1:" + server.getAddress().getPort() + "/model"));
        return ModelStore.at(folder).with(ModelCatalog.of(new NamedModel(NAME, "A small model", "Apache-2.0", Optional.empty(),
                List.of(new ModelFile("small.gguf", content.length, sha256(), List.of(source))))));
    }

    /// Sends the rest.
    public void goOn() {
        rest.countDown();
    }

    private String sha256() {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(content));
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError(e);
        }
    }

    @Override
    public void close() {
        goOn();
        server.stop(0);
    }
}
