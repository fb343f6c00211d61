package dev.chasqui.models;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.channels.FileChannel;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/// A model file that is not complete yet: `NAME.part` next to its final place, always a prefix of the file, whichever sources
/// it came from. The sha256 is computed as bytes are appended. Confined to the downloading thread.
///
/// Written with [RandomAccessFile] because a [FileChannel] closes itself when its thread is interrupted.
final class PartFile implements AutoCloseable {

    private static final int BUFFER_SIZE = 1 << 18;

    private final Path target;
    private final Path path;
    private final ModelFile file;
    private final Progress progress;
    private final RandomAccessFile out;
    private final MessageDigest digest = sha256();
    private long length;

    private PartFile(Path target, ModelFile file, Progress progress) throws IOException {
        this.target = target;
        this.path = pathOf(target);
        this.file = file;
        this.progress = progress;
        this.out = new RandomAccessFile(path.toFile(), "rw");
    }

    static Path pathOf(Path target) {
        return target.resolveSibling(target.getFileName() + ".part");
    }

    /// Opens or creates the part file, and reads what an earlier attempt left in it.
    static PartFile open(Path target, ModelFile file, Progress progress) throws IOException {
        PartFile part = new PartFile(target, file, progress);
        try {
            part.hashExisting();
            return part;
        } catch (Throwable t) {
            part.close();
            throw t;
        }
    }

    /// Bytes that are here.
    long length() {
        return length;
    }

    long missing() {
        return file.size() - length;
    }

    /// @throws IOException if the file would become longer than it should be, or the disk is full
    void append(byte[] bytes, int offset, int count) throws IOException {
        if (count > missing()) {
            throw new IOException("delivers more than the expected " + file.size() + " bytes");
        }
        out.write(bytes, offset, count);
        digest.update(bytes, offset, count);
        length += count;
        progress.at(length);
    }

    /// Throws away what is here.
    void restart() throws IOException {
        out.setLength(0);
        out.seek(0);
        digest.reset();
        length = 0;
    }

    /// Checks the sha256, puts the bytes onto the disk and the file into its place.
    ///
    /// @throws ChecksumException if the bytes are not the expected ones; nothing was moved
    void commit() throws IOException {
        if (missing() != 0) {
            throw new IOException("has " + length + " of " + file.size() + " bytes");
        }
        String actual = HexFormat.of().formatHex(digest.digest());
        if (!actual.equals(file.sha256())) {
            throw new ChecksumException(file.sha256(), actual);
        }
        out.getFD().sync();
        out.close();
        try {
            Files.move(path, target, StandardCopyOption.ATOMIC_MOVE);
        } catch (AtomicMoveNotSupportedException e) {
            Files.move(path, target, StandardCopyOption.REPLACE_EXISTING);
        }
        syncDirectory(target.toAbsolutePath().getParent());
    }

    @Override
    public void close() throws IOException {
        out.close();
    }

    /// @return the sha256 of a file in hexadecimal
    static String sha256(Path path, Progress progress) throws IOException {
        MessageDigest digest = sha256();
        byte[] buffer = new byte[BUFFER_SIZE];
        try (var in = Files.newInputStream(path)) {
            long done = 0;
            for (int n; (n = in.read(buffer)) > 0; ) {
                digest.update(buffer, 0, n);
                progress.at(done += n);
            }
        }
        return HexFormat.of().formatHex(digest.digest());
    }

    /// The bytes arrived, but they are not those of the model.
    static final class ChecksumException extends IOException {
        private static final long serialVersionUID = 1;

        ChecksumException(String expected, String actual) {
            super("sha256 is " + actual + ", expected " + expected);
        }
    }

    private void hashExisting() throws IOException {
        if (out.length() > file.size()) {
            restart();
            return;
        }
        if (out.length() > 0) {
            progress.source("checking " + path.getFileName());
        }
        byte[] buffer = new byte[BUFFER_SIZE];
        for (int n; (n = out.read(buffer)) > 0; ) {
            digest.update(buffer, 0, n);
            length += n;
            progress.at(length);
        }
    }

    /// A rename survives a power cut only when the directory is on the disk too. Windows cannot open directories, and does not need it.
    private static void syncDirectory(Path directory) {
        try (FileChannel channel = FileChannel.open(directory, StandardOpenOption.READ)) {
            channel.force(true);
        } catch (IOException notSupportedHere) {
            // The file itself is complete; at worst it is fetched again after a crash.
        }
    }

    private static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError("every Java runtime has SHA-256", e);
        }
    }
}
