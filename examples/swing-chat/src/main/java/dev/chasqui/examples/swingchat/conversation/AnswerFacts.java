package dev.chasqui.examples.swingchat.conversation;

import dev.chasqui.FinishReason;
import dev.chasqui.GenerationStats;

/// What an answer took. Immutable.
///
/// @param model           what answered
/// @param promptTokens    tokens before the answer
/// @param reusedTokens    those of them that were not computed again
/// @param tokens          tokens of the answer
/// @param tokensPerSecond after the first; 0 if there were too few to say
/// @param tokensPerStep   tokens for each pass of the model; 0 if there was none
/// @param secondsToFirst  until the first token
/// @param finish          why it ended
/// @param dropped         messages at the beginning that the context had no room for
public record AnswerFacts(
        String model, int promptTokens, int reusedTokens, int tokens, double tokensPerSecond, double tokensPerStep, double secondsToFirst,
        FinishReason finish, int dropped) {

    public static AnswerFacts of(String model, GenerationStats stats, int dropped) {
        double perStep = stats.targetSteps() == 0 ? 0 : (double) Math.max(0, stats.generatedTokens() - 1) / stats.targetSteps();
        return new AnswerFacts(model, stats.promptTokens(), stats.cachedTokens(), stats.generatedTokens(), stats.decodeTokensPerSecond(), perStep,
                stats.timeToFirstToken().toMillis() / 1e3, stats.finishReason(), dropped);
    }
}
