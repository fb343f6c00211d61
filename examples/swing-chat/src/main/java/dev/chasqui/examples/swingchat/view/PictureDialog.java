package dev.chasqui.examples.swingchat.view;

import dev.chasqui.examples.swingchat.app.ChatController;
import dev.chasqui.examples.swingchat.conversation.Picture;
import java.awt.BorderLayout;
import java.awt.Dimension;
import java.awt.Graphics;
import java.awt.Graphics2D;
import java.awt.RenderingHints;
import java.awt.Window;
import java.awt.event.KeyEvent;
import java.awt.image.BufferedImage;
import java.util.Objects;
import javax.swing.BorderFactory;
import javax.swing.JCheckBox;
import javax.swing.JComponent;
import javax.swing.JDialog;
import javax.swing.JLabel;
import javax.swing.JPanel;
import javax.swing.KeyStroke;
import org.jspecify.annotations.Nullable;

/// A picture, large, with and without what the model did not see.
final class PictureDialog extends JDialog {

    private static final int SIZE = 1200;

    private final Canvas canvas = new Canvas();

    PictureDialog(@Nullable Window owner, Picture picture, ChatController controller) {
        super(owner, "Picture");
        canvas.getAccessibleContext().setAccessibleName("Picture");
        JPanel foot = new JPanel(new BorderLayout());
        foot.setBorder(BorderFactory.createEmptyBorder(8, 12, 8, 12));
        foot.add(new JLabel(PictureRow.caption(picture)), BorderLayout.EAST);
        String overlay = picture.overlay();
        JCheckBox kept = new JCheckBox("Show what the model saw", overlay != null);
        kept.setEnabled(overlay != null);
        kept.addActionListener(_ -> load(controller, kept.isSelected() ? Objects.requireNonNull(overlay) : picture.file()));
        foot.add(kept, BorderLayout.WEST);
        add(canvas, BorderLayout.CENTER);
        add(foot, BorderLayout.SOUTH);
        load(controller, overlay == null ? picture.file() : overlay);
        getRootPane().registerKeyboardAction(_ -> dispose(), KeyStroke.getKeyStroke(KeyEvent.VK_ESCAPE, 0), JComponent.WHEN_IN_FOCUSED_WINDOW);
        setDefaultCloseOperation(DISPOSE_ON_CLOSE);
        setSize(640, 700);
        setLocationRelativeTo(owner);
    }

    private void load(ChatController controller, String name) {
        PictureRow.read(controller.picture(name), SIZE, canvas::show);
    }

    private static final class Canvas extends JPanel {

        private transient @Nullable BufferedImage image;

        void show(BufferedImage value) {
            image = value;
            repaint();
        }

        @Override
        public Dimension getPreferredSize() {
            return new Dimension(480, 480);
        }

        @Override
        protected void paintComponent(Graphics graphics) {
            super.paintComponent(graphics);
            BufferedImage shown = image;
            if (shown == null) {
                return;
            }
            double scale = Math.min((double) getWidth() / shown.getWidth(), (double) getHeight() / shown.getHeight());
            int width = (int) (shown.getWidth() * scale);
            int height = (int) (shown.getHeight() * scale);
            Graphics2D pen = (Graphics2D) graphics;
            pen.setRenderingHint(RenderingHints.KEY_INTERPOLATION, RenderingHints.VALUE_INTERPOLATION_BILINEAR);
            pen.drawImage(shown, (getWidth() - width) / 2, (getHeight() - height) / 2, width, height, null);
        }
    }
}
