package dev.chasqui;

/// What a [ChatAnswer] has that it did not have before.
public sealed interface ChatDelta {

    /// A piece of what the model says.
    record Content(String text) implements ChatDelta { }

    /// A piece of what the model thinks before it speaks.
    record Reasoning(String text) implements ChatDelta { }

    /// A piece of a call.
    ///
    /// @param index     which call of the message, from 0
    /// @param name      of the tool
    /// @param arguments the next piece of their JSON text
    record Call(int index, String name, String arguments) implements ChatDelta { }

    /// A call was made, and the model will read what came of it.
    ///
    /// @param failed whether the tool threw an exception; the result says which
    record Result(ToolCall call, String result, boolean failed) implements ChatDelta { }
}
