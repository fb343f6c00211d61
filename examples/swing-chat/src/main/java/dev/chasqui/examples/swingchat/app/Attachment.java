package dev.chasqui.examples.swingchat.app;

import java.awt.image.BufferedImage;

/// A picture that is ready to be sent.
///
/// @param file its name in the folder of pictures
public record Attachment(String file, BufferedImage image) { }
