package dev.chasqui.models;

import java.io.EOFException;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Flow;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/// Continues a [PartFile] from a web server, with Range requests. A connection that breaks after it delivered something is
/// taken up again; one that never delivers fails soon, so that the next source gets its turn.
record WebDownload(Timeouts timeouts) {

    /// @param connect  until the connection stands
    /// @param response from there until the first byte of the answer
    /// @param stall    the longest silence in the middle of the data
    /// @param retry    pause before a broken transfer is taken up again
    record Timeouts(Duration connect, Duration response, Duration stall, Duration retry) {
        static final Timeouts DEFAULT =
                new Timeouts(Duration.ofSeconds(5), Duration.ofSeconds(30), Duration.ofSeconds(60), Duration.ofSeconds(1));
    }

    /// Attempts in a row that may fail without getting further. The first one has no such credit.
    private static final int MAX_FRUITLESS = 3;
    private static final Duration POLL = Duration.ofMillis(100);

    void fetch(URI uri, ModelFile file, PartFile part, Progress progress) throws IOException {
        HttpClient client = HttpClient.newBuilder()
                .connectTimeout(timeouts.connect())
                .followRedirects(HttpClient.Redirect.NORMAL)
                .version(HttpClient.Version.HTTP_1_1)
                .build();
        try {
            long furthest = part.length();
            int fruitless = MAX_FRUITLESS - 1;
            while (part.missing() > 0) {
                try {
                    transfer(client, uri, file, part, progress);
                } catch (Refusal refusal) {
                    throw refusal;
                } catch (IOException broken) {
                    fruitless = part.length() > furthest ? 0 : fruitless + 1;
                    furthest = Math.max(furthest, part.length());
                    if (fruitless == MAX_FRUITLESS) {
                        throw broken;
                    }
                    pause(progress);
                }
            }
        } finally {
            client.shutdownNow();
        }
    }

    private void transfer(HttpClient client, URI uri, ModelFile file, PartFile part, Progress progress) throws IOException {
        HttpRequest.Builder request = HttpRequest.newBuilder(uri)
                .header("User-Agent", "chasqui")
                .header("Accept-Encoding", "identity");
        if (part.length() > 0) {
            request.header("Range", "bytes=" + part.length() + "-");
        }
        HttpResponse<Body> response = await(client.sendAsync(request.build(), info -> new Body()), progress);
        try (Body body = response.body()) {
            accept(response, file, part);
            while (part.missing() > 0) {
                List<ByteBuffer> buffers = body.next(timeouts.stall(), progress);
                if (buffers.isEmpty()) {
                    throw new EOFException("the connection ended after " + part.length() + " of " + file.size() + " bytes");
                }
                for (ByteBuffer buffer : buffers) {
                    byte[] bytes = new byte[buffer.remaining()];
                    buffer.get(bytes);
                    part.append(bytes, 0, bytes.length);
                }
            }
        }
    }

    /// Looks at status and headers, and starts over when the server sends the whole file instead of the rest.
    private static void accept(HttpResponse<?> response, ModelFile file, PartFile part) throws IOException {
        long expected = part.missing();
        switch (response.statusCode()) {
            case 206 -> {
                String range = response.headers().firstValue("Content-Range").orElse("");
                if (!range.startsWith("bytes " + part.length() + "-")) {
                    throw new Refusal("asked for bytes from " + part.length() + ", got Content-Range '" + range + "'");
                }
            }
            case 200 -> {
                expected = file.size();
                part.restart();
            }
            case 416 -> {
                part.restart();
                throw new Refusal("HTTP 416 for the rest of the file: it has another size there");
            }
            default -> throw new Refusal("HTTP " + response.statusCode());
        }
        long announced = response.headers().firstValueAsLong("Content-Length").orElse(expected);
        if (announced != expected) {
            throw new Refusal("has " + announced + " bytes where " + expected + " were expected");
        }
    }

    private <T> T await(CompletableFuture<T> future, Progress progress) throws IOException {
        long deadline = System.nanoTime() + timeouts.connect().plus(timeouts.response()).toNanos();
        try {
            while (true) {
                try {
                    return future.get(POLL.toMillis(), TimeUnit.MILLISECONDS);
                } catch (TimeoutException notYet) {
                    progress.heartbeat();
                    if (System.nanoTime() > deadline) {
                        throw new IOException("no answer in " + timeouts.response().toSeconds() + " s");
                    }
                }
            }
        } catch (InterruptedException e) {
            throw progress.interrupted();
        } catch (ExecutionException e) {
            throw e.getCause() instanceof IOException io ? io : new IOException(e.getCause());
        } finally {
            future.cancel(true);
        }
    }

    private void pause(Progress progress) {
        long end = System.nanoTime() + timeouts.retry().toNanos();
        while (System.nanoTime() < end) {
            progress.heartbeat();
            try {
                Thread.sleep(Math.clamp((end - System.nanoTime()) / 1_000_000, 1, POLL.toMillis()));
            } catch (InterruptedException e) {
                throw progress.interrupted();
            }
        }
    }

    /// An answer that asking again would not change.
    private static final class Refusal extends IOException {
        private static final long serialVersionUID = 1;

        Refusal(String message) {
            super(message);
        }
    }

    /// Hands the data over to the downloading thread, which so never blocks without a look at cancellation.
    private static final class Body implements HttpResponse.BodySubscriber<Body>, AutoCloseable {

        private static final int BATCHES_AHEAD = 8;

        private final BlockingQueue<Object> queue = new LinkedBlockingQueue<>();
        private volatile Flow.Subscription subscription;

        /// @return the next data; empty at the end
        @SuppressWarnings("unchecked")
        List<ByteBuffer> next(Duration stall, Progress progress) throws IOException {
            long deadline = System.nanoTime() + stall.toNanos();
            while (true) {
                progress.heartbeat();
                Object item;
                try {
                    item = queue.poll(POLL.toMillis(), TimeUnit.MILLISECONDS);
                } catch (InterruptedException e) {
                    throw progress.interrupted();
                }
                if (item instanceof List<?> buffers) {
                    if (!buffers.isEmpty()) {
                        subscription.request(1);
                    }
                    return (List<ByteBuffer>) buffers;
                }
                if (item instanceof Throwable failure) {
                    throw failure instanceof IOException io ? io : new IOException(failure);
                }
                if (System.nanoTime() > deadline) {
                    throw new IOException("no data for " + stall.toSeconds() + " s");
                }
            }
        }

        @Override
        public void close() {
            if (subscription != null) {
                subscription.cancel();
            }
        }

        @Override
        public CompletionStage<Body> getBody() {
            return CompletableFuture.completedStage(this);
        }

        @Override
        public void onSubscribe(Flow.Subscription subscription) {
            this.subscription = subscription;
            subscription.request(BATCHES_AHEAD);
        }

        @Override
        public void onNext(List<ByteBuffer> item) {
            if (!item.isEmpty()) {
                queue.add(item);
            }
        }

        @Override
        public void onError(Throwable failure) {
            queue.add(failure);
        }

        @Override
        public void onComplete() {
            queue.add(List.of());
        }
    }
}
