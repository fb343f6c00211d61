package dev.chasqui.cli;

import dev.chasqui.PromptProgress;

/// Where a conversation shows what happens. [#reading] comes from a thread of its own, between [#begin] and the first piece.
interface ChatView {

    /// An answer is asked for.
    void begin();

    void reading(PromptProgress progress);

    /// A piece of what the model thinks.
    void reasoning(String text);

    /// A piece of what the model says.
    void content(String text);

    /// The answer has ended, in whatever way.
    void end();

    void note(String text);

    void error(String text);
}
