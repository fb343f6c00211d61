package dev.chasqui;

import java.util.ArrayList;
import java.util.List;
import java.util.function.ToIntFunction;

/// What becomes of a conversation that is too long for its context.
@FunctionalInterface
public interface ContextOverflow {

    /// A conversation that is too long.
    ///
    /// @param messages all of them; the last one waits for an answer
    /// @param tokens   that they take
    /// @param limit    tokens that they may take
    /// @param counter  counts the tokens of a shorter conversation, for a millisecond or more of work
    record Conversation(List<ChatMessage> messages, int tokens, int limit, ToIntFunction<List<ChatMessage>> counter) { }

    /// The messages that stay; the others leave the conversation for good. If they are still too many the question fails.
    List<ChatMessage> shorten(Conversation conversation);

    /// Fails with a [ContextFullException] that has the numbers. Nothing is forgotten.
    static ContextOverflow fail() {
        return conversation -> {
            throw new ContextFullException(conversation.tokens(), conversation.limit());
        };
    }

    /// Drops the oldest questions with their answers until a quarter of the limit is free again, and keeps the system prompt and the last question.
    /// Dropping several at a time is cheaper than one at each turn, since what follows them is computed again.
    static ContextOverflow slide() {
        return conversation -> {
            List<ChatMessage> kept = new ArrayList<>(conversation.messages());
            int goal = conversation.limit() - conversation.limit() / 4;
            int tokens = conversation.tokens();
            while (tokens > goal) {
                int first = 0;
                while (first < kept.size() && kept.get(first).role().equals("system")) {
                    first++;
                }
                int next = first + 1;
                while (next < kept.size() && !kept.get(next).role().equals("user")) {
                    next++;
                }
                if (next >= kept.size()) {
                    break;
                }
                kept.subList(first, next).clear();
                tokens = conversation.counter().applyAsInt(List.copyOf(kept));
            }
            return kept;
        };
    }
}
