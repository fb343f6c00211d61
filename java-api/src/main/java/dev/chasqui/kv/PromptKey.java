package dev.chasqui.kv;

import java.util.Arrays;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// What a prompt is to a [SequenceStore]: an element for each position of the KV cache. Two prompts have a prefix in common as far as their
/// elements are the same.
///
/// The element of a token is the token. Positions that hold something else, e.g. an image, are a *chunk*: its elements are made of a hash of
/// everything that decides what the positions hold (the image, its resolution, which of its tokens were kept), and a chunk is reused as a whole or
/// not at all. What changes the meaning of all positions, such as an adapter of the weights, goes into the scope: prompts of
/// different scopes have nothing in common. Model, KV types and the like need not be mentioned, the store knows them.
///
/// {@snippet class="snippets.ModelSnippets" region="prompt-key"}
///
/// Immutable.
public final class PromptKey implements Comparable<PromptKey> {

    /// Set in elements of chunks; tokens are not negative.
    private static final long CHUNK = 1L << 63;
    /// Set in all elements of a chunk but the first.
    private static final long INSIDE = 1L << 62;

    private final long[] elements;
    private final String scope;
    private final int @Nullable [] tokens;

    private PromptKey(long[] elements, String scope, int @Nullable [] tokens) {
        this.elements = elements;
        this.scope = scope;
        this.tokens = tokens;
    }

    /// A prompt of tokens alone.
    public static PromptKey of(int... tokens) {
        return ofPrefix(tokens, tokens.length);
    }

    static PromptKey ofPrefix(int[] tokens, int length) {
        long[] elements = new long[length];
        for (int i = 0; i < length; i++) {
            elements[i] = checked(tokens[i]);
        }
        return new PromptKey(elements, "", Arrays.copyOf(tokens, length));
    }

    /// From what [#elements] gave.
    static PromptKey ofElements(long[] elements, String scope) {
        return new PromptKey(elements, scope, tokensOf(elements));
    }

    public static Builder builder() {
        return new Builder();
    }

    /// The same elements in another scope; the empty text is that of prompts that name none.
    public PromptKey withScope(String value) {
        return new PromptKey(elements, Objects.requireNonNull(value, "scope"), tokens);
    }

    /// Number of elements.
    public int length() {
        return elements.length;
    }

    public String scope() {
        return scope;
    }

    /// How many elements the two have in common from the start, whatever their scopes.
    public int commonPrefix(PromptKey other) {
        int mismatch = Arrays.mismatch(elements, other.elements);
        return mismatch < 0 ? elements.length : mismatch;
    }

    /// The longest prefix of at most so many elements that does not end inside a chunk.
    int wholeChunks(int length) {
        int end = length;
        while (end > 0 && end < elements.length && (elements[end] & (CHUNK | INSIDE)) == (CHUNK | INSIDE)) {
            end--;
        }
        return end;
    }

    PromptKey prefix(int length) {
        return new PromptKey(Arrays.copyOf(elements, length), scope, tokens == null ? null : Arrays.copyOf(tokens, length));
    }

    /// The tokens, null if there is anything else. Not a copy.
    int @Nullable [] tokens() {
        return tokens;
    }

    /// Not a copy.
    long[] elements() {
        return elements;
    }

    /// By elements, a prefix before what it is a prefix of. Scopes are not compared.
    @Override
    public int compareTo(PromptKey other) {
        return Arrays.compare(elements, other.elements);
    }

    @Override
    public boolean equals(Object object) {
        return object instanceof PromptKey other && scope.equals(other.scope) && Arrays.equals(elements, other.elements);
    }

    @Override
    public int hashCode() {
        return 31 * Arrays.hashCode(elements) + scope.hashCode();
    }

    @Override
    public String toString() {
        return "PromptKey[" + elements.length + " elements" + (scope.isEmpty() ? "" : ", " + scope) + "]";
    }

    private static int checked(int token) {
        if (token < 0) {
            throw new IllegalArgumentException("token " + token + " is negative");
        }
        return token;
    }

    private static int @Nullable [] tokensOf(long[] elements) {
        int[] tokens = new int[elements.length];
        for (int i = 0; i < tokens.length; i++) {
            tokens[i] = (int) elements[i];
            if (tokens[i] != elements[i]) {
                return null;
            }
        }
        return tokens;
    }

    /// Puts a key together from front to back.
    public static final class Builder {

        private long[] elements = new long[64];
        private int length;
        private String scope = "";

        private Builder() {
        }

        public Builder tokens(int... tokens) {
            for (int token : tokens) {
                add(checked(token));
            }
            return this;
        }

        /// Something that takes so many positions.
        ///
        /// @param content hash of everything that decides what they hold
        public Builder chunk(long content, int positions) {
            if (positions < 1) {
                throw new IllegalArgumentException("a chunk has at least 1 position, not " + positions);
            }
            for (int i = 0; i < positions; i++) {
                long element = mix(mix(content + positions) + i);
                add(element & ~INSIDE | CHUNK | (i > 0 ? INSIDE : 0));
            }
            return this;
        }

        public Builder scope(String value) {
            scope = Objects.requireNonNull(value, "scope");
            return this;
        }

        public PromptKey build() {
            return ofElements(Arrays.copyOf(elements, length), scope);
        }

        private void add(long element) {
            if (length == elements.length) {
                elements = Arrays.copyOf(elements, length * 2);
            }
            elements[length++] = element;
        }

        /// The finalizer of SplitMix64 (Steele, Lea, Flood 2014).
        private static long mix(long x) {
            long z = x + 0x9e3779b97f4a7c15L;
            z = (z ^ z >>> 30) * 0xbf58476d1ce4e5b9L;
            z = (z ^ z >>> 27) * 0x94d049bb133111ebL;
            return z ^ z >>> 31;
        }
    }
}
