package dev.chasqui.jmh;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_BOOLEAN;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import dev.chasqui.Context;
import dev.chasqui.ContextOptions;
import dev.chasqui.Model;
import dev.chasqui.Sequence;
import dev.chasqui.bindings.Chq;
import dev.chasqui.bindings.llama_batch;
import dev.chasqui.bindings.llama_context_params;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SegmentAllocator;
import java.lang.foreign.SymbolLookup;
import java.lang.invoke.MethodHandle;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Random;

/// Plain `llama_decode` in the loop of llama-bench against [Sequence#append(int...)], in one process and in short turns, so that a
/// machine whose speed drifts treats both alike. Each has a model and a context of its own, of the same sizes and threads; what else
/// llama.cpp lets one choose stays at its default on the plain side.
///
/// Arguments: library folder, model file, rounds, results file. A round is A B B A; a ratio is the time of both A over both B.
public final class ComparePlainDecode {

    private static final int PROMPT = 512;
    private static final int BURST = 32;
    private static final long SETTLE_MILLIS = 250; // until the other side's worker threads have stopped spinning

    private ComparePlainDecode() {
    }

    private interface Side {

        void clear();

        void decode(int[] tokens);
    }

    public static void main(String[] args) throws IOException, InterruptedException {
        Path libraries = Path.of(args[0]);
        Path file = Path.of(args[1]);
        int rounds = Integer.parseInt(args[2]);
        ContextOptions options = ContextOptions.defaults().withContextSize(PROMPT);
        try (Arena arena = Arena.ofConfined();
                Model model = Model.load(file);
                Context context = model.newContext(options);
                Sequence sequence = context.newSequence()) {
            Side plain = new Plain(arena, libraries, file, options, context.info().threads());
            Side ours = new Ours(sequence);
            Random random = new Random(1);
            int vocabulary = model.vocabulary().size();
            compare("pp" + PROMPT, plain, ours, rounds, new int[][] {random.ints(PROMPT, 0, vocabulary).toArray()}, file, Path.of(args[3]));
            int[][] single = random.ints(BURST, 0, vocabulary).mapToObj(token -> new int[] {token}).toArray(int[][]::new);
            compare("tg" + BURST, plain, ours, rounds * 4, single, file, Path.of(args[3]));
        }
    }

    private static void compare(String test, Side plain, Side ours, int rounds, int[][] batches, Path file, Path results)
            throws IOException, InterruptedException {
        time(plain, batches);
        time(ours, batches);
        int tokens = batches.length * batches[0].length;
        double[] ratios = new double[rounds];
        double[] speeds = new double[rounds];
        for (int round = 0; round < rounds; round++) {
            long a = time(plain, batches);
            long b = time(ours, batches);
            b += time(ours, batches);
            a += time(plain, batches);
            ratios[round] = (double) a / b;
            speeds[round] = 2e9 * tokens / b;
            System.err.printf(Locale.ROOT, "round %d %s: %.2f t/s, ratio %.4f%n", round + 1, test, speeds[round], ratios[round]);
        }
        Comparison.append(results, "plain llama_decode, one process", file, test, speeds, ratios);
    }

    private static long time(Side side, int[][] batches) throws InterruptedException {
        Thread.sleep(SETTLE_MILLIS);
        side.clear();
        long start = System.nanoTime();
        for (int[] batch : batches) {
            side.decode(batch);
        }
        return System.nanoTime() - start;
    }

    private record Ours(Sequence sequence) implements Side {

        @Override
        public void clear() {
            sequence.rewind(0);
        }

        @Override
        public void decode(int[] tokens) {
            sequence.append(tokens);
        }
    }

    /// `llama_batch_get_one`, `llama_decode`, `llama_synchronize`, nothing else.
    @SuppressWarnings("restricted") // a benchmark has to call llama.cpp without the library that it measures
    private static final class Plain implements Side {

        private final MethodHandle batch;
        private final MethodHandle decode;
        private final MethodHandle synchronize;
        private final MethodHandle memoryClear;
        private final MemorySegment context;
        private final MemorySegment memory;
        private final MemorySegment tokens;

        Plain(Arena arena, Path libraries, Path file, ContextOptions options, int threads) {
            SymbolLookup llama = SymbolLookup.libraryLookup(libraries.resolve(System.mapLibraryName("llama")), arena);
            batch = handle(llama, "llama_batch_get_one", FunctionDescriptor.of(llama_batch.layout(), ADDRESS, JAVA_INT));
            decode = handle(llama, "llama_decode", FunctionDescriptor.of(JAVA_INT, ADDRESS, llama_batch.layout()));
            synchronize = handle(llama, "llama_synchronize", FunctionDescriptor.ofVoid(ADDRESS));
            memoryClear = handle(llama, "llama_memory_clear", FunctionDescriptor.ofVoid(ADDRESS, JAVA_BOOLEAN));
            MethodHandle getMemory = handle(llama, "llama_get_memory", FunctionDescriptor.of(ADDRESS, ADDRESS));

            MemorySegment out = arena.allocate(ADDRESS);
            check(Chq.chq_model_load(arena.allocateFrom(file.toString()), MemorySegment.NULL, Chq.CHQ_KERNELS_AUTO(), out));
            MemorySegment model = out.get(ADDRESS, 0);
            MemorySegment params = Chq.llama_context_default_params(arena);
            llama_context_params.n_ctx(params, options.contextSize());
            llama_context_params.n_batch(params, options.batchSize());
            llama_context_params.n_ubatch(params, options.microBatchSize());
            llama_context_params.n_threads(params, threads);
            llama_context_params.n_threads_batch(params, threads);
            check(Chq.chq_context_create(model, params, options.poll(), out));
            context = Chq.chq_context_llama(out.get(ADDRESS, 0));
            tokens = arena.allocate(JAVA_INT, PROMPT);
            try {
                memory = (MemorySegment) getMemory.invokeExact(context);
            } catch (Throwable e) {
                throw new IllegalStateException(e);
            }
        }

        private static MethodHandle handle(SymbolLookup lookup, String name, FunctionDescriptor type) {
            return Linker.nativeLinker().downcallHandle(lookup.findOrThrow(name), type);
        }

        private static void check(int status) {
            if (status != 0) {
                throw new IllegalStateException("status " + status);
            }
        }

        @Override
        public void clear() {
            try {
                memoryClear.invokeExact(memory, false);
            } catch (Throwable e) {
                throw new IllegalStateException(e);
            }
        }

        @Override
        public void decode(int[] ids) {
            MemorySegment.copy(ids, 0, tokens, JAVA_INT, 0, ids.length);
            try (Arena call = Arena.ofConfined()) {
                MemorySegment one = (MemorySegment) batch.invokeExact((SegmentAllocator) call, tokens, ids.length);
                check((int) decode.invokeExact(context, one));
                synchronize.invokeExact(context);
            } catch (Throwable e) {
                throw new IllegalStateException(e);
            }
        }
    }
}
