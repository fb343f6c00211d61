package dev.chasqui.examples.swingchat.engine;

import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/// A model to be loaded.
///
/// @param name      for people
/// @param projector for pictures, null = none
public record LoadRequest(String name, Path file, @Nullable Path projector) { }
