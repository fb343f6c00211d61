package dev.chasqui.json;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("standalone")
class JsonSchemaTest {

    enum Coast { PACIFIC, ATLANTIC }

    record River(@Description("its name") String name, int kilometres, Optional<String> mouth, List<Coast> coasts) {
        River {
            if (kilometres < 0) {
                throw new IllegalArgumentException("a river of " + kilometres + " km");
            }
        }
    }

    sealed interface Shape permits Circle, Flat { }

    sealed interface Flat extends Shape permits Square, Nothing { }

    record Circle(double radius) implements Shape { }

    record Square(long side) implements Flat { }

    record Nothing() implements Flat { }

    record Tree(String name, List<Tree> children) { }

    record Everything(boolean a, byte b, short c, float d, Long e, Set<String> f, Map<String, Integer> g, Json h, Shape i) { }

    record Tagged(String type) implements Badly { }

    sealed interface Badly permits Tagged { }

    @Test
    void recordHasAnObjectSchema() {
        assertThat(JsonSchema.of(River.class)).isEqualTo(JsonSchema.parse("""
                {"type": "object",
                 "properties": {"name": {"type": "string", "description": "its name"},
                                "kilometres": {"type": "integer", "minimum": -2147483648, "maximum": 2147483647},
                                "mouth": {"type": "string"},
                                "coasts": {"type": "array", "items": {"enum": ["PACIFIC", "ATLANTIC"]}}},
                 "required": ["name", "kilometres", "coasts"],
                 "additionalProperties": false}"""));
    }

    @Test
    void recordsBelowASealedInterfaceAreToldApart() {
        JsonSchema schema = JsonSchema.of(Shape.class);

        assertThat(schema.json().member("anyOf").array().stream()
                .map(record -> record.member("properties").member("type").member("const").string())).containsExactly("Circle", "Square", "Nothing");
        for (Shape shape : List.of(new Circle(1.5), new Square(3), new Nothing())) {
            assertThat(JsonSchema.read(Json.of(shape), Shape.class)).isEqualTo(shape);
        }
        assertThat(Json.write(new Circle(1.5))).isEqualTo("{\"type\":\"Circle\",\"radius\":1.5}");
        assertThatExceptionOfType(JsonException.class).isThrownBy(() -> JsonSchema.read(Json.parse("{\"type\": \"Line\"}"), Shape.class))
                .withMessage("JSON:1:10: \"Line\" is no Shape");
    }

    @Test
    void recordMayHoldItself() {
        JsonSchema schema = JsonSchema.of(Tree.class);
        Tree tree = new Tree("a", List.of(new Tree("b", List.of()), new Tree("c", List.of(new Tree("d", List.of())))));

        assertThat(schema.json().member("$ref").string()).isEqualTo("#/$defs/Tree");
        assertThat(schema.json().member("$defs").members()).containsOnlyKeys("Tree");
        assertThat(JsonSchema.read(Json.of(tree), Tree.class)).isEqualTo(tree);
    }

    @Test
    void everyTypeComesBack() {
        Everything all = new Everything(true, (byte) 1, (short) -2, 0.5f, 1L << 40, Set.of("x"), Map.of("k", 3), Json.parse("[1]"), new Nothing());

        Everything read = JsonSchema.read(Json.parse(Json.write(all)), Everything.class);
        assertThat(Json.write(read)).isEqualTo(Json.write(all));
        assertThat(JsonSchema.of(Everything.class).json().member("required").array()).hasSize(9);
    }

    @Test
    void complaintsNameThePlace() {
        assertThatExceptionOfType(JsonException.class).isThrownBy(() -> river("{\"name\": \"a\"}")).withMessage("JSON:1:1: \"kilometres\" is missing");
        assertThatExceptionOfType(JsonException.class).isThrownBy(() -> river("{\"name\": 3, \"kilometres\": 1, \"coasts\": []}"))
                .withMessage("JSON:1:10: expected a string");
        assertThatExceptionOfType(JsonException.class).isThrownBy(() -> river("{\"name\": \"a\",\n\"kilometres\": 3000000000, \"coasts\": []}"))
                .withMessage("JSON:2:15: 3000000000 is not in -2147483648..2147483647");
        assertThatExceptionOfType(JsonException.class).isThrownBy(() -> river("{\"name\": \"a\", \"kilometres\": -1, \"coasts\": []}"))
                .withMessage("JSON:1:1: a river of -1 km");
        assertThatExceptionOfType(JsonException.class).isThrownBy(() -> river("{\"name\": \"a\", \"kilometres\": 1, \"coasts\": [\"NORTH\"]}"))
                .withMessageContaining("\"NORTH\" is none of [PACIFIC, ATLANTIC]");
    }

    @Test
    void optionalIsThereOrNot() {
        assertThat(river("{\"name\": \"a\", \"kilometres\": 1, \"coasts\": []}").mouth()).isEmpty();
        assertThat(river("{\"name\": \"a\", \"kilometres\": 1, \"coasts\": [], \"mouth\": \"sea\"}").mouth()).contains("sea");
        assertThat(Json.write(new River("a", 1, Optional.empty(), List.of()))).doesNotContain("mouth");
    }

    @Test
    void argumentsOfAFunction() {
        Map<String, Class<?>> arguments = new LinkedHashMap<>();
        arguments.put("city", String.class);
        arguments.put("days", int.class);
        JsonSchema schema = JsonSchema.object(arguments, Map.of("city", "where"));

        assertThat(schema.json().member("properties").member("city").member("description").string()).isEqualTo("where");
        assertThat(schema.json().member("required").array().stream().map(Json::string)).containsExactly("city", "days");
    }

    @Test
    void otherTypesAreRefused() {
        assertThatIllegalArgumentException().isThrownBy(() -> JsonSchema.of(Thread.class)).withMessageContaining("java.lang.Thread");
        assertThatIllegalArgumentException().isThrownBy(() -> JsonSchema.of(List.class)).withMessageContaining("type arguments");
        assertThatIllegalArgumentException().isThrownBy(() -> JsonSchema.of(Badly.class)).withMessageContaining("\"type\"");
        assertThatExceptionOfType(JsonException.class).isThrownBy(() -> JsonSchema.parse("[1]")).withMessage("schema:1:1: expected an object");
        assertThatExceptionOfType(JsonException.class).isThrownBy(() -> JsonSchema.parse("{\n  3}")).withMessage("schema:2:3: expected a key");
    }

    private static River river(String json) {
        return JsonSchema.read(Json.parse(json), River.class);
    }
}
