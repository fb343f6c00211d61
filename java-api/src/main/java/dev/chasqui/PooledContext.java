package dev.chasqui;

import static dev.chasqui.bindings.Chq.*;

import dev.chasqui.bindings.llama_context_params;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.locks.ReentrantLock;
import java.util.stream.IntStream;

/// A native context that gives one row for a text. Callers wait for each other.
final class PooledContext implements AutoCloseable {

    private static final int USUAL_TOKENS = 1024;
    private static final int MOST_SEQUENCES = 256;
    /// Flash attention adds up in 16 bits for few rows and in 32 for many, so that a text would not be the same beside others. Without it memory
    /// grows with the square of this.
    private static final int EXACT_TOKENS = 2048;
    /// As ggml has it: texts come in bursts.
    private static final int POLL = 50;

    private final NativeOwner handle;
    private final ReentrantLock lock = new ReentrantLock();
    private final int size;
    private final int maxTokens;
    private final int batchTokens;
    private final int maxBatch;
    private volatile boolean cancelRequested;

    PooledContext(Model model, int pooling, int maxTokens, int batchTokens, int maxBatch, int threads) {
        int trained = model.info().trainedContext();
        int longest = maxTokens > 0 ? maxTokens : Math.clamp(trained, 1, USUAL_TOKENS);
        if (trained > 0 && longest > trained) {
            throw new IllegalArgumentException("maxTokens = " + longest + ", the model was trained on " + trained);
        }
        int tokens = Math.max(longest, batchTokens > 0 ? batchTokens : USUAL_TOKENS);
        this.maxBatch = Math.min(maxBatch, tokens);
        this.batchTokens = Math.ceilDiv(tokens, this.maxBatch) * this.maxBatch; // llama.cpp plans for sequences of one length
        this.handle = open(model, pooling, this.batchTokens, this.maxBatch, threads);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment number = arena.allocate(ValueLayout.JAVA_INT);
            Status.check(chq_embedding_size(handle.address(), number));
            this.size = number.get(ValueLayout.JAVA_INT, 0);
            Status.check(chq_embedding_room(handle.address(), number));
            this.maxTokens = Math.min(longest, number.get(ValueLayout.JAVA_INT, 0));
        } catch (Throwable e) {
            handle.close();
            throw e;
        }
    }

    /// What the options of its users have in common.
    static void check(int maxTokens, int batchTokens, int maxBatch, int threads) {
        if (maxTokens < 0 || batchTokens < 0 || threads < 0) {
            throw new IllegalArgumentException("maxTokens = %d, batchTokens = %d, threads = %d".formatted(maxTokens, batchTokens, threads));
        }
        if (batchTokens > 0 && batchTokens < maxTokens) {
            throw new IllegalArgumentException("batchTokens = %d is less than maxTokens = %d".formatted(batchTokens, maxTokens));
        }
        if (maxBatch < 1 || maxBatch > MOST_SEQUENCES) {
            throw new IllegalArgumentException("maxBatch = " + maxBatch + " is not in 1.." + MOST_SEQUENCES);
        }
    }

    private static NativeOwner open(Model model, int pooling, int tokens, int sequences, int threads) {
        MemorySegment address = model.handle().acquire();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment out = arena.allocate(ValueLayout.ADDRESS);
            Status.check(chq_context_create(address, parameters(arena, pooling, tokens, sequences, threads), POLL, out));
            NativeLog.drain();
            return new NativeOwner(model, "embedding context", out.get(ValueLayout.ADDRESS, 0), context -> chq_context_free(context), model.handle());
        } catch (Throwable e) {
            model.handle().release();
            throw e;
        }
    }

    private static MemorySegment parameters(Arena arena, int pooling, int tokens, int sequences, int threads) {
        MemorySegment p = llama_context_default_params(arena);
        llama_context_params.n_ctx(p, tokens);
        llama_context_params.n_batch(p, tokens);
        llama_context_params.n_ubatch(p, tokens);
        llama_context_params.n_seq_max(p, sequences);
        llama_context_params.n_threads(p, threads);
        llama_context_params.n_threads_batch(p, threads);
        llama_context_params.pooling_type(p, pooling);
        if (tokens <= EXACT_TOKENS) {
            llama_context_params.flash_attn_type(p, LLAMA_FLASH_ATTN_TYPE_DISABLED());
        }
        llama_context_params.embeddings(p, true);
        llama_context_params.kv_unified(p, true);
        llama_context_params.no_perf(p, true);
        return p;
    }

    /// Numbers of a row.
    int size() {
        return size;
    }

    /// Of a text.
    int maxTokens() {
        return maxTokens;
    }

    /// Computes the texts and writes their rows in the order of the texts, `dimensions` floats each. Texts of like lengths share passes.
    void compute(List<int[]> texts, int dimensions, boolean normalize, MemorySegment rows) {
        lock.lock();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment address = handle.acquire();
            try {
                if (cancelRequested) {
                    cancelRequested = false;
                    chq_context_cancel_reset(address);
                }
                Pass pass = new Pass(address, dimensions, normalize, arena);
                int[] order = IntStream.range(0, texts.size()).boxed()
                        .sorted(Comparator.comparingInt(i -> -texts.get(i).length)).mapToInt(Integer::intValue).toArray();
                for (int index : order) {
                    if (!pass.hasRoomFor(texts.get(index))) {
                        pass.run(rows);
                    }
                    pass.add(texts.get(index), index);
                }
                pass.run(rows);
            } finally {
                handle.release();
            }
        } finally {
            lock.unlock();
        }
    }

    /// Stops what another thread is computing.
    void cancel() {
        MemorySegment address = handle.acquire();
        try {
            if (lock.isLocked()) {
                cancelRequested = true;
                chq_context_cancel(address);
            }
        } finally {
            handle.release();
        }
    }

    boolean isClosed() {
        return handle.isClosed();
    }

    @Override
    public void close() {
        handle.close();
    }

    /// The texts of one pass.
    private final class Pass {

        private final MemorySegment address;
        private final int dimensions;
        private final boolean normalize;
        private final MemorySegment tokens;
        private final MemorySegment lengths;
        private final MemorySegment out;
        private final int[] places = new int[maxBatch];
        private int texts;
        private int length;

        Pass(MemorySegment address, int dimensions, boolean normalize, Arena arena) {
            this.address = address;
            this.dimensions = dimensions;
            this.normalize = normalize;
            this.tokens = arena.allocate(ValueLayout.JAVA_INT, batchTokens);
            this.lengths = arena.allocate(ValueLayout.JAVA_INT, maxBatch);
            this.out = arena.allocate(ValueLayout.JAVA_FLOAT, (long) maxBatch * dimensions);
        }

        boolean hasRoomFor(int[] text) {
            return texts < maxBatch && length + text.length <= batchTokens;
        }

        void add(int[] text, int place) {
            MemorySegment.copy(text, 0, tokens, ValueLayout.JAVA_INT, 4L * length, text.length);
            lengths.setAtIndex(ValueLayout.JAVA_INT, texts, text.length);
            places[texts++] = place;
            length += text.length;
        }

        void run(MemorySegment rows) {
            if (texts == 0) {
                return;
            }
            Status.check(chq_embed(address, tokens, lengths, texts, dimensions, normalize, out));
            long bytes = 4L * dimensions;
            for (int i = 0; i < texts; i++) {
                MemorySegment.copy(out, i * bytes, rows, places[i] * bytes, bytes);
            }
            texts = 0;
            length = 0;
        }
    }
}
