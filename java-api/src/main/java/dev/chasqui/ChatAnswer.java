package dev.chasqui;

import dev.chasqui.json.Json;
import dev.chasqui.tools.Tool;
import dev.chasqui.tools.ToolHandler;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.Optional;
import java.util.Queue;
import java.util.Spliterator;
import java.util.Spliterators;
import java.util.concurrent.Flow;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.jspecify.annotations.Nullable;

/// A running answer of a [ChatSession]. Iterating it computes: the pieces are what the model says, without its reasoning and its calls; [#deltas()] has them all.
///
/// {@snippet class="snippets.ChatSnippets" region="answer"}
///
/// When the model calls tools, they are called on the thread that reads, and the answer goes on with what the model makes of the results, for at most
/// [ChatOptions#maxToolRounds()] rounds. Each round joins the conversation when it ends. A call of a tool without a handler ends the answer.
///
/// It can be iterated once, by one thread at a time; [#cancel()] is safe from any thread.
public final class ChatAnswer implements Iterable<String>, AutoCloseable {

    private final ChatSession session;
    private final ChatOptions options;
    private final @Nullable ChatMessage question;
    private final Queue<ChatDelta> pending = new ArrayDeque<>();
    private final List<GenerationStats> rounds = new ArrayList<>();

    private ChatTurn turn;
    private volatile @Nullable Generation generation;
    private @Nullable Iterator<String> pieces;
    private final StringBuilder raw = new StringBuilder();
    private ChatMessage soFar = ChatMessage.assistant("");
    private @Nullable ChatMessage lastMessage;
    private final StringBuilder content = new StringBuilder();
    private int generated;
    private volatile boolean cancelled;
    private boolean iterated;
    private boolean ended;

    /// @param question what is withdrawn if nothing comes of it, null = nothing
    ChatAnswer(ChatSession session, ChatOptions options, @Nullable ChatMessage question) {
        this.session = session;
        this.options = options;
        this.question = question;
        this.turn = session.turn(options, options.toolChoice());
        if ((turn.grammar().isPresent() || turn.reasoningBudget().isPresent()) && options.generation().sampler().stages().stream().anyMatch(Sampler.Constraint.class::isInstance)) {
            turn.close();
            throw new IllegalArgumentException("a sampler with a grammar of its own goes neither with tools, nor with a schema, nor with a reasoning budget");
        }
        this.lastMessage = session.lastMessage();
    }

    /// The pieces of what the model says, once.
    ///
    /// @throws IllegalStateException at the second call
    @Override
    public Iterator<String> iterator() {
        Iterator<ChatDelta> all = iterateOnce();
        return new Iterator<>() {

            private @Nullable String next;

            @Override
            public boolean hasNext() {
                while (next == null && all.hasNext()) {
                    if (all.next() instanceof ChatDelta.Content(String text)) {
                        next = text;
                    }
                }
                return next != null;
            }

            @Override
            public String next() {
                if (!hasNext() || next == null) {
                    throw new NoSuchElementException();
                }
                String piece = next;
                next = null;
                return piece;
            }
        };
    }

    /// Everything that comes, once, instead of the pieces: what is said, what is thought, calls as they are written, and their results.
    public Iterable<ChatDelta> deltas() {
        return this::iterateOnce;
    }

    /// The pieces as a sequential stream, once.
    public Stream<String> stream() {
        return StreamSupport.stream(Spliterators.spliteratorUnknownSize(iterator(), Spliterator.ORDERED | Spliterator.NONNULL), false);
    }

    /// The pieces for one subscriber, as [Generation#publisher()] has them.
    public Flow.Publisher<String> publisher() {
        return new PiecePublisher(this::iterator, this::cancel, this::close, Thread.ofPlatform().daemon().name("chasqui-chat"));
    }

    /// Generates to the end and gives all that the model said.
    public String text() {
        for (String ignored : this) {
            // content has it
        }
        return content.toString();
    }

    /// Ends the answer soon, with [FinishReason#CANCELLED]; a tool that is being called is waited for. Safe from any thread.
    public void cancel() {
        cancelled = true;
        Generation running = generation;
        if (running != null) {
            running.cancel();
        }
    }

    /// How far the prompt is that the answer waits for. Safe from any thread.
    public PromptProgress promptProgress() {
        return session.sequence().context().promptProgress();
    }

    /// What joined the conversation last: the answer, with its reasoning and the calls that were not made.
    ///
    /// @throws IllegalStateException before the end
    public ChatMessage message() {
        checkEnded();
        return soFar;
    }

    /// Counts and times of the last round.
    ///
    /// @throws IllegalStateException before the end
    public GenerationStats stats() {
        return rounds().getLast();
    }

    /// Counts and times of each round: one, and one more for each time that tools were called.
    ///
    /// @throws IllegalStateException before the end
    public List<GenerationStats> rounds() {
        checkEnded();
        if (rounds.isEmpty()) {
            throw new IllegalStateException("the answer was closed before it began");
        }
        return List.copyOf(rounds);
    }

    /// The session's sequence.
    public Sequence sequence() {
        return session.sequence();
    }

    /// Ends the answer; the part that was read joins the conversation.
    @Override
    public void close() {
        if (!ended) {
            session.checkUsable();
            ended = true;
            end(false);
        }
    }

    private Iterator<ChatDelta> iterateOnce() {
        if (iterated) {
            throw new IllegalStateException("an answer can be iterated once");
        }
        iterated = true;
        return new Deltas();
    }

    private void checkEnded() {
        if (!ended) {
            throw new IllegalStateException("the answer has not ended");
        }
    }

    /// The next delta, null at the end.
    private @Nullable ChatDelta advance() {
        session.checkUsable();
        try {
            while (pending.isEmpty() && !ended) {
                if (pieces == null) {
                    beginRound();
                }
                if (pieces.hasNext()) {
                    raw.append(pieces.next().replace('\0', '\uFFFD')); // no prompt can hold a NUL
                    update(partial());
                } else {
                    endRound();
                }
            }
        } catch (Throwable e) {
            if (!ended) {
                ended = true;
                end(false);
            }
            throw e;
        }
        ChatDelta delta = pending.poll();
        if (delta instanceof ChatDelta.Content(String text)) {
            content.append(text);
        }
        return delta;
    }

    private void beginRound() {
        GenerationOptions base = options.generation();
        Optional<Grammar> grammar = turn.grammar();
        List<String> stops = new ArrayList<>(base.stop());
        stops.addAll(turn.stops());
        Sampler inForm = grammar.map(base.sampler()::constrainedBy).orElse(base.sampler());
        GenerationOptions adapted = base
                .withMaxTokens(base.maxTokens() - generated)
                .withSampler(turn.reasoningBudget().map(inForm::beforePick).orElse(inForm))
                .withStop(stops.toArray(String[]::new))
                .withSpecialTokens(base.specialTokens() || turn.hasParts());
        boolean opens = grammar.isPresent() && !grammar.get().isLazy();
        Generation running = session.generate(turn, adapted).ofChat(opens ? turn.openingTokens() : new int[0], turn.hasParts());
        generation = running;
        pieces = running.iterator();
        if (cancelled) {
            running.cancel();
        }
    }

    /// What there is of the message by now.
    private @Nullable ChatMessage partial() {
        try {
            return turn.parse(raw.toString(), true);
        } catch (IllegalArgumentException notYet) {
            return null;
        }
    }

    /// Hands out what a message has beyond the one before.
    private void update(@Nullable ChatMessage message) {
        if (message == null) {
            return;
        }
        String reasoning = beyond(soFar.reasoning(), message.reasoning());
        if (!reasoning.isEmpty()) {
            pending.add(new ChatDelta.Reasoning(reasoning));
        }
        String said = beyond(soFar.content(), message.content());
        if (!said.isEmpty()) {
            pending.add(new ChatDelta.Content(said));
        }
        for (int i = 0; i < message.toolCalls().size(); i++) {
            ToolCall call = message.toolCalls().get(i);
            boolean isNew = i >= soFar.toolCalls().size();
            String arguments = beyond(isNew ? "" : soFar.toolCalls().get(i).arguments(), call.arguments());
            if (isNew || !arguments.isEmpty()) {
                pending.add(new ChatDelta.Call(i, call.name(), arguments));
            }
        }
        soFar = message;
    }

    /// The rest of a text that has grown; nothing if it has changed otherwise.
    private static String beyond(String before, String now) {
        return now.startsWith(before) ? now.substring(before.length()) : "";
    }

    private void endRound() {
        Generation over = generation;
        GenerationStats stats = over.stats();
        rounds.add(stats);
        generated += stats.generatedTokens();
        session.learn(turn, over, raw.toString());
        boolean whole = stats.finishReason() == FinishReason.END || stats.finishReason() == FinishReason.STOP;
        update(whole ? complete() : withoutCalls(soFar));
        generation = null;
        List<ToolCall> calls = soFar.toolCalls();
        if (calls.isEmpty() || cancelled || rounds.size() > options.maxToolRounds() || generated >= options.generation().maxTokens()
                || !calls.stream().allMatch(call -> tool(call).isEmpty() || tool(call).get().handler().isPresent())) {
            ended = true;
            end(true);
            return;
        }
        join(soFar);
        for (ToolCall call : calls) {
            call(call);
        }
        turn.close();
        raw.setLength(0);
        soFar = ChatMessage.assistant("");
        pieces = null;
        boolean last = rounds.size() >= options.maxToolRounds(); // a small model calls again for as long as it reads of tools
        ChatOptions next = options.withToolChoice(options.toolChoice() == ToolChoice.NONE ? ToolChoice.NONE : ToolChoice.AUTO);
        turn = last ? session.turn(next.withTools(List.of()), ToolChoice.NONE) : session.turn(next, next.toolChoice());
        lastMessage = session.lastMessage(); // an overflow may have made other messages
    }

    /// The message of an answer that the model itself has ended.
    private ChatMessage complete() {
        try {
            ChatMessage message = turn.parse(raw.toString(), false);
            List<ToolCall> calls = new ArrayList<>();
            for (ToolCall call : message.toolCalls()) {
                calls.add(call.id().isEmpty() ? new ToolCall(session.newCallId(), call.name(), call.arguments()) : call);
            }
            return ChatMessage.assistant(message.content(), message.reasoning(), calls);
        } catch (IllegalArgumentException e) {
            ChatMessage message = withoutCalls(soFar);
            return message.content().isEmpty() && message.reasoning().isEmpty() ? ChatMessage.assistant(raw.toString()) : message;
        }
    }

    /// Calls that were cut off are none.
    private static ChatMessage withoutCalls(ChatMessage message) {
        return ChatMessage.assistant(message.content(), message.reasoning(), List.of());
    }

    private Optional<Tool> tool(ToolCall call) {
        return options.tools().stream().filter(tool -> tool.name().equals(call.name())).findFirst();
    }

    private void call(ToolCall call) {
        String result;
        boolean failed = false;
        Optional<ToolHandler> handler = tool(call).flatMap(Tool::handler);
        session.enterTool(call.name());
        try {
            if (handler.isEmpty()) {
                throw new IllegalArgumentException("there is no tool " + call.name());
            }
            Object value = handler.get().call(Json.parse("arguments", call.arguments().isBlank() ? "{}" : call.arguments()));
            result = value instanceof CharSequence text ? text.toString() : Json.write(value);
        } catch (Exception e) {
            if (e instanceof InterruptedException) {
                Thread.currentThread().interrupt();
                cancelled = true;
            }
            failed = true;
            result = "error: " + (e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage());
        } finally {
            session.leaveTool();
        }
        result = result.replace('\0', '\uFFFD');
        join(ChatMessage.tool(call, result));
        pending.add(new ChatDelta.Result(call, result, failed));
    }

    private void join(ChatMessage message) {
        session.join(lastMessage, message);
        lastMessage = message;
    }

    /// @param complete whether the last round has ended by itself
    private void end(boolean complete) {
        Generation running = generation;
        generation = null;
        if (running != null) {
            running.close();
            rounds.add(running.stats());
        }
        turn.close();
        ChatMessage message = complete ? soFar : withoutCalls(soFar);
        if (!complete) { // what is waiting has not been read
            message = ChatMessage.assistant(withoutEnd(message.content(), ChatDelta.Content.class), withoutEnd(message.reasoning(), ChatDelta.Reasoning.class), List.of());
            pending.clear();
        }
        soFar = message;
        session.ended(this);
        if (!message.content().isEmpty() || !message.reasoning().isEmpty() || !message.toolCalls().isEmpty()) {
            session.join(lastMessage, message);
        } else if (lastMessage == question && question != null) {
            session.withdraw(question);
        }
    }

    private String withoutEnd(String text, Class<? extends ChatDelta> kind) {
        int unread = pending.stream().filter(kind::isInstance)
                .mapToInt(delta -> delta instanceof ChatDelta.Content(String said) ? said.length() : delta instanceof ChatDelta.Reasoning(String thought) ? thought.length() : 0)
                .sum();
        return text.substring(0, Math.max(0, text.length() - unread));
    }

    private final class Deltas implements Iterator<ChatDelta> {

        private @Nullable ChatDelta next;

        @Override
        public boolean hasNext() {
            if (next == null) {
                next = advance();
            }
            return next != null;
        }

        @Override
        public ChatDelta next() {
            if (!hasNext() || next == null) {
                throw new NoSuchElementException();
            }
            ChatDelta delta = next;
            next = null;
            return delta;
        }
    }
}
