package dev.chasqui.kv;

import dev.chasqui.SavedSequence;
import dev.chasqui.StateMismatchException;
import dev.chasqui.kv.StoredSequence.Space;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.FileTime;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Predicate;

/// The files of a store. Each is a saved sequence, named by what it is of, written aside and moved into its place, and never changed
/// afterwards: readers need no lock, and there is no index that could be wrong. Who writes or deletes to make room holds the folder's lock.
/// The time of a file says when it was used last.
///
/// Not thread-safe but for [#load], [#has], [#touch] and [#delete].
final class StoreFolder {

    private static final String SUFFIX = ".kv";
    private static final String PART = ".part";
    private static final String LOCK = "lock";
    private static final Duration PATIENCE = Duration.ofSeconds(10);
    /// File systems note times with some delay: a folder that changed as shortly before a look as this may change again without a new time.
    private static final Duration BLUR = Duration.ofSeconds(1);

    private final Path folder;
    private final long maxBytes;
    /// Files that are there and cannot be used, with their times.
    private final Map<String, FileTime> unusable = new HashMap<>();
    private FileTime seen = FileTime.fromMillis(0);
    private Instant seenAt = Instant.EPOCH;

    private StoreFolder(Path folder, long maxBytes) {
        this.folder = folder;
        this.maxBytes = maxBytes;
    }

    /// Makes the folder if it is not there.
    ///
    /// @throws SequenceStoreException if there can be no folder
    static StoreFolder open(Path folder, long maxBytes) {
        try {
            Files.createDirectories(folder);
        } catch (IOException e) {
            throw new SequenceStoreException("no folder for stored sequences can be made at " + folder + ": " + e, e);
        }
        return new StoreFolder(folder, maxBytes);
    }

    static String nameOf(Space space, PromptKey key) {
        try {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            byte[] scope = space.scope().getBytes(StandardCharsets.UTF_8);
            digest.update(ByteBuffer.allocate(Long.BYTES + Integer.BYTES).putLong(space.fit()).putInt(scope.length).flip());
            digest.update(scope);
            ByteBuffer elements = ByteBuffer.allocate(key.length() * Long.BYTES);
            elements.asLongBuffer().put(key.elements());
            digest.update(elements);
            return HexFormat.of().formatHex(digest.digest(), 0, 16) + SUFFIX;
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError("every Java runtime has SHA-256", e);
        }
    }

    Path path() {
        return folder;
    }

    /// Looks for files that are not known yet, if anything has changed since the last look.
    ///
    /// @param known  by name
    /// @param broken told of files that cannot be used
    List<StoredSequence> scan(Predicate<String> known, List<String> broken) throws IOException {
        List<StoredSequence> found = new ArrayList<>();
        FileTime changed = Files.getLastModifiedTime(folder);
        if (changed.equals(seen) && changed.toInstant().plus(BLUR).isBefore(seenAt)) {
            return found;
        }
        seenAt = Instant.now();
        seen = changed;
        for (Path path : list(SUFFIX)) {
            String name = path.getFileName().toString();
            if (!known.test(name)) {
                read(path, name, found, broken);
            }
        }
        return found;
    }

    private void read(Path path, String name, List<StoredSequence> found, List<String> broken) {
        FileTime time = null;
        try {
            time = Files.getLastModifiedTime(path);
            if (time.equals(unusable.get(name))) {
                return;
            }
            SavedSequence.Header header = SavedSequence.readHeader(path);
            SequenceNote note = SequenceNote.decode(header.note(), header.tokens());
            Space space = new Space(header.fit(), note.key().scope());
            boolean logits = header.logits() && header.tokens().length == note.key().length();
            StoredSequence stored = new StoredSequence(space, note.key(), header.bytes(), logits, note.secondsPerToken());
            if (!stored.fileName.equals(name)) {
                throw new StateMismatchException(path + ": the saved sequence is not the one that the file's name says");
            }
            stored.onDisk = true;
            stored.lastUse = time.toMillis();
            found.add(stored);
        } catch (NoSuchFileException e) {
            // another process has just deleted it
        } catch (IOException | StateMismatchException e) {
            if (time != null) {
                unusable.put(name, time);
            }
            broken.add(e instanceof StateMismatchException ? e.getMessage() : e.toString());
        }
    }

    /// Reads a file and checks all of it.
    ///
    /// @throws StateMismatchException if it is damaged, or not what its name says
    SavedSequence load(StoredSequence stored) throws IOException {
        SavedSequence saved = SavedSequence.load(folder.resolve(stored.fileName));
        try {
            if (saved.fit() != stored.space.fit() || !SequenceNote.decode(saved.note(), saved.tokens()).key().equals(stored.key)) {
                throw new StateMismatchException(stored.fileName + ": the saved sequence is not the one that the file's name says");
            }
            return saved;
        } catch (Throwable e) {
            saved.close();
            throw e;
        }
    }

    boolean has(StoredSequence stored) {
        return Files.exists(folder.resolve(stored.fileName));
    }

    /// Notes that a file was used.
    void touch(StoredSequence stored) {
        try {
            Files.setLastModifiedTime(folder.resolve(stored.fileName), FileTime.from(Instant.now()));
        } catch (IOException e) {
            // it goes a little early
        }
    }

    void delete(StoredSequence stored) {
        try {
            Files.deleteIfExists(folder.resolve(stored.fileName));
        } catch (IOException e) {
            // it goes with the oldest
        }
    }

    /// Writes a file, after deleting those used longest ago until there is room for it.
    ///
    /// @param spared names of files that stay
    /// @return names of files that were deleted
    /// @throws IOException if it cannot be written, or the spared ones leave no room for it
    List<String> write(StoredSequence stored, SavedSequence saved, Set<String> spared) throws IOException {
        Files.createDirectories(folder);
        try (FolderLock _ = FolderLock.acquire(folder.resolve(LOCK), PATIENCE)) {
            for (Path leftover : list(PART)) {
                Files.deleteIfExists(leftover); // of a process that died with the lock
            }
            List<String> deleted = makeRoom(stored, spared);
            saved.save(folder.resolve(stored.fileName));
            return deleted;
        }
    }

    private record Candidate(Path path, long bytes, FileTime used) { }

    private List<String> makeRoom(StoredSequence stored, Set<String> spared) throws IOException {
        List<Candidate> candidates = new ArrayList<>();
        long present = stored.bytes;
        long staying = stored.bytes;
        for (Path path : list(SUFFIX)) {
            String name = path.getFileName().toString();
            if (name.equals(stored.fileName)) {
                continue; // it is replaced
            }
            try {
                BasicFileAttributes attributes = Files.readAttributes(path, BasicFileAttributes.class);
                present += attributes.size();
                if (spared.contains(name)) {
                    staying += attributes.size();
                } else {
                    candidates.add(new Candidate(path, attributes.size(), attributes.lastModifiedTime()));
                }
            } catch (NoSuchFileException e) {
                // just deleted as damaged
            }
        }
        if (staying > maxBytes) {
            throw new IOException("there is no room for %,d bytes: the store may have %,d, and what is pinned stays"
                    .formatted(stored.bytes, maxBytes));
        }
        candidates.sort(Comparator.comparing(Candidate::used));
        List<String> deleted = new ArrayList<>();
        for (Candidate oldest : candidates) {
            if (present <= maxBytes) {
                break;
            }
            Files.deleteIfExists(oldest.path);
            present -= oldest.bytes;
            deleted.add(oldest.path.getFileName().toString());
        }
        return deleted;
    }

    private List<Path> list(String suffix) throws IOException {
        List<Path> paths = new ArrayList<>();
        try (var stream = Files.newDirectoryStream(folder, "*" + suffix)) {
            stream.forEach(paths::add);
        } catch (DirectoryIteratorException e) {
            throw e.getCause();
        }
        return paths;
    }
}
