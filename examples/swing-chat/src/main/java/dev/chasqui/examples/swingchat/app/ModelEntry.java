package dev.chasqui.examples.swingchat.app;

import java.nio.file.Path;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// A model that can be chosen.
///
/// @param name        in the catalog, or the path of a file
/// @param terms       that one has to agree to before the download
/// @param downloaded  whether its file is there
/// @param memoryBytes what it takes with the context of the settings; 0 = not known
/// @param note        why it cannot be used, null = it can
public record ModelEntry(
        String name, String description, String licence, Optional<String> terms, long fileBytes, Path file, boolean downloaded, long memoryBytes,
        @Nullable String note) { }
