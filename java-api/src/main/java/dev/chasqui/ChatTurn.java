package dev.chasqui;

import static dev.chasqui.bindings.Chq.*;

import dev.chasqui.json.Json;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;

/// A conversation made ready for an answer: its prompt, what may follow, and the way to take apart what did. [ChatSession] does all that by itself; this is for
/// programs that generate otherwise, e.g. with an [Engine].
///
/// Immutable and thread-safe, until it is closed.
public final class ChatTurn implements AutoCloseable {

    private final NativeOwner handle;
    private final Json description;
    private final String text;
    private final Prompt prompt;
    private final boolean literal;
    private final int[] opening;
    private final OptionalInt reasoningTokens;

    /// @param tokens whether its prompt is wanted, which needs the model; else only the text
    ChatTurn(Model model, MemorySegment template, List<ChatMessage> messages, ChatOptions options, ToolChoice choice, boolean addAssistant, boolean tokens) {
        this.reasoningTokens = options.reasoningBudget();
        HiddenContent hidden = new HiddenContent(model, tokens);
        String request = ChatRequest.write(messages, options, choice, addAssistant, hidden);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment out = arena.allocate(ValueLayout.ADDRESS);
            Status.check(chq_chat_turn_create(template, Native.cString(arena, "conversation", request), out));
            this.handle = new NativeOwner(this, "chat turn", out.get(ValueLayout.ADDRESS, 0), turn -> chq_chat_turn_free(turn), null);
        }
        try {
            MemorySegment address = handle.addressInUse();
            this.description = Json.parse("turn", Native.text(request.length() * 2L + 4096, (buffer, capacity, length) ->
                    chq_chat_turn_describe(address, buffer, capacity, length)));
            String rendered = description.member("prompt").string();
            this.text = hidden.textOf(rendered);
            this.prompt = tokens ? hidden.prompt(rendered) : Prompt.of();
            this.literal = hidden.isEmpty();
            if (tokens && !options.tools().isEmpty() && choice != ToolChoice.NONE && description.member("grammar").string().isEmpty()) {
                throw new UnsupportedFeatureException("the model's chat template has no place for tools");
            }
            this.opening = !tokens ? new int[0] : opening(model.vocabulary(), prompt.sharedTokens(), description.member("generation_prompt").string());
        } catch (Throwable e) {
            handle.close();
            throw e;
        }
    }

    /// The prompt as text, without its pictures and sounds.
    public String text() {
        return text;
    }

    /// The prompt as tokens, pictures and sounds. Control tokens are only where the template puts them.
    public Prompt prompt() {
        return prompt;
    }

    /// The grammar that the answer must follow because of tools or a schema. If it is not lazy, it begins with [#openingTokens()].
    public Optional<Grammar> grammar() {
        String gbnf = description.member("grammar").string();
        if (gbnf.isEmpty()) {
            return Optional.empty();
        }
        Grammar grammar = Grammar.of(gbnf);
        return Optional.of(!description.member("grammar_lazy").bool() ? grammar : grammar.after(
                texts("trigger_patterns"), description.member("trigger_tokens").array().stream().map(token -> (int) token.integer()).toList()));
    }

    /// The end of the prompt that belongs to the answer, e.g. the sign that the model begins to think.
    public int[] openingTokens() {
        return opening.clone();
    }

    /// The stage that ends the reasoning of the answer when [ChatOptions#reasoningBudget()] is spent; empty without a budget, or if the template marks no end
    /// of reasoning. It goes right before the stage that picks.
    public Optional<Sampler.ReasoningBudget> reasoningBudget() {
        String start = description.member("reasoning_start").string();
        List<String> ends = texts("reasoning_ends");
        return reasoningTokens.isEmpty() || start.isEmpty() || ends.isEmpty() ? Optional.empty()
                : Optional.of(new Sampler.ReasoningBudget(reasoningTokens.getAsInt(), start, ends, description.member("generation_prompt").string()));
    }

    /// Strings that end the answer, by the template's convention.
    public List<String> stops() {
        return texts("stops");
    }

    /// Whether the answer has parts: reasoning or calls. If so, it must be generated with [GenerationOptions#specialTokens()].
    public boolean hasParts() {
        return description.member("parses").bool();
    }

    /// Takes an answer apart into what is said, what is thought, and calls.
    ///
    /// @param partial whether it may go on; then the last call may have a part of its arguments only
    /// @throws IllegalArgumentException if it is not of the form that the template prescribes
    public ChatMessage parse(String answer, boolean partial) {
        if (!hasParts()) {
            return ChatMessage.assistant(answer);
        }
        MemorySegment address = handle.acquire();
        try (Arena arena = Arena.ofConfined()) {
            byte[] bytes = Utf8.encode(answer);
            MemorySegment segment = arena.allocate(Math.max(1, bytes.length));
            MemorySegment.copy(bytes, 0, segment, ValueLayout.JAVA_BYTE, 0, bytes.length);
            Json message = Json.parse("answer", Native.text(bytes.length * 2L + 512, (buffer, capacity, length) ->
                    chq_chat_turn_parse(address, segment, bytes.length, partial, buffer, capacity, length)));
            List<ToolCall> calls = new ArrayList<>();
            for (Json call : message.member("tool_calls").array()) {
                Json function = call.member("function");
                calls.add(new ToolCall(call.member("id").string(), function.member("name").string(), function.member("arguments").string()));
            }
            return ChatMessage.assistant(message.member("content").string(), message.member("reasoning_content").string(), calls);
        } finally {
            handle.release();
        }
    }

    @Override
    public void close() {
        handle.close();
    }

    /// Whether the text stands for the tokens: nothing had to be hidden from the template.
    boolean isLiteral() {
        return literal;
    }

    private List<String> texts(String key) {
        return description.member(key).array().stream().map(Json::string).toList();
    }

    /// The last tokens of the prompt where they make up the text. They do not where the vocabulary puts a space in front of words; then it is spelled byte by byte.
    private static int[] opening(Vocabulary vocabulary, int[] prompt, String text) {
        int start = prompt.length;
        byte[] bytes = Utf8.encode(text);
        for (int left = bytes.length; left > 0 && start > 0 && prompt[start - 1] != Prompt.ROW; start--) {
            left -= vocabulary.piece(prompt[start - 1]).length;
        }
        int[] end = Arrays.copyOfRange(prompt, start, prompt.length);
        return vocabulary.text(end).equals(text) ? end : vocabulary.spell(bytes).orElse(end);
    }
}
