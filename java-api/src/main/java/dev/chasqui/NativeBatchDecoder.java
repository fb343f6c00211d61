package dev.chasqui;

import static dev.chasqui.bindings.Chq.*;

import dev.chasqui.bindings.chq_batch_result;
import dev.chasqui.bindings.chq_batch_slot;
import dev.chasqui.bindings.chq_sampled;
import dev.chasqui.kv.SequenceStore;
import dev.chasqui.speculation.DraftSource;
import dev.chasqui.speculation.Speculation;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.util.EnumSet;
import java.util.Set;
import java.util.function.IntPredicate;
import org.jspecify.annotations.Nullable;

/// The passes of a [Context] of its own, one native call each. Its arrays are reused: a pass allocates nothing, unless the adapters change.
final class NativeBatchDecoder implements BatchDecoder {

    private static final int TEXT_BYTES = 512;

    private static final long SLOT = chq_batch_slot.sizeof();
    private static final long RESULT = chq_batch_result.sizeof();
    private static final long PICKED = chq_sampled.sizeof();
    private static final long PICKS = CHQ_BATCH_PICKS();

    private final Context context;
    private final Arena arena = Arena.ofShared();
    private final MemorySegment slots;
    private final MemorySegment tokens;
    private final MemorySegment results;
    private final MemorySegment picked;
    private final MemorySegment text;
    private AdapterUse adapters = AdapterUse.NONE;
    private int slotCount;
    private int tokenCount;
    private boolean ran;

    NativeBatchDecoder(Context context, int maxSlots) {
        this.context = context;
        this.slots = arena.allocate(chq_batch_slot.layout(), maxSlots);
        this.results = arena.allocate(chq_batch_result.layout(), maxSlots);
        this.picked = arena.allocate(chq_sampled.layout(), PICKS * maxSlots);
        this.tokens = arena.allocate(ValueLayout.JAVA_INT, context.info().batchSize());
        this.text = arena.allocate((long) TEXT_BYTES * maxSlots);
    }

    @Override
    public ContextInfo info() {
        return context.info();
    }

    @Override
    public void use(AdapterUse wanted) {
        if (!wanted.equals(adapters)) {
            context.switchAdapters(wanted);
            adapters = wanted;
        }
    }

    @Override
    public void add(int sequence, TokenList source, int from, int count, @Nullable SamplerChain chain, boolean special) {
        if (ran) {
            ran = false;
            slotCount = 0;
            tokenCount = 0;
        }
        long slot = slotCount * SLOT;
        slots.set(C_POINTER, slot + chq_batch_slot.sampler$offset(), chain == null ? MemorySegment.NULL : chain.addressInUse());
        slots.set(C_POINTER, slot + chq_batch_slot.speculation$offset(), MemorySegment.NULL);
        slots.set(ValueLayout.JAVA_INT, slot + chq_batch_slot.seq_id$offset(), sequence);
        slots.set(ValueLayout.JAVA_INT, slot + chq_batch_slot.n_tokens$offset(), count);
        slots.set(ValueLayout.JAVA_BOOLEAN, slot + chq_batch_slot.special$offset(), special);
        source.copyTo(tokens, tokenCount, from, count);
        slotCount++;
        tokenCount += count;
    }

    /// From what was said before and what the model said elsewhere: a caller's drafter does not run on the engine's thread, and a draft model has no pass here.
    @Override
    public @Nullable SpeculativeSteps guesses(GenerationOptions options) {
        Speculation wanted = options.speculation();
        Set<DraftSource> sources = EnumSet.of(DraftSource.REPEATED, DraftSource.RECYCLED);
        sources.retainAll(wanted.sources());
        if (!wanted.isOn() || sources.isEmpty()) {
            return null;
        }
        return new SpeculativeSteps(context, options.withSpeculation(wanted.withSources(sources).withMaxPaths(1)));
    }

    @Override
    public void guess(SpeculativeSteps by, int most, boolean goOn) {
        long slot = (slotCount - 1) * SLOT;
        slots.set(C_POINTER, slot + chq_batch_slot.speculation$offset(), by.addressInUse());
        slots.set(ValueLayout.JAVA_INT, slot + chq_batch_slot.n_most$offset(), most);
        slots.set(ValueLayout.JAVA_BOOLEAN, slot + chq_batch_slot.go_on$offset(), goOn);
    }

    @Override
    public void run(int spareCells) {
        ran = true;
        results.fill((byte) 0);
        MemorySegment address = context.enter();
        try {
            int status = chq_batch_step(address, slots, slotCount, tokens, tokenCount, spareCells, results, picked, text, TEXT_BYTES);
            if (status == CHQ_STATUS_CONTEXT_FULL()) {
                throw new ContextFullException(tokenCount, 0);
            }
            Status.check(status);
        } finally {
            context.exit();
        }
    }

    @Override
    public @Nullable RuntimeException failure(int slot) {
        int status = results.get(ValueLayout.JAVA_INT, slot * RESULT + chq_batch_result.status$offset());
        return status == CHQ_STATUS_OK() ? null : Status.failure(status, message(slot));
    }

    private String message(int slot) {
        int length = results.get(ValueLayout.JAVA_INT, slot * RESULT + chq_batch_result.n_text$offset());
        byte[] bytes = text.asSlice((long) slot * TEXT_BYTES, length).toArray(ValueLayout.JAVA_BYTE);
        return new String(bytes, StandardCharsets.UTF_8);
    }

    @Override
    public int done(int slot) {
        return results.get(ValueLayout.JAVA_INT, slot * RESULT + chq_batch_result.n_done$offset());
    }

    @Override
    public int picked(int slot) {
        return results.get(ValueLayout.JAVA_INT, slot * RESULT + chq_batch_result.n_picked$offset());
    }

    @Override
    public int token(int slot, int i) {
        return picked.get(ValueLayout.JAVA_INT, at(slot, i) + chq_sampled.token$offset());
    }

    @Override
    public boolean isEnd(int slot, int i) {
        return picked.get(ValueLayout.JAVA_BOOLEAN, at(slot, i) + chq_sampled.is_end$offset());
    }

    @Override
    public void takePiece(int slot, int i, TextAssembler assembler) {
        int begin = 0; // of the piece, behind those that had room
        for (int j = 0; j < i; j++) {
            begin += pieceLength(slot, j) <= TEXT_BYTES - begin ? pieceLength(slot, j) : 0;
        }
        int length = pieceLength(slot, i);
        if (length <= TEXT_BYTES - begin) {
            assembler.append(text.asSlice((long) slot * TEXT_BYTES + begin, length), length);
        } else {
            assembler.append(MemorySegment.ofArray(context.model().vocabulary().piece(token(slot, i))), length);
        }
    }

    private int pieceLength(int slot, int i) {
        return picked.get(ValueLayout.JAVA_INT, at(slot, i) + chq_sampled.n_piece$offset());
    }

    private static long at(int slot, int i) {
        return (slot * PICKS + i) * PICKED;
    }

    @Override
    public void truncate(int sequence, int length) {
        MemorySegment address = context.enter();
        try {
            Status.check(chq_seq_remove(address, sequence, length, -1));
        } finally {
            context.exit();
        }
    }

    @Override
    public boolean copy(int from, int to, int length) {
        MemorySegment address = context.enter();
        try {
            Status.check(chq_seq_copy(address, from, to));
            int status = chq_seq_remove(address, to, length, -1);
            if (status == CHQ_STATUS_UNSUPPORTED()) {
                Status.check(chq_seq_remove(address, to, 0, -1));
                return false;
            }
            Status.check(status);
            return true;
        } finally {
            context.exit();
        }
    }

    @Override
    public void clear(int sequence) {
        truncate(sequence, 0);
    }

    @Override
    public int restore(int to, TokenList source, Object scope, int beyond, IntPredicate room) {
        SequenceStore store = context.store();
        if (store == null || !scope.equals(AdapterUse.NONE)) {
            return 0;
        }
        Sequence sequence = Sequence.holding(context, to, new int[0]);
        int restored = 0;
        try {
            use(AdapterUse.NONE); // what a state fits depends on them
            restored = store.tryPrepare(sequence, beyond, room, source.first(source.size() - 1)).tokens();
        } catch (ChasquiException | IllegalStateException e) {
            warn("a stored sequence could not be restored", e);
        }
        if (restored == 0 || sequence.computed() != restored) {
            clear(to);
            return 0;
        }
        return restored;
    }

    @Override
    public void park(int sequence, TokenList source, int count, AdapterUse used) {
        SequenceStore store = context.store();
        if (store == null || !used.equals(AdapterUse.NONE)) {
            return;
        }
        try {
            use(AdapterUse.NONE);
            store.tryPark(Sequence.holding(context, sequence, source.first(count)));
        } catch (ChasquiException | IllegalStateException e) {
            warn("a sequence could not be stored", e);
        }
    }

    private static void warn(String what, RuntimeException reason) {
        System.getLogger("dev.chasqui.kv").log(System.Logger.Level.WARNING, what, reason);
    }

    @Override
    public void cancel() {
        context.cancel();
    }

    @Override
    public void close() {
        context.close();
        arena.close();
    }
}
