package dev.chasqui;

import dev.chasqui.json.Json;
import dev.chasqui.json.JsonException;
import dev.chasqui.json.JsonSchema;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/// A conversation: it keeps the messages, writes them with the model's template, and computes only what is new.
///
/// {@snippet class="snippets.ChatSnippets" region="session"}
///
/// One thread at a time; [ChatAnswer#cancel()] of a running answer is safe from any thread. A tool that is called may not use the session that
/// calls it; every method but [#messages()] is an [IllegalStateException] then.
public final class ChatSession implements AutoCloseable {

    /// What branches of a conversation share.
    private record Home(Context context, ChatTemplate template, AtomicInteger users) {

        void leave() {
            if (users.decrementAndGet() == 0) {
                template.close();
                context.close();
            }
        }
    }

    private final Model model;
    private final Home home;
    private final Sequence sequence;
    private final ChatOptions options;
    private final List<ChatMessage> messages = new ArrayList<>();
    private @Nullable ChatAnswer running;
    private volatile @Nullable String calledTool;
    private int calls;
    private boolean closed;
    /// A text whose tokens are known to be these: the last prompt with its answer, as the model wrote it.
    private String knownText = "";
    private int[] knownTokens = {};

    ChatSession(Model model, ContextOptions contextOptions, ChatOptions options) {
        this.model = model;
        this.options = Objects.requireNonNull(options, "options");
        ChatTemplate template = model.chatTemplate();
        Context context;
        try {
            context = model.newContext(contextOptions);
        } catch (Throwable e) {
            template.close();
            throw e;
        }
        this.home = new Home(context, template, new AtomicInteger(1));
        this.sequence = context.newSequence();
    }

    private ChatSession(ChatSession origin) {
        this.model = origin.model;
        this.options = origin.options;
        this.home = origin.home;
        this.sequence = origin.sequence.fork();
        this.messages.addAll(origin.messages);
        this.calls = origin.calls;
        this.knownText = origin.knownText;
        this.knownTokens = origin.knownTokens;
        home.users().incrementAndGet();
    }

    /// The options that hold where no others are given.
    public ChatOptions options() {
        return options;
    }

    /// What the context of the conversation has room for.
    public ContextInfo contextInfo() {
        return home.context().info();
    }

    /// The messages so far. A copy.
    public List<ChatMessage> messages() {
        return List.copyOf(messages);
    }

    /// Adds a message without asking for an answer, e.g. a system prompt, the history of an earlier conversation, or the result of a call.
    public void add(ChatMessage message) {
        checkUsable();
        messages.add(Objects.requireNonNull(message, "message"));
    }

    /// Puts a message in the place of another and forgets what followed that one.
    public void edit(int index, ChatMessage message) {
        Objects.requireNonNull(message, "message");
        Objects.checkIndex(index, messages.size());
        keep(index);
        messages.add(message);
    }

    /// Forgets all but the first messages.
    public void keep(int count) {
        checkUsable();
        if (count < 0 || count > messages.size()) {
            throw new IllegalArgumentException("cannot keep %d of %d messages".formatted(count, messages.size()));
        }
        messages.subList(count, messages.size()).clear();
    }

    /// Forgets the messages.
    public void clear() {
        keep(0);
    }

    /// Says something as the user and returns the running answer, with the session's options.
    public ChatAnswer send(String text) {
        return send(ChatMessage.user(text), options);
    }

    /// Says something as the user and returns the running answer, generated otherwise than the session's options say.
    public ChatAnswer send(String text, GenerationOptions generation) {
        return send(ChatMessage.user(text), options.withGeneration(generation));
    }

    /// Says something and returns the running answer, with the session's options.
    public ChatAnswer send(ChatMessage message) {
        return send(message, options);
    }

    /// Says something and returns the running answer. The answer joins the conversation when it ends, the part that there is if it is cancelled; if nothing
    /// came of it, the message is withdrawn too. An answer that is still running is closed first.
    ///
    /// @throws IllegalArgumentException if the template refuses the conversation; the message is withdrawn then
    /// @throws ContextFullException     if the conversation is too long and the options say so; the message is withdrawn then
    public ChatAnswer send(ChatMessage message, ChatOptions options) {
        Objects.requireNonNull(message, "message");
        Objects.requireNonNull(options, "options");
        prepare();
        messages.add(message);
        try {
            return start(options, message);
        } catch (Throwable e) {
            withdraw(message);
            throw e;
        }
    }

    /// Answers the conversation as it is, e.g. after the result of a call was added.
    public ChatAnswer reply() {
        return reply(options);
    }

    /// Answers the conversation as it is.
    public ChatAnswer reply(ChatOptions options) {
        prepare();
        return start(Objects.requireNonNull(options, "options"), null);
    }

    /// Forgets what followed the user's last message, and answers that again.
    ///
    /// @throws IllegalStateException if the user has said nothing
    public ChatAnswer regenerate() {
        return regenerate(options);
    }

    /// As [#regenerate()], with other options.
    public ChatAnswer regenerate(ChatOptions options) {
        prepare();
        int last = messages.size() - 1;
        while (last >= 0 && !messages.get(last).role().equals("user")) {
            last--;
        }
        if (last < 0) {
            throw new IllegalStateException("there is nothing to answer");
        }
        keep(last + 1);
        return reply(options);
    }

    /// Asks for an answer of the form of a type: a record, or another that [JsonSchema#of] knows.
    ///
    /// @throws JsonException if the answer was cut off, or the record refuses its values
    public <T> T ask(Class<T> type, String text) {
        return JsonSchema.read(ask(JsonSchema.of(type), text), type);
    }

    /// Asks for an answer that follows a schema.
    ///
    /// @throws GrammarException   if the schema has no grammar
    /// @throws JsonException      if the answer was cut off
    /// @throws CancelledException if it was cancelled
    public Json ask(JsonSchema schema, String text) {
        Grammar.of(schema);
        ChatAnswer answer = send(ChatMessage.user(text), options.withToolChoice(ToolChoice.AUTO).withTools(List.of()).withSchema(schema));
        String json = answer.text();
        GenerationStats stats = answer.stats();
        if (stats.finishReason() == FinishReason.CANCELLED) {
            throw new CancelledException("the answer was cancelled");
        }
        if (stats.finishReason() == FinishReason.LENGTH || stats.finishReason() == FinishReason.CONTEXT_FULL) {
            throw new JsonException("the answer was cut off after %d tokens (%s)".formatted(stats.generatedTokens(), stats.finishReason()));
        }
        return Json.parse("answer", json);
    }

    /// A second session that goes on from here by itself. It shares the context, where the tokens so far are not copied. The two are used by one thread at a
    /// time, together.
    ///
    /// @throws IllegalStateException if the context has no other sequence ([ContextOptions#maxSequences()]), or an answer is running
    public ChatSession branch() {
        checkUsable();
        if (running != null) {
            throw new IllegalStateException("an answer is running");
        }
        return new ChatSession(this);
    }

    @Override
    public void close() {
        if (closed) {
            return;
        }
        checkUsable();
        if (running != null) {
            running.close();
        }
        closed = true;
        sequence.close();
        home.leave();
    }

    // ---- for the answer ----------------------------------------------------------------------------------------------

    Sequence sequence() {
        return sequence;
    }

    @Nullable ChatMessage lastMessage() {
        return messages.isEmpty() ? null : messages.getLast();
    }

    void checkUsable() {
        String tool = calledTool;
        if (tool != null) {
            throw new IllegalStateException("the session is calling the tool " + tool + ", which cannot use it");
        }
    }

    void enterTool(String name) {
        calledTool = name;
    }

    void leaveTool() {
        calledTool = null;
    }

    /// Nine letters and digits, as some templates want it.
    String newCallId() {
        return "call%05d".formatted(calls++ % 100_000);
    }

    /// The conversation as a turn that fits.
    ChatTurn turn(ChatOptions options, ToolChoice choice) {
        ChatTurn turn = home.template().turn(messages, options, choice, true, true);
        int limit = Math.min(options.tokenBudget(), home.context().info().sequenceSize() - options.answerReserve());
        if (turn.prompt().length() <= limit) {
            return turn;
        }
        int tokens = turn.prompt().length();
        turn.close();
        List<ChatMessage> kept = List.copyOf(options.overflow().shorten(new ContextOverflow.Conversation(List.copyOf(messages), tokens, limit,
                shorter -> count(shorter, options, choice))));
        turn = home.template().turn(kept, options, choice, true, true);
        if (turn.prompt().length() > limit) {
            tokens = turn.prompt().length();
            turn.close();
            throw new ContextFullException(tokens, limit);
        }
        messages.clear();
        messages.addAll(kept);
        return turn;
    }

    private int count(List<ChatMessage> shorter, ChatOptions options, ToolChoice choice) {
        try (ChatTurn turn = home.template().turn(shorter, options, choice, true, true)) {
            return turn.prompt().length();
        }
    }

    Generation generate(ChatTurn turn, GenerationOptions generation) {
        return sequence.generate(prompt(turn), generation);
    }

    /// Remembers the tokens of a prompt with its answer, where the text stands for them exactly: the next prompt begins with that text, and tokenising
    /// it could give others.
    void learn(ChatTurn turn, Generation over, String answer) {
        knownText = "";
        FinishReason reason = over.stats().finishReason();
        if (closed || !turn.isLiteral() || reason != FinishReason.END && reason != FinishReason.LENGTH) {
            return;
        }
        int[] tokens = sequence.tokens();
        int end = tokens.length;
        if (reason == FinishReason.END) {
            end--;
        }
        int start = over.stats().promptTokens();
        if (end >= start && model.vocabulary().text(Arrays.copyOfRange(tokens, start, end)).equals(answer)) {
            knownText = turn.text() + answer;
            knownTokens = Arrays.copyOf(tokens, end);
        }
    }

    /// Adds a message, if nothing was added by others meanwhile.
    void join(@Nullable ChatMessage last, ChatMessage message) {
        if (lastMessage() == last) {
            messages.add(message);
        }
    }

    void withdraw(ChatMessage message) {
        if (lastMessage() == message) {
            messages.removeLast();
        }
    }

    void ended(ChatAnswer answer) {
        if (running == answer) {
            running = null;
        }
    }

    // ------------------------------------------------------------------------------------------------------------------

    private void prepare() {
        checkUsable();
        if (running != null) {
            running.close();
        }
    }

    private ChatAnswer start(ChatOptions options, @Nullable ChatMessage question) {
        if (closed) {
            throw new IllegalStateException("the chat session is closed");
        }
        ChatAnswer answer = new ChatAnswer(this, options, question);
        running = answer;
        return answer;
    }

    private Prompt prompt(ChatTurn turn) {
        if (knownText.isEmpty() || !turn.isLiteral() || !turn.text().startsWith(knownText)) {
            return turn.prompt();
        }
        String rest = turn.text().substring(knownText.length());
        int[] more = model.vocabulary().tokenize(rest, false, true);
        if (more.length > 0 && !model.vocabulary().info(more[0]).isControl() && !model.vocabulary().text(more).equals(rest)) {
            return turn.prompt(); // the vocabulary puts a space in front of a text
        }
        TokenList tokens = new TokenList(knownTokens);
        tokens.addAll(more);
        return Prompt.of(tokens.toArray());
    }
}
