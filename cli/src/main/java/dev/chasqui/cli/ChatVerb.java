package dev.chasqui.cli;

import java.util.Arrays;
import java.util.Locale;
import java.util.Optional;

/// What can be asked of a chat besides an answer.
enum ChatVerb {

    MODEL("NAME|FILE", "go on with another model; alone, say which one it is"),
    SYSTEM("TEXT", "set the system prompt; alone, remove it"),
    IMAGE("FILE", "show a picture with the next message (needs --mmproj)"),
    AUDIO("FILE", "play a sound with the next message: WAV, FLAC or MP3 (needs --mmproj)"),
    JSON("SCHEMA|FILE", "make answers follow a JSON schema; alone, no longer"),
    REGEN("", "answer the last message again"),
    STATS("", "counts and times of the last answer"),
    SAVE("FILE", "write the conversation to a file"),
    LOAD("FILE", "go on with a conversation from a file"),
    CLEAR("", "forget the conversation but the system prompt"),
    HELP("", "this list"),
    QUIT("", "leave, as Ctrl-D");

    private final String argument;
    private final String description;

    ChatVerb(String argument, String description) {
        this.argument = argument;
        this.description = description;
    }

    /// As it is typed.
    String word() {
        return "/" + name().toLowerCase(Locale.ROOT);
    }

    /// What follows it, "" = nothing.
    String argument() {
        return argument;
    }

    String description() {
        return description;
    }

    static Optional<ChatVerb> of(String word) {
        return Arrays.stream(values()).filter(verb -> verb.word().equals(word)).findFirst();
    }
}
