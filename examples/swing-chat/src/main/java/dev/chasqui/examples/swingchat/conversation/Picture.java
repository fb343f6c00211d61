package dev.chasqui.examples.swingchat.conversation;

import org.jspecify.annotations.Nullable;

/// A picture of a message. Immutable.
///
/// @param file    its name in the [PictureFolder]
/// @param keep    share of its tokens that the model shall see, in (0, 1]
/// @param tokens  tokens that the encoder gave, 0 = not encoded yet
/// @param kept    those of them that the model saw
/// @param overlay name of the picture of what was kept; null if there is none
public record Picture(String file, double keep, int tokens, int kept, @Nullable String overlay) {

    public static Picture of(String file, double keep) {
        return new Picture(file, keep, 0, 0, null);
    }

    public Picture seen(int all, int left, @Nullable String overlayFile) {
        return new Picture(file, keep, all, left, overlayFile);
    }
}
