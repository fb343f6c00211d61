package dev.chasqui.cli;

import dev.chasqui.PromptProgress;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;

/// Keeps what a conversation shows.
final class RecordingView implements ChatView {

    final List<String> answers = new ArrayList<>();
    final List<String> notes = new ArrayList<>();
    final List<String> errors = new ArrayList<>();
    final List<PromptProgress> progress = new CopyOnWriteArrayList<>();
    final StringBuilder reasoning = new StringBuilder();
    Runnable atContent = () -> { };
    Runnable atProgress = () -> { };
    private final StringBuilder answer = new StringBuilder();

    @Override
    public void begin() {
        answer.setLength(0);
    }

    @Override
    public void reading(PromptProgress each) {
        progress.add(each);
        atProgress.run();
    }

    @Override
    public void reasoning(String text) {
        reasoning.append(text);
    }

    @Override
    public void content(String text) {
        answer.append(text);
        atContent.run();
    }

    @Override
    public void end() {
        answers.add(answer.toString());
    }

    @Override
    public void note(String text) {
        notes.add(text);
    }

    @Override
    public void error(String text) {
        errors.add(text);
    }
}
