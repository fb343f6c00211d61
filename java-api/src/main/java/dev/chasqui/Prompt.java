package dev.chasqui;

import dev.chasqui.audio.EncodedAudio;
import dev.chasqui.kv.PromptKey;
import dev.chasqui.vision.EncodedImage;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// What a sequence shall hold: tokens, and pictures and sounds between them.
///
/// Immutable. Each row of a picture or a sound counts as one, like a token.
public final class Prompt {

    /// In the place of a row's token.
    static final int ROW = -1;

    /// The rows of a picture, a tile, or a stretch of sound in a text.
    ///
    /// @param start     index of the first row
    /// @param positions how many they take
    /// @param key       of the rows
    /// @param rows      null in a sequence that was restored, until a prompt brings them again
    record Span(int start, int count, int positions, String key, EncodedImage.@Nullable Rows rows) {

        Span(int start, EncodedImage.Rows rows) {
            this(start, rows.count(), rows.positions(), rows.key(), rows);
        }

        int end() {
            return start + count;
        }

        Span movedBy(int distance) {
            return new Span(start + distance, count, positions, key, rows);
        }

        boolean isSameAs(Span other) {
            return start == other.start && count == other.count && positions == other.positions && key.equals(other.key);
        }
    }

    private final int[] tokens;
    private final List<Span> spans;

    private Prompt(int[] tokens, List<Span> spans) {
        this.tokens = tokens;
        this.spans = List.copyOf(spans);
    }

    /// Tokens alone.
    public static Prompt of(int... tokens) {
        return new Prompt(tokens.clone(), List.of());
    }

    /// Starts an empty one for a model.
    public static Builder builder(Model model) {
        return new Builder(model.vocabulary());
    }

    /// Number of tokens and rows.
    public int length() {
        return tokens.length;
    }

    /// A copy of the tokens, with -1 for each row of a picture or a sound.
    public int[] tokens() {
        return tokens.clone();
    }

    /// What it is to a [dev.chasqui.kv.SequenceStore]. The rows of a sound are one chunk, which the sound and the projector decide. Rows of a picture are one chunk, which the picture, the projector, how its rows were chosen, for a pruner that looks at
    /// it the question, and where they are placed decide.
    public PromptKey key() {
        return key(tokens, tokens.length, spans);
    }

    /// The key of the first tokens of a text, which do not end inside of rows.
    static PromptKey key(int[] tokens, int length, List<Span> spans) {
        PromptKey.Builder key = PromptKey.builder();
        int at = 0;
        for (Span span : spans) {
            if (span.end() > length) {
                break;
            }
            key.tokens(Arrays.copyOfRange(tokens, at, span.start()));
            key.chunk(hash(span.key() + "," + span.positions()), span.count());
            at = span.end();
        }
        return key.tokens(Arrays.copyOfRange(tokens, at, length)).build();
    }

    private static long hash(String text) {
        try {
            return ByteBuffer.wrap(MessageDigest.getInstance("SHA-256").digest(text.getBytes(StandardCharsets.UTF_8))).getLong();
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java has SHA-256", e);
        }
    }

    /// Whether there are rows in it, of pictures or sounds.
    public boolean hasRows() {
        return !spans.isEmpty();
    }

    int[] sharedTokens() {
        return tokens;
    }

    List<Span> spans() {
        return spans;
    }

    /// Puts a prompt together, from the start to the end. Not thread-safe.
    public static final class Builder {

        private final Vocabulary vocabulary;
        private final TokenList tokens = new TokenList();
        private final List<Span> spans = new ArrayList<>();

        private Builder(Vocabulary vocabulary) {
            this.vocabulary = vocabulary;
        }

        /// The model's begin-of-text token, if its prompts start with one.
        public Builder begin() {
            if (vocabulary.addsBeginOfText()) {
                vocabulary.special().beginOfText().ifPresent(this::tokens);
            }
            return this;
        }

        /// A text that never becomes a control token.
        public Builder text(String text) {
            return tokens(vocabulary.tokenize(text));
        }

        /// A text whose control tokens count, e.g. of a chat template.
        public Builder template(String text) {
            return tokens(vocabulary.tokenize(text, false, true));
        }

        /// Tokens as they are.
        public Builder tokens(int... more) {
            tokens.addAll(more);
            return this;
        }

        /// A picture, with the tokens that frame it.
        public Builder image(EncodedImage image) {
            return parts(image.parts());
        }

        /// A sound, with the tokens that frame it.
        public Builder audio(EncodedAudio audio) {
            return parts(audio.parts());
        }

        Builder parts(List<EncodedImage.Part> parts) {
            for (EncodedImage.Part part : parts) {
                switch (part) {
                    case EncodedImage.Frame frame -> tokens(frame.tokens().stream().mapToInt(Integer::intValue).toArray());
                    case EncodedImage.Rows rows -> {
                        spans.add(new Span(tokens.size(), rows));
                        int[] marks = new int[rows.count()];
                        Arrays.fill(marks, ROW);
                        tokens.addAll(marks);
                    }
                }
            }
            return this;
        }

        public Prompt build() {
            return new Prompt(tokens.toArray(), spans);
        }
    }
}
