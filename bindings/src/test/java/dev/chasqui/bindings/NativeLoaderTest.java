package dev.chasqui.bindings;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.jar.JarEntry;
import java.util.jar.JarOutputStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The loader in JVMs of its own, with the libraries that were built.
class NativeLoaderTest {

    private static final Path BUILT = Path.of(Objects.requireNonNull(System.getProperty(NativeLoader.PATH_PROPERTY)));
    private static final String NATIVE_ACCESS = "--enable-native-access=ALL-UNNAMED";

    @TempDir
    private Path folder;

    /// What the child JVMs run.
    static final class Load {
        public static void main(String[] args) {
            try {
                NativeLoader.load();
                System.out.println("loaded " + Chq.chq_version().getString(0) + " from " + NativeLoader.location());
            } catch (NativeLoadException e) {
                System.out.println("failed " + e.getMessage());
            }
        }
    }

    @Test
    void loadsFromTheFolderInTheProperty() throws Exception {
        Result result = finish(start(NATIVE_ACCESS, property(NativeLoader.PATH_PROPERTY, BUILT)));
        assertThat(result.out()).startsWith("loaded ").contains(BUILT.toString());
        assertThat(result.err()).isEmpty();
    }

    @Test
    void aFolderThatWasMovedStillLoads() throws Exception {
        Path moved = copyOfBuilt(folder.resolve("moved"));
        assertThat(finish(start(NATIVE_ACCESS, property(NativeLoader.PATH_PROPERTY, moved))).out()).contains(moved.toString());
    }

    @Test
    void listsEveryPlaceWithItsReason() throws Exception {
        Path empty = Files.createDirectory(folder.resolve("empty"));
        Result result = finish(start(NATIVE_ACCESS, property(NativeLoader.PATH_PROPERTY, empty)));
        assertThat(result.out()).startsWith("failed ")
                .contains(empty.resolve("libchasqui.so") + " (system property chasqui.library.path): no such file")
                .contains("natives jar for linux-x86_64: not found");
    }

    @Test
    void saysWhyALibraryDoesNotLoad() throws Exception {
        Path broken = Files.createDirectory(folder.resolve("broken"));
        Files.writeString(broken.resolve("libchasqui.so"), "this is not a library");
        Result result = finish(start(NATIVE_ACCESS, property(NativeLoader.PATH_PROPERTY, broken)));
        assertThat(result.out()).startsWith("failed ").contains("libchasqui.so").containsAnyOf("invalid ELF header", "file too short");
    }

    @Test
    void namesTheFlagForNativeAccessInOneLine() throws Exception {
        Result result = finish(start(property(NativeLoader.PATH_PROPERTY, BUILT)));
        assertThat(result.out()).startsWith("loaded ");
        assertThat(result.err().lines().filter(line -> line.contains("start Java with --enable-native-access=ALL-UNNAMED"))).hasSize(1);
    }

    @Test
    void namesTheFlagWhereNativeAccessIsDenied() throws Exception {
        Result result = finish(start("--illegal-native-access=deny", property(NativeLoader.PATH_PROPERTY, BUILT)));
        assertThat(result.out()).startsWith("failed ").contains("--enable-native-access=ALL-UNNAMED");
    }

    @Test
    void twoJvmsUnpackTheSameJarAtOnce() throws Exception {
        Path jar = jarOfBuilt();
        Path cache = folder.resolve("cache");
        List<Process> racers = new ArrayList<>();
        for (int i = 0; i < 2; i++) {
            racers.add(start(jar, NATIVE_ACCESS, property(NativeLoader.CACHE_PROPERTY, cache)));
        }
        for (Process racer : racers) {
            assertThat(finish(racer).out()).startsWith("loaded ").contains(cache.toString());
        }
        try (Stream<Path> unpacked = Files.list(cache.resolve("natives"))) {
            assertThat(unpacked).hasSize(1);
        }
    }

    private record Result(String out, String err) { }

    private static String property(String name, Path value) {
        return "-D" + name + "=" + value;
    }

    private Process start(String... options) throws IOException {
        return start(null, options);
    }

    private Process start(Path jar, String... options) throws IOException {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(List.of(options));
        command.add("-cp");
        command.add(System.getProperty("java.class.path") + (jar == null ? "" : File.pathSeparator + jar));
        command.add(Load.class.getName());
        return new ProcessBuilder(command).start();
    }

    private static Result finish(Process process) throws Exception {
        String out = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        String err = new String(process.getErrorStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor()).as(err).isZero();
        return new Result(out, err);
    }

    private static Path copyOfBuilt(Path target) throws IOException {
        Files.createDirectory(target);
        try (Stream<Path> files = Files.list(BUILT)) {
            for (Path file : files.filter(f -> f.getFileName().toString().contains(".so")).toList()) {
                Files.copy(file, target.resolve(file.getFileName()));
            }
        }
        return target;
    }

    /// A natives jar as native/stage.sh lays it out.
    private Path jarOfBuilt() throws Exception {
        Path root = Path.of(Objects.requireNonNull(System.getProperty("chasqui.root")));
        Path staged = folder.resolve("staged");
        Process stage = new ProcessBuilder(root.resolve("native/stage.sh").toString(), System.getProperty("chasqui.preset"),
                staged.toString(), "test").redirectErrorStream(true).start();
        try (InputStream log = stage.getInputStream()) {
            String text = new String(log.readAllBytes(), StandardCharsets.UTF_8);
            assertThat(stage.waitFor()).as(text).isZero();
        }
        Path jar = folder.resolve("natives.jar");
        try (JarOutputStream out = new JarOutputStream(Files.newOutputStream(jar)); Stream<Path> files = Files.walk(staged)) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                out.putNextEntry(new JarEntry(staged.relativize(file).toString()));
                Files.copy(file, out);
                out.closeEntry();
            }
        }
        return jar;
    }
}
