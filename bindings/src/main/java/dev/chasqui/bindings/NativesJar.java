package dev.chasqui.bindings;

import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.lang.module.ModuleFinder;
import java.net.MalformedURLException;
import java.net.URI;
import java.net.URL;
import java.net.URLClassLoader;
import java.net.URLConnection;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.DigestOutputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.List;
import java.util.Properties;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/// The libraries in a natives jar, and how they get onto the disk.
///
/// They are unpacked into a folder named by the hash of their content: written aside, compared with their checksums, and renamed into
/// place. So a half-written folder is never used, and programs that start at the same time do not disturb each other.
final class NativesJar {

    private static final String ROOT = "META-INF/chasqui/natives/";
    private static final String MODULE_PREFIX = "dev.chasqui.natives.";

    private final ClassLoader loader;
    private final Platform platform;

    NativesJar(ClassLoader loader, Platform platform) {
        this.loader = loader;
        this.platform = platform;
    }

    /// Where natives jars may be: what `loader` sees, and the modules that Java left out because no module requires them: natives
    /// jars have no code. Those may be on the module path or in the runtime image.
    static URLClassLoader resources(ClassLoader loader, Platform platform) {
        List<URL> jars = new ArrayList<>();
        if (loader.getResource(list(platform)) == null) {
            String[] path = System.getProperty("jdk.module.path", "").split(File.pathSeparator);
            Path[] entries = Arrays.stream(path).filter(entry -> !entry.isEmpty()).map(Path::of).toArray(Path[]::new);
            for (ModuleFinder finder : List.of(ModuleFinder.of(entries), ModuleFinder.ofSystem())) {
                finder.findAll().stream().filter(module -> module.descriptor().name().startsWith(MODULE_PREFIX))
                        .flatMap(module -> module.location().stream()).map(NativesJar::url).forEach(jars::add);
            }
        }
        return new URLClassLoader(jars.toArray(URL[]::new), loader);
    }

    /// A class loader takes a location for a folder only if it ends with a slash.
    private static URL url(URI location) {
        try {
            return (location.getScheme().equals("jrt") ? URI.create(location + "/") : location).toURL();
        } catch (MalformedURLException e) {
            throw new AssertionError("Java reads this module from " + location, e);
        }
    }

    private static String list(Platform platform) {
        return ROOT + platform.classifier() + "/natives.properties";
    }

    /// Why a jar cannot be used.
    static final class UnusableException extends Exception {
        UnusableException(String message) {
            super(message);
        }

        UnusableException(String message, Throwable cause) {
            super(message, cause);
        }
    }

    private record Entry(String name, long size, String sha256) { }

    /// The folder with the libraries, unpacked under `cache` if they are not there yet.
    Path unpack(Path cache) throws UnusableException {
        Properties list = readList();
        checkProcessor(list);
        List<Entry> entries = entries(list);
        Path folder = cache.resolve("natives").resolve(required(list, "hash"));
        try {
            if (!isComplete(folder, entries)) {
                install(folder, entries);
            }
            return folder;
        } catch (IOException e) {
            throw new UnusableException("cannot unpack into " + folder + ": " + describe(e), e);
        }
    }

    private Properties readList() throws UnusableException {
        String name = list(platform);
        try (InputStream in = open(name)) {
            if (in == null) {
                throw new UnusableException("not found: add dev.chasqui:chasqui-natives with the classifier " + platform.classifier()
                        + " to the dependencies");
            }
            Properties list = new Properties();
            list.load(in);
            return list;
        } catch (IOException e) {
            throw new UnusableException("cannot read " + name + ": " + describe(e), e);
        }
    }

    /// Not through the cache of open jars, where another class loader could close this jar meanwhile.
    private @Nullable InputStream open(String name) throws IOException {
        URL resource = loader.getResource(name);
        if (resource == null) {
            return null;
        }
        URLConnection connection = resource.openConnection();
        connection.setUseCaches(false);
        return connection.getInputStream();
    }

    /// Libraries built for one processor would end the process with an illegal instruction on a lesser one.
    private static void checkProcessor(Properties list) throws UnusableException {
        String needed = list.getProperty("cpu.flags", "").strip();
        Path cpuinfo = Path.of("/proc/cpuinfo");
        if (needed.isEmpty() || !Files.isReadable(cpuinfo)) {
            return;
        }
        try (Stream<String> lines = Files.lines(cpuinfo)) {
            Set<String> missing = new TreeSet<>(Arrays.asList(needed.split(" ")));
            lines.filter(line -> line.startsWith("flags") || line.startsWith("Features")).findFirst()
                    .ifPresent(line -> Arrays.asList(line.split("\\s+")).forEach(missing::remove));
            if (!missing.isEmpty()) {
                throw new UnusableException("built for another processor; this one lacks " + String.join(", ", missing));
            }
        } catch (IOException e) {
            throw new UnusableException("cannot read " + cpuinfo + ": " + describe(e), e);
        }
    }

    private static List<Entry> entries(Properties list) throws UnusableException {
        List<Entry> entries = new ArrayList<>();
        for (String key : list.stringPropertyNames()) {
            if (key.startsWith("file.")) {
                String name = key.substring("file.".length());
                String[] parts = list.getProperty(key).split(" ");
                if (parts.length != 2 || name.contains("/") || name.contains("\\") || name.startsWith(".")) {
                    throw new UnusableException("natives.properties is malformed at " + key);
                }
                entries.add(new Entry(name, Long.parseLong(parts[0]), parts[1]));
            }
        }
        if (entries.isEmpty()) {
            throw new UnusableException("natives.properties lists no files");
        }
        entries.sort(Comparator.comparing(Entry::name));
        return entries;
    }

    private static String required(Properties list, String key) throws UnusableException {
        String value = list.getProperty(key, "");
        if (!value.matches("[0-9a-f]{64}")) {
            throw new UnusableException("natives.properties has no valid " + key);
        }
        return value;
    }

    /// Checksums were compared when the folder was written; sizes catch what happens to files afterwards, at no cost.
    private static boolean isComplete(Path folder, List<Entry> entries) throws IOException {
        for (Entry entry : entries) {
            Path file = folder.resolve(entry.name());
            if (!Files.isRegularFile(file) || Files.size(file) != entry.size()) {
                return false;
            }
        }
        return true;
    }

    private void install(Path folder, List<Entry> entries) throws IOException, UnusableException {
        Path parent = folder.getParent();
        Files.createDirectories(parent);
        Path aside = Files.createTempDirectory(parent, ".unpacking-");
        try {
            for (Entry entry : entries) {
                copy(entry, aside.resolve(entry.name()));
            }
            replace(aside, folder, entries);
        } finally {
            delete(aside);
        }
    }

    private void copy(Entry entry, Path file) throws IOException, UnusableException {
        String name = ROOT + platform.classifier() + "/" + entry.name();
        MessageDigest digest = sha256();
        try (InputStream in = open(name)) {
            if (in == null) {
                throw new UnusableException("the jar lacks " + name);
            }
            try (OutputStream out = new DigestOutputStream(Files.newOutputStream(file), digest)) {
                in.transferTo(out);
            }
        }
        String actual = HexFormat.of().formatHex(digest.digest());
        if (!actual.equals(entry.sha256())) {
            throw new UnusableException("the jar is damaged: the checksum of " + name + " is " + actual + ", expected " + entry.sha256());
        }
    }

    /// Another program may have put the same folder there meanwhile; then that one is used.
    private static void replace(Path aside, Path folder, List<Entry> entries) throws IOException {
        while (true) {
            try {
                Files.move(aside, folder, StandardCopyOption.ATOMIC_MOVE);
                return;
            } catch (FileSystemException e) {
                if (!Files.exists(folder)) {
                    throw e;
                }
                if (isComplete(folder, entries)) {
                    return;
                }
                moveAway(folder);
            }
        }
    }

    private static void moveAway(Path damaged) throws IOException {
        Path away = Files.createTempDirectory(damaged.getParent(), ".damaged-");
        try {
            Files.move(damaged, away.resolve("natives"), StandardCopyOption.ATOMIC_MOVE);
        } finally {
            delete(away);
        }
    }

    private static void delete(Path folder) throws IOException {
        if (!Files.exists(folder)) {
            return;
        }
        try (Stream<Path> paths = Files.walk(folder)) {
            for (Path path : paths.sorted(Comparator.reverseOrder()).toList()) {
                Files.deleteIfExists(path);
            }
        }
    }

    private static MessageDigest sha256() {
        try {
            return MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError("every Java platform has SHA-256", e);
        }
    }

    private static String describe(IOException e) {
        return e.getClass().getSimpleName() + (e.getMessage() == null ? "" : " " + e.getMessage());
    }
}
