package dev.chasqui.vision;

import java.time.Duration;

/// What became of a picture before the language model saw it. What the model then took for it is part of [dev.chasqui.GenerationStats#timeToFirstToken()].
///
/// @param tokens     rows that the encoder gave
/// @param kept       rows that were kept
/// @param encodeTime what the encoder took
/// @param selectTime what the choice took
public record VisionStats(int tokens, int kept, Duration encodeTime, Duration selectTime) {

    /// Of several pictures.
    public VisionStats plus(VisionStats other) {
        return new VisionStats(tokens + other.tokens, kept + other.kept, encodeTime.plus(other.encodeTime), selectTime.plus(other.selectTime));
    }
}
