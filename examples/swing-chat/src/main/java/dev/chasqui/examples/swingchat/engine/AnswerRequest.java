package dev.chasqui.examples.swingchat.engine;

import dev.chasqui.examples.swingchat.conversation.Message;
import dev.chasqui.examples.swingchat.settings.Settings;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Function;

/// A conversation to be answered.
///
/// @param system   what the model is told first, "" = nothing
/// @param path     the messages; the last one is the user's
/// @param settings how it is answered
/// @param pictures where the file of a picture is
public record AnswerRequest(String system, List<Message> path, Settings settings, Function<String, Path> pictures) {

    public AnswerRequest {
        path = List.copyOf(path);
    }
}
