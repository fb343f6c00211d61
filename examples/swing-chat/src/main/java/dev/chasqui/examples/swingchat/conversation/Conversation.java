package dev.chasqui.examples.swingchat.conversation;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/// A conversation: a tree of messages, of which one path is shown. Editing a message or asking for another answer adds a sibling and loses nothing.
/// Immutable; what changes it gives a new one.
///
/// @param id       names its file
/// @param title    for the list, "" = none yet
/// @param created  milliseconds since 1970
/// @param changed  milliseconds since 1970
/// @param system   what the model is told first, "" = nothing
/// @param messages every message of every branch; parents come before their children
/// @param leaf     the last message of the path that is shown; null without messages
public record Conversation(String id, String title, long created, long changed, String system, List<Message> messages, @Nullable String leaf) {

    private static final int TITLE_LENGTH = 60;

    public Conversation {
        Objects.requireNonNull(id, "id");
        title = Objects.requireNonNullElse(title, "");
        system = Objects.requireNonNullElse(system, "");
        messages = messages == null ? List.of() : List.copyOf(messages);
        Set<String> known = new HashSet<>();
        for (Message message : messages) {
            if (message.parent() != null && !known.contains(message.parent()) || !known.add(message.id())) {
                throw new IllegalArgumentException("message " + message.id() + " comes before its parent, or twice");
            }
        }
        if (leaf == null ? !messages.isEmpty() : !known.contains(leaf)) {
            throw new IllegalArgumentException("the last message " + leaf + " is not there");
        }
    }

    public static Conversation begin(String system) {
        long now = System.currentTimeMillis();
        return new Conversation(UUID.randomUUID().toString(), "", now, now, system, List.of(), null);
    }

    /// The messages that are shown, from the first to the last.
    public List<Message> path() {
        return pathTo(leaf);
    }

    /// The messages from the first to this one.
    public List<Message> pathTo(@Nullable String last) {
        Map<String, Message> byId = new HashMap<>();
        messages.forEach(message -> byId.put(message.id(), message));
        List<Message> path = new ArrayList<>();
        for (String at = last; at != null; at = path.getLast().parent()) {
            path.add(byId.get(at));
        }
        return path.reversed();
    }

    /// The versions of a message: what was said in its place, itself included, oldest first.
    public List<Message> versions(Message message) {
        return messages.stream().filter(other -> Objects.equals(other.parent(), message.parent()) && other.role() == message.role()).toList();
    }

    /// Adds a message below its parent, and shows it.
    public Conversation add(Message message) {
        List<Message> more = new ArrayList<>(messages);
        more.add(message);
        String name = title.isEmpty() && message.isUser() ? titleOf(message.text()) : title;
        return new Conversation(id, name, created, System.currentTimeMillis(), system, more, message.id());
    }

    /// Shows the newest path that goes through a message.
    public Conversation show(String wanted) {
        String last = wanted;
        for (Message message : messages) {
            if (last.equals(message.parent())) {
                last = newestChild(last);
            }
        }
        return new Conversation(id, title, created, changed, system, messages, last);
    }

    /// Shows the path that ends with a message, whatever follows that one.
    public Conversation at(String last) {
        return new Conversation(id, title, created, changed, system, messages, last);
    }

    private String newestChild(String parent) {
        return messages.stream().filter(message -> parent.equals(message.parent())).reduce((older, newer) -> newer).map(Message::id).orElse(parent);
    }

    /// A conversation of its own with the messages up to this one.
    public Conversation branch(String last) {
        long now = System.currentTimeMillis();
        return new Conversation(UUID.randomUUID().toString(), title, now, now, system, pathTo(last), last);
    }

    /// Puts in what became of the pictures of a message.
    public Conversation withPictures(String wanted, List<Picture> pictures) {
        List<Message> others = messages.stream().map(message -> message.id().equals(wanted) ? message.withPictures(pictures) : message).toList();
        return new Conversation(id, title, created, changed, system, others, leaf);
    }

    public Conversation withTitle(String value) {
        return new Conversation(id, value.strip(), created, changed, system, messages, leaf);
    }

    public Conversation withSystem(String value) {
        return new Conversation(id, title, created, changed, value, messages, leaf);
    }

    /// Whether each word of a query is in its title or in one of its messages, in whatever case.
    public boolean matches(String query) {
        StringBuilder all = new StringBuilder(title);
        messages.forEach(message -> all.append('\n').append(message.text()));
        String text = all.toString().toLowerCase(Locale.ROOT);
        return List.of(query.toLowerCase(Locale.ROOT).strip().split("\\s+")).stream().allMatch(text::contains);
    }

    private static String titleOf(String text) {
        String line = text.strip().lines().findFirst().orElse("").strip();
        if (line.length() <= TITLE_LENGTH) {
            return line;
        }
        int space = line.lastIndexOf(' ', TITLE_LENGTH);
        int end = space > TITLE_LENGTH / 2 ? space : TITLE_LENGTH;
        return line.substring(0, Character.isHighSurrogate(line.charAt(end - 1)) ? end - 1 : end) + "…";
    }
}
