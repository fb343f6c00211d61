package dev.chasqui;

/// How many tokens of prompts a step may have beside the next tokens of running answers, so that the answers do not stall.
///
/// A step of the answers alone takes some time, which is measured: such a step is taken now and then where prompts are there all the time. A
/// prompt may make a step longer by a share of that time, and so may each further prompt beyond the number of answers: then answers and
/// prompts get as much of the machine each. What a token of a prompt costs is measured as well.
final class PrefillPacing {

    /// Steps with prompts after which the answers have one for themselves, to be timed.
    static final int PROBE = 32;

    /// Tokens that are taken to cost as much as a step of answers before anything is known.
    private static final int GUESS = 8;

    private final double slowdown;
    /// Nanoseconds of a step of answers alone, by the number of bits in their number; 0 = not known.
    private final double[] alone = new double[Integer.SIZE + 1];
    private double perToken;
    private int sinceAlone;
    /// Of the passes of the present step that had answers.
    private int stepAnswers;
    private int stepPromptTokens;
    private long stepNanos;

    PrefillPacing(double slowdown) {
        this.slowdown = slowdown;
    }

    /// Most tokens of prompts for the next step.
    ///
    /// @param answers answers whose next token is in the step
    /// @param prompts prompts that are there to be computed
    int tokens(int answers, int prompts) {
        if (answers == 0 || slowdown == Double.POSITIVE_INFINITY) {
            return Integer.MAX_VALUE;
        }
        double time = alone[bits(answers)];
        if (time == 0 || sinceAlone >= PROBE) {
            return 0;
        }
        double share = (slowdown - 1) * time * Math.max(1, (double) prompts / answers);
        return (int) Math.max(1, share / (perToken > 0 ? perToken : time / GUESS));
    }

    /// Tells of a pass of the present step. One of prompts alone, which share no pass with the answers, says nothing of what a token of a prompt adds to theirs.
    void pass(int answers, int promptTokens, long nanos) {
        if (answers > 0) {
            stepAnswers += answers;
            stepPromptTokens += promptTokens;
            stepNanos += nanos;
        }
    }

    /// Tells that the present step is over.
    void stepEnds() {
        record(stepAnswers, stepPromptTokens, stepNanos);
        stepAnswers = 0;
        stepPromptTokens = 0;
        stepNanos = 0;
    }

    /// Tells of a step that was computed.
    void record(int answers, int promptTokens, long nanos) {
        if (answers == 0) {
            return;
        }
        int bits = bits(answers);
        if (promptTokens == 0) {
            sinceAlone = 0;
            // A step that was held up by something else says little.
            alone[bits] = alone[bits] == 0 ? nanos : towards(alone[bits], nanos, nanos > alone[bits] ? 0.1 : 0.5);
        } else if (alone[bits] > 0) {
            sinceAlone++;
            double cost = Math.max(nanos - alone[bits], 0.01 * alone[bits]) / promptTokens;
            perToken = perToken == 0 ? cost : towards(perToken, cost, 0.25);
        }
    }

    private static double towards(double value, double sample, double weight) {
        return value + weight * (sample - value);
    }

    private static int bits(int answers) {
        return Integer.SIZE - Integer.numberOfLeadingZeros(answers);
    }
}
