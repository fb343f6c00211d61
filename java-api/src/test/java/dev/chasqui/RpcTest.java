package dev.chasqui;

import static dev.chasqui.TestModels.fresh;
import static dev.chasqui.TestModels.greedy;
import static dev.chasqui.TestModels.small;
import static dev.chasqui.TestModels.tokens;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Models whose layers are on servers, and everything that servers and wires can do wrong.
@Tag("standalone")
@Timeout(300)
class RpcTest {

    private static final int LAYERS = 6;

    private static RpcServerProcess one;
    private static RpcServerProcess two;
    private static Path file;
    private static Model local;

    private final int[] prompt = tokens(40, 3);

    @BeforeAll
    static void start() {
        one = new RpcServerProcess();
        two = new RpcServerProcess();
        file = TinyGguf.builder().layers(LAYERS).write(TestModels.directory().resolve("remote.gguf"));
        local = Model.load(file, ModelOptions.defaults().withKernels(Kernels.OFF));
    }

    @AfterAll
    static void stop() {
        local.close();
        one.close();
        two.close();
    }

    private static Model on(String... servers) {
        return Model.load(file, ModelOptions.defaults().withRpcServers(List.of(servers)));
    }

    @Test
    void layersAreSplitAndTheTokensAreThoseOfTheLocalRun() {
        try (Relay first = new Relay(one.port()); Relay second = new Relay(two.port())) {
            long layer = (local.info().sizeInBytes() - 2L * 320 * 64 * 4) / LAYERS; // what the embedding and the output do not take
            try (Model model = on(first.address(), second.address())) {
                assertThat(first.bytesToServer()).as("layers on the first").isGreaterThan(2 * layer);
                assertThat(second.bytesToServer()).as("layers on the second").isGreaterThan(2 * layer);

                assertThat(fresh(model, prompt, 60)).isEqualTo(fresh(local, prompt, 60));
                assertThat(first.bytesToClient()).isPositive();
                assertThat(second.bytesToClient()).isPositive();
            }
        }
    }

    @Test
    void longBatchesForksRewindsAndSavedStatesAreThoseOfTheLocalRun() {
        assertThat(story(on(one.address(), two.address()))).isEqualTo(story(Model.load(file, ModelOptions.defaults().withKernels(Kernels.OFF))));
    }

    private List<Object> story(Model model) {
        try (model; Context context = model.newContext(small().withMaxSequences(3).withBatchSize(64).withMicroBatchSize(16))) {
            Sequence sequence = context.newSequence();
            sequence.append(tokens(150, 9)); // several micro-batches
            Sequence fork = sequence.fork();
            int[] a = greedy(sequence, 12);
            int[] b = greedy(fork, 12);
            sequence.set(tokens(100, 9));
            int[] c = greedy(sequence, 12);
            byte[] saved = sequence.save();
            int[] d = greedy(sequence, 12);
            Sequence restored = context.newSequence();
            restored.restore(saved);
            int[] e = greedy(restored, 12);
            assertThat(b).isEqualTo(a);
            assertThat(e).isEqualTo(d);
            return List.of(boxed(a), boxed(c), boxed(d));
        }
    }

    private static List<Integer> boxed(int[] values) {
        return Arrays.stream(values).boxed().toList();
    }

    @Test
    void modelsOfOneProgramShareAServer() {
        try (Model a = on(one.address()); Model b = on(one.address()); Context first = a.newContext(small())) {
            Context second = b.newContext(small());
            Sequence x = first.newSequence();
            Sequence y = second.newSequence();
            x.append(prompt);
            y.append(prompt);
            CompletableFuture<int[]> other = TestModels.async(() -> greedy(y, 40));
            int[] here = greedy(x, 40);
            int[] expected = fresh(local, prompt, 40);
            assertThat(here).isEqualTo(expected);
            assertThat(other.join()).isEqualTo(expected);
            second.close(); // frees buffers on the server that the first has a graph on
            assertThat(greedy(x, 5)).isEqualTo(Arrays.copyOfRange(fresh(local, prompt, 45), 40, 45));
        }
    }

    /// While the second server is busy with a micro-batch the first one gets the next ones.
    @Test
    void microBatchesOfAPromptFollowEachOther() throws InterruptedException {
        try (Relay first = new Relay(one.port()); Relay second = new Relay(two.port()); Model model = on(first.address(), second.address());
                Context context = model.newContext(small().withMicroBatchSize(32))) {
            Sequence sequence = context.newSequence();
            long before = first.bytesToServer();
            sequence.append(tokens(256, 4));
            greedy(sequence, 1); // by now everything has arrived
            long needed = first.bytesToServer() - before;

            second.pause(true);
            before = first.bytesToServer();
            CompletableFuture<Integer> running = TestModels.async(() -> sequence.set(tokens(256, 6)));
            while (first.bytesToServer() - before < needed * 3 / 4) {
                Thread.sleep(5);
            }
            assertThat(running).isNotDone();
            second.pause(false);
            assertThat(running.join()).as("tokens that were there").isLessThan(10);
        }
    }

    @Test
    void devicesOfAServer() {
        assertThat(RpcServer.devices(one.address())).singleElement().satisfies(device -> {
            assertThat(device.description()).isEqualTo(one.address());
            assertThat(device.backend()).isEqualTo("RPC");
            assertThat(device.totalMemory()).isPositive();
            assertThat(device.freeMemory()).isBetween(1L, device.totalMemory());
        });
        assertThat(Chasqui.devices()).as("devices of this machine").noneMatch(device -> device.backend().equals("RPC"));
    }

    @Test
    void killedInTheMiddleOfAnAnswer() {
        try (RpcServerProcess doomed = new RpcServerProcess()) {
            try (Model model = on(one.address(), doomed.address());
                    Context context = model.newContext(small().withMaxSequences(2));
                    Generation generation = context.newSequence().generate(prompt, endless())) {
                Iterator<String> pieces = generation.iterator();
                for (int i = 0; i < 5; i++) {
                    pieces.next();
                }
                doomed.kill();
                assertThatExceptionOfType(RpcException.class).isThrownBy(() -> pieces.forEachRemaining(_ -> { })).withMessageContaining(doomed.address());
                assertThat(generation.sequence().length()).as("the text so far").isGreaterThanOrEqualTo(prompt.length + 4);
                assertThatExceptionOfType(RpcException.class).isThrownBy(() -> context.newSequence().append(prompt));
                assertThatExceptionOfType(RpcException.class).isThrownBy(() -> model.newContext(small()));
            }
            assertThat(fresh(local, prompt, 5)).as("everything else goes on").hasSize(5);
            assertThatExceptionOfType(RpcException.class).isThrownBy(() -> on(one.address(), doomed.address()));
            doomed.start();
            try (Model again = on(one.address(), doomed.address())) {
                assertThat(fresh(again, prompt, 20)).isEqualTo(fresh(local, prompt, 20));
            }
        }
    }

    /// Goes on until something happens.
    private static GenerationOptions endless() {
        return GenerationOptions.defaults().withMaxTokens(400).withSampler(Sampler.greedy()).withIgnoreEnd(true);
    }

    /// The connection ends after each of many numbers of bytes, to either side: while greeting, loading, making a context and computing.
    @Test
    void cutAnywhere() {
        long[] up = new long[2];
        long[] down = new long[2];
        try (Relay relay = new Relay(one.port())) {
            Consumer<Relay> work = through -> {
                try (Model model = on(through.address())) {
                    fresh(model, prompt, 8);
                }
            };
            work.accept(relay);
            up[1] = relay.bytesToServer();
            down[1] = relay.bytesToClient();

            Random random = new Random(11);
            int failures = 0;
            for (int i = 0; i < 60; i++) {
                boolean server = i % 2 == 0;
                // dense at the beginning and at the end, where messages are small
                long at = switch (i % 6) {
                    case 0, 1 -> random.nextLong(200);
                    case 2, 3 -> (server ? up[1] : down[1]) - 1 - random.nextLong(server ? 40_000 : 4_000);
                    default -> random.nextLong(server ? up[1] : down[1]);
                };
                relay.cutAfter(server ? at : Long.MAX_VALUE / 2, server ? Long.MAX_VALUE / 2 : at);
                try {
                    work.accept(relay);
                } catch (RpcException e) {
                    failures++;
                    assertThat(e).hasMessageContaining(relay.address());
                }
                relay.neverCut();
            }
            assertThat(failures).isGreaterThan(45); // the last bytes say goodbye
            work.accept(relay);
        }
    }

    @Test
    void aServerThatHangsIsGivenUp() {
        System.setProperty("chasqui.rpc.timeout", "1");
        try (Relay relay = new Relay(one.port()); Model model = on(relay.address()); Context context = model.newContext(small())) {
            relay.pause(true);
            assertThatExceptionOfType(RpcException.class).isThrownBy(() -> context.newSequence().append(prompt)).withMessageContaining("did not answer for 1 s");
            relay.pause(false);
        } finally {
            System.clearProperty("chasqui.rpc.timeout");
        }
    }

    @Test
    void cancelEndsTheWaitForAServerThatHangs() {
        try (Relay relay = new Relay(one.port()); Model model = on(relay.address()); Context context = model.newContext(small())) {
            relay.pause(true);
            CompletableFuture<Void> waiting = TestModels.async(() -> context.newSequence().append(prompt));
            while (!waiting.isDone()) {
                context.cancel();
                Thread.onSpinWait();
            }
            relay.pause(false);
            assertThat(waiting).failsWithin(java.time.Duration.ZERO).withThrowableOfType(java.util.concurrent.ExecutionException.class)
                    .satisfies(e -> assertThat(e.getCause()).isInstanceOfAny(RpcException.class, CancelledException.class));
        }
    }

    @Test
    void anAnswerCanBeCancelledAndGoneOnWith() {
        try (Model model = on(one.address(), two.address()); Context context = model.newContext(small())) {
            Sequence sequence = context.newSequence();
            Generation generation = sequence.generate(prompt, endless());
            Iterator<String> pieces = generation.iterator();
            pieces.next();
            generation.cancel();
            pieces.forEachRemaining(_ -> { });
            generation.close();
            assertThat(generation.stats().finishReason()).isEqualTo(FinishReason.CANCELLED);
            sequence.set(prompt);
            assertThat(greedy(sequence, 20)).isEqualTo(fresh(local, prompt, 20));
        }
    }

    // ---- what is no server

    static List<FakeRpcServer.Session> strangers() {
        return List.of(
                (_, _) -> { }, // closes at once
                (in, _) -> in.readNBytes(33), // reads the greeting and closes
                (_, out) -> out.write("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n".getBytes()),
                (_, out) -> out.write(new byte[4096]),
                (_, out) -> {
                    byte[] noise = new byte[1 << 16];
                    new Random(5).nextBytes(noise);
                    out.write(noise);
                },
                (in, out) -> { // half an answer
                    in.readNBytes(33);
                    out.write(FakeRpcServer.numbers(28));
                    out.write(new byte[5]);
                });
    }

    @ParameterizedTest
    @MethodSource("strangers")
    void strangersAreRefused(FakeRpcServer.Session session) {
        try (FakeRpcServer stranger = new FakeRpcServer(session)) {
            assertThatExceptionOfType(RpcException.class).isThrownBy(() -> on(stranger.address())).withMessageContaining(stranger.address());
            assertThatExceptionOfType(RpcException.class).isThrownBy(() -> RpcServer.devices(stranger.address()));
        }
    }

    @Test
    void nobodyAnswersWithinTheTimeOfAGreeting() throws IOException {
        try (ServerSocket silent = new ServerSocket(0, 5, InetAddress.getLoopbackAddress())) {
            String address = "127.0.0.1:" + silent.getLocalPort();
            assertThatExceptionOfType(RpcException.class).isThrownBy(() -> on(address))
                    .withMessageContaining("did not answer").withMessageContaining("serving another program");
        }
        assertThatExceptionOfType(RpcException.class).isThrownBy(() -> on("127.0.0.1:" + RpcServerProcess.freePort())).withMessageContaining("refused");
        assertThatExceptionOfType(RpcException.class).isThrownBy(() -> on("no-such-host.invalid:1")).withMessageContaining("unknown");
    }

    @Test
    void otherVersionsAreNamed() {
        for (byte[] hello : List.of(FakeRpcServer.hello(6, 0, 0), FakeRpcServer.hello(8, 1, 2), FakeRpcServer.hello(7, 1, 0))) {
            try (FakeRpcServer server = FakeRpcServer.speaking((_, _) -> hello)) {
                assertThatExceptionOfType(RpcException.class).isThrownBy(() -> on(server.address()))
                        .withMessageContaining(hello[0] + "." + hello[1] + "." + hello[2]).withMessageContaining("7.0.0");
            }
        }
    }

    private record Lie(int command, byte[] answer) {}

    static List<Lie> lies() {
        return List.of(
                new Lie(FakeRpcServer.DEVICE_COUNT, FakeRpcServer.int32(0)),
                new Lie(FakeRpcServer.DEVICE_COUNT, FakeRpcServer.int32(17)),
                new Lie(FakeRpcServer.DEVICE_COUNT, FakeRpcServer.int32(-1)),
                new Lie(FakeRpcServer.DEVICE_COUNT, FakeRpcServer.numbers(1)), // of another size
                new Lie(FakeRpcServer.GET_ALIGNMENT, FakeRpcServer.numbers(0)),
                new Lie(FakeRpcServer.GET_ALIGNMENT, FakeRpcServer.numbers(24)),
                new Lie(FakeRpcServer.GET_ALIGNMENT, FakeRpcServer.numbers(Long.MIN_VALUE)),
                new Lie(FakeRpcServer.GET_MAX_SIZE, FakeRpcServer.numbers(0)),
                new Lie(FakeRpcServer.GET_MAX_SIZE, FakeRpcServer.numbers(1)),
                new Lie(FakeRpcServer.ALLOC_BUFFER, FakeRpcServer.numbers(1, 1)), // smaller than asked for
                new Lie(FakeRpcServer.BUFFER_GET_BASE, FakeRpcServer.numbers(0)),
                new Lie(FakeRpcServer.BUFFER_GET_BASE, FakeRpcServer.numbers(1)),
                new Lie(FakeRpcServer.BUFFER_GET_BASE, FakeRpcServer.numbers(-64)), // beyond the end of memory
                new Lie(FakeRpcServer.GET_ALLOC_SIZE, FakeRpcServer.numbers(-1)),
                new Lie(FakeRpcServer.GET_TENSOR, new byte[3]));
    }

    @ParameterizedTest
    @MethodSource("lies")
    void lyingServersAreFoundOut(Lie lie) {
        try (FakeRpcServer server = FakeRpcServer.speaking((command, request) -> command == lie.command ? lie.answer : FakeRpcServer.honest(command, request))) {
            assertThatExceptionOfType(RpcException.class).isThrownBy(() -> {
                try (Model model = on(server.address())) {
                    fresh(model, prompt, 2);
                }
            }).withMessageContaining(server.address());
        }
    }

    @Test
    void aServerWithoutMemoryIsNoReasonToCrash() {
        try (FakeRpcServer server = FakeRpcServer.speaking((command, request) ->
                command == FakeRpcServer.ALLOC_BUFFER ? FakeRpcServer.numbers(0, 0) : FakeRpcServer.honest(command, request))) {
            assertThatExceptionOfType(ModelLoadException.class).isThrownBy(() -> on(server.address())).withMessageContaining("alloc");
        }
        try (FakeRpcServer server = FakeRpcServer.speaking((command, request) ->
                command == FakeRpcServer.GET_DEVICE_MEMORY ? FakeRpcServer.numbers(0, 0) : FakeRpcServer.honest(command, request));
                Model model = on(server.address())) {
            assertThat(model.info().layers()).isEqualTo(LAYERS);
        }
    }

    /// Answers of the right size and any content.
    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 4})
    void nonsenseFromAServerEndsInAnExceptionOrInNonsense(int seed) {
        Random random = new Random(seed);
        try (FakeRpcServer server = FakeRpcServer.speaking((command, request) -> {
            byte[] answer = FakeRpcServer.honest(command, request);
            boolean lies = answer != null && command != FakeRpcServer.HELLO && random.nextInt(command == FakeRpcServer.GET_TENSOR ? 2 : 12) == 0;
            if (lies) {
                random.nextBytes(answer);
            }
            return answer;
        })) {
            for (int i = 0; i < 20; i++) {
                try (Model model = on(server.address())) {
                    fresh(model, prompt, 4);
                } catch (ChasquiException e) {
                    assertThat(e).isInstanceOfAny(RpcException.class, ModelLoadException.class, InsufficientMemoryException.class,
                            UnsupportedFeatureException.class);
                }
            }
        }
        assertThat(fresh(local, prompt, 5)).hasSize(5);
    }

    // ---- arguments

    @ParameterizedTest
    @ValueSource(strings = {"", "host", "host:", ":50052", "host:0", "host:65536", "host:-1", "host:x", "host:1:2", "::1:50052", "[::1]", "[::1]50052", "ho st:1",
            "http://host:1", "host:1/", "host\0:1", "host:000001", "hôst:1"})
    void addressesAreLookedAtFirst(String address) {
        assertThatIllegalArgumentException().isThrownBy(() -> ModelOptions.defaults().withRpcServers(List.of(address)));
        assertThatIllegalArgumentException().isThrownBy(() -> RpcServer.devices(address));
    }

    @Test
    void addressesThatAreFine() {
        List<String> fine = List.of("host:1", "10.0.0.1:65535", "a-b.example.org:50052", "[::1]:50052", "[fe80::1%eth0]:7");
        assertThat(ModelOptions.defaults().withRpcServers(fine).rpcServers()).isEqualTo(fine);
        assertThatIllegalArgumentException().isThrownBy(() -> ModelOptions.defaults().withRpcServers(List.of("a".repeat(300) + ":1")));
        assertThatNullPointerException().isThrownBy(() -> ModelOptions.defaults().withRpcServers(null));
    }

    @Test
    void whatCannotServe() throws IOException {
        RpcServer.Options options = RpcServer.Options.defaults();
        assertThat(options.loopback()).isTrue();
        assertThat(options.withHost("0.0.0.0").loopback()).isFalse();
        assertThatIllegalStateException().isThrownBy(() -> RpcServer.serve(options.withPort(one.port()))).withMessageContaining("in use");
        assertThatIllegalStateException().isThrownBy(() -> RpcServer.serve(options.withHost("192.0.2.1"))).withMessageContaining("192.0.2.1");
        assertThatIllegalArgumentException().isThrownBy(() -> RpcServer.serve(options.withHost("localhost"))).withMessageContaining("IPv4");
        assertThatIllegalArgumentException().isThrownBy(() -> options.withPort(0));
        assertThatIllegalArgumentException().isThrownBy(() -> options.withPort(65_536));
        assertThatIllegalArgumentException().isThrownBy(() -> options.withThreads(-1));
        assertThatIllegalArgumentException().isThrownBy(() -> options.withThreads(513));
        Path notAFolder = Files.createTempFile("rpc", ".cache");
        assertThatExceptionOfType(java.io.UncheckedIOException.class).isThrownBy(() -> RpcServer.serve(options.withCache(notAFolder.resolve("below"))));
        Files.delete(notAFolder);
    }
}
