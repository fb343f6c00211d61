package dev.chasqui.kv;

import dev.chasqui.StateMismatchException;
import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/// What a store saves with a sequence.
///
/// @param key            of what the KV cache holds
/// @param secondsPerToken what computing it took; 0 = unknown
record SequenceNote(PromptKey key, double secondsPerToken) {

    private static final byte VERSION = 1;

    byte[] encode() {
        byte[] scope = key.scope().getBytes(StandardCharsets.UTF_8);
        boolean tokens = key.tokens() != null; // they are in the file anyway
        ByteBuffer out = ByteBuffer.allocate(1 + Double.BYTES + 3 * Integer.BYTES + scope.length + (tokens ? 0 : key.length() * Long.BYTES))
                .order(ByteOrder.LITTLE_ENDIAN);
        out.put(VERSION).putDouble(secondsPerToken).putInt(scope.length).put(scope).putInt(key.length()).putInt(tokens ? 0 : key.length());
        if (!tokens) {
            out.asLongBuffer().put(key.elements());
        }
        return out.array();
    }

    /// @param tokens of the text that the note was saved with
    /// @throws StateMismatchException if it is not a note of a store
    static SequenceNote decode(byte[] note, int[] tokens) {
        try {
            ByteBuffer in = ByteBuffer.wrap(note).order(ByteOrder.LITTLE_ENDIAN);
            if (in.get() != VERSION) {
                throw new StateMismatchException("the saved sequence is of another version of the store");
            }
            double secondsPerToken = in.getDouble();
            byte[] scope = new byte[length(in, Byte.BYTES)];
            in.get(scope);
            int length = in.getInt();
            long[] elements = new long[length(in, Long.BYTES)];
            in.asLongBuffer().get(elements);
            String text = new String(scope, StandardCharsets.UTF_8);
            if (length < 1 || length != (elements.length > 0 ? elements.length : Math.min(length, tokens.length)) || !(secondsPerToken >= 0)) {
                throw new StateMismatchException("the saved sequence is none of a store: its note makes no sense");
            }
            PromptKey key = elements.length > 0 ? PromptKey.ofElements(elements, text)
                    : PromptKey.of(Arrays.copyOf(tokens, length)).withScope(text);
            return new SequenceNote(key, secondsPerToken);
        } catch (BufferUnderflowException | IllegalArgumentException e) {
            throw new StateMismatchException("the saved sequence is none of a store: it has no note");
        }
    }

    private static int length(ByteBuffer in, int width) {
        int length = in.getInt();
        if (length < 0 || length > in.remaining() / width) {
            throw new StateMismatchException("the saved sequence is none of a store: its note makes no sense");
        }
        return length;
    }
}
