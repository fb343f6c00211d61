package dev.chasqui.examples.swingchat.view;

import dev.chasqui.examples.swingchat.app.ChatController;
import dev.chasqui.examples.swingchat.conversation.Conversation;
import java.awt.BorderLayout;
import java.awt.Component;
import java.awt.event.ActionEvent;
import java.awt.event.KeyEvent;
import java.awt.event.MouseAdapter;
import java.awt.event.MouseEvent;
import java.util.List;
import java.util.Optional;
import javax.swing.AbstractAction;
import javax.swing.BorderFactory;
import javax.swing.DefaultListCellRenderer;
import javax.swing.DefaultListModel;
import javax.swing.JButton;
import javax.swing.JLabel;
import javax.swing.JList;
import javax.swing.JMenuItem;
import javax.swing.JOptionPane;
import javax.swing.JPanel;
import javax.swing.JPopupMenu;
import javax.swing.JScrollPane;
import javax.swing.JTextField;
import javax.swing.KeyStroke;
import javax.swing.ListSelectionModel;
import javax.swing.event.DocumentEvent;
import javax.swing.event.DocumentListener;

/// The conversations: search, open, rename, delete.
final class Sidebar extends JPanel {

    private final transient ChatController controller;
    private final JTextField search = new JTextField();
    private final DefaultListModel<Conversation> model = new DefaultListModel<>();
    private final JList<Conversation> list = new JList<>(model) {
        @Override
        public boolean getScrollableTracksViewportWidth() {
            return true; // long titles end in dots
        }
    };
    private boolean refreshing;

    Sidebar(ChatController controller) {
        super(new BorderLayout(0, 8));
        this.controller = controller;
        setBorder(BorderFactory.createEmptyBorder(10, 10, 10, 6));
        JButton fresh = Buttons.text("New chat", controller::newConversation);
        fresh.setIcon(Glyph.PLUS);
        search.putClientProperty("JTextField.placeholderText", "Search");
        search.putClientProperty("JTextField.showClearButton", true);
        search.getAccessibleContext().setAccessibleName("Search conversations");
        search.getDocument().addDocumentListener(new DocumentListener() {
            @Override
            public void insertUpdate(DocumentEvent event) {
                refresh();
            }

            @Override
            public void removeUpdate(DocumentEvent event) {
                refresh();
            }

            @Override
            public void changedUpdate(DocumentEvent event) {
                refresh();
            }
        });
        list.setSelectionMode(ListSelectionModel.SINGLE_SELECTION);
        list.getAccessibleContext().setAccessibleName("Conversations");
        list.setCellRenderer(new Renderer());
        list.setFixedCellHeight(30);
        list.setBackground(Colors.side());
        list.addListSelectionListener(event -> {
            if (!event.getValueIsAdjusting() && !refreshing) {
                selected().ifPresent(conversation -> controller.open(conversation.id()));
            }
        });
        list.addMouseListener(new MouseAdapter() {
            @Override
            public void mousePressed(MouseEvent event) {
                menu(event);
            }

            @Override
            public void mouseReleased(MouseEvent event) {
                menu(event);
            }
        });
        key(KeyEvent.VK_F2, this::rename);
        key(KeyEvent.VK_DELETE, this::delete);
        JPanel head = new JPanel(new BorderLayout(0, 8));
        head.setOpaque(false);
        head.add(fresh, BorderLayout.NORTH);
        head.add(search, BorderLayout.SOUTH);
        JScrollPane scroll = new JScrollPane(list);
        scroll.setBorder(BorderFactory.createEmptyBorder());
        scroll.setHorizontalScrollBarPolicy(JScrollPane.HORIZONTAL_SCROLLBAR_NEVER);
        add(head, BorderLayout.NORTH);
        add(scroll, BorderLayout.CENTER);
        refresh();
    }

    void refresh() {
        String query = search.getText();
        if (query.isBlank()) {
            show(controller.conversations());
        } else {
            controller.search(query, found -> {
                if (query.equals(search.getText())) {
                    show(found);
                }
            });
        }
    }

    private void show(List<Conversation> wanted) {
        refreshing = true;
        try {
            model.clear();
            model.addAll(wanted);
            for (int i = 0; i < wanted.size(); i++) {
                if (wanted.get(i).id().equals(controller.shown().id())) {
                    list.setSelectedIndex(i);
                }
            }
        } finally {
            refreshing = false;
        }
    }

    void focusSearch() {
        search.requestFocusInWindow();
        search.selectAll();
    }

    private Optional<Conversation> selected() {
        return Optional.ofNullable(list.getSelectedValue());
    }

    private void rename() {
        selected().ifPresent(conversation -> {
            Object title = JOptionPane.showInputDialog(this, "Title", "Rename the conversation", JOptionPane.PLAIN_MESSAGE, null, null, conversation.title());
            if (title != null) {
                controller.rename(conversation.id(), title.toString());
            }
        });
    }

    private void delete() {
        selected().ifPresent(conversation -> {
            Object[] choices = {"Delete", "Keep"};
            int choice = JOptionPane.showOptionDialog(this, "Delete “" + conversation.title() + "” for good?", "Delete the conversation",
                    JOptionPane.DEFAULT_OPTION, JOptionPane.WARNING_MESSAGE, null, choices, choices[1]);
            if (choice == 0) {
                controller.delete(conversation.id());
            }
        });
    }

    private void menu(MouseEvent event) {
        int index = list.locationToIndex(event.getPoint());
        if (!event.isPopupTrigger() || index < 0) {
            return;
        }
        list.setSelectedIndex(index);
        JPopupMenu menu = new JPopupMenu();
        menu.add(item("Rename …", this::rename));
        menu.add(item("Delete …", this::delete));
        menu.show(list, event.getX(), event.getY());
    }

    private static JMenuItem item(String text, Runnable action) {
        JMenuItem item = new JMenuItem(text);
        item.addActionListener(_ -> action.run());
        return item;
    }

    private void key(int code, Runnable action) {
        KeyStroke stroke = KeyStroke.getKeyStroke(code, 0);
        list.getInputMap().put(stroke, stroke);
        list.getActionMap().put(stroke, new AbstractAction() {
            @Override
            public void actionPerformed(ActionEvent event) {
                action.run();
            }
        });
    }

    @Override
    public void updateUI() {
        super.updateUI();
        setBackground(Colors.side());
        if (list != null) {
            list.setBackground(Colors.side());
        }
    }

    private static final class Renderer extends DefaultListCellRenderer {

        @Override
        public Component getListCellRendererComponent(JList<?> list, Object value, int index, boolean selected, boolean focused) {
            Conversation conversation = (Conversation) value;
            String title = conversation.title().isEmpty() ? "Picture" : conversation.title();
            JLabel label = (JLabel) super.getListCellRendererComponent(list, title, index, selected, focused);
            label.setBorder(BorderFactory.createEmptyBorder(0, 8, 0, 8));
            label.setToolTipText(title);
            return label;
        }
    }
}
