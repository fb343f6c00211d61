package dev.chasqui.examples.swingchat.view;

import dev.chasqui.PromptProgress;
import dev.chasqui.examples.swingchat.app.RunningAnswer;
import javax.swing.BorderFactory;
import javax.swing.JLabel;
import javax.swing.JPanel;
import org.jspecify.annotations.Nullable;

/// The answer that is being written.
final class AnswerView extends JPanel {

    private final transient RunningAnswer answer;
    private final JLabel waiting = new JLabel("Reading the message …");
    private final MarkdownView text = new MarkdownView();
    private @Nullable ReasoningView reasoning;

    AnswerView(RunningAnswer answer) {
        super(new ColumnLayout(6));
        this.answer = answer;
        setOpaque(false);
        setBorder(BorderFactory.createEmptyBorder(4, 16, 4, 16));
        getAccessibleContext().setAccessibleName("Answer that is being written");
        waiting.setForeground(Colors.faint());
        add(waiting);
        add(text);
        refresh();
    }

    /// Shows what has come since the last time.
    void refresh() {
        RunningAnswer.State state = answer.state();
        PromptProgress prefill = answer.prefill();
        if (prefill.total() > 0) {
            waiting.setText("Reading: %,d of %,d tokens".formatted(prefill.computed(), prefill.total()));
        }
        waiting.setVisible(state.tokens() == 0);
        if (!state.reasoning().isEmpty()) {
            if (reasoning == null) {
                reasoning = new ReasoningView("", true);
                add(reasoning, 0);
            }
            reasoning.show(state.reasoning());
        }
        text.show(state.text());
    }
}
