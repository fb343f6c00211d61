package dev.chasqui.examples.swingchat.view;

import dev.chasqui.examples.swingchat.app.Activity;
import dev.chasqui.examples.swingchat.app.ChatController;
import dev.chasqui.examples.swingchat.app.ChatListener;
import dev.chasqui.examples.swingchat.engine.Problem;
import dev.chasqui.examples.swingchat.settings.Settings;
import java.awt.BorderLayout;
import java.awt.CardLayout;
import java.awt.Dimension;
import java.awt.FlowLayout;
import java.awt.Toolkit;
import java.awt.event.KeyEvent;
import java.awt.event.WindowAdapter;
import java.awt.event.WindowEvent;
import javax.swing.BorderFactory;
import javax.swing.JButton;
import javax.swing.JComponent;
import javax.swing.JFrame;
import javax.swing.JPanel;
import javax.swing.JSplitPane;
import javax.swing.KeyStroke;
import javax.swing.SwingConstants;

/// The window: conversations on the left, the one that is shown on the right, and what can be chosen above.
public final class ChatWindow extends JFrame implements ChatListener {

    private static final String EMPTY = "empty";
    private static final String MESSAGES = "messages";

    private final transient ChatController controller;
    private final transient Theme theme;
    private final transient Runnable onEnd;
    private final Sidebar sidebar;
    private final Transcript transcript;
    private final EmptyState empty;
    private final Composer composer;
    private final StatusBar status;
    private final ProblemBanner problem = new ProblemBanner();
    private final JButton model;
    private final CardLayout cards = new CardLayout();
    private final JPanel middle = new JPanel(cards);
    private Settings styled;

    /// Opens the window, on the event thread.
    ///
    /// @param onEnd runs when it was closed and everything is at its end, on another thread
    public static ChatWindow open(ChatController controller, boolean systemIsDark, Runnable onEnd) {
        Theme theme = new Theme(systemIsDark);
        theme.apply(controller.settings(), () -> { });
        ChatWindow window = new ChatWindow(controller, theme, onEnd);
        controller.listen(window);
        window.setVisible(true);
        window.composer.focus();
        return window;
    }

    /// Whether windows of the system are dark. It starts a program: not on the event thread.
    public static boolean systemIsDark() {
        return SystemAppearance.isDark();
    }

    private ChatWindow(ChatController controller, Theme theme, Runnable onEnd) {
        super("Chasqui Chat");
        this.controller = controller;
        this.theme = theme;
        this.onEnd = onEnd;
        this.styled = controller.settings();
        this.sidebar = new Sidebar(controller);
        this.transcript = new Transcript(controller);
        this.empty = new EmptyState(controller, this::chooseModel);
        this.composer = new Composer(controller, this::chooseModel);
        this.status = new StatusBar(controller);
        this.model = Buttons.text("", this::chooseModel);
        model.setIcon(Glyph.DOWN);
        model.setHorizontalTextPosition(SwingConstants.LEADING);
        model.putClientProperty("JButton.buttonType", "toolBarButton");
        middle.add(empty, EMPTY);
        middle.add(transcript, MESSAGES);
        JPanel below = new JPanel(new BorderLayout());
        below.add(problem, BorderLayout.NORTH);
        JPanel writing = new JPanel(new ColumnLayout(0, Transcript.READING_WIDTH + 48));
        writing.add(composer);
        below.add(writing, BorderLayout.CENTER);
        below.add(status, BorderLayout.SOUTH);
        JPanel right = new JPanel(new BorderLayout());
        right.add(bar(), BorderLayout.NORTH);
        right.add(middle, BorderLayout.CENTER);
        right.add(below, BorderLayout.SOUTH);
        JSplitPane split = new JSplitPane(JSplitPane.HORIZONTAL_SPLIT, sidebar, right);
        split.setDividerLocation(250);
        split.setBorder(BorderFactory.createEmptyBorder());
        sidebar.setMinimumSize(new Dimension(160, 0));
        add(split);
        keys();
        setDefaultCloseOperation(DO_NOTHING_ON_CLOSE);
        addWindowListener(new WindowAdapter() {
            @Override
            public void windowClosing(WindowEvent event) {
                end();
            }

            @Override
            public void windowActivated(WindowEvent event) {
                if (Theme.follows(controller.settings())) {
                    theme.apply(controller.settings(), ChatWindow.this::restyle);
                }
            }
        });
        setMinimumSize(new Dimension(640, 420));
        setSize(1080, 760);
        setLocationByPlatform(true);
        stateChanged();
        messagesChanged();
    }

    @Override
    public void conversationsChanged() {
        sidebar.refresh();
    }

    @Override
    public void messagesChanged() {
        transcript.refresh();
        cards.show(middle, controller.shown().messages().isEmpty() ? EMPTY : MESSAGES);
    }

    @Override
    public void answerGrew() {
        transcript.answerGrew();
        status.refresh();
    }

    @Override
    public void stateChanged() {
        model.setText(controller.model().map(loaded -> loaded.request().name())
                .orElseGet(() -> controller.loading().map(request -> "Loading " + request.name() + " …").orElse("Choose a model")));
        model.getAccessibleContext().setAccessibleName("Model: " + model.getText());
        model.setToolTipText(controller.model().map(loaded -> "%s, trained for %,d tokens".formatted(loaded.description(), loaded.trainedContext())).orElse("Choose a model"));
        composer.refresh();
        status.refresh();
        empty.refresh();
        transcript.answerGrew();
        if (styled.theme() != controller.settings().theme() || styled.fontSize() != controller.settings().fontSize()) {
            theme.apply(controller.settings(), this::restyle);
        }
        styled = controller.settings();
    }

    @Override
    public void problem(Problem happened) {
        problem.show(happened);
    }

    /// Ends the program: the window goes at once, the rest when it has ended.
    void end() {
        setVisible(false);
        controller.close(() -> {
            dispose();
            onEnd.run();
        });
    }

    private JPanel bar() {
        JPanel left = new JPanel(new FlowLayout(FlowLayout.LEFT, 4, 0));
        left.setOpaque(false);
        left.add(model);
        JPanel right = new JPanel(new FlowLayout(FlowLayout.RIGHT, 4, 0));
        right.setOpaque(false);
        right.add(Buttons.icon(Glyph.SETTINGS, "Settings", this::settings));
        JPanel bar = new JPanel(new BorderLayout());
        bar.setBorder(BorderFactory.createEmptyBorder(6, 8, 6, 8));
        bar.add(left, BorderLayout.WEST);
        bar.add(right, BorderLayout.EAST);
        return bar;
    }

    private void keys() {
        int menu = Toolkit.getDefaultToolkit().getMenuShortcutKeyMaskEx();
        key(KeyStroke.getKeyStroke(KeyEvent.VK_N, menu), controller::newConversation);
        key(KeyStroke.getKeyStroke(KeyEvent.VK_F, menu), sidebar::focusSearch);
        key(KeyStroke.getKeyStroke(KeyEvent.VK_O, menu), this::chooseModel);
        key(KeyStroke.getKeyStroke(KeyEvent.VK_COMMA, menu), this::settings);
        key(KeyStroke.getKeyStroke(KeyEvent.VK_L, menu), composer::focus);
        key(KeyStroke.getKeyStroke(KeyEvent.VK_R, menu), this::again);
        key(KeyStroke.getKeyStroke(KeyEvent.VK_Q, menu), this::end);
        key(KeyStroke.getKeyStroke(KeyEvent.VK_ESCAPE, 0), controller::stop);
    }

    private void key(KeyStroke stroke, Runnable action) {
        getRootPane().registerKeyboardAction(_ -> action.run(), stroke, JComponent.WHEN_IN_FOCUSED_WINDOW);
    }

    private void again() {
        if (controller.activity() == Activity.READY && !controller.shown().messages().isEmpty()) {
            controller.regenerate(controller.shown().path().getLast());
        }
    }

    private void chooseModel() {
        new ModelDialog(this, controller).setVisible(true);
    }

    private void settings() {
        new SettingsDialog(this, controller.settings(), controller::settings).setVisible(true);
    }

    private void restyle() {
        transcript.rebuild();
        sidebar.refresh();
    }
}
