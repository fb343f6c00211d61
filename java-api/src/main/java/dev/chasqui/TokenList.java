package dev.chasqui;

import java.util.Arrays;

/// A growing list of tokens.
final class TokenList {

    private int[] tokens = new int[64];
    private int size;

    void addAll(int[] more) {
        if (size + more.length > tokens.length) {
            tokens = Arrays.copyOf(tokens, Math.max(tokens.length * 2, size + more.length));
        }
        System.arraycopy(more, 0, tokens, size, more.length);
        size += more.length;
    }

    int size() {
        return size;
    }

    int[] toArray() {
        return Arrays.copyOf(tokens, size);
    }
}
