package dev.chasqui.bindings;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.net.URISyntaxException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Properties;
import java.util.spi.ToolProvider;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// The loader in JVMs of its own, with the libraries that were built.
class NativeLoaderTest {

    private static final Path BUILT = Path.of(Objects.requireNonNull(System.getProperty(NativeLoader.PATH_PROPERTY)));
    private static final String MODULE = "dev.chasqui.bindings";
    private static final String FLAG = "--enable-native-access=";

    @TempDir
    private static Path shared;

    /// A natives jar as the build packs it.
    private static String jar;

    /// The one for every platform: with the libraries that were built, and made-up ones of a second platform.
    private static String all;

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
        NativesLayout.Outcome stage = NativesLayout.stage(staged);
        assertThat(stage.exit()).as(stage.said()).isZero();
        jar = packModule(staged, shared.resolve("natives.jar"));

        Properties list = new Properties();
        try (InputStream in = Files.newInputStream(staged.resolve(NativesLayout.NATIVES + Platform.current().classifier() + "/natives.properties"))) {
            list.load(in);
        }
        Path other = shared.resolve("other");
        NativesLayout.makeUp(other, "windows-x86_64", list.getProperty("version"), list.getProperty("llama.tree"));
        NativesLayout.pack(other, Files.createDirectory(shared.resolve("jars")).resolve("other.jar"));
        Path merged = shared.resolve("merged");
        NativesLayout.Outcome merge = NativesLayout.merge(staged, shared.resolve("jars"), merged);
        assertThat(merge.exit()).as(merge.said()).isZero();
        all = packModule(merged, shared.resolve("all.jar"));
    }

    private static String packModule(Path content, Path jar) throws IOException {
        assertThat(ToolProvider.findFirst("javac").orElseThrow()
                .run(System.out, System.err, "-d", content.toString(), content.resolve("module-info.java").toString())).isZero();
        return NativesLayout.pack(content, jar).toString();
    }

    /// What a program may have of natives jars: one for its platform, one for every platform, or both.
    static Stream<String> jars() {
        return Stream.of(jar, all, jar + File.pathSeparator + all, all + File.pathSeparator + jar);
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

    @ParameterizedTest
    @MethodSource("jars")
    void loadsFromAJarOnTheClassPath(String jars) throws Exception {
        Result result = finish(onClassPath(jars, FLAG + "ALL-UNNAMED", cache()));
        assertThat(result.out()).startsWith("loaded ").contains(cache.resolve("natives").toString());
        assertThat(result.err()).isEmpty();
    }

    @ParameterizedTest
    @MethodSource("jars")
    void loadsFromAJarOnTheModulePath(String jars) throws Exception {
        Result result = finish(onModulePath(jars, FLAG + MODULE, cache()));
        assertThat(result.out()).startsWith("loaded ").contains(cache.resolve("natives").toString());
        assertThat(result.err()).isEmpty();
    }

    @ParameterizedTest
    @MethodSource("jars")
    void loadsFromAJarThatIsAResolvedModule(String jars) throws Exception {
        assertThat(finish(onModulePath(jars, FLAG + MODULE, "--add-modules=ALL-MODULE-PATH", cache())).out()).startsWith("loaded ");
    }

    @Test
    void loadsFromAModuleInARuntimeImage() throws Exception {
        loadsFromAnImageWith("dev.chasqui.natives." + Platform.current().classifier().replace('-', '_'));
        loadsFromAnImageWith("dev.chasqui.natives.all");
    }

    private void loadsFromAnImageWith(String natives) throws Exception {
        Path image = folder.resolve(natives);
        assertThat(ToolProvider.findFirst("jlink").orElseThrow().run(System.out, System.err, "--output", image.toString(), "--module-path",
                String.join(File.pathSeparator, classesOf(NativeLoader.class).toString(), jar, all),
                "--add-modules", MODULE + "," + natives)).isZero();
        cache = folder.resolve("cache of " + natives);
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

    private static ProcessBuilder onClassPath(String jars, String... options) {
        String path = System.getProperty("java.class.path");
        return java(options, "-cp", jars == null ? path : path + File.pathSeparator + jars, Load.class.getName());
    }

    private static ProcessBuilder onModulePath(String jars, String... options) throws Exception {
        return java(options, "-p", classesOf(NativeLoader.class) + (jars == null ? "" : File.pathSeparator + jars),
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
