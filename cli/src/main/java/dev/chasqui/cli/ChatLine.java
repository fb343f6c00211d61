package dev.chasqui.cli;

/// What somebody typed into a chat. A line that ends with a backslash goes on in the next one; one that begins with two slashes says something that begins
/// with one.
sealed interface ChatLine {

    /// Something for the model, "" = nothing.
    record Say(String text) implements ChatLine { }

    /// @param argument what follows the word, "" = nothing
    record Command(ChatVerb verb, String argument) implements ChatLine { }

    /// A command that there is not.
    record Unknown(String word) implements ChatLine { }

    /// Whether more lines belong to it.
    static boolean goesOn(String typed) {
        return typed.endsWith("\\");
    }

    static ChatLine parse(String typed) {
        String text = typed.replace("\\\n", "\n").strip();
        if (!text.startsWith("/")) {
            return new Say(text);
        }
        if (text.startsWith("//")) {
            return new Say(text.substring(1));
        }
        String[] parts = text.split("\\s+", 2);
        return ChatVerb.of(parts[0]).<ChatLine>map(verb -> new Command(verb, parts.length > 1 ? parts[1] : "")).orElseGet(() -> new Unknown(parts[0]));
    }
}
