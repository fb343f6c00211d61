package dev.chasqui;

/// How far a prompt is that is being computed.
///
/// @param computed tokens that are computed, of those that were not there before
/// @param total    tokens that were not there before; 0 if no prompt is being computed
public record PromptProgress(int computed, int total) {

    static final PromptProgress NONE = new PromptProgress(0, 0);
}
