package dev.chasqui.cli;

import com.fasterxml.jackson.core.JsonGenerator;
import dev.chasqui.GenerationStats;
import java.io.IOException;

/// What `bench speculation` found with one prompt. Speeds are in tokens per second.
///
/// @param plainSpeed   one token at a time
/// @param guessedSpeed with guesses
/// @param stockSpeed   one token at a time with llama.cpp's kernels, 0 = not measured
/// @param stats        of the answer with guesses
/// @param difference   the first token of the answer that is not the plain answer's, counted from 0; -1 = none
/// @param margin       how far the plain answer's best logit leads there; 0 = no difference
record SpeculationRow(
        PromptFile.Prompt prompt, double plainSpeed, double guessedSpeed, double stockSpeed, GenerationStats stats, int difference, double margin) {

    double speedup() {
        return guessedSpeed / plainSpeed;
    }

    double speedupOverStock() {
        return guessedSpeed / stockSpeed;
    }

    boolean hasStock() {
        return stockSpeed > 0;
    }

    boolean isIdentical() {
        return difference < 0;
    }

    double tokensPerStep() {
        return (stats.generatedTokens() - 1.0) / Math.max(1, stats.targetSteps());
    }

    void write(JsonGenerator object) throws IOException {
        object.writeStringField("id", prompt.id());
        object.writeStringField("category", prompt.category());
        object.writeNumberField("tokens", stats.generatedTokens());
        object.writeNumberField("plain_tps", plainSpeed);
        object.writeNumberField("spec_tps", guessedSpeed);
        object.writeNumberField("speedup", speedup());
        if (hasStock()) {
            object.writeNumberField("stock_tps", stockSpeed);
            object.writeNumberField("speedup_over_stock", speedupOverStock());
        }
        object.writeNumberField("mean_accepted", tokensPerStep());
        object.writeNumberField("drafted", stats.speculation().drafted());
        object.writeNumberField("accepted", stats.speculation().accepted());
        object.writeNumberField("target_steps", stats.targetSteps());
        SpeculationJson.write(object, stats.speculation());
        object.writeBooleanField("identical", isIdentical());
        if (!isIdentical()) {
            object.writeNumberField("first_difference", difference);
            object.writeNumberField("margin", margin);
        }
    }
}
