package dev.chasqui.examples.swingchat.view;

import dev.chasqui.examples.swingchat.app.Activity;
import dev.chasqui.examples.swingchat.app.ChatController;
import dev.chasqui.examples.swingchat.app.DataFolder;
import dev.chasqui.examples.swingchat.conversation.Message;
import dev.chasqui.examples.swingchat.settings.AnswerSettings;
import dev.chasqui.examples.swingchat.settings.Settings;
import dev.chasqui.examples.swingchat.settings.SettingsFile;
import dev.chasqui.models.ModelStore;
import java.awt.EventQueue;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import javax.swing.JLabel;
import javax.swing.JTextArea;

/// The program as it runs, for tests.
final class App implements AutoCloseable {

    static final Path TINY = Path.of(System.getProperty("chasqui.root", "."), "java-api/src/test/resources/tiny-vlm");

    final ChatController controller;
    final ChatWindow window;
    private final CountDownLatch ended = new CountDownLatch(1);

    private App(ChatController controller, ChatWindow window) {
        this.controller = controller;
        this.window = window;
    }

    static App open(Path folder) throws IOException {
        return open(folder, ModelStore.standard());
    }

    static App open(Path folder, ModelStore store) throws IOException {
        DataFolder data = new DataFolder(folder);
        if (!Files.exists(data.settings())) { // the first time: the same answers each time, and not too long
            new SettingsFile(data.settings()).write(Settings.defaults().withAnswers(new AnswerSettings(0, 40, 0.95, 0.05, 1, 200, 1)));
        }
        ChatController controller = ChatController.open(EventQueue::invokeLater, data, store);
        App[] app = new App[1];
        ChatWindow window = Gui.on(() -> ChatWindow.open(controller, false, () -> app[0].ended.countDown()));
        app[0] = new App(controller, window);
        return app[0];
    }

    App load(String model) {
        Gui.run(() -> controller.load(model));
        waitReady();
        return this;
    }

    void waitReady() {
        Gui.waitFor("the model", () -> controller.activity() == Activity.READY);
    }

    /// Writes a message and presses the button.
    void send(String text) {
        Gui.run(() -> Gui.find(window, JTextArea.class, "Message").setText(text));
        Gui.click(window, "Send");
    }

    /// Sends, and waits for the end of the answer.
    Message ask(String text) {
        send(text);
        waitReady();
        return path().getLast();
    }

    void waitForText() {
        Gui.waitFor("the first words", () -> controller.running().isPresent() && !controller.running().get().state().text().isBlank());
    }

    List<Message> path() {
        return Gui.on(() -> controller.shown().path());
    }

    /// The text of a label, by the label's name.
    String label(String name) {
        return Gui.on(() -> Gui.all(window, JLabel.class).stream().filter(label -> name.equals(label.getName())).findFirst().orElseThrow().getText());
    }

    @Override
    public void close() {
        Gui.run(window::end);
        try {
            ended.await();
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }
}
