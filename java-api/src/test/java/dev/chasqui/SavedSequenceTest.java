package dev.chasqui;

import static dev.chasqui.TestModels.fresh;
import static dev.chasqui.TestModels.greedy;
import static dev.chasqui.TestModels.small;
import static dev.chasqui.TestModels.tokens;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import java.io.IOException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@Tag("standalone")
class SavedSequenceTest {

    private static final int CORRUPTIONS = 500;

    private final Model model = TestModels.tiny();
    private final int[] prompt = tokens(60, 1);
    private final int[] old = tokens(25, 2);
    private Context context;
    private Sequence source;
    private Sequence target;

    @TempDir
    Path directory;

    @BeforeEach
    void open() {
        context = model.newContext(small().withMaxSequences(2));
        source = context.newSequence();
        source.append(prompt);
        target = context.newSequence();
        target.append(old);
    }

    @AfterEach
    void close() {
        context.close();
    }

    @Test
    void fromMemory() {
        try (SavedSequence saved = source.snapshot("a note".getBytes())) {
            assertThat(saved.length()).isEqualTo(60);
            assertThat(saved.tokens()).isEqualTo(prompt);
            assertThat(saved.note()).asString().isEqualTo("a note");
            assertThat(saved.fit()).isEqualTo(context.stateFit());

            assertThat(target.restore(saved)).isEqualTo(60);
            assertThat(target.tokens()).isEqualTo(prompt);
            assertThat(greedy(target, 10)).isEqualTo(fresh(model, prompt, 10));
        }
    }

    @Test
    void fromAFile() throws IOException {
        Path file = directory.resolve("a.kv");
        target.save(file);
        source.save(file);

        assertThat(target.restore(file)).isEqualTo(60);
        assertThat(greedy(target, 10)).isEqualTo(fresh(model, prompt, 10));
        assertThat(Files.list(directory)).containsExactly(file);
        SavedSequence.Header header = SavedSequence.readHeader(file);
        assertThat(header.tokens()).isEqualTo(prompt);
        assertThat(header.bytes()).isEqualTo(Files.size(file));
        assertThat(header.fit()).isEqualTo(context.stateFit());
    }

    /// The logits that the last decode left belong to another sequence by now, those that were saved are still there.
    @Test
    void logitsAreSavedToo() {
        target.rewind(0);
        source.append(5);
        float[] expected = source.logits();
        try (SavedSequence saved = source.snapshot()) {
            assertThat(saved.logits()).isTrue();
            target.append(old);
            target.restore(saved);
            assertThat(target.logits()).isEqualTo(expected);
            assertThat(target.set(TestModels.concat(prompt, new int[] {5}))).as("nothing is computed").isEqualTo(61);
        }
        try (SavedSequence saved = source.snapshot()) {
            assertThat(saved.logits()).as("they are the target's now").isFalse();
            target.restore(saved);
            assertThat(TestModels.argmax(target.logits())).isEqualTo(TestModels.argmax(expected));
        }
    }

    /// A token that was picked and not computed yet stays such a token.
    @Test
    void whatIsNotComputedIsNotComputedForSaving() {
        int[] picked = greedy(source, 3);
        assertThat(source.computed()).isEqualTo(62);
        try (SavedSequence saved = source.snapshot()) {
            assertThat(source.computed()).isEqualTo(62);
            assertThat(target.restore(saved)).isEqualTo(62);
            assertThat(target.tokens()).isEqualTo(TestModels.concat(prompt, picked));
            assertThat(greedy(target, 5)).isEqualTo(Arrays.copyOfRange(fresh(model, prompt, 8), 3, 8));
        }
    }

    /// Flipped bits, cut, lengthened, overwritten and exchanged parts, other files: each is refused, and the sequence is as it was.
    @Test
    void corruptFilesAreRefused() throws IOException {
        Path good = directory.resolve("good");
        Path bad = directory.resolve("bad");
        source.save(good);
        byte[] bytes = Files.readAllBytes(good);
        Random random = new Random(1);
        int refused = 0;
        for (int i = 0; i < CORRUPTIONS; i++) {
            Files.write(bad, corrupt(bytes, random, i % 7));
            try {
                target.restore(bad);
            } catch (StateMismatchException e) {
                assertThat(e).hasMessageContaining(bad.toString());
                refused++;
            }
            assertThat(target.tokens()).isEqualTo(old);
        }
        assertThat(refused).isEqualTo(CORRUPTIONS);
        assertThat(greedy(target, 3)).isEqualTo(fresh(model, old, 3));
        assertThat(source.restore(good)).isEqualTo(60);
    }

    private byte[] corrupt(byte[] good, Random random, int kind) {
        byte[] bytes = good.clone();
        int at = random.nextInt(bytes.length);
        int n = 1 + random.nextInt(Math.min(2000, bytes.length - at));
        switch (kind) {
            case 0 -> bytes[at] ^= (byte) (1 << random.nextInt(8));
            case 1 -> bytes[random.nextInt(500)] ^= (byte) (1 << random.nextInt(8)); // header and tokens
            case 2 -> bytes = Arrays.copyOf(bytes, at);
            case 3 -> bytes = Arrays.copyOf(bytes, bytes.length + n);
            case 4 -> {
                byte[] noise = new byte[n];
                random.nextBytes(noise);
                System.arraycopy(noise, 0, bytes, at, n);
            }
            case 5 -> {
                int from = random.nextInt(bytes.length - n + 1);
                System.arraycopy(good, from, bytes, at, Math.min(n, bytes.length - at));
                bytes[at] = (byte) (good[at] + 1); // it may be what was there
            }
            default -> random.nextBytes(bytes);
        }
        return bytes;
    }

    @Test
    void foreignFilesAreRefused() throws IOException {
        Path file = directory.resolve("file");
        for (byte[] foreign : List.of(new byte[0], new byte[7], new byte[128], new byte[100_000], "some text".getBytes())) {
            Files.write(file, foreign);
            assertThatExceptionOfType(StateMismatchException.class).isThrownBy(() -> target.restore(file)).withMessageContaining("no saved state");
            assertThatExceptionOfType(StateMismatchException.class).isThrownBy(() -> SavedSequence.readHeader(file));
        }
        assertThatExceptionOfType(StateMismatchException.class).isThrownBy(() -> target.restore(TestModels.tinyFile()));
        assertThatExceptionOfType(NoSuchFileException.class).isThrownBy(() -> target.restore(directory.resolve("none")));
        assertThatExceptionOfType(IOException.class).isThrownBy(() -> target.restore(directory));
        try (Model other = Model.load(TinyGguf.builder().seed(7).write(directory.resolve("other.gguf")));
                Context elsewhere = other.newContext(small())) {
            source.save(file);
            assertThatExceptionOfType(StateMismatchException.class).isThrownBy(() -> elsewhere.newSequence().restore(file))
                    .withMessageContaining("another model");
            assertThat(elsewhere.stateFit()).isNotEqualTo(context.stateFit());
        }
        assertThat(target.tokens()).isEqualTo(old);
    }

    /// What was computed with positions of another rotation would be restored without a complaint of llama.cpp, and be wrong.
    @Test
    void otherRotationOfPositionsIsRefused() {
        try (SavedSequence saved = source.snapshot();
                Context scaled = model.newContext(small().withRope(0, 0.5f)); Context same = model.newContext(small().withRope(10_000, 1))) {
            assertThatExceptionOfType(StateMismatchException.class).isThrownBy(() -> scaled.newSequence().restore(saved))
                    .withMessageContaining("rotation");
            assertThat(same.newSequence().restore(saved)).as("the same, spelled out").isEqualTo(60);
        }
    }

    @Test
    void oldFileStaysWhenTheNewOneCannotBeWritten() throws IOException {
        Path file = directory.resolve("folder").resolve("a.kv");
        assertThatExceptionOfType(NoSuchFileException.class).isThrownBy(() -> source.save(file));
        Path folder = Files.createDirectory(directory.resolve("in the place"));
        Files.createFile(folder.resolve("not empty"));
        assertThatExceptionOfType(FileSystemException.class).isThrownBy(() -> source.save(folder));
        assertThat(Files.list(directory)).as("nothing is left aside").containsExactly(folder);
        assertThat(source.length()).isEqualTo(60);
    }

    @Test
    void whatADeadProcessLeftAsideGoes() throws IOException {
        Path dead = Files.createFile(directory.resolve("a.kv.123.part"));
        Path alive = Files.createFile(directory.resolve("a.kv.456.part"));
        Path other = Files.createFile(directory.resolve("b.kv.789.part"));
        for (Path each : List.of(dead, other)) {
            Files.setLastModifiedTime(each, FileTime.from(Instant.now().minus(Duration.ofHours(2))));
        }
        source.save(directory.resolve("a.kv"));
        assertThat(Files.list(directory)).containsExactlyInAnyOrder(directory.resolve("a.kv"), alive, other);
    }

    @Test
    void closedIsClosed() {
        SavedSequence saved = source.snapshot();
        saved.close();
        saved.close();
        assertThatIllegalStateException().isThrownBy(() -> target.restore(saved)).withMessage("saved state is closed");
        assertThatIllegalStateException().isThrownBy(saved::tokens);
        assertThatIllegalStateException().isThrownBy(() -> saved.save(directory.resolve("a")));
        assertThat(target.tokens()).isEqualTo(old);
    }

    @Test
    void threadsRestoreFromOneAndCloseIt() {
        SavedSequence saved = source.snapshot();
        int[] expected = fresh(model, prompt, 3);
        List<CompletableFuture<Void>> threads = java.util.stream.IntStream.range(0, 4).mapToObj(thread -> TestModels.async(() -> {
            try (Context own = model.newContext(small())) {
                Sequence sequence = own.newSequence();
                for (int i = 0; i < 40; i++) {
                    try {
                        sequence.restore(saved);
                    } catch (IllegalStateException e) {
                        assertThat(e).hasMessage("saved state is closed");
                        break;
                    }
                    assertThat(greedy(sequence, 3)).isEqualTo(expected);
                }
            }
        })).toList();
        threads.getFirst().orTimeout(1, java.util.concurrent.TimeUnit.MILLISECONDS).exceptionally(e -> null).join();
        saved.close();
        threads.subList(1, 4).forEach(CompletableFuture::join);
    }

    @Test
    void emptySequence() throws IOException {
        source.rewind(0);
        Path file = directory.resolve("empty");
        source.save(file);
        assertThat(target.restore(file)).isZero();
        assertThat(target.length()).isZero();
        target.append(prompt);
        assertThat(greedy(target, 3)).isEqualTo(fresh(model, prompt, 3));
    }

    // ---- whole contexts --------------------------------------------------------------------------------------------------

    @Test
    void contextComesBackWithItsSequences() throws IOException {
        target.close();
        Sequence fork = source.fork();
        fork.append(old);
        int[] picked = greedy(source, 2);
        Path file = directory.resolve("context");
        context.save(file);

        assertThat(source.tokens()).as("saving changes nothing").isEqualTo(TestModels.concat(prompt, picked));
        try (Context other = model.newContext(small().withMaxSequences(2))) {
            List<Sequence> sequences = other.restore(file);
            assertThat(sequences).hasSize(2);
            assertThat(sequences.get(0).tokens()).isEqualTo(source.tokens());
            assertThat(sequences.get(0).computed()).isEqualTo(61);
            assertThat(sequences.get(1).tokens()).isEqualTo(fork.tokens());
            assertThat(sequences.get(0).room()).as("60 cells are shared").isEqualTo(512 - 61 - 25);
            assertThat(greedy(sequences.get(0), 5)).isEqualTo(Arrays.copyOfRange(fresh(model, prompt, 7), 2, 7));
            assertThat(greedy(sequences.get(1), 5)).isEqualTo(fresh(model, TestModels.concat(prompt, old), 5));
            sequences.get(0).close();
            other.newSequence().append(old);
        }
        assertThatExceptionOfType(StateMismatchException.class).isThrownBy(() -> source.restore(file)).withMessageContaining("whole context");
        assertThatExceptionOfType(StateMismatchException.class).isThrownBy(() -> SavedSequence.load(file)).withMessageContaining("whole context");
    }

    @Test
    void contextsThatCannotTakeItStayEmpty() throws IOException {
        Path file = directory.resolve("context");
        context.save(file);
        assertThatIllegalStateException().isThrownBy(() -> context.restore(file)).withMessageContaining("open sequences");
        try (Context one = model.newContext(small())) {
            assertThatIllegalStateException().isThrownBy(() -> one.restore(file)).withMessageContaining("2 sequences");
            assertThat(greedy(appended(one.newSequence(), old), 2)).isEqualTo(fresh(model, old, 2));
        }
        source.append(tokens(400, 3));
        context.save(file);
        try (Context small = model.newContext(small().withContextSize(256).withMaxSequences(2))) {
            assertThatExceptionOfType(ContextFullException.class).isThrownBy(() -> small.restore(file));
            assertThat(greedy(appended(small.newSequence(), old), 2)).isEqualTo(fresh(model, old, 2));
        }
        byte[] bytes = Files.readAllBytes(file);
        bytes[bytes.length / 2] ^= 4;
        Files.write(file, bytes);
        try (Context empty = model.newContext(small().withMaxSequences(2))) {
            assertThatExceptionOfType(StateMismatchException.class).isThrownBy(() -> empty.restore(file)).withMessageContaining("damaged");
            source.save(file);
            assertThatExceptionOfType(StateMismatchException.class).isThrownBy(() -> empty.restore(file)).withMessageContaining("single sequence");
            assertThat(empty.newSequence().room()).isEqualTo(512);
        }
    }

    private static Sequence appended(Sequence sequence, int[] tokens) {
        sequence.append(tokens);
        return sequence;
    }
}
