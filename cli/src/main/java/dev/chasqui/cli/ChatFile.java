package dev.chasqui.cli;

import dev.chasqui.json.Json;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// A conversation in a file: a JSON object with an array of messages.
final class ChatFile {

    /// A message of a chat in the terminal.
    ///
    /// @param images files of pictures that come before the text
    /// @param sounds files of sounds that come between them and the text
    record Entry(String role, String content, String reasoning, List<String> images, List<String> sounds) { }

    private record Content(List<Entry> messages) { }

    private ChatFile() {
    }

    /// What was there before stays there if it cannot be written.
    static void write(Path file, List<Entry> messages) throws IOException {
        Path absolute = file.toAbsolutePath();
        Path aside = Files.createTempFile(absolute.getParent(), absolute.getFileName() + ".", ".part");
        try {
            Files.writeString(aside, Json.write(new Content(messages)) + "\n");
            Files.move(aside, absolute, StandardCopyOption.REPLACE_EXISTING);
        } finally {
            Files.deleteIfExists(aside);
        }
    }

    /// @throws dev.chasqui.json.JsonException if it is no such file, with the line
    static List<Entry> read(Path file) throws IOException {
        List<Entry> messages = new ArrayList<>();
        for (Json message : Json.parse(file.toString(), Files.readString(file)).member("messages").array()) {
            messages.add(new Entry(message.member("role").string(), message.member("content").string(), text(message.find("reasoning")),
                    texts(message.find("images")), texts(message.find("sounds"))));
        }
        return messages;
    }

    private static String text(Optional<Json> member) {
        return member.map(Json::string).orElse("");
    }

    private static List<String> texts(Optional<Json> member) {
        return member.map(Json::array).orElse(List.of()).stream().map(Json::string).toList();
    }
}
