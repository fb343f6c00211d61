package dev.chasqui.json;

import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// A JSON value that knows where it stood, so that complaints can point at the line. Strict: RFC 8259, no comments, no trailing commas,
/// no duplicate keys, nothing after the value, at most [#MAX_DEPTH] levels.
///
/// {@snippet class="snippets.ChatSnippets" region="json"}
///
/// @param value  a [Map] of Json, a [List] of Json, a [String], a [Long] for an integer of 64 bits, else a [Double], a [Boolean], or [Null]
/// @param origin where the text came from, for messages
/// @param line   line of the value in the text, from 1; 0 if it was never text
/// @param column column of its first character, from 1
public record Json(Object value, String origin, int line, int column) {

    public static final int MAX_DEPTH = 128;

    /// The value of a JSON null.
    public enum Null { NULL }

    public Json {
        Objects.requireNonNull(value, "value");
        Objects.requireNonNull(origin, "origin");
    }

    /// Reads a text.
    ///
    /// @throws JsonException if it is not JSON
    public static Json parse(String text) {
        return parse("JSON", text);
    }

    /// @param origin named in error messages, as `origin:line:column`
    /// @throws JsonException if the text is not JSON
    public static Json parse(String origin, String text) {
        return new Parser(origin, text).document();
    }

    /// The JSON of a Java value: null, text, number, boolean, enum constant, [Json], map with keys of text, collection, [Optional], or record of such.
    /// A record below a sealed interface gets a member `type` with its simple name.
    ///
    /// @throws IllegalArgumentException if it holds something else, or a number that JSON has no form for
    public static Json of(@Nullable Object value) {
        return value instanceof Json json ? json : parse("value", write(value));
    }

    /// The text of [#of].
    public static String write(@Nullable Object value) {
        return JsonWriter.write(value);
    }

    /// The members of an object, which may only have these keys.
    public Map<String, Json> object(String... allowedKeys) {
        Map<String, Json> members = members();
        Set<String> allowed = Set.of(allowedKeys);
        members.forEach((key, member) -> {
            if (!allowed.contains(key)) {
                throw member.error("unknown key \"" + key + "\", expected one of " + String.join(", ", allowedKeys));
            }
        });
        return members;
    }

    /// The members of an object with any keys, in the order of the text.
    @SuppressWarnings("unchecked")
    public Map<String, Json> members() {
        if (value instanceof Map<?, ?> map) {
            return (Map<String, Json>) map;
        }
        throw error("expected an object");
    }

    /// A member that must be there.
    public Json member(String key) {
        Json member = members().get(key);
        if (member == null) {
            throw error("\"" + key + "\" is missing");
        }
        return member;
    }

    /// The elements of an array.
    @SuppressWarnings("unchecked")
    public List<Json> array() {
        if (value instanceof List<?> list) {
            return (List<Json>) list;
        }
        throw error("expected an array");
    }

    /// A text.
    public String string() {
        if (value instanceof String string) {
            return string;
        }
        throw error("expected a string");
    }

    /// An integer of 64 bits.
    public long integer() {
        if (value instanceof Long number) {
            return number;
        }
        throw error("expected an integer");
    }

    /// A complaint about this value that names its place.
    public JsonException error(String reason) {
        return new JsonException(origin + ":" + line + ":" + column + ": " + reason);
    }

    /// A number, integer or not.
    public double number() {
        if (value instanceof Number number) {
            return number.doubleValue();
        }
        throw error("expected a number");
    }

    /// True or false.
    public boolean bool() {
        if (value instanceof Boolean bool) {
            return bool;
        }
        throw error("expected true or false");
    }

    /// Whether it is JSON's null.
    public boolean isNull() {
        return value == Null.NULL;
    }

    /// A member of an object that need not be there.
    public Optional<Json> find(String key) {
        return Optional.ofNullable(members().get(key));
    }

    /// The value as JSON text, without spaces.
    @Override
    public String toString() {
        return write(this);
    }

    private static final class Parser {

        private final String origin;
        private final String text;
        private int position;

        Parser(String origin, String text) {
            this.origin = origin;
            this.text = text;
        }

        Json document() {
            Json result = value(0);
            skipSpace();
            if (position < text.length()) {
                throw error("text after the end");
            }
            return result;
        }

        private Json value(int depth) {
            if (depth > MAX_DEPTH) {
                throw error("more than " + MAX_DEPTH + " levels");
            }
            skipSpace();
            int start = position;
            char first = peek();
            Object value = switch (first) {
                case '{' -> object(depth);
                case '[' -> array(depth);
                case '"' -> string();
                case 't' -> literal("true", true);
                case 'f' -> literal("false", false);
                case 'n' -> literal("null", Null.NULL);
                default -> {
                    if (first == '-' || isDigit(first)) {
                        yield number();
                    }
                    throw error("expected a value");
                }
            };
            return at(start, value);
        }

        private Map<String, Json> object(int depth) {
            position++;
            Map<String, Json> members = new LinkedHashMap<>();
            skipSpace();
            if (take('}')) {
                return members;
            }
            do {
                skipSpace();
                int start = position;
                if (peek() != '"') {
                    throw error("expected a key");
                }
                String key = string();
                skipSpace();
                expect(':');
                if (members.containsKey(key)) {
                    position = start;
                    throw error("duplicate key \"" + key + "\"");
                }
                members.put(key, value(depth + 1));
                skipSpace();
            } while (take(','));
            expect('}');
            return Collections.unmodifiableMap(members);
        }

        private List<Json> array(int depth) {
            position++;
            List<Json> elements = new ArrayList<>();
            skipSpace();
            if (take(']')) {
                return elements;
            }
            do {
                elements.add(value(depth + 1));
                skipSpace();
            } while (take(','));
            expect(']');
            return Collections.unmodifiableList(elements);
        }

        private String string() {
            position++;
            StringBuilder out = new StringBuilder();
            while (true) {
                char c = peek();
                if (c < 0x20) {
                    throw error("control character in a string");
                }
                position++;
                if (c == '"') {
                    return out.toString();
                }
                out.append(c == '\\' ? escape() : c);
            }
        }

        private char escape() {
            char c = peek();
            position++;
            return switch (c) {
                case '"', '\\', '/' -> c;
                case 'b' -> '\b';
                case 'f' -> '\f';
                case 'n' -> '\n';
                case 'r' -> '\r';
                case 't' -> '\t';
                case 'u' -> {
                    int code = 0;
                    for (int i = 0; i < 4; i++) {
                        char c16 = peek();
                        int digit = c16 < 0x80 ? Character.digit(c16, 16) : -1;
                        if (digit < 0) {
                            throw error("expected four hexadecimal digits");
                        }
                        code = code << 4 | digit;
                        position++;
                    }
                    yield (char) code;
                }
                default -> {
                    position--;
                    throw error("unknown escape");
                }
            };
        }

        private Object number() {
            int start = position;
            take('-');
            if (!take('0')) {
                digits();
            }
            boolean integer = true;
            if (take('.')) {
                integer = false;
                digits();
            }
            if (take('e') || take('E')) {
                integer = false;
                if (!take('+')) {
                    take('-');
                }
                digits();
            }
            String number = text.substring(start, position);
            if (integer) {
                try {
                    return Long.parseLong(number);
                } catch (NumberFormatException tooLarge) {
                    return Double.parseDouble(number);
                }
            }
            return Double.parseDouble(number);
        }

        private void digits() {
            if (position >= text.length() || !isDigit(text.charAt(position))) {
                throw error("expected a digit");
            }
            while (position < text.length() && isDigit(text.charAt(position))) {
                position++;
            }
        }

        private Object literal(String word, Object value) {
            if (!text.startsWith(word, position)) {
                throw error("expected a value");
            }
            position += word.length();
            return value;
        }

        private void skipSpace() {
            while (position < text.length() && " \t\r\n".indexOf(text.charAt(position)) >= 0) {
                position++;
            }
        }

        private char peek() {
            if (position >= text.length()) {
                throw error("unexpected end");
            }
            return text.charAt(position);
        }

        private boolean take(char c) {
            if (position < text.length() && text.charAt(position) == c) {
                position++;
                return true;
            }
            return false;
        }

        private void expect(char c) {
            if (!take(c)) {
                throw error(position >= text.length() ? "unexpected end" : "expected '" + c + "'");
            }
        }

        private static boolean isDigit(char c) {
            return c >= '0' && c <= '9';
        }

        private JsonException error(String reason) {
            return at(position, Null.NULL).error(reason);
        }

        private Json at(int offset, Object value) {
            int line = 1;
            int lineStart = 0;
            for (int i = text.indexOf('\n'); i >= 0 && i < offset; i = text.indexOf('\n', i + 1)) {
                line++;
                lineStart = i + 1;
            }
            return new Json(value, origin, line, offset - lineStart + 1);
        }
    }
}
