package dev.chasqui.cli;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.io.UncheckedIOException;

/// JSON lines on stdout.
final class Json {

    private static final JsonFactory FACTORY = new JsonFactory();

    private Json() {
    }

    /// Writes the members of an object.
    @FunctionalInterface
    interface Members {
        void write(JsonGenerator json) throws IOException;
    }

    /// Prints one object on a line of its own.
    static void line(PrintWriter out, Members members) {
        StringWriter text = new StringWriter();
        try (JsonGenerator json = FACTORY.createGenerator(text)) {
            json.writeStartObject();
            members.write(json);
            json.writeEndObject();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        out.println(text);
        out.flush();
    }
}
