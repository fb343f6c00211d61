package dev.chasqui.audio;

import dev.chasqui.vision.EncodedImage;
import java.time.Duration;
import java.util.List;
import java.util.Objects;

/// A sound as a language model takes it: rows of embeddings, framed by tokens. Encode it once, ask about it as often as you like.
///
/// {@snippet class="snippets.AudioSnippets" region="hear"}
///
/// Immutable and thread-safe; its memory goes when nothing refers to it any more. It belongs to the language model of the [dev.chasqui.VisionModel] that made it:
/// other models read rows of the same width as noise. All of its rows are kept: what chooses among the rows of pictures was made for those.
public final class EncodedAudio {

    private final Audio audio;
    private final List<EncodedImage.Part> parts;
    private final Duration encodeTime;

    /// @param encodeTime what the encoder took
    public EncodedAudio(Audio audio, List<EncodedImage.Part> parts, Duration encodeTime) {
        this.audio = Objects.requireNonNull(audio, "audio");
        this.parts = List.copyOf(parts);
        this.encodeTime = Objects.requireNonNull(encodeTime, "encodeTime");
        if (count() == 0) {
            throw new IllegalArgumentException("there are no rows");
        }
    }

    /// The sound, as it was before it was resampled for the encoder.
    public Audio audio() {
        return audio;
    }

    /// What it becomes in a prompt, in order: rows, one chunk for each window of the encoder, and tokens around them.
    public List<EncodedImage.Part> parts() {
        return parts;
    }

    /// Rows that the model hears.
    public int count() {
        return parts.stream().mapToInt(part -> part instanceof EncodedImage.Rows rows ? rows.count() : 0).sum();
    }

    public Duration encodeTime() {
        return encodeTime;
    }

    @Override
    public String toString() {
        return "EncodedAudio[" + audio + ", " + count() + " rows]";
    }
}
