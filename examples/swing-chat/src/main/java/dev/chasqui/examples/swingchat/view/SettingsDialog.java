package dev.chasqui.examples.swingchat.view;

import dev.chasqui.examples.swingchat.settings.AnswerSettings;
import dev.chasqui.examples.swingchat.settings.Range;
import dev.chasqui.examples.swingchat.settings.Settings;
import dev.chasqui.examples.swingchat.settings.ThemeChoice;
import java.awt.BorderLayout;
import java.awt.Dimension;
import java.awt.FlowLayout;
import java.awt.Frame;
import java.awt.GridBagConstraints;
import java.awt.GridBagLayout;
import java.awt.Insets;
import java.awt.event.KeyEvent;
import java.util.function.Consumer;
import javax.swing.BorderFactory;
import javax.swing.JButton;
import javax.swing.JComboBox;
import javax.swing.JComponent;
import javax.swing.JDialog;
import javax.swing.JLabel;
import javax.swing.JPanel;
import javax.swing.JScrollPane;
import javax.swing.JSpinner;
import javax.swing.JTabbedPane;
import javax.swing.JTextArea;
import javax.swing.KeyStroke;
import javax.swing.SpinnerNumberModel;

/// Where settings are changed. Fields take only values of their range.
final class SettingsDialog extends JDialog {

    private final transient Settings before;
    private final JComboBox<ThemeChoice> theme = new JComboBox<>(ThemeChoice.values());
    private final JTextArea system = new JTextArea(5, 40);
    private final JSpinner fontSize;
    private final JSpinner temperature;
    private final JSpinner topK;
    private final JSpinner topP;
    private final JSpinner minP;
    private final JSpinner repeatPenalty;
    private final JSpinner maxTokens;
    private final JSpinner seed;
    private final JSpinner contextSize;
    private final JSpinner threads;

    /// @param onSave gets what was chosen
    SettingsDialog(Frame owner, Settings settings, Consumer<Settings> onSave) {
        super(owner, "Settings");
        this.before = settings;
        AnswerSettings answers = settings.answers();
        theme.setSelectedItem(settings.theme());
        system.setText(settings.system());
        system.setLineWrap(true);
        system.setWrapStyleWord(true);
        fontSize = whole(settings.fontSize(), Settings.FONT_SIZE);
        temperature = decimal(answers.temperature(), AnswerSettings.TEMPERATURE);
        topK = whole(answers.topK(), AnswerSettings.TOP_K);
        topP = decimal(answers.topP(), AnswerSettings.TOP_P);
        minP = decimal(answers.minP(), AnswerSettings.MIN_P);
        repeatPenalty = decimal(answers.repeatPenalty(), AnswerSettings.REPEAT_PENALTY);
        maxTokens = whole(answers.maxTokens(), AnswerSettings.MAX_TOKENS);
        seed = whole(answers.seed(), AnswerSettings.SEED);
        contextSize = whole(settings.contextSize(), Settings.CONTEXT_SIZE);
        threads = whole(settings.threads(), Settings.THREADS);

        Form look = new Form();
        look.row("Colours", theme, "");
        look.row("Size of text", fontSize, "points");
        Form answer = new Form();
        answer.row("Temperature", temperature, "0 is always the most probable word, higher is more varied");
        answer.row("Top-k", topK, "most candidates for a token; 0 is all");
        answer.row("Top-p", topP, "share of the probability that the candidates have");
        answer.row("Min-p", minP, "least probability, as a share of the best one's");
        answer.row("Repeat penalty", repeatPenalty, "1 is none; more makes repetitions rarer");
        answer.row("Longest answer", maxTokens, "tokens");
        answer.row("Seed", seed, "-1 is another one each time");
        Form memory = new Form();
        memory.row("Memory of a conversation", contextSize, "tokens; more needs more of the computer's memory");
        memory.row("Threads", threads, "0 is one for each core");

        JPanel prompt = new JPanel(new BorderLayout(0, 8));
        prompt.setBorder(BorderFactory.createEmptyBorder(16, 16, 16, 16));
        JLabel label = new JLabel("What the model is told first, in this conversation and in new ones:");
        label.setLabelFor(system);
        prompt.add(label, BorderLayout.NORTH);
        prompt.add(new JScrollPane(system), BorderLayout.CENTER);
        system.getAccessibleContext().setAccessibleName("System prompt");

        JTabbedPane tabs = new JTabbedPane();
        tabs.add("System prompt", prompt);
        tabs.add("Answers", answer.panel());
        tabs.add("Memory", memory.panel());
        tabs.add("Look", look.panel());
        JButton save = Buttons.text("Save", () -> {
            onSave.accept(chosen());
            dispose();
        });
        JPanel foot = new JPanel(new FlowLayout(FlowLayout.RIGHT, 8, 10));
        foot.add(Buttons.text("Defaults", this::reset));
        foot.add(Buttons.text("Cancel", this::dispose));
        foot.add(save);
        add(tabs, BorderLayout.CENTER);
        add(foot, BorderLayout.SOUTH);
        getRootPane().setDefaultButton(save);
        getRootPane().registerKeyboardAction(_ -> dispose(), KeyStroke.getKeyStroke(KeyEvent.VK_ESCAPE, 0), JComponent.WHEN_IN_FOCUSED_WINDOW);
        setDefaultCloseOperation(DISPOSE_ON_CLOSE);
        setSize(700, 440);
        setLocationRelativeTo(owner);
    }

    private Settings chosen() {
        AnswerSettings answers = new AnswerSettings(number(temperature), (int) number(topK), number(topP), number(minP), number(repeatPenalty),
                (int) number(maxTokens), (int) number(seed));
        return new Settings((ThemeChoice) theme.getSelectedItem(), (int) number(fontSize), system.getText().strip(), answers, (int) number(contextSize),
                (int) number(threads), before.keep(), before.model(), before.projectors());
    }

    private void reset() {
        Settings defaults = Settings.defaults();
        AnswerSettings answers = defaults.answers();
        theme.setSelectedItem(defaults.theme());
        system.setText(defaults.system());
        fontSize.setValue(defaults.fontSize());
        temperature.setValue(answers.temperature());
        topK.setValue(answers.topK());
        topP.setValue(answers.topP());
        minP.setValue(answers.minP());
        repeatPenalty.setValue(answers.repeatPenalty());
        maxTokens.setValue(answers.maxTokens());
        seed.setValue(answers.seed());
        contextSize.setValue(defaults.contextSize());
        threads.setValue(defaults.threads());
    }

    private static double number(JSpinner spinner) {
        return ((Number) spinner.getValue()).doubleValue();
    }

    private static JSpinner whole(int value, Range range) {
        return new JSpinner(new SpinnerNumberModel(value, (int) range.low(), (int) range.high(), (int) range.step()));
    }

    private static JSpinner decimal(double value, Range range) {
        JSpinner spinner = new JSpinner(new SpinnerNumberModel(value, range.low(), range.high(), range.step()));
        spinner.setEditor(new JSpinner.NumberEditor(spinner, "0.00"));
        return spinner;
    }

    /// Rows of a label, a field and what it means.
    private static final class Form {

        private static final int FIELD_WIDTH = 130;

        private final JPanel panel = new JPanel(new GridBagLayout());
        private int row;

        void row(String name, JComponent field, String meaning) {
            JLabel label = new JLabel(name);
            label.setLabelFor(field);
            field.getAccessibleContext().setAccessibleName(name);
            JLabel hint = new JLabel(meaning);
            hint.setForeground(Colors.faint());
            field.setPreferredSize(new Dimension(FIELD_WIDTH, field.getPreferredSize().height));
            panel.add(label, at(0, 0));
            panel.add(field, at(1, 0));
            panel.add(hint, at(2, 1));
            row++;
        }

        JPanel panel() {
            JPanel top = new JPanel(new BorderLayout());
            top.setBorder(BorderFactory.createEmptyBorder(12, 12, 12, 12));
            top.add(panel, BorderLayout.NORTH);
            return top;
        }

        private GridBagConstraints at(int column, double weight) {
            return new GridBagConstraints(column, row, 1, 1, weight, 0, GridBagConstraints.WEST, GridBagConstraints.HORIZONTAL, new Insets(5, 5, 5, 8), 0, 0);
        }
    }
}
