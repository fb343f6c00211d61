package dev.chasqui;

import static dev.chasqui.TestModels.fresh;
import static dev.chasqui.TestModels.greedy;
import static dev.chasqui.TestModels.small;
import static dev.chasqui.TestModels.tokens;
import static org.assertj.core.api.Assertions.assertThat;

import dev.chasqui.kv.SequenceStore;
import dev.chasqui.kv.SequenceStoreOptions;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Files that other processes write, and are killed at. `-Dchasqui.kills=300` kills so many instead of a few.
@Tag("standalone")
class SequenceStoreProcessTest {

    private static final int KILLS = Integer.getInteger("chasqui.kills", 8);
    private static final List<String> QUICK = List.of("-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC");
    private static final int FORMER_WRITES_MILLIS = 60;

    private final Random random = new Random(1);
    private Path modelFile;
    private Model model;

    @TempDir
    Path directory;

    /// So large that there is time to be killed while its state is written.
    @BeforeEach
    void load() {
        modelFile = TinyGguf.builder().embedding(256).layers(4).write(directory.resolve("model.gguf"));
        model = Model.load(modelFile);
    }

    @AfterEach
    void close() {
        model.close();
    }

    @Test
    void killedWhileSaving() throws IOException, InterruptedException {
        try (Context context = model.newContext(small())) {
            Sequence sequence = context.newSequence();
            sequence.append(tokens(500, 1));
            sequence.save(directory.resolve("a"));
            sequence.rewind(100);
            sequence.append(tokens(400, 2));
            sequence.save(directory.resolve("b"));
            int[] a = SavedSequence.readHeader(directory.resolve("a")).tokens();
            int[] b = SavedSequence.readHeader(directory.resolve("b")).tokens();
            Path target = directory.resolve("target");
            Process first = start(SaveLoop.class, directory.toString());
            while (!Files.exists(target)) { // however slow the machine is
                assertThat(first.isAlive()).isTrue();
                Thread.sleep(1);
            }
            kill(first);
            for (int i = 1; i < KILLS; i++) {
                kill(start(SaveLoop.class, directory.toString()));
                try (SavedSequence saved = SavedSequence.load(target)) {
                    assertThat(saved.tokens()).isIn(a, b);
                }
            }
        }
    }

    /// Two processes at a time, of which one is killed again and again; this one looks at every file that is left.
    @Test
    void killedWhileWritingBehind() throws IOException, InterruptedException {
        Path folder = directory.resolve("store");
        int[][] expected = new int[ParkLoop.TEXTS][];
        for (int i = 0; i < expected.length; i++) {
            expected[i] = fresh(model, ParkLoop.text(i), 3);
        }
        long one = stateBytes();
        long budget = 7 * one;
        Process other = start(ParkLoop.class, modelFile.toString(), folder.toString(), String.valueOf(budget), "1000000", "99");
        long read = 0;
        try (Context context = model.newContext(small())) {
            Sequence sequence = context.newSequence();
            for (int i = 0; i < KILLS; i++) {
                kill(start(ParkLoop.class, modelFile.toString(), folder.toString(), String.valueOf(budget), "1000000", String.valueOf(i)));
                try (SequenceStore store = SequenceStore.open(SequenceStoreOptions.in(folder).withRamBytes(0).withDiskBytes(budget))) {
                    for (int text = 0; text < ParkLoop.TEXTS; text++) {
                        sequence.rewind(0);
                        int reused = store.prepare(sequence, ParkLoop.text(text)).tokens();
                        assertThat(reused).isIn(0, ParkLoop.text(text).length);
                        if (reused > 0) {
                            assertThat(greedy(sequence, 3)).isEqualTo(expected[text]);
                            read++;
                        }
                    }
                    assertThat(store.stats().damaged()).as(store.stats().toString()).isZero();
                }
                assertThat(bytesIn(folder)).as("the other goes on meanwhile").isLessThanOrEqualTo(budget + one);
            }
        } finally {
            assertThat(other.isAlive()).isTrue();
            kill(other);
        }
        assertThat(read).isGreaterThan(KILLS);
    }

    @Test
    void processesShareAFolder() throws IOException {
        Path folder = directory.resolve("store");
        long budget = 6 * stateBytes();
        List<CompletableFuture<ChildJvm.Result>> processes = Stream.of("1", "2", "3")
                .map(seed -> TestModels.async(() -> ChildJvm.run(ParkLoop.class, directory, QUICK,
                        List.of(modelFile.toString(), folder.toString(), String.valueOf(budget), "60", seed), 5)))
                .toList();
        for (var process : processes) {
            ChildJvm.Result result = process.join();
            assertThat(result.exit()).as(result.summary()).isZero();
            assertThat(Integer.parseInt(result.last("hits "))).isPositive();
        }
        assertThat(bytesIn(folder)).isLessThanOrEqualTo(budget);
        try (var files = Files.list(folder)) {
            assertThat(files.filter(file -> file.toString().endsWith(".part"))).isEmpty();
        }
    }

    /// A limit on the size of files stands for a full disk: writing ends in an error in the middle.
    @Test
    void noRoomOnTheDisk() throws IOException {
        Path folder = directory.resolve("store");
        Path file = directory.resolve("saved");
        Files.writeString(file, "what was there before");
        List<String> command = new ArrayList<>(List.of("/bin/sh", "-c", "ulimit -f 200; exec \"$@\"", "sh"));
        command.addAll(ChildJvm.command(FullDisk.class, directory, List.of("-Xmx256m", "-XX:-UsePerfData"),
                List.of(modelFile.toString(), folder.toString(), file.toString())));
        ChildJvm.Result result = ChildJvm.run(command, directory, 5);

        assertThat(result.exit()).as(result.summary()).isZero();
        assertThat(result.last("save: ")).containsIgnoringCase("too large");
        assertThat(Files.readString(file)).isEqualTo("what was there before");
        assertThat(result.last("parked: ")).as("in memory").isEqualTo("true");
        assertThat(result.last("failures: ")).isEqualTo("1");
        assertThat(result.last("reason: ")).containsIgnoringCase("too large").contains(folder.toString());
        assertThat(result.last("reused: ")).isEqualTo("400");
        try (var files = Files.walk(directory)) {
            assertThat(files.map(path -> path.getFileName().toString()).filter(name -> name.endsWith(".kv") || name.endsWith(".part"))).isEmpty();
        }
    }

    private long stateBytes() {
        try (Context context = model.newContext(small())) {
            Sequence sequence = context.newSequence();
            sequence.append(ParkLoop.text(ParkLoop.TEXTS - 1));
            try (SavedSequence saved = sequence.snapshot(new byte[32])) {
                return saved.bytes();
            }
        }
    }

    /// Started, and at work.
    private Process start(Class<?> main, String... arguments) throws IOException {
        Process process = new ProcessBuilder(ChildJvm.command(main, directory, QUICK, List.of(arguments)))
                .redirectError(directory.resolve("errors").toFile()).start();
        String line = new BufferedReader(new InputStreamReader(process.getInputStream())).readLine();
        assertThat(line).as("%s", Files.readString(directory.resolve("errors"))).isEqualTo("ready");
        return process;
    }

    /// With SIGKILL, at a moment that is not known before.
    private void kill(Process process) throws InterruptedException {
        Thread.sleep(random.nextInt(FORMER_WRITES_MILLIS));
        process.destroyForcibly().waitFor();
    }

    private static long bytesIn(Path folder) throws IOException {
        long bytes = 0;
        try (var files = Files.newDirectoryStream(folder, "*.kv")) {
            for (Path file : files) {
                try {
                    bytes += Files.size(file);
                } catch (NoSuchFileException e) {
                    // just deleted
                }
            }
        }
        return bytes;
    }
}
