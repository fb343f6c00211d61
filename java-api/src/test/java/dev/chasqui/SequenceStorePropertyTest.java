package dev.chasqui;

import static dev.chasqui.TestModels.concat;
import static dev.chasqui.TestModels.small;
import static dev.chasqui.TestModels.tokens;
import static org.assertj.core.api.Assertions.assertThat;

import dev.chasqui.kv.SequenceStore;
import dev.chasqui.kv.SequenceStore.Reuse;
import dev.chasqui.kv.SequenceStoreOptions;
import dev.chasqui.kv.StoreStats;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Random operations on texts that begin alike, against a model of the store. What a restored sequence says next is compared with what a computed one does.
@Tag("standalone")
class SequenceStorePropertyTest {

    private static final int OPERATIONS = 10_000;
    private static final int MIN_TOKENS = 8;
    private static final int MAX_TOKENS = 40;
    private static final int PART = 8;
    /// Computed in other batches and other cells, logits differ by up to 0.004 of their size, those of another text by 0.19 and more.
    private static final double NOISE = 0.02;

    private final Model model = TestModels.tiny();
    private final Random random = new Random(1);
    private final Map<List<Integer>, float[]> expected = new HashMap<>();
    private final List<Sequence> open = new ArrayList<>();
    private Context context;
    private Context reference;
    private Sequence computed;
    private long largest;

    @TempDir
    Path directory;

    @BeforeEach
    void open() {
        context = model.newContext(small().withContextSize(1024).withMaxSequences(4));
        reference = model.newContext(small());
        computed = reference.newSequence();
        largest = bytesOf(MAX_TOKENS);
        for (int i = 0; i < 3; i++) {
            open.add(context.newSequence());
        }
    }

    @AfterEach
    void close() {
        context.close();
        reference.close();
    }

    /// In memory, where it is known exactly what is there: each prompt must find just what the model says.
    @Test
    void inMemory() {
        long budget = 6 * bytesOf(MAX_TOKENS / 2);
        var oracle = new Oracle(budget);
        int hits = 0;
        try (SequenceStore store = SequenceStore.open(SequenceStoreOptions.inMemory().withRamBytes(budget).withMinTokens(MIN_TOKENS))) {
            List<SequenceStore.Pin> pins = new ArrayList<>();
            for (int i = 0; i < OPERATIONS; i++) {
                Sequence sequence = open.get(random.nextInt(open.size()));
                int operation = random.nextInt(100);
                if (operation < 40) {
                    int[] prompt = prompt();
                    int own = common(sequence.tokens(), prompt);
                    Reuse reuse = store.prepare(sequence, prompt);
                    assertThat(reuse.tokens()).as("operation %d", i).isEqualTo(oracle.prepare(prompt, own));
                    check(sequence, prompt, reuse.tokens());
                    hits += reuse.tokens() > own ? 1 : 0;
                } else if (operation < 85) {
                    sequence.set(prompt());
                    assertThat(store.park(sequence)).as("operation %d", i).isEqualTo(oracle.park(sequence.tokens()));
                } else if (operation < 92) {
                    fork(sequence);
                } else if (operation < 95 && pins.size() < 2 && sequence.length() > 0 && oracle.canPin(sequence.tokens())) {
                    sequence.set(sequence.tokens()); // with its logits
                    pins.add(store.pin(sequence));
                    oracle.pin(sequence.tokens());
                } else if (operation < 98 && !pins.isEmpty()) {
                    int which = random.nextInt(pins.size());
                    pins.remove(which).close();
                    oracle.unpin(which);
                } else if (operation == 99 && random.nextInt(10) == 0) {
                    store.clear();
                    oracle.clear();
                }
                assertThat(store.stats().ramBytes()).as("operation %d", i).isEqualTo(oracle.bytes()).isLessThanOrEqualTo(budget + largest);
            }
            assertThat(hits).isGreaterThan(OPERATIONS / 20);
            assertThat(store.stats().ramEvictions()).isGreaterThan(OPERATIONS / 50);
        }
    }

    /// With files that are written behind, and a store that is closed and opened again now and then: a prompt finds at least what is in the folder, and
    /// never more than was ever stored.
    @Test
    void onDisk() throws IOException {
        Path folder = directory.resolve("store");
        long ramBudget = 3 * bytesOf(MAX_TOKENS / 2);
        long diskBudget = 8 * bytesOf(MAX_TOKENS / 2);
        SequenceStoreOptions options = SequenceStoreOptions.in(folder).withRamBytes(ramBudget).withDiskBytes(diskBudget).withMinTokens(MIN_TOKENS);
        SequenceStore store = SequenceStore.open(options);
        Set<List<Integer>> everParked = new HashSet<>();
        int hits = 0;
        int fromDisk = 0;
        try {
            for (int i = 0; i < OPERATIONS; i++) {
                Sequence sequence = open.get(random.nextInt(open.size()));
                int operation = random.nextInt(100);
                if (operation < 45) {
                    int[] prompt = prompt();
                    int own = common(sequence.tokens(), prompt);
                    int there = Math.max(own, inFolder(folder, prompt));
                    Reuse reuse = store.prepare(sequence, prompt);
                    int ever = everParked.stream().mapToInt(parked -> common(ints(parked), prompt)).max().orElse(0);
                    if (reuse.tokens() < there) {
                        store.flush(); // a file that is being evicted is counted when the one that takes its place is whole
                        there = store.stats().diskEvictions() > 0 ? own : there;
                    }
                    assertThat(reuse.tokens()).as("operation %d", i).isBetween(there, Math.max(own, ever));
                    check(sequence, prompt, reuse.tokens());
                    hits += reuse.tokens() > own ? 1 : 0;
                    fromDisk += reuse.tier() == SequenceStore.Tier.DISK ? 1 : 0;
                } else if (operation < 88) {
                    sequence.set(prompt());
                    boolean stored = store.park(sequence);
                    assertThat(stored).isEqualTo(sequence.length() >= MIN_TOKENS);
                    if (stored) {
                        everParked.add(list(sequence.tokens()));
                    }
                } else if (operation < 93) {
                    fork(sequence);
                } else if (operation < 96) {
                    store.flush();
                } else if (operation < 98) {
                    store.close();
                    store = SequenceStore.open(options);
                } else if (random.nextInt(20) == 0) {
                    store.clear();
                }
                StoreStats stats = store.stats();
                assertThat(stats.ramBytes()).as("operation %d", i).isLessThanOrEqualTo(ramBudget + largest);
                assertThat(bytesIn(folder)).as("operation %d", i).isLessThanOrEqualTo(diskBudget);
                assertThat(stats.damaged() + stats.writeFailures()).as("operation %d: %s", i, stats).isZero();
            }
            assertThat(hits).isGreaterThan(OPERATIONS / 20);
            assertThat(fromDisk).isGreaterThan(OPERATIONS / 100);
        } finally {
            store.close();
        }
    }

    /// What the store is to be, in the plainest way: sequences with the time of their last use.
    private final class Oracle {

        private final long budget;
        private final List<Entry> entries = new ArrayList<>();
        private final List<Entry> pinned = new ArrayList<>();
        private int clock;

        Oracle(long budget) {
            this.budget = budget;
        }

        private static final class Entry {
            final int[] tokens;
            int used;
            int pins;

            Entry(int[] tokens) {
                this.tokens = tokens;
            }
        }

        int prepare(int[] prompt, int own) {
            int best = entries.stream().mapToInt(entry -> common(entry.tokens, prompt)).max().orElse(0);
            if (best <= own) {
                return own;
            }
            // of those with most in common the shortest; of equally long ones the index prefers none in particular, so the model takes over what it took
            List<Entry> candidates = entries.stream().filter(entry -> common(entry.tokens, prompt) == best)
                    .sorted(Comparator.comparingLong((Entry entry) -> bytesOf(entry.tokens.length))).toList();
            Entry taken = candidates.stream().filter(entry -> bytesOf(entry.tokens.length) == bytesOf(candidates.getFirst().tokens.length))
                    .min((a, b) -> nearer(prompt, a.tokens, b.tokens)).orElseThrow();
            taken.used = ++clock;
            return best;
        }

        /// Ties go to the one that the search meets first: below the prompt before above it, nearer ones before farther ones.
        private int nearer(int[] prompt, int[] a, int[] b) {
            boolean aBelow = Arrays.compare(a, prompt) <= 0;
            boolean bBelow = Arrays.compare(b, prompt) <= 0;
            if (aBelow != bBelow) {
                return aBelow ? -1 : 1;
            }
            return aBelow ? Arrays.compare(b, a) : Arrays.compare(a, b);
        }

        boolean park(int[] tokens) {
            if (tokens.length < MIN_TOKENS) {
                return false;
            }
            Entry covering = entries.stream()
                    .filter(entry -> common(entry.tokens, tokens) == tokens.length && tokens.length * 2 >= entry.tokens.length)
                    .min((a, b) -> Arrays.compare(a.tokens, b.tokens)).orElse(null);
            if (covering != null) {
                covering.used = ++clock;
                return true;
            }
            Entry entry = new Entry(tokens);
            add(entry);
            return entries.contains(entry);
        }

        private void add(Entry entry) {
            entry.used = ++clock;
            entries.removeIf(other -> other.pins == 0 && other.tokens.length < entry.tokens.length
                    && common(other.tokens, entry.tokens) == other.tokens.length && other.tokens.length * 2 >= entry.tokens.length);
            entries.add(entry);
            evict();
        }

        private void evict() {
            while (bytes() > budget) {
                Entry oldest = entries.stream().filter(entry -> entry.pins == 0).min(Comparator.comparingInt(entry -> entry.used)).orElse(null);
                if (oldest == null) {
                    return;
                }
                entries.remove(oldest);
            }
        }

        boolean canPin(int[] tokens) {
            boolean already = pinned.stream().anyMatch(entry -> Arrays.equals(entry.tokens, tokens));
            long others = pinned.stream().distinct().mapToLong(entry -> bytesOf(entry.tokens.length)).sum();
            return already || others + bytesOf(tokens.length) <= budget;
        }

        void pin(int[] tokens) {
            Entry entry = entries.stream().filter(each -> Arrays.equals(each.tokens, tokens)).findFirst().orElse(null);
            if (entry == null) {
                entry = new Entry(tokens);
                entry.pins = 1;
                add(entry);
            } else {
                entry.used = ++clock;
                entry.pins++;
            }
            pinned.add(entry);
        }

        void unpin(int which) {
            pinned.remove(which).pins--;
            evict();
        }

        void clear() {
            entries.removeIf(entry -> entry.pins == 0);
        }

        long bytes() {
            return entries.stream().mapToLong(entry -> bytesOf(entry.tokens.length)).sum();
        }
    }

    /// Texts that branch: parts of which there are two kinds each, so that most have something in common with others.
    private int[] prompt() {
        int[] prompt = new int[0];
        for (int part = 0; part < MAX_TOKENS / PART; part++) {
            prompt = concat(prompt, tokens(PART, 2 * part + random.nextInt(2)));
        }
        return Arrays.copyOf(prompt, 1 + random.nextInt(MAX_TOKENS));
    }

    private void fork(Sequence sequence) {
        if (open.size() == 4) {
            open.remove(random.nextInt(4)).close();
        } else {
            open.add(sequence.fork());
        }
        if (open.size() < 2) {
            open.add(context.newSequence());
        }
    }

    /// Goes on from what was restored, and must say what a sequence says that was computed.
    private void check(Sequence sequence, int[] prompt, int reused) {
        assertThat(sequence.tokens()).isEqualTo(Arrays.copyOf(prompt, reused));
        assertThat(sequence.set(prompt)).isGreaterThanOrEqualTo(Math.min(reused, prompt.length - 1));
        float[] logits = expected.computeIfAbsent(list(prompt), _ -> {
            computed.rewind(0);
            computed.append(prompt);
            return computed.logits();
        });
        assertThat(distance(sequence.logits(), logits)).isLessThan(NOISE);
    }

    /// Relative to their size.
    private static double distance(float[] a, float[] b) {
        double difference = 0;
        double size = 0;
        for (int i = 0; i < a.length; i++) {
            difference += (a[i] - b[i]) * (a[i] - b[i]);
            size += b[i] * b[i];
        }
        return Math.sqrt(difference / size);
    }

    private final Map<Integer, Long> sizes = new HashMap<>();

    /// The layout of a state: head and logits padded to 64 bytes each, then cells and rows of 2 layers, 2 heads of 16 elements.
    private long bytesOf(int length) {
        return sizes.computeIfAbsent(length, n -> {
            computed.rewind(0);
            computed.append(tokens(n, 3));
            try (SavedSequence saved = computed.snapshot(new byte[21])) {
                return saved.bytes();
            }
        });
    }

    private static int inFolder(Path folder, int[] prompt) throws IOException {
        int most = 0;
        for (Path file : files(folder)) {
            try {
                most = Math.max(most, common(SavedSequence.readHeader(file).tokens(), prompt));
            } catch (NoSuchFileException e) {
                // just deleted
            }
        }
        return most;
    }

    private static long bytesIn(Path folder) throws IOException {
        long bytes = 0;
        for (Path file : files(folder)) {
            try {
                bytes += Files.size(file);
            } catch (NoSuchFileException e) {
                // just deleted
            }
        }
        return bytes;
    }

    private static List<Path> files(Path folder) throws IOException {
        try (var files = Files.list(folder)) {
            return files.filter(file -> file.toString().endsWith(".kv")).toList();
        }
    }

    private static int common(int[] a, int[] b) {
        int mismatch = Arrays.mismatch(a, b);
        return mismatch < 0 ? a.length : mismatch;
    }

    private static List<Integer> list(int[] tokens) {
        return Arrays.stream(tokens).boxed().toList();
    }

    private static int[] ints(List<Integer> tokens) {
        return tokens.stream().mapToInt(Integer::intValue).toArray();
    }
}
