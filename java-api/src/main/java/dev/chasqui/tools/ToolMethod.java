package dev.chasqui.tools;

import dev.chasqui.json.Description;
import dev.chasqui.json.Json;
import dev.chasqui.json.JsonSchema;
import java.lang.reflect.InaccessibleObjectException;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Parameter;
import java.lang.reflect.Type;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// A method as a tool: the one place that looks into classes with tools.
final class ToolMethod implements ToolHandler {

    private final Object object;
    private final Method method;
    private final Map<String, Type> parameters = new LinkedHashMap<>();

    private ToolMethod(Object object, Method method) {
        this.object = object;
        this.method = method;
        for (Parameter parameter : method.getParameters()) {
            Name name = parameter.getAnnotation(Name.class);
            if (name == null && !parameter.isNamePresent()) {
                throw new IllegalArgumentException("a parameter of %s has no name: give it a @Name or compile with -parameters".formatted(method));
            }
            parameters.put(name == null ? parameter.getName() : name.value(), parameter.getParameterizedType());
        }
        try {
            method.setAccessible(true);
        } catch (InaccessibleObjectException e) {
            throw new IllegalArgumentException("%s cannot be called from here: open its package to the module dev.chasqui".formatted(method), e);
        }
    }

    static List<Tool> of(Object object) {
        List<Tool> tools = new ArrayList<>();
        Arrays.stream(object.getClass().getDeclaredMethods())
                .filter(method -> method.isAnnotationPresent(Description.class) && !method.isSynthetic())
                .sorted(Comparator.comparing(Method::getName))
                .forEach(method -> tools.add(new ToolMethod(object, method).tool()));
        if (tools.isEmpty()) {
            throw new IllegalArgumentException("no method of " + object.getClass().getName() + " has a @Description");
        }
        return List.copyOf(tools);
    }

    private Tool tool() {
        Map<String, String> descriptions = new LinkedHashMap<>();
        int i = 0;
        for (String name : parameters.keySet()) {
            Description description = method.getParameters()[i++].getAnnotation(Description.class);
            if (description != null) {
                descriptions.put(name, description.value());
            }
        }
        Name name = method.getAnnotation(Name.class);
        return Tool.of(name == null ? Tool.snakeCase(method.getName()) : name.value(), method.getAnnotation(Description.class).value(),
                JsonSchema.object(parameters, descriptions), this);
    }

    @Override
    public @Nullable Object call(Json arguments) throws Exception {
        List<@Nullable Object> values = new ArrayList<>();
        for (Map.Entry<String, Type> parameter : parameters.entrySet()) {
            Optional<Json> argument = arguments.find(parameter.getKey());
            if (argument.isPresent()) {
                values.add(JsonSchema.read(argument.get(), parameter.getValue()));
            } else if (method.getParameterTypes()[values.size()] == Optional.class) {
                values.add(Optional.empty());
            } else {
                throw arguments.error("\"" + parameter.getKey() + "\" is missing");
            }
        }
        try {
            return method.invoke(object, values.toArray());
        } catch (InvocationTargetException e) {
            if (e.getCause() instanceof Exception thrown) {
                throw thrown;
            }
            throw e;
        }
    }
}
