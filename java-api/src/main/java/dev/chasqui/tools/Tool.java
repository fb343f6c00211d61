package dev.chasqui.tools;

import dev.chasqui.json.Description;
import dev.chasqui.json.JsonSchema;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.Optional;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/// A function that a model may call. Immutable.
///
/// {@snippet class="snippets.ChatSnippets" region="multiply"}
/// {@snippet class="snippets.ChatSnippets" region="tools"}
///
/// @param name        letters, digits, `_` and `-`, at most 64
/// @param description what it does, for the model
/// @param parameters  schema of its arguments, an object
/// @param handler     what it does; empty = the caller of the chat does it
public record Tool(String name, String description, JsonSchema parameters, Optional<ToolHandler> handler) {

    public Tool {
        if (!name.matches("[A-Za-z0-9_-]{1,64}")) {
            throw new IllegalArgumentException("a tool's name is \"" + name + "\", must be 1 to 64 letters, digits, _ or -");
        }
        Objects.requireNonNull(description, "description");
        Objects.requireNonNull(parameters, "parameters");
        Objects.requireNonNull(handler, "handler");
    }

    /// A tool with its code.
    public static Tool of(String name, String description, JsonSchema parameters, ToolHandler handler) {
        return new Tool(name, description, parameters, Optional.of(handler));
    }

    /// A tool whose arguments are a record. Its name is that of the record in lower case with `_` between words, or its [Name]; its description is the record's
    /// [Description].
    public static <R extends Record> Tool of(Class<R> arguments, Function<? super R, ? extends @Nullable Object> code) {
        Objects.requireNonNull(code, "code");
        Name name = arguments.getAnnotation(Name.class);
        Description description = arguments.getAnnotation(Description.class);
        return of(name == null ? snakeCase(arguments.getSimpleName()) : name.value(), description == null ? "" : description.value(), JsonSchema.of(arguments),
                json -> code.apply(JsonSchema.read(json, arguments)));
    }

    /// The methods of an object that have a [Description], each a tool.
    ///
    /// @throws IllegalArgumentException if there are none, one has parameters of types without a schema or without a name, or the class is closed to this library
    public static List<Tool> methodsOf(Object object) {
        return ToolMethod.of(object);
    }

    /// A tool without code: when the model calls it the answer ends, and the caller of the chat adds the result.
    public static Tool declared(String name, String description, JsonSchema parameters) {
        return new Tool(name, description, parameters, Optional.empty());
    }

    static String snakeCase(String name) {
        return name.replaceAll("(?<=[a-z0-9])(?=[A-Z])", "_").toLowerCase(Locale.ROOT);
    }
}
