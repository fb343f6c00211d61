package dev.chasqui.json;

import java.util.Collection;
import java.util.Iterator;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// Java values as JSON text.
final class JsonWriter {

    private final StringBuilder out = new StringBuilder();

    private JsonWriter() {
    }

    static String write(@Nullable Object value) {
        JsonWriter writer = new JsonWriter();
        writer.value(value, 0);
        return writer.out.toString();
    }

    private void value(@Nullable Object value, int depth) {
        if (depth > Json.MAX_DEPTH) {
            throw new IllegalArgumentException("more than " + Json.MAX_DEPTH + " levels");
        }
        switch (value) {
            case null -> out.append("null");
            case Json.Null nothing -> out.append("null");
            case Json json -> value(json.value(), depth);
            case CharSequence text -> string(text);
            case Boolean bool -> out.append(bool);
            case Number number -> number(number);
            case Enum<?> constant -> string(constant.name());
            case Optional<?> optional -> value(optional.orElse(null), depth);
            case Map<?, ?> map -> object(map, depth);
            case Collection<?> elements -> array(elements, depth);
            case Record record -> object(RecordType.of(record.getClass()).members(record), depth);
            default -> throw new IllegalArgumentException("JSON has no form for " + value.getClass().getName());
        }
    }

    private void number(Number number) {
        if (number instanceof Double || number instanceof Float) {
            if (!Double.isFinite(number.doubleValue())) {
                throw new IllegalArgumentException("JSON has no form for " + number);
            }
        }
        out.append(number);
    }

    private void object(Map<?, ?> map, int depth) {
        out.append('{');
        String separator = "";
        for (Map.Entry<?, ?> entry : map.entrySet()) {
            if (!(entry.getKey() instanceof String key)) {
                throw new IllegalArgumentException("a key is " + entry.getKey() + ", must be text");
            }
            out.append(separator);
            string(key);
            out.append(':');
            value(entry.getValue(), depth + 1);
            separator = ",";
        }
        out.append('}');
    }

    private void array(Collection<?> elements, int depth) {
        out.append('[');
        for (Iterator<?> i = elements.iterator(); i.hasNext(); ) {
            value(i.next(), depth + 1);
            if (i.hasNext()) {
                out.append(',');
            }
        }
        out.append(']');
    }

    private void string(CharSequence text) {
        out.append('"');
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            switch (c) {
                case '"' -> out.append("\\\"");
                case '\\' -> out.append("\\\\");
                case '\n' -> out.append("\\n");
                case '\r' -> out.append("\\r");
                case '\t' -> out.append("\\t");
                default -> {
                    if (c < 0x20) {
                        out.append("\\u%04x".formatted((int) c));
                    } else {
                        out.append(c);
                    }
                }
            }
        }
        out.append('"');
    }
}
