package dev.chasqui.examples.swingchat.app;

import dev.chasqui.CancelledException;
import dev.chasqui.FinishReason;
import dev.chasqui.examples.swingchat.conversation.AnswerFacts;
import dev.chasqui.examples.swingchat.conversation.Conversation;
import dev.chasqui.examples.swingchat.conversation.ConversationFiles;
import dev.chasqui.examples.swingchat.conversation.Message;
import dev.chasqui.examples.swingchat.conversation.Picture;
import dev.chasqui.examples.swingchat.conversation.PictureFolder;
import dev.chasqui.examples.swingchat.engine.AnswerRequest;
import dev.chasqui.examples.swingchat.engine.ChatEngine;
import dev.chasqui.examples.swingchat.engine.Job;
import dev.chasqui.examples.swingchat.engine.LoadListener;
import dev.chasqui.examples.swingchat.engine.LoadRequest;
import dev.chasqui.examples.swingchat.engine.LoadedModel;
import dev.chasqui.examples.swingchat.engine.Problem;
import dev.chasqui.examples.swingchat.engine.SeenPicture;
import dev.chasqui.examples.swingchat.settings.Settings;
import dev.chasqui.examples.swingchat.settings.SettingsFile;
import dev.chasqui.models.ModelStore;
import dev.chasqui.vision.Image;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.Executor;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/// What the program does, without a window: conversations, the model, the settings.
///
/// Its methods are called on the thread of the user interface, do nothing slow, and its listeners are called there too.
public final class ChatController {

    private static final long TICK_MILLIS = 40;

    private final Executor ui;
    private final ChatEngine engine;
    private final ModelLibrary library;
    private final Downloads downloads;
    private final Disk disk;
    private final SettingsFile settingsFile;
    private final ConversationFiles conversationFiles;
    private final PictureFolder pictures;
    private final ScheduledExecutorService clock = Executors.newSingleThreadScheduledExecutor(
            work -> Thread.ofPlatform().daemon().name("chat-clock").unstarted(work));
    private final List<ChatListener> listeners = new ArrayList<>();

    private final Map<String, Conversation> conversations = new LinkedHashMap<>();
    private Conversation shown;
    private Settings settings;
    private volatile Activity activity = Activity.NO_MODEL;
    private @Nullable LoadRequest loading;
    private @Nullable Job loadJob;
    private volatile float loadFraction;
    private @Nullable LoadedModel model;
    private @Nullable RunningAnswer running;
    private @Nullable AnswerFacts lastFacts;
    private boolean closed;

    private ChatController(Executor ui, DataFolder folder, ModelStore store) throws IOException {
        this.ui = ui;
        this.settingsFile = new SettingsFile(folder.settings());
        this.conversationFiles = new ConversationFiles(folder.conversations());
        this.pictures = new PictureFolder(folder.pictures());
        this.settings = settingsFile.read();
        List<Conversation> all = conversationFiles.readAll();
        pictures.keepOnly(all);
        all.forEach(conversation -> conversations.put(conversation.id(), conversation));
        this.shown = Conversation.begin(settings.system());
        this.disk = new Disk(failure -> ui.execute(() -> report(failure)));
        this.library = new ModelLibrary(store);
        this.downloads = new Downloads(store);
        this.engine = new ChatEngine(folder.sequences());
        clock.scheduleWithFixedDelay(() -> {
            if (activity == Activity.LOADING || activity == Activity.ANSWERING) {
                ui.execute(this::tick);
            }
        }, TICK_MILLIS, TICK_MILLIS, TimeUnit.MILLISECONDS);
    }

    /// Reads what there is of earlier times. It may take a moment: not on the thread of the user interface.
    ///
    /// @param ui runs what is given to it on the thread of the user interface
    public static ChatController open(Executor ui, DataFolder folder, ModelStore store) throws IOException {
        return new ChatController(ui, folder, store);
    }

    public void listen(ChatListener listener) {
        listeners.add(listener);
    }

    // ---- conversations ----------------------------------------------------------------------------------------------

    /// All of them, the one that changed last first.
    public List<Conversation> conversations() {
        return conversations.values().stream().sorted(Comparator.comparingLong(Conversation::changed).reversed()).toList();
    }

    /// Looks elsewhere for those that have all words of a query, and hands them over in the order of [#conversations()].
    public void search(String query, Consumer<List<Conversation>> then) {
        List<Conversation> all = conversations();
        Thread.startVirtualThread(() -> {
            List<Conversation> found = all.stream().filter(conversation -> conversation.matches(query)).toList();
            ui.execute(() -> then.accept(found));
        });
    }

    /// The one that is shown. A new one is in the list from its first message on.
    public Conversation shown() {
        return shown;
    }

    public void newConversation() {
        show(Conversation.begin(settings.system()));
    }

    public void open(String id) {
        Conversation conversation = conversations.get(id);
        if (conversation != null) {
            show(conversation);
        }
    }

    public void rename(String id, String title) {
        Conversation conversation = conversations.get(id);
        if (conversation != null && !title.isBlank()) {
            put(conversation.withTitle(title));
        }
    }

    public void delete(String id) {
        if (running != null && running.conversation().equals(id)) {
            running.stop();
        }
        conversations.remove(id);
        disk.run(() -> conversationFiles.delete(id));
        listeners.forEach(ChatListener::conversationsChanged);
        if (shown.id().equals(id)) {
            newConversation();
        }
    }

    // ---- messages ---------------------------------------------------------------------------------------------------

    /// Says something in the conversation that is shown.
    ///
    /// @return whether it was sent: not without a model, and not while an answer is written
    public boolean send(String text, List<Attachment> attachments) {
        if (activity != Activity.READY || text.isBlank() && attachments.isEmpty()) {
            return false;
        }
        List<Picture> sent = attachments.stream().map(attachment -> Picture.of(attachment.file(), settings.keep())).toList();
        ask(shown, Message.user(shown.leaf(), text.strip(), sent));
        return true;
    }

    /// Says something in the place of an earlier message, which stays as another version.
    public boolean edit(Message message, String text) {
        if (activity != Activity.READY || text.isBlank()) {
            return false;
        }
        ask(shown, Message.user(message.parent(), text.strip(), message.pictures()));
        return true;
    }

    /// Answers again: the message itself if it is the user's, else the one before it. What there is stays as another version.
    public boolean regenerate(Message message) {
        if (activity != Activity.READY) {
            return false;
        }
        String question = Objects.requireNonNull(message.isUser() ? message.id() : message.parent());
        put(shown.at(question));
        answer(shown, question);
        return true;
    }

    /// Shows the next or an earlier version of a message.
    ///
    /// @param step 1 or -1
    public void showVersion(Message message, int step) {
        List<Message> versions = shown.versions(message);
        int index = versions.indexOf(message) + step;
        if (index >= 0 && index < versions.size()) {
            put(shown.show(versions.get(index).id()));
        }
    }

    /// Goes on from a message in a conversation of its own.
    public void branch(Message message) {
        put(shown.branch(message.id()));
    }

    /// Ends the answer that is written, or the loading of a model.
    public void stop() {
        if (running != null) {
            running.stop();
        }
        if (loadJob != null) {
            loadJob.cancel();
        }
    }

    /// Makes a picture ready to be sent.
    public void attach(Path file, Consumer<Attachment> then) {
        attach(() -> Image.of(file).toBufferedImage(), then);
    }

    /// Makes a picture ready to be sent.
    public void attach(BufferedImage image, Consumer<Attachment> then) {
        attach(() -> Image.of(image).toBufferedImage(), then);
    }

    private void attach(Callable<BufferedImage> source, Consumer<Attachment> then) {
        Thread.startVirtualThread(() -> {
            try {
                BufferedImage image = source.call();
                Attachment attachment = new Attachment(pictures.add(image), Thumbnails.of(image, Attachment.SIZE));
                ui.execute(() -> then.accept(attachment));
            } catch (Exception | OutOfMemoryError e) {
                ui.execute(() -> report(e));
            }
        });
    }

    /// Where the file of a picture is.
    public Path picture(String name) {
        return pictures.file(name);
    }

    /// The answer that is written in the conversation that is shown.
    public Optional<RunningAnswer> runningHere() {
        return Optional.ofNullable(running).filter(answer -> answer.conversation().equals(shown.id()));
    }

    // ---- the model --------------------------------------------------------------------------------------------------

    public Activity activity() {
        return activity;
    }

    public Optional<LoadedModel> model() {
        return Optional.ofNullable(model);
    }

    /// The model that is being loaded.
    public Optional<LoadRequest> loading() {
        return Optional.ofNullable(loading);
    }

    /// How far its loading has come, 0 to 1.
    public float loadFraction() {
        return loadFraction;
    }

    public Optional<RunningAnswer> running() {
        return Optional.ofNullable(running);
    }

    /// What the last answer took.
    public Optional<AnswerFacts> lastFacts() {
        return Optional.ofNullable(lastFacts);
    }

    public ModelLibrary library() {
        return library;
    }

    public Downloads downloads() {
        return downloads;
    }

    /// Loads the model of the last time, or the default one, if its file is there.
    public void loadLastModel(String otherwise) {
        load(settings.model() == null ? otherwise : settings.model(), () -> { });
    }

    /// Loads a model; an answer that is written ends.
    ///
    /// @param name in the catalog, or the path of a file
    public void load(String name) {
        load(name, () -> report(new NoSuchFileException(name)));
    }

    private void load(String name, Runnable ifMissing) {
        stop();
        LoadedModel before = model;
        Settings present = settings;
        model = null;
        activity = Activity.LOADING;
        listeners.forEach(ChatListener::stateChanged);
        disk.run(() -> {
            Optional<LoadRequest> request = library.request(name, present);
            ui.execute(() -> {
                if (request.isPresent()) {
                    load(name, request.get());
                    return;
                }
                model = before;
                activity = before == null ? Activity.NO_MODEL : Activity.READY;
                ifMissing.run();
                listeners.forEach(ChatListener::stateChanged);
            });
        });
    }

    private void load(String name, LoadRequest request) {
        if (closed) {
            return;
        }
        loading = request;
        loadFraction = 0;
        activity = Activity.LOADING; // the end of one before it may have said otherwise
        loadJob = engine.load(request, new LoadListener() {
            @Override
            public void progress(float fraction) {
                loadFraction = fraction; // shown with the next tick
            }

            @Override
            public void loaded(LoadedModel fresh) {
                ui.execute(() -> {
                    if (settings.model() == null || !settings.model().equals(name)) {
                        settings(settings.withModel(name));
                    }
                    loadEnded(request, fresh);
                });
            }

            @Override
            public void cancelled() {
                ui.execute(() -> loadEnded(request, null));
            }

            @Override
            public void failed(Throwable reason) {
                ui.execute(() -> {
                    loadEnded(request, null);
                    report(reason);
                });
            }
        });
        listeners.forEach(ChatListener::stateChanged);
    }

    private void loadEnded(LoadRequest request, @Nullable LoadedModel fresh) {
        if (loading != request) {
            return; // another one was asked for meanwhile
        }
        loading = null;
        loadJob = null;
        model = fresh;
        activity = fresh == null ? Activity.NO_MODEL : Activity.READY;
        listeners.forEach(ChatListener::stateChanged);
    }

    // ---- settings ---------------------------------------------------------------------------------------------------

    public Settings settings() {
        return settings;
    }

    /// Takes over other settings. A new system prompt holds for the conversation that is shown, too.
    public void settings(Settings changed) {
        if (!changed.system().equals(settings.system())) {
            Conversation conversation = shown.withSystem(changed.system());
            if (conversations.containsKey(shown.id())) {
                put(conversation);
            } else {
                shown = conversation;
            }
        }
        settings = changed;
        disk.run(() -> settingsFile.write(changed));
        listeners.forEach(ChatListener::stateChanged);
    }

    // ---- the end ----------------------------------------------------------------------------------------------------

    /// Ends whatever is running, keeps what there is of it, and frees everything. Returns at once.
    ///
    /// @param then runs at the end, on a thread of its own
    public void close(Runnable then) {
        if (closed) {
            return;
        }
        closed = true;
        engine.close();
        clock.shutdown();
        Thread.ofPlatform().name("chat-end").start(() -> {
            try {
                downloads.cancelAll();
                engine.awaitEnd();
                // The end of the answer is waiting there: it goes first.
                ui.execute(() -> Thread.ofPlatform().name("chat-end").start(() -> {
                    try {
                        disk.close();
                    } catch (InterruptedException e) {
                        Thread.currentThread().interrupt();
                    }
                    then.run();
                }));
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        });
    }

    // -----------------------------------------------------------------------------------------------------------------

    private void ask(Conversation conversation, Message question) {
        put(conversation.add(question));
        answer(shown, question.id());
    }

    private void answer(Conversation conversation, String question) {
        RunningAnswer[] self = new RunningAnswer[1];
        RunningAnswer answer = new RunningAnswer(conversation.id(), question,
                picture -> seen(conversation.id(), picture),
                (facts, failure) -> ui.execute(() -> ended(self[0], facts, failure)));
        self[0] = answer;
        running = answer;
        activity = Activity.ANSWERING;
        answer.runs(engine.answer(new AnswerRequest(conversation.system(), conversation.pathTo(question), settings, pictures::file), answer));
        listeners.forEach(ChatListener::stateChanged);
        listeners.forEach(ChatListener::messagesChanged);
    }

    private void ended(RunningAnswer answer, @Nullable AnswerFacts facts, @Nullable Throwable failure) {
        if (running == answer) {
            running = null;
            activity = model == null ? activity : Activity.READY;
            lastFacts = facts;
        }
        Conversation conversation = conversations.get(answer.conversation());
        if (conversation != null) {
            RunningAnswer.State state = answer.state();
            boolean said = !state.text().isBlank() || !state.reasoning().isBlank();
            update(said ? conversation.add(Message.assistant(answer.question(), state.text().strip(), state.reasoning().strip(), facts))
                    : conversation.show(answer.question()));
            if (!said && facts != null && facts.finish() != FinishReason.CANCELLED) {
                report(new Problem("The model said nothing", "Say it in other words, or choose another model.", "It ended its answer at once."));
            }
        }
        if (failure != null && !(failure instanceof CancelledException)) {
            report(failure);
        }
        listeners.forEach(ChatListener::stateChanged);
    }

    /// Notes what the model saw of a picture, in every message that shows it so.
    private void seen(String id, SeenPicture seen) {
        disk.run(() -> {
            String overlay = seen.overlay() == null ? null : pictures.add(seen.overlay());
            ui.execute(() -> {
                Conversation conversation = conversations.get(id);
                if (conversation == null) {
                    return;
                }
                for (Message message : conversation.messages()) {
                    List<Picture> noted = message.pictures().stream().map(picture -> picture.file().equals(seen.file()) && picture.keep() == seen.keep()
                            ? picture.seen(seen.tokens(), seen.kept(), overlay) : picture).toList();
                    conversation = noted.equals(message.pictures()) ? conversation : conversation.withPictures(message.id(), noted);
                }
                update(conversation);
            });
        });
    }

    private void show(Conversation conversation) {
        shown = conversation;
        listeners.forEach(ChatListener::messagesChanged);
        listeners.forEach(ChatListener::conversationsChanged);
    }

    /// Keeps a conversation and shows it.
    private void put(Conversation conversation) {
        shown = conversation;
        update(conversation);
    }

    /// Keeps a conversation in its new form.
    private void update(Conversation conversation) {
        conversations.put(conversation.id(), conversation);
        disk.run(() -> conversationFiles.write(conversation));
        if (shown.id().equals(conversation.id())) {
            shown = conversation;
            listeners.forEach(ChatListener::messagesChanged);
        }
        listeners.forEach(ChatListener::conversationsChanged);
    }

    private void report(Throwable failure) {
        report(Problem.of(failure));
    }

    private void report(Problem problem) {
        listeners.forEach(listener -> listener.problem(problem));
    }

    private void tick() {
        if (running != null && running.takeGrown()) {
            listeners.forEach(ChatListener::answerGrew);
        } else if (running != null || loading != null) {
            listeners.forEach(ChatListener::stateChanged);
        }
    }
}
