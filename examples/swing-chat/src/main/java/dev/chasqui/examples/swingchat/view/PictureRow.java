package dev.chasqui.examples.swingchat.view;

import dev.chasqui.examples.swingchat.app.ChatController;
import dev.chasqui.examples.swingchat.app.Thumbnails;
import dev.chasqui.examples.swingchat.conversation.Picture;
import java.awt.FlowLayout;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Consumer;
import javax.imageio.ImageIO;
import javax.swing.ImageIcon;
import javax.swing.JButton;
import javax.swing.JPanel;
import javax.swing.SwingConstants;
import javax.swing.SwingUtilities;

/// The pictures of a message, small, each with what the model saw of it.
final class PictureRow extends JPanel {

    private static final int SIZE = 160;

    PictureRow(List<Picture> pictures, ChatController controller) {
        super(new FlowLayout(FlowLayout.LEFT, 8, 4));
        setOpaque(false);
        for (Picture picture : pictures) {
            JButton button = new JButton(caption(picture));
            button.putClientProperty("JButton.buttonType", "toolBarButton");
            button.setVerticalTextPosition(SwingConstants.BOTTOM);
            button.setHorizontalTextPosition(SwingConstants.CENTER);
            button.getAccessibleContext().setAccessibleName("Picture, " + caption(picture));
            button.setToolTipText("Show it large");
            button.setIcon(new ImageIcon(new BufferedImage(SIZE, SIZE, BufferedImage.TYPE_INT_ARGB)));
            String small = picture.overlay() == null ? picture.file() : picture.overlay();
            read(controller.picture(small), SIZE, image -> button.setIcon(new ImageIcon(image)));
            button.addActionListener(_ -> new PictureDialog(SwingUtilities.getWindowAncestor(this), picture, controller).setVisible(true));
            add(button);
        }
    }

    static String caption(Picture picture) {
        if (picture.tokens() == 0) {
            return "not read yet";
        }
        return picture.kept() == picture.tokens() ? "%,d tokens".formatted(picture.tokens()) : "%,d of %,d tokens kept".formatted(picture.kept(), picture.tokens());
    }

    /// Reads a picture elsewhere and hands it over on the event thread; a picture that is gone stays empty.
    ///
    /// @param size of its longer side
    static void read(Path file, int size, Consumer<BufferedImage> then) {
        Thread.startVirtualThread(() -> {
            try {
                BufferedImage image = Thumbnails.of(ImageIO.read(file.toFile()), size);
                SwingUtilities.invokeLater(() -> then.accept(image));
            } catch (IOException e) {
                System.getLogger("dev.chasqui.examples.swingchat").log(System.Logger.Level.WARNING, "cannot read " + file, e);
            }
        });
    }
}
