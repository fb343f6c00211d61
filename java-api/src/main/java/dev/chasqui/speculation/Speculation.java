package dev.chasqui.speculation;

/// Whether an answer is guessed ahead. The text is the same either way: what the sampler would not have picked is never kept.
public enum Speculation {

    /// Guesses where the text repeats itself, as much as pays: what a pass over so many tokens costs and how often guesses come true is
    /// measured as the answer goes on. Models whose memory cannot forget a wrong guess decode one token at a time.
    AUTO,

    /// One token at a time.
    OFF;

    /// What every generation does by default.
    public static Speculation auto() {
        return AUTO;
    }

    public static Speculation off() {
        return OFF;
    }
}
