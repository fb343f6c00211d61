package quoting;

import dev.chasqui.Context;
import dev.chasqui.ContextOptions;
import dev.chasqui.Generation;
import dev.chasqui.GenerationOptions;
import dev.chasqui.Model;
import dev.chasqui.Sampler;
import dev.chasqui.models.ModelStore;
import dev.chasqui.speculation.Drafter;
import dev.chasqui.speculation.Speculation;
import java.util.Arrays;
import java.util.Set;

/// A drafter of one's own: it guesses that an answer goes on as one that was given before, as in a program that is asked alike again and again. The answer is the
/// same with guesses and without; there are fewer passes of the model where they come true.
public final class Quoting {

    private static final int GUESS = 8;

    private Quoting() {}

    public static void main(String... args) {
        var plain = GenerationOptions.defaults().withSampler(Sampler.greedy()).withMaxTokens(64).withSpeculation(Speculation.off());
        try (var model = Model.load(ModelStore.standard().get("smollm2-135m"));
             var context = model.newContext(ContextOptions.defaults().withContextSize(512))) {
            int[] prompt = model.vocabulary().tokenize("The Andes are a mountain range in South America. They");
            Generation first = context.newSequence().generate(prompt, plain);
            String answer = first.text();
            int[] before = first.sequence().tokens();
            first.sequence().close();

            // Nothing but our own guesses, and as many as there are, whether they pay or not.
            var quoting = Speculation.auto().withSources(Set.of()).withDrafter(quotesOf(before)).withAdaptive(false);
            Generation second = context.newSequence().generate(prompt, plain.withSpeculation(quoting));
            IO.println(second.text().equals(answer) ? "The answer is the same." : "The answer is another one!");
            IO.println("%d passes of the model without guesses, %d with them".formatted(first.stats().targetSteps(), second.stats().targetSteps()));
        }
    }

    /// Goes on as the old text did where it has the last two tokens of the new one.
    private static Drafter quotesOf(int[] old) {
        return text -> {
            int last = text.length() - 1;
            for (int i = 1; i < old.length - 1; i++) {
                if (last > 0 && old[i - 1] == text.token(last - 1) && old[i] == text.token(last)) {
                    return Arrays.copyOfRange(old, i + 1, Math.min(old.length, i + 1 + GUESS));
                }
            }
            return new int[0];
        };
    }
}
