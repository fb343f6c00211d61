package dev.chasqui.vision;

import dev.chasqui.TokenEmbeddings;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Objects;

/// A text that is asked about pictures, as the embeddings of its tokens, for choices that depend on it.
///
/// Immutable and thread-safe; its memory goes when nothing refers to it any more.
public final class Question {

    private final String text;
    private final MemorySegment rows;
    private final int count;
    private final MemorySegment mean;

    private Question(String text, MemorySegment rows, int count, MemorySegment mean) {
        this.text = text;
        this.rows = rows;
        this.count = count;
        this.mean = mean;
    }

    /// @throws IllegalArgumentException if the text has no token
    public static Question of(String text, TokenEmbeddings embeddings) {
        float[] numbers = embeddings.of(Objects.requireNonNull(text, "text"));
        if (numbers.length == 0) {
            throw new IllegalArgumentException("the question is empty");
        }
        Arena arena = Arena.ofAuto();
        return new Question(text, arena.allocateFrom(ValueLayout.JAVA_FLOAT, numbers).asReadOnly(), numbers.length / embeddings.size(),
                arena.allocateFrom(ValueLayout.JAVA_FLOAT, embeddings.mean()).asReadOnly());
    }

    public String text() {
        return text;
    }

    /// The embeddings, `[count, width]` floats; read-only.
    public MemorySegment rows() {
        return rows;
    }

    /// Number of tokens.
    public int count() {
        return count;
    }

    /// The mean embedding of the vocabulary, `[width]` floats; read-only.
    public MemorySegment mean() {
        return mean;
    }
}
