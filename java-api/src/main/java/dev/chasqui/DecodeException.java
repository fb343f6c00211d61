package dev.chasqui;

/// A backend failed while decoding.
public final class DecodeException extends ChasquiException {

    private final int decoded;

    public DecodeException(String message, int decoded) {
        super(message);
        this.decoded = decoded;
    }

    /// Tokens of the failing call that are in the KV cache nevertheless; the sequence can go on from there.
    public int decoded() {
        return decoded;
    }
}
