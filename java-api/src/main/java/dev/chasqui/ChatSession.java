package dev.chasqui;

import java.util.ArrayList;
import java.util.List;
import java.util.Objects;

/// A conversation: it keeps the messages, writes them with the model's template, and computes only what is new.
///
/// One thread at a time; [Generation#cancel()] of a running answer is safe from any thread.
public final class ChatSession implements AutoCloseable {

    private final Context context;
    private final Sequence sequence;
    private final ChatTemplate template;
    private final GenerationOptions options;
    private final List<ChatMessage> messages = new ArrayList<>();

    ChatSession(Model model, ContextOptions contextOptions, GenerationOptions options) {
        this.options = Objects.requireNonNull(options, "options");
        this.template = model.chatTemplate();
        try {
            this.context = model.newContext(contextOptions);
        } catch (Throwable e) {
            template.close();
            throw e;
        }
        this.sequence = context.newSequence();
    }

    /// The messages so far. A copy.
    public List<ChatMessage> messages() {
        return List.copyOf(messages);
    }

    /// Adds a message without asking for an answer, e.g. a system prompt or the history of an earlier conversation.
    public void add(ChatMessage message) {
        messages.add(Objects.requireNonNull(message, "message"));
    }

    /// Forgets the messages.
    public void clear() {
        messages.clear();
    }

    /// Says something as the user and returns the running answer, with the session's options.
    public Generation send(String text) {
        return send(text, options);
    }

    /// Says something as the user and returns the running answer. The answer joins the conversation when it ends, the part that
    /// there is if it is cancelled; if nothing came of it, what the user said is withdrawn too.
    ///
    /// @throws IllegalArgumentException if the template refuses the conversation; the message is withdrawn then
    public Generation send(String text, GenerationOptions options) {
        int before = messages.size();
        messages.add(ChatMessage.user(text));
        try {
            int[] prompt = template.tokenize(messages, true);
            return sequence.generate(prompt, options).whenDone(answer -> conclude(before, answer));
        } catch (Throwable e) {
            withdraw(before);
            throw e;
        }
    }

    @Override
    public void close() {
        template.close();
        context.close();
    }

    private void conclude(int before, String answer) {
        if (answer.isEmpty()) {
            withdraw(before);
        } else if (messages.size() == before + 1) {
            messages.add(ChatMessage.assistant(answer));
        }
    }

    private void withdraw(int before) {
        if (messages.size() == before + 1) {
            messages.removeLast();
        }
    }
}
