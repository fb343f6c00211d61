package places;

import dev.chasqui.ContextOptions;
import dev.chasqui.GenerationOptions;
import dev.chasqui.Model;
import dev.chasqui.Sampler;
import dev.chasqui.json.Description;
import dev.chasqui.models.ModelStore;
import java.util.Optional;

/// Reads a sentence into a record: the model can write nothing but JSON of that form. What it writes there is its own, so a larger model makes fewer mistakes.
public final class Places {

    enum Kind { RIVER, MOUNTAIN, CITY }

    record Place(@Description("its name") String name, Kind kind, @Description("the country that it is in") String country,
            @Description("height in metres, of mountains") Optional<Integer> height) { }

    private Places() {}

    public static void main(String... args) {
        try (var model = Model.load(ModelStore.standard().get("smollm2-135m"));
             var chat = model.chat(ContextOptions.defaults().withContextSize(1024),
                     GenerationOptions.defaults().withSampler(Sampler.greedy()).withMaxTokens(200))) {
            Place place = chat.ask(Place.class, "Huascaran is a mountain in Peru, 6768 metres high.");
            IO.println(place.name() + " is a " + place.kind() + " in " + place.country());
            place.height().ifPresent(height -> IO.println("height: " + height));
        }
    }
}
