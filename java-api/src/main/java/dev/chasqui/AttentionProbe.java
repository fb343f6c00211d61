package dev.chasqui;

import static dev.chasqui.bindings.Chq.*;

import dev.chasqui.vision.EncodedImage;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;

/// Tells which rows of the pictures in a prompt the text behind them looks at, in one layer of the model.
///
/// It computes the prompt up to the attention of that layer, with every row: layer 0 costs next to nothing, a middle layer about half of the prompt. What it finds
/// can decide which rows are kept for an answer, which is then computed from the start. Scores that a model's first layer gives are those of "Generic Token Compression
/// in Multimodal Large Language Models from an Explainability Perspective" (arXiv 2506.01097) before its trained part; scores of a later one those of FastV
/// (arXiv 2403.06764), with two passes in the place of one.
///
/// One thread at a time, checked.
public final class AttentionProbe implements AutoCloseable {

    private final Model model;
    private final int layer;
    private final NativeOwner handle;
    private final Exclusive exclusive;

    AttentionProbe(Model model, int layer, int maxTokens, int threads) {
        this.model = model;
        this.layer = layer;
        this.exclusive = new Exclusive("attention probe");
        MemorySegment modelAddress = model.handle().acquire();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment out = arena.allocate(ValueLayout.ADDRESS);
            Status.check(chq_attention_probe_create(modelAddress, layer, maxTokens, threads, out));
            NativeLog.drain();
            this.handle = new NativeOwner(this, "attention probe", out.get(ValueLayout.ADDRESS, 0), probe -> chq_attention_probe_free(probe), model.handle());
        } catch (Throwable e) {
            model.handle().release();
            throw e;
        }
    }

    public Model model() {
        return model;
    }

    /// The layer that it looks into.
    public int layer() {
        return layer;
    }

    /// How much attention each row of the prompt's pictures gets.
    ///
    /// @return for each row that is kept, over all pictures in order, the mean over heads and tokens of the share of attention; the tokens are those behind the last
    ///         picture
    /// @throws IllegalArgumentException if there is no picture, or nothing behind the last one
    /// @throws ContextFullException     if the prompt is longer than the probe was made for
    public float[] scores(Prompt prompt) {
        List<Prompt.Span> spans = Objects.requireNonNull(prompt, "prompt").spans();
        if (spans.isEmpty() || spans.getLast().end() == prompt.length()) {
            throw new IllegalArgumentException("the prompt has no picture with a text behind it");
        }
        exclusive.enter();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment address = handle.address();
            Status.check(chq_attention_probe_reset(address));
            int[] tokens = prompt.sharedTokens();
            int at = 0;
            int rows = 0;
            for (Prompt.Span span : spans) {
                tokens(address, arena, tokens, at, span.start(), false);
                EncodedImage.Rows picture = Objects.requireNonNull(span.rows());
                int[] grid = picture.gridPositions();
                MemorySegment positions = grid == null ? MemorySegment.NULL : arena.allocateFrom(ValueLayout.JAVA_INT, grid);
                check(chq_attention_probe_rows(address, picture.keptData(), positions, picture.count(), picture.positions(), picture.causal()), prompt);
                at = span.end();
                rows += picture.count();
            }
            tokens(address, arena, tokens, at, tokens.length, true);
            MemorySegment scores = arena.allocate(ValueLayout.JAVA_FLOAT, rows);
            Status.check(chq_attention_probe_scores(address, scores, rows, arena.allocate(ValueLayout.JAVA_INT)));
            return scores.toArray(ValueLayout.JAVA_FLOAT);
        } finally {
            exclusive.exit();
        }
    }

    private static void tokens(MemorySegment address, Arena arena, int[] tokens, int from, int to, boolean asks) {
        if (from < to) {
            MemorySegment part = arena.allocateFrom(ValueLayout.JAVA_INT, Arrays.copyOfRange(tokens, from, to));
            Status.check(chq_attention_probe_tokens(address, part, to - from, asks));
        }
    }

    private static void check(int status, Prompt prompt) {
        if (status == CHQ_STATUS_CONTEXT_FULL()) {
            throw new ContextFullException(prompt.length(), 0);
        }
        Status.check(status);
    }

    /// Frees its memory. Idempotent.
    ///
    /// @throws IllegalStateException if another thread is using it
    @Override
    public void close() {
        exclusive.enter();
        try {
            handle.close();
        } finally {
            exclusive.exit();
        }
    }
}
