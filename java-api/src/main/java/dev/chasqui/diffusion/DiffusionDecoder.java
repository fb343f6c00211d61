package dev.chasqui.diffusion;

import dev.chasqui.CancelledException;
import dev.chasqui.ContextFullException;
import dev.chasqui.ContextOptions;
import dev.chasqui.Denoiser;
import dev.chasqui.FinishReason;
import dev.chasqui.Model;
import dev.chasqui.Vocabulary;
import java.util.Arrays;
import java.util.BitSet;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;

/// Fills the masks of a text with a diffusion model (LLaDA, arXiv 2502.09992; Dream, arXiv 2508.15487), block after block. In each step the model
/// proposes a token for every mask of the block, and a [CommitPolicy] decides which of them are taken; a position that is filled is never changed.
///
/// {@snippet class="snippets.DiffusionSnippets" region="decoder"}
///
/// What is filled depends on the text, the options and the model only, not on `maxTokens`. One thread at a time, checked; only [#cancel()] may be
/// called by another.
public final class DiffusionDecoder implements AutoCloseable {

    private final Denoiser denoiser;
    private final Vocabulary vocabulary;
    private final AtomicBoolean busy = new AtomicBoolean();
    private volatile boolean cancelled;

    private DiffusionDecoder(Denoiser denoiser) {
        this.denoiser = denoiser;
        this.vocabulary = denoiser.model().vocabulary();
    }

    /// With [ContextOptions#defaults()].
    public static DiffusionDecoder of(Model model, int maxTokens) {
        return of(model, maxTokens, ContextOptions.defaults());
    }

    /// A decoder for texts of at most `maxTokens`, prompt and answer together.
    ///
    /// @param options threads and the like; the sizes in it do not count
    /// @throws dev.chasqui.UnsupportedFeatureException if the model is no diffusion model or has no mask token
    /// @throws dev.chasqui.InsufficientMemoryException if it does not fit: `maxTokens` × vocabulary × 4 bytes are needed for logits alone
    public static DiffusionDecoder of(Model model, int maxTokens, ContextOptions options) {
        return new DiffusionDecoder(Denoiser.of(model, maxTokens, options));
    }

    /// Writes an answer to a text, which is taken literally; [dev.chasqui.ChatTemplate#tokenize] gives the tokens of a conversation.
    ///
    /// @throws ContextFullException if the prompt and [DiffusionOptions#length()] together are too long
    public DiffusionResult generate(String prompt, DiffusionOptions options) {
        return generate(vocabulary.tokenize(prompt, vocabulary.addsBeginOfText(), false), options);
    }

    /// Writes an answer of [DiffusionOptions#length()] tokens, or up to its end.
    ///
    /// @throws ContextFullException     if the prompt and the length together are too long
    /// @throws IllegalArgumentException if a token is not in the vocabulary or is the mask
    public DiffusionResult generate(int[] prompt, DiffusionOptions options) {
        for (int token : prompt) {
            if (token == denoiser.mask()) {
                throw new IllegalArgumentException("the prompt has masks; fill() fills them");
            }
        }
        if ((long) prompt.length + options.length() > denoiser.maxTokens()) {
            throw new ContextFullException(options.length(), Math.max(0, denoiser.maxTokens() - prompt.length));
        }
        int[] text = Arrays.copyOf(prompt, prompt.length + options.length());
        Arrays.fill(text, prompt.length, text.length, denoiser.mask());
        return new Run(text, prompt.length, !options.ignoreEnd(), options).finish();
    }

    /// Fills the masks of a text wherever they are; [DiffusionOptions#length()] does not count.
    ///
    /// @param text tokens, with [#mask()] at each position to fill
    /// @throws ContextFullException     if the text is too long
    /// @throws IllegalArgumentException if it is empty or a token is not in the vocabulary
    public DiffusionResult fill(int[] text, DiffusionOptions options) {
        if (text.length == 0) {
            throw new IllegalArgumentException("the text is empty");
        }
        if (text.length > denoiser.maxTokens()) {
            throw new ContextFullException(text.length, denoiser.maxTokens());
        }
        return new Run(text.clone(), 0, false, options).finish();
    }

    /// The token that stands at positions to be filled.
    public int mask() {
        return denoiser.mask();
    }

    /// Ends what another thread is filling, soon; its result is what there is by then. Does nothing when nothing is being filled.
    public void cancel() {
        cancelled = true;
        denoiser.cancel();
    }

    /// Idempotent.
    @Override
    public void close() {
        denoiser.close();
    }

    /// One text.
    private final class Run {

        private final int[] text;
        private final int answer;
        private final boolean stopsAtEnd;
        private final DiffusionOptions options;
        private int steps;
        private int filled;

        /// @param answer where the result begins
        Run(int[] text, int answer, boolean stopsAtEnd, DiffusionOptions options) {
            this.text = text;
            this.answer = answer;
            this.stopsAtEnd = stopsAtEnd;
            this.options = options;
        }

        DiffusionResult finish() {
            if (!busy.compareAndSet(false, true)) {
                throw new IllegalStateException("the decoder is filling another text");
            }
            cancelled = false;
            try {
                return fillBlocks();
            } finally {
                busy.set(false);
            }
        }

        private DiffusionResult fillBlocks() {
            int[] all = masks(0, text.length);
            int first = all.length == 0 ? text.length : all[0];
            for (long begin = first; begin < text.length; begin += options.blockLength()) {
                int end = (int) Math.min(text.length, begin + options.blockLength());
                try {
                    fillBlock((int) begin, end);
                } catch (CancelledException e) {
                    return result(text.length, FinishReason.CANCELLED);
                }
                int stop = stopsAtEnd ? endToken((int) begin, end) : -1;
                if (stop >= 0) {
                    return result(stop, FinishReason.END);
                }
            }
            return result(text.length, FinishReason.LENGTH);
        }

        private void fillBlock(int begin, int end) {
            int[] masked = masks(begin, end);
            for (int step = 0; masked.length > 0; step++) {
                if (cancelled || Thread.currentThread().isInterrupted()) {
                    throw new CancelledException("the text was not filled to its end");
                }
                // another draw in each step; what is drawn at a position does not depend on the others
                Proposals proposals = denoiser.propose(text, masked, options.temperature(), options.seed() + 0x9E3779B97F4A7C15L * steps);
                BitSet chosen = chosen(proposals, quota(masked.length, step));
                chosen.stream().forEach(i -> text[proposals.position(i)] = proposals.token(i));
                steps++;
                filled += chosen.cardinality();
                masked = masks(begin, end);
                tell(chosen.cardinality());
            }
        }

        /// How many must be taken in this step so that the remaining ones suffice.
        private int quota(int masked, int step) {
            return options.maxSteps() == 0 ? 1 : Math.ceilDiv(masked, Math.max(1, options.maxSteps() - step));
        }

        private BitSet chosen(Proposals proposals, int atLeast) {
            BitSet chosen = new BitSet(proposals.size());
            options.policy().choose(proposals, chosen);
            if (chosen.length() > proposals.size()) {
                throw new IllegalArgumentException("the policy chose proposal " + (chosen.length() - 1) + " of " + proposals.size());
            }
            int missing = atLeast - chosen.cardinality();
            if (missing > 0) {
                BitSet others = (BitSet) chosen.clone();
                others.flip(0, proposals.size());
                Ranking.byProbability(proposals).first(missing, others, chosen);
            }
            return chosen;
        }

        private int[] masks(int begin, int end) {
            int[] found = new int[end - begin];
            int n = 0;
            for (int i = begin; i < end; i++) {
                if (text[i] == denoiser.mask()) {
                    found[n++] = i;
                }
            }
            return Arrays.copyOf(found, n);
        }

        private int endToken(int begin, int end) {
            for (int i = begin; i < end; i++) {
                if (vocabulary.info(text[i]).isEnd()) {
                    return i;
                }
            }
            return -1;
        }

        private void tell(int taken) {
            Consumer<DiffusionProgress> progress = options.progress();
            if (progress != null) {
                progress.accept(new DiffusionProgress(vocabulary, denoiser.mask(), Arrays.copyOfRange(text, answer, text.length), steps, taken,
                        masks(0, text.length).length));
            }
        }

        private DiffusionResult result(int end, FinishReason reason) {
            int[] tokens = Arrays.copyOfRange(text, answer, end);
            return new DiffusionResult(tokens, DiffusionText.of(vocabulary, tokens, denoiser.mask(), DiffusionProgress.PLACEHOLDER), reason, steps, filled);
        }
    }
}
