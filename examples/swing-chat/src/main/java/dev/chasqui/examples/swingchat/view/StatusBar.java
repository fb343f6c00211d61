package dev.chasqui.examples.swingchat.view;

import dev.chasqui.PromptProgress;
import dev.chasqui.examples.swingchat.app.ChatController;
import dev.chasqui.examples.swingchat.app.RunningAnswer;
import dev.chasqui.examples.swingchat.conversation.AnswerFacts;
import java.awt.BorderLayout;
import java.awt.FlowLayout;
import java.util.ArrayList;
import java.util.List;
import javax.swing.BorderFactory;
import javax.swing.JLabel;
import javax.swing.JPanel;
import javax.swing.JProgressBar;

/// One line: what the model does, and what the last answer took.
final class StatusBar extends JPanel {

    private final transient ChatController controller;
    private final JLabel state = new JLabel();
    private final JProgressBar progress = new JProgressBar(0, 1000);
    private final JLabel facts = new JLabel();

    StatusBar(ChatController controller) {
        super(new BorderLayout());
        this.controller = controller;
        setBorder(BorderFactory.createEmptyBorder(3, 14, 4, 14));
        JPanel left = new JPanel(new FlowLayout(FlowLayout.LEFT, 8, 0));
        left.setOpaque(false);
        left.add(state);
        left.add(progress);
        add(left, BorderLayout.WEST);
        add(facts, BorderLayout.EAST);
        state.setName("state");
        progress.getAccessibleContext().setAccessibleName("Progress");
        facts.setName("facts");
        refresh();
    }

    void refresh() {
        double done = -1;
        switch (controller.activity()) {
            case NO_MODEL -> state.setText("No model is loaded");
            case LOADING -> {
                state.setText("Loading " + controller.loading().map(request -> request.name()).orElse("the model"));
                done = controller.loadFraction();
            }
            case READY -> state.setText("Ready");
            case ANSWERING -> {
                RunningAnswer answer = controller.running().orElseThrow();
                PromptProgress prefill = answer.prefill();
                if (answer.state().tokens() > 0) {
                    state.setText("Answering");
                } else if (prefill.total() > 0) {
                    state.setText("Reading the prompt: %,d of %,d tokens".formatted(prefill.computed(), prefill.total()));
                    done = (double) prefill.computed() / prefill.total();
                } else {
                    state.setText("Preparing");
                }
            }
        }
        progress.setVisible(done >= 0);
        progress.setValue((int) (done * 1000));
        facts.setToolTipText(controller.lastFacts().map(last -> "The first token came after %.2f seconds".formatted(last.secondsToFirst())).orElse(null));
        facts.setText(controller.running().map(StatusBar::live).orElseGet(() -> controller.lastFacts().map(StatusBar::describe).orElse("")));
    }

    private static String live(RunningAnswer answer) {
        RunningAnswer.State state = answer.state();
        return state.tokens() == 0 ? "" : "%,d tokens · %.1f tokens/s".formatted(state.tokens(), state.tokensPerSecond());
    }

    static String describe(AnswerFacts facts) {
        List<String> parts = new ArrayList<>();
        parts.add("%,d tokens".formatted(facts.tokens()));
        if (facts.tokensPerSecond() > 0) {
            parts.add("%.1f tokens/s".formatted(facts.tokensPerSecond()));
        }
        if (facts.tokensPerStep() > 0) {
            parts.add("%.2f tokens/step".formatted(facts.tokensPerStep()));
        }
        parts.add("%,d of %,d prompt tokens reused".formatted(facts.reusedTokens(), facts.promptTokens()));
        if (facts.dropped() > 0) {
            parts.add("%d earlier messages did not fit".formatted(facts.dropped()));
        }
        return String.join(" · ", parts);
    }
}
