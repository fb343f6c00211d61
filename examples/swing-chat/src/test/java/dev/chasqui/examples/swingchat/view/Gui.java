package dev.chasqui.examples.swingchat.view;

import java.awt.Component;
import java.awt.Container;
import java.awt.EventQueue;
import java.awt.Window;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.FutureTask;
import java.util.function.BooleanSupplier;
import java.util.stream.Stream;
import javax.swing.AbstractButton;

/// Uses windows as a person with a screen reader does: by the names of what is in them.
final class Gui {

    private static final long PATIENCE_NANOS = 600_000_000_000L;

    private Gui() {}

    /// Does something on the event thread and waits for it.
    static <T> T on(Callable<T> work) {
        FutureTask<T> task = new FutureTask<>(work);
        EventQueue.invokeLater(task);
        try {
            return task.get();
        } catch (Exception e) {
            throw new AssertionError(e.getCause() == null ? e : e.getCause());
        }
    }

    static void run(Runnable work) {
        on(() -> {
            work.run();
            return null;
        });
    }

    /// Waits until something holds on the event thread.
    static void waitFor(String what, BooleanSupplier condition) {
        long end = System.nanoTime() + PATIENCE_NANOS;
        while (!on(condition::getAsBoolean)) {
            if (System.nanoTime() > end) {
                throw new AssertionError("waited too long for: " + what);
            }
            try {
                Thread.sleep(10);
            } catch (InterruptedException e) {
                throw new AssertionError(e);
            }
        }
    }

    /// The visible components of a type, on the event thread.
    static <T extends Component> List<T> all(Container root, Class<T> type) {
        List<T> found = new ArrayList<>();
        collect(root, type, found);
        return found;
    }

    private static <T extends Component> void collect(Component at, Class<T> type, List<T> found) {
        if (!at.isVisible()) {
            return;
        }
        if (type.isInstance(at)) {
            found.add(type.cast(at));
        }
        if (at instanceof Container container) {
            for (Component child : container.getComponents()) {
                collect(child, type, found);
            }
        }
    }

    /// The last visible component of a type whose accessible name begins like that.
    static <T extends Component> T find(Container root, Class<T> type, String name) {
        return named(root, type, name).reduce((first, second) -> second)
                .orElseThrow(() -> new AssertionError("there is no " + type.getSimpleName() + " named " + name));
    }

    private static <T extends Component> Stream<T> named(Container root, Class<T> type, String name) {
        return all(root, type).stream().filter(component -> String.valueOf(component.getAccessibleContext().getAccessibleName()).startsWith(name));
    }

    /// Clicks a button once it is there.
    static void click(Container root, String name) {
        waitFor("a button named " + name, () -> named(root, AbstractButton.class, name).findAny().isPresent());
        run(() -> find(root, AbstractButton.class, name).doClick(0));
    }

    /// The dialog with a title, once it is there.
    static Window dialog(String title) {
        waitFor("the dialog " + title, () -> window(title) != null);
        return on(() -> window(title));
    }

    private static Window window(String title) {
        for (Window window : Window.getWindows()) {
            if (window.isShowing() && window instanceof java.awt.Dialog dialog && title.equals(dialog.getTitle())) {
                return window;
            }
        }
        return null;
    }
}
