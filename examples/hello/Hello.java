package hello;

import dev.chasqui.Model;
import dev.chasqui.models.ModelStore;

/// The first program: fetches a small model, asks it something, prints the answer as it comes.
public final class Hello {

    private Hello() {}

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
