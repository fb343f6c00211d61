package dev.chasqui.examples.swingchat.view;

import dev.chasqui.examples.swingchat.app.ChatController;
import dev.chasqui.examples.swingchat.app.ModelEntry;
import dev.chasqui.examples.swingchat.app.ModelLibrary;
import dev.chasqui.examples.swingchat.engine.LoadedModel;
import dev.chasqui.examples.swingchat.settings.Settings;
import java.awt.BorderLayout;
import java.awt.FlowLayout;
import java.awt.Frame;
import java.awt.event.KeyEvent;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import javax.swing.BorderFactory;
import javax.swing.JButton;
import javax.swing.JComponent;
import javax.swing.JDialog;
import javax.swing.JFileChooser;
import javax.swing.JLabel;
import javax.swing.JPanel;
import javax.swing.JScrollPane;
import javax.swing.KeyStroke;
import javax.swing.SwingUtilities;
import javax.swing.filechooser.FileNameExtensionFilter;

/// Where a model is chosen, downloaded, or opened from a file.
final class ModelDialog extends JDialog {

    private final transient ChatController controller;
    private final JPanel rows = new JPanel(new ColumnLayout(0));
    private final JButton projector;

    ModelDialog(Frame owner, ChatController controller) {
        super(owner, "Models");
        this.controller = controller;
        this.projector = Buttons.text("Choose a projector …", this::chooseProjector);
        rows.setBorder(BorderFactory.createEmptyBorder(4, 16, 4, 16));
        rows.add(new JLabel("Looking for models …"));
        JScrollPane scroll = new JScrollPane(rows);
        scroll.setBorder(BorderFactory.createEmptyBorder());
        scroll.setHorizontalScrollBarPolicy(JScrollPane.HORIZONTAL_SCROLLBAR_NEVER);
        scroll.getVerticalScrollBar().setUnitIncrement(16);
        projector.setToolTipText("The second file of a model that reads pictures, often named mmproj");
        JPanel files = new JPanel(new FlowLayout(FlowLayout.LEFT, 8, 0));
        files.add(Buttons.text("Open a GGUF file …", this::openFile));
        files.add(projector);
        JPanel foot = new JPanel(new BorderLayout());
        foot.setBorder(BorderFactory.createEmptyBorder(10, 8, 12, 12));
        foot.add(files, BorderLayout.WEST);
        foot.add(Buttons.text("Close", this::dispose), BorderLayout.EAST);
        add(scroll, BorderLayout.CENTER);
        add(foot, BorderLayout.SOUTH);
        getRootPane().registerKeyboardAction(_ -> dispose(), KeyStroke.getKeyStroke(KeyEvent.VK_ESCAPE, 0), JComponent.WHEN_IN_FOCUSED_WINDOW);
        setDefaultCloseOperation(DISPOSE_ON_CLOSE);
        setSize(640, 520);
        setLocationRelativeTo(owner);
        refresh();
    }

    /// Reads the models anew, elsewhere.
    void refresh() {
        projector.setEnabled(controller.model().isPresent());
        Settings settings = controller.settings();
        Thread.startVirtualThread(() -> {
            List<ModelEntry> entries = controller.library().list(settings);
            long free = ModelLibrary.freeMemory();
            SwingUtilities.invokeLater(() -> show(entries, free));
        });
    }

    private void show(List<ModelEntry> entries, long free) {
        Optional<Path> loaded = controller.model().map(LoadedModel::request).map(request -> request.file());
        rows.removeAll();
        for (ModelEntry entry : entries) {
            rows.add(new ModelRow(entry, controller, free, loaded.filter(entry.file()::equals).isPresent(), this::refresh, () -> {
                controller.load(entry.name());
                dispose();
            }));
        }
        rows.revalidate();
        rows.repaint();
    }

    private void openFile() {
        choose("Models", file -> {
            controller.load(file.toString());
            dispose();
        });
    }

    private void chooseProjector() {
        controller.model().ifPresent(model -> choose("Projectors", file -> {
            controller.settings(controller.settings().withProjector(model.request().file().toString(), file.toString()));
            controller.load(model.request().file().toString());
            dispose();
        }));
    }

    private void choose(String what, java.util.function.Consumer<Path> then) {
        JFileChooser chooser = new JFileChooser();
        chooser.setFileFilter(new FileNameExtensionFilter(what + " (*.gguf)", "gguf"));
        if (chooser.showOpenDialog(this) == JFileChooser.APPROVE_OPTION) {
            then.accept(chooser.getSelectedFile().toPath());
        }
    }
}
