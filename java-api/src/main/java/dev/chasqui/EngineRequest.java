package dev.chasqui;

import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.Optional;

/// What an [Engine] is asked for. Immutable; change a copy with the `with` methods.
///
/// {@snippet class="snippets.EngineSnippets" region="request"}
///
/// @param prompt   what the answer follows
/// @param options  how it is generated. What is guessed ahead ([GenerationOptions#speculation()]) comes from the text and from what the model said elsewhere; draft
///                 models and drafters of the caller's are left out, which does not change the answer. [GenerationOptions#sparseAttention()] and
///                 [GenerationOptions#routing()] would, and are refused
/// @param adapters what it is computed with besides the model, in whatever order; none for the model as it is. The request uses them until it ends: one that is
///                 closed meanwhile goes on. Requests with the same adapters and scales share their passes of the model, others have passes of their own
/// @param priority from -10 to 10. A higher one is admitted before lower ones that came up to 64 steps a level earlier, is parked after
///                 them, and gets a quarter more of the time for prompts a level. Nobody waits for ever, whatever the priorities
/// @param deadline time from [Engine#submit] until the whole answer must be there, waiting for the queue included; empty = without end
public record EngineRequest(Prompt prompt, GenerationOptions options, List<LoraAdapter.Scaled> adapters, int priority, Optional<Duration> deadline) {

    /// The largest priority, and less 0 the smallest.
    public static final int MAX_PRIORITY = 10;

    /// What an answer follows.
    public sealed interface Prompt { }

    /// A text to be continued, taken literally: no control tokens but the model's begin-of-text.
    public record Text(String text) implements Prompt {
        public Text {
            Objects.requireNonNull(text, "text");
        }
    }

    /// A conversation, written with the model's chat template and the opening of the assistant's turn.
    public record Chat(List<ChatMessage> messages) implements Prompt {
        public Chat {
            messages = List.copyOf(messages);
        }
    }

    /// Tokens as they are.
    public record Tokens(List<Integer> tokens) implements Prompt {
        public Tokens {
            tokens = List.copyOf(tokens);
        }
    }

    public EngineRequest {
        Objects.requireNonNull(prompt, "prompt");
        Objects.requireNonNull(options, "options");
        adapters = List.copyOf(adapters);
        if (adapters.stream().map(LoraAdapter.Scaled::adapter).distinct().count() < adapters.size()) {
            throw new IllegalArgumentException("an adapter is there twice: " + adapters);
        }
        if (priority < -MAX_PRIORITY || priority > MAX_PRIORITY) {
            throw new IllegalArgumentException("priority is %d, must be from %d to %d".formatted(priority, -MAX_PRIORITY, MAX_PRIORITY));
        }
        if (deadline.isPresent() && deadline.get().isNegative()) {
            throw new IllegalArgumentException("deadline is " + deadline.get() + ", must not be negative");
        }
    }

    /// The continuation of a text.
    public static EngineRequest text(String text) {
        return of(new Text(text));
    }

    /// The answer to a conversation.
    public static EngineRequest chat(List<ChatMessage> messages) {
        return of(new Chat(messages));
    }

    /// The answer to a conversation.
    public static EngineRequest chat(ChatMessage... messages) {
        return chat(List.of(messages));
    }

    /// The continuation of tokens.
    public static EngineRequest tokens(int... tokens) {
        return of(new Tokens(java.util.Arrays.stream(tokens).boxed().toList()));
    }

    private static EngineRequest of(Prompt prompt) {
        return new EngineRequest(prompt, GenerationOptions.defaults(), List.of(), 0, Optional.empty());
    }

    public EngineRequest withOptions(GenerationOptions value) {
        return new EngineRequest(prompt, value, adapters, priority, deadline);
    }

    /// Computed with these adapters and no others.
    public EngineRequest withAdapters(LoraAdapter.Scaled... value) {
        return new EngineRequest(prompt, options, List.of(value), priority, deadline);
    }

    public EngineRequest withPriority(int value) {
        return new EngineRequest(prompt, options, adapters, value, deadline);
    }

    public EngineRequest withDeadline(Duration value) {
        return new EngineRequest(prompt, options, adapters, priority, Optional.of(value));
    }
}
