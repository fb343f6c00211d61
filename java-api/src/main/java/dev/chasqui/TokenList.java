package dev.chasqui;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;

/// A growing list of tokens.
final class TokenList {

    private int[] tokens = new int[64];
    private int size;

    TokenList(int... initial) {
        addAll(initial);
    }

    void add(int token) {
        ensureCapacity(size + 1);
        tokens[size++] = token;
    }

    void addAll(int[] more) {
        ensureCapacity(size + more.length);
        System.arraycopy(more, 0, tokens, size, more.length);
        size += more.length;
    }

    int size() {
        return size;
    }

    int get(int index) {
        return tokens[index];
    }

    /// Length of the common prefix with another list, at most `limit`.
    int commonPrefix(TokenList other, int limit) {
        int a = Math.min(size, limit);
        int b = Math.min(other.size, limit);
        int mismatch = Arrays.mismatch(tokens, 0, a, other.tokens, 0, b);
        return mismatch < 0 ? Math.min(a, b) : mismatch;
    }

    /// Copies `[from, from + count)` to a segment of ints, from its element `at` on.
    void copyTo(MemorySegment segment, long at, int from, int count) {
        MemorySegment.copy(tokens, from, segment, ValueLayout.JAVA_INT, at * Integer.BYTES, count);
    }

    int[] toArray() {
        return first(size);
    }

    /// A copy of the first `count` tokens.
    int[] first(int count) {
        return Arrays.copyOf(tokens, count);
    }

    private void ensureCapacity(int needed) {
        if (needed > tokens.length) {
            tokens = Arrays.copyOf(tokens, Math.max(tokens.length * 2, needed));
        }
    }
}
