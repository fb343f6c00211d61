package dev.chasqui;

import java.util.Objects;

/// How documents are ranked. Immutable.
///
/// @param maxTokens   of a query with a document and the tokens around them; 0 = what the model was trained on, at most 1024
/// @param truncation  of documents that are too long beside the query
/// @param batchTokens of what is computed in one pass, at least `maxTokens`; 0 = 1024 or `maxTokens`
/// @param maxBatch    documents in one pass, 1 to 256
/// @param threads     0 = one for each physical core
public record RerankerOptions(int maxTokens, Truncation truncation, int batchTokens, int maxBatch, int threads) {

    private static final RerankerOptions DEFAULTS = new RerankerOptions(0, Truncation.END, 0, 64, 0);

    public RerankerOptions {
        Objects.requireNonNull(truncation, "truncation");
        PooledContext.check(maxTokens, batchTokens, maxBatch, threads);
    }

    /// The ends of long documents are cut off.
    public static RerankerOptions defaults() {
        return DEFAULTS;
    }

    public RerankerOptions withMaxTokens(int value) {
        return new RerankerOptions(value, truncation, batchTokens, maxBatch, threads);
    }

    public RerankerOptions withTruncation(Truncation value) {
        return new RerankerOptions(maxTokens, value, batchTokens, maxBatch, threads);
    }

    public RerankerOptions withBatchTokens(int value) {
        return new RerankerOptions(maxTokens, truncation, value, maxBatch, threads);
    }

    public RerankerOptions withMaxBatch(int value) {
        return new RerankerOptions(maxTokens, truncation, batchTokens, value, threads);
    }

    public RerankerOptions withThreads(int value) {
        return new RerankerOptions(maxTokens, truncation, batchTokens, maxBatch, value);
    }
}
