package dev.chasqui.bindings;

import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// Names that depend on the operating system and the processor.
record Platform(String os, String arch) {

    private static final Set<String> SUPPORTED = Set.of("linux-x86_64", "linux-aarch64", "macos-x86_64", "macos-aarch64", "windows-x86_64");

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

    /// Whether there are natives for it.
    boolean isSupported() {
        return SUPPORTED.contains(classifier());
    }

    /// File name of a library, without a version.
    String libraryFile(String name) {
        return switch (os) {
            case "windows" -> name + ".dll";
            case "macos" -> "lib" + name + ".dylib";
            default -> "lib" + name + ".so";
        };
    }

    /// Libraries to load before our own. None where our own brings them in by its rpath; Windows looks for them in other folders.
    List<String> dependencies() {
        return os.equals("windows") ? List.of("ggml-base", "ggml-cpu", "ggml-rpc", "ggml", "llama", "llama-common", "mtmd") : List.of();
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
