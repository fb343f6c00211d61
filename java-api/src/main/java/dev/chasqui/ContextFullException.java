package dev.chasqui;

/// The context has no room for the tokens. Thrown before anything is decoded: the sequence is as it was.
public final class ContextFullException extends ChasquiException {

    private final int needed;
    private final int available;

    public ContextFullException(int needed, int available) {
        super("the context has room for %,d more tokens, %,d are needed; use a larger ContextOptions.contextSize or a shorter text"
                .formatted(available, needed));
        this.needed = needed;
        this.available = available;
    }

    /// Tokens that were to be decoded.
    public int needed() {
        return needed;
    }

    /// Tokens that still fit.
    public int available() {
        return available;
    }
}
