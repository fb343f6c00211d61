package dev.chasqui.examples.swingchat;

import dev.chasqui.examples.swingchat.app.ChatController;
import dev.chasqui.examples.swingchat.app.DataFolder;
import dev.chasqui.examples.swingchat.engine.Problem;
import dev.chasqui.examples.swingchat.view.ChatWindow;
import dev.chasqui.models.ModelStore;
import java.io.IOException;
import java.util.List;
import javax.swing.JOptionPane;
import javax.swing.SwingUtilities;

/// Starts the program.
public final class SwingChat {

    private SwingChat() {}

    /// @param args a name of a model or the path of a file, else the model of the last time is loaded
    public static void main(String... args) {
        try {
            ModelStore store = ModelStore.standard();
            ChatController controller = ChatController.open(SwingUtilities::invokeLater, DataFolder.standard(), store);
            boolean dark = ChatWindow.systemIsDark();
            SwingUtilities.invokeLater(() -> {
                ChatWindow.open(controller, dark, () -> System.exit(0));
                List.of(args).stream().findFirst().ifPresentOrElse(controller::load,
                        () -> store.catalog().defaultName().ifPresent(controller::loadLastModel));
            });
        } catch (IOException e) {
            Problem problem = Problem.of(e);
            SwingUtilities.invokeLater(() -> {
                JOptionPane.showMessageDialog(null, problem.advice() + "\n" + problem.detail(), problem.title(), JOptionPane.ERROR_MESSAGE);
                System.exit(1);
            });
        }
    }
}
