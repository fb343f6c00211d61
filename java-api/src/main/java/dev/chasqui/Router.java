package dev.chasqui;

import java.util.Arrays;

/// Picks each token of one generation by the small model or by the larger one. Used by the generation's thread.
final class Router implements AutoCloseable {

    private final double threshold;
    private final Context context;
    private final Sequence large;
    private int routed;

    /// @throws IllegalArgumentException if the models' vocabularies differ
    Router(Routing routing, Context small) {
        Vocabulary ours = small.model().vocabulary();
        Vocabulary theirs = routing.large().vocabulary();
        if (!ours.sameAs(theirs)) {
            throw new IllegalArgumentException("the larger model has another vocabulary than the small one");
        }
        threshold = routing.entropy();
        context = small.companion(routing.large());
        large = context.newSequence();
    }

    /// Picks and appends the token that follows, as `small.next` would.
    void next(Sequence small, SamplerChain chain, boolean renderSpecial) {
        if (entropy(small.logits()) < threshold) {
            small.next(chain, renderSpecial);
            return;
        }
        large.set(small.tokens()); // what was written since it was asked last, in one pass
        int token = chain.pick(asWide(large.logits(), small.context().model().vocabulary().size()));
        chain.acceptPicked(token);
        routed++;
        small.adopt(token, renderSpecial);
    }

    /// One of the two vocabularies may be padded.
    private static float[] asWide(float[] logits, int size) {
        float[] row = Arrays.copyOf(logits, size);
        Arrays.fill(row, Math.min(size, logits.length), size, Float.NEGATIVE_INFINITY);
        return row;
    }

    /// Tokens that the larger model picked.
    int routed() {
        return routed;
    }

    void cancel() {
        context.cancel();
    }

    /// In nats.
    static double entropy(float[] logits) {
        float best = Float.NEGATIVE_INFINITY;
        for (float x : logits) {
            best = Math.max(best, x);
        }
        double sum = 0;
        double weighted = 0;
        for (float x : logits) {
            double d = x - best;
            if (d > -50) {
                double e = Math.exp(d);
                sum += e;
                weighted += e * d;
            }
        }
        return Math.log(sum) - weighted / sum;
    }

    @Override
    public void close() {
        context.close();
    }
}
