package dev.chasqui;

import dev.chasqui.speculation.Speculation;
import java.util.Objects;

/// Size and policy of an [Engine]. Immutable; change a copy with the `with` methods.
///
/// @param context       the context that all requests share: its size is the number of cells for all of them, its store keeps what they computed. The numbers of
///                      sequences, of copies kept and of rows of logits, and a larger batch if need be, are set by the engine
/// @param maxConcurrent requests computed at once, at least 1; with `keptSequences` at most 256
/// @param queueCapacity requests that may wait to be admitted before [Engine#submit] blocks, at least 1
/// @param stepTokens    most tokens of a step, answers and prompts together; at least `maxConcurrent`. More makes prompts faster, as far as
///                      `maxSlowdown` lets them
/// @param maxSlowdown   how many times as long as for the running answers alone a step may take because of one prompt, more than 1; with more
///                      prompts than answers, as much again for each. A step that has any of a prompt has a token of it at least. Infinity: as long as `stepTokens` take
/// @param keptSequences sequences that are kept when their request has ended, for later prompts that begin alike; at least 0. Their cells are given up
///                      when others need them
/// @param readAhead     pieces that an answer may be ahead of its reader before it waits, at least 1
public record EngineOptions(
        ContextOptions context,
        int maxConcurrent,
        int queueCapacity,
        int stepTokens,
        double maxSlowdown,
        int keptSequences,
        int readAhead) {

    private static final EngineOptions DEFAULTS = new EngineOptions(ContextOptions.defaults(), 16, 256, 512, 2, 16, 256);

    public EngineOptions {
        Objects.requireNonNull(context, "context");
        range("keptSequences", keptSequences, 0, 255);
        range("maxConcurrent", maxConcurrent, 1, 256 - keptSequences);
        range("queueCapacity", queueCapacity, 1, Integer.MAX_VALUE);
        range("stepTokens", stepTokens, maxConcurrent, Integer.MAX_VALUE);
        range("readAhead", readAhead, 1, Integer.MAX_VALUE);
        if (!(maxSlowdown > 1)) {
            throw new IllegalArgumentException("maxSlowdown is " + maxSlowdown + ", must be more than 1");
        }
    }

    /// 16 requests at once in a context of the default size, 256 more in the queue.
    public static EngineOptions defaults() {
        return DEFAULTS;
    }

    public EngineOptions withContext(ContextOptions value) {
        return new EngineOptions(value, maxConcurrent, queueCapacity, stepTokens, maxSlowdown, keptSequences, readAhead);
    }

    /// Sets the requests at once, and raises the tokens of a step to it if need be.
    public EngineOptions withMaxConcurrent(int value) {
        return new EngineOptions(context, value, queueCapacity, Math.max(stepTokens, value), maxSlowdown, keptSequences, readAhead);
    }

    public EngineOptions withQueueCapacity(int value) {
        return new EngineOptions(context, maxConcurrent, value, stepTokens, maxSlowdown, keptSequences, readAhead);
    }

    public EngineOptions withStepTokens(int value) {
        return new EngineOptions(context, maxConcurrent, queueCapacity, value, maxSlowdown, keptSequences, readAhead);
    }

    public EngineOptions withMaxSlowdown(double value) {
        return new EngineOptions(context, maxConcurrent, queueCapacity, stepTokens, value, keptSequences, readAhead);
    }

    public EngineOptions withKeptSequences(int value) {
        return new EngineOptions(context, maxConcurrent, queueCapacity, stepTokens, maxSlowdown, value, readAhead);
    }

    public EngineOptions withReadAhead(int value) {
        return new EngineOptions(context, maxConcurrent, queueCapacity, stepTokens, maxSlowdown, keptSequences, value);
    }

    /// The context that the engine makes.
    ContextOptions contextOptions() {
        int sequences = maxConcurrent + keptSequences;
        int microBatch = Math.max(context.microBatchSize(), Math.min(stepTokens, ContextOptions.defaults().microBatchSize()));
        return context.withBatchSize(Math.max(Math.max(context.batchSize(), stepTokens), sequences))
                .withMicroBatchSize(microBatch)
                .withKeptSequences(0)
                .withMaxSequences(sequences)
                .withMaxLogitRows(sequences + Speculation.MOST_TOKENS);
    }

    private static void range(String name, int value, int low, int high) {
        if (value < low || value > high) {
            throw new IllegalArgumentException("%s is %d, must be from %d to %d".formatted(name, value, low, high));
        }
    }
}
