package dev.chasqui;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.IntPredicate;
import org.jspecify.annotations.Nullable;

/// The sequences of an engine's context: which are in use, which are kept for the prefix of a later text, and how many cells of the KV cache
/// all of them hold. Texts of one scope that begin alike share cells; a cell is free when nobody holds it.
///
/// A scope is whatever else decides what cells hold, such as adapters: texts of different ones have nothing in common. Knows scopes, tokens and numbers alone: what happens to the memory behind them is a [Memory]'s.
final class KvPool {

    /// A shorter prefix is computed again: nearly every text shares its first tokens with others.
    static final int LEAST_SHARED = 8;

    /// A stored beginning takes cells of its own, so it must have at least so many tokens more than one whose cells can be shared.
    static final int LEAST_RESTORED = 32;

    /// The KV cache as the pool changes it.
    interface Memory {

        /// Makes an empty sequence the first `length` tokens of another one. False, with `to` still empty, where the memory cannot.
        boolean copy(int from, int to, int length);

        /// Makes an empty sequence the beginning of a text, without its last token, from what was stored of earlier texts of the scope, if that is
        /// more than `beyond` tokens. Never fails.
        ///
        /// @param room told how many cells that takes for a moment, before they are taken; false = it must not
        /// @return tokens that the sequence holds now, 0 = it is still empty
        int restore(int to, TokenList text, Object scope, int beyond, IntPredicate room);

        /// Empties a sequence.
        void clear(int sequence);
    }

    /// A sequence of the context. It holds the first [#computed()] tokens of its text.
    final class Entry {

        private final int id;
        private final TokenList text;
        private final Object scope;
        private int computed;
        private int[] cells = new int[64];

        private Entry(int id, TokenList text, Object scope) {
            this.id = id;
            this.text = text;
            this.scope = scope;
        }

        int id() {
            return id;
        }

        TokenList text() {
            return text;
        }

        int computed() {
            return computed;
        }

        private int common(TokenList other, int limit, Object otherScope) {
            return scope.equals(otherScope) ? text.commonPrefix(other, limit) : 0;
        }
    }

    private final Memory memory;
    private final boolean counted;
    private final int most;
    private final int[] ids;
    private int freeIds;
    private final List<Entry> used = new ArrayList<>();
    /// The least recently used first.
    private final List<Entry> kept = new ArrayList<>();

    /// By cell: how many entries hold it, and how many of those in use.
    private final int[] holders;
    private final int[] users;
    private final int[] free;
    private int freeCells;
    private int idleCells;

    /// @param sequences ids that the context has
    /// @param cells     of its KV cache
    /// @param counted   false where sequences take no cells, but a state of fixed size each
    /// @param most      sequences kept after their use; the rest of `sequences` can be in use at once
    KvPool(int sequences, int cells, boolean counted, int most, Memory memory) {
        this.memory = memory;
        this.counted = counted;
        this.most = most;
        this.ids = new int[sequences];
        for (int id = sequences - 1; id >= 0; id--) {
            ids[freeIds++] = id;
        }
        int n = counted ? cells : 0;
        this.holders = new int[n];
        this.users = new int[n];
        this.free = new int[n];
        for (int cell = n - 1; cell >= 0; cell--) {
            free[freeCells++] = cell;
        }
        this.idleCells = n;
    }

    /// Cells that nobody holds; without end where cells are not counted.
    int freeCells() {
        return counted ? freeCells : Integer.MAX_VALUE;
    }

    /// Cells that no sequence in use holds: those that [#makeRoom] can free.
    int idleCells() {
        return counted ? idleCells : Integer.MAX_VALUE;
    }

    /// Sequences kept after their use.
    int kept() {
        return kept.size();
    }

    /// How many idle cells a text needs until all of it is computed.
    int cost(TokenList text, Object scope) {
        if (!counted) {
            return 0;
        }
        Entry donor = donor(text, scope);
        int shared = donor == null ? 0 : shared(donor, text);
        int inUse = 0;
        for (int i = 0; i < shared; i++) {
            inUse += users[donor.cells[i]] > 0 ? 1 : 0;
        }
        return text.size() - inUse;
    }

    /// A sequence for a text, with as much of its beginning as others have computed, but for the last token.
    Entry open(TokenList text, Object scope) {
        Entry donor = donor(text, scope);
        int shared = donor == null ? 0 : shared(donor, text);
        Entry entry;
        if (donor != null && shared == donor.computed && kept.remove(donor)) {
            entry = new Entry(donor.id, text, scope);
            entry.cells = donor.cells;
            entry.computed = shared;
            count(entry, users, 1);
        } else {
            entry = new Entry(ids[--freeIds], text, scope);
            if (donor != null && memory.copy(donor.id, entry.id, shared)) {
                entry.cells = Arrays.copyOf(donor.cells, Math.max(64, shared));
                entry.computed = shared;
                count(entry, holders, 1);
                count(entry, users, 1);
                touch(donor);
            }
        }
        used.add(entry);
        return entry;
    }

    /// A sequence for a text, with as much of its beginning as was stored outside of the KV cache; null if that is not much more than [#open] would
    /// share, or there is no room.
    ///
    /// @param most     cells for the text, its rest included, and for what is restored
    /// @param reserved free cells that are to be left
    @Nullable Entry restore(TokenList text, Object scope, long most, int reserved) {
        int beyond = reusable(text, scope) + LEAST_RESTORED - 1;
        if (text.size() - 1 <= beyond || text.size() > most) {
            return null;
        }
        Entry entry = new Entry(ids[--freeIds], text, scope);
        int restored = memory.restore(entry.id, text, scope, beyond, needed -> needed <= most && makeRoom(reserved + needed));
        if (restored == 0) {
            ids[freeIds++] = entry.id;
            return null;
        }
        used.add(entry);
        computed(entry, restored);
        return entry;
    }

    /// The sequence in use whose whole text, computed or not, shares the longest prefix with another one; null if none shares enough.
    @Nullable Entry leader(TokenList text, Object scope) {
        Entry best = null;
        int longest = LEAST_SHARED - 1;
        for (int i = 0; i < used.size(); i++) {
            int common = used.get(i).common(text, text.size() - 1, scope);
            if (common > longest) {
                longest = common;
                best = used.get(i);
            }
        }
        return best;
    }

    /// Tokens at the beginning of a text that [#open] would not have to compute.
    int reusable(TokenList text, Object scope) {
        Entry donor = donor(text, scope);
        return donor == null ? 0 : shared(donor, text);
    }

    /// Notes that `count` more tokens of the entry's text are in the KV cache. There must be as many free cells.
    void computed(Entry entry, int count) {
        if (counted) {
            int end = entry.computed + count;
            if (end > entry.cells.length) {
                entry.cells = Arrays.copyOf(entry.cells, Math.max(end, entry.cells.length * 2));
            }
            for (int i = entry.computed; i < end; i++) {
                int cell = free[--freeCells];
                entry.cells[i] = cell;
                holders[cell] = 1;
                users[cell] = 1;
                idleCells--;
            }
        }
        entry.computed += count;
    }

    /// Ends the use of an entry and keeps it for later texts, for as long as there is room.
    void keep(Entry entry) {
        if (most == 0 || entry.computed < LEAST_SHARED) {
            discard(entry);
            return;
        }
        end(entry);
        kept.add(entry);
        if (kept.size() > most) {
            drop(kept.removeFirst());
        }
    }

    /// Ends the use of an entry and forgets it.
    void discard(Entry entry) {
        end(entry);
        drop(entry);
    }

    /// Forgets kept sequences, the least recently used first, until as many cells are free.
    ///
    /// @return whether they are
    boolean makeRoom(int needed) {
        while (freeCells() < needed && !kept.isEmpty()) {
            drop(kept.removeFirst());
        }
        return freeCells() >= needed;
    }

    /// Forgets all kept sequences.
    ///
    /// @return whether there were any
    boolean dropKept() {
        boolean any = !kept.isEmpty();
        while (!kept.isEmpty()) {
            drop(kept.removeLast());
        }
        return any;
    }

    /// The entry that shares the longest computed prefix with a text, null if none shares enough.
    private @Nullable Entry donor(TokenList text, Object scope) {
        return longest(kept, text, scope, longest(used, text, scope, null));
    }

    private static @Nullable Entry longest(List<Entry> entries, TokenList text, Object scope, @Nullable Entry best) {
        int longest = best == null ? LEAST_SHARED - 1 : best.common(text, best.computed, scope);
        for (int i = 0; i < entries.size(); i++) {
            Entry entry = entries.get(i);
            int common = entry.common(text, entry.computed, scope);
            if (common > longest) {
                longest = common;
                best = entry;
            }
        }
        return best;
    }

    /// The last token of a text is computed in any case, for its logits.
    private static int shared(Entry donor, TokenList text) {
        return Math.min(donor.text.commonPrefix(text, donor.computed), text.size() - 1);
    }

    private void touch(Entry donor) {
        if (kept.remove(donor)) {
            kept.add(donor);
        }
    }

    private void end(Entry entry) {
        used.remove(entry);
        count(entry, users, -1);
    }

    private void drop(Entry entry) {
        memory.clear(entry.id);
        count(entry, holders, -1);
        ids[freeIds++] = entry.id;
    }

    /// Adds to a count of the entry's cells, and keeps the sums of those that are zero.
    private void count(Entry entry, int[] counts, int change) {
        if (!counted) {
            return;
        }
        for (int i = 0; i < entry.computed; i++) {
            int cell = entry.cells[i];
            int before = counts[cell];
            counts[cell] = before + change;
            if (counts == users) {
                idleCells += before == 0 ? -1 : before + change == 0 ? 1 : 0;
            } else if (before + change == 0) {
                free[freeCells++] = cell;
            }
        }
    }
}
