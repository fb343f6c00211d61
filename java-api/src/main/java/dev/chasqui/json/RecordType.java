package dev.chasqui.json;

import java.lang.reflect.AccessibleObject;
import java.lang.reflect.Constructor;
import java.lang.reflect.InaccessibleObjectException;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.RecordComponent;
import java.lang.reflect.Type;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// A record class, seen through reflection: the one place that looks into records.
final class RecordType {

    /// The member that tells the records of a sealed interface apart.
    static final String TAG = "type";

    private final Class<?> type;
    private final RecordComponent[] components;
    private final boolean tagged;

    private RecordType(Class<?> type) {
        this.type = type;
        this.components = type.getRecordComponents();
        this.tagged = isTagged(type);
        if (tagged && Arrays.stream(components).anyMatch(component -> component.getName().equals(TAG))) {
            throw new IllegalArgumentException(type.getName() + " is below a sealed interface, so it cannot have a component \"" + TAG + "\" of its own");
        }
    }

    static RecordType of(Class<?> type) {
        return new RecordType(type);
    }

    /// Whether the JSON of a record says which one it is.
    private static boolean isTagged(Class<?> type) {
        return Arrays.stream(type.getInterfaces()).anyMatch(above -> above.isSealed() || isTagged(above));
    }

    /// The records below a sealed interface, at whatever depth.
    static List<Class<?>> below(Class<?> sealed) {
        List<Class<?>> records = new ArrayList<>();
        for (Class<?> permitted : sealed.getPermittedSubclasses()) {
            if (permitted.isRecord()) {
                records.add(permitted);
            } else if (permitted.isInterface() && permitted.isSealed()) {
                records.addAll(below(permitted));
            } else {
                throw new IllegalArgumentException(permitted.getName() + " below " + sealed.getName() + " is no record");
            }
        }
        return records;
    }

    boolean isTagged() {
        return tagged;
    }

    /// The value of its tag.
    String tag() {
        return type.getSimpleName();
    }

    RecordComponent[] components() {
        return components;
    }

    static boolean isOptional(Type type) {
        return TypeArguments.rawClass(type) == Optional.class;
    }

    /// The components of a record by name; empty Optionals are left out.
    Map<String, Object> members(Record record) {
        Map<String, Object> members = new LinkedHashMap<>();
        if (tagged) {
            members.put(TAG, tag());
        }
        for (RecordComponent component : components) {
            Object value = accessible(component.getAccessor(), () -> component.getAccessor().invoke(record));
            if (!(value instanceof Optional<?> optional) || optional.isPresent()) {
                members.put(component.getName(), value);
            }
        }
        return members;
    }

    Object create(Object[] values) {
        Class<?>[] types = Arrays.stream(components).map(RecordComponent::getType).toArray(Class<?>[]::new);
        try {
            Constructor<?> constructor = type.getDeclaredConstructor(types);
            return accessible(constructor, () -> constructor.newInstance(values));
        } catch (NoSuchMethodException e) {
            throw new IllegalStateException(e);
        }
    }

    @FunctionalInterface
    private interface Reflective {
        Object call() throws ReflectiveOperationException;
    }

    private Object accessible(AccessibleObject object, Reflective call) {
        try {
            object.setAccessible(true);
            return call.call();
        } catch (InaccessibleObjectException | IllegalAccessException e) {
            throw new IllegalArgumentException("%s cannot be used from here: open its package %s to the module dev.chasqui".formatted(
                    type.getName(), type.getPackageName()), e);
        } catch (InvocationTargetException e) {
            if (e.getCause() instanceof RuntimeException refused) {
                throw refused;
            }
            throw new IllegalArgumentException(type.getName() + " refuses: " + e.getCause(), e.getCause());
        } catch (ReflectiveOperationException e) {
            throw new IllegalArgumentException(type.getName() + " cannot be made", e);
        }
    }
}
