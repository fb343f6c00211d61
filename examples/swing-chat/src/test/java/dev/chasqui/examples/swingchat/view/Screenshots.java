package dev.chasqui.examples.swingchat.view;

import com.sun.net.httpserver.HttpServer;
import dev.chasqui.examples.swingchat.settings.AnswerSettings;
import dev.chasqui.examples.swingchat.settings.ThemeChoice;
import dev.chasqui.models.ModelCatalog;
import dev.chasqui.models.ModelFile;
import dev.chasqui.models.ModelSource;
import dev.chasqui.models.ModelStore;
import dev.chasqui.models.NamedModel;
import java.awt.Component;
import java.awt.Container;
import java.awt.Graphics2D;
import java.awt.Window;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import javax.imageio.ImageIO;
import javax.swing.JComboBox;
import javax.swing.JProgressBar;

/// Makes the pictures of `docs/desktop-app.md`, with answers of real models. Argument: a folder for them.
public final class Screenshots {

    private static final String MODEL = "qwen2.5-coder-0.5b";
    private static final String SLOW = "qwen2.5-coder-1.5b";

    private final Path out;

    private Screenshots(Path out) {
        this.out = out;
    }

    public static void main(String... args) throws Exception {
        if (!VirtualDisplay.start()) {
            throw new IllegalStateException("there is no Xvfb");
        }
        Path home = Files.createTempDirectory("screenshots");
        Screenshots shots = new Screenshots(Path.of(args[0]));
        Files.createDirectories(shots.out);
        HttpServer server = slowServer();
        try (App app = App.open(home, store(home, server))) {
            shots.models(app);
            shots.conversation(app);
            shots.picture(app);
            shots.settings(app);
        } finally {
            server.stop(0);
        }
        System.exit(0);
    }

    private void conversation(App app) throws IOException {
        Gui.run(() -> app.controller.settings(app.controller.settings().withAnswers(new AnswerSettings(0, 40, 0.95, 0.05, 1, 700, 1))));
        app.load(MODEL);
        app.ask("Name three rivers of Peru.");
        Gui.click(app.window, "New chat");
        app.ask("What is a hash table good for? Answer in two sentences.");
        Gui.click(app.window, "New chat");
        app.ask("Write a Java method that counts the words of a text, and explain it with a list.");
        save(app.window, "app-light");
        Gui.run(() -> app.controller.settings(app.controller.settings().withTheme(ThemeChoice.DARK)));
        app.send("And now in Python, with a table that compares the two.");
        app.waitForText();
        Gui.waitFor("a part of the answer", () -> app.controller.running().isEmpty() || app.controller.running().get().state().tokens() > 150);
        save(app.window, "app-dark");
        app.waitReady();
        Gui.run(() -> app.controller.settings(app.controller.settings().withTheme(ThemeChoice.LIGHT)));
    }

    private void picture(App app) throws IOException {
        Gui.run(() -> {
            app.controller.settings(app.controller.settings().withKeep(0.25));
            app.controller.newConversation();
        });
        app.load(App.TINY.resolve("mrope-text.gguf").toString());
        Gui.run(() -> Gui.all(app.window, Composer.class).getFirst().attach(App.TINY.resolve("img/000.png")));
        Gui.waitFor("the picture", () -> !Gui.all(app.window, JComboBox.class).isEmpty());
        app.ask("What shape is yellow?");
        Gui.waitFor("the overlay", () -> app.controller.shown().path().getFirst().pictures().getFirst().overlay() != null);
        pause();
        save(app.window, "app-picture");
    }

    private void models(App app) throws IOException {
        Gui.run(() -> Gui.find(app.window, javax.swing.AbstractButton.class, "Model:").doClick(0));
        Window dialog = Gui.dialog("Models");
        Gui.waitFor("the list", () -> Gui.all(dialog, ModelRow.class).size() > 2);
        Gui.click(dialog, "Download " + SLOW);
        Gui.waitFor("progress", () -> Gui.find(dialog, JProgressBar.class, "Download of").getValue() > 300);
        save(dialog, "app-models");
        Gui.click(dialog, "Cancel " + SLOW);
        Gui.click(dialog, "Close");
    }

    private void settings(App app) throws IOException {
        Gui.click(app.window, "Settings");
        Window dialog = Gui.dialog("Settings");
        Gui.run(() -> Gui.all(dialog, javax.swing.JTabbedPane.class).getFirst().setSelectedIndex(1));
        save(dialog, "app-settings");
        Gui.click(dialog, "Cancel");
    }

    /// What a window shows, as a person would see it after a moment.
    private void save(Window window, String name) throws IOException {
        pause();
        BufferedImage image = Gui.on(() -> {
            Component content = ((javax.swing.RootPaneContainer) window).getRootPane();
            BufferedImage shot = new BufferedImage(content.getWidth(), content.getHeight(), BufferedImage.TYPE_INT_RGB);
            Graphics2D pen = shot.createGraphics();
            ((Container) content).printAll(pen);
            pen.dispose();
            return shot;
        });
        ImageIO.write(image, "png", out.resolve(name + ".png").toFile());
    }

    private static void pause() {
        try {
            Thread.sleep(600);
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    /// The models that are here, and one that comes slowly.
    private static ModelStore store(Path home, HttpServer server) throws IOException {
        ModelStore standard = ModelStore.standard();
        Path folder = Files.createDirectory(home.resolve("models"));
        for (String name : List.of("smollm2-135m", MODEL)) {
            Files.createSymbolicLink(folder.resolve(name), standard.get(name).getParent());
        }
        NamedModel slow = standard.catalog().find(SLOW).orElseThrow();
        ModelFile file = slow.files().getFirst();
        ModelSource source = new ModelSource.Web(java.net.URI.create("http://127.0.0.1:" + server.getAddress().getPort() + "/model"));
        return ModelStore.at(folder).with(ModelCatalog.of(new NamedModel(slow.name(), slow.description(), slow.licence(), slow.terms(),
                List.of(new ModelFile(file.name(), file.size(), file.sha256(), List.of(source))))));
    }

    private static HttpServer slowServer() throws IOException {
        HttpServer server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.createContext("/", exchange -> {
            long size = ModelStore.standard().catalog().find(SLOW).orElseThrow().size();
            exchange.sendResponseHeaders(200, size);
            byte[] block = new byte[1 << 22];
            try (var body = exchange.getResponseBody()) {
                for (long sent = 0; sent < size; sent += block.length) {
                    body.write(block, 0, (int) Math.min(block.length, size - sent));
                    Thread.sleep(20);
                }
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        });
        server.setExecutor(task -> Thread.ofPlatform().daemon().start(task));
        server.start();
        return server;
    }
}
