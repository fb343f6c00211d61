package dev.chasqui;

import static dev.chasqui.TestModels.concat;
import static dev.chasqui.TestModels.fresh;
import static dev.chasqui.TestModels.greedy;
import static dev.chasqui.TestModels.small;
import static dev.chasqui.TestModels.tokens;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;

import dev.chasqui.kv.PromptKey;
import dev.chasqui.kv.SequenceStore;
import dev.chasqui.kv.SequenceStore.Reuse;
import dev.chasqui.kv.SequenceStore.Tier;
import dev.chasqui.kv.SequenceStoreException;
import dev.chasqui.kv.SequenceStoreOptions;
import dev.chasqui.kv.StoreStats;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileTime;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@Tag("standalone")
class SequenceStoreTest {

    private static final SequenceStoreOptions IN_MEMORY = SequenceStoreOptions.inMemory();

    private final Model model = TestModels.tiny();
    private final int[] a = tokens(100, 1);
    private final int[] b = tokens(120, 2);
    private final Context context = model.newContext(small());
    private final Sequence sequence = context.newSequence();

    @TempDir
    Path directory;

    @AfterEach
    void close() {
        context.close();
    }

    private SequenceStoreOptions onDisk() {
        return SequenceStoreOptions.in(directory.resolve("store"));
    }

    private SequenceStore open(SequenceStoreOptions options) {
        return SequenceStore.open(options);
    }

    private void park(SequenceStore store, int... tokens) {
        sequence.set(tokens);
        assertThat(store.park(sequence)).isTrue();
        sequence.rewind(0);
    }

    private Reuse prepare(SequenceStore store, int... prompt) {
        sequence.rewind(0);
        Reuse reuse = store.prepare(sequence, prompt);
        assertThat(sequence.tokens()).isEqualTo(Arrays.copyOf(prompt, reuse.tokens()));
        assertThat(sequence.computed()).isEqualTo(reuse.tokens());
        return reuse;
    }

    private List<Path> files() throws IOException {
        try (var files = Files.list(directory.resolve("store"))) {
            return files.filter(file -> file.toString().endsWith(".kv")).sorted().toList();
        }
    }

    // ---- finding ---------------------------------------------------------------------------------------------------------

    @Test
    void logitsAreThoseOfASequenceThatNeverLeft() {
        sequence.set(a);
        float[] last = sequence.logits();
        sequence.append(5, 6, 7);
        float[] next = sequence.logits();
        sequence.rewind(0);
        try (SequenceStore store = open(onDisk())) {
            park(store, a);
            store.flush();
            assertThat(prepare(store, a).tier()).isEqualTo(Tier.RAM);
            assertThat(sequence.logits()).isEqualTo(last);
            sequence.append(5, 6, 7);
            assertThat(sequence.logits()).isEqualTo(next);
        }
        try (SequenceStore store = open(onDisk())) {
            assertThat(prepare(store, a).tier()).isEqualTo(Tier.DISK);
            assertThat(sequence.logits()).isEqualTo(last);
            sequence.append(5, 6, 7);
            assertThat(sequence.logits()).isEqualTo(next);
            assertThat(prepare(store, a).tier()).as("it stays in memory").isEqualTo(Tier.RAM);
        }
    }

    @Test
    void theLongestPrefixIsFound() {
        try (SequenceStore store = open(IN_MEMORY)) {
            park(store, Arrays.copyOf(a, 40));
            park(store, concat(Arrays.copyOf(a, 70), b));
            park(store, b);
            int[] prompt = concat(a, new int[] {9});
            Reuse reuse = prepare(store, prompt);
            assertThat(reuse.tokens()).isEqualTo(70);
            assertThat(reuse.branch()).isEqualTo(70);
            assertThat(sequence.set(prompt)).isEqualTo(70);
            assertThat(greedy(sequence, 5)).isEqualTo(fresh(model, prompt, 5));
            assertThat(prepare(store, 1, 2, 3).tier()).isEqualTo(Tier.NONE);
        }
    }

    @Test
    void ownTokensAreNotReplacedByFewer() {
        try (SequenceStore store = open(IN_MEMORY)) {
            park(store, Arrays.copyOf(a, 40));
            sequence.set(Arrays.copyOf(a, 60));
            Reuse reuse = store.prepare(sequence, a);
            assertThat(reuse.tokens()).isEqualTo(60);
            assertThat(reuse.tier()).isEqualTo(Tier.LIVE);
            assertThat(store.stats().hits()).isZero();
        }
    }

    @Test
    void otherContextsAndModelsHaveNothingInCommon() {
        try (SequenceStore store = open(onDisk());
                Context f32 = model.newContext(small().withKvTypes(KvType.F32, KvType.F32));
                Context scaled = model.newContext(small().withRope(0, 0.5f));
                Context larger = model.newContext(small().withContextSize(1024).withMaxSequences(3));
                Model copy = Model.load(TestModels.tinyFile()); Context ofCopy = copy.newContext(small());
                Model other = Model.load(TinyGguf.builder().seed(7).write(directory.resolve("other.gguf")));
                Context ofOther = other.newContext(small())) {
            park(store, a);
            for (Context elsewhere : List.of(f32, scaled, ofOther)) {
                assertThat(store.prepare(elsewhere.newSequence(), a).tokens()).isZero();
            }
            for (Context same : List.of(larger, ofCopy)) {
                Sequence restored = same.newSequence();
                assertThat(store.prepare(restored, a).tokens()).isEqualTo(100);
                assertThat(greedy(restored, 5)).isEqualTo(fresh(model, a, 5));
            }
        }
    }

    @Test
    void scopesHaveNothingInCommon() {
        try (SequenceStore store = open(onDisk())) {
            PromptKey key = PromptKey.of(a);
            sequence.set(a);
            store.park(sequence, key.withScope("adapter"));
            assertThat(prepare(store, a).tokens()).isZero();
            assertThat(store.prepare(sequence, key.withScope("other")).tokens()).isZero();
            assertThat(store.prepare(sequence, key.withScope("adapter")).tokens()).isEqualTo(100);
        }
        try (SequenceStore store = open(onDisk())) {
            assertThat(prepare(store, a).tokens()).isZero();
            assertThat(store.prepare(sequence, PromptKey.of(a).withScope("adapter")).tokens()).isEqualTo(100);
        }
    }

    /// Ten positions hold an image: it is reused as a whole, and only if it is the same.
    @Test
    void imagesAreReusedAsAWhole() {
        PromptKey stored = PromptKey.builder().tokens(Arrays.copyOf(a, 50)).chunk(11, 10).tokens(Arrays.copyOfRange(a, 60, 100)).build();
        PromptKey same = PromptKey.builder().tokens(Arrays.copyOf(a, 50)).chunk(11, 10).tokens(1, 2, 3).build();
        PromptKey other = PromptKey.builder().tokens(Arrays.copyOf(a, 50)).chunk(12, 10).tokens(Arrays.copyOfRange(a, 60, 100)).build();
        try (SequenceStore store = open(onDisk())) {
            sequence.set(a);
            assertThat(store.park(sequence, stored)).isTrue();
            assertThat(store.prepare(sequence, same).tokens()).isEqualTo(60);
            assertThat(store.prepare(sequence, other).tokens()).isEqualTo(50);
            assertThat(prepare(store, a).tokens()).as("tokens are no image").isEqualTo(50);
            assertThatIllegalArgumentException().isThrownBy(() -> store.park(sequence, stored)).withMessageContaining("100").withMessageContaining("50");
        }
        try (SequenceStore store = open(onDisk())) {
            assertThat(store.prepare(sequence, same).tokens()).isEqualTo(60);
        }
    }

    /// What does not fit falls back to what does, or to computing.
    @Test
    void whatDoesNotFitIsComputed() {
        try (SequenceStore store = open(IN_MEMORY); Context tiny = model.newContext(small().withContextSize(256))) {
            int[] large = tokens(400, 3);
            park(store, large);
            Sequence restored = tiny.newSequence();
            int[] prompt = concat(Arrays.copyOf(large, 150), new int[] {4});
            assertThat(store.prepare(restored, prompt).tokens()).isZero();
            restored.set(prompt);
            assertThat(greedy(restored, 3)).isEqualTo(fresh(model, prompt, 3));
            park(store, Arrays.copyOf(large, 150));
            assertThat(store.prepare(restored, concat(Arrays.copyOf(large, 150), new int[] {8})).tokens()).isEqualTo(150);
        }
    }

    @Test
    void shortSequencesAreNotStored() {
        try (SequenceStore store = open(IN_MEMORY.withMinTokens(50))) {
            sequence.set(Arrays.copyOf(a, 49));
            assertThat(store.park(sequence)).isFalse();
            park(store, Arrays.copyOf(a, 50));
            sequence.rewind(0);
            assertThat(store.park(sequence)).isFalse();
        }
    }

    @Test
    void countsAndTimes() {
        try (SequenceStore store = open(IN_MEMORY)) {
            park(store, a);
            prepare(store, b);
            Reuse reuse = prepare(store, a);
            StoreStats stats = store.stats();
            assertThat(stats.lookups()).isEqualTo(2);
            assertThat(stats.hits()).isEqualTo(1);
            assertThat(stats.tokensReused()).isEqualTo(100);
            assertThat(stats.timeSaved()).isEqualTo(reuse.timeSaved());
            assertThat(stats.parked()).isEqualTo(1);
            assertThat(stats.ramEntries()).isEqualTo(1);
            assertThat(stats.ramBytes()).isGreaterThan(100 * 2 * 2 * 32 * 2);
            assertThat(stats.diskEntries() + stats.writes() + stats.writeFailures() + stats.damaged()).isZero();
            assertThat(stats.lastFailure()).isEmpty();
            assertThat(context.prefillSpeed()).isPositive();
        }
    }

    // ---- used by itself --------------------------------------------------------------------------------------------------

    @Test
    void generationsUseTheStoreOfTheirContext() {
        int[] prompt = concat(a, new int[] {7});
        String expected;
        try (SequenceStore store = open(onDisk()); Context with = model.newContext(small().withStore(store))) {
            try (Generation generation = with.newSequence().generate(prompt, GenerationOptions.defaults().withSampler(Sampler.greedy()).withMaxTokens(20))) {
                expected = generation.text();
                assertThat(generation.stats().cachedTokens()).isZero();
            }
        }
        try (SequenceStore store = open(onDisk()); Context with = model.newContext(small().withStore(store))) {
            try (Generation generation = with.newSequence().generate(prompt, GenerationOptions.defaults().withSampler(Sampler.greedy()).withMaxTokens(20))) {
                assertThat(generation.text()).isEqualTo(expected);
                assertThat(generation.stats().cachedTokens()).as("all but the token whose logits are needed").isEqualTo(100);
            }
            assertThat(store.stats().hits()).isEqualTo(1);
        }
    }

    /// Each conversation has a context of its own; what all of them begin with is computed by the first.
    @Test
    void aSystemPromptIsComputedOnce() {
        int[] system = tokens(200, 9);
        int computed = 0;
        try (SequenceStore store = open(IN_MEMORY)) {
            for (int chat = 0; chat < 50; chat++) {
                try (Context own = model.newContext(small().withStore(store))) {
                    int[] prompt = concat(system, new int[] {3 + chat}, tokens(9, chat));
                    Generation generation = own.newSequence().generate(prompt, GenerationOptions.defaults().withMaxTokens(5));
                    generation.text();
                    computed += generation.stats().promptTokens() - generation.stats().cachedTokens();
                }
            }
        }
        assertThat(computed).isEqualTo(200 + 50 * 10);
    }

    @Test
    void chatsGoOnWhereTheyWere() {
        ChatMessage system = new ChatMessage("system", "the river of Peru and the river of that ".repeat(3));
        GenerationOptions options = GenerationOptions.defaults().withSampler(Sampler.greedy()).withMaxTokens(10);
        List<ChatMessage> before;
        int promptTokens;
        try (SequenceStore store = open(onDisk()); ChatSession chat = model.chat(small().withStore(store), options)) {
            chat.add(system);
            ChatAnswer first = chat.send("is it a river");
            first.text();
            promptTokens = first.stats().promptTokens();
            before = chat.messages();
        }
        try (SequenceStore store = open(onDisk()); ChatSession chat = model.chat(small().withStore(store), options)) {
            before.forEach(chat::add);
            ChatAnswer second = chat.send("and that");
            second.text();
            assertThat(second.stats().cachedTokens()).isGreaterThanOrEqualTo(promptTokens);
        }
    }

    @Test
    void aContextOutlivesItsStore() {
        SequenceStore store = open(onDisk());
        try (Context with = model.newContext(small().withStore(store))) {
            Sequence own = with.newSequence();
            own.set(a);
            store.close();
            store.close();
            assertThat(store.isClosed()).isTrue();
            assertThat(own.generate(b, GenerationOptions.defaults().withMaxTokens(3)).text()).isNotNull();
            assertThat(own.set(a)).isZero();
            assertThat(store.park(own)).isFalse();
            assertThatExceptionOfType(SequenceStoreException.class).isThrownBy(() -> store.pin(own)).withMessageContaining("closed");
            store.flush();
            store.clear();
        }
    }

    @Test
    void aClosedContextParksNothing() {
        try (SequenceStore store = open(IN_MEMORY)) {
            Context with = model.newContext(small().withStore(store));
            Generation generation = with.newSequence().generate(a, GenerationOptions.defaults().withMaxTokens(200).withIgnoreEnd(true));
            generation.iterator().hasNext();
            with.close();
            generation.close();
            assertThat(store.stats().parked()).isZero();
        }
    }

    // ---- budgets ---------------------------------------------------------------------------------------------------------

    private long bytesOf(int... tokens) {
        sequence.set(tokens);
        try (SavedSequence saved = sequence.snapshot(new byte[40])) {
            return saved.bytes();
        }
    }

    @Test
    void whatWasUsedLongestAgoGoesFirst() {
        long one = bytesOf(b);
        try (SequenceStore store = open(IN_MEMORY.withRamBytes(one * 2))) {
            park(store, a);
            park(store, b);
            prepare(store, a);
            park(store, tokens(90, 3));
            assertThat(prepare(store, b).tokens()).isZero();
            assertThat(prepare(store, a).tokens()).isEqualTo(100);
            assertThat(store.stats().ramEvictions()).isEqualTo(1);
            assertThat(store.stats().ramBytes()).isLessThanOrEqualTo(one * 2);
        }
    }

    /// While another process has the folder, so that nothing that was taken in can be written and given up.
    @Test
    void whoMustNotWaitDoesWithout() throws IOException {
        try (SequenceStore store = open(onDisk().withWriteBehind(false))) {
            park(store, a);
        }
        try (SequenceStore store = open(onDisk().withRamBytes(bytesOf(b)).withWriteBehind(false))) {
            try (FileChannel channel = FileChannel.open(directory.resolve("store/lock"), StandardOpenOption.WRITE); FileLock _ = channel.lock()) {
                sequence.set(b);
                assertThat(store.tryPark(sequence)).isTrue();
                sequence.set(tokens(110, 3));
                assertThat(store.tryPark(sequence)).as("memory is exceeded by one sequence").isTrue();
                sequence.set(tokens(110, 4));
                assertThat(store.tryPark(sequence)).isFalse();
                sequence.set(b);
                assertThat(store.tryPark(sequence)).as("it is there already").isTrue();
                sequence.rewind(0);
                assertThat(store.tryPrepare(sequence, 0, _ -> true, a).tier()).as("its file needs memory").isEqualTo(Tier.NONE);
                assertThat(store.tryPrepare(sequence, 0, _ -> true, b).tier()).isEqualTo(Tier.RAM);
                assertThat(store.stats().writes()).isZero();
            }
            store.flush();
            assertThat(store.stats().writes()).isEqualTo(2);
            sequence.set(tokens(110, 4));
            assertThat(store.tryPark(sequence)).isTrue();
            store.flush();
            sequence.rewind(0);
            assertThat(store.tryPrepare(sequence, 0, _ -> true, a).tier()).isEqualTo(Tier.DISK);
            assertThat(sequence.tokens()).isEqualTo(a);
        }
    }

    @Test
    void littleMoreOrWhatHasNoRoomIsNotTakenOver() {
        try (SequenceStore store = open(IN_MEMORY)) {
            park(store, a);
            List<Integer> asked = new ArrayList<>();
            assertThat(store.tryPrepare(sequence, 90, _ -> true, Arrays.copyOf(a, 90)).tokens()).isZero();
            assertThat(store.tryPrepare(sequence, 89, cells -> !asked.add(cells), Arrays.copyOf(a, 90)).tokens()).isZero();
            assertThat(asked).as("for a moment there is all of it").containsExactly(100);
            assertThat(sequence.length()).isZero();
            assertThat(store.tryPrepare(sequence, 89, _ -> true, Arrays.copyOf(a, 90)).tokens()).isEqualTo(90);
            assertThat(sequence.tokens()).isEqualTo(Arrays.copyOf(a, 90));
        }
    }

    @Test
    void whatIsTooLargeDrivesOutNothing() {
        try (SequenceStore store = open(IN_MEMORY.withRamBytes(bytesOf(b)))) {
            park(store, a);
            sequence.set(tokens(200, 3));
            assertThat(store.park(sequence)).isFalse();
            assertThat(prepare(store, a).tokens()).isEqualTo(100);
        }
    }

    @Test
    void filesOutliveTheirMemory() throws IOException {
        try (SequenceStore store = open(onDisk().withRamBytes(bytesOf(b)))) {
            park(store, a);
            park(store, b);
            park(store, tokens(110, 3));
            assertThat(store.stats().ramEntries()).isEqualTo(1);
            assertThat(prepare(store, a).tier()).isEqualTo(Tier.DISK);
            assertThat(prepare(store, b).tier()).isEqualTo(Tier.DISK);
            store.flush();
            assertThat(files()).hasSize(3);
        }
        try (SequenceStore store = open(onDisk().withRamBytes(0))) {
            park(store, tokens(130, 4));
            assertThat(prepare(store, tokens(130, 4)).tier()).isEqualTo(Tier.DISK);
            assertThat(store.stats().ramBytes()).isZero();
        }
    }

    @Test
    void theOldestFilesMakeRoom() throws IOException {
        long one = bytesOf(b);
        SequenceStoreOptions options = onDisk().withDiskBytes(one * 3).withWriteBehind(false);
        try (SequenceStore store = open(options)) {
            int[][] prompts = IntStream.range(0, 3).mapToObj(seed -> tokens(115, 20 + seed)).toArray(int[][]::new);
            for (int[] prompt : prompts) {
                park(store, prompt);
            }
            List<Path> files = files();
            assertThat(files).hasSize(3);
            for (Path file : files) {
                Files.setLastModifiedTime(file, FileTime.from(Instant.now().minusSeconds(100)));
            }
        }
        try (SequenceStore store = open(options)) {
            prepare(store, tokens(115, 20)); // used now
            park(store, b);
            assertThat(files()).hasSize(3);
            assertThat(store.stats().diskEvictions()).isEqualTo(1);
            assertThat(store.stats().diskBytes()).isLessThanOrEqualTo(one * 3);
            assertThat(prepare(store, tokens(115, 20)).tokens()).isEqualTo(115);
            sequence.set(tokens(500, 5));
            assertThat(store.park(sequence)).as("in memory only").isTrue();
            assertThat(files()).as("what is larger than the folder may be drives out nothing").hasSize(3);
            assertThat(store.stats().writeFailures()).isEqualTo(1);
            assertThat(store.stats().lastFailure()).hasValueSatisfying(reason -> assertThat(reason).contains("no room"));
        }
    }

    @Test
    void aConversationThatGrowsHasFewFiles() throws IOException {
        try (SequenceStore store = open(onDisk().withWriteBehind(false))) {
            int[] all = tokens(400, 6);
            for (int length = 40; length <= 400; length += 40) {
                park(store, Arrays.copyOf(all, length));
            }
            assertThat(store.park(appended(Arrays.copyOf(all, 390)))).as("it is there already").isTrue();
            assertThat(store.stats().parked()).isEqualTo(10);
            assertThat(files().size()).isBetween(1, 4);
            assertThat(store.stats().ramEntries()).isBetween(1, 4);
            for (int length = 10; length <= 400; length += 30) {
                assertThat(prepare(store, Arrays.copyOf(all, length)).tokens()).isEqualTo(length);
            }
        }
        try (SequenceStore store = open(onDisk())) {
            assertThat(prepare(store, tokens(400, 6)).tokens()).isEqualTo(400);
        }
    }

    private Sequence appended(int... tokens) {
        sequence.set(tokens);
        return sequence;
    }

    @Test
    void thePinnedStays() {
        long one = bytesOf(b);
        try (SequenceStore store = open(IN_MEMORY.withRamBytes(one * 2))) {
            SequenceStore.Pin pin = store.pin(appended(a));
            SequenceStore.Pin again = store.pin(appended(a));
            for (int seed = 0; seed < 5; seed++) {
                park(store, tokens(110, 30 + seed));
            }
            assertThat(prepare(store, a).tokens()).isEqualTo(100);
            store.clear();
            assertThat(prepare(store, a).tokens()).isEqualTo(100);
            assertThatExceptionOfType(SequenceStoreException.class).isThrownBy(() -> store.pin(appended(tokens(300, 1))));
            pin.close();
            pin.close();
            store.clear();
            assertThat(prepare(store, a).tokens()).as("pinned twice").isEqualTo(100);
            again.close();
            store.clear();
            assertThat(prepare(store, a).tokens()).isZero();
        }
    }

    /// A system prompt is found as such where the model can use it only as a whole, although a conversation that begins with it is there.
    @Test
    void pinningTakesTheVerySequence() {
        try (SequenceStore store = open(IN_MEMORY)) {
            park(store, a);
            try (SequenceStore.Pin pin = store.pin(appended(Arrays.copyOf(a, 80)))) {
                assertThat(pin).isNotNull();
                assertThat(store.stats().ramEntries()).isEqualTo(2);
                park(store, concat(a, b));
                assertThat(store.stats().ramEntries()).as("a longer one takes the place of what is not pinned only").isEqualTo(2 + 1);
            }
        }
    }

    @Test
    void clearForgetsFilesToo() throws IOException {
        try (SequenceStore store = open(onDisk())) {
            park(store, a);
            park(store, b);
            store.clear();
            assertThat(files()).isEmpty();
            assertThat(store.stats().ramBytes()).isZero();
            assertThat(prepare(store, a).tokens()).isZero();
            park(store, a);
        }
        assertThat(files()).hasSize(1);
    }

    // ---- files that are not as they should be ------------------------------------------------------------------------------

    private void parkTwo() {
        try (SequenceStore store = open(onDisk())) {
            park(store, a);
            park(store, b);
        }
    }

    private Path fileOf(int... tokens) throws IOException {
        for (Path file : files()) {
            if (Arrays.equals(SavedSequence.readHeader(file).tokens(), tokens)) {
                return file;
            }
        }
        throw new AssertionError("no such file");
    }

    @Test
    void aFlippedBitIsNoticed() throws IOException {
        parkTwo();
        Path file = fileOf(a);
        byte[] bytes = Files.readAllBytes(file);
        bytes[bytes.length - 100] ^= 16;
        Files.write(file, bytes);
        try (SequenceStore store = open(onDisk())) {
            assertThat(prepare(store, a).tokens()).isZero();
            assertThat(store.stats().damaged()).isEqualTo(1);
            assertThat(store.stats().lastFailure()).hasValueSatisfying(reason -> assertThat(reason).contains("damaged").contains(file.toString()));
            assertThat(Files.exists(file)).as("it is of no use").isFalse();
            assertThat(prepare(store, b).tokens()).isEqualTo(120);
            park(store, a);
            assertThat(prepare(store, a).tokens()).isEqualTo(100);
        }
        try (SequenceStore store = open(onDisk())) {
            assertThat(prepare(store, a).tokens()).isEqualTo(100);
        }
    }

    @Test
    void anEndThatIsMissingIsNoticed() throws IOException {
        parkTwo();
        Path file = fileOf(a);
        byte[] bytes = Files.readAllBytes(file);
        for (int length : new int[] {0, 5, 127, 128, 300, bytes.length - 1}) {
            Files.write(file, Arrays.copyOf(bytes, length));
            try (SequenceStore store = open(onDisk())) {
                assertThat(prepare(store, a).tokens()).isZero();
                assertThat(store.stats().damaged()).isEqualTo(1);
                assertThat(prepare(store, a).tokens()).isZero();
                assertThat(store.stats().damaged()).as("it is looked at once").isEqualTo(1);
                assertThat(prepare(store, b).tokens()).isEqualTo(120);
            }
        }
    }

    /// The store knows the file from its beginning; then its end is cut off, or it goes, or another one takes its name.
    @Test
    void filesThatChangeAfterTheyWereFound() throws IOException {
        parkTwo();
        try (SequenceStore store = open(onDisk().withRamBytes(0))) {
            Path file = fileOf(a);
            byte[] bytes = Files.readAllBytes(file);
            Files.write(file, Arrays.copyOf(bytes, bytes.length - 64));
            assertThat(prepare(store, a).tokens()).isZero();
            assertThat(store.stats().damaged()).isEqualTo(1);
            Path other = fileOf(b);
            Files.delete(other);
            assertThat(prepare(store, b).tokens()).isZero();
            assertThat(store.stats().damaged()).as("what is gone is not damaged").isEqualTo(1);
        }
        parkTwo();
        try (SequenceStore store = open(onDisk().withRamBytes(0))) {
            Files.copy(fileOf(b), fileOf(a), java.nio.file.StandardCopyOption.REPLACE_EXISTING);
            assertThat(prepare(store, a).tokens()).isZero();
            assertThat(store.stats().lastFailure()).hasValueSatisfying(reason -> assertThat(reason).contains("name says"));
        }
    }

    @Test
    void filesOfOthersAreLeftAlone() throws IOException {
        parkTwo();
        Path store = directory.resolve("store");
        Path text = Files.writeString(store.resolve("notes.txt"), "not ours");
        Path foreign = Files.writeString(store.resolve("foreign.kv"), "not ours either");
        Path renamed = Files.copy(files().getFirst(), store.resolve("renamed.kv"));
        try (SequenceStore opened = open(onDisk())) {
            assertThat(opened.stats().damaged()).isEqualTo(2);
            assertThat(opened.stats().diskEntries()).isEqualTo(2);
            assertThat(prepare(opened, a).tokens()).isEqualTo(100);
        }
        assertThat(List.of(text, foreign, renamed)).allMatch(Files::exists);
    }

    @Test
    void aFolderThatCannotBe() throws IOException {
        Path file = Files.createFile(directory.resolve("file"));
        assertThatExceptionOfType(SequenceStoreException.class).isThrownBy(() -> open(SequenceStoreOptions.in(file)))
                .withMessageContaining(file.toString());
        assertThatExceptionOfType(SequenceStoreException.class).isThrownBy(() -> open(SequenceStoreOptions.in(file.resolve("below"))));
        assertThatNullPointerException().isThrownBy(() -> open(null));
    }

    /// Nothing can be written, e.g. because the folder belongs to somebody else: what is there is still read, and memory works.
    @Test
    void aFolderThatCannotBeWrittenTo() throws IOException {
        parkTwo();
        Path lock = directory.resolve("store").resolve("lock");
        Files.delete(lock);
        Files.createDirectory(lock);
        int[] c = tokens(60, 3);
        try (SequenceStore store = open(onDisk().withWriteBehind(false))) {
            assertThat(prepare(store, a).tokens()).isEqualTo(100);
            park(store, c);
            assertThat(store.stats().writeFailures()).isEqualTo(1);
            assertThat(store.stats().lastFailure()).hasValueSatisfying(reason -> assertThat(reason).contains("lock"));
            assertThat(prepare(store, c).tier()).isEqualTo(Tier.RAM);
            Files.delete(lock);
            park(store, c);
            store.flush();
            assertThat(store.stats().writes()).as("it is tried again when it is parked again").isEqualTo(1);
        }
        assertThat(files()).hasSize(3);
    }

    @Test
    void aFolderThatGoes() throws IOException {
        parkTwo();
        try (SequenceStore store = open(onDisk().withRamBytes(0))) {
            for (Path file : files()) {
                Files.delete(file);
            }
            Files.delete(directory.resolve("store").resolve("lock"));
            Files.delete(directory.resolve("store"));
            assertThat(prepare(store, a).tokens()).isZero();
            assertThat(store.stats().lastFailure()).hasValueSatisfying(reason -> assertThat(reason).contains("cannot be read"));
            park(store, b);
            assertThat(prepare(store, b).tokens()).isEqualTo(120);
        }
    }

    // ---- several at once -------------------------------------------------------------------------------------------------

    @Test
    void storesOfOneFolderSeeWhatTheOthersWrite() throws IOException {
        try (SequenceStore one = open(onDisk().withWriteBehind(false)); SequenceStore two = open(onDisk())) {
            park(one, a);
            assertThat(prepare(two, a).tier()).isEqualTo(Tier.DISK);
            two.clear();
            assertThat(files()).isEmpty();
            assertThat(prepare(one, a).tier()).isEqualTo(Tier.RAM);
            park(one, b);
            assertThat(prepare(two, b).tokens()).isEqualTo(120);
        }
    }

    /// Contexts of their own on threads of their own, so little memory that they drive out each other's sequences all the time.
    @Test
    void threadsShareAStore() {
        long one = bytesOf(b);
        int[][] prompts = IntStream.range(0, 8).mapToObj(seed -> tokens(80 + 5 * seed, 50 + seed)).toArray(int[][]::new);
        int[][] expected = Arrays.stream(prompts).map(prompt -> fresh(model, prompt, 3)).toArray(int[][]::new);
        try (SequenceStore store = open(onDisk().withRamBytes(one * 2).withDiskBytes(one * 4))) {
            List<CompletableFuture<Void>> threads = IntStream.range(0, 4).mapToObj(thread -> TestModels.async(() -> {
                try (Context own = model.newContext(small().withStore(store))) {
                    Sequence sequence = own.newSequence();
                    for (int i = 0; i < 60; i++) {
                        int which = (i * 5 + thread * 3) % prompts.length;
                        sequence.rewind(0);
                        sequence.set(prompts[which]);
                        assertThat(greedy(sequence, 3)).isEqualTo(expected[which]);
                        sequence.rewind(prompts[which].length);
                        store.park(sequence);
                        assertThat(store.stats().ramBytes()).isLessThanOrEqualTo(one * 3);
                    }
                }
            })).toList();
            threads.forEach(CompletableFuture::join);
            store.flush();
            StoreStats stats = store.stats();
            assertThat(stats.writeFailures() + stats.damaged()).as(stats.toString()).isZero();
            assertThat(stats.ramBytes()).isLessThanOrEqualTo(one * 2);
            assertThat(stats.diskBytes()).isLessThanOrEqualTo(one * 4);
            assertThat(stats.hits()).isGreaterThan(10);
        }
    }
}
