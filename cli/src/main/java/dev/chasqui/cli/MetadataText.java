package dev.chasqui.cli;

import dev.chasqui.GgufValue;
import org.jspecify.annotations.Nullable;

/// Metadata values as people write them.
final class MetadataText {

    private MetadataText() {
    }

    /// @param former what the value replaces, whose type it gets
    /// @throws IllegalArgumentException if the text is no value of that type
    static GgufValue parse(String key, String text, @Nullable GgufValue former) {
        try {
            return switch (former) {
                case null -> guess(text);
                case GgufValue.Uint8 _ -> new GgufValue.Uint8(Integer.parseInt(text));
                case GgufValue.Int8 _ -> new GgufValue.Int8(Byte.parseByte(text));
                case GgufValue.Uint16 _ -> new GgufValue.Uint16(Integer.parseInt(text));
                case GgufValue.Int16 _ -> new GgufValue.Int16(Short.parseShort(text));
                case GgufValue.Uint32 _ -> new GgufValue.Uint32(Long.parseLong(text));
                case GgufValue.Int32 _ -> new GgufValue.Int32(Integer.parseInt(text));
                case GgufValue.Uint64 _ -> new GgufValue.Uint64(Long.parseUnsignedLong(text));
                case GgufValue.Int64 _ -> new GgufValue.Int64(Long.parseLong(text));
                case GgufValue.Float32 _ -> new GgufValue.Float32(Float.parseFloat(text));
                case GgufValue.Float64 _ -> new GgufValue.Float64(Double.parseDouble(text));
                case GgufValue.Bool _ -> new GgufValue.Bool(bool(text));
                case GgufValue.Text _ -> new GgufValue.Text(text);
                case GgufValue.Array _ -> throw new IllegalArgumentException("arrays cannot be set");
            };
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException(key + "=" + text + (former == null ? "" : " is no value of type " + former.type()) + ": " + e.getMessage(), e);
        }
    }

    private static GgufValue guess(String text) {
        if (text.equals("true") || text.equals("false")) {
            return new GgufValue.Bool(bool(text));
        }
        if (text.matches("[0-9]{1,9}")) {
            return new GgufValue.Uint32(Long.parseLong(text));
        }
        if (text.matches("-?[0-9]{1,18}")) {
            return new GgufValue.Int64(Long.parseLong(text));
        }
        if (text.matches("-?[0-9]+[.][0-9]+([eE][-+]?[0-9]+)?")) {
            return new GgufValue.Float32(Float.parseFloat(text));
        }
        return new GgufValue.Text(text);
    }

    private static boolean bool(String text) {
        return switch (text) {
            case "true" -> true;
            case "false" -> false;
            default -> throw new IllegalArgumentException("not true or false");
        };
    }
}
