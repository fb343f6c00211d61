package dev.chasqui.examples.swingchat.view;

import dev.chasqui.examples.swingchat.engine.Problem;
import java.awt.BorderLayout;
import java.awt.FlowLayout;
import javax.swing.BorderFactory;
import javax.swing.JButton;
import javax.swing.JLabel;
import javax.swing.JPanel;

/// Says what went wrong and what to do about it, above the place for messages, until it is put away.
final class ProblemBanner extends JPanel {

    private final JLabel title = new JLabel();
    private final ReadOnlyText advice = new ReadOnlyText("", "What to do");
    private final ReadOnlyText detail = new ReadOnlyText("", "Details of the problem");

    ProblemBanner() {
        super(new ColumnLayout(4));
        title.putClientProperty("FlatLaf.styleClass", "h4");
        title.setName("problem");
        JPanel head = new JPanel(new BorderLayout());
        head.setOpaque(false);
        head.add(title, BorderLayout.WEST);
        JPanel buttons = new JPanel(new FlowLayout(FlowLayout.RIGHT, 2, 0));
        buttons.setOpaque(false);
        JButton more = Buttons.text("Details", () -> {
            detail.setVisible(!detail.isVisible());
            revalidate();
        });
        more.putClientProperty("JButton.buttonType", "toolBarButton");
        buttons.add(more);
        buttons.add(Buttons.icon(Glyph.CLOSE, "Put this away", () -> setVisible(false)));
        head.add(buttons, BorderLayout.EAST);
        add(head);
        add(advice);
        add(detail);
        setVisible(false);
    }

    void show(Problem problem) {
        title.setText(problem.title());
        advice.setText(problem.advice());
        detail.setText(problem.detail());
        detail.setVisible(false);
        setVisible(true);
        revalidate();
    }

    @Override
    public void updateUI() {
        super.updateUI();
        setBackground(Colors.warning());
        setBorder(BorderFactory.createEmptyBorder(8, 16, 10, 10));
    }
}
