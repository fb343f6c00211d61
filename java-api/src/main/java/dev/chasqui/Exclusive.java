package dev.chasqui;

import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/// Lets one thread at a time into an object that is not thread-safe, and turns the second one away instead of letting it wait.
final class Exclusive {

    private final String name;
    private final AtomicReference<@Nullable Thread> owner = new AtomicReference<>();

    Exclusive(String name) {
        this.name = name;
    }

    void enter() {
        Thread current = Thread.currentThread();
        if (!owner.compareAndSet(null, current)) {
            Thread other = owner.get();
            throw new IllegalStateException(other == current
                    ? name + " is used again from within one of its own calls"
                    : name + " is in use by " + (other == null ? "another thread" : other));
        }
    }

    void exit() {
        owner.set(null);
    }
}
