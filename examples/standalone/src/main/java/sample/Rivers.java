package sample;

import dev.chasqui.Model;
import dev.chasqui.models.ModelStore;

/// The program of the README.
public final class Rivers {

    private Rivers() {}

    public static void main(String... args) {
        try (var model = Model.load(ModelStore.standard().get("smollm2-135m"));
             var chat = model.chat()) {
            for (String piece : chat.send("Name three rivers of Peru.")) {
                IO.print(piece);
            }
            IO.println();
        }
    }
}
