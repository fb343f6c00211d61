package dev.chasqui.examples.swingchat.engine;

import dev.chasqui.ChatAnswer;
import dev.chasqui.PromptProgress;
import org.jspecify.annotations.Nullable;

/// Something that the model thread was asked to do. Safe from any thread.
public final class Job {

    private volatile boolean cancelled;
    private volatile @Nullable ChatAnswer answer;

    Job() {}

    /// Ends it soon: the loading of a model, the computation of a prompt, an answer.
    public void cancel() {
        cancelled = true;
        ChatAnswer running = answer;
        if (running != null) {
            running.cancel();
        }
    }

    public boolean isCancelled() {
        return cancelled;
    }

    /// How far its prompt has come.
    public PromptProgress prefill() {
        ChatAnswer running = answer;
        return running == null ? new PromptProgress(0, 0) : running.sequence().context().promptProgress();
    }

    /// Says what [#cancel()] has to end.
    void runs(@Nullable ChatAnswer value) {
        answer = value;
        if (value != null && cancelled) {
            value.cancel();
        }
    }
}
