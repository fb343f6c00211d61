package dev.chasqui.examples.swingchat.app;

import static org.assertj.core.api.Assertions.assertThat;

import dev.chasqui.FinishReason;
import dev.chasqui.examples.swingchat.conversation.Message;
import dev.chasqui.examples.swingchat.conversation.Picture;
import dev.chasqui.examples.swingchat.engine.Problem;
import dev.chasqui.examples.swingchat.settings.AnswerSettings;
import dev.chasqui.examples.swingchat.settings.Settings;
import dev.chasqui.examples.swingchat.settings.ThemeChoice;
import dev.chasqui.models.ModelStore;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The program without its window, with a tiny model that reads pictures.
@Tag("standalone")
class ChatControllerTest {

    private static final Path TINY = Path.of(System.getProperty("chasqui.root"), "java-api/src/test/resources/tiny-vlm");
    private static final String MODEL = TINY.resolve("mrope-text.gguf").toString();
    private static final Path IMAGE = TINY.resolve("img/000.png");

    @TempDir
    Path folder;

    private final UiThread ui = new UiThread();
    private final List<Problem> problems = new CopyOnWriteArrayList<>();
    private ChatController controller;
    private boolean ended;

    @BeforeEach
    void openForTheFirstTime() throws IOException {
        open();
        ui.run(() -> controller.settings(Settings.defaults().withSystem("").withAnswers(new AnswerSettings(0, 0, 1, 0, 1, 24, 1))));
    }

    private void open() throws IOException {
        controller = ChatController.open(ui, new DataFolder(folder.resolve("data")), ModelStore.at(folder.resolve("models")));
        ended = false;
        ui.run(() -> controller.listen(new ChatListener() {
            @Override
            public void problem(Problem problem) {
                problems.add(problem);
            }
        }));
    }

    @AfterEach
    void close() throws InterruptedException {
        if (!ended) {
            end();
        }
        ui.close();
    }

    private void end() throws InterruptedException {
        CountDownLatch end = new CountDownLatch(1);
        ui.run(() -> controller.close(end::countDown));
        end.await();
        ended = true;
    }

    private void load(String model) throws InterruptedException {
        ui.run(() -> controller.load(model));
        ui.waitFor("the end of loading", () -> controller.activity() != Activity.LOADING);
    }

    private Message ask(String text, Attachment... attachments) throws InterruptedException {
        assertThat(ui.on(() -> controller.send(text, List.of(attachments)))).isTrue();
        ready();
        return path().getLast();
    }

    private void ready() throws InterruptedException {
        ui.waitFor("the end of the answer", () -> controller.activity() == Activity.READY);
    }

    private List<Message> path() {
        return ui.on(() -> controller.shown().path());
    }

    private Attachment attach(Path file) throws InterruptedException {
        List<Attachment> ready = new ArrayList<>();
        ui.run(() -> controller.attach(file, ready::add));
        ui.waitFor("the picture", () -> !ready.isEmpty());
        return ready.getFirst();
    }

    @Test
    void aPictureIsReadWithAPartOfItsTokens() throws Exception {
        load(MODEL);
        assertThat(ui.on(() -> controller.model().orElseThrow().seesPictures())).as("the projector lies beside the model").isTrue();
        ui.run(() -> controller.settings(controller.settings().withKeep(0.25)));
        Message answer = ask("What shape is yellow?", attach(IMAGE));
        assertThat(answer.text()).isEqualTo("cross");
        ui.waitFor("the overlay", () -> controller.shown().path().getFirst().pictures().getFirst().overlay() != null);

        Picture picture = path().getFirst().pictures().getFirst();
        assertThat(picture.tokens()).isEqualTo(144);
        assertThat(picture.kept()).isEqualTo(36);
        BufferedImage whole = ImageIO.read(controller.picture(picture.file()).toFile());
        BufferedImage overlay = ImageIO.read(controller.picture(picture.overlay()).toFile());
        assertThat(overlay.getWidth()).isEqualTo(whole.getWidth());
        assertThat(cells(whole, overlay)).as("cells of 12 x 12 that are not dimmed").isEqualTo(36);

        ui.run(() -> controller.settings(controller.settings().withKeep(1)));
        ui.run(controller::newConversation);
        assertThat(ask("What shape is yellow?", attach(IMAGE)).text()).isEqualTo("cross");
        ui.waitFor("what was seen", () -> controller.shown().path().getFirst().pictures().getFirst().tokens() > 0);
        assertThat(path().getFirst().pictures().getFirst()).satisfies(seen -> {
            assertThat(seen.kept()).isEqualTo(144);
            assertThat(seen.overlay()).isNull();
        });
    }

    /// How many cells look the same in their middle.
    private static int cells(BufferedImage whole, BufferedImage overlay) {
        int size = whole.getWidth() / 12;
        int same = 0;
        for (int y = 0; y < 12; y++) {
            for (int x = 0; x < 12; x++) {
                int middleX = x * size + size / 2;
                int middleY = y * size + size / 2;
                same += whole.getRGB(middleX, middleY) == overlay.getRGB(middleX, middleY) ? 1 : 0;
            }
        }
        return same;
    }

    @Test
    void aConversationWithAPictureGoesOnAfterARestart() throws Exception {
        load(MODEL);
        int before = ask("What shape is yellow?", attach(IMAGE)).facts().promptTokens();
        ui.run(() -> controller.settings(controller.settings().withTheme(ThemeChoice.DARK)));
        end();

        open();
        assertThat(ui.on(() -> controller.conversations())).hasSize(1);
        load(MODEL);
        ui.run(() -> controller.open(controller.conversations().getFirst().id()));
        Message answer = ask("Where is the square?");
        assertThat(answer.facts().reusedTokens()).isGreaterThanOrEqualTo(before - 1);
    }

    @Test
    void settingsAreThereTheNextTime() throws Exception {
        ui.run(() -> controller.settings(controller.settings().withTheme(ThemeChoice.DARK).withKeep(0.5)));
        load(MODEL);
        Settings chosen = ui.on(() -> controller.settings());
        end();
        open();
        assertThat(ui.on(() -> controller.settings())).isEqualTo(chosen);
        assertThat(chosen.model()).isEqualTo(MODEL);
        ui.run(() -> controller.loadLastModel("none"));
        ready();
        assertThat(ui.on(() -> controller.model().orElseThrow().request().file())).isEqualTo(Path.of(MODEL));
    }

    @Test
    void withoutAModelNothingIsSent() {
        assertThat(ui.on(() -> controller.send("Hello", List.of()))).isFalse();
        assertThat(path()).isEmpty();
        assertThat(ui.on(() -> controller.conversations())).isEmpty();
    }

    @Test
    void aDamagedModelIsAProblemAndAnotherOneCanBeLoaded() throws Exception {
        Path damaged = folder.resolve("damaged.gguf");
        byte[] bytes = Files.readAllBytes(Path.of(MODEL));
        Files.write(damaged, java.util.Arrays.copyOf(bytes, bytes.length / 2));
        load(damaged.toString());
        ui.waitFor("the problem", () -> !problems.isEmpty());
        assertThat(problems).singleElement().satisfies(problem -> {
            assertThat(problem.title()).isEqualTo("This model file cannot be used");
            assertThat(problem.detail()).contains("damaged.gguf");
        });
        assertThat(ui.on(() -> controller.activity())).isEqualTo(Activity.NO_MODEL);
        assertThat(ui.on(() -> controller.settings().model())).as("it is not loaded at the next start").isNull();

        load(MODEL);
        assertThat(ui.on(() -> controller.activity())).isEqualTo(Activity.READY);
        load(folder.resolve("nowhere.gguf").toString());
        assertThat(problems.getLast().title()).isEqualTo("The file is not there");
        assertThat(ui.on(() -> controller.activity())).as("the model before is still there").isEqualTo(Activity.READY);
        assertThat(ask("Hello").facts().tokens()).isPositive();
    }

    @Test
    void aFileThatIsNoPictureIsAProblem() throws Exception {
        Path text = Files.writeString(folder.resolve("a.png"), "no picture");
        ui.run(() -> controller.attach(text, attachment -> {
            throw new AssertionError("it is no picture");
        }));
        ui.waitFor("the problem", () -> !problems.isEmpty());
        assertThat(problems.getFirst().title()).isEqualTo("This picture cannot be used");
    }

    @Test
    void aModelWithoutAProjectorCannotReadPictures() throws Exception {
        Path alone = Files.copy(Path.of(MODEL), folder.resolve("alone.gguf"));
        Attachment picture = attach(IMAGE);
        load(alone.toString());
        assertThat(ui.on(() -> controller.model().orElseThrow().seesPictures())).isFalse();
        assertThat(ui.on(() -> controller.send("What is this?", List.of(picture)))).isTrue();
        ready();
        assertThat(problems.getLast().title()).isEqualTo("This model cannot do that");

        ui.run(() -> controller.settings(controller.settings().withProjector(alone.toString(), TINY.resolve("tiny-mmproj.gguf").toString())));
        load(alone.toString());
        ui.run(() -> controller.regenerate(controller.shown().path().getLast()));
        ui.waitFor("what was seen", () -> controller.shown().path().getFirst().pictures().getFirst().tokens() == 144);
    }

    @Test
    void deletingAConversationEndsItsAnswer() throws Exception {
        load(MODEL);
        ui.run(() -> controller.settings(controller.settings().withAnswers(new AnswerSettings(0, 0, 1, 0, 1, 4000, 1))));
        String id = ui.on(() -> {
            controller.send("Count.", List.of());
            return controller.shown().id();
        });
        ui.run(() -> controller.delete(id));
        ready();
        assertThat(ui.on(() -> controller.conversations())).isEmpty();
        assertThat(path()).isEmpty();
        end();
        assertThat(folder.resolve("data/conversations").resolve(id + ".json")).doesNotExist();
    }

    @Test
    void anAnswerGoesToItsConversationWhateverIsShown() throws Exception {
        load(MODEL);
        String id = ui.on(() -> {
            controller.send("Hello", List.of());
            String asked = controller.shown().id();
            controller.newConversation();
            return asked;
        });
        ready();
        assertThat(path()).isEmpty();
        ui.run(() -> controller.open(id));
        assertThat(path()).hasSize(2);
        assertThat(path().getLast().facts().finish()).isIn(FinishReason.END, FinishReason.LENGTH);
    }

    @Test
    void aNewSystemPromptHoldsForTheConversationThatIsShown() throws Exception {
        load(MODEL);
        ask("Hello");
        ui.run(() -> controller.settings(controller.settings().withSystem("Answer in French.")));
        assertThat(ui.on(() -> controller.shown().system())).isEqualTo("Answer in French.");
        ui.run(controller::newConversation);
        assertThat(ui.on(() -> controller.shown().system())).isEqualTo("Answer in French.");
    }

    @Test
    void aConversationThatIsTooLongLosesItsBeginning() throws Exception {
        load(MODEL);
        Message last = ask("one " + "word ".repeat(150));
        for (int i = 0; i < 8 && last.facts().dropped() == 0; i++) {
            last = ask("more " + "word ".repeat(150));
        }
        assertThat(last.facts().dropped()).isPositive();
        assertThat(path()).as("the user still sees all of it").hasSizeGreaterThanOrEqualTo(4);
        assertThat(problems).isEmpty();
    }
}
