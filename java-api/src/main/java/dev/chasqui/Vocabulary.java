package dev.chasqui;

import static dev.chasqui.bindings.Chq.*;

import dev.chasqui.bindings.chq_model_info;
import dev.chasqui.bindings.chq_token_info;
import java.io.ByteArrayOutputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;

/// A model's tokens. Thread-safe; usable as long as its [Model] is open.
///
/// {@snippet class="snippets.ModelSnippets" region="vocabulary"}
///
/// Text never turns into control tokens by itself: a user who types `<|im_end|>` gets the tokens of those characters.
/// Only [#tokenize(String, boolean, boolean)] with `parseSpecial` reads them as control tokens.
public final class Vocabulary {


    private final NativeOwner model;
    private final int size;
    private final SpecialTokens special;
    private final boolean addsBos;
    private final boolean addsEos;
    private final boolean addsSeparator;

    Vocabulary(NativeOwner model, MemorySegment info) {
        this.model = model;
        this.size = chq_model_info.n_vocab(info);
        this.special = new SpecialTokens(
                token(chq_model_info.token_bos(info)),
                token(chq_model_info.token_eos(info)),
                token(chq_model_info.token_eot(info)),
                token(chq_model_info.token_sep(info)),
                token(chq_model_info.token_nl(info)),
                token(chq_model_info.token_pad(info)),
                token(chq_model_info.token_mask(info)),
                token(chq_model_info.token_fim_pre(info)),
                token(chq_model_info.token_fim_suf(info)),
                token(chq_model_info.token_fim_mid(info)));
        this.addsBos = chq_model_info.add_bos(info);
        this.addsEos = chq_model_info.add_eos(info);
        this.addsSeparator = chq_model_info.add_sep(info);
    }

    /// Tokens with a meaning of their own; empty where the model has none.
    public record SpecialTokens(
            OptionalInt beginOfText,
            OptionalInt endOfText,
            OptionalInt endOfTurn,
            OptionalInt separator,
            OptionalInt newline,
            OptionalInt padding,
            OptionalInt mask,
            OptionalInt infillPrefix,
            OptionalInt infillSuffix,
            OptionalInt infillMiddle) { }

    /// What the vocabulary knows of one token.
    ///
    /// @param score     the tokenizer's score of it
    /// @param isEnd     whether it ends a generation
    /// @param isControl whether it is a control token
    public record TokenInfo(float score, boolean isEnd, boolean isControl) { }

    /// Number of tokens; ids go from 0 to this − 1.
    public int size() {
        return size;
    }

    public SpecialTokens special() {
        return special;
    }

    /// Whether a text starts with [SpecialTokens#beginOfText()] by the model's convention.
    public boolean addsBeginOfText() {
        return addsBos;
    }

    /// Whether a text ends with [SpecialTokens#endOfText()] by the model's convention.
    public boolean addsEndOfText() {
        return addsEos;
    }

    /// Whether two texts are parted by [SpecialTokens#separator()] by the model's convention.
    public boolean addsSeparator() {
        return addsSeparator;
    }

    /// Whether tokens of this vocabulary mean the same in the other one, as of two models of a family; one of the two may be padded.
    public boolean sameAs(Vocabulary other) {
        MemorySegment ours = model.acquire();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment theirs = other.model.acquire();
            try {
                MemorySegment same = arena.allocate(ValueLayout.JAVA_BOOLEAN);
                Status.check(chq_same_vocabulary(ours, theirs, same));
                return same.get(ValueLayout.JAVA_BOOLEAN, 0);
            } finally {
                other.model.release();
            }
        } finally {
            model.release();
        }
    }

    /// Plain text to tokens, nothing added and nothing read as a control token.
    public int[] tokenize(String text) {
        return tokenize(text, false, false);
    }

    /// Text to tokens.
    ///
    /// @param text         any string; a lone surrogate counts as U+FFFD
    /// @param addSpecial   adds the begin and end tokens that the model's convention asks for
    /// @param parseSpecial reads the names of control tokens as those tokens; never do that with text of a user
    public int[] tokenize(String text, boolean addSpecial, boolean parseSpecial) {
        return tokenize(Utf8.encode(text), addSpecial, parseSpecial);
    }

    /// As [#tokenize(String, boolean, boolean)] for bytes, which need not be valid UTF-8.
    public int[] tokenize(byte[] text, boolean addSpecial, boolean parseSpecial) {
        MemorySegment address = model.acquire();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment bytes = arena.allocate(Math.max(1, text.length));
            MemorySegment.copy(text, 0, bytes, ValueLayout.JAVA_BYTE, 0, text.length);
            MemorySegment count = arena.allocate(ValueLayout.JAVA_INT);
            int capacity = text.length / 3 + 16;
            while (true) {
                MemorySegment tokens = arena.allocate(ValueLayout.JAVA_INT, capacity);
                int status = chq_tokenize(address, bytes, text.length, addSpecial, parseSpecial, tokens, capacity, count);
                int n = count.get(ValueLayout.JAVA_INT, 0);
                if (status == CHQ_STATUS_BUFFER() && n > capacity) {
                    capacity = n;
                    continue;
                }
                Status.check(status);
                return tokens.asSlice(0, 4L * n).toArray(ValueLayout.JAVA_INT);
            }
        } finally {
            model.release();
        }
    }

    /// Tokens to text; control tokens are left out.
    public String detokenize(int... tokens) {
        return detokenize(tokens, false);
    }

    /// Tokens to text. Bytes that are no valid UTF-8 become U+FFFD.
    ///
    /// @param renderSpecial whether control tokens appear under their names
    public String detokenize(int[] tokens, boolean renderSpecial) {
        MemorySegment address = model.acquire();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment ids = arena.allocateFrom(ValueLayout.JAVA_INT, tokens.length == 0 ? new int[1] : tokens);
            MemorySegment length = arena.allocate(ValueLayout.JAVA_LONG);
            long capacity = 16 + 6L * tokens.length;
            while (true) {
                MemorySegment text = arena.allocate(capacity);
                int status = chq_detokenize(address, ids, tokens.length, false, renderSpecial, text, capacity, length);
                long n = length.get(ValueLayout.JAVA_LONG, 0);
                if (status == CHQ_STATUS_BUFFER() && n > capacity) {
                    capacity = n;
                    continue;
                }
                Status.check(status);
                return new String(text.asSlice(0, n).toArray(ValueLayout.JAVA_BYTE), StandardCharsets.UTF_8);
            }
        } finally {
            model.release();
        }
    }

    /// The bytes of one token, which may be part of a character; control tokens under their names.
    ///
    /// @throws IllegalArgumentException if there is no such token
    public byte[] piece(int token) {
        MemorySegment address = model.acquire();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment length = arena.allocate(ValueLayout.JAVA_LONG);
            long capacity = 256;
            while (true) {
                MemorySegment bytes = arena.allocate(capacity);
                int status = chq_token_piece(address, token, true, bytes, capacity, length);
                long n = length.get(ValueLayout.JAVA_LONG, 0);
                if (status == CHQ_STATUS_BUFFER() && n > capacity) {
                    capacity = n;
                    continue;
                }
                Status.check(status);
                return bytes.asSlice(0, n).toArray(ValueLayout.JAVA_BYTE);
            }
        } finally {
            model.release();
        }
    }

    /// A token for each of these bytes, empty if one has none.
    Optional<int[]> spell(byte[] bytes) {
        Map<Byte, Integer> single = new HashMap<>();
        for (int token = 0; token < size(); token++) {
            byte[] piece = piece(token);
            if (piece.length == 1) {
                single.putIfAbsent(piece[0], token);
            }
        }
        int[] tokens = new int[bytes.length];
        for (int i = 0; i < bytes.length; i++) {
            Integer token = single.get(bytes[i]);
            if (token == null) {
                return Optional.empty();
            }
            tokens[i] = token;
        }
        return Optional.of(tokens);
    }

    /// The bytes of the tokens as text, nothing added or left out, control tokens as they are spelled.
    String text(int[] tokens) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        for (int token : tokens) {
            bytes.writeBytes(piece(token));
        }
        return bytes.toString(StandardCharsets.UTF_8);
    }

    /// Writes the bytes of a token and gives their number; those that do not fit are not written. For callers whose context keeps the
    /// model, which may be closed.
    int piece(int token, boolean special, MemorySegment to, MemorySegment length) {
        int status = chq_token_piece(model.addressInUse(), token, special, to, to.byteSize(), length);
        if (status != CHQ_STATUS_BUFFER()) {
            Status.check(status);
        }
        return (int) length.get(ValueLayout.JAVA_LONG, 0);
    }

    /// @throws IllegalArgumentException if there is no such token
    public TokenInfo info(int token) {
        MemorySegment address = model.acquire();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment info = arena.allocate(chq_token_info.layout());
            Status.check(chq_token_get_info(address, token, info));
            return new TokenInfo(chq_token_info.score(info), chq_token_info.is_end(info), chq_token_info.is_control(info));
        } finally {
            model.release();
        }
    }

    private static OptionalInt token(int id) {
        return id < 0 ? OptionalInt.empty() : OptionalInt.of(id);
    }
}
