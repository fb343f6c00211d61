package dev.chasqui.bindings;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.File;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.jar.JarEntry;
import java.util.jar.JarOutputStream;
import java.util.spi.ToolProvider;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/// The loader in JVMs of its own, with the libraries that were built.
class NativeLoaderTest {

    private static final Path BUILT = Path.of(Objects.requireNonNull(System.getProperty(NativeLoader.PATH_PROPERTY)));
    private static final String MODULE = "dev.chasqui.bindings";
    private static final String FLAG = "--enable-native-access=";

    @TempDir
    private static Path shared;

    /// A natives jar as the build packs it.
    private static Path jar;

    @TempDir
    private Path folder;

    private Path cache;

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

    private record Result(String out, String err) { }

    @BeforeAll
    static void packBuilt() throws Exception {
        Path staged = shared.resolve("staged");
        Process stage = new ProcessBuilder(System.getProperty("chasqui.root") + "/native/stage.sh", System.getProperty("chasqui.preset"),
                staged.toString(), "test").redirectErrorStream(true).start();
        String log = new String(stage.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(stage.waitFor()).as(log).isZero();
        assertThat(ToolProvider.findFirst("javac").orElseThrow()
                .run(System.out, System.err, "-d", staged.toString(), staged.resolve("module-info.java").toString())).isZero();
        jar = shared.resolve("natives.jar");
        try (JarOutputStream out = new JarOutputStream(Files.newOutputStream(jar)); Stream<Path> files = Files.walk(staged)) {
            out.setLevel(1);
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                out.putNextEntry(new JarEntry(staged.relativize(file).toString()));
                Files.copy(file, out);
                out.closeEntry();
            }
        }
    }

    @BeforeEach
    void nameCache() {
        cache = folder.resolve("cache");
    }

    @Test
    void loadsFromTheFolderInTheProperty() throws Exception {
        Result result = finish(onClassPath(null, FLAG + "ALL-UNNAMED", library(BUILT)));
        assertThat(result.out()).startsWith("loaded ").contains(BUILT.toString());
        assertThat(result.err()).isEmpty();
    }

    @Test
    void aFolderThatWasMovedStillLoads() throws Exception {
        Path moved = copyOfBuilt(folder.resolve("moved"));
        assertThat(finish(onClassPath(null, FLAG + "ALL-UNNAMED", library(moved))).out()).startsWith("loaded ").contains(moved.toString());
    }

    @Test
    void loadsFromTheJarOnTheClassPath() throws Exception {
        Result result = finish(onClassPath(jar, FLAG + "ALL-UNNAMED", cache()));
        assertThat(result.out()).startsWith("loaded ").contains(cache.resolve("natives").toString());
        assertThat(result.err()).isEmpty();
    }

    @Test
    void loadsFromTheJarOnTheModulePath() throws Exception {
        Result result = finish(onModulePath(jar, FLAG + MODULE, cache()));
        assertThat(result.out()).startsWith("loaded ").contains(cache.resolve("natives").toString());
        assertThat(result.err()).isEmpty();
    }

    @Test
    void loadsFromTheJarThatIsAResolvedModule() throws Exception {
        assertThat(finish(onModulePath(jar, FLAG + MODULE, "--add-modules=ALL-MODULE-PATH", cache())).out()).startsWith("loaded ");
    }

    @Test
    void loadsFromAModuleInARuntimeImage() throws Exception {
        Path image = folder.resolve("image");
        String natives = "dev.chasqui.natives." + Platform.current().classifier().replace('-', '_');
        assertThat(ToolProvider.findFirst("jlink").orElseThrow().run(System.out, System.err, "--output", image.toString(),
                "--module-path", classesOf(NativeLoader.class) + File.pathSeparator + jar, "--add-modules", MODULE + "," + natives)).isZero();
        Process child = new ProcessBuilder(image.resolve("bin/java").toString(), FLAG + MODULE, cache(),
                "--patch-module", MODULE + "=" + classesOf(NativeLoaderTest.class), "-m", MODULE + "/" + Load.class.getName()).start();
        assertThat(finish(child).out()).startsWith("loaded ").contains(cache.toString());
    }

    @Test
    void unpacksIntoTheUsersCacheFolder() throws Exception {
        ProcessBuilder child = onClassPath(jar, FLAG + "ALL-UNNAMED");
        child.environment().put("XDG_CACHE_HOME", folder.resolve("xdg").toString());
        assertThat(finish(child).out()).startsWith("loaded ").contains(folder.resolve("xdg/chasqui/natives").toString());
    }

    @Test
    void triesTheJarAfterTheProperty() throws Exception {
        Path empty = Files.createDirectory(folder.resolve("empty"));
        assertThat(finish(onClassPath(jar, FLAG + "ALL-UNNAMED", library(empty), cache())).out())
                .startsWith("loaded ").contains(cache.toString());
    }

    @Test
    void listsEveryPlaceWithItsReason() throws Exception {
        Path empty = Files.createDirectory(folder.resolve("empty"));
        assertThat(finish(onClassPath(null, FLAG + "ALL-UNNAMED", library(empty))).out()).startsWith("failed ")
                .contains(empty.resolve("libchasqui.so") + " (system property chasqui.library.path): no such file")
                .contains("natives jar for linux-x86_64: not found");
    }

    @Test
    void saysWhyALibraryDoesNotLoad() throws Exception {
        Path broken = Files.createDirectory(folder.resolve("broken"));
        Files.writeString(broken.resolve("libchasqui.so"), "this is not a library");
        assertThat(finish(onClassPath(null, FLAG + "ALL-UNNAMED", library(broken))).out())
                .startsWith("failed ").contains("libchasqui.so").containsAnyOf("invalid ELF header", "file too short");
    }

    @Test
    void saysThatALibraryIsNotOurs() throws Exception {
        Path other = Files.createDirectory(folder.resolve("other"));
        Files.copy(BUILT.resolve("libggml-base.so"), other.resolve("libchasqui.so"));
        assertThat(finish(onClassPath(null, FLAG + "ALL-UNNAMED", library(other))).out())
                .startsWith("failed ").contains("does not fit").contains("it has no function chq_abi_structs");
    }

    @Test
    void saysThatASystemHasNoNatives() throws Exception {
        assertThat(finish(onClassPath(null, FLAG + "ALL-UNNAMED", "-Dos.arch=vax")).out())
                .startsWith("failed ").contains("natives jar for linux-vax: there is none for this system");
    }

    @Test
    void namesTheFlagForNativeAccessInOneLine() throws Exception {
        Result result = finish(onClassPath(null, library(BUILT)));
        assertThat(result.out()).startsWith("loaded ");
        assertThat(result.err().lines().filter(line -> line.contains("start Java with --enable-native-access=ALL-UNNAMED"))).hasSize(1);
    }

    @Test
    void namesTheModuleInTheFlag() throws Exception {
        Result result = finish(onModulePath(null, library(BUILT)));
        assertThat(result.out()).startsWith("loaded ");
        assertThat(result.err().lines().filter(line -> line.contains("start Java with --enable-native-access=dev.chasqui.bindings"))).hasSize(1);
    }

    @Test
    void namesTheFlagWhereNativeAccessIsDenied() throws Exception {
        assertThat(finish(onClassPath(null, "--illegal-native-access=deny", library(BUILT))).out())
                .startsWith("failed ").contains("--enable-native-access=ALL-UNNAMED");
        assertThat(finish(onModulePath(null, "--illegal-native-access=deny", library(BUILT))).out())
                .startsWith("failed ").contains("--enable-native-access=dev.chasqui.bindings");
    }

    @Test
    void twoJvmsUnpackTheSameJarAtOnce() throws Exception {
        List<Process> racers = new ArrayList<>();
        for (int i = 0; i < 2; i++) {
            racers.add(onClassPath(jar, FLAG + "ALL-UNNAMED", cache()).start());
        }
        for (Process racer : racers) {
            assertThat(finish(racer).out()).startsWith("loaded ").contains(cache.toString());
        }
        try (Stream<Path> unpacked = Files.list(cache.resolve("natives"))) {
            assertThat(unpacked).hasSize(1);
        }
    }

    @Test
    void repairsALibraryThatWasCutShort() throws Exception {
        finish(onClassPath(jar, FLAG + "ALL-UNNAMED", cache()));
        Path library = unpacked().resolve("libchasqui.so");
        Files.writeString(library, "cut");
        assertThat(finish(onClassPath(jar, FLAG + "ALL-UNNAMED", cache())).out()).startsWith("loaded ");
        assertThat(library).hasSize(Files.size(shared.resolve("staged/META-INF/chasqui/natives/linux-x86_64/libchasqui.so")));
    }

    @Test
    void writesNothingIntoACacheThatWasFilled() throws Exception {
        finish(onClassPath(jar, FLAG + "ALL-UNNAMED", cache()));
        FileTime filled = FileTime.fromMillis(1);
        Files.setLastModifiedTime(cache.resolve("natives"), filled);
        assertThat(finish(onClassPath(jar, FLAG + "ALL-UNNAMED", cache())).out()).startsWith("loaded ");
        assertThat(Files.getLastModifiedTime(cache.resolve("natives"))).isEqualTo(filled);
    }

    @Test
    @EnabledOnOs(OS.LINUX)
    void namesACacheThatCannotBeWritten() throws Exception {
        cache = Path.of("/proc/chasqui"); // even root cannot create it
        assertThat(finish(onClassPath(jar, FLAG + "ALL-UNNAMED", cache())).out())
                .startsWith("failed ").contains("natives jar for linux-").contains("cannot unpack into /proc/chasqui");
    }

    @Test
    void namesADependencyThatIsMissing() throws Exception {
        Path without = copyOfBuilt(folder.resolve("without"));
        for (Path file : list(without)) {
            if (file.getFileName().toString().startsWith("libmtmd")) {
                Files.delete(file);
            }
        }
        assertThat(finish(onClassPath(null, FLAG + "ALL-UNNAMED", library(without))).out()).startsWith("failed ").contains("libmtmd.so");
    }

    private static String library(Path folder) {
        return "-D" + NativeLoader.PATH_PROPERTY + "=" + folder;
    }

    private String cache() {
        return "-D" + NativeLoader.CACHE_PROPERTY + "=" + cache;
    }

    private Path unpacked() throws IOException {
        return list(cache.resolve("natives")).getFirst();
    }

    private static ProcessBuilder onClassPath(Path jar, String... options) {
        String path = System.getProperty("java.class.path");
        return java(options, "-cp", jar == null ? path : path + File.pathSeparator + jar, Load.class.getName());
    }

    private static ProcessBuilder onModulePath(Path jar, String... options) throws Exception {
        return java(options, "-p", classesOf(NativeLoader.class) + (jar == null ? "" : File.pathSeparator + jar),
                "--patch-module", MODULE + "=" + classesOf(NativeLoaderTest.class), "-m", MODULE + "/" + Load.class.getName());
    }

    private static Path classesOf(Class<?> type) throws URISyntaxException {
        return Path.of(type.getProtectionDomain().getCodeSource().getLocation().toURI());
    }

    private static ProcessBuilder java(String[] options, String... rest) {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.add("-XX:TieredStopAtLevel=1");
        command.addAll(Arrays.asList(options));
        command.addAll(Arrays.asList(rest));
        ProcessBuilder child = new ProcessBuilder(command);
        child.environment().keySet().removeAll(List.of("JDK_JAVA_OPTIONS", "JAVA_TOOL_OPTIONS")); // Java announces them on stderr
        return child;
    }

    private static Result finish(ProcessBuilder child) throws Exception {
        return finish(child.start());
    }

    private static Result finish(Process process) throws Exception {
        String out = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        String err = new String(process.getErrorStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor()).as(err).isZero();
        return new Result(out, err);
    }

    private static Path copyOfBuilt(Path target) throws IOException {
        Files.createDirectory(target);
        for (Path file : list(BUILT)) {
            if (file.getFileName().toString().contains(".so")) {
                Files.copy(file, target.resolve(file.getFileName()));
            }
        }
        return target;
    }

    private static List<Path> list(Path folder) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.toList();
        }
    }
}
