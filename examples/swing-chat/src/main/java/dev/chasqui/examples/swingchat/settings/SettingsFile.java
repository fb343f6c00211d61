package dev.chasqui.examples.swingchat.settings;

import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.chasqui.examples.swingchat.conversation.WholeFile;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;

/// The settings in a JSON file.
public final class SettingsFile {

    private static final System.Logger LOG = System.getLogger("dev.chasqui.examples.swingchat");

    private final ObjectMapper json = JsonMapper.builder()
            .disable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES) // of a newer version of this program
            .enable(SerializationFeature.INDENT_OUTPUT)
            .build();
    private final Path file;

    public SettingsFile(Path file) {
        this.file = file;
    }

    /// The settings; the defaults where there is no file, or one that cannot be understood, which is then put aside.
    public Settings read() throws IOException {
        if (!Files.exists(file)) {
            return Settings.defaults();
        }
        try {
            // What the file does not say is as by default.
            JsonNode all = json.readerForUpdating(json.valueToTree(Settings.defaults())).readValue(file.toFile());
            return json.treeToValue(all, Settings.class);
        } catch (JacksonException e) {
            LOG.log(System.Logger.Level.WARNING, "the settings cannot be read: " + file, e);
            Files.move(file, file.resolveSibling(file.getFileName() + ".damaged"), StandardCopyOption.REPLACE_EXISTING);
            return Settings.defaults();
        }
    }

    public void write(Settings settings) throws IOException {
        WholeFile.write(file, json.writeValueAsBytes(settings));
    }
}
