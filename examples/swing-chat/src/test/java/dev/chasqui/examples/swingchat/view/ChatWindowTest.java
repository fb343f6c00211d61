package dev.chasqui.examples.swingchat.view;

import static org.assertj.core.api.Assertions.assertThat;

import dev.chasqui.FinishReason;
import dev.chasqui.examples.swingchat.app.Activity;
import dev.chasqui.examples.swingchat.conversation.AnswerFacts;
import dev.chasqui.examples.swingchat.conversation.Message;
import java.nio.file.Path;
import java.util.List;
import javax.swing.JList;
import javax.swing.JScrollBar;
import javax.swing.JTextArea;
import javax.swing.JTextField;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The program with its window and a real model.
@Tag("model")
class ChatWindowTest {

    private static final String MODEL = "smollm2-135m";
    private static final String LONG = "The river flows from the mountains to the sea. ".repeat(300);

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
            AnswerFacts facts = path.getLast().facts();
            assertThat(facts.tokens()).isPositive();
            assertThat(Gui.on(() -> Gui.find(app.window, MessageView.class, "Answer").isShowing())).isTrue();
            assertThat(Gui.on(() -> Gui.all(app.window, AnswerView.class))).isEmpty();
            assertThat(app.label("facts"))
                    .contains(facts.tokens() + " tokens", "tokens/s", "tokens/step", "of " + facts.promptTokens() + " prompt tokens reused");
            JTextField search = Gui.on(() -> Gui.find(app.window, JTextField.class, "Search"));
            JList<?> list = Gui.on(() -> Gui.find(app.window, JList.class, "Conversations"));
            Gui.run(() -> search.setText("rivers zeppelin"));
            Gui.waitFor("nothing", () -> list.getModel().getSize() == 0);
            Gui.run(() -> search.setText("RIVERS peru"));
            Gui.waitFor("the conversation", () -> list.getModel().getSize() == 1);
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
            assertThat(app.ask("Say hello.").text()).isNotBlank();
        }
    }

    @Test
    void aLongPromptIsStoppedAndAnsweredLater() throws Exception {
        try (App app = App.open(folder).load(MODEL)) {
            app.send(LONG);
            Gui.waitFor("a part of the prompt", () -> app.controller.running().map(answer -> answer.prefill().computed() > 0).orElse(true));
            assertThat(Gui.on(() -> app.controller.activity())).as("it is still being read").isEqualTo(Activity.ANSWERING);
            assertThat(app.label("state")).startsWith("Reading the prompt: ");
            Gui.click(app.window, "Stop");
            app.waitReady();
            assertThat(app.path()).as("there is no answer").singleElement().satisfies(message -> assertThat(message.isUser()).isTrue());

            Gui.click(app.window, "Answer this message");
            app.waitForText();
            Gui.click(app.window, "Stop");
            app.waitReady();
            assertThat(app.path()).hasSize(2);
            assertThat(app.path().getLast().facts().reusedTokens()).as("what was read before is not read again").isGreaterThan(200);
        }
    }

    @Test
    void answersAndMessagesHaveVersions() throws Exception {
        try (App app = App.open(folder).load(MODEL)) {
            Message first = app.ask("Say hello.");
            Gui.click(app.window, "Answer again");
            app.waitReady();
            Message second = app.path().getLast();
            assertThat(second.id()).isNotEqualTo(first.id());
            assertThat(second.parent()).isEqualTo(first.parent());
            assertThat(second.text()).isNotBlank();
            assertThat(second.facts().reusedTokens()).isPositive();
            Gui.click(app.window, "Earlier version");
            assertThat(app.path().getLast()).isEqualTo(first);

            Gui.click(app.window, "Edit message");
            Gui.run(() -> Gui.find(app.window, JTextArea.class, "New text").setText("Say goodbye."));
            Gui.click(app.window, "Send as a new version");
            app.waitReady();
            assertThat(app.path().getFirst().text()).isEqualTo("Say goodbye.");
            Gui.run(() -> app.controller.showVersion(app.controller.shown().path().getFirst(), -1));
            assertThat(app.path()).extracting(Message::text).startsWith("Say hello.").hasSize(2);

            String conversation = Gui.on(() -> app.controller.shown().id());
            Gui.click(app.window, "Go on from here in a new conversation");
            assertThat(Gui.on(() -> app.controller.shown().id())).isNotEqualTo(conversation);
            assertThat(app.path()).hasSize(2);
            assertThat(Gui.on(() -> app.controller.conversations())).hasSize(2);
        }
    }

    @Test
    void aConversationIsReopenedWithoutPrefill() throws Exception {
        Message before;
        try (App app = App.open(folder).load(MODEL)) {
            app.ask("Tell me about the llama, the animal of the Andes, and about what people use it for.");
            before = app.ask("And what does it eat?");
        }
        try (App app = App.open(folder)) {
            Gui.run(() -> app.controller.loadLastModel("none"));
            app.waitReady();
            Gui.run(() -> Gui.find(app.window, JList.class, "Conversations").setSelectedIndex(0));
            assertThat(app.path()).hasSize(4).last().isEqualTo(before);
            AnswerFacts facts = app.ask("Thanks. Where does it live?").facts();
            int old = before.facts().promptTokens() + before.facts().tokens();
            assertThat(facts.reusedTokens()).as("of %d tokens of the time before", old).isBetween(old - 5, old);
        }
    }

    @Test
    void closingDuringAnAnswerKeepsWhatThereIs() throws Exception {
        String text;
        try (App app = App.open(folder).load(MODEL)) {
            app.send("Write a very long story about a llama.");
            app.waitForText();
            text = Gui.on(() -> app.controller.running().orElseThrow().state().text());
        }
        try (App app = App.open(folder)) {
            Gui.run(() -> app.controller.open(app.controller.conversations().getFirst().id()));
            assertThat(app.path()).hasSize(2);
            assertThat(app.path().getLast().text()).startsWith(text.strip());
            assertThat(app.path().getLast().facts().finish()).isEqualTo(FinishReason.CANCELLED);
        }
    }

    @Test
    void closingDuringLoadingEnds() throws Exception {
        App app = App.open(folder);
        Gui.run(() -> app.controller.load(MODEL));
        app.close();
        Gui.waitFor("the end of its threads", () -> Thread.getAllStackTraces().keySet().stream().map(Thread::getName)
                .noneMatch(List.of("chat-model", "chat-disk", "chat-end", "chat-clock")::contains));
    }

    @Test
    void theEventThreadIsNeverHeldUp() throws Exception {
        try (App app = App.open(folder).load(MODEL)) {
            app.ask("Hello. Answer with a list, please."); // classes are loaded the first time
            try (EventThreadWatch watch = EventThreadWatch.start()) {
                app.load(MODEL);
                app.ask("Write a long story about a river, with headings and lists. " + LONG.substring(0, 4000));
                app.ask("Go on.");
                JScrollBar bar = Gui.on(() -> Gui.all(app.window, Transcript.class).getFirst().getVerticalScrollBar());
                Gui.run(() -> assertThat(bar.getMaximum() - bar.getVisibleAmount() - bar.getValue()).as("the end is in sight").isLessThan(5));
                assertThat(watch.waitedMillis()).as(watch::describe).isLessThan(50);
                assertThat(Gui.on(watch::slowestMillis)).as(watch::describe).isLessThan(50);
                assertThat(Gui.on(watch::events)).isGreaterThan(50);
            }
        }
    }
}
