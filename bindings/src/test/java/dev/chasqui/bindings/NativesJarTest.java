package dev.chasqui.bindings;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.OutputStream;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.jar.JarEntry;
import java.util.jar.JarOutputStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// How a natives jar gets onto the disk, with small files in the place of libraries.
class NativesJarTest {

    private static final Platform PLATFORM = new Platform("linux", "x86_64");
    private static final String ROOT = "META-INF/chasqui/natives/linux-x86_64/";
    private static final byte[] ONE = "first library".getBytes(StandardCharsets.UTF_8);
    private static final byte[] TWO = "second library".getBytes(StandardCharsets.UTF_8);

    @TempDir
    private Path folder;

    @Test
    void unpacksEveryFileUnderTheHashOfTheContent() throws Exception {
        Path unpacked = unpack(jar(""));
        assertThat(unpacked).isEqualTo(cache().resolve("natives").resolve(hash()));
        assertThat(unpacked.resolve("libone.so")).hasBinaryContent(ONE);
        assertThat(unpacked.resolve("libtwo.so")).hasBinaryContent(TWO);
        assertThat(leftovers()).isEmpty();
    }

    @Test
    void usesWhatIsThere() throws Exception {
        Path jar = jar("");
        Path file = unpack(jar).resolve("libone.so");
        var before = Files.getLastModifiedTime(file);
        Files.setLastModifiedTime(file, FileTime.fromMillis(1));
        assertThat(Files.getLastModifiedTime(unpack(jar).resolve("libone.so")).toMillis()).isEqualTo(1).isNotEqualTo(before.toMillis());
    }

    @Test
    void repairsATruncatedFile() throws Exception {
        Path jar = jar("");
        Path file = unpack(jar).resolve("libtwo.so");
        Files.writeString(file, "short");
        assertThat(unpack(jar).resolve("libtwo.so")).hasBinaryContent(TWO);
        assertThat(leftovers()).isEmpty();
    }

    @Test
    void repairsAMissingFile() throws Exception {
        Path jar = jar("");
        Files.delete(unpack(jar).resolve("libone.so"));
        assertThat(unpack(jar).resolve("libone.so")).hasBinaryContent(ONE);
    }

    @Test
    void refusesADamagedJarAndLeavesNothing() throws Exception {
        Path jar = jar("", "not the library that was listed".getBytes(StandardCharsets.UTF_8));
        assertThatThrownBy(() -> unpack(jar)).isInstanceOf(NativesJar.UnusableException.class)
                .hasMessageContaining("damaged").hasMessageContaining("libone.so");
        assertThat(cache().resolve("natives").resolve(hash())).doesNotExist();
        assertThat(leftovers()).isEmpty();
    }

    @Test
    void takesEveryFileFromTheFirstOfTwoJars() throws Exception {
        Path damaged = Files.move(jar("", "not the library that was listed".getBytes(StandardCharsets.UTF_8)), folder.resolve("damaged.jar"));
        Path jar = jar("");
        assertThatThrownBy(() -> unpack(damaged, jar)).isInstanceOf(NativesJar.UnusableException.class).hasMessageContaining("damaged");
        assertThat(unpack(jar, damaged).resolve("libone.so")).hasBinaryContent(ONE);
    }

    @Test
    void refusesLibrariesForABetterProcessor() throws Exception {
        Path jar = jar("cpu.flags=sse4_2 quantum_vnni\n");
        assertThatThrownBy(() -> unpack(jar)).isInstanceOf(NativesJar.UnusableException.class).hasMessageContaining("quantum_vnni");
    }

    @Test
    void saysWhichJarIsMissing() {
        assertThatThrownBy(() -> new NativesJar(ClassLoader.getPlatformClassLoader(), PLATFORM).unpack(cache()))
                .isInstanceOf(NativesJar.UnusableException.class).hasMessageContaining("chasqui-natives").hasMessageContaining("linux-x86_64");
    }

    @Test
    void saysWhyTheCacheCannotBeWritten() throws Exception {
        Path jar = jar("");
        Files.createDirectories(folder);
        Files.writeString(cache(), "a file where a folder should be");
        assertThatThrownBy(() -> unpack(jar)).isInstanceOf(NativesJar.UnusableException.class).hasMessageContaining("cannot unpack into");
    }

    @Test
    void refusesFileNamesThatLeaveTheFolder() throws Exception {
        Path jar = jar("file.../evil=1 " + "0".repeat(64) + "\n");
        assertThatThrownBy(() -> unpack(jar)).isInstanceOf(NativesJar.UnusableException.class).hasMessageContaining("malformed");
    }

    @Test
    void manyAtOnceAgree() throws Exception {
        Path jar = jar("");
        try (ExecutorService threads = Executors.newFixedThreadPool(8)) {
            List<Callable<Path>> tasks = new ArrayList<>();
            for (int i = 0; i < 32; i++) {
                tasks.add(() -> unpack(jar));
            }
            for (Future<Path> result : threads.invokeAll(tasks)) {
                assertThat(result.get().resolve("libone.so")).hasBinaryContent(ONE);
                assertThat(result.get().resolve("libtwo.so")).hasBinaryContent(TWO);
            }
        }
        assertThat(leftovers()).isEmpty();
    }

    private Path cache() {
        return folder.resolve("cache");
    }

    private Path unpack(Path... jars) throws Exception {
        List<URL> urls = new ArrayList<>();
        for (Path jar : jars) {
            urls.add(jar.toUri().toURL());
        }
        try (URLClassLoader loader = new URLClassLoader(urls.toArray(URL[]::new), ClassLoader.getPlatformClassLoader())) {
            return new NativesJar(loader, PLATFORM).unpack(cache());
        }
    }

    private Path jar(String moreProperties) throws Exception {
        return jar(moreProperties, ONE);
    }

    private Path jar(String moreProperties, byte[] first) throws Exception {
        Path jar = folder.resolve("natives.jar");
        String list = "hash=" + hash() + "\n"
                + "file.libone.so=" + ONE.length + " " + sha256(ONE) + "\n"
                + "file.libtwo.so=" + TWO.length + " " + sha256(TWO) + "\n" + moreProperties;
        try (OutputStream out = Files.newOutputStream(jar); JarOutputStream entries = new JarOutputStream(out)) {
            put(entries, "natives.properties", list.getBytes(StandardCharsets.UTF_8));
            put(entries, "libone.so", first);
            put(entries, "libtwo.so", TWO);
        }
        return jar;
    }

    private static void put(JarOutputStream jar, String name, byte[] content) throws IOException {
        jar.putNextEntry(new JarEntry(ROOT + name));
        jar.write(content);
        jar.closeEntry();
    }

    private static String hash() throws Exception {
        return sha256((sha256(ONE) + sha256(TWO)).getBytes(StandardCharsets.UTF_8));
    }

    private static String sha256(byte[] bytes) throws Exception {
        return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
    }

    /// Folders that an unpacking left behind.
    private List<Path> leftovers() throws IOException {
        try (Stream<Path> files = Files.list(cache().resolve("natives"))) {
            return files.filter(file -> file.getFileName().toString().startsWith(".")).toList();
        }
    }
}
