package dev.chasqui;

import static dev.chasqui.bindings.Chq.*;

import dev.chasqui.bindings.chq_draft_model_params;
import dev.chasqui.bindings.chq_sampled;
import dev.chasqui.bindings.chq_source_stats;
import dev.chasqui.bindings.chq_speculation_params;
import dev.chasqui.bindings.chq_speculation_stats;
import dev.chasqui.speculation.DraftSource;
import dev.chasqui.speculation.Drafter;
import dev.chasqui.speculation.Speculation;
import dev.chasqui.speculation.SpeculationStats;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ThreadLocalRandom;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/// The native side of one generation's speculation, with the tokens of its last step. Used inside its context's `enter()` and `exit()`.
final class SpeculativeSteps implements AutoCloseable {

    private static final int CAPACITY = CHQ_DRAFT_MAX() + 1;

    private final Speculation speculation;
    private final int vocabularySize;
    private final NativeOwner handle;
    private final Arena arena = Arena.ofShared();
    private final MemorySegment picked = chq_sampled.allocateArray(CAPACITY, arena);
    private final MemorySegment count = arena.allocate(ValueLayout.JAVA_INT);
    private int[] suggested = new int[0];
    private int used;
    private @Nullable Context draftContext;
    private boolean closed;

    SpeculativeSteps(Context context, GenerationOptions options) {
        this.speculation = options.speculation();
        this.vocabularySize = context.model().vocabulary().size();
        MemorySegment address = context.handle().acquire();
        try (Arena scratch = Arena.ofConfined()) {
            MemorySegment out = scratch.allocate(ValueLayout.ADDRESS);
            Status.check(chq_speculation_create(address, params(speculation, scratch), out));
            handle = new NativeOwner(this, "speculation", out.get(ValueLayout.ADDRESS, 0), steps -> chq_speculation_free(steps), context.handle());
        } catch (Throwable e) {
            context.handle().release();
            arena.close();
            throw e;
        }
        try {
            if (speculation.sources().contains(DraftSource.MODEL)) {
                options.draftModel().ifPresent(draft -> guessBy(draft, context));
            }
        } catch (Throwable e) {
            close();
            throw e;
        }
    }

    private void guessBy(DraftModel draft, Context context) {
        draftContext = context.companion(draft.model());
        MemorySegment address = handle.acquire();
        MemorySegment draftAddress = draftContext.handle().acquire();
        try (Arena scratch = Arena.ofConfined()) {
            MemorySegment params = chq_draft_model_params.allocate(scratch);
            chq_draft_model_params.shape(params, switch (draft.shape()) {
                case CHAIN -> CHQ_SHAPE_CHAIN();
                case BEAM -> CHQ_SHAPE_BEAM();
                case BRANCHES -> CHQ_SHAPE_BRANCHES();
                case DYNAMIC -> CHQ_SHAPE_DYNAMIC();
            });
            chq_draft_model_params.n_nodes(params, draft.maxTokens());
            chq_draft_model_params.depth(params, draft.depth());
            chq_draft_model_params.width(params, draft.width());
            chq_draft_model_params.temperature(params, draft.temperature());
            chq_draft_model_params.stop(params, draft.stop());
            chq_draft_model_params.seed(params, ThreadLocalRandom.current().nextLong());
            Status.check(chq_speculation_set_draft_model(address, draftAddress, params));
        } finally {
            draftContext.handle().release();
            handle.release();
        }
    }

    private static MemorySegment params(Speculation speculation, Arena scratch) {
        MemorySegment params = chq_speculation_params.allocate(scratch);
        int bits = 0;
        for (DraftSource source : speculation.sources()) {
            bits |= switch (source) {
                case REPEATED -> CHQ_DRAFT_REPEATED();
                case RECYCLED -> CHQ_DRAFT_RECYCLED();
                case SUGGESTED -> CHQ_DRAFT_SUGGESTED();
                case MODEL -> 0; // is there with the model
            };
        }
        chq_speculation_params.sources(params, bits);
        chq_speculation_params.n_draft(params, speculation.maxTokens());
        chq_speculation_params.n_leaves(params, speculation.maxPaths());
        chq_speculation_params.fixed(params, !speculation.adaptive());
        return params;
    }

    /// Begins a use that [#addressInUse] is for.
    void enter() {
        handle.acquire();
    }

    void exit() {
        handle.release();
    }

    /// The address, for somebody who has entered and not left yet.
    MemorySegment addressInUse() {
        return handle.addressInUse();
    }

    /// Takes over the text so far.
    void begin(int[] tokens, int length) {
        MemorySegment address = handle.acquire();
        try (Arena scratch = Arena.ofConfined()) {
            Status.check(chq_speculation_begin(address, copy(tokens, length, scratch), length));
            suggested = new int[0];
        } finally {
            handle.release();
        }
    }

    private static MemorySegment copy(int[] tokens, int length, Arena scratch) {
        MemorySegment segment = scratch.allocate(ValueLayout.JAVA_INT, Math.max(1, length));
        MemorySegment.copy(tokens, 0, segment, ValueLayout.JAVA_INT, 0, length);
        return segment;
    }

    /// Asks the caller's drafter where its last proposal is of no use any more.
    void suggest(Drafter.Text text) {
        if (speculation.drafter().isEmpty() || used < suggested.length) {
            return;
        }
        int[] tokens = speculation.drafter().get().draft(text);
        for (int token : tokens) {
            if (token < 0 || token >= vocabularySize) {
                throw new IllegalArgumentException("the drafter proposed token " + token + ", which is not in 0.." + (vocabularySize - 1));
            }
        }
        suggested = tokens.clone();
        used = 0;
        MemorySegment address = handle.acquire();
        try (Arena scratch = Arena.ofConfined()) {
            Status.check(chq_speculation_suggest(address, copy(suggested, suggested.length, scratch), suggested.length));
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
            int status = chq_spec_step(address, sequenceId, sampler, goOn, picked, Math.min(most, CAPACITY), count);
            if (status == CHQ_STATUS_OK()) {
                for (int i = 0; i < count(); i++) {
                    used = used < suggested.length && suggested[used] == token(i) ? used + 1 : suggested.length;
                }
            }
            return status;
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
    SpeculationStats stats() {
        MemorySegment address = handle.acquire();
        try (Arena scratch = Arena.ofConfined()) {
            MemorySegment stats = chq_speculation_stats.allocate(scratch);
            Status.check(chq_speculation_get_stats(address, stats));
            Map<DraftSource, SpeculationStats.SourceStats> sources = new EnumMap<>(DraftSource.class);
            put(sources, DraftSource.REPEATED, chq_speculation_stats.repeated(stats));
            put(sources, DraftSource.RECYCLED, chq_speculation_stats.recycled(stats));
            put(sources, DraftSource.SUGGESTED, chq_speculation_stats.suggested(stats));
            put(sources, DraftSource.MODEL, chq_speculation_stats.model(stats));
            return new SpeculationStats(
                    chq_speculation_stats.steps(stats),
                    chq_speculation_stats.tokens(stats),
                    chq_speculation_stats.drafted(stats),
                    chq_speculation_stats.accepted(stats),
                    chq_speculation_stats.plain_steps(stats),
                    chq_speculation_stats.trees(stats),
                    duration(chq_speculation_stats.draft_seconds(stats)),
                    duration(chq_speculation_stats.target_seconds(stats)),
                    duration(chq_speculation_stats.verify_seconds(stats)),
                    sources);
        } finally {
            handle.release();
        }
    }

    private static void put(Map<DraftSource, SpeculationStats.SourceStats> sources, DraftSource source, MemorySegment stats) {
        List<Long> drafted = IntStream.range(0, CHQ_DEPTH_MAX()).mapToObj(i -> chq_source_stats.drafted(stats, i)).toList();
        List<Long> accepted = IntStream.range(0, CHQ_DEPTH_MAX()).mapToObj(i -> chq_source_stats.accepted(stats, i)).toList();
        if (drafted.stream().anyMatch(n -> n > 0)) {
            sources.put(source, new SpeculationStats.SourceStats(drafted, accepted));
        }
    }

    private static Duration duration(double seconds) {
        return Duration.ofNanos((long) (seconds * 1e9));
    }

    @Override
    public void close() {
        if (!closed) {
            closed = true;
            handle.close();
            arena.close();
            if (draftContext != null) {
                draftContext.close();
            }
        }
    }
}
