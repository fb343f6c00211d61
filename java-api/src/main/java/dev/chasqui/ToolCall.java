package dev.chasqui;

import java.util.Objects;

/// A model's wish to have a tool called.
///
/// @param id        tells the calls of a conversation apart; "" if the model's template knows of none
/// @param name      of the tool
/// @param arguments JSON text, of an object; not checked
public record ToolCall(String id, String name, String arguments) {

    public ToolCall {
        Objects.requireNonNull(id, "id");
        Objects.requireNonNull(name, "name");
        Objects.requireNonNull(arguments, "arguments");
    }
}
