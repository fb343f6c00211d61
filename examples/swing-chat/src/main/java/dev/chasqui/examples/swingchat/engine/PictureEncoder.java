package dev.chasqui.examples.swingchat.engine;

import dev.chasqui.VisionModel;
import dev.chasqui.examples.swingchat.conversation.Picture;
import dev.chasqui.vision.EncodedImage;
import dev.chasqui.vision.Image;
import dev.chasqui.vision.KeptTokens;
import dev.chasqui.vision.VisionOptions;
import java.awt.image.BufferedImage;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// Encodes pictures for the loaded model, each once as long as it is among the last ones. One thread at a time.
final class PictureEncoder implements AutoCloseable {

    private static final int REMEMBERED = 8;

    private final VisionModel vision;
    private final Map<String, EncodedImage> whole = new LinkedHashMap<>(16, 0.75f, true) {
        @Override
        protected boolean removeEldestEntry(Map.Entry<String, EncodedImage> eldest) {
            return size() > REMEMBERED;
        }
    };

    PictureEncoder(VisionModel vision) {
        this.vision = vision;
    }

    /// The picture with as much of it as shall be kept.
    EncodedImage encode(Picture picture, Path file) {
        EncodedImage encoded = whole.computeIfAbsent(picture.file(), _ -> vision.encode(Image.of(file)));
        return picture.keep() < 1 ? encoded.pruned(VisionOptions.keeping(picture.keep())) : encoded;
    }

    static SeenPicture seen(Picture picture, EncodedImage encoded) {
        return new SeenPicture(picture.file(), picture.keep(), encoded.total(), encoded.count(), overlay(encoded));
    }

    private static @Nullable BufferedImage overlay(EncodedImage encoded) {
        List<EncodedImage.Rows> chunks = encoded.chunks();
        if (encoded.count() == encoded.total() || chunks.size() != 1 || chunks.getFirst().gridWidth() == 0) {
            return null;
        }
        return KeptTokens.of(chunks.getFirst()).over(encoded.image().toBufferedImage());
    }

    @Override
    public void close() {
        vision.close();
    }
}
