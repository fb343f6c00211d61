package dev.chasqui.json;

import java.lang.reflect.AnnotatedElement;
import java.lang.reflect.RecordComponent;
import java.lang.reflect.Type;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// What JSON must look like: a JSON schema, from a text or from a Java type. Immutable.
///
/// Types that have a schema: records, sealed interfaces over records, enums, [String], `boolean`, numbers, [List], [Set], [Optional], [Map] with keys of text, and
/// [Json] for anything. A component of type Optional may be missing, all others are required. The records below a sealed interface are told apart by
/// a member `type`, which is the simple name of the record. A record may hold itself. [Description]s go into the schema.
///
/// {@snippet class="snippets.ChatSnippets" region="river"}
/// {@snippet class="snippets.ChatSnippets" region="schema"}
///
/// Which keywords a grammar can follow is up to llama.cpp: types, `properties`, `required`, `additionalProperties`, `items`, `prefixItems`, `minItems`, `maxItems`, `enum`,
/// `const`, `anyOf`, `oneOf`, `allOf`, `$ref` into the same schema, `minLength`, `maxLength`, `pattern` from `^` to `$`, bounds of integers, and the formats
/// date, time, date-time and uuid.
public final class JsonSchema {

    private final Json root;

    private JsonSchema(Json root) {
        this.root = root;
    }

    /// From a JSON text.
    ///
    /// @throws JsonException if it is not a JSON object
    public static JsonSchema parse(String text) {
        Json root = Json.parse("schema", text);
        root.members();
        return new JsonSchema(root);
    }

    /// From a Java type.
    ///
    /// @throws IllegalArgumentException if it, or a part of it, is none of those that have a schema
    public static JsonSchema of(Type type) {
        return new JsonSchema(Json.of(new Deriver().root(type)));
    }

    /// An object with members of these types.
    ///
    /// @param members      by name, in order
    /// @param descriptions of members that have one
    public static JsonSchema object(Map<String, ? extends Type> members, Map<String, String> descriptions) {
        return new JsonSchema(Json.of(new Deriver().arguments(members, descriptions)));
    }

    /// Reads JSON of this form into a type, as [#of] describes it.
    ///
    /// @throws JsonException            if it does not fit, or the record refuses its values
    /// @throws IllegalArgumentException if the type is none of those that have a schema, or its package is closed to this library
    public static Object read(Json json, Type type) {
        return JsonReader.read(json, type);
    }

    /// As [#read(Json, Type)].
    public static <T> T read(Json json, Class<T> type) {
        return boxed(type).cast(JsonReader.read(json, type));
    }

    /// The schema itself.
    public Json json() {
        return root;
    }

    /// The schema as JSON text.
    public String text() {
        return root.toString();
    }

    @Override
    public String toString() {
        return text();
    }

    @Override
    public boolean equals(@Nullable Object other) {
        return other instanceof JsonSchema schema && text().equals(schema.text());
    }

    @Override
    public int hashCode() {
        return text().hashCode();
    }

    @SuppressWarnings("unchecked")
    private static <T> Class<T> boxed(Class<T> type) {
        return type.isPrimitive() ? (Class<T>) java.lang.invoke.MethodType.methodType(type).wrap().returnType() : type;
    }

    /// Writes the schema of a type. A type that holds itself is defined once and referred to.
    private static final class Deriver {

        private final List<Class<?>> open = new ArrayList<>();
        private final Map<Class<?>, String> names = new LinkedHashMap<>();
        private final Map<String, Object> definitions = new LinkedHashMap<>();

        Map<String, Object> root(Type type) {
            return withDefinitions(schema(type));
        }

        Map<String, Object> arguments(Map<String, ? extends Type> members, Map<String, String> descriptions) {
            Map<String, Object> properties = new LinkedHashMap<>();
            List<String> required = new ArrayList<>();
            members.forEach((name, type) -> {
                properties.put(name, described(schema(content(type)), descriptions.get(name)));
                if (!RecordType.isOptional(type)) {
                    required.add(name);
                }
            });
            return withDefinitions(object(properties, required));
        }

        private Map<String, Object> withDefinitions(Map<String, Object> schema) {
            if (definitions.isEmpty()) {
                return schema;
            }
            Map<String, Object> root = new LinkedHashMap<>(schema);
            root.put("$defs", definitions);
            return root;
        }

        private Map<String, Object> schema(Type type) {
            Class<?> raw = TypeArguments.rawClass(type);
            if (raw == Json.class) {
                return Map.of();
            } else if (raw == String.class || raw == CharSequence.class) {
                return Map.of("type", "string");
            } else if (raw == boolean.class || raw == Boolean.class) {
                return Map.of("type", "boolean");
            } else if (raw == double.class || raw == Double.class || raw == float.class || raw == Float.class) {
                return Map.of("type", "number");
            } else if (raw == long.class || raw == Long.class) {
                return Map.of("type", "integer");
            } else if (raw == int.class || raw == Integer.class) {
                return integer(Integer.MIN_VALUE, Integer.MAX_VALUE);
            } else if (raw == short.class || raw == Short.class) {
                return integer(Short.MIN_VALUE, Short.MAX_VALUE);
            } else if (raw == byte.class || raw == Byte.class) {
                return integer(Byte.MIN_VALUE, Byte.MAX_VALUE);
            } else if (raw == List.class || raw == Collection.class || raw == Set.class) {
                Map<String, Object> array = new LinkedHashMap<>();
                array.put("type", "array");
                array.put("items", schema(TypeArguments.argument(type, 0)));
                return array;
            } else if (raw == Map.class && TypeArguments.argument(type, 0) == String.class) {
                Map<String, Object> map = new LinkedHashMap<>();
                map.put("type", "object");
                map.put("additionalProperties", schema(TypeArguments.argument(type, 1)));
                return map;
            } else if (raw == Optional.class) {
                return Map.of("anyOf", List.of(schema(content(type)), Map.of("type", "null")));
            } else if (raw.isEnum() || raw.isRecord() || raw.isInterface() && raw.isSealed()) {
                return defined(raw);
            }
            throw new IllegalArgumentException("JSON has no form for the type " + type.getTypeName());
        }

        private static Map<String, Object> integer(long least, long most) {
            Map<String, Object> integer = new LinkedHashMap<>();
            integer.put("type", "integer");
            integer.put("minimum", least);
            integer.put("maximum", most);
            return integer;
        }

        /// In place, but for a type that holds itself.
        private Map<String, Object> defined(Class<?> type) {
            String known = names.get(type);
            if (known == null && open.contains(type)) {
                known = type.getSimpleName();
                for (int i = 2; names.containsValue(known); i++) {
                    known = type.getSimpleName() + i;
                }
                names.put(type, known);
            }
            if (known != null) {
                return Map.of("$ref", "#/$defs/" + known);
            }
            open.add(type);
            Map<String, Object> definition = describedBy(definition(type), type);
            open.removeLast();
            String name = names.get(type);
            if (name == null) {
                return definition;
            }
            definitions.put(name, definition);
            return Map.of("$ref", "#/$defs/" + name);
        }

        private Map<String, Object> definition(Class<?> type) {
            if (type.isEnum()) {
                return Map.of("enum", Arrays.stream(type.getEnumConstants()).map(constant -> ((Enum<?>) constant).name()).toList());
            }
            if (!type.isRecord()) {
                return Map.of("anyOf", RecordType.below(type).stream().map(this::defined).toList());
            }
            RecordType record = RecordType.of(type);
            Map<String, Object> properties = new LinkedHashMap<>();
            List<String> required = new ArrayList<>();
            if (record.isTagged()) {
                properties.put(RecordType.TAG, Map.of("const", record.tag()));
                required.add(RecordType.TAG);
            }
            for (RecordComponent component : record.components()) {
                properties.put(component.getName(), describedBy(schema(content(component.getGenericType())), component));
                if (!RecordType.isOptional(component.getGenericType())) {
                    required.add(component.getName());
                }
            }
            return object(properties, required);
        }

        /// An Optional member is there or not; it is never null.
        private static Type content(Type type) {
            return RecordType.isOptional(type) ? TypeArguments.argument(type, 0) : type;
        }

        private static Map<String, Object> object(Map<String, Object> properties, List<String> required) {
            Map<String, Object> object = new LinkedHashMap<>();
            object.put("type", "object");
            object.put("properties", properties);
            object.put("required", required);
            object.put("additionalProperties", false);
            return object;
        }

        private static Map<String, Object> describedBy(Map<String, Object> schema, AnnotatedElement element) {
            Description description = element.getAnnotation(Description.class);
            return described(schema, description == null ? null : description.value());
        }

        private static Map<String, Object> described(Map<String, Object> schema, @Nullable String description) {
            if (description == null) {
                return schema;
            }
            Map<String, Object> more = new LinkedHashMap<>(schema);
            more.put("description", description);
            return more;
        }
    }
}
