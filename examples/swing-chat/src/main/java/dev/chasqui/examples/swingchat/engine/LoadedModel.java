package dev.chasqui.examples.swingchat.engine;

/// What can be said of the model that is loaded.
///
/// @param description    family, size and quantisation
/// @param trainedContext tokens that it was trained to take
/// @param seesPictures   whether pictures can be sent
public record LoadedModel(LoadRequest request, String description, int trainedContext, boolean seesPictures) { }
