package dev.chasqui;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.time.Instant;

/// Writes files aside, onto the disk and then into their place, so that whatever happens there is either the old file or the new one, whole.
final class AtomicFile {

    private static final String SUFFIX = ".part";
    /// After that long, what was written aside and never moved is taken for a dead process's.
    private static final Duration ABANDONED = Duration.ofHours(1);
    private static final int SLICE = 16 << 20;

    private AtomicFile() {
    }

    /// Writes a file that is there already, empty.
    @FunctionalInterface
    interface Writer {
        void write(Path file) throws IOException;
    }

    /// Writes the segments one after the other.
    static void write(Path target, MemorySegment... content) throws IOException {
        write(target, aside -> {
            try (FileChannel channel = FileChannel.open(aside, StandardOpenOption.WRITE)) {
                for (MemorySegment segment : content) {
                    write(channel, segment);
                }
            }
        });
    }

    static void write(Path target, Writer writer) throws IOException {
        Path absolute = target.toAbsolutePath();
        Path directory = absolute.getParent();
        String name = absolute.getFileName().toString();
        removeAbandoned(directory, name);
        Path aside = Files.createTempFile(directory, name + ".", SUFFIX);
        try {
            writer.write(aside);
            try (FileChannel channel = FileChannel.open(aside, StandardOpenOption.WRITE)) {
                channel.force(true);
            }
            try {
                Files.move(aside, absolute, StandardCopyOption.ATOMIC_MOVE);
            } catch (AtomicMoveNotSupportedException e) {
                Files.move(aside, absolute, StandardCopyOption.REPLACE_EXISTING);
            }
        } finally {
            Files.deleteIfExists(aside);
        }
        syncDirectory(directory);
    }

    private static void write(FileChannel channel, MemorySegment segment) throws IOException {
        for (long at = 0; at < segment.byteSize(); at += SLICE) {
            ByteBuffer slice = segment.asSlice(at, Math.min(SLICE, segment.byteSize() - at)).asByteBuffer();
            while (slice.hasRemaining()) {
                channel.write(slice);
            }
        }
    }

    private static void removeAbandoned(Path directory, String name) throws IOException {
        Instant limit = Instant.now().minus(ABANDONED);
        try (var leftovers = Files.newDirectoryStream(directory,
                path -> path.getFileName().toString().startsWith(name + ".") && path.getFileName().toString().endsWith(SUFFIX))) {
            for (Path leftover : leftovers) {
                if (Files.getLastModifiedTime(leftover).toInstant().isBefore(limit)) {
                    Files.deleteIfExists(leftover);
                }
            }
        } catch (DirectoryIteratorException e) {
            throw e.getCause();
        }
    }

    /// A rename survives a power cut only when the directory is on the disk too. Windows cannot open directories, and does not need it.
    private static void syncDirectory(Path directory) {
        try (FileChannel channel = FileChannel.open(directory, StandardOpenOption.READ)) {
            channel.force(true);
        } catch (IOException notSupportedHere) {
            // The file itself is whole; at worst the old one is there after a power cut.
        }
    }
}
