package dev.chasqui.examples.swingchat.view;

import dev.chasqui.examples.swingchat.app.Activity;
import dev.chasqui.examples.swingchat.app.Attachment;
import dev.chasqui.examples.swingchat.app.ChatController;
import dev.chasqui.examples.swingchat.engine.LoadedModel;
import java.awt.BorderLayout;
import java.awt.Dimension;
import java.awt.FlowLayout;
import java.awt.Insets;
import java.awt.event.ActionEvent;
import java.awt.event.KeyEvent;
import java.awt.image.BufferedImage;
import java.io.File;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import javax.swing.AbstractAction;
import javax.swing.BorderFactory;
import javax.swing.ImageIcon;
import javax.swing.JButton;
import javax.swing.JComboBox;
import javax.swing.JFileChooser;
import javax.swing.JLabel;
import javax.swing.JPanel;
import javax.swing.JScrollPane;
import javax.swing.JTextArea;
import javax.swing.KeyStroke;
import javax.swing.filechooser.FileNameExtensionFilter;

/// Where a message is written: text, pictures, and the button that sends it or stops the answer.
final class Composer extends JPanel {

    private static final int MAX_ROWS = 10;

    /// A share of a picture's tokens.
    private record Keep(double share) {

        @Override
        public String toString() {
            return share == 1 ? "the whole picture" : "%.0f%% of its tokens".formatted(share * 100);
        }
    }

    private final transient ChatController controller;
    private final transient Runnable chooseModel;
    private final JTextArea text = new MessageField(2, "Write a message");
    private final JPanel strip = new JPanel(new FlowLayout(FlowLayout.LEFT, 6, 6));
    private final JButton send;
    private final JButton attach;
    private final JComboBox<Keep> keep = new JComboBox<>(new Keep[] {new Keep(1), new Keep(0.5), new Keep(0.25), new Keep(0.1)});
    private final transient List<Attachment> attachments = new ArrayList<>();

    /// @param chooseModel what happens when something shall be sent and there is no model
    Composer(ChatController controller, Runnable chooseModel) {
        super(new BorderLayout());
        this.controller = controller;
        this.chooseModel = chooseModel;
        this.send = Buttons.icon(Glyph.SEND, "Send (Enter)", this::sendOrStop);
        this.attach = Buttons.icon(Glyph.PICTURE, "Add a picture", this::choosePicture);
        text.getAccessibleContext().setAccessibleName("Message");
        text.setTransferHandler(new ImageFiles(text.getTransferHandler(), this::attach, this::attach));
        text.getInputMap().put(KeyStroke.getKeyStroke(KeyEvent.VK_ENTER, 0), "send");
        text.getInputMap().put(KeyStroke.getKeyStroke(KeyEvent.VK_ENTER, KeyEvent.SHIFT_DOWN_MASK), "insert-break");
        text.getActionMap().put("send", new AbstractAction() {
            @Override
            public void actionPerformed(ActionEvent event) {
                send();
            }
        });
        keep.getAccessibleContext().setAccessibleName("How much of a picture the model sees");
        keep.addActionListener(_ -> controller.settings(controller.settings().withKeep(((Keep) keep.getSelectedItem()).share())));
        JScrollPane scroll = new JScrollPane(text) {
            @Override
            public Dimension getPreferredSize() {
                int line = text.getFontMetrics(text.getFont()).getHeight();
                return new Dimension(super.getPreferredSize().width, Math.clamp(text.getPreferredSize().height, line * 2, line * MAX_ROWS) + 6);
            }
        };
        scroll.setBorder(BorderFactory.createEmptyBorder());
        scroll.setOpaque(false);
        scroll.getViewport().setOpaque(false);
        scroll.setHorizontalScrollBarPolicy(JScrollPane.HORIZONTAL_SCROLLBAR_NEVER);
        JPanel buttons = new JPanel(new FlowLayout(FlowLayout.RIGHT, 4, 0));
        buttons.setOpaque(false);
        buttons.add(attach);
        buttons.add(send);
        JPanel right = new JPanel(new BorderLayout());
        right.setOpaque(false);
        right.add(buttons, BorderLayout.SOUTH);
        strip.setOpaque(false);
        strip.setVisible(false);
        add(strip, BorderLayout.NORTH);
        add(scroll, BorderLayout.CENTER);
        add(right, BorderLayout.EAST);
        refresh();
    }

    /// Shows what can be done now.
    void refresh() {
        boolean answering = controller.activity() == Activity.ANSWERING;
        send.setIcon(answering ? Glyph.STOP : Glyph.SEND);
        String name = answering ? "Stop (Escape)" : "Send (Enter)";
        send.setToolTipText(name);
        send.getAccessibleContext().setAccessibleName(name);
        boolean pictures = controller.model().map(LoadedModel::seesPictures).orElse(false);
        attach.setEnabled(pictures);
        attach.setToolTipText(pictures ? "Add a picture" : "This model reads no pictures; choose one with a projector");
        if (attachments.isEmpty()) {
            keep.setSelectedItem(new Keep(controller.settings().keep()));
        }
    }

    void focus() {
        text.requestFocusInWindow();
    }

    /// Adds a picture, as it is dropped or pasted.
    void attach(Path file) {
        controller.attach(file, this::add);
    }

    private void attach(BufferedImage image) {
        controller.attach(image, this::add);
    }

    private void add(Attachment attachment) {
        attachments.add(attachment);
        showStrip();
    }

    private void showStrip() {
        strip.removeAll();
        for (Attachment attachment : attachments) {
            JButton picture = new JButton(new ImageIcon(attachment.small()));
            picture.putClientProperty("JButton.buttonType", "toolBarButton");
            picture.setToolTipText("Remove this picture");
            picture.getAccessibleContext().setAccessibleName("Remove picture");
            picture.addActionListener(_ -> {
                attachments.remove(attachment);
                showStrip();
            });
            strip.add(picture);
        }
        if (!attachments.isEmpty()) {
            strip.add(new JLabel("The model sees"));
            strip.add(keep);
        }
        strip.setVisible(!attachments.isEmpty());
        revalidate();
        repaint();
    }

    private void sendOrStop() {
        if (controller.activity() == Activity.ANSWERING) {
            controller.stop();
        } else {
            send();
        }
    }

    private void send() {
        if (controller.activity() == Activity.NO_MODEL) {
            chooseModel.run();
        } else if (controller.send(text.getText(), attachments)) {
            text.setText("");
            attachments.clear();
            showStrip();
        }
    }

    private void choosePicture() {
        JFileChooser chooser = new JFileChooser();
        chooser.setMultiSelectionEnabled(true);
        chooser.setFileFilter(new FileNameExtensionFilter("Pictures", ImageFiles.ENDINGS.toArray(String[]::new)));
        if (chooser.showOpenDialog(this) == JFileChooser.APPROVE_OPTION) {
            for (File file : chooser.getSelectedFiles()) {
                attach(file.toPath());
            }
        }
    }

    @Override
    public void updateUI() {
        super.updateUI();
        setBackground(Colors.background());
        setBorder(BorderFactory.createCompoundBorder(
                BorderFactory.createEmptyBorder(0, 24, 10, 24), new RoundBorder(new Insets(8, 14, 8, 8))));
    }
}
