package dev.chasqui;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Semaphore;
import java.util.function.IntPredicate;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/// Decodes without a model: the next token is a number made of all before it, so that a text whose sequence was mixed up, cut or computed twice goes
/// on otherwise. Counts cells as the KV cache does. A test can hold each step until it lets it go, and make steps fail.
final class ToyDecoder implements BatchDecoder {

    /// A text with this token in it fails when its next one is picked.
    static final int POISON = 5;

    /// Ends an answer; picked after a prompt that ends with [#LAST].
    static final int END = TinyGguf.END;
    static final int LAST = 6;

    private record Cell(int token, Object identity, Set<LoraAdapter.Scaled> adapters) { }

    private record Slot(int sequence, List<Integer> tokens, boolean picks) { }

    private final ContextInfo info;
    private final Map<Integer, List<Cell>> sequences = new HashMap<>();
    private final List<Slot> slots = new ArrayList<>();
    private boolean ran;
    private Set<LoraAdapter.Scaled> adapters = Set.of();
    private int changes;
    private volatile boolean cancelled;
    private volatile boolean closed;

    /// Steps that may run; as many as there are, unless [#hold] was called.
    private final Semaphore steps = new Semaphore(Integer.MAX_VALUE / 2);
    private volatile @Nullable RuntimeException next;
    private volatile int most = Integer.MAX_VALUE;
    private volatile int largest;
    /// The first tokens of the texts, in the order in which they were begun.
    private final List<Integer> begun = Collections.synchronizedList(new ArrayList<>());

    /// What [#restore] finds; null = there is no store.
    private @Nullable List<List<Integer>> stored;

    ToyDecoder(int cells, int batch, int maxSequences) {
        this.info = new ContextInfo(cells, cells, batch, batch, maxSequences, 1, 1, true);
    }

    /// The answer to a prompt.
    static int[] answer(int[] prompt, int count, LoraAdapter.Scaled... adapters) {
        List<Integer> text = new ArrayList<>();
        for (int token : prompt) {
            text.add(token);
        }
        for (int i = 0; i < count; i++) {
            text.add(pick(text, Set.of(adapters)));
        }
        return text.stream().skip(prompt.length).mapToInt(Integer::intValue).toArray();
    }

    static String textOf(int[] tokens) {
        StringBuilder text = new StringBuilder();
        for (int token : tokens) {
            text.append(letter(token));
        }
        return text.toString();
    }

    private static int pick(List<Integer> text, Set<LoraAdapter.Scaled> adapters) {
        return text.getLast() == LAST ? END : 20 + Math.floorMod((text.hashCode() + adapters.hashCode()) * 31, 250);
    }

    private static char letter(int token) {
        return (char) ('a' + token % 26);
    }

    /// From now on a step runs only when [#release] lets it.
    void hold() {
        steps.drainPermits();
    }

    /// Whether a step waits to be let go.
    boolean isWaiting() {
        return steps.hasQueuedThreads();
    }

    void release(int count) {
        steps.release(count);
    }

    /// Makes the next step throw, with nothing computed.
    void failNext(RuntimeException failure) {
        next = failure;
    }

    /// Makes steps say that the context is full when there would be more cells, whatever the size says.
    void mostCells(int value) {
        most = value;
    }

    /// Tokens of the largest step.
    int largestStep() {
        return largest;
    }

    /// How many times the adapters were changed.
    int changes() {
        return changes;
    }

    List<Integer> begun() {
        return List.copyOf(begun);
    }

    boolean isClosed() {
        return closed;
    }

    /// Has a store with these texts, to which others are added.
    void store(List<List<Integer>> texts) {
        stored = texts;
    }

    @Override
    public ContextInfo info() {
        return info;
    }

    @Override
    public void use(AdapterUse use) {
        Set<LoraAdapter.Scaled> wanted = use.adapters().stream().filter(one -> one.scale() != 0).collect(Collectors.toSet());
        changes += wanted.equals(adapters) ? 0 : 1;
        adapters = wanted;
    }

    @Override
    public void add(int sequence, TokenList text, int from, int count, @Nullable SamplerChain chain, boolean special) {
        if (ran) {
            slots.clear();
            ran = false;
        }
        assertThat(of(sequence)).hasSize(from);
        assertThat(count).isPositive();
        List<Integer> tokens = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            tokens.add(text.get(from + i));
        }
        slots.add(new Slot(sequence, tokens, chain != null));
    }

    private List<Cell> of(int sequence) {
        return sequences.computeIfAbsent(sequence, _ -> new ArrayList<>());
    }

    @Override
    public @Nullable SpeculativeSteps guesses(GenerationOptions options) {
        return null;
    }

    @Override
    public void guess(SpeculativeSteps by, int most, boolean goOn) {
        throw new AssertionError();
    }

    @Override
    public void run(int spareCells) {
        ran = true;
        try {
            steps.acquire();
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
        if (cancelled) {
            throw new CancelledException("cancelled");
        }
        RuntimeException failure = next;
        if (failure != null) {
            next = null;
            throw failure;
        }
        int tokens = slots.stream().mapToInt(slot -> slot.tokens().size()).sum();
        assertThat(tokens).isBetween(1, info.batchSize());
        assertThat(slots.stream().map(Slot::sequence)).doesNotHaveDuplicates();
        largest = Math.max(largest, tokens);
        int held = held();
        assertThat(held + tokens + spareCells).isLessThanOrEqualTo(info.contextSize());
        if (held + tokens > most) {
            throw new ContextFullException(tokens, most - held);
        }
        for (Slot slot : slots) {
            assertThat(of(slot.sequence())).allMatch(cell -> cell.adapters().equals(adapters));
            if (of(slot.sequence()).isEmpty()) {
                begun.add(slot.tokens().getFirst());
            }
            slot.tokens().forEach(token -> of(slot.sequence()).add(new Cell(token, new Object(), adapters)));
        }
    }

    private int held() {
        Set<Cell> cells = new HashSet<>();
        sequences.values().forEach(cells::addAll);
        return cells.size();
    }

    private List<Integer> text(int slot) {
        return of(slots.get(slot).sequence()).stream().map(Cell::token).toList();
    }

    @Override
    public @Nullable RuntimeException failure(int slot) {
        return slots.get(slot).picks() && text(slot).contains(POISON) ? new GrammarException("poison") : null;
    }

    @Override
    public int done(int slot) {
        return slots.get(slot).tokens().size();
    }

    @Override
    public int picked(int slot) {
        return slots.get(slot).picks() ? 1 : 0;
    }

    @Override
    public int token(int slot, int i) {
        return pick(text(slot), adapters);
    }

    @Override
    public boolean isEnd(int slot, int i) {
        return token(slot, i) == END;
    }

    @Override
    public void takePiece(int slot, int i, TextAssembler assembler) {
        assembler.append(MemorySegment.ofArray(new byte[] {(byte) letter(token(slot, i))}), 1);
    }

    @Override
    public void truncate(int sequence, int length) {
        of(sequence).subList(length, of(sequence).size()).clear();
    }

    @Override
    public boolean copy(int from, int to, int length) {
        assertThat(of(to)).isEmpty();
        of(to).addAll(of(from).subList(0, length));
        return true;
    }

    @Override
    public int restore(int to, TokenList text, Object scope, int beyond, IntPredicate room) {
        assertThat(of(to)).isEmpty();
        if (stored == null || !scope.equals(AdapterUse.NONE)) {
            return 0;
        }
        int longest = 0;
        for (List<Integer> one : stored) {
            int common = new TokenList(one.stream().mapToInt(Integer::intValue).toArray()).commonPrefix(text, text.size() - 1);
            if (common > Math.max(longest, beyond) && room.test(one.size())) {
                assertThat(held() + one.size()).isLessThanOrEqualTo(info.contextSize());
                longest = common;
            }
        }
        for (int i = 0; i < longest; i++) {
            of(to).add(new Cell(text.get(i), new Object(), Set.of()));
        }
        return longest;
    }

    @Override
    public void park(int sequence, TokenList text, int count, AdapterUse used) {
        assertThat(of(sequence)).hasSize(count);
        if (stored != null && used.equals(AdapterUse.NONE)) {
            stored.add(of(sequence).stream().map(Cell::token).toList());
        }
    }

    @Override
    public void clear(int sequence) {
        of(sequence).clear();
    }

    @Override
    public void cancel() {
        cancelled = true;
        steps.release(1);
    }

    @Override
    public void close() {
        closed = true;
    }
}
