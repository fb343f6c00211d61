package dev.chasqui.examples.swingchat.view;

import java.awt.datatransfer.DataFlavor;
import java.awt.datatransfer.Transferable;
import java.awt.datatransfer.UnsupportedFlavorException;
import java.awt.image.BufferedImage;
import java.io.File;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.function.Consumer;
import javax.swing.JComponent;
import javax.swing.TransferHandler;

/// Takes pictures that are dropped or pasted, and leaves everything else to the handler that was there.
final class ImageFiles extends TransferHandler {

    static final List<String> ENDINGS = List.of("png", "jpg", "jpeg", "gif", "bmp", "tif", "tiff");

    private final transient TransferHandler otherwise;
    private final transient Consumer<Path> onFile;
    private final transient Consumer<BufferedImage> onImage;

    ImageFiles(TransferHandler otherwise, Consumer<Path> onFile, Consumer<BufferedImage> onImage) {
        this.otherwise = otherwise;
        this.onFile = onFile;
        this.onImage = onImage;
    }

    static boolean isPicture(Path file) {
        String name = file.getFileName().toString().toLowerCase(Locale.ROOT);
        return ENDINGS.stream().anyMatch(ending -> name.endsWith("." + ending));
    }

    @Override
    public boolean canImport(TransferSupport support) {
        return support.isDataFlavorSupported(DataFlavor.javaFileListFlavor) || support.isDataFlavorSupported(DataFlavor.imageFlavor) || otherwise.canImport(support);
    }

    @Override
    public boolean importData(TransferSupport support) {
        Transferable data = support.getTransferable();
        try {
            if (support.isDataFlavorSupported(DataFlavor.javaFileListFlavor)) {
                boolean any = false;
                for (Object file : (List<?>) data.getTransferData(DataFlavor.javaFileListFlavor)) {
                    Path path = ((File) file).toPath();
                    if (isPicture(path)) {
                        onFile.accept(path);
                        any = true;
                    }
                }
                return any;
            }
            if (support.isDataFlavorSupported(DataFlavor.imageFlavor) && data.getTransferData(DataFlavor.imageFlavor) instanceof BufferedImage image) {
                onImage.accept(image);
                return true;
            }
        } catch (UnsupportedFlavorException | IOException e) {
            System.getLogger("dev.chasqui.examples.swingchat").log(System.Logger.Level.WARNING, "what was dropped cannot be read", e);
            return false;
        }
        return otherwise.importData(support);
    }

    @Override
    public int getSourceActions(JComponent component) {
        return otherwise.getSourceActions(component);
    }

    @Override
    public void exportToClipboard(JComponent component, java.awt.datatransfer.Clipboard clipboard, int action) {
        otherwise.exportToClipboard(component, clipboard, action);
    }

    @Override
    public void exportAsDrag(JComponent component, java.awt.event.InputEvent event, int action) {
        otherwise.exportAsDrag(component, event, action);
    }
}
