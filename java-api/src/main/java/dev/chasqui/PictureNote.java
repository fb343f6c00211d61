package dev.chasqui;

import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/// Which pictures and sounds a saved sequence holds, behind the caller's note: a saved state knows where rows are, not what they were. Without them there is nothing but the
/// caller's note.
///
/// @param note     the caller's
/// @param pictures in order
record PictureNote(byte[] note, List<Prompt.Span> pictures) {

    private static final int FIXED = 4 * Integer.BYTES;

    byte[] encode() {
        if (pictures.isEmpty()) {
            return note;
        }
        int size = 0;
        for (Prompt.Span span : pictures) {
            size += FIXED + span.key().getBytes(StandardCharsets.UTF_8).length;
        }
        ByteBuffer out = ByteBuffer.allocate(note.length + size + 2 * Integer.BYTES).order(ByteOrder.LITTLE_ENDIAN).put(note);
        for (Prompt.Span span : pictures) {
            byte[] key = span.key().getBytes(StandardCharsets.UTF_8);
            out.putInt(span.start()).putInt(span.count()).putInt(span.positions()).putInt(key.length).put(key);
        }
        return out.putInt(pictures.size()).putInt(size).array();
    }

    /// @param tokens of the saved sequence, with [Prompt#ROW] for each row
    /// @throws StateMismatchException if the two do not belong together
    static PictureNote decode(byte[] bytes, int[] tokens) {
        long rows = Arrays.stream(tokens).filter(token -> token == Prompt.ROW).count();
        if (rows == 0) {
            return new PictureNote(bytes, List.of());
        }
        try {
            ByteBuffer in = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
            int tail = bytes.length - 2 * Integer.BYTES;
            int count = in.getInt(tail);
            int begin = tail - in.getInt(tail + Integer.BYTES);
            in.position(begin);
            List<Prompt.Span> spans = new ArrayList<>();
            int end = 0;
            for (int i = 0; i < count; i++) {
                int start = in.getInt();
                int length = in.getInt();
                int positions = in.getInt();
                byte[] key = new byte[Math.clamp(in.getInt(), 0, in.remaining())];
                in.get(key);
                if (start < end || length < 1 || length > tokens.length - start || positions < 1 || !allRows(tokens, start, length)) {
                    throw mismatch();
                }
                end = start + length;
                rows -= length;
                spans.add(new Prompt.Span(start, length, positions, new String(key, StandardCharsets.UTF_8), null));
            }
            if (rows != 0 || in.position() != tail) {
                throw mismatch();
            }
            return new PictureNote(Arrays.copyOf(bytes, begin), spans);
        } catch (BufferUnderflowException | IllegalArgumentException | IndexOutOfBoundsException e) {
            throw mismatch();
        }
    }

    private static boolean allRows(int[] tokens, int start, int length) {
        for (int i = start; i < start + length; i++) {
            if (tokens[i] != Prompt.ROW) {
                return false;
            }
        }
        return true;
    }

    private static StateMismatchException mismatch() {
        return new StateMismatchException("the saved sequence does not say which pictures it holds");
    }
}
