package dev.chasqui.examples.swingchat.view;

import dev.chasqui.examples.swingchat.app.ChatController;
import dev.chasqui.examples.swingchat.app.Downloads;
import dev.chasqui.examples.swingchat.app.ModelEntry;
import dev.chasqui.examples.swingchat.engine.Problem;
import java.awt.BorderLayout;
import java.awt.FlowLayout;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import javax.swing.BorderFactory;
import javax.swing.JButton;
import javax.swing.JLabel;
import javax.swing.JOptionPane;
import javax.swing.JPanel;
import javax.swing.JProgressBar;
import javax.swing.SwingUtilities;

/// A model in the list: what it is, what it takes, and the button that downloads or loads it.
final class ModelRow extends JPanel {

    private final transient ModelEntry entry;
    private final transient ChatController controller;
    private final transient Runnable changed;
    private final JLabel facts = new JLabel();
    private final JProgressBar progress = new JProgressBar(0, 1000);
    private final JButton action = new JButton();

    /// @param free    bytes of memory
    /// @param loaded  whether it is in use
    /// @param changed called on the event thread after a download
    /// @param onLoad  called when it is chosen
    ModelRow(ModelEntry entry, ChatController controller, long free, boolean loaded, Runnable changed, Runnable onLoad) {
        super(new BorderLayout(12, 2));
        this.entry = entry;
        this.controller = controller;
        this.changed = changed;
        setOpaque(false);
        setBorder(BorderFactory.createCompoundBorder(BorderFactory.createMatteBorder(0, 0, 1, 0, Colors.line()), BorderFactory.createEmptyBorder(10, 4, 10, 4)));
        JLabel title = new JLabel(Path.of(entry.name()).getFileName().toString());
        title.putClientProperty("FlatLaf.styleClass", "h4");
        JPanel words = new JPanel(new ColumnLayout(3));
        words.setOpaque(false);
        words.add(title);
        words.add(new JLabel(entry.description()));
        facts.setForeground(Colors.faint());
        facts.setText(facts(free));
        words.add(facts);
        progress.setVisible(false);
        progress.getAccessibleContext().setAccessibleName("Download of " + entry.name());
        words.add(progress);
        add(words, BorderLayout.CENTER);
        JPanel side = new JPanel(new FlowLayout(FlowLayout.RIGHT, 0, 6));
        side.setOpaque(false);
        side.add(action);
        add(side, BorderLayout.EAST);
        if (loaded) {
            action("In use", () -> { });
            action.setEnabled(false);
        } else if (entry.downloaded()) {
            action("Load", onLoad);
            action.setEnabled(entry.note() == null);
        } else if (controller.downloads().isRunning(entry.name())) {
            download();
        } else {
            action("Download", this::confirm);
        }
    }

    private String facts(long free) {
        List<String> parts = new ArrayList<>();
        if (entry.fileBytes() > 0) {
            parts.add(Bytes.text(entry.fileBytes()));
        }
        if (entry.memoryBytes() > 0) {
            parts.add("needs " + Bytes.text(entry.memoryBytes()) + " of memory" + (entry.memoryBytes() > free ? ", " + Bytes.text(free) + " are free" : ""));
        }
        if (!entry.licence().isEmpty()) {
            parts.add(entry.licence());
        }
        if (entry.note() != null) {
            parts.add(entry.note());
        }
        return String.join(" · ", parts);
    }

    private void action(String text, Runnable run) {
        action.setText(text);
        action.getAccessibleContext().setAccessibleName(text + " " + entry.name());
        for (var listener : action.getActionListeners()) {
            action.removeActionListener(listener);
        }
        action.addActionListener(_ -> run.run());
    }

    private void confirm() {
        if (entry.terms().isPresent()) {
            Object[] choices = {"Agree and download", "Cancel"};
            String text = "<html><div style='width:360px'>" + entry.terms().get().replace("<", "&lt;") + "</div></html>";
            int choice = JOptionPane.showOptionDialog(this, text, "Terms of " + entry.name(), JOptionPane.DEFAULT_OPTION, JOptionPane.PLAIN_MESSAGE,
                    null, choices, choices[1]);
            if (choice != 0) {
                return;
            }
        }
        download();
    }

    private void download() {
        progress.setVisible(true);
        progress.setIndeterminate(true);
        facts.setText("Connecting …");
        action("Cancel", () -> controller.downloads().cancel(entry.name()));
        controller.downloads().start(entry.name(), new Downloads.Listener() {
            @Override
            public void progress(long done, long total, String source) {
                SwingUtilities.invokeLater(() -> {
                    progress.setIndeterminate(done == 0);
                    progress.setValue((int) (1000 * done / Math.max(1, total)));
                    facts.setText("%s of %s".formatted(Bytes.text(done), Bytes.text(total)));
                    facts.setToolTipText(source);
                });
            }

            @Override
            public void finished(Path file) {
                SwingUtilities.invokeLater(changed);
            }

            @Override
            public void cancelled() {
                ended("Stopped. What has arrived is kept.", "Go on");
            }

            @Override
            public void failed(Throwable reason) {
                Problem problem = Problem.of(reason);
                ended(problem.title() + ". " + problem.advice(), "Try again");
                SwingUtilities.invokeLater(() -> facts.setToolTipText(problem.detail()));
            }
        });
    }

    private void ended(String text, String again) {
        SwingUtilities.invokeLater(() -> {
            progress.setVisible(false);
            facts.setText(text);
            action(again, this::confirm);
        });
    }
}
