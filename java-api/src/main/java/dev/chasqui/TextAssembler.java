package dev.chasqui;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;

/// Turns the bytes of tokens into text: characters come out whole, and nothing that may be the start of a stop string comes
/// out before it is known not to be one. Allocates nothing but the strings it returns.
final class TextAssembler {

    private final byte[][] stops;
    private byte[] buffer = new byte[256];
    private int length;
    private boolean stopped;

    TextAssembler(List<String> stops) {
        this.stops = stops.stream().map(Utf8::encode).toArray(byte[][]::new);
    }

    void append(MemorySegment bytes, int count) {
        if (buffer.length - length < count) {
            buffer = Arrays.copyOf(buffer, Math.max(buffer.length * 2, length + count));
        }
        MemorySegment.copy(bytes, ValueLayout.JAVA_BYTE, 0, buffer, length, count);
        length += count;
    }

    /// The text that is certain by now, often empty.
    String take() {
        int stop = firstStop();
        if (stop >= 0) {
            stopped = true;
            length = stop;
            return drain(stop);
        }
        return drain(length - Math.max(Utf8.incompleteTail(buffer, length), possibleStop()));
    }

    /// What is left at the end, cut-off characters included.
    String finish() {
        return drain(length);
    }

    /// Whether a stop string was met; the text before it has been taken.
    boolean stopped() {
        return stopped;
    }

    private String drain(int count) {
        if (count == 0) {
            return "";
        }
        String text = new String(buffer, 0, count, StandardCharsets.UTF_8);
        System.arraycopy(buffer, count, buffer, 0, length - count);
        length -= count;
        return text;
    }

    private int firstStop() {
        for (int at = 0; at < length; at++) {
            for (byte[] stop : stops) {
                if (at + stop.length <= length && matches(stop, at, stop.length)) {
                    return at;
                }
            }
        }
        return -1;
    }

    /// Length of the longest tail that is the beginning of a stop string.
    private int possibleStop() {
        int longest = 0;
        for (byte[] stop : stops) {
            for (int tail = Math.min(stop.length - 1, length); tail > longest; tail--) {
                if (matches(stop, length - tail, tail)) {
                    longest = tail;
                }
            }
        }
        return longest;
    }

    private boolean matches(byte[] stop, int at, int count) {
        for (int i = 0; i < count; i++) {
            if (buffer[at + i] != stop[i]) {
                return false;
            }
        }
        return true;
    }
}
