package dev.chasqui.examples.swingchat.app;

import dev.chasqui.CancelledException;
import dev.chasqui.models.ModelStore;
import java.nio.file.Path;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ConcurrentHashMap;

/// Downloads of models, each on a thread of its own. Safe from any thread; listeners are called on the thread of the download.
public final class Downloads {

    /// Hears of one download.
    public interface Listener {

        void progress(long done, long total, String source);

        void finished(Path file);

        /// What has arrived is kept for the next time.
        void cancelled();

        void failed(Throwable reason);
    }

    private final ModelStore store;
    private final Map<String, Thread> running = new ConcurrentHashMap<>();
    private final Map<String, Listener> listeners = new ConcurrentHashMap<>();

    public Downloads(ModelStore store) {
        this.store = store;
    }

    /// Starts a download. One that is running already goes on, and only the new listener hears of it from now on.
    public void start(String name, Listener listener) {
        listeners.put(name, listener);
        Thread thread = Thread.ofVirtual().name("download " + name).unstarted(() -> download(name));
        if (running.putIfAbsent(name, thread) == null) {
            thread.start();
        }
    }

    private void download(String name) {
        try {
            Path file = store.get(name, (done, total, source) -> {
                listener(name).progress(done, total, source);
                return !Thread.currentThread().isInterrupted();
            });
            running.remove(name);
            listener(name).finished(file);
        } catch (CancelledException e) {
            running.remove(name);
            listener(name).cancelled();
        } catch (RuntimeException e) {
            running.remove(name);
            listener(name).failed(e);
        }
    }

    private Listener listener(String name) {
        return Objects.requireNonNull(listeners.get(name));
    }

    public boolean isRunning(String name) {
        return running.containsKey(name);
    }

    public void cancel(String name) {
        Thread thread = running.get(name);
        if (thread != null) {
            thread.interrupt();
        }
    }

    /// Ends all of them and waits for it.
    public void cancelAll() throws InterruptedException {
        for (Thread thread : running.values()) {
            thread.interrupt();
            thread.join();
        }
    }
}
