package dev.chasqui.jmh;

import dev.chasqui.Context;
import dev.chasqui.ContextOptions;
import dev.chasqui.Model;
import dev.chasqui.Sequence;
import dev.chasqui.kv.SequenceStore;
import dev.chasqui.kv.SequenceStoreOptions;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Arrays;
import java.util.Locale;
import java.util.Random;

/// What it takes to have a long prompt again: computed, from a copy kept in the cells, from memory, from a file that the operating system has in memory,
/// and from one that it has not. After each way the same two tokens are appended, and the logits compared with those of the computed prompt.
///
/// Arguments: model file, tokens, rounds, folder for the store, results file.
public final class SequenceStoreSpeed {

    private SequenceStoreSpeed() {
    }

    public static void main(String[] args) throws IOException {
        Path file = Path.of(args[0]);
        int tokens = Integer.parseInt(args[1]);
        int rounds = Integer.parseInt(args[2]);
        Path folder = Path.of(args[3]);
        SequenceStoreOptions inMemory = SequenceStoreOptions.inMemory().withRamBytes(4L << 30);
        SequenceStoreOptions onDisk = SequenceStoreOptions.in(folder).withRamBytes(0);
        ContextOptions options = ContextOptions.defaults().withContextSize(tokens + 256);
        try (Model model = Model.load(file)) {
            int[] prompt = new Random(1).ints(tokens, 300, Math.min(20_000, model.vocabulary().size())).toArray();
            int[] next = {prompt[0], prompt[1]};
            double[] prefill = new double[1];
            double[] kept = new double[rounds];
            double[] ram = new double[rounds];
            double[] cold = new double[rounds];
            double[] warm = new double[rounds];
            double[] park = new double[rounds];
            double[] write = new double[rounds];
            double[] free = new double[rounds];
            double[] masked = new double[rounds];
            boolean identical = true;
            long bytes;
            float[] expected;
            try (Context context = model.newContext(options); SequenceStore memory = SequenceStore.open(inMemory)) {
                Sequence sequence = context.newSequence();
                prefill[0] = millis(() -> sequence.append(prompt));
                for (int round = 0; round < rounds; round++) {
                    memory.clear();
                    park[round] = millis(() -> memory.park(sequence));
                }
                expected = after(sequence, next);
                for (int round = 0; round < rounds; round++) {
                    sequence.rewind(0);
                    ram[round] = millis(() -> memory.prepare(sequence, prompt));
                    identical &= Arrays.equals(expected, after(sequence, next));
                    sequence.rewind(tokens);
                    try (SequenceStore disk = SequenceStore.open(onDisk)) {
                        disk.clear();
                        disk.park(sequence);
                        write[round] = millis(disk::flush);
                    }
                    try (SequenceStore disk = SequenceStore.open(onDisk)) {
                        sequence.rewind(0);
                        dropFromPageCache(folder);
                        cold[round] = millis(() -> disk.prepare(sequence, prompt));
                        identical &= Arrays.equals(expected, after(sequence, next));
                        sequence.rewind(0);
                        warm[round] = millis(() -> disk.prepare(sequence, prompt));
                        identical &= Arrays.equals(expected, after(sequence, next));
                    }
                }
                bytes = memory.stats().ramBytes();
            }
            // Cells that are kept cost every token that is computed beside them.
            try (Context context = model.newContext(options.withKeptSequences(1)); SequenceStore memory = SequenceStore.open(inMemory)) {
                Sequence sequence = context.newSequence();
                for (int round = 0; round < rounds; round++) {
                    free[round] = millis(() -> sequence.append(next[0]));
                }
                sequence.rewind(0);
                memory.prepare(sequence, prompt);
                sequence.append(prompt);
                expected = after(sequence, next);
                sequence.rewind(tokens);
                memory.park(sequence);
                for (int round = 0; round < rounds; round++) {
                    sequence.rewind(0);
                    kept[round] = millis(() -> sequence.recall(prompt));
                    identical &= Arrays.equals(expected, after(sequence, next));
                }
                sequence.rewind(0);
                for (int round = 0; round < rounds; round++) {
                    masked[round] = millis(() -> sequence.append(next[0]));
                }
            }
            double computed = median(prefill);
            String row = String.format(Locale.ROOT, "{\"time\":\"%s\",\"comparison\":\"sequence store\",\"model\":\"%s\",\"cpu\":\"%s\",\"threads\":%d,"
                            + "\"rounds\":%d,\"tokens\":%d,\"bytes\":%d,\"identical\":%b,\"prefill_ms\":%.1f,\"kept_ms\":%.3f,\"ram_ms\":%.2f,\"file_warm_ms\":%.2f,"
                            + "\"file_cold_ms\":%.2f,\"park_ms\":%.2f,\"write_ms\":%.1f,\"kept_percent\":%.4f,\"ram_percent\":%.4f,\"file_warm_percent\":%.4f,"
                            + "\"file_cold_percent\":%.4f,\"ram_gb_per_s\":%.2f,\"token_ms\":%.3f,\"token_beside_kept_ms\":%.3f}",
                    Instant.now().truncatedTo(ChronoUnit.SECONDS), file.getFileName(), Comparison.cpu(), Runtime.getRuntime().availableProcessors(), rounds,
                    tokens, bytes, identical, computed, median(kept), median(ram), median(warm), median(cold), median(park), median(write),
                    100 * median(kept) / computed, 100 * median(ram) / computed, 100 * median(warm) / computed, 100 * median(cold) / computed,
                    bytes / median(ram) / 1e6, median(free), median(masked));
            System.out.println(row);
            Files.writeString(Path.of(args[4]), row + "\n", StandardOpenOption.CREATE, StandardOpenOption.APPEND);
        }
    }

    private static float[] after(Sequence sequence, int[] next) {
        sequence.append(next);
        return sequence.logits();
    }

    private static double millis(Runnable work) {
        long start = System.nanoTime();
        work.run();
        return (System.nanoTime() - start) / 1e6;
    }

    private static double median(double[] values) {
        return Comparison.median(values);
    }

    /// What was written is on the disk already, so that the system gives the pages up when it is told that nobody needs them.
    @SuppressWarnings("restricted")
    private static void dropFromPageCache(Path folder) throws IOException {
        Linker linker = Linker.nativeLinker();
        FunctionDescriptor path = FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.ADDRESS, ValueLayout.JAVA_INT);
        MethodHandle open = linker.downcallHandle(linker.defaultLookup().findOrThrow("open"), path, Linker.Option.firstVariadicArg(2));
        MethodHandle advise = linker.downcallHandle(linker.defaultLookup().findOrThrow("posix_fadvise"), FunctionDescriptor.of(ValueLayout.JAVA_INT,
                ValueLayout.JAVA_INT, ValueLayout.JAVA_LONG, ValueLayout.JAVA_LONG, ValueLayout.JAVA_INT));
        MethodHandle close = linker.downcallHandle(linker.defaultLookup().findOrThrow("close"),
                FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.JAVA_INT));
        int dontNeed = 4;
        try (var files = Files.newDirectoryStream(folder, "*.kv"); Arena arena = Arena.ofConfined()) {
            for (Path each : files) {
                int descriptor = (int) open.invokeExact(arena.allocateFrom(each.toString()), 0);
                int result = (int) advise.invokeExact(descriptor, 0L, 0L, dontNeed);
                int closed = (int) close.invokeExact(descriptor);
                if (descriptor < 0 || result != 0 || closed != 0) {
                    throw new IOException("the pages of " + each + " were not given up");
                }
            }
        } catch (IOException | RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new IllegalStateException(e);
        }
    }
}
