package dev.chasqui.kv;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;

/// The right to change a folder, which one thread of all processes has at a time. The operating system takes it from a process that ends. The lock
/// file stays: deleting it would let a waiter lock a file that is gone.
final class FolderLock implements AutoCloseable {

    private static final int POLL_MILLIS = 20;

    /// File locks are held by the whole Java process, so its own threads need a lock of their own.
    private static final ConcurrentMap<Path, Semaphore> THREADS = new ConcurrentHashMap<>();

    private final Semaphore threads;
    private final FileChannel channel;

    private FolderLock(Semaphore threads, FileChannel channel) {
        this.threads = threads;
        this.channel = channel;
    }

    /// @throws IOException if the file cannot be opened, or others keep the lock for longer than the patience
    static FolderLock acquire(Path file, Duration patience) throws IOException {
        long end = System.nanoTime() + patience.toNanos();
        Semaphore threads = THREADS.computeIfAbsent(file.toAbsolutePath().normalize(), _ -> new Semaphore(1));
        boolean mine = false;
        FileChannel channel = null;
        try {
            mine = threads.tryAcquire(patience.toNanos(), TimeUnit.NANOSECONDS);
            if (mine) {
                channel = FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
                do {
                    if (tryLock(channel) != null) {
                        return new FolderLock(threads, channel);
                    }
                    Thread.sleep(POLL_MILLIS);
                } while (System.nanoTime() < end);
            }
            throw new IOException(file + " has been locked by another " + (mine ? "process" : "thread") + " for " + patience.toSeconds() + " s");
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            release(mine, threads, channel);
            throw new IOException("interrupted while waiting for " + file, e);
        } catch (Throwable e) {
            release(mine, threads, channel);
            throw e;
        }
    }

    @Override
    public void close() throws IOException {
        release(true, threads, channel);
    }

    private static FileLock tryLock(FileChannel channel) throws IOException {
        try {
            return channel.tryLock();
        } catch (OverlappingFileLockException heldByAnotherCopyOfThisClass) {
            return null;
        }
    }

    private static void release(boolean mine, Semaphore threads, FileChannel channel) throws IOException {
        try {
            if (channel != null) {
                channel.close();
            }
        } finally {
            if (mine) {
                threads.release();
            }
        }
    }
}
