package dev.chasqui.diffusion;

import java.util.Objects;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/// How a text is filled. Immutable; change a copy with the `with` methods.
///
/// @param length      tokens of an answer, all of which are computed in each step
/// @param blockLength masks that are filled before those after them; `length` or more fills the whole text at once
/// @param maxSteps    most steps for a block, at least as many proposals being taken in each as that needs; 0 = no limit, and never more than the block has masks
/// @param temperature 0 proposes the most probable tokens, above that they are drawn
/// @param seed        decides what is drawn
/// @param policy      which proposals are taken
/// @param ignoreEnd   goes on with the next block although the answer has ended in this one
/// @param progress    hears of each step on the thread that computes, or null
public record DiffusionOptions(
        int length,
        int blockLength,
        int maxSteps,
        float temperature,
        long seed,
        CommitPolicy policy,
        boolean ignoreEnd,
        @Nullable Consumer<DiffusionProgress> progress) {

    private static final DiffusionOptions DEFAULTS = new DiffusionOptions(128, 32, 0, 0, 0, CommitPolicy.threshold(0.9f), false, null);

    public DiffusionOptions {
        Objects.requireNonNull(policy, "policy");
        if (length < 1) {
            throw new IllegalArgumentException("length = " + length + " is less than 1");
        }
        if (blockLength < 1) {
            throw new IllegalArgumentException("blockLength = " + blockLength + " is less than 1");
        }
        if (maxSteps < 0) {
            throw new IllegalArgumentException("maxSteps = " + maxSteps + " is negative");
        }
        if (!(temperature >= 0) || Float.isInfinite(temperature)) {
            throw new IllegalArgumentException("temperature = " + temperature + " is not finite and not negative");
        }
    }

    /// 128 tokens in blocks of 32, the most probable ones, those of probability 0.9 or more at once.
    public static DiffusionOptions defaults() {
        return DEFAULTS;
    }

    public DiffusionOptions withLength(int value) {
        return new DiffusionOptions(value, blockLength, maxSteps, temperature, seed, policy, ignoreEnd, progress);
    }

    public DiffusionOptions withBlockLength(int value) {
        return new DiffusionOptions(length, value, maxSteps, temperature, seed, policy, ignoreEnd, progress);
    }

    public DiffusionOptions withMaxSteps(int value) {
        return new DiffusionOptions(length, blockLength, value, temperature, seed, policy, ignoreEnd, progress);
    }

    public DiffusionOptions withTemperature(float value) {
        return new DiffusionOptions(length, blockLength, maxSteps, value, seed, policy, ignoreEnd, progress);
    }

    public DiffusionOptions withSeed(long value) {
        return new DiffusionOptions(length, blockLength, maxSteps, temperature, value, policy, ignoreEnd, progress);
    }

    public DiffusionOptions withPolicy(CommitPolicy value) {
        return new DiffusionOptions(length, blockLength, maxSteps, temperature, seed, value, ignoreEnd, progress);
    }

    public DiffusionOptions withIgnoreEnd(boolean value) {
        return new DiffusionOptions(length, blockLength, maxSteps, temperature, seed, policy, value, progress);
    }

    public DiffusionOptions withProgress(@Nullable Consumer<DiffusionProgress> value) {
        return new DiffusionOptions(length, blockLength, maxSteps, temperature, seed, policy, ignoreEnd, value);
    }
}
