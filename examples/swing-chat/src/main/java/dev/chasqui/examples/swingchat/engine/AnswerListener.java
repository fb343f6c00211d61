package dev.chasqui.examples.swingchat.engine;

import dev.chasqui.examples.swingchat.conversation.AnswerFacts;

/// Hears of an answer, on the model thread. Either [#finished] or [#failed] is called last.
public interface AnswerListener {

    /// A picture was given to the model.
    void picture(SeenPicture picture);

    /// More of what the model says.
    ///
    /// @param tokens of the answer so far
    void said(String piece, int tokens);

    /// More of what the model thinks before it speaks.
    void thought(String piece, int tokens);

    void finished(AnswerFacts facts);

    void failed(Throwable reason);
}
