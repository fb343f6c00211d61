package dev.chasqui;

import dev.chasqui.audio.EncodedAudio;
import dev.chasqui.vision.EncodedImage;
import java.util.Objects;

/// A part of what a message says.
public sealed interface ContentPart {

    /// Text; it never becomes a control token.
    record Text(String text) implements ContentPart {
        public Text {
            Objects.requireNonNull(text, "text");
        }
    }

    /// A picture, encoded for the model that reads it.
    record Picture(EncodedImage image) implements ContentPart {
        public Picture {
            Objects.requireNonNull(image, "image");
        }
    }

    /// A sound, encoded for the model that hears it.
    record Sound(EncodedAudio audio) implements ContentPart {
        public Sound {
            Objects.requireNonNull(audio, "audio");
        }
    }
}
