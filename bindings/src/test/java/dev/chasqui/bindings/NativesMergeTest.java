package dev.chasqui.bindings;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// What native/merge.sh puts into the natives jar for every platform, and what it refuses, with small files in the place of libraries.
class NativesMergeTest {

    private static final String VERSION = "1.2";
    private static final String TREE = "fd570ef5";
    private static final String OTHER = "macos-aarch64";

    @TempDir
    private Path folder;

    private Path staged;
    private Path jars;
    private Path merged;

    /// Of the other platform, to be packed by [#packOther].
    private Path other;

    @BeforeEach
    void layOut() throws Exception {
        staged = folder.resolve("staged");
        jars = Files.createDirectory(folder.resolve("jars"));
        merged = folder.resolve("merged");
        other = folder.resolve("other");
        NativesLayout.makeUp(staged, "linux-x86_64", VERSION, TREE);
        NativesLayout.makeUp(other, OTHER, VERSION, TREE);
    }

    @Test
    void holdsTheLibrariesOfEveryPlatformAndTheLicencesOnce() throws Exception {
        Path third = folder.resolve("third");
        NativesLayout.makeUp(third, "windows-x86_64", VERSION, TREE);
        Files.writeString(third.resolve("module-info.class"), "of one platform");
        NativesLayout.pack(third, jars.resolve("a.jar"));
        Files.writeString(jars.resolve("b.jar.sha256"), "what else lies there");
        packOther();
        assertThat(merge()).isEqualTo(new NativesLayout.Outcome(0, ""));
        assertThat(files(merged)).containsExactly("META-INF/LICENSE", "META-INF/THIRD-PARTY-NOTICES.md",
                "META-INF/chasqui/natives/linux-x86_64/libone.so", "META-INF/chasqui/natives/linux-x86_64/libtwo.so",
                "META-INF/chasqui/natives/linux-x86_64/natives.properties",
                "META-INF/chasqui/natives/macos-aarch64/libone.so", "META-INF/chasqui/natives/macos-aarch64/libtwo.so",
                "META-INF/chasqui/natives/macos-aarch64/natives.properties",
                "META-INF/chasqui/natives/windows-x86_64/libone.so", "META-INF/chasqui/natives/windows-x86_64/libtwo.so",
                "META-INF/chasqui/natives/windows-x86_64/natives.properties", "module-info.java");
        for (Path content : List.of(staged, other, third)) {
            for (String file : files(content.resolve("META-INF"))) {
                assertThat(merged.resolve("META-INF").resolve(file)).hasSameBinaryContentAs(content.resolve("META-INF").resolve(file));
            }
        }
        assertThat(merged.resolve("module-info.java")).hasContent("module dev.chasqui.natives.all { }");
    }

    @Test
    void permissionsAreTheSameWhereverAJarCameFrom() throws Exception {
        Files.setPosixFilePermissions(library(staged, "linux-x86_64"), PosixFilePermissions.fromString("rw-rw----"));
        packOther();
        assertThat(merge().exit()).isZero();
        for (String platform : List.of("linux-x86_64", OTHER)) {
            assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(library(merged, platform)))).isEqualTo("rw-r--r--");
        }
    }

    @Test
    void leavesNothingOfAnEarlierMerge() throws Exception {
        Files.createDirectories(merged.resolve("META-INF/chasqui/natives/linux-vax"));
        packOther();
        assertThat(merge().exit()).isZero();
        assertThat(merged.resolve("META-INF/chasqui/natives/linux-vax")).doesNotExist();
    }

    @Test
    void refusesAFolderThatIsNotThere() throws Exception {
        Files.delete(jars);
        assertRefused("there is no folder " + jars);
    }

    @Test
    void refusesAFolderWithoutJars() throws Exception {
        assertRefused(jars + " holds no jars");
    }

    @Test
    void refusesWhatIsNoJar() throws Exception {
        Files.writeString(jars.resolve("other.jar"), "not a jar");
        assertRefused("other.jar is not a natives jar: it cannot be read");
    }

    @Test
    void refusesAJarOfSomethingElse() throws Exception {
        Path classes = Files.createDirectories(folder.resolve("classes/dev"));
        Files.writeString(classes.resolve("Some.class"), "a class");
        NativesLayout.pack(classes.getParent(), jars.resolve("other.jar"));
        assertRefused("other.jar is not a natives jar: it has no META-INF/chasqui/natives/PLATFORM/natives.properties");
    }

    @Test
    void refusesAJarWithoutAList() throws Exception {
        Files.delete(list());
        packOther();
        assertRefused("other.jar is not a natives jar: it has no META-INF/chasqui/natives/PLATFORM/natives.properties");
    }

    @Test
    void refusesAJarWithoutLibraries() throws Exception {
        Files.writeString(list(), "version=" + VERSION + "\nllama.tree=" + TREE + "\n");
        for (String name : NativesLayout.LIBRARIES) {
            Files.delete(list().resolveSibling(name));
        }
        packOther();
        assertRefused("other.jar is not a natives jar: it has no libraries");
    }

    @Test
    void refusesNamesThatLeaveTheFolder() throws Exception {
        NativesLayout.pack(other, jars.resolve("other.jar"), "../evil");
        assertRefused("other.jar is not a natives jar: it has names that leave its folder");
    }

    @Test
    void refusesASecondJarOfAPlatform() throws Exception {
        packOther();
        NativesLayout.pack(other, jars.resolve("twice.jar"));
        assertRefused("twice.jar has libraries for macos-aarch64; this machine or another jar has them already");
    }

    @Test
    void refusesAJarOfThisPlatform() throws Exception {
        packOther();
        NativesLayout.pack(staged, jars.resolve("this.jar"));
        assertRefused("this.jar has libraries for linux-x86_64; this machine or another jar has them already");
    }

    @Test
    void refusesAnotherVersion() throws Exception {
        replaceInList("version=1.2", "version=1.3");
        packOther();
        assertRefused("other.jar has version=1.3, this build 1.2");
    }

    @Test
    void refusesAnotherLlamaCpp() throws Exception {
        replaceInList("llama.tree=fd570ef5", "llama.tree=00000000");
        packOther();
        assertRefused("other.jar has llama.tree=00000000, this build fd570ef5");
    }

    @Test
    void refusesALibraryThatWasDamaged() throws Exception {
        Files.writeString(library(other, OTHER), "libone.so for macos-aarchxx");
        packOther();
        assertRefused("other.jar is damaged: its natives.properties says otherwise of libone.so\n");
    }

    @Test
    void refusesALibraryThatIsMissing() throws Exception {
        Files.delete(library(other, OTHER));
        packOther();
        assertRefused("other.jar is damaged: its natives.properties says otherwise of libone.so\n");
    }

    @Test
    void refusesALibraryThatIsNotListed() throws Exception {
        Files.writeString(library(other, OTHER).resolveSibling(".hidden"), "not of the build");
        Files.writeString(library(other, OTHER).resolveSibling("libthree.so"), "one more");
        packOther();
        assertRefused("other.jar is damaged: its natives.properties says otherwise of .hidden libthree.so\n");
    }

    @Test
    void refusesAHashThatIsNotThatOfTheLibraries() throws Exception {
        replaceInList("hash=", "hash=0");
        packOther();
        assertRefused("other.jar is damaged: its natives.properties says otherwise of the hash of its libraries\n");
    }

    @Test
    void refusesOtherNotices() throws Exception {
        Files.writeString(other.resolve("META-INF/THIRD-PARTY-NOTICES.md"), "of something more");
        packOther();
        assertRefused("other.jar has another THIRD-PARTY-NOTICES.md than this build");
    }

    private NativesLayout.Outcome merge() throws Exception {
        return NativesLayout.merge(staged, jars, merged);
    }

    private void packOther() throws IOException {
        NativesLayout.pack(other, jars.resolve("other.jar"));
    }

    /// And nothing is left that javac would take.
    private void assertRefused(String sentence) throws Exception {
        NativesLayout.Outcome outcome = merge();
        assertThat(outcome.said()).startsWith("merge.sh: ").contains(sentence).hasLineCount(1);
        assertThat(outcome.exit()).isEqualTo(1);
        assertThat(merged.resolve("module-info.java")).doesNotExist();
    }

    private Path list() {
        return other.resolve(NativesLayout.NATIVES + OTHER + "/natives.properties");
    }

    private void replaceInList(String old, String replacement) throws IOException {
        Files.writeString(list(), Files.readString(list()).replace(old, replacement));
    }

    private static Path library(Path content, String platform) {
        return content.resolve(NativesLayout.NATIVES + platform + "/libone.so");
    }

    private static List<String> files(Path content) throws IOException {
        try (Stream<Path> files = Files.walk(content)) {
            return files.filter(Files::isRegularFile).map(file -> content.relativize(file).toString()).sorted().toList();
        }
    }
}
