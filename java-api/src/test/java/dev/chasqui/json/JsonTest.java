package dev.chasqui.json;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

@Tag("standalone")
class JsonTest {

    @Test
    void readsEveryKindOfValue() {
        var members = Json.parse("t", """
                {"s": "a\\u00e9\\ud83d\\ude00\\n\\/", "i": -9223372036854775808, "d": 1.5e3, "t": true, "f": false, "n": null,
                 "a": [], "o": {}}""").members();

        assertThat(members.keySet()).containsExactly("s", "i", "d", "t", "f", "n", "a", "o");
        assertThat(members.get("s").string()).isEqualTo("aé😀\n/");
        assertThat(members.get("i").integer()).isEqualTo(Long.MIN_VALUE);
        assertThat(members.get("d").value()).isEqualTo(1500.0);
        assertThat(members.get("t").value()).isEqualTo(true);
        assertThat(members.get("f").value()).isEqualTo(false);
        assertThat(members.get("n").value()).isEqualTo(Json.Null.NULL);
        assertThat(members.get("a").array()).isEqualTo(List.of());
        assertThat(members.get("o").members()).isEmpty();
    }

    @Test
    void knowsWhereEachValueStood() {
        Json name = Json.parse("file", "{\n  \"name\": \"x\"\n}").member("name");

        assertThat(name.line()).isEqualTo(2);
        assertThat(name.column()).isEqualTo(11);
        assertThatThrownBy(name::integer).hasMessage("file:2:11: expected an integer");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '`', value = {
        "``|1:1: unexpected end",
        "`{`|1:2: unexpected end",
        "`{\"a\": 1,}`|1:9: expected a key",
        "`[1,]`|1:4: expected a value",
        "`[1 2]`|1:4: expected ']'",
        "`{\"a\" 1}`|1:6: expected ':'",
        "`{\"a\": 1, \"a\": 2}`|1:10: duplicate key \"a\"",
        "`\"\\x\"`|1:3: unknown escape",
        "`\"\\u12g4\"`|1:6: expected four hexadecimal digits",
        "`\"abc`|1:5: unexpected end",
        "`01`|1:2: text after the end",
        "`-`|1:2: expected a digit",
        "`1.`|1:3: expected a digit",
        "`1e+`|1:4: expected a digit",
        "`tru`|1:1: expected a value",
        "`// x`|1:1: expected a value",
        "`'a'`|1:1: expected a value",
        "`1 1`|1:3: text after the end",
    })
    void pointsAtTheMistake(String text, String message) {
        assertThatThrownBy(() -> Json.parse("t", text)).isInstanceOf(JsonException.class).hasMessage("t:" + message);
    }

    @Test
    void refusesControlCharactersInStrings() {
        assertThatThrownBy(() -> Json.parse("t", "\"a\nb\"")).hasMessage("t:1:3: control character in a string");
    }

    @Test
    void limitsDepth() {
        int depth = Json.MAX_DEPTH;
        Json.parse("t", "[".repeat(depth) + 1 + "]".repeat(depth));

        assertThatThrownBy(() -> Json.parse("t", "[".repeat(100_000))).hasMessageContaining("more than " + depth + " levels");
    }

    @Property
    void neverThrowsAnythingElse(@ForAll String text) {
        try {
            Json.parse("t", text);
        } catch (JsonException expected) {
            assertThat(expected.getMessage()).startsWith("t:");
        }
    }

    @Property
    void readsBackAnyEscapedString(@ForAll String text) {
        StringBuilder escaped = new StringBuilder("\"");
        text.chars().forEach(c -> escaped.append("\\u%04X".formatted(c)));

        assertThat(Json.parse("t", escaped.append('"').toString()).string()).isEqualTo(text);
    }

    @Property
    void writesWhatItReads(@ForAll String text, @ForAll long integer, @ForAll boolean bool) {
        Map<String, Object> map = new LinkedHashMap<>();
        map.put("a" + text, Arrays.asList(text, integer, bool, null, 0.1, List.of(), Map.of()));
        String json = Json.write(map);

        assertThat(Json.parse(json).toString()).isEqualTo(json);
        assertThat(Json.parse(json).member("a" + text).array().getFirst().string()).isEqualTo(text);
    }

    @Test
    void refusesWhatJsonHasNoFormFor() {
        assertThatIllegalArgumentException().isThrownBy(() -> Json.write(Double.NaN));
        assertThatIllegalArgumentException().isThrownBy(() -> Json.write(new Object()));
        assertThatIllegalArgumentException().isThrownBy(() -> Json.write(Map.of(1, 2)));
    }
}
