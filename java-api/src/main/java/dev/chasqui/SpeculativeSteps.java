package dev.chasqui;

import static dev.chasqui.bindings.Chq.*;

import dev.chasqui.bindings.chq_sampled;
import dev.chasqui.bindings.chq_speculation_stats;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/// The native side of one generation's speculation, with the tokens of its last step. Used inside its context's `enter()` and `exit()`.
final class SpeculativeSteps implements AutoCloseable {

    private static final int CAPACITY = CHQ_DRAFT_MAX() + 1;

    private final NativeOwner handle;
    private final Arena arena = Arena.ofShared();
    private final MemorySegment picked = chq_sampled.allocateArray(CAPACITY, arena);
    private final MemorySegment count = arena.allocate(ValueLayout.JAVA_INT);
    private boolean closed;

    SpeculativeSteps(Context context) {
        MemorySegment address = context.handle().acquire();
        try (Arena scratch = Arena.ofConfined()) {
            MemorySegment out = scratch.allocate(ValueLayout.ADDRESS);
            Status.check(chq_speculation_create(address, out));
            handle = new NativeOwner(this, "speculation", out.get(ValueLayout.ADDRESS, 0), steps -> chq_speculation_free(steps), context.handle());
        } catch (Throwable e) {
            context.handle().release();
            arena.close();
            throw e;
        }
    }

    /// Takes over the text so far.
    void begin(int[] tokens, int length) {
        MemorySegment address = handle.acquire();
        try (Arena scratch = Arena.ofConfined()) {
            MemorySegment text = scratch.allocate(ValueLayout.JAVA_INT, Math.max(1, length));
            MemorySegment.copy(tokens, 0, text, ValueLayout.JAVA_INT, 0, length);
            Status.check(chq_speculation_begin(address, text, length));
        } finally {
            handle.release();
        }
    }

    /// One step of a sequence.
    ///
    /// @param most at least 1 token, at most so many
    /// @param goOn whether tokens may follow one that ends the text
    /// @return the native status
    int step(int sequenceId, MemorySegment sampler, int most, boolean goOn) {
        MemorySegment address = handle.acquire();
        try {
            return chq_spec_step(address, sequenceId, sampler, goOn, picked, Math.min(most, CAPACITY), count);
        } finally {
            handle.release();
        }
    }

    /// Tokens of the last step.
    int count() {
        return count.get(ValueLayout.JAVA_INT, 0);
    }

    int token(int i) {
        return picked.get(ValueLayout.JAVA_INT, i * chq_sampled.sizeof() + chq_sampled.token$offset());
    }

    boolean isEnd(int i) {
        return picked.get(ValueLayout.JAVA_BOOLEAN, i * chq_sampled.sizeof() + chq_sampled.is_end$offset());
    }

    /// What was done since the beginning.
    record Counts(int steps, int drafted, int accepted) { }

    Counts counts() {
        MemorySegment address = handle.acquire();
        try (Arena scratch = Arena.ofConfined()) {
            MemorySegment stats = chq_speculation_stats.allocate(scratch);
            Status.check(chq_speculation_get_stats(address, stats));
            return new Counts((int) chq_speculation_stats.steps(stats), (int) chq_speculation_stats.drafted(stats),
                    (int) chq_speculation_stats.accepted(stats));
        } finally {
            handle.release();
        }
    }

    @Override
    public void close() {
        if (!closed) {
            closed = true;
            handle.close();
            arena.close();
        }
    }
}
