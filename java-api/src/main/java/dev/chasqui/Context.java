package dev.chasqui;

import static dev.chasqui.bindings.Chq.*;

import dev.chasqui.bindings.Chq;
import dev.chasqui.bindings.chq_context_info;
import dev.chasqui.bindings.chq_sampled;
import dev.chasqui.bindings.llama_context_params;
import dev.chasqui.kv.KvStats;
import dev.chasqui.kv.PrefillStats;
import dev.chasqui.kv.SequenceStore;
import dev.chasqui.kv.SparseAttention;
import dev.chasqui.kv.SparsePrefill;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/// Memory for attention (the KV cache) and computation of one model, shared by one or more [Sequence]s.
///
/// {@snippet class="snippets.ModelSnippets" region="context"}
///
/// One thread at a time, checked: a second one gets an [IllegalStateException]. It may move from thread to thread. Only
/// [#cancel()] may be called while another thread is inside.
public final class Context implements AutoCloseable {

    private static final int PIECE_BYTES = 512;
    private static final int MEASURED_TOKENS = 32;
    private static final VarHandle WATCHED = ValueLayout.JAVA_INT.varHandle();

    private final Model model;
    private final NativeOwner handle;
    private final ContextInfo info;
    private final int maxLogitRows;
    private final Exclusive exclusive = new Exclusive("context");
    private final BitSet sequenceIds;
    private final List<Sequence> open = new ArrayList<>();
    private final KeptSequences kept;
    private final @Nullable SequenceStore store;
    private final ContextAdapters adapters = new ContextAdapters();
    private long stateFit;
    private @Nullable SparseAttention sparse;
    private @Nullable SparseAttention sparseNow; // of a generation, or as `sparse`
    private @Nullable SparsePrefill sparsePrefill;
    private long measuredTokens;
    private long measuredNanos;
    private int nextCell;
    private final CancelRequest cancelRequest = new CancelRequest();
    /// Tokens of the prompt that is being computed, and of its stretches that are done; guarded by `cancelRequest`.
    private int promptTokens;
    private int promptDone;

    // Reused by every call, so that the token loop allocates nothing.
    private final Arena scratch = Arena.ofShared();
    private final MemorySegment sampled = scratch.allocate(chq_sampled.layout());
    private final MemorySegment piece = scratch.allocate(PIECE_BYTES);
    private final MemorySegment pieceLength = scratch.allocate(ValueLayout.JAVA_LONG);
    private final MemorySegment count = scratch.allocate(ValueLayout.JAVA_INT);
    private final MemorySegment oneToken = scratch.allocate(ValueLayout.JAVA_INT);
    /// How many tokens of the decode in progress are computed, written by it.
    private final MemorySegment computed = scratch.allocate(ValueLayout.JAVA_INT);

    /// The sequence whose logits the native side holds, if any.
    private @Nullable Sequence logitsOwner;

    Context(Model model, ContextOptions options) {
        this.model = model;
        this.sequenceIds = new BitSet(options.maxSequences() + options.keptSequences());
        this.store = options.store();
        ModelInfo facts = model.info();
        this.kept = new KeptSequences(this, options.keptSequences(),
                !facts.recurrent() && !facts.hybrid() && (facts.slidingWindow() == 0 || options.fullWindowCache()));
        MemorySegment modelAddress = model.handle().acquire();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment out = arena.allocate(ValueLayout.ADDRESS);
            Status.check(create(modelAddress, options, parameters(model, options, arena), arena, out));
            NativeLog.drain();
            MemorySegment address = out.get(ValueLayout.ADDRESS, 0);
            this.handle = new NativeOwner(this, "context", address, freeing(adapters), model.handle());
            this.info = readInfo(address, options.keptSequences(), arena);
            this.stateFit = readFit(address, arena);
            MemorySegment holds = arena.allocate(ValueLayout.JAVA_BOOLEAN);
            Status.check(chq_context_holds(address, holds));
            if (holds.get(ValueLayout.JAVA_BOOLEAN, 0)) {
                kept.onDevice();
            }
            this.maxLogitRows = Math.min(options.maxLogitRows(), Math.min(info.batchSize(), info.microBatchSize()));
        } catch (Throwable e) {
            scratch.close();
            model.handle().release();
            throw e;
        }
    }

    private static int create(MemorySegment model, ContextOptions options, MemorySegment parameters, Arena arena, MemorySegment out) {
        Path folder = options.kvCache().folder();
        return folder == null ? chq_context_create(model, parameters, options.poll(), out)
                : chq_context_create_on_file(model, parameters, options.poll(), arena.allocateFrom(folder.toString()), options.kvCache().residentBytes(), out);
    }

    private static MemorySegment parameters(Model model, ContextOptions options, Arena arena) {
        MemorySegment p = llama_context_default_params(arena);
        int size = options.contextSize() > 0 ? options.contextSize()
                : Math.clamp(model.info().trainedContext(), 1, ContextOptions.DEFAULT_MAX_SIZE);
        llama_context_params.n_ctx(p, size);
        llama_context_params.n_batch(p, options.batchSize());
        llama_context_params.n_ubatch(p, options.microBatchSize());
        int sequences = options.maxSequences() + options.keptSequences();
        llama_context_params.n_seq_max(p, sequences);
        int rows = options.keptSequences() == 0 ? options.maxLogitRows() : Math.max(options.maxLogitRows(), sequences); // one for each, at least
        llama_context_params.n_outputs_max(p, Math.min(rows, options.batchSize()));
        llama_context_params.n_threads(p, options.threads());
        llama_context_params.n_threads_batch(p, options.batchThreads() > 0 ? options.batchThreads() : options.threads());
        llama_context_params.flash_attn_type(p, options.flashAttention().nativeValue());
        llama_context_params.type_k(p, options.keyType().ggmlType());
        llama_context_params.type_v(p, options.valueType().ggmlType());
        llama_context_params.offload_kqv(p, options.offloadKv());
        llama_context_params.swa_full(p, options.fullWindowCache());
        llama_context_params.rope_freq_base(p, options.ropeFrequencyBase());
        llama_context_params.rope_freq_scale(p, options.ropeFrequencyScale());
        llama_context_params.kv_unified(p, true);
        llama_context_params.no_perf(p, true);
        return p;
    }

    private static ContextInfo readInfo(MemorySegment address, int keptSequences, Arena arena) {
        MemorySegment raw = arena.allocate(chq_context_info.layout());
        Status.check(chq_context_get_info(address, raw));
        return new ContextInfo(
                chq_context_info.n_ctx(raw),
                chq_context_info.n_ctx_seq(raw),
                chq_context_info.n_batch(raw),
                chq_context_info.n_ubatch(raw),
                chq_context_info.n_seq_max(raw) - keptSequences,
                chq_context_info.n_threads(raw),
                chq_context_info.n_threads_batch(raw),
                chq_context_info.can_shift(raw));
    }

    private static long readFit(MemorySegment address, Arena arena) {
        MemorySegment fit = arena.allocate(ValueLayout.JAVA_LONG);
        Status.check(chq_state_fit(address, fit));
        return fit.get(ValueLayout.JAVA_LONG, 0);
    }

    private static NativeOwner.Free freeing(ContextAdapters adapters) {
        return address -> {
            int status = chq_context_free(address);
            adapters.release();
            return status;
        };
    }

    public Model model() {
        return model;
    }

    public ContextInfo info() {
        return info;
    }

    /// The number of what saved states must have in common with this context to be restored in it: model, build of llama.cpp, KV types, rotation of
    /// positions, kind of attention, adapters with their scales, control vector. Contexts with the same number can exchange states, in any process.
    public long stateFit() {
        return stateFit;
    }

    /// Tokens of prompts computed per second here so far; 0 if there were none.
    public double prefillSpeed() {
        return measuredNanos == 0 ? 0 : measuredTokens * 1e9 / measuredNanos;
    }

    /// A context of another model for the texts of this one, on as many threads. The caller closes it.
    Context companion(Model other) {
        return other.newContext(ContextOptions.defaults().withContextSize(info().sequenceSize())
                .withThreads(info().threads(), info().batchThreads()));
    }

    /// From now on computes with these adapters and no others; none for the model as it is. What the KV cache holds was computed without them, so
    /// open sequences are computed again when something needs what follows them, and kept copies are given up. They hold for the whole context:
    /// llama.cpp has no adapters for a single sequence. An [Engine] takes them with each request.
    ///
    /// @throws IllegalArgumentException if one is for another model or there twice; sequences are computed again then, too
    /// @throws IllegalStateException    if one is closed
    public void setAdapters(LoraAdapter.Scaled... wanted) {
        List<LoraAdapter.Scaled> all = List.of(wanted);
        if (!all.equals(adapters.loras())) {
            change(address -> adapters.setLoras(address, all));
        }
    }

    /// As [#setAdapters], but what is computed stays: for one who lets each sequence go on with the adapters that it began with.
    void switchAdapters(AdapterUse wanted) {
        MemorySegment address = enter();
        try (Arena arena = Arena.ofConfined()) {
            adapters.switchLoras(address, wanted);
            stateFit = readFit(address, arena);
        } finally {
            exit();
        }
    }

    /// What [#setAdapters] has set.
    public List<LoraAdapter.Scaled> adapters() {
        return adapters.loras();
    }

    /// From now on adds these directions to what the layers give, null for none. As with [#setAdapters], it holds for all sequences, which are computed
    /// again. Models whose architecture llama.cpp gives no place for it compute as before.
    ///
    /// @throws IllegalArgumentException if it is not of the size of the model's embeddings, or for more layers than the model has
    public void setControlVector(@Nullable ControlVector wanted) {
        change(address -> adapters.setControlVector(address, model, wanted));
    }

    /// What [#setControlVector] has set.
    public Optional<ControlVector> controlVector() {
        return Optional.ofNullable(adapters.controlVector());
    }

    /// Changes what the context computes with.
    private void change(Consumer<MemorySegment> change) {
        MemorySegment address = enter();
        try (Arena arena = Arena.ofConfined()) {
            kept.clear(address);
            open.forEach(sequence -> sequence.forgetComputed(address));
            change.accept(address);
            stateFit = readFit(address, arena);
        } finally {
            exit();
        }
    }

    /// From now on tokens that are computed one at a time attend to a part of what is before them, null for everything. What the KV cache holds stays.
    /// It holds for the whole context, whose answers are not guessed ahead meanwhile; a generation of [GenerationOptions#sparseAttention()] has another one for
    /// as long as it runs.
    ///
    /// @throws UnsupportedFeatureException if Chasqui's kernels are not in use here, or the KV cache is not on the CPU
    public void setSparseAttention(@Nullable SparseAttention wanted) {
        useSparseAttention(wanted);
        sparse = wanted;
    }

    /// What [#setSparseAttention] has set.
    public Optional<SparseAttention> sparseAttention() {
        return Optional.ofNullable(sparse);
    }

    /// What sparse attention did since it was set last, and what the file behind the KV cache did so far ([ContextOptions#kvCache()]).
    public KvStats sparseStats() {
        MemorySegment address = enter();
        try {
            return SparseCalls.stats(address);
        } finally {
            exit();
        }
    }

    /// For a while.
    void useSparseAttention(@Nullable SparseAttention wanted) {
        MemorySegment address = enter();
        try {
            SparseCalls.set(address, wanted);
            sparseNow = wanted;
        } finally {
            exit();
        }
    }

    /// Whether so many tokens, computed now, may attend to a part of the text.
    boolean attendsPartly(int tokens) {
        return (tokens == 1 ? sparseNow : sparsePrefill) != null;
    }

    /// After the file behind the KV cache has failed: sequences hold no more than is there.
    void recount(MemorySegment address) {
        open.forEach(sequence -> sequence.recount(address));
    }

    /// Back to what the context has, if it is still of use.
    KvStats endSparseAttention() {
        try {
            KvStats stats = sparseStats();
            useSparseAttention(sparse);
            return stats;
        } catch (ChasquiException | IllegalStateException e) {
            return KvStats.NONE;
        }
    }

    /// From now on the tokens of prompts attend to a part of what is before them, null for everything. What the KV cache holds stays, and what sparse prefill wrote into it is
    /// used later as if it were exact: by this context, and where a sequence is saved. A store takes none of it in ([Sequence#isExact()]).
    ///
    /// @throws UnsupportedFeatureException if Chasqui's kernels are not in use here, or the KV cache is not on the CPU
    public void setSparsePrefill(@Nullable SparsePrefill wanted) {
        MemorySegment address = enter();
        try {
            SparseCalls.setPrefill(address, wanted);
            sparsePrefill = wanted;
        } finally {
            exit();
        }
    }

    /// What [#setSparsePrefill] has set.
    public Optional<SparsePrefill> sparsePrefill() {
        return Optional.ofNullable(sparsePrefill);
    }

    /// What sparse prefill did since it was set last.
    public PrefillStats sparsePrefillStats() {
        MemorySegment address = enter();
        try {
            return SparseCalls.prefillStats(address);
        } finally {
            exit();
        }
    }

    /// A new empty sequence.
    ///
    /// @throws IllegalStateException if [ContextOptions#maxSequences()] are open already
    public Sequence newSequence() {
        enter();
        try {
            return opened(new Sequence(this, takeSequenceId()));
        } finally {
            exit();
        }
    }

    /// Changes the number of CPU threads, for one token at a time and for many at once.
    public void threads(int single, int batch) {
        MemorySegment address = enter();
        try {
            Status.check(chq_context_set_threads(address, single, batch));
        } finally {
            exit();
        }
    }

    /// Stops what another thread is computing in this context, within one step of the graph; that call throws
    /// [CancelledException] and leaves its sequence usable. Does nothing when no call is in progress. Safe from any thread.
    public void cancel() {
        cancelRequest.make(handle, Chq::chq_context_cancel);
    }

    /// How far the prompt is that is being computed, in parts that have gone through all layers; 0 of 0 at other times. Safe from any thread, as for one that shows
    /// the progress to a person.
    public PromptProgress promptProgress() {
        synchronized (cancelRequest) {
            return promptTokens == 0 ? PromptProgress.NONE
                    : new PromptProgress(Math.clamp(promptDone + (int) WATCHED.getOpaque(computed, 0L), 0, promptTokens), promptTokens);
        }
    }

    /// Saves all open sequences to one file, cells that they share only once. What is there afterwards, whatever happens, is either the old
    /// file or the new one, whole.
    ///
    /// @throws IOException if the file cannot be written; an old one is still there
    public void save(Path file) throws IOException {
        MemorySegment address = enter();
        StateMemory memory;
        try (Arena arena = Arena.ofConfined()) {
            while (kept.dropOne(address)) {
                // copies are nobody's
            }
            TokenList tokens = new TokenList();
            ByteBuffer note = ByteBuffer.allocate(open.size() * 2 * Integer.BYTES).order(ByteOrder.LITTLE_ENDIAN);
            for (Sequence sequence : open) {
                tokens.addAll(sequence.settle(address));
                note.putInt(sequence.id()).putInt(sequence.length());
            }
            MemorySegment ids = arena.allocateFrom(ValueLayout.JAVA_INT, tokens.toArray());
            MemorySegment noteBytes = arena.allocateFrom(ValueLayout.JAVA_BYTE, note.array());
            memory = StateMemory.save(this, (data, capacity, size) -> chq_context_save(
                    address, ids, (int) (ids.byteSize() / Integer.BYTES), noteBytes, (int) noteBytes.byteSize(), data, capacity, size));
        } finally {
            exit();
        }
        try {
            memory.write(file);
        } finally {
            memory.close();
        }
    }

    /// Opens the sequences of a file of [#save(Path)] in this context, which must have none.
    ///
    /// @return the sequences in the order in which they were opened
    /// @throws IOException            if the file cannot be read
    /// @throws StateMismatchException if it is no such file, damaged, or belongs to another model, KV type or build
    /// @throws ContextFullException   if they do not fit
    /// @throws IllegalStateException  if sequences are open, or there were more of them than [ContextOptions#maxSequences()]
    public List<Sequence> restore(Path file) throws IOException {
        StateMemory memory = StateMemory.read(this, file);
        MemorySegment data = memory.acquire();
        try {
            MemorySegment address = enter();
            try {
                return restore(address, file, memory.info(), data);
            } finally {
                exit();
            }
        } finally {
            memory.release();
            memory.close();
        }
    }

    private List<Sequence> restore(MemorySegment address, Path file, StateMemory.Info saved, MemorySegment data) {
        if (!open.isEmpty()) {
            throw new IllegalStateException("the context has open sequences");
        }
        if (saved.kind() != CHQ_STATE_CONTEXT()) {
            throw new StateMismatchException(file + ": the saved state is of a single sequence");
        }
        int[] tokens = saved.tokenIds();
        ByteBuffer note = ByteBuffer.wrap(saved.note()).order(ByteOrder.LITTLE_ENDIAN);
        List<Sequence> sequences = new ArrayList<>();
        BitSet ids = new BitSet();
        int at = 0;
        while (note.remaining() >= 2 * Integer.BYTES) {
            int id = note.getInt();
            int length = note.getInt();
            if (id < 0 || ids.get(id) || length < 0 || length > tokens.length - at) {
                throw new StateMismatchException(file + ": the saved state is damaged: its list of sequences makes no sense");
            }
            ids.set(id);
            sequences.add(new Sequence(this, id, Arrays.copyOfRange(tokens, at, at + length)));
            at += length;
        }
        if (sequences.size() > info.maxSequences() || ids.length() > info.maxSequences() + kept.limit()) {
            throw new IllegalStateException("the saved context has %d sequences with numbers up to %d; raise ContextOptions.maxSequences"
                    .formatted(sequences.size(), ids.length() - 1));
        }
        while (kept.dropOne(address)) {
            // they are in the way
        }
        int status = chq_context_restore(address, data, data.byteSize(), true);
        if (status == CHQ_STATUS_CONTEXT_FULL()) {
            throw new ContextFullException(tokens.length, info.contextSize());
        } else if (status == CHQ_STATUS_ARGUMENT()) {
            throw new StateMismatchException(file + ": " + Status.lastError());
        }
        Status.check(status);
        logitsOwner = null;
        sequenceIds.or(ids);
        for (Sequence sequence : sequences) {
            sequence.restored(address);
            open.forEach(sequence::shareCells);
            opened(sequence);
        }
        return sequences;
    }

    /// Frees the context; sequences in it become unusable. Idempotent.
    ///
    /// @throws IllegalStateException if another thread is using it
    @Override
    public void close() {
        if (handle.isClosed()) {
            return;
        }
        exclusive.enter();
        try {
            synchronized (cancelRequest) {
                if (!handle.isClosed()) {
                    scratch.close();
                    handle.close();
                }
            }
        } finally {
            exclusive.exit();
        }
    }

    // ---- for Sequence, inside enter() and exit() ---------------------------------------------------------------------

    MemorySegment enter() {
        return cancelRequest.enter(exclusive, handle, Chq::chq_context_cancel_reset);
    }

    /// Tells that so many tokens of a prompt are about to be computed.
    void promptBegins(int tokens) {
        synchronized (cancelRequest) {
            WATCHED.setOpaque(computed, 0L, 0);
            promptDone = 0;
            promptTokens = tokens;
        }
    }

    /// Tells that so many more of them are done.
    void promptAdvances(int tokens) {
        synchronized (cancelRequest) {
            WATCHED.setOpaque(computed, 0L, 0);
            promptDone += tokens;
        }
    }

    void promptEnds() {
        synchronized (cancelRequest) {
            promptTokens = 0;
        }
    }

    void exit() {
        exclusive.exit();
    }

    boolean isClosed() {
        return handle.isClosed();
    }

    int takeSequenceId() {
        if (open.size() >= info.maxSequences()) {
            throw new IllegalStateException("all " + info.maxSequences()
                    + " sequences of the context are in use; close one or raise ContextOptions.maxSequences");
        }
        return takeSpareId();
    }

    /// There are as many as open and kept sequences may be.
    int takeSpareId() {
        int id = sequenceIds.nextClearBit(0);
        sequenceIds.set(id);
        return id;
    }

    void returnSpareId(int id) {
        sequenceIds.clear(id);
    }

    void returnSequenceId(@Nullable Sequence sequence, int id) {
        open.remove(sequence);
        returnSpareId(id);
    }

    Sequence opened(Sequence sequence) {
        open.add(sequence);
        return sequence;
    }

    /// A number for a cell of the KV cache that a token was just computed into.
    int newCell() {
        return nextCell++;
    }

    KeptSequences kept() {
        return kept;
    }

    @Nullable SequenceStore store() {
        return store;
    }

    /// Notes how long a part of a prompt took. Few tokens tell little of how long many take.
    void measured(int tokens, long nanos) {
        if (tokens >= MEASURED_TOKENS) {
            measuredTokens += tokens;
            measuredNanos += nanos;
        }
    }

    /// Cells that no open sequence uses, and no kept one if it counts, counted; models that keep a state instead of cells, or slide a window,
    /// have more room.
    int freeCells(boolean withKept) {
        ModelInfo facts = model.info();
        if ((open.size() == 1 && kept.isEmpty()) || facts.recurrent() || facts.hybrid() || facts.slidingWindow() > 0) {
            return Integer.MAX_VALUE;
        }
        Set<Integer> used = new HashSet<>();
        open.forEach(sequence -> sequence.collectCells(used));
        if (withKept) {
            kept.collectCells(used);
        }
        return Math.max(0, info.contextSize() - used.size());
    }

    /// Most tokens of one decode that can leave their logits.
    int maxLogitRows() {
        return maxLogitRows;
    }

    @Nullable Sequence logitsOwner() {
        return logitsOwner;
    }

    void logitsOwner(@Nullable Sequence sequence) {
        logitsOwner = sequence;
    }

    NativeOwner handle() {
        return handle;
    }

    MemorySegment sampled() {
        return sampled;
    }

    MemorySegment piece() {
        return piece;
    }

    MemorySegment pieceLength() {
        return pieceLength;
    }

    MemorySegment count() {
        return count;
    }

    MemorySegment oneToken() {
        return oneToken;
    }

    /// Where a decode writes how many of its tokens are computed.
    MemorySegment computed() {
        return computed;
    }
}
