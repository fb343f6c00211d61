package dev.chasqui.tensor;

import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;

/// The GGUF files that an arena has looked into, by path.
final class WeightFiles {

    private final Map<Path, WeightFile> files = new HashMap<>();
    private boolean abandoned;

    synchronized WeightFile of(Path path) {
        return files.computeIfAbsent(path, WeightFile::open);
    }

    /// Leaves mapped what is mapped.
    synchronized void abandon() {
        abandoned = true;
    }

    synchronized void close() {
        if (!abandoned) {
            files.values().forEach(WeightFile::unmap);
        }
    }
}
