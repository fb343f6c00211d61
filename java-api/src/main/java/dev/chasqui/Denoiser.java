package dev.chasqui;

import static dev.chasqui.bindings.Chq.*;

import dev.chasqui.diffusion.Proposals;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Objects;

/// One step of a diffusion model: a text with masks goes in as a whole, and each masked position gets a proposal. Which ones are taken is
/// decided elsewhere, see [dev.chasqui.diffusion.DiffusionDecoder].
///
/// One thread at a time, checked, as for the [Context] that it has; only [#cancel()] may be called by another. Works after its [Model] has
/// been closed, which keeps the weights.
public final class Denoiser implements AutoCloseable {

    private final Context context;
    private final int maxTokens;
    private final int mask;
    private final Arena arena = Arena.ofShared();
    private final MemorySegment tokens;
    private final MemorySegment positions;
    private final MemorySegment proposed;
    private final MemorySegment probabilities;
    private final MemorySegment entropies;
    private final MemorySegment margins;

    private Denoiser(Context context, int maxTokens, int mask) {
        this.context = context;
        this.maxTokens = maxTokens;
        this.mask = mask;
        tokens = arena.allocate(ValueLayout.JAVA_INT, maxTokens);
        positions = arena.allocate(ValueLayout.JAVA_INT, maxTokens);
        proposed = arena.allocate(ValueLayout.JAVA_INT, maxTokens);
        probabilities = arena.allocate(ValueLayout.JAVA_FLOAT, maxTokens);
        entropies = arena.allocate(ValueLayout.JAVA_FLOAT, maxTokens);
        margins = arena.allocate(ValueLayout.JAVA_FLOAT, maxTokens);
    }

    /// A denoiser for texts of at most `maxTokens` tokens, masks included. It takes `maxTokens` × vocabulary × 4 bytes for logits.
    ///
    /// @param options threads and the like; the sizes in it do not count
    /// @throws UnsupportedFeatureException if the model is no diffusion model or has no mask token
    /// @throws InsufficientMemoryException if it does not fit
    public static Denoiser of(Model model, int maxTokens, ContextOptions options) {
        Objects.requireNonNull(options, "options");
        if (!model.info().diffusion()) {
            throw new UnsupportedFeatureException(model + " is no diffusion model: it does not fill masks");
        }
        int mask = model.vocabulary().special().mask().orElseThrow(
                () -> new UnsupportedFeatureException(model + " has no mask token"));
        if (maxTokens < 1) {
            throw new IllegalArgumentException("maxTokens = " + maxTokens);
        }
        Context context = model.newContext(options.withContextSize(maxTokens).withMicroBatchSize(1).withBatchSize(maxTokens)
                .withMicroBatchSize(maxTokens).withMaxLogitRows(maxTokens).withMaxSequences(1));
        try {
            return new Denoiser(context, maxTokens, mask);
        } catch (Throwable e) {
            context.close();
            throw e;
        }
    }

    public Model model() {
        return context.model();
    }

    /// Most tokens of a text.
    public int maxTokens() {
        return maxTokens;
    }

    /// The token that stands at positions to be filled.
    public int mask() {
        return mask;
    }

    /// Computes the text and proposes a token for each of the positions.
    ///
    /// @param text        the tokens, [#mask()] at masked positions
    /// @param at          positions in the text, at least one
    /// @param temperature 0 proposes the most probable token; above that one is drawn from the distribution at this temperature
    /// @param seed        decides what is drawn, together with the position and the distribution there; other positions do not matter
    /// @throws IllegalArgumentException if the text is empty or too long, a token is not in the vocabulary, or a position not in the text
    /// @throws CancelledException       if [#cancel()] was called
    public Proposals propose(int[] text, int[] at, float temperature, long seed) {
        if (text.length < 1 || text.length > maxTokens) {
            throw new IllegalArgumentException("a text of " + text.length + " tokens is not in 1.." + maxTokens);
        }
        if (at.length < 1 || at.length > text.length) {
            throw new IllegalArgumentException(at.length + " positions are not in 1.." + text.length);
        }
        MemorySegment address = context.enter();
        try {
            MemorySegment.copy(text, 0, tokens, ValueLayout.JAVA_INT, 0, text.length);
            MemorySegment.copy(at, 0, positions, ValueLayout.JAVA_INT, 0, at.length);
            Status.check(chq_denoise(address, tokens, text.length, positions, at.length, temperature, seed, proposed, probabilities, entropies, margins));
            return new Proposals(at, ints(proposed, at.length), floats(probabilities, at.length), floats(entropies, at.length), floats(margins, at.length));
        } finally {
            context.exit();
        }
    }

    private static int[] ints(MemorySegment from, int count) {
        return from.asSlice(0, 4L * count).toArray(ValueLayout.JAVA_INT);
    }

    private static float[] floats(MemorySegment from, int count) {
        return from.asSlice(0, 4L * count).toArray(ValueLayout.JAVA_FLOAT);
    }

    /// Stops what another thread is computing here; that call throws [CancelledException]. Does nothing when no call is in progress.
    public void cancel() {
        context.cancel();
    }

    /// Idempotent.
    ///
    /// @throws IllegalStateException if another thread is using it
    @Override
    public void close() {
        context.close();
        if (arena.scope().isAlive()) {
            arena.close();
        }
    }
}
