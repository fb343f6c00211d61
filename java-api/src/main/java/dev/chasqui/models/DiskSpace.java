package dev.chasqui.models;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/// Asks for room before it is used, so that a full disk is a clear message and not a download that breaks near its end.
final class DiskSpace {

    private DiskSpace() {}

    /// @param directory an existing directory
    /// @throws IOException if fewer than this many bytes are free there
    static void require(Path directory, long bytes) throws IOException {
        long usable = Files.getFileStore(directory).getUsableSpace();
        if (usable < bytes) {
            throw new IOException("needs %,d bytes of disk space in %s, there are %,d".formatted(bytes, directory, usable));
        }
    }
}
