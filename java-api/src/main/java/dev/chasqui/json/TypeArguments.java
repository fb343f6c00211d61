package dev.chasqui.json;

import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Type;

/// Classes and what stands between their angle brackets.
final class TypeArguments {

    private TypeArguments() {
    }

    static Class<?> rawClass(Type type) {
        if (type instanceof Class<?> plain) {
            return plain;
        }
        if (type instanceof ParameterizedType parameterized && parameterized.getRawType() instanceof Class<?> raw) {
            return raw;
        }
        throw new IllegalArgumentException("JSON has no form for the type " + type.getTypeName());
    }

    static Type argument(Type type, int index) {
        if (type instanceof ParameterizedType parameterized) {
            return parameterized.getActualTypeArguments()[index];
        }
        throw new IllegalArgumentException(type.getTypeName() + " needs its type arguments, e.g. List<String>");
    }
}
