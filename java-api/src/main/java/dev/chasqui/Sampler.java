package dev.chasqui;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/// How the next token is picked: stages that each reshape the candidates, in the order they are listed, and a last one that
/// picks. Immutable and shareable; a [SamplerChain] is one in use.
///
/// {@snippet class="snippets.ModelSnippets" region="sampler"}
///
/// @param stages the stages in order; the last one picks
public record Sampler(List<Stage> stages) {

    /// A seed that stands for "a different one each time".
    public static final int RANDOM_SEED = -1;

    private static final Sampler GREEDY = new Sampler(List.of(new Greedy()));
    private static final Sampler STANDARD = builder().topK(40).topP(0.95f).minP(0.05f).temperature(0.8f).build();

    public Sampler {
        stages = List.copyOf(stages);
        if (stages.isEmpty() || !stages.getLast().picks()) {
            throw new IllegalArgumentException("the last stage must pick a token: greedy, distribution, mirostat or adaptive p");
        }
        if (stages.stream().filter(Stage::picks).count() > 1) {
            throw new IllegalArgumentException("only the last stage may pick a token");
        }
    }

    /// Always the most probable token, the first of equals.
    public static Sampler greedy() {
        return GREEDY;
    }

    /// llama.cpp's usual chain: top-k 40, top-p 0.95, min-p 0.05, temperature 0.8, random seed.
    public static Sampler standard() {
        return STANDARD;
    }

    /// [#greedy()] for a temperature of 0 or less, else [#standard()] with that temperature and seed.
    public static Sampler standard(float temperature, int seed) {
        return temperature <= 0 ? GREEDY
                : builder().topK(40).topP(0.95f).minP(0.05f).temperature(temperature).seed(seed).build();
    }

    public static Builder builder() {
        return new Builder();
    }

    /// The same chain under a grammar, which goes first.
    public Sampler constrainedBy(Grammar grammar) {
        List<Stage> all = new ArrayList<>();
        all.add(new Constraint(grammar));
        all.addAll(stages);
        return new Sampler(all);
    }

    /// The same chain with a stage right before the one that picks.
    public Sampler beforePick(Stage stage) {
        List<Stage> all = new ArrayList<>(stages);
        all.add(stages.size() - 1, stage);
        return new Sampler(all);
    }

    /// Whether a stage looks back at earlier tokens, the prompt's included.
    boolean looksBack() {
        return stages.stream().anyMatch(stage -> stage instanceof Penalties || stage instanceof Dry);
    }

    /// One step of the chain.
    public sealed interface Stage {

        /// Whether this stage chooses a token and so ends the chain.
        default boolean picks() {
            return false;
        }
    }

    /// Picks the most probable token.
    public record Greedy() implements Stage {
        @Override
        public boolean picks() {
            return true;
        }
    }

    /// Picks by probability.
    ///
    /// @param seed start of the random numbers, [#RANDOM_SEED] for a new one each time
    public record Distribution(int seed) implements Stage {
        @Override
        public boolean picks() {
            return true;
        }
    }

    /// Keeps the `k` most probable tokens; 0 or less keeps all.
    public record TopK(int k) implements Stage { }

    /// Keeps the smallest set of tokens whose probabilities add up to `p` (Holtzman et al., "The Curious Case of Neural Text Degeneration").
    public record TopP(float p, int minKeep) implements Stage { }

    /// Keeps tokens at least `p` times as probable as the best (Nguyen et al., "Min-p Sampling").
    public record MinP(float p, int minKeep) implements Stage { }

    /// Keeps tokens of typical information content (Meister et al., "Locally Typical Sampling").
    public record Typical(float p, int minKeep) implements Stage { }

    /// Divides the logits by `t`; 0 or less keeps only the best token.
    public record Temperature(float t) implements Stage { }

    /// A temperature between `t - delta` and `t + delta`, by the entropy of the distribution.
    public record DynamicTemperature(float t, float delta, float exponent) implements Stage { }

    /// Keeps logits within `n` standard deviations of the best (Tang et al., "Top-nσ"); 0 or less keeps all.
    public record TopNSigma(float n) implements Stage { }

    /// Excludes top choices: with probability `p`, drops every token above `threshold` but the least probable of them.
    public record Xtc(float p, float threshold, int minKeep, int seed) implements Stage { }

    /// Mirostat 1 (Basu et al.): picks so that the surprise stays near `tau`; `m` tokens estimate the distribution's shape.
    public record Mirostat(float tau, float eta, int m, int seed) implements Stage {
        @Override
        public boolean picks() {
            return true;
        }
    }

    /// Mirostat 2.
    public record MirostatV2(float tau, float eta, int seed) implements Stage {
        @Override
        public boolean picks() {
            return true;
        }
    }

    /// Picks tokens near a target probability that adapts to what was picked before.
    public record AdaptiveP(float target, float decay, int seed) implements Stage {
        @Override
        public boolean picks() {
            return true;
        }
    }

    /// Prefers to end a fill-in-the-middle answer where the model is unsure.
    public record Infill() implements Stage { }

    /// Penalises tokens seen among the last `lastN`: `repeat` divides (1 = off), `frequency` and `presence` subtract (0 = off).
    public record Penalties(int lastN, float repeat, float frequency, float presence) implements Stage { }

    /// Penalises the continuation of repeated runs ("Don't Repeat Yourself"), which a breaker string interrupts.
    public record Dry(float multiplier, float base, int allowedLength, int lastN, List<String> breakers) implements Stage {
        public Dry {
            breakers = List.copyOf(breakers);
        }
    }

    /// Adds to the logits of single tokens; negative infinity forbids one.
    public record LogitBias(Map<Integer, Float> biases) implements Stage {
        public LogitBias {
            biases = Map.copyOf(biases);
        }
    }

    /// Keeps only tokens that the grammar allows.
    public record Constraint(Grammar grammar) implements Stage {
        public Constraint {
            Objects.requireNonNull(grammar, "grammar");
        }
    }

    /// Ends reasoning after `tokens` tokens: then the first of `ends` follows, whatever the candidates are. What is written of it already is not written again, and
    /// a character that is begun is finished first. Several parts of reasoning share the tokens. It goes right before the stage that picks; [ChatTurn] makes one.
    ///
    /// @param tokens  most tokens of reasoning, at least 0
    /// @param start   the text before reasoning; control tokens as text
    /// @param ends    the texts that end it, at least one
    /// @param opening the end of the prompt that belongs to the answer; its tokens do not count
    public record ReasoningBudget(int tokens, String start, List<String> ends, String opening) implements Stage {
        public ReasoningBudget {
            Objects.requireNonNull(start, "start");
            ends = List.copyOf(ends);
            Objects.requireNonNull(opening, "opening");
        }
    }

    /// Lists stages in the order of the calls. Ends with [Distribution] if no stage picks.
    public static final class Builder {

        private final List<Stage> stages = new ArrayList<>();
        private int seed = RANDOM_SEED;

        private Builder() {
        }

        public Builder greedy() {
            return add(new Greedy());
        }

        public Builder topK(int k) {
            return add(new TopK(k));
        }

        public Builder topP(float p) {
            return add(new TopP(p, 1));
        }

        public Builder minP(float p) {
            return add(new MinP(p, 1));
        }

        public Builder typical(float p) {
            return add(new Typical(p, 1));
        }

        public Builder temperature(float t) {
            return add(new Temperature(t));
        }

        public Builder dynamicTemperature(float t, float delta, float exponent) {
            return add(new DynamicTemperature(t, delta, exponent));
        }

        public Builder topNSigma(float n) {
            return add(new TopNSigma(n));
        }

        public Builder xtc(float p, float threshold) {
            return add(new Xtc(p, threshold, 1, seed));
        }

        public Builder mirostat(float tau, float eta) {
            return add(new Mirostat(tau, eta, 100, seed));
        }

        public Builder mirostatV2(float tau, float eta) {
            return add(new MirostatV2(tau, eta, seed));
        }

        public Builder adaptiveP(float target, float decay) {
            return add(new AdaptiveP(target, decay, seed));
        }

        public Builder infill() {
            return add(new Infill());
        }

        public Builder penalties(int lastN, float repeat, float frequency, float presence) {
            return add(new Penalties(lastN, repeat, frequency, presence));
        }

        /// DRY with the usual breakers: newline, colon, quote and asterisk.
        public Builder dry(float multiplier, float base, int allowedLength, int lastN) {
            return add(new Dry(multiplier, base, allowedLength, lastN, List.of("\n", ":", "\"", "*")));
        }

        public Builder logitBias(Map<Integer, Float> biases) {
            return add(new LogitBias(biases));
        }

        public Builder grammar(Grammar grammar) {
            return add(new Constraint(grammar));
        }

        public Builder add(Stage stage) {
            stages.add(Objects.requireNonNull(stage, "stage"));
            return this;
        }

        /// Seed for the random stages that follow and for the pick at the end.
        public Builder seed(int value) {
            seed = value;
            return this;
        }

        public Sampler build() {
            List<Stage> all = new ArrayList<>(stages);
            if (all.isEmpty() || !all.getLast().picks()) {
                all.add(new Distribution(seed));
            }
            return new Sampler(all);
        }
    }
}
