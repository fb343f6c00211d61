package dev.chasqui.examples.swingchat.settings;

import dev.chasqui.GenerationOptions;
import dev.chasqui.Sampler;

/// How answers are generated. Immutable; values outside of their ranges are moved to the nearest one inside.
///
/// @param temperature   0 = always the most probable token
/// @param topK          most candidates; 0 = all
/// @param topP          share of the probability that candidates have together
/// @param minP          least probability of a candidate, as a share of the best one's
/// @param repeatPenalty above 1, tokens of the last 256 become less probable
/// @param maxTokens     most tokens of an answer
/// @param seed          start of the random numbers; -1 = another one each time
public record AnswerSettings(double temperature, int topK, double topP, double minP, double repeatPenalty, int maxTokens, int seed) {

    public static final Range TEMPERATURE = new Range(0, 2, 0.1);
    public static final Range TOP_K = new Range(0, 500, 10);
    public static final Range TOP_P = new Range(0.05, 1, 0.05);
    public static final Range MIN_P = new Range(0, 0.5, 0.01);
    public static final Range REPEAT_PENALTY = new Range(1, 1.5, 0.05);
    public static final Range MAX_TOKENS = new Range(16, 32_768, 256);
    public static final Range SEED = new Range(Sampler.RANDOM_SEED, Integer.MAX_VALUE, 1);

    private static final int PENALTY_TOKENS = 256;

    public AnswerSettings {
        temperature = TEMPERATURE.clamp(temperature);
        topK = TOP_K.clamp(topK);
        topP = TOP_P.clamp(topP);
        minP = MIN_P.clamp(minP);
        repeatPenalty = REPEAT_PENALTY.clamp(repeatPenalty);
        maxTokens = MAX_TOKENS.clamp(maxTokens);
        seed = SEED.clamp(seed);
    }

    public static AnswerSettings defaults() {
        return new AnswerSettings(0.7, 40, 0.95, 0.05, 1, 2048, Sampler.RANDOM_SEED);
    }

    public GenerationOptions generation() {
        return GenerationOptions.defaults().withMaxTokens(maxTokens).withSampler(sampler());
    }

    private Sampler sampler() {
        Sampler.Builder chain = Sampler.builder();
        if (repeatPenalty > 1) {
            chain.penalties(PENALTY_TOKENS, (float) repeatPenalty, 0, 0);
        }
        if (temperature == 0) {
            return chain.greedy().build();
        }
        return chain.topK(topK).topP((float) topP).minP((float) minP).temperature((float) temperature).seed(seed).build();
    }
}
