package dev.chasqui.examples.swingchat.app;

import dev.chasqui.PromptProgress;
import dev.chasqui.examples.swingchat.engine.AnswerListener;
import dev.chasqui.examples.swingchat.engine.Job;
import dev.chasqui.examples.swingchat.engine.SeenPicture;
import dev.chasqui.examples.swingchat.conversation.AnswerFacts;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/// An answer while it is written: the model thread adds to it, the user interface takes out what has come since it last looked.
public final class RunningAnswer implements AnswerListener {

    /// What has come by now.
    ///
    /// @param text            what is said
    /// @param reasoning       what is thought before
    /// @param tokens          of both
    /// @param tokensPerSecond since the first token; 0 while that is not known
    public record State(String text, String reasoning, int tokens, double tokensPerSecond) { }

    private final String conversation;
    private final String question;
    private final Consumer<SeenPicture> onPicture;
    private final BiConsumer<@Nullable AnswerFacts, @Nullable Throwable> onEnd;
    private volatile @Nullable Job job;

    // ---- guarded by `this` ----
    private final StringBuilder text = new StringBuilder();
    private final StringBuilder reasoning = new StringBuilder();
    private int tokens;
    private int firstTokens;
    private long firstAt;
    private long lastAt;
    private boolean grown;

    /// @param conversation that is answered
    /// @param question     the message that is answered
    /// @param onPicture    called on the model thread
    /// @param onEnd        called on the model thread
    RunningAnswer(String conversation, String question, Consumer<SeenPicture> onPicture, BiConsumer<@Nullable AnswerFacts, @Nullable Throwable> onEnd) {
        this.conversation = conversation;
        this.question = question;
        this.onPicture = onPicture;
        this.onEnd = onEnd;
    }

    public String conversation() {
        return conversation;
    }

    public String question() {
        return question;
    }

    public synchronized State state() {
        double seconds = (lastAt - firstAt) / 1e9;
        return new State(text.toString(), reasoning.toString(), tokens, seconds <= 0 ? 0 : (tokens - firstTokens) / seconds);
    }

    public PromptProgress prefill() {
        Job running = job;
        return running == null ? new PromptProgress(0, 0) : running.prefill();
    }

    void runs(Job value) {
        job = value;
    }

    void stop() {
        Job running = job;
        if (running != null) {
            running.cancel();
        }
    }

    /// Whether anything has come since the last call.
    synchronized boolean takeGrown() {
        boolean result = grown;
        grown = false;
        return result;
    }

    @Override
    public void picture(SeenPicture picture) {
        onPicture.accept(picture);
    }

    @Override
    public synchronized void said(String piece, int tokensSoFar) {
        text.append(piece);
        grew(tokensSoFar);
    }

    @Override
    public synchronized void thought(String piece, int tokensSoFar) {
        reasoning.append(piece);
        grew(tokensSoFar);
    }

    private void grew(int tokensSoFar) {
        lastAt = System.nanoTime();
        if (tokens == 0) {
            firstAt = lastAt;
            firstTokens = tokensSoFar;
        }
        tokens = tokensSoFar;
        grown = true;
    }

    @Override
    public void finished(AnswerFacts facts) {
        onEnd.accept(facts, null);
    }

    @Override
    public void failed(Throwable reason) {
        onEnd.accept(null, reason);
    }
}
