package dev.chasqui;

/// The deadline of an [EngineRequest] passed before its answer had ended.
public final class DeadlineException extends ChasquiException {

    private final String partialText;

    public DeadlineException(String message, String partialText) {
        super(message);
        this.partialText = partialText;
    }

    /// The text that there was by then, often empty.
    public String partialText() {
        return partialText;
    }
}
