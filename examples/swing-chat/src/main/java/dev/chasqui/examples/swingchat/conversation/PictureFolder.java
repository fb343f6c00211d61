package dev.chasqui.examples.swingchat.conversation;

import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import javax.imageio.ImageIO;

/// Pictures of conversations, as PNG files that are named by what they show.
public final class PictureFolder {

    private final Path folder;

    public PictureFolder(Path folder) {
        this.folder = folder;
    }

    /// Keeps a picture, once however often it comes.
    ///
    /// @return its name
    public String add(BufferedImage picture) throws IOException {
        var bytes = new ByteArrayOutputStream();
        ImageIO.write(picture, "png", bytes);
        String name = digest(bytes.toByteArray()) + ".png";
        Path file = file(name);
        if (!Files.exists(file)) {
            WholeFile.write(file, bytes.toByteArray());
        }
        return name;
    }

    public Path file(String name) {
        return folder.resolve(Path.of(name).getFileName());
    }

    /// Deletes what no conversation shows any more.
    public void keepOnly(List<Conversation> conversations) throws IOException {
        if (!Files.isDirectory(folder)) {
            return;
        }
        Set<String> used = new HashSet<>();
        for (Conversation conversation : conversations) {
            for (Message message : conversation.messages()) {
                for (Picture picture : message.pictures()) {
                    used.add(picture.file());
                    used.add(picture.overlay());
                }
            }
        }
        try (Stream<Path> files = Files.list(folder)) {
            for (Path file : files.filter(file -> !used.contains(file.getFileName().toString())).toList()) {
                Files.delete(file);
            }
        }
    }

    private static String digest(byte[] bytes) {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes), 0, 16);
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError("every JDK has SHA-256", e);
        }
    }
}
