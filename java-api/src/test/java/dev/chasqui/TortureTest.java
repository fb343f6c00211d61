package dev.chasqui;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Every kind of bad input ends in a typed exception, in a JVM that goes on to generate what it generated before.
///
/// The cases run in a child JVM: one that ends it is a failure with its name, and the next child goes on after it.
@Tag("standalone")
class TortureTest {

    private static final int MAX_CHILDREN = 40;

    @TempDir
    static Path directory;

    @TestFactory
    @Timeout(600)
    List<DynamicTest> everyKindOfBadInput() throws IOException {
        List<String> names = Torture.names(directory);
        Map<String, String> failures = new LinkedHashMap<>();
        List<String> noise = new ArrayList<>();
        int next = 0;
        for (int child = 0; child < MAX_CHILDREN && next < names.size(); child++) {
            ChildJvm.Result result = ChildJvm.run(Torture.class, directory, List.of("-Xmx512m"),
                    List.of(directory.toString(), String.valueOf(next)), 9);
            // Checking tensors prints to the standard error stream, past every log.
            result.errors().stream().filter(line -> !line.startsWith("ggml_validate_row_data: ")).forEach(noise::add);
            next = read(result, names, next, failures);
        }
        int reached = next;

        List<DynamicTest> tests = new ArrayList<>();
        tests.add(dynamicTest("there are at least 60 kinds", () -> assertThat(kinds(names)).hasSizeGreaterThanOrEqualTo(60)));
        tests.add(dynamicTest("all cases were reached", () -> assertThat(reached).isEqualTo(names.size())));
        tests.add(dynamicTest("nothing is printed by native code", () -> assertThat(noise).isEmpty()));
        kinds(names).forEach((kind, members) -> tests.add(dynamicTest(kind, () ->
                assertThat(failures.entrySet().stream().filter(failure -> members.contains(failure.getKey())).map(Map.Entry::getValue)).isEmpty())));
        return tests;
    }

    /// The places of a damaged file are one kind.
    private static Map<String, List<String>> kinds(List<String> names) {
        Map<String, List<String>> kinds = new LinkedHashMap<>();
        for (String name : names) {
            String kind = name.matches("(file cut|bit flipped|block zeroed): .*") ? name.substring(0, name.indexOf(':')) : name;
            kinds.computeIfAbsent(kind, _ -> new ArrayList<>()).add(name);
        }
        return kinds;
    }

    /// @return the index of the first case that was not run
    private static int read(ChildJvm.Result result, List<String> names, int from, Map<String, String> failures) {
        int next = from;
        boolean open = false;
        for (String line : result.output()) {
            if (line.startsWith(Torture.START)) {
                assertThat(line).isEqualTo(Torture.START + names.get(next));
                open = true;
            } else if (line.startsWith(Torture.OK)) {
                next++;
                open = false;
            } else if (line.startsWith(Torture.WRONG)) {
                failures.put(names.get(next), line);
                next++;
                open = false;
            } else if (line.equals(Torture.DONE)) {
                return names.size();
            }
        }
        if (open) {
            failures.put(names.get(next), names.get(next) + " ended the process: " + result.summary());
            next++;
        } else if (next == from) {
            throw new AssertionError("the child did nothing: " + result.summary());
        }
        return next;
    }
}
