package dev.chasqui.examples.swingchat.view;

import dev.chasqui.examples.swingchat.app.ChatController;
import dev.chasqui.examples.swingchat.app.RunningAnswer;
import dev.chasqui.examples.swingchat.conversation.Message;
import java.awt.Dimension;
import java.awt.Rectangle;
import java.awt.event.ComponentAdapter;
import java.awt.event.ComponentEvent;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import javax.swing.BorderFactory;
import javax.swing.JButton;
import javax.swing.JPanel;
import javax.swing.JScrollBar;
import javax.swing.JScrollPane;
import javax.swing.Scrollable;
import javax.swing.Timer;
import org.jspecify.annotations.Nullable;

/// The messages of a conversation, and the answer that is being written. It follows the answer as long as its end is in sight.
final class Transcript extends JScrollPane {

    /// Pixels of a message that are easy to read.
    static final int READING_WIDTH = 820;
    private static final int NEAR_END = 60;
    /// Messages that are shown at once; others come one after the other, so that nobody waits for them.
    private static final int AT_ONCE = 4;
    private static final int SHOWN = 30;
    private static final int GROWTH_MILLIS = 10;

    /// What a view was made of.
    private record Entry(Message message, int versions, boolean unanswered) { }

    private final transient ChatController controller;
    private final Column column = new Column();
    private final transient List<Entry> entries = new ArrayList<>();
    private String conversation = "";
    /// Whether the end is kept in sight: until somebody scrolls away from it.
    private boolean following = true;
    private int knownMaximum;
    private int knownVisible;
    /// Index of the first message that is shown.
    private int first;
    /// How many messages shall be shown.
    private int goal;
    private final Timer growth = new Timer(GROWTH_MILLIS, _ -> grow());
    private final JButton earlier = Buttons.text("Show earlier messages", this::showEarlier);
    private @Nullable AnswerView answer;
    private transient @Nullable RunningAnswer running;

    Transcript(ChatController controller) {
        this.controller = controller;
        setViewportView(column);
        setBorder(BorderFactory.createEmptyBorder());
        setHorizontalScrollBarPolicy(HORIZONTAL_SCROLLBAR_NEVER);
        getVerticalScrollBar().setUnitIncrement(24);
        getAccessibleContext().setAccessibleName("Conversation");
        getViewport().addComponentListener(new ComponentAdapter() {
            @Override
            public void componentResized(ComponentEvent event) {
                column.revalidate();
            }
        });
        getVerticalScrollBar().addAdjustmentListener(_ -> moved());
        refresh();
    }

    /// Shows the messages as they are now. Views of messages that are the same stay.
    void refresh() {
        boolean other = !conversation.equals(controller.shown().id());
        if (other) {
            following = true;
            conversation = controller.shown().id();
            first = Math.max(0, controller.shown().path().size() - AT_ONCE);
            goal = SHOWN;
            clear();
            growth.restart();
        }
        removeAnswer();
        List<Message> path = controller.shown().path();
        first = Math.min(first, Math.max(0, path.size() - 1));
        List<Message> visible = path.subList(first, path.size());
        List<Entry> wanted = new ArrayList<>();
        for (Message message : visible) {
            wanted.add(entry(message, path));
        }
        int same = 0;
        while (same < wanted.size() && same < entries.size() && wanted.get(same).equals(entries.get(same))) {
            same++;
        }
        while (entries.size() > same) {
            entries.removeLast();
            column.remove(column.getComponentCount() - 1);
        }
        for (Entry entry : wanted.subList(same, wanted.size())) {
            entries.add(entry);
            column.add(view(entry));
        }
        Optional<RunningAnswer> now = controller.runningHere();
        following |= now.isPresent() && now.get() != running; // somebody has just sent a message
        running = now.orElse(null);
        answer = now.map(AnswerView::new).orElse(null);
        if (answer != null) {
            column.add(answer);
        }
        settle();
    }

    /// Shows what the answer has that is new.
    void answerGrew() {
        if (answer == null || controller.runningHere().orElse(null) != running) {
            return;
        }
        answer.refresh();
        settle();
    }

    /// Makes every view anew, e.g. in other colours.
    void rebuild() {
        conversation = "";
        refresh();
    }

    private Entry entry(Message message, List<Message> path) {
        return new Entry(message, controller.shown().versions(message).size(), message == path.getLast() && controller.runningHere().isEmpty());
    }

    private MessageView view(Entry entry) {
        return new MessageView(entry.message(), controller, entry.unanswered());
    }

    /// Adds the message before the first one that is shown, and keeps in place what is seen.
    private void grow() {
        column.remove(earlier);
        if (first == 0 || entries.size() >= goal) {
            growth.stop();
            if (first > 0) {
                column.add(earlier, 0);
            }
            settle();
            return;
        }
        int before = column.getPreferredSize().height;
        List<Message> path = controller.shown().path();
        Entry entry = entry(path.get(--first), path);
        entries.addFirst(entry);
        column.add(view(entry), 0);
        settle();
        if (!following) {
            validate();
            getVerticalScrollBar().setValue(getVerticalScrollBar().getValue() + column.getPreferredSize().height - before);
        }
    }

    private void showEarlier() {
        goal += SHOWN;
        growth.restart();
    }

    private void clear() {
        removeAnswer();
        entries.clear();
        column.removeAll();
    }

    private void removeAnswer() {
        if (answer != null) {
            column.remove(answer);
            answer = null;
        }
    }

    private void settle() {
        column.revalidate();
        column.repaint();
        if (following) {
            validate();
            toEnd();
        }
    }

    /// The bar has moved: because there is more to see, or because somebody moved it.
    private void moved() {
        JScrollBar bar = getVerticalScrollBar();
        if (bar.getMaximum() == knownMaximum && bar.getVisibleAmount() == knownVisible) {
            following = bar.getValue() + bar.getVisibleAmount() >= bar.getMaximum() - NEAR_END;
            return;
        }
        knownMaximum = bar.getMaximum();
        knownVisible = bar.getVisibleAmount();
        if (following) {
            toEnd();
        }
    }

    private void toEnd() {
        getVerticalScrollBar().setValue(getVerticalScrollBar().getMaximum());
    }

    private static final class Column extends JPanel implements Scrollable {

        Column() {
            super(new ColumnLayout(14, READING_WIDTH));
            setBorder(BorderFactory.createEmptyBorder(20, 24, 24, 24));
        }

        @Override
        public void updateUI() {
            super.updateUI();
            setBackground(Colors.background());
        }

        @Override
        public Dimension getPreferredSize() {
            int width = getParent() == null || getParent().getWidth() == 0 ? READING_WIDTH : getParent().getWidth();
            return new Dimension(width, ColumnLayout.heightFor(this, width));
        }

        @Override
        public Dimension getPreferredScrollableViewportSize() {
            return getPreferredSize();
        }

        @Override
        public int getScrollableUnitIncrement(Rectangle visible, int orientation, int direction) {
            return 24;
        }

        @Override
        public int getScrollableBlockIncrement(Rectangle visible, int orientation, int direction) {
            return Math.max(24, visible.height - 48);
        }

        @Override
        public boolean getScrollableTracksViewportWidth() {
            return true;
        }

        @Override
        public boolean getScrollableTracksViewportHeight() {
            return getParent().getHeight() > getPreferredSize().height;
        }
    }
}
