package dev.chasqui;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/// Runs a main class of the tests in a JVM of its own, so that a crash there is a failure here.
final class ChildJvm {

    private ChildJvm() {
    }

    /// @param exit   the exit status, -1 if it had to be ended
    /// @param crash  the beginning of the JVM's crash report, empty if there is none
    record Result(int exit, List<String> output, List<String> errors, String crash) {

        /// The last line that starts with the prefix, without it.
        String last(String prefix) {
            return output.stream().filter(line -> line.startsWith(prefix)).reduce((_, b) -> b).orElse("").substring(
                    output.stream().anyMatch(line -> line.startsWith(prefix)) ? prefix.length() : 0);
        }

        String summary() {
            return "exit status %d%nlast output:%n%s%nerrors:%n%s%n%s".formatted(exit,
                    String.join("\n", output.subList(Math.max(0, output.size() - 20), output.size())),
                    String.join("\n", errors.subList(Math.max(0, errors.size() - 20), errors.size())), crash);
        }
    }

    static Result run(Class<?> main, Path directory, List<String> jvmOptions, List<String> arguments, int minutes) {
        return run(command(main, directory, jvmOptions, arguments), directory, minutes);
    }

    /// Where the JVM that [#command] starts reports a crash.
    private static Path crashFile(Path directory) {
        return directory.resolve("crash.log");
    }

    static List<String> command(Class<?> main, Path directory, List<String> jvmOptions, List<String> arguments) {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.add("--enable-native-access=ALL-UNNAMED");
        command.add("-XX:ErrorFile=" + crashFile(directory));
        for (String property : List.of("chasqui.library.path", "chasqui.root", "chasqui.preset", "chasqui.models")) {
            if (System.getProperty(property) != null) {
                command.add("-D" + property + "=" + System.getProperty(property));
            }
        }
        command.addAll(jvmOptions);
        command.addAll(List.of("-cp", System.getProperty("java.class.path"), main.getName()));
        command.addAll(arguments);
        return command;
    }

    static Result run(List<String> command, Path directory, int minutes) {
        try {
            Process process = new ProcessBuilder(command).directory(directory.toFile()).start();
            CompletableFuture<List<String>> output = lines(process.getInputStream());
            CompletableFuture<List<String>> errors = lines(process.getErrorStream());
            boolean ended = process.waitFor(minutes, TimeUnit.MINUTES);
            if (!ended) {
                process.destroyForcibly().waitFor();
            }
            return new Result(ended ? process.exitValue() : -1, output.join(), errors.join(), crash(crashFile(directory)));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException(e);
        }
    }

    private static CompletableFuture<List<String>> lines(InputStream stream) {
        return CompletableFuture.supplyAsync(() -> {
            try (stream) {
                return new String(stream.readAllBytes(), StandardCharsets.UTF_8).lines().toList();
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        });
    }

    /// What happened, and the native frames.
    private static String crash(Path file) throws IOException {
        if (!Files.exists(file)) {
            return "";
        }
        List<String> lines = new String(Files.readAllBytes(file), StandardCharsets.UTF_8).lines().toList();
        int frames = lines.indexOf("Native frames: (J=compiled Java code, j=interpreted, Vv=VM code, C=native code)");
        List<String> interesting = new ArrayList<>(lines.subList(0, Math.min(14, lines.size())));
        if (frames >= 0) {
            interesting.addAll(lines.subList(frames, Math.min(frames + 15, lines.size())));
        }
        return String.join("\n", interesting);
    }
}
