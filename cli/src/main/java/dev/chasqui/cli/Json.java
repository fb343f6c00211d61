package dev.chasqui.cli;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

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

    /// A file with an array of arrays of texts.
    static List<List<String>> table(Path file) throws IOException {
        List<List<String>> rows = new ArrayList<>();
        try (JsonParser json = FACTORY.createParser(file.toFile())) {
            expect(json, file, JsonToken.START_ARRAY, json.nextToken());
            for (JsonToken token = json.nextToken(); token != JsonToken.END_ARRAY; token = json.nextToken()) {
                expect(json, file, JsonToken.START_ARRAY, token);
                List<String> row = new ArrayList<>();
                for (JsonToken cell = json.nextToken(); cell != JsonToken.END_ARRAY; cell = json.nextToken()) {
                    expect(json, file, JsonToken.VALUE_STRING, cell);
                    row.add(json.getText());
                }
                rows.add(row);
            }
        }
        return rows;
    }

    private static void expect(JsonParser json, Path file, JsonToken wanted, JsonToken token) throws IOException {
        if (token != wanted) {
            throw new IOException("%s, line %d: not an array of arrays of texts".formatted(file, json.currentLocation().getLineNr()));
        }
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
