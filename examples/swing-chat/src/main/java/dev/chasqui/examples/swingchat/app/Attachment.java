package dev.chasqui.examples.swingchat.app;

import java.awt.image.BufferedImage;

/// A picture that is ready to be sent.
///
/// @param file  its name in the folder of pictures
/// @param small how it looks, at most [#SIZE] pixels wide and high
public record Attachment(String file, BufferedImage small) {

    public static final int SIZE = 56;
}
