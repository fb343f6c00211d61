package dev.chasqui.json;

import java.lang.reflect.RecordComponent;
import java.lang.reflect.Type;
import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/// JSON as values of Java types: those that [JsonSchema#of(Type)] knows.
final class JsonReader {

    private JsonReader() {
    }

    static Object read(Json json, Type type) {
        Class<?> raw = TypeArguments.rawClass(type);
        if (raw == Json.class) {
            return json;
        } else if (raw == String.class || raw == CharSequence.class) {
            return json.string();
        } else if (raw == boolean.class || raw == Boolean.class) {
            return json.bool();
        } else if (raw == double.class || raw == Double.class) {
            return json.number();
        } else if (raw == float.class || raw == Float.class) {
            return (float) json.number();
        } else if (raw == long.class || raw == Long.class) {
            return json.integer();
        } else if (raw == int.class || raw == Integer.class) {
            return (int) integer(json, Integer.MIN_VALUE, Integer.MAX_VALUE);
        } else if (raw == short.class || raw == Short.class) {
            return (short) integer(json, Short.MIN_VALUE, Short.MAX_VALUE);
        } else if (raw == byte.class || raw == Byte.class) {
            return (byte) integer(json, Byte.MIN_VALUE, Byte.MAX_VALUE);
        } else if (raw == Optional.class) {
            return json.isNull() ? Optional.empty() : Optional.of(read(json, TypeArguments.argument(type, 0)));
        } else if (raw == List.class || raw == Collection.class) {
            return json.array().stream().map(element -> read(element, TypeArguments.argument(type, 0))).toList();
        } else if (raw == Set.class) {
            Set<Object> elements = new LinkedHashSet<>();
            json.array().forEach(element -> elements.add(read(element, TypeArguments.argument(type, 0))));
            return Collections.unmodifiableSet(elements);
        } else if (raw == Map.class) {
            Map<String, Object> map = new LinkedHashMap<>();
            json.members().forEach((key, value) -> map.put(key, read(value, TypeArguments.argument(type, 1))));
            return Collections.unmodifiableMap(map);
        } else if (raw.isEnum()) {
            return constant(json, raw);
        } else if (raw.isRecord()) {
            return record(json, raw);
        } else if (raw.isInterface() && raw.isSealed()) {
            return oneOf(json, raw);
        }
        throw new IllegalArgumentException("JSON has no form for the type " + type.getTypeName());
    }

    private static long integer(Json json, long least, long most) {
        long value = json.integer();
        if (value < least || value > most) {
            throw json.error("%d is not in %d..%d".formatted(value, least, most));
        }
        return value;
    }

    private static Object constant(Json json, Class<?> type) {
        String name = json.string();
        for (Object constant : type.getEnumConstants()) {
            if (((Enum<?>) constant).name().equals(name)) {
                return constant;
            }
        }
        throw json.error("\"%s\" is none of %s".formatted(name, Arrays.toString(type.getEnumConstants())));
    }

    private static Object oneOf(Json json, Class<?> sealed) {
        Json tag = json.member(RecordType.TAG);
        for (Class<?> record : RecordType.below(sealed)) {
            if (RecordType.of(record).tag().equals(tag.string())) {
                return record(json, record);
            }
        }
        throw tag.error("\"%s\" is no %s".formatted(tag.string(), sealed.getSimpleName()));
    }

    private static Object record(Json json, Class<?> type) {
        RecordType record = RecordType.of(type);
        RecordComponent[] components = record.components();
        Map<String, Json> members = json.members();
        Object[] values = new Object[components.length];
        for (int i = 0; i < components.length; i++) {
            RecordComponent component = components[i];
            Json member = members.get(component.getName());
            if (member != null) {
                values[i] = read(member, component.getGenericType());
            } else if (RecordType.isOptional(component.getGenericType())) {
                values[i] = Optional.empty();
            } else {
                throw json.error("\"" + component.getName() + "\" is missing");
            }
        }
        try {
            return record.create(values);
        } catch (IllegalArgumentException | NullPointerException e) {
            throw new JsonException(json.error(String.valueOf(e.getMessage())).getMessage(), e);
        }
    }
}
