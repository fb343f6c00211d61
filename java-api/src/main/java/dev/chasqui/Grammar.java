package dev.chasqui;

import static dev.chasqui.bindings.Chq.chq_chat_schema_grammar;

import dev.chasqui.json.JsonSchema;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Objects;

/// A GBNF grammar that the text must follow. Immutable; it is parsed against a model when a [SamplerChain] is made of it.
///
/// {@snippet class="snippets.ChatSnippets" region="grammar"}
///
/// @param gbnf            the rules
/// @param root            name of the start rule
/// @param triggerPatterns regular expressions; the grammar binds from the first group of the first match in the output
/// @param triggerTokens   tokens from which the grammar binds
public record Grammar(String gbnf, String root, List<String> triggerPatterns, List<Integer> triggerTokens) {

    public Grammar {
        Objects.requireNonNull(gbnf, "gbnf");
        Objects.requireNonNull(root, "root");
        triggerPatterns = List.copyOf(triggerPatterns);
        triggerTokens = List.copyOf(triggerTokens);
    }

    /// A grammar that binds from the first token, with the start rule `root`.
    public static Grammar of(String gbnf) {
        return new Grammar(gbnf, "root", List.of(), List.of());
    }

    /// The grammar of the JSON texts that follow a schema.
    ///
    /// @throws GrammarException if llama.cpp cannot make one of it
    public static Grammar of(JsonSchema schema) {
        Native.load();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment text = Native.cString(arena, "schema", schema.text());
            return of(Native.text((gbnf, capacity, length) -> chq_chat_schema_grammar(text, gbnf, capacity, length)));
        }
    }

    /// The same grammar, binding only once one of the patterns has matched or one of the tokens has appeared.
    public Grammar after(List<String> patterns, List<Integer> tokens) {
        return new Grammar(gbnf, root, patterns, tokens);
    }

    /// Whether it waits for a trigger.
    public boolean isLazy() {
        return !triggerPatterns.isEmpty() || !triggerTokens.isEmpty();
    }
}
