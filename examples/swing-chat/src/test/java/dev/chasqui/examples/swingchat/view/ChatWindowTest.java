package dev.chasqui.examples.swingchat.view;

import static org.assertj.core.api.Assertions.assertThat;

import dev.chasqui.FinishReason;
import dev.chasqui.examples.swingchat.app.Activity;
import dev.chasqui.examples.swingchat.conversation.Message;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The program with its window and a real model.
@Tag("model")
class ChatWindowTest {

    private static final String MODEL = "smollm2-135m";

    @TempDir
    Path folder;

    @BeforeAll
    static void display() {
        VirtualDisplay.assume();
    }

    @Test
    void anAnswerIsStreamedAndKept() throws Exception {
        try (App app = App.open(folder).load(MODEL)) {
            app.send("Name three rivers of Peru.");
            app.waitForText();
            assertThat(Gui.on(() -> Gui.find(app.window, AnswerView.class, "Answer that is being written").isShowing())).isTrue();
            app.waitReady();

            List<Message> path = app.path();
            assertThat(path).hasSize(2);
            assertThat(path.getLast().text()).isNotBlank();
            assertThat(path.getLast().facts().tokens()).isPositive();
            assertThat(Gui.on(() -> Gui.find(app.window, MessageView.class, "Answer").isShowing())).isTrue();
            assertThat(Gui.on(() -> Gui.all(app.window, AnswerView.class))).isEmpty();
            assertThat(Gui.on(() -> app.controller.conversations("rivers"))).hasSize(1);
            assertThat(Gui.on(() -> app.controller.conversations("rivers zeppelin"))).isEmpty();
        }
    }

    @Test
    void anAnswerIsStopped() throws Exception {
        try (App app = App.open(folder).load(MODEL)) {
            app.send("Write a very long story about a llama.");
            app.waitForText();
            Gui.click(app.window, "Stop");
            app.waitReady();
            assertThat(app.path().getLast().facts().finish()).isEqualTo(FinishReason.CANCELLED);
            assertThat(app.path().getLast().text()).isNotBlank();
            assertThat(Gui.on(() -> app.controller.activity())).isEqualTo(Activity.READY);
        }
    }
}
