package dev.chasqui.examples.swingchat.view;

import static org.assertj.core.api.Assertions.assertThat;

import com.formdev.flatlaf.FlatLaf;
import dev.chasqui.examples.swingchat.app.Activity;
import dev.chasqui.examples.swingchat.app.ModelServer;
import dev.chasqui.examples.swingchat.conversation.Conversation;
import dev.chasqui.examples.swingchat.conversation.ConversationFiles;
import dev.chasqui.examples.swingchat.conversation.Message;
import dev.chasqui.examples.swingchat.settings.ThemeChoice;
import java.awt.Color;
import java.awt.Component;
import java.awt.Window;
import java.awt.datatransfer.DataFlavor;
import java.awt.datatransfer.Transferable;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import javax.accessibility.AccessibleContext;
import javax.swing.AbstractButton;
import javax.swing.JComboBox;
import javax.swing.JLabel;
import javax.swing.JList;
import javax.swing.JProgressBar;
import javax.swing.JScrollBar;
import javax.swing.JSpinner;
import javax.swing.JTextArea;
import javax.swing.TransferHandler;
import javax.swing.text.JTextComponent;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The window and its dialogs, with a tiny model.
@Tag("standalone")
class DialogsTest {

    private static final Path IMAGE = App.TINY.resolve("img/000.png");

    @TempDir
    Path folder;

    @BeforeAll
    static void display() {
        VirtualDisplay.assume();
    }

    @Test
    void aModelIsDownloadedAndLoaded() throws Exception {
        try (ModelServer server = new ModelServer(App.TINY.resolve("tiny-text.gguf")); App app = App.open(folder, server.store(folder.resolve("models")))) {
            Gui.run(() -> Gui.find(app.window, JTextArea.class, "Message").setText("Hello"));
            Gui.click(app.window, "Send");
            Window dialog = Gui.dialog("Models"); // there is none yet
            Gui.waitFor("the list", () -> !Gui.all(dialog, ModelRow.class).isEmpty());
            Gui.click(dialog, "Download small");
            Gui.waitFor("progress", () -> Gui.find(dialog, JProgressBar.class, "Download of small").getValue() > 0);
            Gui.click(dialog, "Cancel small");
            Gui.waitFor("the end", () -> Gui.all(dialog, AbstractButton.class).stream().anyMatch(button -> button.getText().equals("Go on")));
            server.goOn();
            Gui.click(dialog, "Go on small");
            Gui.waitFor("the file", () -> Gui.all(dialog, AbstractButton.class).stream().anyMatch(button -> button.getText().equals("Load")));
            Gui.click(dialog, "Load small");
            app.waitReady();
            assertThat(Gui.on(() -> Gui.find(app.window, AbstractButton.class, "Model:").getText())).isEqualTo("small");
            assertThat(Gui.on(() -> Gui.find(app.window, JTextArea.class, "Message").getText())).as("what was written is still there").isEqualTo("Hello");
        }
    }

    @Test
    void aDamagedModelShowsAProblem() throws Exception {
        Path damaged = Files.writeString(folder.resolve("damaged.gguf"), "GGUF");
        try (App app = App.open(folder.resolve("data"))) {
            Gui.run(() -> app.controller.load(damaged.toString()));
            Gui.waitFor("the problem", () -> !Gui.all(app.window, ProblemBanner.class).isEmpty());
            assertThat(app.label("problem")).isEqualTo("This model file cannot be used");
            assertThat(Gui.on(() -> app.controller.activity())).isEqualTo(Activity.NO_MODEL);
            Gui.click(app.window, "Put this away");
            assertThat(Gui.on(() -> Gui.all(app.window, ProblemBanner.class))).isEmpty();
        }
    }

    @Test
    void settingsAreChangedAndKept() throws Exception {
        try (App app = App.open(folder)) {
            Gui.click(app.window, "Settings");
            Window dialog = Gui.dialog("Settings");
            Gui.run(() -> Gui.find(dialog, JTextArea.class, "System prompt").setText("Be brief."));
            Gui.run(() -> spinner(dialog, "Temperature").setValue(1.5));
            Gui.run(() -> spinner(dialog, "Memory of a conversation").setValue(2048));
            Gui.click(dialog, "Save");
        }
        try (App app = App.open(folder)) {
            assertThat(Gui.on(() -> app.controller.settings())).satisfies(settings -> {
                assertThat(settings.system()).isEqualTo("Be brief.");
                assertThat(settings.answers().temperature()).isEqualTo(1.5);
                assertThat(settings.contextSize()).isEqualTo(2048);
            });
        }
    }

    /// Tabs that are not in front are not visible.
    private static JSpinner spinner(Window dialog, String name) {
        for (Component tab : Gui.all(dialog, javax.swing.JTabbedPane.class).getFirst().getComponents()) {
            tab.setVisible(true);
        }
        return Gui.find(dialog, JSpinner.class, name);
    }

    @Test
    void coloursAreSwitchedWhileTheWindowIsOpen() throws Exception {
        try (App app = App.open(folder).load(App.TINY.resolve("tiny-text.gguf").toString())) {
            app.ask("Hello");
            Gui.run(() -> app.controller.settings(app.controller.settings().withTheme(ThemeChoice.LIGHT)));
            assertThat(Gui.on(FlatLaf::isLafDark)).isFalse();
            Color light = Gui.on(Colors::background);
            Gui.run(() -> app.controller.settings(app.controller.settings().withTheme(ThemeChoice.DARK)));
            assertThat(Gui.on(FlatLaf::isLafDark)).isTrue();
            assertThat(Gui.on(Colors::background)).isNotEqualTo(light);
            assertThat(Gui.on(() -> Gui.all(app.window, Transcript.class).getFirst().getViewport().getView().getBackground())).isEqualTo(Gui.on(Colors::background));
            assertThat(Gui.on(() -> Gui.all(app.window, MessageView.class))).hasSize(2);
        }
    }

    @Test
    void aPictureIsDroppedAskedAboutAndShownWithWhatWasKept() throws Exception {
        try (App app = App.open(folder).load(App.TINY.resolve("mrope-text.gguf").toString())) {
            Gui.run(() -> app.controller.settings(app.controller.settings().withSystem("")));
            Gui.run(() -> {
                JTextArea message = Gui.find(app.window, JTextArea.class, "Message");
                boolean taken = message.getTransferHandler().importData(new TransferHandler.TransferSupport(message, files(IMAGE)));
                assertThat(taken).isTrue();
            });
            Gui.waitFor("the picture", () -> !Gui.all(app.window, JComboBox.class).isEmpty());
            Gui.run(() -> Gui.find(app.window, JComboBox.class, "How much").setSelectedIndex(2));
            assertThat(app.ask("What shape is yellow?").text()).isEqualTo("cross");
            Gui.waitFor("the overlay", () -> Gui.all(app.window, AbstractButton.class).stream()
                    .anyMatch(button -> "Picture, 36 of 144 tokens kept".equals(button.getAccessibleContext().getAccessibleName())));
            Gui.click(app.window, "Picture, 36");
            Window dialog = Gui.dialog("Picture");
            assertThat(Gui.on(() -> Gui.find(dialog, AbstractButton.class, "Show what the model saw").isSelected())).isTrue();
            Gui.run(dialog::dispose);
        }
    }

    private static Transferable files(Path file) {
        return new Transferable() {
            @Override
            public DataFlavor[] getTransferDataFlavors() {
                return new DataFlavor[] {DataFlavor.javaFileListFlavor};
            }

            @Override
            public boolean isDataFlavorSupported(DataFlavor flavor) {
                return flavor.equals(DataFlavor.javaFileListFlavor);
            }

            @Override
            public Object getTransferData(DataFlavor flavor) {
                return List.of(file.toFile());
            }
        };
    }

    @Test
    void everyControlHasAName() throws Exception {
        try (App app = App.open(folder).load(App.TINY.resolve("tiny-text.gguf").toString())) {
            app.ask("Hello");
            Gui.click(app.window, "Settings");
            Window settings = Gui.dialog("Settings");
            Gui.click(app.window, "Model:");
            Window models = Gui.dialog("Models");
            Gui.waitFor("the list", () -> !Gui.all(models, ModelRow.class).isEmpty());
            for (Window window : List.of(app.window, settings, models)) {
                assertThat(Gui.on(() -> nameless(window))).isEmpty();
            }
            Gui.run(settings::dispose);
            Gui.run(models::dispose);
        }
    }

    private static List<Component> nameless(Window window) {
        return Gui.all(window, Component.class).stream()
                .filter(component -> component instanceof AbstractButton button && !(button.getParent() instanceof JSpinner) && !(button.getParent() instanceof JScrollBar)
                        && !(button.getParent() instanceof JComboBox)
                        || component instanceof JTextComponent text && !(text.getParent().getParent() instanceof JSpinner)
                        || component instanceof JList || component instanceof JSpinner || component instanceof JComboBox || component instanceof JProgressBar)
                .filter(component -> {
                    AccessibleContext context = component.getAccessibleContext();
                    return context.getAccessibleName() == null || context.getAccessibleName().isBlank();
                })
                .toList();
    }

    @Test
    void aLongConversationIsOpenedInSmallSteps() throws Exception {
        String answer = "# Heading\n\n" + "Some **bold** words and `code` that fill a paragraph. ".repeat(12) + "\n\n- one\n- two\n\n```java\n" + "int x = 1;\n".repeat(20) + "```\n";
        for (int i = 0; i < 2; i++) {
            Conversation conversation = Conversation.begin("");
            for (int j = 0; j < 60; j++) {
                conversation = conversation.add(Message.user(conversation.leaf(), "Question " + j, List.of()));
                conversation = conversation.add(Message.assistant(conversation.leaf(), answer, "", null));
            }
            new ConversationFiles(folder.resolve("conversations")).write(conversation);
        }
        try (App app = App.open(folder)) {
            JList<?> list = Gui.on(() -> Gui.find(app.window, JList.class, "Conversations"));
            Gui.run(() -> list.setSelectedIndex(0)); // classes are loaded the first time
            Gui.waitFor("the last message", () -> Gui.all(app.window, MessageView.class).size() >= 20);
            try (EventThreadWatch watch = EventThreadWatch.start()) {
                Gui.run(() -> list.setSelectedIndex(1));
                Gui.waitFor("the messages", () -> Gui.all(app.window, MessageView.class).size() >= 20);
                assertThat(Gui.on(watch::slowestMillis)).as(watch::describe).isLessThan(50);
            }
            Gui.waitFor("all that is shown at first", () -> Gui.all(app.window, MessageView.class).size() == 30);
            Transcript transcript = Gui.all(app.window, Transcript.class).getFirst();
            Gui.run(() -> assertThat(fromEnd(transcript)).as("the end is in sight").isLessThan(5));

            Gui.run(() -> transcript.getVerticalScrollBar().setValue(0));
            Gui.click(app.window, "Show earlier messages");
            Gui.waitFor("more messages", () -> Gui.all(app.window, MessageView.class).size() == 60);
            Gui.run(() -> assertThat(transcript.getVerticalScrollBar().getValue()).as("what was seen stays where it was").isGreaterThan(1000));
        }
    }

    private static int fromEnd(Transcript transcript) {
        JScrollBar bar = transcript.getVerticalScrollBar();
        return bar.getMaximum() - bar.getVisibleAmount() - bar.getValue();
    }

    @Test
    void longTitlesAndWordsStayInside() throws Exception {
        try (App app = App.open(folder).load(App.TINY.resolve("tiny-text.gguf").toString())) {
            app.ask("x".repeat(3000));
            Gui.run(() -> {
                Transcript transcript = Gui.all(app.window, Transcript.class).getFirst();
                assertThat(transcript.getViewport().getView().getWidth()).isLessThanOrEqualTo(transcript.getViewport().getWidth());
                for (MessageView message : Gui.all(transcript, MessageView.class)) {
                    assertThat(message.getX() + message.getWidth()).isLessThanOrEqualTo(transcript.getViewport().getWidth());
                }
                assertThat(Gui.all(app.window, JLabel.class)).allSatisfy(label -> assertThat(label.getWidth()).isLessThan(app.window.getWidth()));
            });
        }
    }
}
