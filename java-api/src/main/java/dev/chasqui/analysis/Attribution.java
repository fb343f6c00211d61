package dev.chasqui.analysis;

import dev.chasqui.CancelledException;
import dev.chasqui.Context;
import dev.chasqui.ContextFullException;
import dev.chasqui.FinishReason;
import dev.chasqui.Generation;
import dev.chasqui.GenerationOptions;
import dev.chasqui.PassageScorer;
import dev.chasqui.Sampler;
import dev.chasqui.Sequence;
import dev.chasqui.UnsupportedFeatureException;
import dev.chasqui.analysis.AttributionResult.PartValue;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.IntStream;

/// Tells which passages of a prompt made a model say what it said, by Shapley values: how much the answer gains by a passage, on average over all orders in which
/// passages may be added to the prompt. After TextGenSHAP (arXiv 2312.01279), with the likelihood of one answer in place of a vote over answers.
///
/// {@snippet class="snippets.AnalysisSnippets" region="attribution"}
///
/// It computes in the context it is given, in one sequence, two with [PartialPrompt#HIDDEN], which are closed afterwards. One thread at a time, as with the context; only
/// [#cancel()] may be called by another.
public final class Attribution {

    private final Context context;
    private final AtomicBoolean busy = new AtomicBoolean();
    private volatile boolean cancelled;

    private Attribution(Context context) {
        this.context = context;
    }

    /// @param context stays the caller's, who closes it
    public static Attribution of(Context context) {
        return new Attribution(Objects.requireNonNull(context, "context"));
    }

    /// Judges the passages by the answer that greedy decoding gives after the whole prompt.
    ///
    /// @throws IllegalArgumentException    if the prompt is for another model, or the limit of evaluations too low
    /// @throws IllegalStateException       if the model answers with nothing, the context has no sequence left, or another call is in progress
    /// @throws UnsupportedFeatureException if passages cannot be hidden in this context
    /// @throws ContextFullException        if prompt and answer do not fit
    /// @throws CancelledException          if [#cancel()] was called or the thread interrupted
    public AttributionResult attribute(PassagePrompt prompt, AttributionOptions options) {
        return exclusively(prompt, options, () -> {
            int[] answer = answer(prompt.tokens(), options.maxAnswerTokens());
            return judge(prompt, context.model().vocabulary().detokenize(answer), answer, options);
        });
    }

    /// Judges the passages by an answer that is given, be it one of the model or not.
    ///
    /// @param answer plain text, not empty
    /// @throws IllegalArgumentException    if there is no answer, the prompt is for another model, or the limit of evaluations too low
    /// @throws IllegalStateException       if the context has no sequence left, or another call is in progress
    /// @throws UnsupportedFeatureException if passages cannot be hidden in this context
    /// @throws ContextFullException        if prompt and answer do not fit
    /// @throws CancelledException          if [#cancel()] was called or the thread interrupted
    public AttributionResult attribute(PassagePrompt prompt, String answer, AttributionOptions options) {
        int[] tokens = context.model().vocabulary().tokenize(Objects.requireNonNull(answer, "answer"));
        if (tokens.length == 0) {
            throw new IllegalArgumentException("the answer is empty");
        }
        return exclusively(prompt, options, () -> judge(prompt, answer, tokens, options));
    }

    /// Stops what another thread is judging here; that call throws [CancelledException] within one evaluation. Does nothing when no call is in progress.
    public void cancel() {
        cancelled = true;
        context.cancel();
    }

    @FunctionalInterface
    private interface Run {
        AttributionResult get();
    }

    private AttributionResult exclusively(PassagePrompt prompt, AttributionOptions options, Run run) {
        Objects.requireNonNull(options, "options");
        if (prompt.model() != context.model()) {
            throw new IllegalArgumentException("the prompt is for another model than the context");
        }
        if (!busy.compareAndSet(false, true)) {
            throw new IllegalStateException("the attribution is in use by another thread");
        }
        try {
            cancelled = false;
            return run.get();
        } finally {
            busy.set(false);
        }
    }

    private int[] answer(int[] prompt, int maxTokens) {
        try (Sequence sequence = context.newSequence();
                Generation generation = sequence.generate(prompt, GenerationOptions.defaults().withSampler(Sampler.greedy()).withMaxTokens(maxTokens))) {
            generation.text();
            if (generation.stats().finishReason() == FinishReason.CANCELLED) {
                throw new CancelledException("the answer was not generated to its end");
            }
            int[] all = sequence.tokens();
            int end = all.length;
            while (end > prompt.length && context.model().vocabulary().info(all[end - 1]).isEnd()) {
                end--;
            }
            if (end == prompt.length) {
                throw new IllegalStateException("the model answers with nothing");
            }
            return Arrays.copyOfRange(all, prompt.length, end);
        }
    }

    private AttributionResult judge(PassagePrompt prompt, String answer, int[] tokens, AttributionOptions options) {
        int[][] groups = prompt.groups();
        int[] everything = IntStream.range(0, prompt.size()).toArray();
        boolean asAdded = options.partialPrompt() == PartialPrompt.AS_ADDED;
        boolean hidden = options.partialPrompt() == PartialPrompt.HIDDEN;
        long coalitions = ShapleyValues.coalitions(groups);
        try (PassageScorer scorer = PassageScorer.of(context, prompt.before(), prompt.partTokens(), prompt.after())) {
            CoalitionWorths worths = new CoalitionWorths(parts -> {
                if (cancelled || Thread.currentThread().isInterrupted()) {
                    throw new CancelledException("not all sets of passages were judged");
                }
                return options.value().of(hidden ? scorer.scoreHidden(parts, tokens) : scorer.score(parts, tokens));
            }, options.maxEvaluations());
            ShapleyValues values = !asAdded && coalitions <= Math.min(options.exactEvaluations(), options.maxEvaluations())
                    ? ShapleyValues.exact(groups, worths)
                    : ShapleyValues.sample(groups, asAdded, worths, options.orders(), options.seed());
            List<PartValue> parts = Arrays.stream(everything).mapToObj(i ->
                    new PartValue(i, prompt.passage(i), prompt.text(i), values.values()[i], values.errors()[i])).toList();
            return new AttributionResult(answer, parts, worths.of(everything), worths.of(new int[0]), values.orders(), worths.evaluations(),
                    scorer.computedTokens(), scorer.reusedTokens());
        }
    }
}
