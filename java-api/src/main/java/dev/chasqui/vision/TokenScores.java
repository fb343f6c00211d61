package dev.chasqui.vision;

import static dev.chasqui.bindings.Chq.*;

import dev.chasqui.Chasqui;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/// Numbers that say how important image tokens are, for [ImageTokens#withImportance]. Some come from the rows, others from tensors of an encoder or
/// a language model where these can be read. Safe from any thread.
public final class TokenScores {

    private TokenScores() {
    }

    /// Euclidean norms of the rows; 0 for breaks, NaN for rows that cannot be compared.
    public static float[] norms(ImageTokens tokens) {
        return importance(tokens, CHQ_IMPORTANCE_NORM(), 0);
    }

    /// Euclidean distances of the rows from their mean; 0 for breaks, NaN for rows that cannot be compared.
    public static float[] distancesFromMean(ImageTokens tokens) {
        return importance(tokens, CHQ_IMPORTANCE_SPREAD(), 0);
    }

    /// Cosines of rows and question after centring, rows by their mean, the question by the vocabulary's mean if that is known: without it cosines
    /// would tell little but the direction that all rows share. Whether relevant rows get large or small numbers depends on the model.
    ///
    /// @param sharpness 0 takes the best token of the question for each row, more the mean weighted by the softmax of cosines times this; up to 1000
    /// @return 0 for breaks, NaN for rows that cannot be compared
    /// @throws IllegalArgumentException without a question
    public static float[] textRelevance(ImageTokens tokens, float sharpness) {
        return importance(tokens, CHQ_IMPORTANCE_TEXT(), sharpness);
    }

    private static float[] importance(ImageTokens tokens, int kind, float sharpness) {
        Chasqui.load();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment out = arena.allocate(ValueLayout.JAVA_FLOAT, Math.max(tokens.count(), 1));
            Calls.check(chq_importance_of(tokens.rows(), Calls.info(arena, tokens, null), kind, sharpness, out));
            return floats(out, tokens.count());
        }
    }

    /// Ranks consecutive parts of an image, as pages of a document, tiles or frames, by the question: the mean over its tokens of the largest centred
    /// cosine in the part. Keeping only the best parts is what URaG (2025) does inside a model.
    ///
    /// @param tokens the rows of all parts, with a question
    /// @param begin  where each part begins, and where the last one ends: ascending from 0 to the number of rows
    /// @return a number for each part, the greater the better; negative infinity for one without rows
    /// @throws IllegalArgumentException for other numbers, and without a question
    public static float[] rankParts(ImageTokens tokens, int... begin) {
        if (begin.length < 2) {
            throw new IllegalArgumentException("no parts");
        }
        Chasqui.load();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment out = arena.allocate(ValueLayout.JAVA_FLOAT, begin.length - 1);
            Calls.check(chq_rank_parts(tokens.rows(), Calls.info(arena, tokens, null), Calls.ints(arena, begin), begin.length - 1, out));
            return floats(out, begin.length - 1);
        }
    }

    /// What [#queryEntropy] is the entropy of.
    public enum EntropyForm {

        /// The spectrum as it is; it grows with the queries as well.
        ENERGY,

        /// The spectrum divided by its sum.
        SHAPE,

        /// Rényi's entropy of order 2 of that, which is cheaper.
        RENYI
    }

    /// Entropy of each token's queries over the heads of a layer: EntropyPrune (arXiv 2602.17196).
    ///
    /// @param queries `[tokens, heads, headWidth]`, after the rotary embedding
    /// @param heads   2 to 256
    /// @return a number for each token, in units of `ln(heads)`
    /// @throws IllegalArgumentException if the length of `queries` is no multiple of a token's
    public static float[] queryEntropy(float[] queries, int heads, int headWidth, EntropyForm form) {
        int count = tokens("queries", queries, (long) heads * headWidth);
        int nativeForm = switch (form) {
            case ENERGY -> CHQ_ENTROPY_ENERGY();
            case SHAPE -> CHQ_ENTROPY_SHAPE();
            case RENYI -> CHQ_ENTROPY_RENYI();
        };
        Chasqui.load();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment out = arena.allocate(ValueLayout.JAVA_FLOAT, Math.max(count, 1));
            Calls.check(chq_query_entropy(Calls.floats(arena, queries), count, heads, headWidth, nativeForm, out));
            return floats(out, count);
        }
    }

    /// How much a module of a layer, attention or feed-forward network, changed each token: TransPrune (arXiv 2507.20630). Add up what it is for
    /// several modules and layers.
    ///
    /// @param input  of the module, normalised: `[tokens, width]`
    /// @param output of the module, before it is added: `[tokens, width]`
    /// @return for each token the ratio of the norms of output and input, times the softmax over all tokens of 1 - |cosine| of the two
    /// @throws IllegalArgumentException if the lengths do not fit
    public static float[] transition(float[] input, float[] output, int width) {
        int count = tokens("input", input, width);
        if (output.length != input.length) {
            throw new IllegalArgumentException("%d floats of input, %d of output".formatted(input.length, output.length));
        }
        Chasqui.load();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment out = arena.allocate(ValueLayout.JAVA_FLOAT, Math.max(count, 1));
            Calls.check(chq_token_transition(Calls.floats(arena, input), Calls.floats(arena, output), count, width, 0, count, out));
            return floats(out, count);
        }
    }

    /// The attention that each key receives: the mean over queries and heads of the softmax over the keys. With one query it is what that one looks
    /// at, as an encoder's class token; with the queries of the question's tokens, what the question looks at.
    ///
    /// @param queries  `[queries, heads, headWidth]`
    /// @param keys     `[keys, keyHeads, headWidth]`, `heads` a multiple of `keyHeads`
    /// @return a number for each key; together they are 1
    /// @throws IllegalArgumentException if the lengths do not fit
    public static float[] receivedAttention(float[] queries, int heads, float[] keys, int keyHeads, int headWidth) {
        int nQueries = tokens("queries", queries, (long) heads * headWidth);
        int nKeys = tokens("keys", keys, (long) keyHeads * headWidth);
        Chasqui.load();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment out = arena.allocate(ValueLayout.JAVA_FLOAT, Math.max(nKeys, 1));
            Calls.check(chq_received_attention(
                    Calls.floats(arena, queries), nQueries, heads, Calls.floats(arena, keys), nKeys, keyHeads, headWidth, out));
            return floats(out, nKeys);
        }
    }

    private static int tokens(String name, float[] values, long width) {
        if (width < 1 || values.length % width != 0) {
            throw new IllegalArgumentException("%s has %d floats, which is no multiple of %d".formatted(name, values.length, width));
        }
        return (int) (values.length / width);
    }

    private static float[] floats(MemorySegment memory, int count) {
        return memory.asSlice(0, (long) count * Float.BYTES).toArray(ValueLayout.JAVA_FLOAT);
    }
}
