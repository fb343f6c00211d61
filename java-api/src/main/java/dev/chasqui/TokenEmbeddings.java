package dev.chasqui;

import static dev.chasqui.bindings.Chq.*;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.jspecify.annotations.Nullable;

/// Rows of a model's token embeddings, read from its file, which a loaded model does not give out.
///
/// Thread-safe. The file stays open until it is closed.
public final class TokenEmbeddings implements AutoCloseable {

    private final Vocabulary vocabulary;
    private final NativeOwner handle;
    private final int size;
    private volatile float @Nullable [] mean;

    TokenEmbeddings(Model model) {
        this.vocabulary = model.vocabulary();
        this.size = model.info().embeddingSize();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment out = arena.allocate(ValueLayout.ADDRESS);
            int status = chq_token_rows_open(Native.cString(arena, "path", model.path().toString()), out);
            if (status == CHQ_STATUS_LOAD()) {
                throw new ModelLoadException(model.path(), Status.lastError());
            }
            Status.check(status);
            this.handle = new NativeOwner(this, "token embeddings", out.get(ValueLayout.ADDRESS, 0), rows -> chq_token_rows_free(rows), null);
        }
    }

    /// Numbers of an embedding.
    public int size() {
        return size;
    }

    /// The embeddings of a text's tokens, one after the other: [#size()] numbers each.
    public float[] of(String text) {
        return of(vocabulary.tokenize(text));
    }

    /// The embeddings of tokens, one after the other: [#size()] numbers each.
    ///
    /// @throws IllegalArgumentException if a token is not in the vocabulary
    public float[] of(int... tokens) {
        MemorySegment address = handle.acquire();
        try (Arena arena = Arena.ofConfined()) {
            long numbers = (long) tokens.length * size;
            if (tokens.length == 0) {
                return new float[0];
            }
            MemorySegment out = arena.allocate(ValueLayout.JAVA_FLOAT, numbers);
            Status.check(chq_token_rows_get(address, arena.allocateFrom(ValueLayout.JAVA_INT, tokens), tokens.length, out, numbers));
            return out.toArray(ValueLayout.JAVA_FLOAT);
        } finally {
            handle.release();
        }
    }

    /// The mean embedding of the vocabulary, of a sample of it where it is large. A copy.
    public float[] mean() {
        float[] known = mean;
        if (known == null) {
            MemorySegment address = handle.acquire();
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment out = arena.allocate(ValueLayout.JAVA_FLOAT, size);
                Status.check(chq_token_rows_mean(address, out, size));
                known = out.toArray(ValueLayout.JAVA_FLOAT);
                mean = known;
            } finally {
                handle.release();
            }
        }
        return known.clone();
    }

    /// Closes the file. Idempotent.
    @Override
    public void close() {
        handle.close();
    }
}
