package dev.chasqui;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;

/// The header of a GGUF file as bytes, through a buffer.
final class GgufOutput {

    private static final int BUFFER_SIZE = 1 << 18;

    private final FileChannel channel;
    private final ByteBuffer buffer = ByteBuffer.allocate(BUFFER_SIZE).order(ByteOrder.LITTLE_ENDIAN);
    /// Where the buffer begins in the file.
    private long begin;

    GgufOutput(FileChannel channel) throws IOException {
        this.channel = channel;
        this.begin = channel.position();
    }

    void int8(int value) throws IOException {
        room(Byte.BYTES);
        buffer.put((byte) value);
    }

    void int16(int value) throws IOException {
        room(Short.BYTES);
        buffer.putShort((short) value);
    }

    void int32(int value) throws IOException {
        room(Integer.BYTES);
        buffer.putInt(value);
    }

    void int64(long value) throws IOException {
        room(Long.BYTES);
        buffer.putLong(value);
    }

    void string(String text) throws IOException {
        string(Utf8.encode(text));
    }

    private void string(byte[] utf8) throws IOException {
        int64(utf8.length);
        for (int at = 0; at < utf8.length; ) {
            room(1);
            int some = Math.min(buffer.remaining(), utf8.length - at);
            buffer.put(utf8, at, some);
            at += some;
        }
    }

    void value(GgufValue value) throws IOException {
        switch (value) {
            case GgufValue.Uint8(int number) -> int8(number);
            case GgufValue.Int8(byte number) -> int8(number);
            case GgufValue.Uint16(int number) -> int16(number);
            case GgufValue.Int16(short number) -> int16(number);
            case GgufValue.Uint32(long number) -> int32((int) number);
            case GgufValue.Int32(int number) -> int32(number);
            case GgufValue.Float32(float number) -> int32(Float.floatToRawIntBits(number));
            case GgufValue.Bool(boolean flag) -> int8(flag ? 1 : 0);
            case GgufValue.Text(String text) -> string(text);
            case GgufValue.Uint64(long number) -> int64(number);
            case GgufValue.Int64(long number) -> int64(number);
            case GgufValue.Float64(double number) -> int64(Double.doubleToRawLongBits(number));
            case GgufValue.Array array -> array(array);
        }
    }

    private void array(GgufValue.Array array) throws IOException {
        int32(array.elementType().ordinal());
        int64(array.size());
        for (int i = 0; i < array.size(); i++) {
            if (array instanceof GgufValue.Strings strings) {
                string(strings.bytes(i));
            } else {
                value(array.get(i));
            }
        }
    }

    /// Zeros up to the next multiple.
    void padTo(int alignment) throws IOException {
        while ((begin + buffer.position()) % alignment != 0) {
            int8(0);
        }
    }

    void flush() throws IOException {
        buffer.flip();
        begin += buffer.remaining();
        GgufWriter.writeAll(channel, buffer);
        buffer.clear();
    }

    /// After somebody else wrote to the channel.
    void resume() throws IOException {
        begin = channel.position();
    }

    private void room(int bytes) throws IOException {
        if (buffer.remaining() < bytes) {
            flush();
        }
    }
}
