package dev.chasqui.models;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.chasqui.CancelledException;
import java.io.IOException;
import java.net.URI;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Tag("standalone")
@Timeout(60)
class ModelStoreTest {

    private static final byte[] CONTENT = randomBytes(3_000_000);
    private static final WebDownload.Timeouts QUICK = new WebDownload.Timeouts(
            Duration.ofSeconds(5), Duration.ofSeconds(5), Duration.ofMillis(400), Duration.ofMillis(10));

    @TempDir
    Path directory;

    @Test
    void downloadsOnceAndThenServesFromTheCache() throws Exception {
        try (TestServer server = new TestServer(TestServer.serving(CONTENT))) {
            ModelStore store = store(server.uri("/m.gguf"));
            List<Long> done = new ArrayList<>();

            assertThat(store.find("m")).isEmpty();
            Path path = store.get("m", (bytes, total, source) -> {
                assertThat(total).isEqualTo(CONTENT.length);
                done.add(bytes);
                return true;
            });

            assertThat(path).isEqualTo(directory.resolve("m").resolve("m.gguf")).hasBinaryContent(CONTENT);
            assertThat(done).isSorted().startsWith(0L).endsWith((long) CONTENT.length);
            assertThat(store.get("m")).isEqualTo(path);
            assertThat(store.find("m")).contains(path);
            assertThat(store.verify("m")).isEqualTo(path);
            assertThat(server.requests()).hasSize(1);
            assertThat(filesOf("m")).containsExactly("m.gguf");
        }
    }

    @Test
    void takesUpABrokenTransferWhereItEnded() throws Exception {
        try (TestServer server = new TestServer((request, out) ->
                TestServer.send(out, CONTENT, request.range(), Math.min(CONTENT.length, request.range().orElse(0) + 1_000_000)))) {
            Path path = store(server.uri("/m.gguf")).get("m");

            assertThat(path).hasBinaryContent(CONTENT);
            assertThat(server.requests()).extracting(TestServer.Request::range)
                    .containsExactly(Optional.empty(), Optional.of(1_000_000), Optional.of(2_000_000));
        }
    }

    @Test
    void keepsWhatArrivedForTheNextCall() throws Exception {
        try (TestServer server = new TestServer((request, out) -> {
            if (request.range().isEmpty()) {
                TestServer.send(out, CONTENT, request.range(), 1_234_567);
            }
        })) {
            ModelStore store = store(server.uri("/m.gguf"));
            assertThatThrownBy(() -> store.get("m")).isInstanceOf(ModelStoreException.class);
            assertThat(directory.resolve("m/m.gguf.part")).hasSize(1_234_567);
            assertThat(store.find("m")).isEmpty();
            server.requests().clear();

            server.handler(TestServer.serving(CONTENT));
            assertThat(store.get("m")).hasBinaryContent(CONTENT);
            assertThat(server.requests()).extracting(TestServer.Request::range).containsExactly(Optional.of(1_234_567));
        }
    }

    @Test
    void startsOverWhenTheServerKnowsNoRanges() throws Exception {
        partOf(CONTENT, 1_000);
        try (TestServer server = new TestServer((request, out) -> TestServer.send(out, CONTENT, Optional.empty(), CONTENT.length))) {
            assertThat(store(server.uri("/m.gguf")).get("m")).hasBinaryContent(CONTENT);
            assertThat(server.requests()).hasSize(1);
        }
    }

    @Test
    void damageInAnEarlierPartIsHealed() throws Exception {
        partOf(randomBytes(5_000), 5_000);
        try (TestServer server = new TestServer(TestServer.serving(CONTENT))) {
            assertThat(store(server.uri("/m.gguf")).get("m")).hasBinaryContent(CONTENT);
            assertThat(server.requests()).extracting(TestServer.Request::range).containsExactly(Optional.of(5_000), Optional.empty());
        }
    }

    @Test
    void completePartIsOnlyChecked() throws Exception {
        partOf(CONTENT, CONTENT.length);
        try (TestServer server = new TestServer(TestServer.serving(CONTENT))) {
            assertThat(store(server.uri("/m.gguf")).get("m")).hasBinaryContent(CONTENT);
            assertThat(server.requests()).isEmpty();
        }
    }

    @Test
    void wrongBytesNeverReachTheCache() throws Exception {
        byte[] wrong = CONTENT.clone();
        wrong[wrong.length / 2] ^= 1;
        try (TestServer server = new TestServer(TestServer.serving(wrong))) {
            ModelStore store = store(server.uri("/m.gguf"));

            assertThatThrownBy(() -> store.get("m")).isInstanceOf(ModelStoreException.class)
                    .hasMessageContaining("sha256 is " + sha256(wrong) + ", expected " + sha256(CONTENT));
            assertThat(store.find("m")).isEmpty();
            assertThat(directory.resolve("m/m.gguf.part")).isEmptyFile();
        }
    }

    @Test
    void everySourceIsTriedAndEveryFailureTold() throws Exception {
        try (TestServer server = new TestServer((request, out) -> TestServer.write(out, switch (request.path()) {
            case "/gone" -> "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
            case "/short" -> "HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\nseventeen letters";
            default -> "nonsense\r\n\r\n";
        }))) {
            URI closed = closedPort();
            ModelStore store = store(server.uri("/gone"), server.uri("/short"), closed, URI.create("http://no-such-host.invalid/x"));

            assertThatThrownBy(() -> store.get("m")).isInstanceOf(ModelStoreException.class)
                    .hasMessageContaining("cannot fetch m (m.gguf, 3,000,000 bytes) from any of its sources")
                    .hasMessageContaining(server.uri("/gone") + ": HTTP 404")
                    .hasMessageContaining(server.uri("/short") + ": has 17 bytes where 3000000 were expected")
                    .hasMessageContaining(closed + ": cannot connect")
                    .hasMessageContaining("no-such-host.invalid/x: ");

            server.handler((request, out) -> {
                if (request.path().equals("/short")) {
                    TestServer.serving(CONTENT).answer(request, out);
                } else {
                    TestServer.write(out, "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n");
                }
            });
            assertThat(store.get("m")).hasBinaryContent(CONTENT);
        }
    }

    @Test
    void followsRedirects() throws Exception {
        try (TestServer server = new TestServer((request, out) -> {
            if (request.path().equals("/m.gguf")) {
                TestServer.write(out, "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n");
            } else {
                TestServer.serving(CONTENT).answer(request, out);
            }
        })) {
            partOf(CONTENT, 77);
            assertThat(store(server.uri("/m.gguf")).get("m")).hasBinaryContent(CONTENT);
            assertThat(server.requests()).last().isEqualTo(new TestServer.Request("/elsewhere", Optional.of(77)));
        }
    }

    @Test
    void silentServerIsGivenUp() throws Exception {
        try (TestServer server = new TestServer((request, out) -> {
            TestServer.send(out, CONTENT, request.range(), 1_000);
            Thread.sleep(30_000);
        })) {
            ModelStore store = store(server.uri("/m.gguf"));
            assertThatThrownBy(() -> store.get("m")).isInstanceOf(ModelStoreException.class).hasMessageContaining("no data for");
            assertThat(directory.resolve("m/m.gguf.part")).hasSize(1_000);
        }
    }

    @Test
    void listenerCancelsWhileNothingArrives() throws Exception {
        CountDownLatch end = new CountDownLatch(1);
        try (TestServer server = new TestServer((request, out) -> {
            TestServer.send(out, CONTENT, request.range(), 2_000);
            end.await();
        })) {
            ModelStore store = store(server.uri("/m.gguf")).with(PipDownload.DEFAULT_COMMANDS, WebDownload.Timeouts.DEFAULT);
            assertThatThrownBy(() -> store.get("m", (done, total, source) -> done < 2_000))
                    .isInstanceOf(CancelledException.class).hasMessageContaining("m");
            assertThat(directory.resolve("m/m.gguf.part")).hasSize(2_000);
        } finally {
            end.countDown();
        }
    }

    @Test
    void interruptCancels() throws Exception {
        CountDownLatch asked = new CountDownLatch(1);
        CountDownLatch end = new CountDownLatch(1);
        try (TestServer server = new TestServer((request, out) -> {
            asked.countDown();
            end.await();
        })) {
            ModelStore store = store(server.uri("/m.gguf"));
            AtomicReference<Throwable> thrown = new AtomicReference<>();
            AtomicReference<Boolean> interrupted = new AtomicReference<>();
            Thread thread = Thread.ofPlatform().start(() -> {
                try {
                    store.get("m");
                } catch (Throwable t) {
                    thrown.set(t);
                    interrupted.set(Thread.currentThread().isInterrupted());
                }
            });
            asked.await();
            thread.interrupt();
            thread.join(10_000);

            assertThat(thrown.get()).isInstanceOf(CancelledException.class);
            assertThat(interrupted.get()).isTrue();
        } finally {
            end.countDown();
        }
    }

    @Test
    void exceptionOfTheListenerComesThrough() throws Exception {
        try (TestServer server = new TestServer(TestServer.serving(CONTENT))) {
            ModelStore store = store(server.uri("/m.gguf"));
            assertThatThrownBy(() -> store.get("m", (done, total, source) -> {
                throw new UnsupportedOperationException("mine");
            })).isInstanceOf(UnsupportedOperationException.class).hasMessage("mine");
            assertThat(store.get("m")).hasBinaryContent(CONTENT);
        }
    }

    @Test
    void asksForDiskSpaceFirst() throws Exception {
        long size = 1L << 60;
        NamedModel huge = new NamedModel("huge", "d", "MIT", Optional.empty(), List.of(
                new ModelFile("huge.gguf", size, sha256(CONTENT), List.of(new ModelSource.Web(URI.create("http://127.0.0.1:9/"))))));
        ModelStore store = ModelStore.at(directory).with(ModelCatalog.of(huge));

        assertThatThrownBy(() -> store.get("huge")).isInstanceOf(ModelStoreException.class)
                .hasMessageContaining("needs %,d bytes of disk space".formatted(size))
                .hasMessageContaining("there are %,d".formatted(Files.getFileStore(directory).getUsableSpace()).substring(0, 11));
    }

    @Test
    void fileOfTheWrongSizeIsFetchedAgain() throws Exception {
        try (TestServer server = new TestServer(TestServer.serving(CONTENT))) {
            ModelStore store = store(server.uri("/m.gguf"));
            Files.write(store.get("m"), new byte[10]);

            assertThat(store.find("m")).isEmpty();
            assertThat(store.get("m")).hasBinaryContent(CONTENT);
        }
    }

    @Test
    void verifyFindsASingleFlippedBit() throws Exception {
        try (TestServer server = new TestServer(TestServer.serving(CONTENT))) {
            ModelStore store = store(server.uri("/m.gguf"));
            assertThatThrownBy(() -> store.verify("m")).isInstanceOf(ModelStoreException.class).hasMessageContaining("not in the cache");
            byte[] bytes = CONTENT.clone();
            bytes[99] ^= 64;
            Files.write(store.get("m"), bytes);

            assertThatThrownBy(() -> store.verify("m")).isInstanceOf(ModelStoreException.class).hasMessageContaining("is damaged");
            assertThat(store.remove("m")).isTrue();
            assertThat(store.remove("m")).isFalse();
            assertThat(store.find("m")).isEmpty();
            assertThat(store.get("m")).hasBinaryContent(CONTENT);
        }
    }

    @Test
    void threadsThatWantTheSameModelShareOneDownload() throws Exception {
        CountDownLatch go = new CountDownLatch(1);
        try (TestServer server = new TestServer((request, out) -> {
            go.await();
            TestServer.serving(CONTENT).answer(request, out);
        })) {
            ModelStore store = store(server.uri("/m.gguf"));
            var all = IntStream.range(0, 4)
                    .mapToObj(i -> CompletableFuture.supplyAsync(() -> store.get("m"), Thread::startVirtualThread)).toList();
            Thread.sleep(300);
            go.countDown();
            for (var one : all) {
                assertThat(one.get(20, TimeUnit.SECONDS)).hasBinaryContent(CONTENT);
            }
            assertThat(server.requests()).hasSize(1);
        }
    }

    @Test
    void waitsForAnotherProcessAndSaysSo() throws Exception {
        Path lockFile = Files.createDirectories(directory.resolve(".locks")).resolve("m");
        try (TestServer server = new TestServer(TestServer.serving(CONTENT));
                FileChannel other = FileChannel.open(lockFile, StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
            var held = other.lock();
            CompletableFuture<String> message = new CompletableFuture<>();
            var result = CompletableFuture.supplyAsync(() -> store(server.uri("/m.gguf")).get("m", new ProgressListener() {
                @Override
                public boolean progress(long bytesDone, long bytesTotal, String source) {
                    return true;
                }

                @Override
                public void message(String text) {
                    message.complete(text);
                }
            }), Thread::startVirtualThread);

            assertThat(message.get(10, TimeUnit.SECONDS)).isEqualTo("m: waiting for another process that is fetching it");
            assertThat(server.requests()).isEmpty();
            held.release();
            assertThat(result.get(20, TimeUnit.SECONDS)).hasBinaryContent(CONTENT);
        }
    }

    @Test
    void severalFilesCountAsOneDownload() throws Exception {
        byte[] second = randomBytes(1_000);
        try (TestServer server = new TestServer((request, out) ->
                TestServer.serving(request.path().equals("/1") ? CONTENT : second).answer(request, out))) {
            NamedModel model = new NamedModel("two", "d", "MIT", Optional.of("Mind the terms."), List.of(
                    file("1.gguf", CONTENT, new ModelSource.Web(server.uri("/1"))),
                    file("2.gguf", second, new ModelSource.Web(server.uri("/2")))));
            ModelStore store = ModelStore.at(directory).with(ModelCatalog.of(model));
            List<String> messages = new ArrayList<>();
            List<Long> done = new ArrayList<>();

            Path first = store.get("two", new ProgressListener() {
                @Override
                public boolean progress(long bytesDone, long bytesTotal, String source) {
                    assertThat(bytesTotal).isEqualTo(CONTENT.length + 1_000);
                    return done.add(bytesDone);
                }

                @Override
                public void message(String text) {
                    messages.add(text);
                }
            });

            assertThat(first).hasFileName("1.gguf");
            assertThat(first.resolveSibling("2.gguf")).hasBinaryContent(second);
            assertThat(done).isSorted().endsWith(CONTENT.length + 1_000L);
            assertThat(messages).containsExactly("two: Mind the terms.");
            assertThat(store.list()).filteredOn(StoredModel::cached).extracting(StoredModel::name).containsExactly("two");
        }
    }

    @Test
    void pathsOfExistingFilesAreReturnedAsTheyAre() throws Exception {
        Path file = Files.createFile(directory.resolve("own.gguf"));
        ModelStore store = ModelStore.at(directory);

        assertThat(store.get(file.toString())).isEqualTo(file);
        assertThat(store.find(file.toString())).contains(file);
        assertThatThrownBy(() -> store.get("no-such-model")).isInstanceOf(ModelStoreException.class)
                .hasMessageContaining("no-such-model").hasMessageContaining("smollm2-135m");
        assertThat(store.find("no\0such")).isEmpty();
        assertThatThrownBy(() -> store.get("no\0such")).isInstanceOf(ModelStoreException.class);
    }

    @Test
    void standardDirectoryFollowsThePlatform() {
        assertThat(standardDirectory(Map.of("os.name", "Linux", "user.home", "/home/u"), Map.of()))
                .isEqualTo(Path.of("/home/u/.cache/chasqui/models"));
        String absolute = directory.toAbsolutePath().toString();
        assertThat(standardDirectory(Map.of("os.name", "Linux", "user.home", "/home/u"), Map.of("XDG_CACHE_HOME", absolute)))
                .isEqualTo(directory.toAbsolutePath().resolve("chasqui/models"));
        assertThat(standardDirectory(Map.of("os.name", "Linux", "user.home", "/home/u"), Map.of("XDG_CACHE_HOME", "relative")))
                .isEqualTo(Path.of("/home/u/.cache/chasqui/models"));
        assertThat(standardDirectory(Map.of("os.name", "Mac OS X", "user.home", "/Users/u"), Map.of()))
                .isEqualTo(Path.of("/Users/u/Library/Caches/chasqui/models"));
        assertThat(standardDirectory(Map.of("os.name", "Windows 11", "user.home", "/u"), Map.of("LOCALAPPDATA", "/local")))
                .isEqualTo(Path.of("/local/chasqui/models"));
        assertThat(standardDirectory(Map.of("os.name", "Linux"), Map.of("CHASQUI_MODELS", "/elsewhere"))).isEqualTo(Path.of("/elsewhere"));
        assertThat(standardDirectory(Map.of("chasqui.models", "/first"), Map.of("CHASQUI_MODELS", "/second"))).isEqualTo(Path.of("/first"));
    }

    private static Path standardDirectory(Map<String, String> properties, Map<String, String> environment) {
        return ModelStore.standardDirectory(properties::get, environment::get);
    }

    private ModelStore store(URI... sources) {
        ModelSource[] web = Arrays.stream(sources).map(ModelSource.Web::new).toArray(ModelSource[]::new);
        NamedModel model = new NamedModel("m", "d", "MIT", Optional.empty(), List.of(file("m.gguf", CONTENT, web)));
        return ModelStore.at(directory).with(ModelCatalog.of(model)).with(PipDownload.DEFAULT_COMMANDS, QUICK);
    }

    private void partOf(byte[] bytes, int length) throws IOException {
        Files.write(Files.createDirectories(directory.resolve("m")).resolve("m.gguf.part"), Arrays.copyOf(bytes, length));
    }

    private List<String> filesOf(String model) throws IOException {
        try (var files = Files.list(directory.resolve(model))) {
            return files.map(file -> file.getFileName().toString()).toList();
        }
    }

    private static URI closedPort() throws IOException {
        try (TestServer server = new TestServer(TestServer.serving(CONTENT))) {
            return server.uri("/closed");
        }
    }

    static ModelFile file(String name, byte[] content, ModelSource... sources) {
        return new ModelFile(name, content.length, sha256(content), List.of(sources));
    }

    static byte[] randomBytes(int count) {
        byte[] bytes = new byte[count];
        new Random(count).nextBytes(bytes);
        return bytes;
    }

    static String sha256(byte[] bytes) {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
        } catch (Exception e) {
            throw new AssertionError(e);
        }
    }
}
