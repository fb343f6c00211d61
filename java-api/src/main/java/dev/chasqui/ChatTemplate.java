package dev.chasqui;

import static dev.chasqui.bindings.Chq.*;

import dev.chasqui.bindings.chq_chat_message;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ThreadLocalRandom;
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

    /// The conversation as text.
    ///
    /// @param addAssistant whether it ends with the opening of the assistant's turn
    /// @throws IllegalArgumentException if the template refuses the conversation, e.g. a role it does not know
    public String render(List<ChatMessage> messages, boolean addAssistant) {
        MemorySegment address = handle.acquire();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment array = chq_chat_message.allocateArray(Math.max(1, messages.size()), arena);
            for (int i = 0; i < messages.size(); i++) {
                MemorySegment entry = chq_chat_message.asSlice(array, i);
                chq_chat_message.role(entry, Native.cString(arena, "role", messages.get(i).role()));
                chq_chat_message.content(entry, Native.cString(arena, "content", messages.get(i).content()));
            }
            return Native.text((text, capacity, length) ->
                    chq_chat_render(address, array, messages.size(), addAssistant, text, capacity, length));
        } finally {
            handle.release();
        }
    }

    /// The conversation as tokens, control tokens only where the template puts them.
    public int[] tokenize(List<ChatMessage> messages, boolean addAssistant) {
        Vocabulary vocabulary = model.vocabulary();
        for (ChatMessage message : messages) {
            if (spellsControlToken(vocabulary, message.role())) {
                throw new IllegalArgumentException("the role '" + message.role() + "' spells a control token");
            }
        }
        if (messages.stream().noneMatch(message -> spellsControlToken(vocabulary, message.content()))) {
            String rendered = render(messages, addAssistant);
            return vocabulary.tokenize(rendered, addsBegin(rendered), true);
        }
        return tokenizeApart(vocabulary, messages, addAssistant);
    }

    @Override
    public void close() {
        handle.close();
    }

    /// Renders with marks in the place of the contents, then tokenises the template's text and the contents separately.
    private int[] tokenizeApart(Vocabulary vocabulary, List<ChatMessage> messages, boolean addAssistant) {
        String mark = "\uE000%016x".formatted(ThreadLocalRandom.current().nextLong());
        List<ChatMessage> marked = new ArrayList<>();
        for (int i = 0; i < messages.size(); i++) {
            marked.add(new ChatMessage(messages.get(i).role(), mark + i + "\uE001"));
        }
        String rendered = render(marked, addAssistant);
        TokenList tokens = new TokenList();
        int at = 0;
        boolean first = true;
        while (at < rendered.length()) {
            int start = rendered.indexOf(mark, at);
            String outside = rendered.substring(at, start < 0 ? rendered.length() : start);
            tokens.addAll(vocabulary.tokenize(outside, first && addsBegin(rendered), true));
            first = false;
            if (start < 0) {
                break;
            }
            int end = rendered.indexOf('\uE001', start);
            int index = Integer.parseInt(rendered.substring(start + mark.length(), end));
            tokens.addAll(vocabulary.tokenize(messages.get(index).content()));
            at = end + 1;
        }
        return tokens.toArray();
    }

    /// Most templates write the begin-of-text token themselves; it must not be there twice.
    private boolean addsBegin(String rendered) {
        Vocabulary vocabulary = model.vocabulary();
        if (!vocabulary.addsBeginOfText() || vocabulary.special().beginOfText().isEmpty()) {
            return false;
        }
        byte[] begin = vocabulary.piece(vocabulary.special().beginOfText().getAsInt());
        return !rendered.startsWith(new String(begin, StandardCharsets.UTF_8));
    }

    private static boolean spellsControlToken(Vocabulary vocabulary, String content) {
        for (int token : vocabulary.tokenize(content, false, true)) {
            if (vocabulary.info(token).isControl()) {
                return true;
            }
        }
        return false;
    }
}
