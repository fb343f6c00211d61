package dev.chasqui.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import javax.tools.Diagnostic;
import javax.tools.DiagnosticCollector;
import javax.tools.JavaCompiler;
import javax.tools.JavaFileObject;
import javax.tools.SimpleJavaFileObject;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// What README and docs say compiles, and their command lines exist.
class DocsTest {

    private static final Path ROOT = Path.of(System.getProperty("chasqui.root"));
    private static final Pattern WORD = Pattern.compile("\"((?:[^\"\\\\]|\\\\.)*)\"|'([^']*)'|([^\\s\"']+)");

    /// What code in the docs may use without saying so; a block that declares a name itself hides the field.
    private static final String FRAME = """
            import dev.chasqui.*; import dev.chasqui.analysis.*; import dev.chasqui.audio.*; import dev.chasqui.diffusion.*; import dev.chasqui.json.*; import dev.chasqui.kv.*; import dev.chasqui.models.*;\
            import dev.chasqui.speculation.*; import dev.chasqui.tensor.*; import dev.chasqui.tools.*; import dev.chasqui.vision.*;\
            import java.awt.image.*; import java.io.*; import java.lang.foreign.*; import java.nio.*; import java.nio.file.*; import java.time.*; import java.util.*; import java.util.concurrent.*; import java.util.stream.*;\
            abstract class %s { Model model; Vocabulary vocabulary; Context context; Sequence sequence; TensorArena arena;\
            Path path, folder, file, rerankingModel, page, input, output, directions; String question, text; List<String> documents, found, passages; List<ChatMessage> history; boolean stopped;\
            int[] tokens; float[] numbers; MemorySegment rows; int count, stride, width, columns, lines; BufferedImage picture;\
            void run() throws Exception {
            %s
            } }
            """;

    /// Text between fences.
    ///
    /// @param line of its first line in the file, from 1
    private record Block(Path file, int line, String language, String text) {

        String place() {
            return ROOT.relativize(file) + ":" + line;
        }
    }

    @TempDir
    Path classes;

    @Test
    void everyJavaBlockCompiles() {
        List<Block> blocks = blocks().stream().filter(block -> block.language().equals("java")).toList();
        assertThat(blocks).hasSizeGreaterThan(15);
        JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
        List<String> errors = new ArrayList<>();
        for (int i = 0; i < blocks.size(); i++) {
            Block block = blocks.get(i);
            var complaints = new DiagnosticCollector<JavaFileObject>();
            compiler.getTask(null, null, complaints, List.of("--release", "25", "-proc:none", "-d", classes.toString(), "-cp", System.getProperty("java.class.path")),
                    null, List.of(source("Block" + i, block))).call();
            complaints.getDiagnostics().stream().filter(each -> each.getKind() == Diagnostic.Kind.ERROR)
                    .forEach(each -> errors.add(block.place() + ": " + each.getMessage(Locale.ROOT)));
        }
        assertThat(errors).isEmpty();
    }

    /// A whole file if it has a `main`, else statements.
    private static JavaFileObject source(String name, Block block) {
        String text = block.text().contains("void main(") ? block.text() : FRAME.formatted(name, block.text());
        return new SimpleJavaFileObject(URI.create("string:///" + name + ".java"), JavaFileObject.Kind.SOURCE) {
            @Override
            public CharSequence getCharContent(boolean ignoreEncodingErrors) {
                return text;
            }
        };
    }

    @Test
    void everyCommandLineParses() {
        List<String> lines = new ArrayList<>();
        for (Block block : blocks()) {
            for (String line : block.text().replace("\\\n", " ").lines().toList()) {
                if (line.startsWith("./chasqui ")) {
                    lines.add(line);
                    assertThatCode(() -> Main.commandLine().parseArgs(words(line).skip(1).toArray(String[]::new)))
                            .as("%s: %s", block.place(), line).doesNotThrowAnyException();
                }
            }
        }
        assertThat(lines).hasSizeGreaterThan(15);
    }

    /// As a shell would split them, up to a comment, a pipe or another file.
    private static Stream<String> words(String line) {
        return WORD.matcher(line).results().map(word -> word.group(1) != null ? word.group(1) : word.group(2) != null ? word.group(2) : word.group(3))
                .takeWhile(word -> !word.startsWith("#") && !word.equals("|") && !word.startsWith(">") && !word.startsWith("2>") && !word.equals("<") && !word.equals("&"));
    }

    private static List<Block> blocks() {
        try (Stream<Path> files = Stream.concat(Stream.of("README.md", "CONTRIBUTING.md", "examples/README.md", "jmh/README.md").map(ROOT::resolve),
                Files.list(ROOT.resolve("docs")).filter(file -> file.toString().endsWith(".md")).sorted())) {
            return files.flatMap(file -> blocks(file).stream()).toList();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static List<Block> blocks(Path file) {
        List<Block> blocks = new ArrayList<>();
        List<String> lines;
        try {
            lines = Files.readAllLines(file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        for (int i = 0; i < lines.size(); i++) {
            if (lines.get(i).strip().startsWith("```")) {
                int end = i + 1;
                while (!lines.get(end).strip().equals("```")) {
                    end++;
                }
                blocks.add(new Block(file, i + 2, lines.get(i).strip().substring(3), lines.subList(i + 1, end).stream().collect(Collectors.joining("\n"))));
                i = end;
            }
        }
        return blocks;
    }
}
