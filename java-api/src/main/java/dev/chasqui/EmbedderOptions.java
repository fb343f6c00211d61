package dev.chasqui;

import java.util.Objects;

/// How texts are embedded. Immutable.
///
/// @param pooling     how the rows of tokens become one
/// @param normalize   whether embeddings get unit length, so that their dot product is their cosine
/// @param dimensions  numbers to keep of an embedding, from the first on, before it is normalised; 0 = all. Only models that were trained for it
///                    (Matryoshka) keep their meaning
/// @param maxTokens   of a text, with the tokens that the model adds; 0 = what it was trained on, at most 1024
/// @param truncation  of longer texts
/// @param batchTokens of the texts that are computed in one pass, at least `maxTokens`; 0 = 1024 or `maxTokens`. Memory grows with it, for
///                    models that also generate by a row of logits for each
/// @param maxBatch    texts in one pass, 1 to 256
/// @param threads     0 = one for each physical core
public record EmbedderOptions(
        Pooling pooling,
        boolean normalize,
        int dimensions,
        int maxTokens,
        Truncation truncation,
        int batchTokens,
        int maxBatch,
        int threads) {

    private static final EmbedderOptions DEFAULTS = new EmbedderOptions(Pooling.MODEL, true, 0, 0, Truncation.FAIL, 0, 64, 0);

    public EmbedderOptions {
        Objects.requireNonNull(pooling, "pooling");
        Objects.requireNonNull(truncation, "truncation");
        PooledContext.check(maxTokens, batchTokens, maxBatch, threads);
        if (dimensions < 0) {
            throw new IllegalArgumentException("dimensions = " + dimensions);
        }
    }

    /// The model's own pooling, unit length, long texts refused.
    public static EmbedderOptions defaults() {
        return DEFAULTS;
    }

    public EmbedderOptions withPooling(Pooling value) {
        return new EmbedderOptions(value, normalize, dimensions, maxTokens, truncation, batchTokens, maxBatch, threads);
    }

    public EmbedderOptions withNormalize(boolean value) {
        return new EmbedderOptions(pooling, value, dimensions, maxTokens, truncation, batchTokens, maxBatch, threads);
    }

    public EmbedderOptions withDimensions(int value) {
        return new EmbedderOptions(pooling, normalize, value, maxTokens, truncation, batchTokens, maxBatch, threads);
    }

    public EmbedderOptions withMaxTokens(int value) {
        return new EmbedderOptions(pooling, normalize, dimensions, value, truncation, batchTokens, maxBatch, threads);
    }

    public EmbedderOptions withTruncation(Truncation value) {
        return new EmbedderOptions(pooling, normalize, dimensions, maxTokens, value, batchTokens, maxBatch, threads);
    }

    public EmbedderOptions withBatchTokens(int value) {
        return new EmbedderOptions(pooling, normalize, dimensions, maxTokens, truncation, value, maxBatch, threads);
    }

    public EmbedderOptions withMaxBatch(int value) {
        return new EmbedderOptions(pooling, normalize, dimensions, maxTokens, truncation, batchTokens, value, threads);
    }

    public EmbedderOptions withThreads(int value) {
        return new EmbedderOptions(pooling, normalize, dimensions, maxTokens, truncation, batchTokens, maxBatch, value);
    }
}
