package dev.chasqui.bindings;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.List;
import java.util.jar.JarEntry;
import java.util.jar.JarOutputStream;
import java.util.stream.Stream;

/// The content of natives jars: two small files in the place of libraries, and what native/merge.sh makes of several.
final class NativesLayout {

    static final String NATIVES = "META-INF/chasqui/natives/";
    static final List<String> LIBRARIES = List.of("libone.so", "libtwo.so");

    private static final Path ROOT = Path.of(System.getProperty("chasqui.root"));

    /// What a script left, and what it said.
    record Outcome(int exit, String said) { }

    private NativesLayout() {
    }

    /// Lays out made-up libraries in `folder` as native/stage.sh lays out built ones.
    static void makeUp(Path folder, String platform, String version, String tree) throws Exception {
        Path libraries = Files.createDirectories(folder.resolve(NATIVES + platform));
        StringBuilder sums = new StringBuilder();
        StringBuilder files = new StringBuilder();
        for (String name : LIBRARIES) {
            String content = name + " for " + platform;
            Files.writeString(libraries.resolve(name), content);
            sums.append(sha256(content)).append("  ").append(name).append('\n');
            files.append("file.%s=%d %s\n".formatted(name, content.length(), sha256(content)));
        }
        Files.writeString(libraries.resolve("natives.properties"),
                "version=%s\nllama.tree=%s\nhash=%s\n%s".formatted(version, tree, sha256(sums.toString()), files));
        for (String licence : List.of("LICENSE", "THIRD-PARTY-NOTICES.md")) {
            Files.copy(ROOT.resolve(licence), folder.resolve("META-INF").resolve(licence));
        }
    }

    /// Packs the files of `folder`, and empty ones under `more` names.
    static Path pack(Path folder, Path jar, String... more) throws IOException {
        try (JarOutputStream out = new JarOutputStream(Files.newOutputStream(jar)); Stream<Path> files = Files.walk(folder)) {
            out.setLevel(1);
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                out.putNextEntry(new JarEntry(folder.relativize(file).toString()));
                Files.copy(file, out);
            }
            for (String name : more) {
                out.putNextEntry(new JarEntry(name));
            }
        }
        return jar;
    }

    static Outcome stage(Path staged) throws Exception {
        return run("stage.sh", System.getProperty("chasqui.preset"), staged.toString(), "test");
    }

    static Outcome merge(Path staged, Path jars, Path merged) throws Exception {
        return run("merge.sh", staged.toString(), jars.toString(), merged.toString());
    }

    private static Outcome run(String script, String... arguments) throws Exception {
        ProcessBuilder builder = new ProcessBuilder(ROOT.resolve("native").resolve(script).toString()).redirectErrorStream(true);
        builder.command().addAll(List.of(arguments));
        Process process = builder.start();
        String said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        return new Outcome(process.waitFor(), said);
    }

    private static String sha256(String content) throws Exception {
        return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(content.getBytes(StandardCharsets.UTF_8)));
    }
}
