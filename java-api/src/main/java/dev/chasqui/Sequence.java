package dev.chasqui;

import static dev.chasqui.bindings.Chq.*;

import dev.chasqui.analysis.TokenLikelihoods;
import dev.chasqui.bindings.chq_sampled;
import dev.chasqui.bindings.chq_state_info;
import dev.chasqui.kv.PromptKey;
import dev.chasqui.kv.SequenceStore;
import dev.chasqui.speculation.Drafter;
import dev.chasqui.vision.EncodedImage;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// A text in a context, token by token. The threads rule is its context's: one at a time.
///
/// {@snippet class="snippets.ModelSnippets" region="sequence"}
///
/// Tokens that are appended are computed at once. The token that [#next] returns is part of the sequence, but computed only when
/// something needs what follows it.
public final class Sequence implements AutoCloseable {

    private final Context context;
    private final int id;
    private int[] tokens = new int[256];
    /// Tokens of the text.
    private int length;
    /// Tokens, from the start, that are in the KV cache; the rest is computed at the next need.
    private int decoded;
    /// The rows of pictures and sounds of the text, in order.
    private final List<Prompt.Span> spans = new ArrayList<>();
    /// Which cell of the KV cache each decoded token is in; forks have the same numbers where they share cells.
    private int[] cells = new int[256];
    /// Tokens that a speculative step picked beyond the text, from `tokens[length]` on, and which of the step's the next one is. A change
    /// of the text drops them.
    private int ahead;
    private int nextAhead;
    /// What drafters see.
    private final Drafter.Text text = new Drafter.Text() {
        @Override
        public int length() {
            return length;
        }

        @Override
        public int token(int index) {
            return tokens[Objects.checkIndex(index, length)];
        }
    };

    /// The first token whose keys and values came from attention to a part of the text, if it is below `decoded`.
    private int partlyFrom = Integer.MAX_VALUE;

    /// Whether the speculative steps know the text up to the last token picked.
    private boolean followed;
    private boolean closed;

    Sequence(Context context, int id) {
        this.context = context;
        this.id = id;
    }

    /// A restored one.
    Sequence(Context context, int id, int[] tokens) {
        this(context, id);
        this.tokens = tokens;
        this.length = tokens.length;
    }

    /// What the KV cache holds under a number, for one who keeps account of numbers and cells himself: the context knows nothing of it, and it needs no [#close()].
    ///
    /// @param tokens all of them computed
    static Sequence holding(Context context, int id, int[] tokens) {
        Sequence sequence = new Sequence(context, id, tokens);
        sequence.decodedUpTo(tokens.length);
        return sequence;
    }

    public Context context() {
        return context;
    }

    /// Number of tokens, and of rows of pictures and sounds.
    public int length() {
        return length;
    }

    /// A copy of the tokens, with -1 for each row of a picture or a sound.
    public int[] tokens() {
        return Arrays.copyOf(tokens, length);
    }

    /// Number of tokens that still fit, as far as this sequence goes. Copies that are kept ([#keep()]) do not count, they make room.
    public int room() {
        MemorySegment address = enter();
        try {
            int room = room(address);
            return context.kept().isEmpty() ? room
                    : Math.max(room, Math.min(context.info().sequenceSize() - decoded, context.freeCells(false)));
        } finally {
            context.exit();
        }
    }

    /// Appends text and computes it. An empty sequence gets the model's begin-of-text token first; the text itself never becomes
    /// a control token.
    ///
    /// @throws ContextFullException if it does not fit; nothing is changed then
    /// @throws CancelledException   if [Context#cancel()] was called; the part that was computed stays
    public void append(String text) {
        Vocabulary vocabulary = context.model().vocabulary();
        append(length == 0 ? vocabulary.tokenize(text, vocabulary.addsBeginOfText(), false) : vocabulary.tokenize(text));
    }

    /// Appends tokens and computes them.
    ///
    /// @throws IllegalArgumentException if a token is not in the vocabulary; nothing is changed then
    /// @throws ContextFullException     if they do not fit; nothing is changed then
    /// @throws CancelledException       if [Context#cancel()] was called; the part that was computed stays
    /// @throws DecodeException          if a backend failed; the part that was computed stays
    public void append(int... more) {
        MemorySegment address = enter();
        try {
            int before = length;
            checkTokens(more, 0);
            add(more, List.of(), 0);
            compute(address, length, CHQ_OUTPUT_LAST(), before);
        } finally {
            context.exit();
        }
    }

    /// Appends tokens, pictures and sounds and computes them.
    ///
    /// @throws IllegalArgumentException if a token is not in the vocabulary, or rows are not those of this model; nothing is changed then
    /// @throws ContextFullException     if they do not fit; nothing is changed then
    /// @throws CancelledException       if [Context#cancel()] was called; the part that was computed stays
    /// @throws DecodeException          if a backend failed; the part that was computed stays
    public void append(Prompt more) {
        MemorySegment address = enter();
        try {
            int before = length;
            checkPrompt(more, 0);
            add(more.sharedTokens(), more.spans(), 0);
            compute(address, length, CHQ_OUTPUT_LAST(), before);
        } finally {
            context.exit();
        }
    }

    /// Appends one token without computing it; the next [#next] does both in one call. Allocates nothing.
    ///
    /// @throws IllegalArgumentException if the token is not in the vocabulary
    public void push(int token) {
        enter();
        try {
            if (token < 0 || token >= context.model().vocabulary().size()) {
                throw new IllegalArgumentException("token " + token + " is not in the vocabulary of "
                        + context.model().vocabulary().size());
            }
            ahead = 0;
            ensureCapacity(length + 1);
            tokens[length++] = token;
        } finally {
            context.exit();
        }
    }

    /// Makes the sequence hold exactly these tokens, computing only what follows the longest prefix of them that is there: in the sequence
    /// itself, in a copy that the context keeps ([#keep()]), or in the store of the context ([ContextOptions#store()]).
    ///
    /// @return tokens that were in the KV cache already, or came into it without being computed
    /// @throws ContextFullException if they do not fit; the common prefix stays then
    public int set(int... wanted) {
        return set(Prompt.of(wanted));
    }

    /// As [#set(int...)], with pictures and sounds. One of these is in common as a whole or not at all, and not looked for in copies that the context keeps.
    ///
    /// @return tokens and rows that were in the KV cache already, or came into it without being computed
    /// @throws ContextFullException if it does not fit; the common prefix stays then
    public int set(Prompt wanted) {
        return fill(prepare(wanted), wanted);
    }

    /// The first half of [#set]: takes over the longest prefix that is there.
    ///
    /// @return where a prefix of the prompt ends that it shares with others but could not take over from them; 0 if there is none
    int prepare(Prompt wanted) {
        SequenceStore store = context.store();
        if (Objects.requireNonNull(wanted, "prompt").hasRows()) {
            if (store != null) {
                store.prepare(this, wanted);
            }
            return 0;
        }
        if (store == null) {
            recall(wanted.sharedTokens());
            return 0;
        }
        SequenceStore.Reuse reuse = store.prepare(this, wanted.sharedTokens());
        return reuse.branch() > reuse.tokens() && reuse.branch() < wanted.length() ? reuse.branch() : 0;
    }

    /// Leaves what there is in the context's store, if it has one. Never fails: the text itself is complete.
    void park() {
        SequenceStore store = context.store();
        if (store == null || closed || context.isClosed()) {
            return;
        }
        try {
            store.park(this);
        } catch (ChasquiException | IllegalStateException e) {
            System.getLogger("dev.chasqui.kv").log(System.Logger.Level.WARNING, "a sequence could not be stored", e);
        }
    }

    /// The second half: computes the rest. What ends at `branch` is stored on the way, for the next prompt that begins like that.
    int fill(int branch, Prompt wanted) {
        if (branch > 0) {
            int reused = fill(Prompt.of(Arrays.copyOf(wanted.sharedTokens(), branch)));
            Objects.requireNonNull(context.store()).park(this);
            fill(wanted);
            return reused;
        }
        return fill(wanted);
    }

    private int fill(Prompt wanted) {
        MemorySegment address = enter();
        try {
            checkPrompt(wanted, 0);
            int common = commonPrefix(wanted);
            boolean logitsReady = common == decoded && context.logitsOwner() == this;
            if (common == wanted.length() && common > 0 && !logitsReady) {
                common = wholeUpTo(common - 1); // the last token is computed again for its logits
            }
            forget(address, common);
            cut(common);
            for (int i = 0; i < spans.size(); i++) {
                spans.set(i, wanted.spans().get(i)); // the same, with rows even where this sequence was restored
            }
            int reused = decoded;
            add(wanted.sharedTokens(), wanted.spans(), common);
            compute(address, length, CHQ_OUTPUT_LAST(), common);
            return reused;
        } finally {
            context.exit();
        }
    }

    /// Tokens, from the first one on, that the KV cache holds; the others are computed when something needs what follows them.
    public int computed() {
        return Math.min(decoded, length);
    }

    /// Whether all that the KV cache holds of it came from full attention: not with [Context#setSparseAttention] or [Context#setSparsePrefill]. Only then others may
    /// take it over, from a [SequenceStore] or a copy that is kept. What was restored counts as exact.
    public boolean isExact() {
        return partlyFrom >= decoded;
    }

    /// Keeps a copy of what the KV cache holds of this sequence, for [#set] and [#recall] of any sequence of the context. It is in the same cells,
    /// costs nothing to make, and goes when they are needed or others are kept after it; where the KV cache is on a GPU it is in other memory of
    /// that device. See [ContextOptions#keptSequences()].
    ///
    /// @return whether there is such a copy now: not if there are pictures or sounds in it, or it is not exact
    public boolean keep() {
        MemorySegment address = enter();
        try {
            if (!spans.isEmpty() || !isExact()) {
                return false;
            }
            return context.kept().keep(address, id, Arrays.copyOf(tokens, decoded), cells);
        } finally {
            context.exit();
        }
    }

    /// Makes the sequence hold the longest prefix of the prompt that is in the KV cache, be it in this sequence or in a copy that was kept.
    /// Nothing is computed.
    ///
    /// @return its length
    public int recall(int... prompt) {
        MemorySegment address = enter();
        try {
            checkTokens(prompt, 0);
            int common = commonPrefix(Prompt.of(prompt));
            KeptSequences.Copy copy = context.kept().longest(prompt, common);
            if (copy != null && context.kept().take(address, copy, id)) {
                forgetLogits();
                tokens = copy.tokens().clone();
                cells = copy.cells().clone();
                decoded = cells.length;
                decodedUpTo(tokens.length);
                length = decoded;
                spans.clear();
                common = commonPrefix(Prompt.of(prompt));
            }
            forget(address, common);
            cut(decoded);
            ahead = 0;
            return decoded;
        } finally {
            context.exit();
        }
    }

    /// As [#recall(int...)], with pictures and sounds, which are looked for in this sequence only.
    ///
    /// @return tokens and rows that it holds now
    public int recall(Prompt prompt) {
        if (!prompt.hasRows()) {
            return recall(prompt.sharedTokens());
        }
        MemorySegment address = enter();
        try {
            checkPrompt(prompt, 0);
            forget(address, commonPrefix(prompt));
            cut(decoded);
            ahead = 0;
            return decoded;
        } finally {
            context.exit();
        }
    }

    /// What the KV cache holds of it, as a [SequenceStore] names it; see [Prompt#key()].
    public PromptKey key() {
        return Prompt.key(tokens, computed(), spans);
    }

    /// Drops every token from index `newLength` on. A model that cannot forget a part of its memory computes the rest again
    /// when it is needed.
    public void rewind(int newLength) {
        if (newLength < 0 || newLength > length) {
            throw new IllegalArgumentException("cannot rewind to %d, the sequence has %d tokens".formatted(newLength, length));
        }
        MemorySegment address = enter();
        try {
            if (wholeUpTo(newLength) != newLength) {
                throw new IllegalArgumentException("cannot rewind to " + newLength + ", which is inside of a picture or a sound");
            }
            forget(address, newLength);
            cut(newLength);
            ahead = 0;
        } finally {
            context.exit();
        }
    }

    /// Picks the token that follows, accepts it into the chain and appends it. One native call; allocates nothing.
    ///
    /// @return the token
    /// @throws IllegalStateException if the sequence is empty
    /// @throws ContextFullException  if there is no room to compute the last token
    /// @throws GrammarException      if the chain's grammar allows no token
    public int next(SamplerChain chain) {
        return next(chain, false);
    }

    int next(SamplerChain chain, boolean renderSpecial) {
        if (chain.model() != context.model()) {
            throw new IllegalArgumentException("the sampler chain belongs to another model");
        }
        MemorySegment address = enter();
        try {
            prepareLogits(address);
            MemorySegment sampler = chain.enter();
            int status;
            try {
                MemorySegment piece = context.piece();
                int capacity = (int) piece.byteSize();
                boolean step = decoded < length;
                do {
                    status = step
                            ? chq_step(address, id, tokens[length - 1], sampler, renderSpecial, context.sampled(), piece, capacity)
                            : chq_sample(address, sampler, -1, renderSpecial, context.sampled(), piece, capacity);
                } while (status == CHQ_STATUS_CONTEXT_FULL() && context.kept().dropOne(address));
                if (status != CHQ_STATUS_OK()) {
                    throw stepFailure(address, status, step);
                }
                if (step) {
                    decodedUpTo(length);
                    context.logitsOwner(this);
                }
            } finally {
                chain.exit();
            }
            int token = chq_sampled.token(context.sampled());
            ahead = 0;
            ensureCapacity(length + 1);
            tokens[length++] = token;
            return token;
        } finally {
            context.exit();
        }
    }

    /// Picks the tokens that follow in one speculative step, without appending them.
    ///
    /// @param most at least 1 token, at most so many
    /// @return whether it did: not if the logits after the text are there already, for [#next] to use
    boolean pickAhead(SpeculativeSteps steps, SamplerChain chain, int most, boolean goOn) {
        MemorySegment address = enterAhead();
        try {
            if (ahead > 0 || length == 0 || decoded >= length || tokens[length - 1] == Prompt.ROW) {
                return false;
            }
            if (decoded < length - 1) {
                compute(address, length - 1, CHQ_OUTPUT_NONE(), length);
            }
            MemorySegment sampler = chain.enter();
            int status;
            try {
                if (!followed) {
                    steps.begin(withoutRows(), length);
                    followed = true;
                }
                steps.suggest(text);
                do {
                    status = steps.step(id, sampler, most, goOn);
                } while (status == CHQ_STATUS_CONTEXT_FULL() && context.kept().dropOne(address));
            } finally {
                chain.exit();
            }
            if (status != CHQ_STATUS_OK()) {
                followed = false;
                throw stepFailure(address, status, true);
            }
            forgetLogits();
            ahead = steps.count();
            nextAhead = 0;
            ensureCapacity(length + ahead);
            for (int i = 0; i < ahead; i++) {
                tokens[length + i] = steps.token(i);
            }
            decodedUpTo(length - 1 + ahead);
            return true;
        } finally {
            context.exit();
        }
    }

    int ahead() {
        return ahead;
    }

    /// Appends the next token of the last [#pickAhead], as if [#next] had given it.
    void takeAhead(SpeculativeSteps steps, boolean renderSpecial) {
        enterAhead();
        try {
            render(tokens[length], steps.isEnd(nextAhead), renderSpecial);
            length++;
            ahead--;
            nextAhead++;
        } finally {
            context.exit();
        }
    }

    /// Appends a token that was picked elsewhere, as if [#next] had given it.
    void adopt(int token, boolean renderSpecial) {
        enter();
        try {
            render(token, context.model().vocabulary().info(token).isEnd(), renderSpecial);
            ahead = 0;
            ensureCapacity(length + 1);
            tokens[length++] = token;
        } finally {
            context.exit();
        }
    }

    /// Leaves a token where [#next] leaves the one it picked.
    private void render(int token, boolean isEnd, boolean special) {
        chq_sampled.token(context.sampled(), token);
        chq_sampled.is_end(context.sampled(), isEnd);
        chq_sampled.n_piece(context.sampled(), context.model().vocabulary().piece(token, special, context.piece(), context.pieceLength()));
    }

    /// Whether the token of the last [#next] ends the text.
    boolean lastIsEnd() {
        return chq_sampled.is_end(context.sampled());
    }

    /// Hands the bytes of the token of the last [#next] to the assembler.
    void takePiece(TextAssembler assembler) {
        int n = chq_sampled.n_piece(context.sampled());
        if (n <= context.piece().byteSize()) {
            assembler.append(context.piece(), n);
        } else {
            assembler.append(MemorySegment.ofArray(context.model().vocabulary().piece(tokens[length - 1])), n);
        }
    }

    /// The logits that follow the last token, one per token of the vocabulary. A copy.
    ///
    /// @throws IllegalStateException if the sequence is empty
    public float[] logits() {
        MemorySegment address = enter();
        try (Arena arena = Arena.ofConfined()) {
            prepareLogits(address);
            compute(address, length, CHQ_OUTPUT_LAST(), length);
            int vocabulary = context.model().vocabulary().size();
            MemorySegment rows = rows(address, arena);
            long row = (long) vocabulary * Float.BYTES;
            return rows.asSlice(rows.byteSize() - row, row).toArray(ValueLayout.JAVA_FLOAT);
        } finally {
            context.exit();
        }
    }

    /// Appends tokens and tells how probable the model found each of them.
    ///
    /// @return per token the natural logarithm of its probability after those before it; NaN for the first token of the sequence.
    ///         Batches are as large as [ContextOptions#maxLogitRows()] allows.
    /// @throws ContextFullException if they do not fit; nothing is changed then
    public float[] score(int... more) {
        Objects.requireNonNull(more, "tokens");
        MemorySegment address = enter();
        try (Arena arena = Arena.ofConfined()) {
            makeRoom(address, more.length);
            int vocabulary = context.model().vocabulary().size();
            boolean begins = length == 0;
            MemorySegment targets = nativeTokens(arena, more);
            MemorySegment out = arena.allocate(ValueLayout.JAVA_FLOAT, more.length + 1L);
            scoreRows(address, arena, more, (rows, count, first) ->
                    chq_rows_logprob(rows, count, vocabulary, vocabulary, from(targets, first), from(out, first)));
            float[] scores = floats(out, more.length);
            if (begins && more.length > 0) {
                scores[0] = Float.NaN;
            }
            return scores;
        } finally {
            context.exit();
        }
    }

    /// Appends tokens and tells what the model made of each of them: its probability and rank, how sure the model was, and which tokens it would rather have had.
    /// Batches are as large as [ContextOptions#maxLogitRows()] allows, and nothing of the size of the vocabulary is kept of them.
    ///
    /// @param alternatives how many of the most probable tokens to keep at each place, 0 to 1024
    /// @throws IllegalArgumentException if that is out of range, or a token is not in the vocabulary; nothing is changed then
    /// @throws ContextFullException     if they do not fit; nothing is changed then
    /// @throws CancelledException       if [Context#cancel()] was called; the part that was computed stays
    public TokenLikelihoods likelihoods(int alternatives, int... more) {
        Objects.requireNonNull(more, "tokens");
        int most = Math.min(1024, context.model().vocabulary().size());
        if (alternatives < 0 || alternatives > most) {
            throw new IllegalArgumentException("alternatives = %d is not in 0..%d".formatted(alternatives, most));
        }
        MemorySegment address = enter();
        try (Arena arena = Arena.ofConfined()) {
            makeRoom(address, more.length);
            return likelihoods(address, arena, alternatives, more);
        } finally {
            context.exit();
        }
    }

    /// A generation that starts from what the sequence holds.
    public Generation generate(GenerationOptions options) {
        return new Generation(this, null, options, null);
    }

    /// A generation from a prompt, of which only what follows the common prefix with the present tokens is computed.
    public Generation generate(int[] prompt, GenerationOptions options) {
        return generate(Prompt.of(prompt), options);
    }

    /// A generation from a prompt, of which only what follows the common prefix with the present tokens, pictures and sounds is computed.
    public Generation generate(Prompt prompt, GenerationOptions options) {
        return new Generation(this, Objects.requireNonNull(prompt, "prompt"), options, null);
    }

    Generation generate(Prompt prompt, GenerationOptions options, Context owned) {
        return new Generation(this, prompt, options, owned);
    }

    /// A second sequence with the same tokens; in the KV cache they are shared, not copied.
    ///
    /// @throws IllegalStateException if [ContextOptions#maxSequences()] are open already
    public Sequence fork() {
        MemorySegment address = enter();
        try {
            int forkId = context.takeSequenceId();
            try {
                Status.check(chq_seq_copy(address, id, forkId));
            } catch (Throwable e) {
                context.returnSequenceId(null, forkId);
                throw e;
            }
            Sequence fork = new Sequence(context, forkId);
            fork.tokens = tokens.clone();
            fork.spans.addAll(spans);
            context.opened(fork);
            fork.length = length;
            fork.cells = cells.clone();
            fork.decoded = decoded;
            fork.partlyFrom = partlyFrom;
            return fork;
        } finally {
            context.exit();
        }
    }

    /// What the sequence holds, in native memory: its tokens, what the KV cache has of them, and the logits that follow, where they are there.
    /// The sequence itself is not changed. The caller closes it.
    /// Of pictures and sounds there are their keys, and what the KV cache has of them, not their rows: a restored sequence goes on behind them, but cannot compute them again before
    /// [#set(Prompt)] brings them.
    public SavedSequence snapshot() {
        return snapshot(new byte[0]);
    }

    /// As [#snapshot()], with a note that goes with it.
    public SavedSequence snapshot(byte[] note) {
        MemorySegment address = enter();
        try (Arena arena = Arena.ofConfined()) {
            if (spans.stream().anyMatch(span -> span.end() > decoded)) {
                throw new UnsupportedFeatureException("a picture or a sound that is not computed yet cannot be saved");
            }
            byte[] all = new PictureNote(note, spans).encode();
            MemorySegment ids = arena.allocate(ValueLayout.JAVA_INT, Math.max(1, length));
            MemorySegment.copy(tokens, 0, ids, ValueLayout.JAVA_INT, 0, length);
            MemorySegment noteBytes = arena.allocate(Math.max(1, all.length));
            MemorySegment.copy(all, 0, noteBytes, ValueLayout.JAVA_BYTE, 0, all.length);
            boolean logits = decoded == length && context.logitsOwner() == this;
            return new SavedSequence((data, capacity, size) ->
                    chq_seq_save(address, id, ids, length, noteBytes, all.length, logits, data, capacity, size));
        } finally {
            context.exit();
        }
    }

    /// Replaces what the sequence holds by what was saved.
    ///
    /// @return tokens that need not be computed again
    /// @throws StateMismatchException if it belongs to another model, KV type or build; nothing is changed then
    /// @throws ContextFullException   if it does not fit; nothing is changed then
    public int restore(SavedSequence saved) {
        StateMemory memory = saved.memory();
        MemorySegment data = memory.acquire();
        try {
            return restore(data, true);
        } finally {
            memory.release();
        }
    }

    /// The state of the sequence as [#snapshot()] has it, in an array.
    public byte[] save() {
        try (SavedSequence saved = snapshot()) {
            return saved.memory().toArray();
        }
    }

    /// Replaces what the sequence holds by a saved state.
    ///
    /// @return tokens that need not be computed again
    /// @throws StateMismatchException if the data is damaged or belongs to another model, KV type or build; nothing is changed then
    /// @throws ContextFullException   if it does not fit; nothing is changed then
    public int restore(byte[] state) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment data = arena.allocate(Math.max(1, state.length), Long.BYTES);
            MemorySegment.copy(state, 0, data, ValueLayout.JAVA_BYTE, 0, state.length);
            return restore(data.asSlice(0, state.length), false);
        }
    }

    /// Saves the sequence to a file: what is there afterwards, whatever happens, is either the old file or the new one, whole.
    ///
    /// @throws IOException if the file cannot be written; an old one is still there
    public void save(Path file) throws IOException {
        try (SavedSequence saved = snapshot()) {
            saved.save(file);
        }
    }

    /// Replaces what the sequence holds by that of a file of [#save(Path)].
    ///
    /// @return tokens that need not be computed again
    /// @throws IOException            if the file cannot be read; nothing is changed then
    /// @throws StateMismatchException if it is no such file, damaged, or belongs to another model, KV type or build; nothing is changed then
    /// @throws ContextFullException   if it does not fit; nothing is changed then
    public int restore(Path file) throws IOException {
        try (SavedSequence saved = SavedSequence.load(file)) {
            return restore(saved);
        }
    }

    /// Gives its place in the context back. Idempotent; nothing to do when the context is closed.
    ///
    /// @throws IllegalStateException if another thread is using the context
    @Override
    public void close() {
        if (closed || context.isClosed()) {
            closed = true;
            return;
        }
        MemorySegment address = context.enter();
        try {
            if (!closed) {
                closed = true;
                forgetLogits();
                Status.check(chq_seq_remove(address, id, 0, -1));
                context.returnSequenceId(this, id);
            }
        } finally {
            context.exit();
        }
    }

    private int restore(MemorySegment data, boolean checked) {
        MemorySegment address = enter();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment info = chq_state_info.allocate(arena);
            if (chq_state_read_head(data, data.byteSize(), data.byteSize(), info) != CHQ_STATUS_OK()) {
                throw new StateMismatchException(Status.lastError());
            }
            int stored = chq_state_info.n_tokens(info);
            if (stored > context.info().sequenceSize() && !context.model().info().recurrent()) {
                throw new ContextFullException(stored, context.info().sequenceSize());
            }
            PictureNote pictures = PictureNote.decode(
                    data.asSlice(chq_state_info.note_at(info), chq_state_info.n_note(info)).toArray(ValueLayout.JAVA_BYTE),
                    data.asSlice(CHQ_STATE_HEADER_BYTES(), (long) stored * Integer.BYTES).toArray(ValueLayout.JAVA_INT_UNALIGNED));
            MemorySegment ids = arena.allocate(ValueLayout.JAVA_INT, Math.max(1, stored));
            MemorySegment logits = arena.allocate(ValueLayout.JAVA_BOOLEAN);
            int status;
            do {
                status = chq_seq_restore(address, id, data, data.byteSize(), checked, ids, stored, context.count(), logits);
            } while (status == CHQ_STATUS_CONTEXT_FULL() && context.kept().dropOne(address));
            if (status != CHQ_STATUS_OK()) {
                throw restoreFailure(address, status, stored);
            }
            forgetLogits();
            tokens = ids.asSlice(0, (long) stored * Integer.BYTES).toArray(ValueLayout.JAVA_INT);
            length = stored;
            spans.clear();
            spans.addAll(pictures.pictures());
            restored(address);
            if (logits.get(ValueLayout.JAVA_BOOLEAN, 0)) {
                context.logitsOwner(this);
            }
            return decoded;
        } finally {
            context.exit();
        }
    }

    /// Hides tokens from all that is computed from now on: their cells leave the sequence, the others keep their places. It still counts them among its own, so it must
    /// not be reused for another text, nor kept, saved or rewound.
    ///
    /// @throws UnsupportedFeatureException if the context cannot forget a part of a text
    void hide(int from, int to) {
        MemorySegment address = enter();
        try {
            forgetLogits();
            Status.check(chq_seq_remove(address, id, from, to));
        } finally {
            context.exit();
        }
    }

    // ---- below: inside enter() and exit() ----------------------------------------------------------------------------

    int id() {
        return id;
    }

    /// Gives up what was picked ahead of the text.
    ///
    /// @return a copy of the tokens
    int[] settle(MemorySegment address) {
        followed = false;
        ahead = 0;
        forget(address, length);
        return tokens();
    }

    /// Gives up what the KV cache holds; the text stays, and is computed again when something needs what follows it.
    void forgetComputed(MemorySegment address) {
        followed = false;
        ahead = 0;
        forget(address, 0);
    }

    /// Counts again what the KV cache holds, which may be less than it was.
    void recount(MemorySegment address) {
        int there = Math.min(decoded, cached(address));
        followed = false;
        ahead = 0;
        forgetLogits();
        decoded = there;
    }

    /// After the KV cache was filled for `tokens[0, length)`: the last of them may not have been computed yet.
    void restored(MemorySegment address) {
        ahead = 0;
        decoded = 0;
        decodedUpTo(Math.min(length, cached(address)));
        Status.check(chq_seq_remove(address, id, position(length), -1));
    }

    /// Supposes that the two have the cells of their common beginning in common, as forks have.
    void shareCells(Sequence other) {
        int mismatch = Arrays.mismatch(tokens, 0, decoded, other.tokens, 0, other.decoded);
        System.arraycopy(other.cells, 0, cells, 0, mismatch < 0 ? decoded : mismatch);
    }

    private MemorySegment enter() {
        MemorySegment address = enterAhead();
        followed = false;
        if (decoded > length) {
            try {
                forget(address, length);
            } catch (Throwable e) {
                context.exit();
                throw e;
            }
        }
        return address;
    }

    /// For those that know of the tokens ahead.
    private MemorySegment enterAhead() {
        MemorySegment address = context.enter();
        if (closed) {
            context.exit();
            throw new IllegalStateException("sequence is closed");
        }
        return address;
    }

    private void ensureCapacity(int needed) {
        if (needed > tokens.length) {
            tokens = Arrays.copyOf(tokens, Math.max(needed, tokens.length * 2));
        }
    }

    private void checkTokens(int[] more, int from) {
        Objects.requireNonNull(more, "tokens");
        int vocabulary = context.model().vocabulary().size();
        for (int i = from; i < more.length; i++) {
            if (more[i] < 0 || more[i] >= vocabulary) {
                throw new IllegalArgumentException("token %d at index %d is not in the vocabulary of %d".formatted(more[i], i, vocabulary));
            }
        }
    }

    private void checkPrompt(Prompt prompt, int from) {
        Objects.requireNonNull(prompt, "prompt");
        int[] wanted = prompt.sharedTokens();
        int at = from;
        for (Prompt.Span span : prompt.spans()) {
            checkTokens(Arrays.copyOf(wanted, span.start()), at);
            EncodedImage.Rows rows = Objects.requireNonNull(span.rows());
            if (rows.stride() != context.model().info().inputSize()) {
                throw new IllegalArgumentException("rows of %d numbers are not for this model, which takes %d".formatted(
                        rows.stride(), context.model().info().inputSize()));
            }
            at = span.end();
        }
        checkTokens(wanted, at);
    }

    /// Appends what follows the first `from` of a checked prompt, which do not end inside of rows.
    private void add(int[] more, List<Prompt.Span> moreSpans, int from) {
        ahead = 0;
        ensureCapacity(length + more.length - from);
        System.arraycopy(more, from, tokens, length, more.length - from);
        for (Prompt.Span span : moreSpans) {
            if (span.start() >= from) {
                spans.add(span.movedBy(length - from));
            }
        }
        length += more.length - from;
    }

    /// Makes the text end at an index that is not inside of rows.
    private void cut(int newLength) {
        length = newLength;
        spans.removeIf(span -> span.start() >= newLength);
    }

    private int commonPrefix(Prompt wanted) {
        int[] ids = wanted.sharedTokens();
        int mismatch = Arrays.mismatch(tokens, 0, decoded, ids, 0, ids.length);
        int common = mismatch < 0 ? decoded : mismatch;
        for (int i = 0; i < spans.size() && spans.get(i).start() < common; i++) {
            Prompt.Span span = spans.get(i);
            if (span.end() > common || i >= wanted.spans().size() || !span.isSameAs(wanted.spans().get(i))) {
                return span.start();
            }
        }
        return common;
    }

    /// The greatest index up to this one that is not inside of rows.
    private int wholeUpTo(int index) {
        for (Prompt.Span span : spans) {
            if (span.start() < index && index < span.end()) {
                return span.start();
            }
        }
        return index;
    }

    /// Where in the KV cache a token is that is not inside of rows: a picture may take fewer positions than rows, or more.
    private int position(int index) {
        int position = index;
        for (Prompt.Span span : spans) {
            if (span.end() <= index) {
                position += span.positions() - span.count();
            }
        }
        return position;
    }

    /// The tokens, with the end of text where a row of a picture or a sound is: nothing follows from it.
    private int[] withoutRows() {
        if (spans.isEmpty()) {
            return tokens;
        }
        int end = context.model().vocabulary().special().endOfText().orElse(0);
        return Arrays.stream(tokens).map(token -> token == Prompt.ROW ? end : token).toArray();
    }

    private int room(MemorySegment address) {
        Status.check(chq_context_room(address, id, context.count()));
        return Math.min(context.count().get(ValueLayout.JAVA_INT, 0), context.freeCells(true));
    }

    /// Sees to it that so many tokens fit beyond the text, at the expense of kept copies.
    private void makeRoom(MemorySegment address, int more) {
        int needed = length - decoded + more;
        int room = room(address);
        while (needed > room && context.kept().dropOne(address)) {
            room = room(address);
        }
        if (needed > room) {
            throw new ContextFullException(needed, room);
        }
    }

    /// Notes that the KV cache holds the first `end` tokens, those beyond `decoded` in new cells.
    private void decodedUpTo(int end) {
        if (partlyFrom >= decoded) {
            partlyFrom = context.attendsPartly(end - decoded) ? decoded : Integer.MAX_VALUE;
        }
        if (end > cells.length) {
            cells = Arrays.copyOf(cells, Math.max(end, cells.length * 2));
        }
        while (decoded < end) {
            cells[decoded++] = context.newCell();
        }
    }

    /// Adds the numbers of the cells in use.
    void collectCells(Set<Integer> used) {
        for (int i = 0; i < decoded; i++) {
            used.add(cells[i]);
        }
    }

    /// Computes `tokens[decoded, end)`. If that is refused the text is cut back to `keep` tokens, if it is interrupted to those
    /// that the KV cache holds.
    private void compute(MemorySegment address, int end, int output, int keep) {
        if (end - decoded <= 1) {
            computeParts(address, end, output, keep);
            return;
        }
        context.promptBegins(end - decoded);
        try {
            computeParts(address, end, output, keep);
        } finally {
            context.promptEnds();
        }
    }

    private void computeParts(MemorySegment address, int end, int output, int keep) {
        if (spans.isEmpty()) {
            computeTokens(address, end, output, keep);
            return;
        }
        int room = room(address);
        if (end - decoded > room) {
            int needed = end - decoded;
            cut(wholeUpTo(Math.max(keep, decoded)));
            throw new ContextFullException(needed, room);
        }
        int from = decoded;
        for (Prompt.Span span : List.copyOf(spans)) {
            if (span.start() >= from && span.end() <= end) {
                computeTokens(address, span.start(), CHQ_OUTPUT_NONE(), keep);
                computeRows(address, span, span.end() == end ? output : CHQ_OUTPUT_NONE(), keep);
            }
        }
        computeTokens(address, end, output, keep);
    }

    private void computeRows(MemorySegment address, Prompt.Span span, int output, int keep) {
        EncodedImage.Rows rows = span.rows();
        if (rows == null) {
            throw new UnsupportedFeatureException("the sequence was restored, and the rows of a picture or a sound in it have to be computed again: set it to a prompt that brings them");
        }
        forgetLogits();
        int status;
        try (Arena arena = Arena.ofConfined()) {
            int[] grid = rows.gridPositions();
            MemorySegment positions = grid == null ? MemorySegment.NULL : arena.allocateFrom(ValueLayout.JAVA_INT, grid);
            status = chq_decode_embeddings(address, id, rows.keptData(), positions, rows.count(), rows.positions(), rows.causal(), output);
        }
        if (status != CHQ_STATUS_OK()) {
            RuntimeException failure = status == CHQ_STATUS_CONTEXT_FULL()
                    ? new ContextFullException(rows.count(), room(address)) : Status.failure(status);
            decoded = Math.min(decoded, cached(address));
            boolean interrupted = status == CHQ_STATUS_CANCELLED() || status == CHQ_STATUS_COMPUTE();
            cut(wholeUpTo(interrupted ? decoded : Math.max(keep, decoded)));
            throw failure;
        }
        decodedUpTo(span.end());
        context.promptAdvances(rows.count());
        if (output != CHQ_OUTPUT_NONE()) {
            context.logitsOwner(this);
        }
    }

    private void computeTokens(MemorySegment address, int end, int output, int keep) {
        int n = end - decoded;
        if (n == 0) {
            return;
        }
        forgetLogits();
        int status;
        if (n == 1) {
            context.oneToken().set(ValueLayout.JAVA_INT, 0, tokens[decoded]);
            do {
                status = chq_decode(address, id, context.oneToken(), 1, output, context.computed());
            } while (status == CHQ_STATUS_CONTEXT_FULL() && context.kept().dropOne(address));
        } else {
            try (Arena arena = Arena.ofConfined()) {
                MemorySegment batch = arena.allocate(ValueLayout.JAVA_INT, n);
                MemorySegment.copy(tokens, decoded, batch, ValueLayout.JAVA_INT, 0, n);
                long start = System.nanoTime();
                do {
                    status = chq_decode(address, id, batch, n, output, context.computed());
                } while (status == CHQ_STATUS_CONTEXT_FULL() && context.kept().dropOne(address));
                if (status == CHQ_STATUS_OK()) {
                    context.measured(n, System.nanoTime() - start);
                    context.promptAdvances(n);
                }
            }
        }
        if (status != CHQ_STATUS_OK()) {
            throw computeFailure(address, status, n, keep);
        }
        decodedUpTo(end);
        if (output != CHQ_OUTPUT_NONE()) {
            context.logitsOwner(this);
        }
    }

    private RuntimeException computeFailure(MemorySegment address, int status, int n, int keep) {
        if (status == CHQ_STATUS_CONTEXT_FULL()) {
            cut(Math.max(keep, decoded));
            return new ContextFullException(n, room(address));
        }
        RuntimeException failure = Status.failure(status);
        if (status == CHQ_STATUS_STORAGE()) {
            context.recount(address);
        } else if (status == CHQ_STATUS_CANCELLED() || status == CHQ_STATUS_COMPUTE()) {
            int done = context.computed().get(ValueLayout.JAVA_INT, 0);
            decodedUpTo(decoded + done);
            cut(decoded);
            return failure instanceof DecodeException ? new DecodeException(failure.getMessage(), done) : failure;
        }
        cut(Math.max(keep, decoded));
        return failure;
    }

    private RuntimeException restoreFailure(MemorySegment address, int status, int stored) {
        RuntimeException failure = status == CHQ_STATUS_CONTEXT_FULL() ? new ContextFullException(stored, room(address))
                : status == CHQ_STATUS_ARGUMENT() ? new StateMismatchException(Status.lastError())
                : Status.failure(status);
        int left = cached(address);
        if (left < decoded) { // what was there could not be put back
            forgetLogits();
            decoded = left;
        }
        return failure;
    }

    private RuntimeException stepFailure(MemorySegment address, int status, boolean step) {
        if (status == CHQ_STATUS_CONTEXT_FULL()) {
            return new ContextFullException(1, room(address));
        }
        RuntimeException failure = Status.failure(status);
        if (status == CHQ_STATUS_STORAGE()) {
            context.recount(address);
        }
        if (step) {
            forgetLogits();
            decoded = Math.min(length, cached(address));
            chq_seq_remove(address, id, position(decoded), -1); // nothing there, but for a step that failed late
        }
        return failure;
    }

    /// Number of tokens that the KV cache holds.
    private int cached(MemorySegment address) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment range = arena.allocate(ValueLayout.JAVA_INT, 2);
            int status = chq_seq_range(address, id, range, range.asSlice(Integer.BYTES));
            int next = status == CHQ_STATUS_OK() ? range.getAtIndex(ValueLayout.JAVA_INT, 1) + 1 : 0;
            int surplus = 0;
            for (Prompt.Span span : spans) {
                int begin = position(span.start());
                if (next > begin) { // a picture is there as a whole or not at all
                    next = Math.max(next, begin + span.positions());
                    surplus += span.count() - span.positions();
                }
            }
            return next + surplus;
        }
    }

    /// Sees to it that either the logits after the last token are there, or exactly the last token is left to compute.
    private void prepareLogits(MemorySegment address) {
        if (length == 0) {
            throw new IllegalStateException("the sequence is empty, there is nothing to continue");
        }
        if (decoded == length && context.logitsOwner() != this) {
            forget(address, length - 1);
        }
        if (tokens[length - 1] == Prompt.ROW) {
            compute(address, length, CHQ_OUTPUT_LAST(), length);
        } else if (length - decoded > 1) {
            compute(address, length - 1, CHQ_OUTPUT_NONE(), length);
        }
    }

    /// Removes from the KV cache what follows the first `keep` tokens, or everything where a part cannot be forgotten.
    private void forget(MemorySegment address, int keep) {
        if (keep >= decoded) {
            return;
        }
        forgetLogits();
        int whole = wholeUpTo(keep);
        int status = chq_seq_remove(address, id, position(whole), -1);
        if (status == CHQ_STATUS_OK()) {
            decoded = whole;
        } else if (status == CHQ_STATUS_UNSUPPORTED()) {
            Status.check(chq_seq_remove(address, id, 0, -1));
            decoded = 0;
        } else {
            throw Status.failure(status);
        }
    }

    private void forgetLogits() {
        if (context.logitsOwner() == this) {
            context.logitsOwner(null);
        }
    }

    /// The rows of logits of the last decode, `[rows, vocabulary]`.
    private MemorySegment rows(MemorySegment address, Arena arena) {
        MemorySegment out = arena.allocate(ValueLayout.ADDRESS);
        Status.check(chq_logits(address, out, context.count()));
        long bytes = (long) context.count().get(ValueLayout.JAVA_INT, 0) * context.model().vocabulary().size() * Float.BYTES;
        return out.get(C_POINTER, 0).asSlice(0, bytes);
    }

    /// Reads rows of logits before others take their place.
    @FunctionalInterface
    private interface RowReader {

        /// @param rows  `[count, vocabulary]`, or more
        /// @param first which of the tokens the first row scores
        /// @return a status
        int read(MemorySegment rows, int count, int first);
    }

    /// Appends tokens and hands on the rows that score them, all but those of the first token of the sequence, after which nothing follows yet. Row i scores
    /// token i + 1, so each batch is one token behind its scores.
    private void scoreRows(MemorySegment address, Arena arena, int[] more, RowReader reader) {
        if (more.length == 0) {
            return;
        }
        int from = length;
        if (from > 0) {
            prepareLogits(address);
            compute(address, from, CHQ_OUTPUT_LAST(), from);
        }
        checkTokens(more, 0);
        add(more, List.of(), 0);
        if (from > 0) {
            MemorySegment rows = rows(address, arena);
            long row = (long) context.model().vocabulary().size() * Float.BYTES;
            Status.check(reader.read(rows.asSlice(rows.byteSize() - row), 1, 0));
        }
        while (decoded < length) {
            int start = decoded;
            int n = Math.min(context.maxLogitRows(), length - start);
            compute(address, start + n, CHQ_OUTPUT_ALL(), from);
            Status.check(reader.read(rows(address, arena), Math.min(n, length - start - 1), start + 1 - from));
        }
    }

    /// A copy of tokens for the native side.
    private static MemorySegment nativeTokens(Arena arena, int[] tokens) {
        return arena.allocateFrom(ValueLayout.JAVA_INT, tokens.length == 0 ? new int[1] : tokens);
    }

    private static MemorySegment from(MemorySegment numbers, long index) {
        return numbers.asSlice(index * Integer.BYTES);
    }

    private static int[] ints(MemorySegment numbers, int count) {
        return numbers.asSlice(0, (long) count * Integer.BYTES).toArray(ValueLayout.JAVA_INT);
    }

    private static float[] floats(MemorySegment numbers, int count) {
        return numbers.asSlice(0, (long) count * Float.BYTES).toArray(ValueLayout.JAVA_FLOAT);
    }

    private TokenLikelihoods likelihoods(MemorySegment address, Arena arena, int alternatives, int[] more) {
        int vocabulary = context.model().vocabulary().size();
        int best = Math.min(Math.max(2, alternatives), vocabulary);
        int first = length == 0 ? Math.min(1, more.length) : 0;
        int n = more.length;
        MemorySegment targets = nativeTokens(arena, more);
        MemorySegment logProbabilities = arena.allocate(ValueLayout.JAVA_FLOAT, n + 1L);
        MemorySegment totals = arena.allocate(ValueLayout.JAVA_FLOAT, n + 1L);
        MemorySegment entropies = arena.allocate(ValueLayout.JAVA_FLOAT, n + 1L);
        MemorySegment masses = arena.allocate(ValueLayout.JAVA_FLOAT, n + 1L);
        MemorySegment ranks = arena.allocate(ValueLayout.JAVA_INT, n + 1L);
        MemorySegment bestTokens = arena.allocate(ValueLayout.JAVA_INT, (n + 1L) * best);
        MemorySegment bestLogits = arena.allocate(ValueLayout.JAVA_FLOAT, (n + 1L) * best);
        scoreRows(address, arena, more, (rows, count, at) -> {
            int status = chq_rows_measure(rows, count, vocabulary, vocabulary, from(targets, at),
                    from(logProbabilities, at), from(totals, at), from(entropies, at), from(masses, at), from(ranks, at));
            return status != CHQ_STATUS_OK() ? status : chq_rows_top_k(rows, count, vocabulary, vocabulary, best,
                    from(bestTokens, (long) at * best), from(bestLogits, (long) at * best));
        });
        float[] bestLogProbabilities = floats(bestLogits, Math.multiplyExact(n, best));
        for (int i = 0; i < bestLogProbabilities.length; i++) {
            float total = totals.getAtIndex(ValueLayout.JAVA_FLOAT, i / best);
            float logit = bestLogProbabilities[i];
            // with an infinite logit all the probability is there
            bestLogProbabilities[i] = !Float.isInfinite(total) ? logit - total : logit == Float.POSITIVE_INFINITY ? 0 : Float.NEGATIVE_INFINITY;
        }
        return new TokenLikelihoods(vocabulary, more, first, floats(logProbabilities, n), ints(ranks, n), floats(entropies, n), floats(masses, n), alternatives,
                ints(bestTokens, n * best), bestLogProbabilities);
    }
}
