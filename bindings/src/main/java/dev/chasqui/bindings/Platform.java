package dev.chasqui.bindings;

import java.nio.file.Path;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/// Names that depend on the operating system and the processor.
record Platform(String os, String arch) {

    static Platform current() {
        return of(System.getProperty("os.name"), System.getProperty("os.arch"));
    }

    static Platform of(String osName, String osArch) {
        String name = osName.toLowerCase(Locale.ROOT);
        String os = name.startsWith("linux") ? "linux" : name.startsWith("mac") ? "macos" : name.startsWith("windows") ? "windows" : name;
        String arch = switch (osArch.toLowerCase(Locale.ROOT)) {
            case "amd64", "x86_64" -> "x86_64";
            case "aarch64", "arm64" -> "aarch64";
            default -> osArch;
        };
        return new Platform(os, arch);
    }

    /// Name of the folder in a natives jar, and of the jar's classifier.
    String classifier() {
        return os + "-" + arch;
    }

    /// File name of our own library, which brings in the others by its rpath.
    String libraryFile() {
        return switch (os) {
            case "windows" -> "chasqui.dll";
            case "macos" -> "libchasqui.dylib";
            default -> "libchasqui.so";
        };
    }

    /// The folder for caches of the user.
    Path userCache() {
        String home = System.getProperty("user.home");
        return switch (os) {
            case "windows" -> environment("LOCALAPPDATA", Path.of(home, "AppData", "Local"));
            case "macos" -> Path.of(home, "Library", "Caches");
            default -> environment("XDG_CACHE_HOME", Path.of(home, ".cache"));
        };
    }

    private static Path environment(String variable, Path otherwise) {
        @Nullable String value = System.getenv(variable);
        return value == null || value.isBlank() ? otherwise : Path.of(value);
    }
}
