package examples;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;

/// What a program prints while it runs in this process.
public final class Printed {

    /// A `main` method.
    @FunctionalInterface
    public interface Program {
        void run() throws Exception;
    }

    private Printed() {}

    public static String by(Program program) throws Exception {
        PrintStream before = System.out;
        var bytes = new ByteArrayOutputStream();
        try (var out = new PrintStream(bytes, true, StandardCharsets.UTF_8)) {
            System.setOut(out);
            program.run();
        } finally {
            System.setOut(before);
        }
        return bytes.toString(StandardCharsets.UTF_8);
    }
}
