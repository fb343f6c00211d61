package dev.chasqui;

import static dev.chasqui.bindings.Chq.*;

import dev.chasqui.vision.EncodedImage;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// How a model wants conversations written: the Jinja template of its file, rendered by llama.cpp's engine.
///
/// Thread-safe. What a message says never becomes a control token, even if it spells one.
public final class ChatTemplate implements AutoCloseable {

    private final Model model;
    private final NativeOwner handle;

    /// @param source Jinja text, null = the model's own
    ChatTemplate(Model model, @Nullable String source) {
        this.model = model;
        MemorySegment address = model.handle().acquire();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment out = arena.allocate(ValueLayout.ADDRESS);
            MemorySegment text = source == null ? MemorySegment.NULL : Native.cString(arena, "template", source);
            Status.check(chq_chat_template_create(address, text, out));
            this.handle = new NativeOwner(this, "chat template", out.get(ValueLayout.ADDRESS, 0),
                    template -> chq_chat_template_free(template), model.handle());
        } catch (Throwable e) {
            model.handle().release();
            throw e;
        }
    }

    /// The conversation as text, without its pictures and sounds.
    ///
    /// @param addAssistant whether it ends with the opening of the assistant's turn
    /// @throws IllegalArgumentException if the template refuses the conversation, e.g. a role it does not know
    public String render(List<ChatMessage> messages, boolean addAssistant) {
        try (ChatTurn turn = turn(messages, ChatOptions.defaults(), ToolChoice.AUTO, addAssistant, false)) {
            return turn.text();
        }
    }

    /// The conversation as tokens, control tokens only where the template puts them.
    ///
    /// @throws IllegalArgumentException if there are pictures or sounds in it, or the template refuses it
    public int[] tokenize(List<ChatMessage> messages, boolean addAssistant) {
        Prompt prompt = prompt(messages, addAssistant);
        if (prompt.hasRows()) {
            throw new IllegalArgumentException("there are pictures or sounds in the conversation, which have no tokens");
        }
        return prompt.tokens();
    }

    /// The conversation as tokens, pictures and sounds.
    ///
    /// @throws IllegalArgumentException if the template refuses the conversation
    public Prompt prompt(List<ChatMessage> messages, boolean addAssistant) {
        try (ChatTurn turn = turn(messages, ChatOptions.defaults(), ToolChoice.AUTO, addAssistant, true)) {
            return turn.prompt();
        }
    }

    /// The conversation with pictures, which come in front of what the last user says.
    ///
    /// @throws IllegalArgumentException if no user says anything, or the template refuses the conversation
    public Prompt prompt(List<ChatMessage> messages, boolean addAssistant, List<EncodedImage> images) {
        List<ChatMessage> all = new ArrayList<>(messages);
        for (int i = all.size() - 1; i >= 0; i--) {
            if (all.get(i).role().equals("user")) {
                all.set(i, all.get(i).withImages(images));
                return prompt(all, addAssistant);
            }
        }
        throw new IllegalArgumentException("nobody says anything about the pictures");
    }

    /// The conversation made ready for an answer, with the tools, the schema and the template arguments of the options. The caller closes it.
    ///
    /// @throws IllegalArgumentException if the template refuses the conversation, or the schema has no grammar
    public ChatTurn turn(List<ChatMessage> messages, ChatOptions options) {
        return turn(messages, options, options.toolChoice(), true, true);
    }

    ChatTurn turn(List<ChatMessage> messages, ChatOptions options, ToolChoice choice, boolean addAssistant, boolean tokens) {
        MemorySegment address = handle.acquire();
        try {
            return new ChatTurn(model, address, messages, options, choice, addAssistant, tokens);
        } finally {
            handle.release();
        }
    }

    @Override
    public void close() {
        handle.close();
    }
}
