package dev.chasqui.models;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;

/// One holder per lock file, among all threads and processes of the machine. The lock file itself stays: deleting it would
/// let a waiter lock a file that is gone.
final class StoreLock implements AutoCloseable {

    private static final int POLL_MILLIS = 100;

    /// File locks are held by the whole Java process, so its own threads need a lock of their own.
    private static final ConcurrentMap<Path, Semaphore> THREADS = new ConcurrentHashMap<>();

    private final Semaphore threads;
    private final FileChannel channel;

    private StoreLock(Semaphore threads, FileChannel channel) {
        this.threads = threads;
        this.channel = channel;
    }

    /// Waits for the lock, for as long as it takes; the listener is told that it waits and can cancel.
    static StoreLock acquire(Path file, Progress progress) throws IOException {
        Files.createDirectories(file.toAbsolutePath().getParent());
        Semaphore threads = THREADS.computeIfAbsent(file.toAbsolutePath().normalize(), path -> new Semaphore(1));
        boolean waiting = false;
        while (!tryAcquire(threads, progress)) {
            waiting = announce(waiting, "another thread", progress);
            progress.heartbeat();
        }
        FileChannel channel = null;
        try {
            channel = FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
            while (true) {
                if (tryLock(channel)) {
                    return new StoreLock(threads, channel);
                }
                waiting = announce(waiting, "another process", progress);
                progress.heartbeat();
                Thread.sleep(POLL_MILLIS);
            }
        } catch (InterruptedException e) {
            release(threads, channel);
            throw progress.interrupted();
        } catch (Throwable t) {
            release(threads, channel);
            throw t;
        }
    }

    @Override
    public void close() throws IOException {
        release(threads, channel);
    }

    private static boolean tryAcquire(Semaphore threads, Progress progress) {
        try {
            return threads.tryAcquire(POLL_MILLIS, TimeUnit.MILLISECONDS);
        } catch (InterruptedException e) {
            throw progress.interrupted();
        }
    }

    private static boolean tryLock(FileChannel channel) throws IOException {
        try {
            return channel.tryLock() != null;
        } catch (OverlappingFileLockException heldByAnotherCopyOfThisClass) {
            return false;
        }
    }

    private static boolean announce(boolean already, String who, Progress progress) {
        if (!already) {
            progress.message("waiting for " + who + " that is fetching it");
            progress.source("waiting for " + who);
        }
        return true;
    }

    private static void release(Semaphore threads, FileChannel channel) throws IOException {
        try {
            if (channel != null) {
                channel.close();
            }
        } finally {
            threads.release();
        }
    }
}
