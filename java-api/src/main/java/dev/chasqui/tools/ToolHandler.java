package dev.chasqui.tools;

import dev.chasqui.json.Json;
import org.jspecify.annotations.Nullable;

/// What a tool does.
@FunctionalInterface
public interface ToolHandler {

    /// Called on the thread that reads the answer, which waits. What it throws becomes an error result for the model to read.
    ///
    /// @param arguments of the form that the tool's schema asks for
    /// @return text for the model, or what [Json#of] knows, which the model gets as JSON
    @Nullable Object call(Json arguments) throws Exception;
}
