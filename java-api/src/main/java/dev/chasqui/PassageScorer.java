package dev.chasqui;

import dev.chasqui.analysis.TokenLikelihoods;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/// How likely answers are after a prompt that has only some of its passages. Which of them are asked about is decided elsewhere, see [dev.chasqui.analysis.Attribution].
///
/// It takes a sequence of the context, two for passages that are hidden, until it is closed. The threads rule is the context's: one at a time.
public final class PassageScorer implements AutoCloseable {

    private final Context context;
    private final int[] before;
    private final List<int[]> passages;
    private final int[] after;
    /// What was computed last; the next prompt takes over what it begins with.
    private @Nullable Sequence last;
    /// What comes before and all passages, never changed.
    private @Nullable Sequence whole;
    private long computedTokens;
    private long reusedTokens;
    private boolean closed;

    private PassageScorer(Context context, int[] before, List<int[]> passages, int[] after) {
        this.context = context;
        this.before = before;
        this.passages = passages;
        this.after = after;
    }

    /// @param before   tokens before the passages, may be empty
    /// @param passages tokens of each
    /// @param after    tokens after the passages, at least one
    public static PassageScorer of(Context context, int[] before, List<int[]> passages, int[] after) {
        if (after.length == 0) {
            throw new IllegalArgumentException("nothing comes after the passages");
        }
        return new PassageScorer(Objects.requireNonNull(context, "context"), before.clone(), passages.stream().map(int[]::clone).toList(), after.clone());
    }

    /// How likely the answer is after a prompt with these passages in this order, of which only what follows the longest common beginning with the last one is computed.
    ///
    /// @param chosen numbers of passages, from 0
    /// @throws ContextFullException if it does not fit
    /// @throws CancelledException   if [Context#cancel()] was called
    public TokenLikelihoods score(int[] chosen, int[] answer) {
        check(chosen);
        int[] start = start(chosen);
        Sequence sequence = last;
        if (sequence == null) {
            sequence = context.newSequence();
            last = sequence;
        }
        int reused = sequence.recall(start);
        sequence.append(concat(Arrays.copyOfRange(start, reused, start.length), after));
        TokenLikelihoods likelihoods = sequence.likelihoods(0, answer);
        count(start.length - reused, reused, answer);
        return likelihoods;
    }

    /// How likely the answer is after the whole prompt, of which the passages that are not chosen are hidden from what comes after them all. The others saw them when they were computed,
    /// so it is not quite what [#score] gives.
    ///
    /// @param chosen numbers of passages, whose order does not matter
    /// @throws UnsupportedFeatureException if parts of a text cannot be hidden in this context, as with recurrent models
    /// @throws ContextFullException        if it does not fit
    /// @throws CancelledException          if [Context#cancel()] was called
    public TokenLikelihoods scoreHidden(int[] chosen, int[] answer) {
        check(chosen);
        int[] start = start(IntStream.range(0, passages.size()).toArray());
        int computed = 0;
        Sequence all = whole;
        if (all == null) {
            all = context.newSequence();
            whole = all;
        }
        if (all.length() < start.length) {
            computed = start.length - all.length();
            all.append(Arrays.copyOfRange(start, all.length(), start.length));
        }
        try (Sequence fork = all.fork()) {
            int from = before.length;
            for (int i = 0; i < passages.size(); i++) {
                int passage = i;
                int to = from + passages.get(i).length;
                if (from < to && Arrays.stream(chosen).noneMatch(c -> c == passage)) {
                    fork.hide(from, to);
                }
                from = to;
            }
            fork.append(after);
            TokenLikelihoods likelihoods = fork.likelihoods(0, answer);
            count(computed, start.length - computed, answer);
            return likelihoods;
        }
    }

    private void check(int[] chosen) {
        if (closed) {
            throw new IllegalStateException("passage scorer is closed");
        }
        for (int passage : chosen) {
            Objects.checkIndex(passage, passages.size());
        }
    }

    private void count(int computed, int reused, int[] answer) {
        computedTokens += computed + after.length + answer.length;
        reusedTokens += reused;
    }

    private int[] start(int[] chosen) {
        TokenList tokens = new TokenList();
        tokens.addAll(before);
        for (int passage : chosen) {
            tokens.addAll(passages.get(passage));
        }
        return tokens.toArray();
    }

    private static int[] concat(int[] a, int[] b) {
        int[] both = Arrays.copyOf(a, a.length + b.length);
        System.arraycopy(b, 0, both, a.length, b.length);
        return both;
    }

    /// Tokens of prompts and answers that went through the model.
    public long computedTokens() {
        return computedTokens;
    }

    /// Tokens of prompts that were in the KV cache.
    public long reusedTokens() {
        return reusedTokens;
    }

    /// Gives the sequences back. Idempotent.
    @Override
    public void close() {
        closed = true;
        if (last != null) {
            last.close();
        }
        if (whole != null) {
            whole.close();
        }
    }
}
