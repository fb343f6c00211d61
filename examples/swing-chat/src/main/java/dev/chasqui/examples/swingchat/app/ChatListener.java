package dev.chasqui.examples.swingchat.app;

import dev.chasqui.examples.swingchat.engine.Problem;

/// Hears what changes in a [ChatController], on the thread of the user interface.
public interface ChatListener {

    /// Another list of conversations, or other titles.
    default void conversationsChanged() {}

    /// Another conversation is shown, or other messages of it.
    default void messagesChanged() {}

    /// There is more of the answer that is being written.
    default void answerGrew() {}

    /// The model, what it does, or the settings.
    default void stateChanged() {}

    /// Something went wrong that the user should know.
    default void problem(Problem problem) {}
}
