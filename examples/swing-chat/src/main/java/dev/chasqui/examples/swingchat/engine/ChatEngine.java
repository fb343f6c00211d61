package dev.chasqui.examples.swingchat.engine;

import dev.chasqui.CancelledException;
import dev.chasqui.ChatAnswer;
import dev.chasqui.ChatDelta;
import dev.chasqui.ChatMessage;
import dev.chasqui.ChatOptions;
import dev.chasqui.ChatSession;
import dev.chasqui.ContextOptions;
import dev.chasqui.ContextOverflow;
import dev.chasqui.Model;
import dev.chasqui.ModelOptions;
import dev.chasqui.UnsupportedFeatureException;
import dev.chasqui.examples.swingchat.conversation.AnswerFacts;
import dev.chasqui.examples.swingchat.conversation.Message;
import dev.chasqui.examples.swingchat.conversation.Picture;
import dev.chasqui.examples.swingchat.settings.Settings;
import dev.chasqui.kv.SequenceStore;
import dev.chasqui.kv.SequenceStoreException;
import dev.chasqui.kv.SequenceStoreOptions;
import dev.chasqui.vision.EncodedImage;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import org.jspecify.annotations.Nullable;

/// The model, and the one thread that uses it. Its methods return at once and are safe from any thread; listeners are called on the model thread.
///
/// What was computed for conversations is kept in a [SequenceStore], so that one that is opened again goes on without prefill.
public final class ChatEngine implements AutoCloseable {

    private static final System.Logger LOG = System.getLogger("dev.chasqui.examples.swingchat");
    private static final long STORE_RAM_BYTES = 512L << 20;
    private static final long STORE_DISK_BYTES = 4L << 30;
    private static final int BATCH = 256; // also the steps in which the progress of a prompt is known
    private static final int LEAST_ROOM = 64;

    private final Path storeFolder;
    private final LinkedBlockingQueue<Runnable> work = new LinkedBlockingQueue<>();
    private final Thread thread = Thread.ofPlatform().name("chat-model").unstarted(this::run);
    private final CountDownLatch ended = new CountDownLatch(1);
    private volatile @Nullable Job current;
    private volatile boolean closing;

    // ---- of the model thread ----
    private @Nullable SequenceStore store;
    private @Nullable LoadRequest loaded;
    private @Nullable Model model;
    private @Nullable PictureEncoder pictures;
    private @Nullable ChatSession session;
    private @Nullable ContextOptions sessionOptions;

    /// @param storeFolder where computed sequences are kept
    public ChatEngine(Path storeFolder) {
        this.storeFolder = storeFolder;
        thread.start();
    }

    /// Loads a model in the place of the one that is there.
    public Job load(LoadRequest request, LoadListener listener) {
        return submit(job -> load(job, request, listener));
    }

    /// Answers a conversation.
    public Job answer(AnswerRequest request, AnswerListener listener) {
        return submit(job -> answer(job, request, listener));
    }

    /// Ends what is running and frees everything, on the model thread; [#awaitEnd] waits for that.
    @Override
    public void close() {
        closing = true;
        Job running = current;
        if (running != null) {
            running.cancel();
        }
        work.add(() -> { }); // wakes the thread
    }

    /// Waits until everything is freed and what was computed is on the disk.
    public void awaitEnd() throws InterruptedException {
        ended.await();
    }

    private interface Task {
        void run(Job job);
    }

    private Job submit(Task task) {
        Job job = new Job();
        work.add(() -> {
            current = job;
            if (closing) {
                job.cancel();
            }
            try {
                task.run(job);
            } finally {
                current = null;
            }
        });
        return job;
    }

    private void run() {
        try {
            while (!closing || !work.isEmpty()) {
                try {
                    work.take().run();
                } catch (RuntimeException e) { // a listener's
                    LOG.log(System.Logger.Level.ERROR, "the model thread goes on after this", e);
                }
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } finally {
            unload();
            if (store != null) {
                store.close();
            }
            ended.countDown();
        }
    }

    private void load(Job job, LoadRequest request, LoadListener listener) {
        unload();
        Model fresh = null;
        try {
            if (job.isCancelled()) {
                throw new CancelledException("loading was stopped");
            }
            fresh = Model.load(request.file(), ModelOptions.defaults().withListener(fraction -> {
                listener.progress(fraction);
                return !job.isCancelled();
            }));
            pictures = request.projector() == null ? null : new PictureEncoder(fresh.vision(request.projector()));
            if (job.isCancelled()) {
                throw new CancelledException("loading was stopped");
            }
            model = fresh;
            loaded = request;
            listener.loaded(new LoadedModel(request, fresh.info().description(), fresh.info().trainedContext(), pictures != null));
        } catch (Throwable e) { // a missing library is an Error, and the user has to hear of it
            unload();
            if (fresh != null) {
                fresh.close();
            }
            if (e instanceof CancelledException) {
                listener.cancelled();
            } else {
                listener.failed(e);
            }
        }
    }

    private void unload() {
        closeSession();
        if (pictures != null) {
            pictures.close();
        }
        if (model != null) {
            model.close();
        }
        pictures = null;
        model = null;
        loaded = null;
    }

    private void closeSession() {
        if (session != null) {
            session.close();
        }
        session = null;
        sessionOptions = null;
    }

    private void answer(Job job, AnswerRequest request, AnswerListener listener) {
        AnswerFacts facts;
        try {
            facts = answer(job, session(request.settings()), request, listener);
        } catch (Throwable e) {
            closeSession(); // its context may be in no state to go on
            listener.failed(e);
            return;
        } finally {
            job.runs(null);
        }
        listener.finished(facts);
    }

    private AnswerFacts answer(Job job, ChatSession chat, AnswerRequest request, AnswerListener listener) {
        List<ChatMessage> messages = messages(job, request, listener);
        chat.clear();
        messages.forEach(chat::add);
        ChatOptions options = chat.options().withGeneration(request.settings().answers().generation());
        try (ChatAnswer answer = chat.reply(options)) {
            int dropped = messages.size() - chat.messages().size();
            job.runs(answer);
            int begin = -1;
            for (ChatDelta delta : answer.deltas()) {
                int length = answer.sequence().length();
                begin = begin < 0 ? length - 1 : begin;
                switch (delta) {
                    case ChatDelta.Content(String text) -> listener.said(text, length - begin);
                    case ChatDelta.Reasoning(String text) -> listener.thought(text, length - begin);
                    case ChatDelta.Call _, ChatDelta.Result _ -> { } // it has no tools
                }
            }
            return AnswerFacts.of(loaded == null ? "" : loaded.name(), answer.stats(), dropped);
        }
    }

    private List<ChatMessage> messages(Job job, AnswerRequest request, AnswerListener listener) {
        List<ChatMessage> messages = new ArrayList<>();
        if (!request.system().isBlank()) {
            messages.add(ChatMessage.system(request.system()));
        }
        StringBuilder said = new StringBuilder();
        List<EncodedImage> shown = new ArrayList<>();
        for (Message message : request.path()) {
            if (message.isUser()) { // several without an answer between them become one, since many templates want turns to alternate
                said.append(said.isEmpty() ? "" : "\n\n").append(message.text());
                for (Picture picture : message.pictures()) {
                    shown.add(encode(job, picture, request.pictures().apply(picture.file()), listener));
                }
                continue;
            }
            messages.add(ChatMessage.user(shown, said.toString()));
            messages.add(ChatMessage.assistant(message.text()));
            said.setLength(0);
            shown = new ArrayList<>();
        }
        messages.add(ChatMessage.user(shown, said.toString()));
        return messages;
    }

    private EncodedImage encode(Job job, Picture picture, Path file, AnswerListener listener) {
        if (job.isCancelled()) {
            throw new CancelledException("the answer was stopped");
        }
        if (pictures == null) {
            throw new UnsupportedFeatureException("pictures need a model with a projector");
        }
        EncodedImage encoded = pictures.encode(picture, file);
        listener.picture(PictureEncoder.seen(picture, encoded));
        return encoded;
    }

    private ChatSession session(Settings settings) {
        Model present = model;
        if (present == null) {
            throw new UnsupportedFeatureException("no model is loaded");
        }
        int size = Math.min(settings.contextSize(), Math.max(Settings.CONTEXT_SIZE.clamp(0), present.info().trainedContext()));
        ContextOptions wanted = ContextOptions.defaults().withContextSize(size).withBatchSize(BATCH).withThreads(settings.threads()).withStore(store());
        ChatSession chat = session;
        if (chat == null || !wanted.equals(sessionOptions)) {
            closeSession();
            int reserve = Math.max(LEAST_ROOM, size / 8);
            chat = present.chat(wanted, ChatOptions.defaults().withAnswerReserve(reserve).withOverflow(ContextOverflow.slide()));
            session = chat;
            sessionOptions = wanted;
        }
        return chat;
    }

    private @Nullable SequenceStore store() {
        if (store == null) {
            try {
                store = SequenceStore.open(SequenceStoreOptions.in(storeFolder).withRamBytes(STORE_RAM_BYTES).withDiskBytes(STORE_DISK_BYTES));
            } catch (SequenceStoreException e) {
                LOG.log(System.Logger.Level.WARNING, "conversations will be computed again when they are opened", e);
            }
        }
        return store;
    }
}
