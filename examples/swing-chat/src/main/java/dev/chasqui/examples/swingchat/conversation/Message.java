package dev.chasqui.examples.swingchat.conversation;

import java.util.List;
import java.util.Objects;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/// What somebody said. Immutable.
///
/// @param id        names it in its conversation
/// @param parent    the message before it, null for a first one
/// @param reasoning what the model thought before it spoke, "" = nothing
/// @param pictures  that come with it, in order
/// @param facts     of an answer that has ended, else null
public record Message(
        String id, @Nullable String parent, Role role, String text, String reasoning, List<Picture> pictures, @Nullable AnswerFacts facts) {

    public Message {
        Objects.requireNonNull(id, "id");
        Objects.requireNonNull(role, "role");
        text = Objects.requireNonNullElse(text, "");
        reasoning = Objects.requireNonNullElse(reasoning, "");
        pictures = pictures == null ? List.of() : List.copyOf(pictures);
    }

    public static Message user(@Nullable String parent, String text, List<Picture> pictures) {
        return new Message(UUID.randomUUID().toString(), parent, Role.USER, text, "", pictures, null);
    }

    public static Message assistant(@Nullable String parent, String text, String reasoning, @Nullable AnswerFacts facts) {
        return new Message(UUID.randomUUID().toString(), parent, Role.ASSISTANT, text, reasoning, List.of(), facts);
    }

    public boolean isUser() {
        return role == Role.USER;
    }

    Message withPictures(List<Picture> value) {
        return new Message(id, parent, role, text, reasoning, value, facts);
    }
}
