package dev.chasqui.cli;

import dev.chasqui.ChasquiException;
import dev.chasqui.ChatAnswer;
import dev.chasqui.ChatDelta;
import dev.chasqui.ChatMessage;
import dev.chasqui.ChatOptions;
import dev.chasqui.ChatSession;
import dev.chasqui.ContentPart;
import dev.chasqui.ContextOptions;
import dev.chasqui.ContextOverflow;
import dev.chasqui.FinishReason;
import dev.chasqui.GenerationStats;
import dev.chasqui.Grammar;
import dev.chasqui.Model;
import dev.chasqui.VisionModel;
import dev.chasqui.audio.Audio;
import dev.chasqui.audio.EncodedAudio;
import dev.chasqui.json.JsonSchema;
import dev.chasqui.vision.EncodedImage;
import dev.chasqui.vision.Image;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/// A chat as the terminal has it: model, messages, and how the next answer is made. It takes lines and knows nothing of keys; what there is to see goes to
/// its view. An error ends the work on a line, never the chat.
final class Conversation implements AutoCloseable {

    /// Tokens of the context that are kept free for an answer, of a large one.
    private static final int ANSWER_RESERVE = 512;

    /// A picture that waits for the next message.
    private record Shown(Path file, EncodedImage picture) { }

    /// A sound that does.
    private record Played(Path file, EncodedAudio sound) { }

    private final Function<String, Model> loader;
    private final ContextOptions contextOptions;
    private final PictureOption pictures;
    private final ChatView view;

    private ChatOptions options;
    private String name;
    private Model model;
    private ChatSession session;
    private @Nullable VisionModel senses;
    private final List<Shown> shown = new ArrayList<>();
    private final List<Played> played = new ArrayList<>();
    /// Where the pictures and sounds of the messages came from.
    private final Map<Object, Path> files = new IdentityHashMap<>();
    private @Nullable GenerationStats last;

    private volatile @Nullable ChatAnswer running;
    private volatile boolean stopped;

    /// @param loader gives the model of a name; it is closed with the conversation
    Conversation(Function<String, Model> loader, String name, ContextOptions contextOptions, ChatOptions options, PictureOption pictures, ChatView view) {
        this.loader = loader;
        this.contextOptions = contextOptions;
        this.options = options.withOverflow(this::shorten);
        this.pictures = pictures;
        this.view = view;
        this.name = name;
        this.model = loader.apply(name);
        this.session = open(model);
    }

    /// Does what a line says.
    ///
    /// @return whether the chat goes on
    boolean take(ChatLine line) {
        stopped = false;
        try {
            switch (line) {
                case ChatLine.Say(String text) -> say(text);
                case ChatLine.Unknown(String word) -> view.error("there is no " + word + "; /help lists the commands, and // says something that begins with /");
                case ChatLine.Command(ChatVerb verb, String argument) -> perform(verb, argument);
            }
        } catch (ChasquiException | IllegalArgumentException | IllegalStateException | UncheckedIOException | IOException e) {
            view.error(Main.message(e));
        }
        return !(line instanceof ChatLine.Command(ChatVerb verb, String _) && verb == ChatVerb.QUIT);
    }

    /// Ends the running answer soon. Safe from any thread.
    void stop() {
        stopped = true;
        ChatAnswer answer = running;
        if (answer != null) {
            answer.cancel();
        }
    }

    @Override
    public void close() {
        session.close();
        closeSenses();
        model.close();
    }

    private void perform(ChatVerb verb, String argument) throws IOException {
        switch (verb) {
            case MODEL -> useModel(argument);
            case SYSTEM -> system(argument);
            case IMAGE -> show(file(argument));
            case AUDIO -> play(file(argument));
            case JSON -> schema(argument);
            case REGEN -> answer(() -> session.regenerate(options));
            case STATS -> stats();
            case SAVE -> save(file(argument));
            case LOAD -> load(file(argument));
            case CLEAR -> clear();
            case HELP -> help();
            case QUIT -> { }
        }
    }

    // ---- answers -----------------------------------------------------------------------------------------------------

    private void say(String text) {
        if (text.isEmpty()) {
            return;
        }
        List<ContentPart> parts = new ArrayList<>();
        for (Shown each : shown) {
            parts.add(see(each.file(), each.picture(), text));
        }
        for (Played each : played) {
            parts.add(hear(each.file(), each.sound()));
        }
        parts.add(new ContentPart.Text(text));
        ChatMessage message = ChatMessage.user(parts.toArray(ContentPart[]::new));
        answer(() -> session.send(message, options));
        if (session.messages().contains(message)) { // not if it was stopped before the answer began
            shown.clear();
            played.clear();
        }
    }

    private void answer(Supplier<ChatAnswer> start) {
        view.begin();
        GenerationStats stats;
        try (ChatAnswer answer = start.get(); PrefillWatch watch = new PrefillWatch(answer, view)) {
            running = answer;
            if (stopped) {
                answer.cancel();
            }
            for (ChatDelta delta : answer.deltas()) {
                watch.end();
                switch (delta) {
                    case ChatDelta.Content(String text) -> view.content(text);
                    case ChatDelta.Reasoning(String text) -> view.reasoning(text);
                    case ChatDelta.Call _, ChatDelta.Result _ -> { } // there are no tools here
                }
            }
            stats = answer.stats();
        } finally {
            running = null;
            view.end();
        }
        last = stats;
        ended(stats);
    }

    private void ended(GenerationStats stats) {
        switch (stats.finishReason()) {
            case CANCELLED -> view.note(stats.generatedTokens() > 0 ? "(stopped)" : "(stopped before the answer began; the question is forgotten)");
            case LENGTH -> view.note("(cut off after %,d tokens; -n allows more)".formatted(stats.generatedTokens()));
            case CONTEXT_FULL -> view.note("(cut off, the context is full; -c gives a larger one, /clear begins anew)");
            default -> { }
        }
    }

    /// Leaves out the oldest questions, and says so.
    private List<ChatMessage> shorten(ContextOverflow.Conversation conversation) {
        List<ChatMessage> kept = ContextOverflow.slide().shorten(conversation);
        int dropped = conversation.messages().size() - kept.size();
        if (dropped > 0) {
            view.note("(the context is full: the oldest %d messages were left out)".formatted(dropped));
        }
        return kept;
    }

    // ---- commands ----------------------------------------------------------------------------------------------------

    private void useModel(String wanted) {
        if (wanted.isEmpty()) {
            view.note("%s, context of %,d tokens".formatted(name, session.contextInfo().contextSize()));
            return;
        }
        Model other = loader.apply(wanted);
        ChatSession next;
        try {
            next = open(other);
        } catch (Throwable e) {
            other.close();
            throw e;
        }
        List<ChatMessage> messages = session.messages();
        close();
        model = other;
        name = wanted;
        session = next;
        boolean lost = !shown.isEmpty() || !played.isEmpty();
        for (ChatMessage message : messages) {
            lost |= message.parts().stream().anyMatch(part -> !(part instanceof ContentPart.Text));
            session.add(withText(message, List.of()));
        }
        shown.clear();
        played.clear();
        files.clear();
        if (lost) {
            view.note("(pictures and sounds were encoded for the other model and were left out)");
        }
        useModel("");
    }

    private void system(String text) {
        List<ChatMessage> messages = new ArrayList<>(session.messages());
        messages.removeIf(message -> message.role().equals("system"));
        if (!text.isEmpty()) {
            messages.addFirst(ChatMessage.system(text));
        }
        replace(messages);
        view.note(text.isEmpty() ? "(there is no system prompt now)" : "(the system prompt holds from the next answer on)");
    }

    private void show(Path file) {
        VisionModel eyes = senses();
        Image image = Image.of(file);
        EncodedImage picture = eyes.encode(image);
        shown.add(new Shown(file, picture));
        view.note("(%s, %d x %d, %,d tokens, goes with the next message)".formatted(file.getFileName(), image.width(), image.height(), picture.total()));
    }

    private void play(Path file) {
        VisionModel ears = senses();
        Audio audio = Audio.of(file);
        EncodedAudio sound = ears.encode(audio);
        played.add(new Played(file, sound));
        view.note("(%s, %.1f s, %,d tokens, goes with the next message)".formatted(file.getFileName(), audio.duration().toMillis() / 1e3, sound.count()));
    }

    private void schema(String argument) throws IOException {
        if (argument.isEmpty()) {
            options = options.withoutSchema();
            view.note("(answers are free again)");
            return;
        }
        JsonSchema schema = JsonSchema.parse(argument.startsWith("{") ? argument : Files.readString(file(argument)));
        Grammar.of(schema); // says now what is wrong with it
        options = options.withSchema(schema);
        view.note("(answers follow the schema; /json alone ends that)");
    }

    private void stats() {
        if (last == null) {
            view.note("(there was no answer yet)");
            return;
        }
        view.note("""
                prompt       %,d tokens, %,d of them computed before
                first token  %.2f s, prompt at %.1f tokens/s
                answer       %,d tokens at %.1f tokens/s, %.2f tokens per step
                ended by     %s
                context      %,d of %,d tokens""".formatted(
                last.promptTokens(), last.cachedTokens(),
                last.timeToFirstToken().toNanos() / 1e9, last.prefillTokensPerSecond(),
                last.generatedTokens(), last.decodeTokensPerSecond(), last.targetSteps() == 0 ? 1.0 : (last.generatedTokens() - 1.0) / last.targetSteps(),
                ending(last.finishReason()),
                last.promptTokens() + last.generatedTokens(), session.contextInfo().contextSize()));
    }

    private static String ending(FinishReason reason) {
        return switch (reason) {
            case END -> "the model";
            case STOP -> "a stop string";
            case LENGTH -> "the limit of tokens";
            case CONTEXT_FULL -> "a full context";
            case CANCELLED -> "Ctrl-C";
            case DEADLINE, FAILED -> throw new AssertionError(reason); // of an engine's answers
        };
    }

    private void save(Path file) throws IOException {
        List<ChatFile.Entry> entries = new ArrayList<>();
        for (ChatMessage message : session.messages()) {
            List<String> images = new ArrayList<>();
            List<String> sounds = new ArrayList<>();
            for (ContentPart part : message.parts()) {
                switch (part) {
                    case ContentPart.Picture(EncodedImage picture) -> images.add(origin(picture));
                    case ContentPart.Sound(EncodedAudio sound) -> sounds.add(origin(sound));
                    case ContentPart.Text _ -> { }
                }
            }
            entries.add(new ChatFile.Entry(message.role(), message.content(), message.reasoning(), images, sounds));
        }
        ChatFile.write(file, entries);
        view.note("(%d messages in %s)".formatted(entries.size(), file));
    }

    private void load(Path file) throws IOException {
        List<ChatMessage> messages = new ArrayList<>();
        for (ChatFile.Entry entry : ChatFile.read(file)) {
            List<ContentPart> perceived = new ArrayList<>();
            for (String image : entry.images()) {
                perceived.add(see(Path.of(image), senses().encode(Image.of(Path.of(image))), entry.content()));
            }
            for (String sound : entry.sounds()) {
                perceived.add(hear(Path.of(sound), senses().encode(Audio.of(Path.of(sound)))));
            }
            ChatMessage message = entry.role().equals("assistant")
                    ? ChatMessage.assistant(entry.content(), entry.reasoning(), List.of()) : new ChatMessage(entry.role(), entry.content());
            messages.add(withText(message, perceived));
        }
        replace(messages);
        view.note("(%d messages from %s)".formatted(messages.size(), file));
    }

    private void clear() {
        replace(session.messages().stream().filter(message -> message.role().equals("system")).toList());
        shown.clear();
        played.clear();
        view.note("(forgotten)");
    }

    private void help() {
        StringBuilder text = new StringBuilder();
        for (ChatVerb verb : ChatVerb.values()) {
            text.append("%-20s %s%n".formatted(verb.word() + " " + verb.argument(), verb.description()));
        }
        text.append("A line that ends with \\ goes on in the next one. Ctrl-C stops an answer, Ctrl-D leaves.");
        view.note(text.toString());
    }

    // ------------------------------------------------------------------------------------------------------------------

    /// From now on answers have some room, however long the conversation is.
    private ChatSession open(Model opened) {
        ChatSession fresh = opened.chat(contextOptions, options);
        options = options.withAnswerReserve(Math.min(ANSWER_RESERVE, fresh.contextInfo().sequenceSize() / 4));
        return fresh;
    }

    private void replace(List<ChatMessage> messages) {
        session.clear();
        messages.forEach(session::add);
    }

    /// What the model gets to see of a picture, noted with the file that it came from.
    private ContentPart see(Path file, EncodedImage picture, String question) {
        EncodedImage seen = pictures.pruned(picture, model, question);
        files.put(seen, file);
        return new ContentPart.Picture(seen);
    }

    private ContentPart hear(Path file, EncodedAudio sound) {
        files.put(sound, file);
        return new ContentPart.Sound(sound);
    }

    private String origin(Object perceived) {
        return files.get(perceived).toAbsolutePath().toString();
    }

    /// The text of a message after other parts than its own.
    private static ChatMessage withText(ChatMessage message, List<ContentPart> before) {
        List<ContentPart> parts = new ArrayList<>(before);
        parts.add(new ContentPart.Text(message.content()));
        return new ChatMessage(message.role(), parts, message.reasoning(), message.toolCalls(), message.toolCallId(), message.toolName());
    }

    /// What the model sees and hears with.
    private VisionModel senses() {
        if (senses == null) {
            senses = pictures.load(model);
        }
        return senses;
    }

    private static Path file(String argument) {
        if (argument.isEmpty()) {
            throw new IllegalArgumentException("which file?");
        }
        return argument.startsWith("~/") ? Path.of(System.getProperty("user.home"), argument.substring(2)) : Path.of(argument);
    }

    private void closeSenses() {
        if (senses != null) {
            senses.close();
            senses = null;
        }
    }
}
