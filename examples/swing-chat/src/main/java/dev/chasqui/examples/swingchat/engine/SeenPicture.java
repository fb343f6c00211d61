package dev.chasqui.examples.swingchat.engine;

import java.awt.image.BufferedImage;
import org.jspecify.annotations.Nullable;

/// What a model saw of a picture.
///
/// @param file    its name
/// @param keep    share that was asked for
/// @param tokens  that the encoder gave
/// @param kept    those of them that were kept
/// @param overlay the picture with the rest dimmed; null if all was kept, or if the encoder has no grid
public record SeenPicture(String file, double keep, int tokens, int kept, @Nullable BufferedImage overlay) { }
