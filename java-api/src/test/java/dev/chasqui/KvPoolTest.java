package dev.chasqui;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.function.IntPredicate;
import java.util.stream.IntStream;
import net.jqwik.api.Example;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Tag;
import net.jqwik.api.constraints.IntRange;

/// The pool against a memory that keeps every cell as an object.
@Tag("standalone")
class KvPoolTest {

    private static final int CELLS = 200;
    private static final Object SCOPE = "";

    /// A token in the KV cache.
    private record Cell(int token, Object identity, Object scope) { }

    private static final class Cells implements KvPool.Memory {

        private final Map<Integer, List<Cell>> sequences = new HashMap<>();
        private final List<String> calls = new ArrayList<>();
        private boolean copies = true;
        /// Texts that can be restored.
        private final List<TokenList> stored = new ArrayList<>();

        List<Cell> of(int sequence) {
            return sequences.computeIfAbsent(sequence, _ -> new ArrayList<>());
        }

        @Override
        public boolean copy(int from, int to, int length) {
            assertThat(of(to)).isEmpty();
            calls.add("copy");
            if (copies) {
                of(to).addAll(of(from).subList(0, length));
            }
            return copies;
        }

        @Override
        public int restore(int to, TokenList text, Object scope, int beyond, IntPredicate room) {
            assertThat(of(to)).isEmpty();
            for (TokenList one : stored) {
                int common = one.commonPrefix(text, text.size() - 1);
                if (common > beyond && room.test(one.size())) {
                    assertThat(held() + one.size()).isLessThanOrEqualTo(CELLS);
                    calls.add("restore");
                    for (int i = 0; i < common; i++) {
                        of(to).add(new Cell(text.get(i), new Object(), scope));
                    }
                    return common;
                }
            }
            return 0;
        }

        @Override
        public void clear(int sequence) {
            of(sequence).clear();
        }

        void compute(KvPool pool, KvPool.Entry entry, Object scope, int count) {
            for (int i = 0; i < count; i++) {
                of(entry.id()).add(new Cell(entry.text().get(entry.computed() + i), new Object(), scope));
            }
            pool.computed(entry, count);
        }

        int held() {
            return held(sequences.keySet());
        }

        int held(Set<Integer> ids) {
            Set<Cell> cells = new HashSet<>();
            ids.forEach(id -> cells.addAll(of(id)));
            return cells.size();
        }
    }

    private final Cells cells = new Cells();
    private final KvPool pool = new KvPool(6, CELLS, true, 3, cells);

    private static TokenList text(int from, int count) {
        return new TokenList(IntStream.range(from, from + count).toArray());
    }

    private KvPool.Entry computed(TokenList text) {
        KvPool.Entry entry = pool.open(text, SCOPE);
        cells.compute(pool, entry, SCOPE, text.size() - entry.computed());
        return entry;
    }

    @Property(tries = 300)
    void countsAreThoseOfTheCells(@ForAll long seed, @ForAll @IntRange(max = 3) int most, @ForAll boolean copies) {
        Random random = new Random(seed);
        Cells memory = new Cells();
        memory.copies = copies;
        for (int i = random.nextInt(3); i > 0; i--) {
            memory.stored.add(text(0, 20 + random.nextInt(80)));
        }
        KvPool pool = new KvPool(3 + most, CELLS, true, most, memory);
        List<KvPool.Entry> used = new ArrayList<>();
        Map<KvPool.Entry, Object> scopes = new HashMap<>();
        for (int i = 0; i < 120; i++) {
            int action = random.nextInt(6);
            if (action == 0 && used.size() < 3) {
                TokenList text = text(0, 1 + random.nextInt(60)); // a prefix of all others so far, then different tokens
                for (int n = random.nextInt(20); n > 0; n--) {
                    text.add(1000 + random.nextInt(3));
                }
                Object scope = "scope " + random.nextInt(2);
                int cost = pool.cost(text, scope);
                int idle = pool.idleCells();
                int reusable = pool.reusable(text, scope);
                int reserved = random.nextInt(20);
                long room = random.nextInt(pool.idleCells() + 1);
                KvPool.Entry restored = pool.restore(text, scope, room, reserved);
                if (restored != null) {
                    scopes.put(restored, scope);
                    used.add(restored);
                    assertThat(restored.computed()).isBetween(reusable + KvPool.LEAST_RESTORED, text.size() - 1);
                    assertThat(room).isGreaterThanOrEqualTo(text.size());
                    assertThat(idle - pool.idleCells()).isEqualTo(restored.computed());
                    assertThat(pool.freeCells()).isGreaterThanOrEqualTo(reserved);
                    continue;
                }
                cost = pool.cost(text, scope); // kept ones may have gone
                reusable = pool.reusable(text, scope);
                KvPool.Entry entry = pool.open(text, scope);
                scopes.put(entry, scope);
                assertThat(entry.computed()).isEqualTo(copies || memory.of(entry.id()).size() > 0 ? reusable : 0).isLessThan(text.size());
                if (copies) {
                    assertThat(idle - pool.idleCells()).isEqualTo(cost - (text.size() - entry.computed()));
                }
                used.add(entry);
            } else if (action <= 3 && !used.isEmpty()) {
                KvPool.Entry entry = used.get(random.nextInt(used.size()));
                int count = random.nextInt(entry.text().size() - entry.computed() + 1);
                if (pool.makeRoom(count)) {
                    memory.compute(pool, entry, scopes.get(entry), count);
                } else {
                    assertThat(pool.kept()).isZero();
                    assertThat(pool.idleCells()).isEqualTo(pool.freeCells());
                }
            } else if (action == 4 && !used.isEmpty()) {
                pool.keep(used.remove(random.nextInt(used.size())));
            } else if (action == 5 && !used.isEmpty() && random.nextInt(3) == 0) {
                pool.discard(used.remove(random.nextInt(used.size())));
            }
            assertThat(pool.freeCells()).isEqualTo(CELLS - memory.held());
            Set<Integer> ids = new HashSet<>();
            for (KvPool.Entry entry : used) {
                assertThat(ids.add(entry.id())).isTrue();
                assertThat(memory.of(entry.id())).allMatch(cell -> cell.scope().equals(scopes.get(entry)));
                assertThat(memory.of(entry.id()).stream().map(Cell::token).toList())
                        .isEqualTo(IntStream.range(0, entry.computed()).map(entry.text()::get).boxed().toList());
            }
            assertThat(pool.idleCells()).isEqualTo(CELLS - memory.held(ids));
            assertThat(pool.kept()).isLessThanOrEqualTo(most);
        }
        used.forEach(pool::discard);
        pool.dropKept();
        assertThat(pool.freeCells()).isEqualTo(CELLS);
        assertThat(memory.held()).isZero();
    }

    @Example
    void theLongestPrefixIsShared() {
        computed(text(0, 20));
        computed(text(0, 40));
        TokenList next = text(0, 30);
        next.add(7);
        assertThat(pool.cost(next, SCOPE)).isEqualTo(1);
        KvPool.Entry entry = pool.open(next, SCOPE);

        assertThat(entry.computed()).isEqualTo(30);
        assertThat(pool.freeCells()).isEqualTo(CELLS - 40);
    }

    @Example
    void whatIsStoredIsRestoredWhereItIsMuchMore() {
        cells.stored.add(text(0, 100));
        computed(text(0, 40));
        TokenList next = text(0, 40 + KvPool.LEAST_RESTORED);
        assertThat(pool.restore(next, SCOPE, CELLS, 0)).as("less its last token").isNull();
        next.add(7);
        assertThat(pool.restore(next, SCOPE, next.size() - 1, 0)).as("its rest needs cells, too").isNull();
        assertThat(pool.restore(next, SCOPE, 99, 0)).as("all that is stored needs cells for a moment").isNull();
        assertThat(pool.restore(next, SCOPE, CELLS, 61)).as("cells are to be left").isNull();
        assertThat(cells.calls).isEmpty();
        assertThat(pool.freeCells()).isEqualTo(CELLS - 40);
        KvPool.Entry entry = pool.restore(next, SCOPE, CELLS, 60);

        assertThat(entry.computed()).isEqualTo(40 + KvPool.LEAST_RESTORED);
        assertThat(pool.freeCells()).isEqualTo(CELLS - 80 - KvPool.LEAST_RESTORED);
        pool.discard(entry);
        assertThat(pool.freeCells()).isEqualTo(CELLS - 40);
    }

    @Example
    void keptSequencesMakeRoomForWhatIsStored() {
        cells.stored.add(text(0, 150));
        pool.keep(computed(text(500, 90)));
        KvPool.Entry entry = pool.restore(text(0, 200), SCOPE, CELLS, 0);

        assertThat(entry.computed()).isEqualTo(150);
        assertThat(pool.kept()).isZero();
        assertThat(pool.freeCells()).isEqualTo(CELLS - 150);
    }

    @Example
    void theLastTokenIsComputedInAnyCase() {
        computed(text(0, 20));

        assertThat(pool.open(text(0, 20), SCOPE).computed()).isEqualTo(19);
    }

    @Example
    void aFewTokensAreNotShared() {
        computed(text(0, KvPool.LEAST_SHARED - 1));
        TokenList longer = text(0, 20);

        assertThat(pool.open(longer, SCOPE).computed()).isZero();
        assertThat(cells.calls).isEmpty();
    }

    @Example
    void textsOfOtherScopesShareNothing() {
        KvPool.Entry first = computed(text(0, 20));
        KvPool.Entry kept = computed(text(0, 40));
        pool.keep(kept);

        assertThat(pool.reusable(text(0, 50), "other")).isZero();
        assertThat(pool.leader(text(0, 50), "other")).isNull();
        assertThat(pool.cost(text(0, 50), "other")).isEqualTo(50);
        assertThat(pool.open(text(0, 50), "other").computed()).isZero();
        assertThat(pool.leader(text(0, 50), SCOPE)).isSameAs(first);
        assertThat(pool.reusable(text(0, 50), SCOPE)).isEqualTo(40);
    }

    @Example
    void aKeptTextThatGoesOnIsTakenOverWithoutACopy() {
        KvPool.Entry first = computed(text(0, 20));
        pool.keep(first);
        assertThat(pool.idleCells()).isEqualTo(CELLS);
        KvPool.Entry next = pool.open(text(0, 30), SCOPE);

        assertThat(next.id()).isEqualTo(first.id());
        assertThat(next.computed()).isEqualTo(20);
        assertThat(pool.kept()).isZero();
        assertThat(pool.idleCells()).isEqualTo(CELLS - 20);
        assertThat(cells.calls).isEmpty();
    }

    @Example
    void theLeastRecentlyUsedIsForgottenFirst() {
        KvPool.Entry old = computed(text(0, 20));
        pool.keep(old);
        pool.keep(computed(text(100, 20)));
        pool.keep(computed(text(200, 20)));
        TokenList again = text(0, 10);
        again.add(9);
        pool.discard(pool.open(again, SCOPE)); // the oldest has been of use
        pool.keep(computed(text(300, 20)));

        assertThat(pool.kept()).isEqualTo(3);
        assertThat(pool.reusable(text(0, 30), SCOPE)).isEqualTo(20);
        assertThat(pool.reusable(text(100, 30), SCOPE)).isZero();
        assertThat(pool.makeRoom(CELLS - 40)).isTrue();
        assertThat(pool.reusable(text(200, 30), SCOPE)).isZero();
        assertThat(pool.kept()).isEqualTo(2);
    }

    @Example
    void whatOthersShareIsNotFree() {
        KvPool.Entry first = computed(text(0, 50));
        TokenList branch = text(0, 40);
        branch.add(9);
        pool.open(branch, SCOPE);
        pool.discard(first);

        assertThat(pool.freeCells()).isEqualTo(CELLS - 40);
        assertThat(pool.makeRoom(CELLS)).isFalse();
    }

    @Example
    void aMemoryThatCannotCopyGivesAnEmptySequence() {
        cells.copies = false;
        computed(text(0, 20));
        KvPool.Entry entry = pool.open(text(0, 30), SCOPE);

        assertThat(entry.computed()).isZero();
        assertThat(pool.freeCells()).isEqualTo(CELLS - 20);
    }

    @Example
    void theLeaderIsTheOneThatWillShareMost() {
        KvPool.Entry shorter = computed(text(0, 20));
        KvPool.Entry longer = pool.open(text(0, 60), SCOPE);

        assertThat(longer.computed()).isEqualTo(20);
        assertThat(pool.leader(text(0, 50), SCOPE)).isSameAs(longer);
        assertThat(pool.leader(text(0, 15), SCOPE)).isSameAs(shorter);
        assertThat(pool.leader(text(500, 50), SCOPE)).isNull();
        pool.keep(longer);
        assertThat(pool.leader(text(0, 50), SCOPE)).isSameAs(shorter);
    }

    @Example
    void statesTakeNoCells() {
        KvPool states = new KvPool(4, 16, false, 2, cells);
        KvPool.Entry entry = states.open(text(0, 1000), SCOPE);
        states.computed(entry, 900);

        assertThat(states.freeCells()).isEqualTo(Integer.MAX_VALUE);
        assertThat(states.cost(text(0, 500), SCOPE)).isZero();
        assertThat(states.makeRoom(100_000)).isTrue();
        states.keep(entry);
        assertThat(states.open(text(0, 1000), SCOPE).computed()).isEqualTo(900);
    }
}
