package snippets;

import dev.chasqui.Model;
import dev.chasqui.diffusion.DiffusionDecoder;
import dev.chasqui.diffusion.DiffusionOptions;

/// Code that the documentation of diffusion models shows.
final class DiffusionSnippets {

    private DiffusionSnippets() {}

    static void decoder(Model model) {
        // @start region="decoder"
        try (DiffusionDecoder decoder = DiffusionDecoder.of(model, 512)) {
            System.out.println(decoder.generate("Name three rivers of Peru.", DiffusionOptions.defaults()));
        }
        // @end
    }
}
