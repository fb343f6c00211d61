package dev.chasqui.examples.swingchat.conversation;

import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;

/// Conversations in a folder, a JSON file each. A file that cannot be read is left as it is and passed over. One thread at a time.
public final class ConversationFiles {

    private static final System.Logger LOG = System.getLogger("dev.chasqui.examples.swingchat");
    private static final String END = ".json";

    private final ObjectMapper json = JsonMapper.builder()
            .disable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES) // of a newer version of this program
            .enable(SerializationFeature.INDENT_OUTPUT)
            .build();
    private final Path folder;

    public ConversationFiles(Path folder) {
        this.folder = folder;
    }

    /// All that can be read, the one that changed last first.
    public List<Conversation> readAll() throws IOException {
        if (!Files.isDirectory(folder)) {
            return List.of();
        }
        List<Conversation> all = new ArrayList<>();
        try (Stream<Path> files = Files.list(folder)) {
            for (Path file : files.filter(file -> file.getFileName().toString().endsWith(END)).toList()) {
                try {
                    all.add(json.readValue(file.toFile(), Conversation.class));
                } catch (JacksonException | IllegalArgumentException e) {
                    LOG.log(System.Logger.Level.WARNING, "this conversation cannot be read: " + file, e);
                }
            }
        }
        all.sort(Comparator.comparingLong(Conversation::changed).reversed());
        return all;
    }

    public void write(Conversation conversation) throws IOException {
        WholeFile.write(file(conversation.id()), json.writeValueAsBytes(conversation));
    }

    public void delete(String id) throws IOException {
        Files.deleteIfExists(file(id));
    }

    private Path file(String id) {
        if (!id.matches("[A-Za-z0-9-]+")) {
            throw new IllegalArgumentException("not the name of a conversation: " + id);
        }
        return folder.resolve(id + END);
    }
}
