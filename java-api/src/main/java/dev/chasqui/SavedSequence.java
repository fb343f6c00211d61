package dev.chasqui;

import static dev.chasqui.bindings.Chq.*;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Path;

/// What a sequence held when it was saved: tokens, KV cache, last logits. It is in native memory, and [Sequence#restore(SavedSequence)]
/// copies it from there without looking at checksums again, which takes the time of copying memory.
///
/// Immutable and thread-safe: several contexts may restore from it at the same time. Closing it while one does is safe.
public final class SavedSequence implements AutoCloseable {

    private final StateMemory memory;
    private final StateMemory.Info info;

    SavedSequence(StateMemory.Save call) {
        this.memory = StateMemory.save(this, call);
        this.info = memory.info();
    }

    private SavedSequence(Path file) throws IOException {
        this.memory = StateMemory.read(this, file);
        this.info = memory.info();
        if (info.kind() != CHQ_STATE_SEQUENCE()) {
            memory.close();
            throw new StateMismatchException(file + ": the saved state is of a whole context");
        }
    }

    /// What can be told of a saved sequence from the beginning of its file.
    ///
    /// @param fit    as [Context#stateFit()] of the contexts that it can be restored in
    /// @param tokens of its text, with -1 for each row of a picture or a sound
    /// @param note   that was saved with it
    /// @param bytes  of the file, and of memory once it is loaded
    /// @param logits whether it has the logits that follow its last token
    public record Header(long fit, int[] tokens, byte[] note, long bytes, boolean logits) { }

    /// Reads and checks a file.
    ///
    /// @throws IOException            if it cannot be read
    /// @throws StateMismatchException if it is no saved sequence, or damaged
    public static SavedSequence load(Path file) throws IOException {
        return new SavedSequence(file);
    }

    /// Reads and checks the beginning of a file: its tokens are certain then, what follows them is not.
    ///
    /// @throws IOException            if it cannot be read
    /// @throws StateMismatchException if it is no saved sequence, or its beginning is damaged
    public static Header readHeader(Path file) throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            StateMemory.Info info = StateMemory.readHead(file, arena);
            if (info.kind() != CHQ_STATE_SEQUENCE()) {
                throw new StateMismatchException(file + ": the saved state is of a whole context");
            }
            int[] tokens = info.tokenIds();
            return new Header(info.fit(), tokens, PictureNote.decode(info.note(), tokens).note(), info.bytes(), info.logits());
        }
    }

    /// Writes it to a file: what is there afterwards, whatever happens, is either the old file or the new one, whole.
    ///
    /// @throws IOException if the file cannot be written; an old one is still there
    public void save(Path file) throws IOException {
        memory.write(file);
    }

    /// Number of tokens.
    public int length() {
        return info.tokens();
    }

    /// A copy of the tokens, with -1 for each row of a picture or a sound.
    public int[] tokens() {
        memory.acquire();
        try {
            return info.tokenIds();
        } finally {
            memory.release();
        }
    }

    /// A copy of the note that was saved with it.
    public byte[] note() {
        memory.acquire();
        try {
            return PictureNote.decode(info.note(), info.tokenIds()).note();
        } finally {
            memory.release();
        }
    }

    /// As [Context#stateFit()] of the contexts that it can be restored in.
    public long fit() {
        return info.fit();
    }

    /// Bytes of native memory.
    public long bytes() {
        return memory.size();
    }

    /// Whether it has the logits that follow its last token.
    public boolean logits() {
        return info.logits();
    }

    /// Frees the memory once nobody restores from it any more. Idempotent.
    @Override
    public void close() {
        memory.close();
    }

    StateMemory memory() {
        return memory;
    }
}
