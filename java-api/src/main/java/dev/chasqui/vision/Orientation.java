package dev.chasqui.vision;

import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/// How a camera was held: how the stored pixels of a JPEG must be turned, as its Exif data says (Exif 2.32, tag 0x0112).
enum Orientation {

    UPRIGHT, MIRRORED, UPSIDE_DOWN, MIRRORED_UPSIDE_DOWN, TRANSPOSED, TURNED_RIGHT, TRANSVERSED, TURNED_LEFT;

    private static final int TAG = 0x0112;

    /// That of a file; upright if it says nothing, or nothing sensible.
    static Orientation of(byte[] file) {
        try {
            return read(ByteBuffer.wrap(file));
        } catch (BufferUnderflowException | IllegalArgumentException | IndexOutOfBoundsException e) {
            return UPRIGHT;
        }
    }

    boolean swapsSides() {
        return ordinal() >= TRANSPOSED.ordinal();
    }

    /// Column of a stored pixel in the upright picture.
    int x(int x, int y, int storedWidth, int storedHeight) {
        return switch (this) {
            case UPRIGHT, MIRRORED_UPSIDE_DOWN -> x;
            case MIRRORED, UPSIDE_DOWN -> storedWidth - 1 - x;
            case TRANSPOSED, TURNED_LEFT -> y;
            case TURNED_RIGHT, TRANSVERSED -> storedHeight - 1 - y;
        };
    }

    /// Line of a stored pixel in the upright picture.
    int y(int x, int y, int storedWidth, int storedHeight) {
        return switch (this) {
            case UPRIGHT, MIRRORED -> y;
            case UPSIDE_DOWN, MIRRORED_UPSIDE_DOWN -> storedHeight - 1 - y;
            case TRANSPOSED, TURNED_RIGHT -> x;
            case TRANSVERSED, TURNED_LEFT -> storedWidth - 1 - x;
        };
    }

    private static Orientation read(ByteBuffer file) {
        if (file.remaining() < 4 || file.getShort() != (short) 0xFFD8) {
            return UPRIGHT;
        }
        while (file.remaining() >= 4) {
            int marker = Short.toUnsignedInt(file.getShort());
            int length = Short.toUnsignedInt(file.getShort()) - 2;
            if (marker >>> 8 != 0xFF || marker == 0xFFDA || length < 0) {
                return UPRIGHT;
            }
            int end = file.position() + length;
            if (marker == 0xFFE1 && length > 14 && file.getInt() == 0x45786966 && file.getShort() == 0) { // "Exif"
                return readTiff(file.slice(file.position(), length - 6));
            }
            file.position(end);
        }
        return UPRIGHT;
    }

    private static Orientation readTiff(ByteBuffer tiff) {
        tiff.order(tiff.getShort(0) == 0x4949 ? ByteOrder.LITTLE_ENDIAN : ByteOrder.BIG_ENDIAN);
        tiff.position(tiff.getInt(4));
        int entries = Short.toUnsignedInt(tiff.getShort());
        for (int i = 0; i < entries; i++) {
            int tag = Short.toUnsignedInt(tiff.getShort());
            tiff.position(tiff.position() + 6); // type and count
            int value = Short.toUnsignedInt(tiff.getShort());
            tiff.position(tiff.position() + 2);
            if (tag == TAG) {
                return value >= 1 && value <= values().length ? values()[value - 1] : UPRIGHT;
            }
        }
        return UPRIGHT;
    }
}
