package dev.chasqui.cli;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Prompts in JSON lines, as benchmarks publish them.
final class PromptFile {

    private static final JsonFactory FACTORY = new JsonFactory();

    private PromptFile() {
    }

    record Prompt(String id, String category, String text) { }

    /// @throws IOException if the file cannot be read, or a line is no object with a prompt; the message names the line
    static List<Prompt> read(Path file) throws IOException {
        List<Prompt> prompts = new ArrayList<>();
        try (BufferedReader lines = Files.newBufferedReader(file)) {
            String line;
            for (int number = 1; (line = lines.readLine()) != null; number++) {
                if (!line.isBlank()) {
                    try {
                        prompts.add(parse(line, number));
                    } catch (IOException e) {
                        throw new IOException(file + ", line " + number + ": " + e.getMessage(), e);
                    }
                }
            }
        }
        return prompts;
    }

    private static Prompt parse(String line, int number) throws IOException {
        String id = String.valueOf(number);
        String category = "";
        @Nullable String text = null;
        try (JsonParser json = FACTORY.createParser(line)) {
            if (json.nextToken() != JsonToken.START_OBJECT) {
                throw new IOException("not a JSON object");
            }
            while (json.nextToken() == JsonToken.FIELD_NAME) {
                String name = json.currentName();
                JsonToken value = json.nextToken();
                switch (name) {
                    case "question_id", "task_id", "id" -> id = json.getText();
                    case "category" -> category = json.getText();
                    case "prompt" -> text = json.getText();
                    case "turns" -> {
                        if (value == JsonToken.START_ARRAY && json.nextToken() == JsonToken.VALUE_STRING) {
                            text = json.getText();
                        }
                        while (json.currentToken() != JsonToken.END_ARRAY && json.currentToken() != null) {
                            json.nextToken();
                            json.skipChildren();
                        }
                    }
                    default -> json.skipChildren();
                }
            }
        }
        if (text == null) {
            throw new IOException("neither prompt nor turns");
        }
        return new Prompt(id, category, text);
    }
}
