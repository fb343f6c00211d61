package dev.chasqui;

import static dev.chasqui.bindings.Chq.*;

import dev.chasqui.bindings.Chq;
import dev.chasqui.kv.CompressedPrompt;
import dev.chasqui.kv.PromptCompression;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.Arrays;
import java.util.Objects;
import java.util.stream.IntStream;

/// Makes long prompts shorter before they are answered, by what the end of the prompt looks at in a middle layer of the model ([PromptCompression]). It computes
/// the layers below that one, once over the whole prompt; what it returns is then answered like any prompt, in any context:
///
/// {@snippet class="snippets.ModelSnippets" region="compress"}
///
/// The question must be at the end. It has a context of its own, in which the last prompt stays: of the next one only what comes after their common beginning is
/// computed, which makes a second question about the same document cheap.
///
/// One thread at a time, checked. Only [#cancel()] may be called while another thread is inside.
public final class PromptCompressor implements AutoCloseable {

    private final Model model;
    private final PromptCompression options;
    private final int layer;
    private final int maxTokens;
    private final NativeOwner handle;
    private final Exclusive exclusive = new Exclusive("prompt compressor");
    private final CancelRequest cancelRequest = new CancelRequest();
    /// The prompt that is in the context.
    private int[] held = {};

    PromptCompressor(Model model, PromptCompression options, int maxTokens, int threads) {
        this.model = model;
        this.options = options;
        this.layer = options.layer().orElse(2 * model.info().layers() / 3);
        this.maxTokens = maxTokens;
        MemorySegment modelAddress = model.handle().acquire();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment out = arena.allocate(ValueLayout.ADDRESS);
            Status.check(chq_attention_probe_create(modelAddress, layer, maxTokens, threads, out));
            NativeLog.drain();
            this.handle = new NativeOwner(this, "prompt compressor", out.get(ValueLayout.ADDRESS, 0), probe -> chq_attention_probe_free(probe), model.handle());
        } catch (Throwable e) {
            model.handle().release();
            throw e;
        }
    }

    public Model model() {
        return model;
    }

    public PromptCompression options() {
        return options;
    }

    /// The layer whose attention chooses.
    public int layer() {
        return layer;
    }

    /// A prompt with the sinks and the window of the options.
    ///
    /// @param prompt with its control tokens, as [Vocabulary] or [ChatTemplate] make it
    /// @throws IllegalArgumentException    if it is empty, has a token that is not the vocabulary's, or if sinks and window are more than may be kept of it
    /// @throws ContextFullException        if it is longer than this compressor was made for
    /// @throws CancelledException          if another thread cancels; the next prompt can be compressed
    /// @throws UnsupportedFeatureException if the model's layer has no rotated queries and keys
    public CompressedPrompt compress(int... prompt) {
        return compress(prompt, options.sinks(), options.window());
    }

    /// A prompt of which other parts are kept than the options say: the beginning of a chat template with its instructions, and the question with the end of
    /// the template.
    ///
    /// @param first so many of its first tokens are kept
    /// @param last  so many of its last tokens are kept, at least [PromptCompression#queries()]
    public CompressedPrompt compress(int[] prompt, int first, int last) {
        int[] tokens = Objects.requireNonNull(prompt, "prompt").clone();
        int keep = options.keptOf(tokens.length);
        if (tokens.length == 0) {
            throw new IllegalArgumentException("the prompt is empty");
        }
        if (first < 0 || last < options.queries()) {
            throw new IllegalArgumentException("first = " + first + ", last = " + last + ", queries = " + options.queries());
        }
        if (keep < tokens.length && (long) first + last > keep) {
            throw new IllegalArgumentException("the first %d and the last %d of %d tokens are more than the %d to keep".formatted(first, last, tokens.length, keep));
        }
        MemorySegment address = enter();
        try {
            if (tokens.length > maxTokens) {
                throw new ContextFullException(tokens.length, maxTokens);
            }
            if (keep == tokens.length) {
                return new CompressedPrompt(tokens, IntStream.range(0, keep).toArray(), keep, 0, Duration.ZERO);
            }
            long start = System.nanoTime();
            int[] kept = select(address, tokens, keep, first, last);
            return new CompressedPrompt(
                    Arrays.stream(kept).map(i -> tokens[i]).toArray(), kept, tokens.length, layer + 1, Duration.ofNanos(System.nanoTime() - start));
        } finally {
            exclusive.exit();
        }
    }

    private int[] select(MemorySegment address, int[] tokens, int keep, int first, int last) {
        int asking = options.queries();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment all = arena.allocateFrom(ValueLayout.JAVA_INT, tokens);
            int others = tokens.length - asking;
            int same = rewind(address, tokens, others);
            if (same < others) {
                Status.check(chq_attention_probe_tokens(address, all.asSlice(4L * same), others - same, false));
            }
            Status.check(chq_attention_probe_tokens(address, all.asSlice(4L * others), asking, true));
            held = tokens;
            MemorySegment scores = arena.allocate(ValueLayout.JAVA_FLOAT, tokens.length);
            Status.check(chq_attention_probe_prompt_scores(address, score(), scores, tokens.length, arena.allocate(ValueLayout.JAVA_INT)));
            MemorySegment kept = arena.allocate(ValueLayout.JAVA_INT, keep);
            Status.check(chq_prompt_select(scores, tokens.length, keep, first, last, options.pooling(), kept));
            return kept.toArray(ValueLayout.JAVA_INT);
        } finally {
            NativeLog.drain();
        }
    }

    /// Keeps what the context has of the tokens, at most so many, and forgets the rest; gives how many that are.
    private int rewind(MemorySegment address, int[] tokens, int most) {
        int differs = Arrays.mismatch(held, tokens);
        int same = Math.min(differs < 0 ? tokens.length : differs, most);
        held = new int[0];
        Status.check(same > 0 ? chq_attention_probe_rewind(address, same) : chq_attention_probe_reset(address));
        return same;
    }

    private int score() {
        return switch (options.score()) {
            case PRODUCT -> CHQ_PROMPT_PRODUCT();
            case SHARE -> CHQ_PROMPT_SHARE();
        };
    }

    /// Stops what another thread is compressing, within one step of the graph; that call throws [CancelledException]. Does nothing when no call is in
    /// progress. Safe from any thread.
    public void cancel() {
        cancelRequest.make(handle, Chq::chq_attention_probe_cancel);
    }

    private MemorySegment enter() {
        return cancelRequest.enter(exclusive, handle, Chq::chq_attention_probe_cancel_reset);
    }

    /// Frees its memory. Idempotent.
    ///
    /// @throws IllegalStateException if another thread is using it
    @Override
    public void close() {
        exclusive.enter();
        try {
            synchronized (cancelRequest) {
                handle.close();
            }
        } finally {
            exclusive.exit();
        }
    }
}
