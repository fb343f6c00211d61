package dev.chasqui;

import static dev.chasqui.bindings.Chq.*;

import dev.chasqui.bindings.chq_chat_message;
import dev.chasqui.vision.EncodedImage;
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

    /// The conversation with pictures, which come in front of what the last user says.
    ///
    /// @throws IllegalArgumentException if no user says anything, or the template refuses the conversation
    public Prompt prompt(List<ChatMessage> messages, boolean addAssistant, List<EncodedImage> images) {
        Vocabulary vocabulary = model.vocabulary();
        int last = messages.size() - 1;
        while (last >= 0 && !messages.get(last).role().equals("user")) {
            last--;
        }
        if (last < 0) {
            throw new IllegalArgumentException("nobody says anything about the pictures");
        }
        String mark = mark();
        List<ChatMessage> marked = new ArrayList<>();
        for (int i = 0; i < messages.size(); i++) {
            ChatMessage message = messages.get(i);
            boolean apart = i == last || spellsControlToken(vocabulary, message.content());
            marked.add(apart ? new ChatMessage(message.role(), mark + i + "\uE001") : message);
        }
        String rendered = render(marked, addAssistant);
        Prompt.Builder prompt = Prompt.builder(model);
        if (addsBegin(rendered)) {
            prompt.begin();
        }
        int at = 0;
        for (int start = rendered.indexOf(mark); start >= 0; start = rendered.indexOf(mark, at)) {
            int end = rendered.indexOf('\uE001', start);
            int index = Integer.parseInt(rendered.substring(start + mark.length(), end));
            prompt.template(rendered.substring(at, start));
            if (index == last) {
                images.forEach(prompt::image);
            }
            String content = messages.get(index).content();
            at = end + 1;
            if (index == last && !spellsControlToken(vocabulary, content)) {
                // the text behind the pictures is one, as it is without them
                int next = rendered.indexOf(mark, at);
                int stop = next < 0 ? rendered.length() : next;
                prompt.template(content + rendered.substring(at, stop));
                at = stop;
            } else {
                prompt.text(content);
            }
        }
        return prompt.template(rendered.substring(at)).build();
    }

    private static String mark() {
        return "\uE000%016x".formatted(ThreadLocalRandom.current().nextLong());
    }

    @Override
    public void close() {
        handle.close();
    }

    /// Renders with marks in the place of the contents, then tokenises the template's text and the contents separately.
    private int[] tokenizeApart(Vocabulary vocabulary, List<ChatMessage> messages, boolean addAssistant) {
        String mark = mark();
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
