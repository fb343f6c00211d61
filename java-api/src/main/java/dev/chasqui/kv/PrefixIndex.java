package dev.chasqui.kv;

import dev.chasqui.ModelInfo;
import dev.chasqui.kv.StoredSequence.Space;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/// Finds the stored sequence that has most in common with a prompt. Sequences are in the order of their elements, a prefix tree laid flat:
/// what has the longest common prefix with a prompt is next to it, and what is farther away has never more in common.
final class PrefixIndex {

    /// Of sequences that are equally long in common, so many are looked at for the one that is restored fastest.
    private static final int TIES = 32;

    private final Map<Space, NavigableMap<PromptKey, StoredSequence>> spaces = new HashMap<>();

    /// Which prefixes of a stored sequence a model can go on from.
    ///
    /// @param anywhere whether from any: it has a cell for each token
    /// @param window   tokens that it sees, where older ones are forgotten; shorter sequences are whole
    /// @param state    whether it has a state instead of cells, of which not even the last token can be taken back
    record Cut(boolean anywhere, int window, boolean state) {

        static Cut of(ModelInfo facts) {
            boolean state = facts.recurrent() || facts.hybrid();
            return new Cut(!state && facts.slidingWindow() == 0, facts.slidingWindow(), state);
        }

        boolean cuts(StoredSequence stored) {
            return anywhere || !state && stored.length() <= window;
        }

        /// How much of the stored sequence a prompt can use that has `common` elements in common with it.
        int usable(StoredSequence stored, PromptKey prompt, int common) {
            int whole = prompt.wholeChunks(common);
            if (cuts(stored)) {
                return whole;
            }
            boolean lastTokenAgain = common == prompt.length() && !stored.logits;
            return whole == stored.length() && !(state && lastTokenAgain) ? whole : 0;
        }
    }

    /// @param stored null if nothing is worth restoring
    /// @param usable elements of it
    /// @param branch most elements that any stored sequence has in common with the prompt
    record Match(@Nullable StoredSequence stored, int usable, int branch) { }

    @Nullable StoredSequence get(Space space, PromptKey key) {
        NavigableMap<PromptKey, StoredSequence> map = spaces.get(space);
        return map == null ? null : map.get(key);
    }

    void add(StoredSequence stored) {
        spaces.computeIfAbsent(stored.space, _ -> new TreeMap<>()).put(stored.key, stored);
    }

    void remove(StoredSequence stored) {
        NavigableMap<PromptKey, StoredSequence> map = spaces.get(stored.space);
        if (map != null && map.remove(stored.key, stored) && map.isEmpty()) {
            spaces.remove(stored.space);
        }
    }

    void forEach(Consumer<StoredSequence> action) {
        spaces.values().forEach(map -> map.values().forEach(action));
    }

    /// The best stored sequence for a prompt of which `own` elements are there already.
    Match best(Space space, PromptKey prompt, int own, Cut cut, Set<StoredSequence> except) {
        NavigableMap<PromptKey, StoredSequence> map = spaces.get(space);
        if (map == null) {
            return new Match(null, 0, 0);
        }
        StoredSequence best = null;
        int usable = own;
        int ties = 0;
        var below = new Walk(prompt, map.floorEntry(prompt));
        var above = new Walk(prompt, map.higherEntry(prompt));
        int branch = Math.max(below.common, above.common);
        while (ties < TIES) {
            Walk next = below.common >= above.common ? below : above;
            if (next.stored == null || next.common <= own || next.common < usable) {
                break;
            }
            StoredSequence stored = next.stored;
            int part = cut.usable(stored, prompt, next.common);
            if (part > own && part >= usable && !except.contains(stored) && isWorth(stored, part - own)
                    && (best == null || part > usable || isFaster(stored, best))) {
                best = stored;
                usable = part;
            }
            ties += best == null ? 0 : 1;
            next.to(next == below ? map.lowerEntry(stored.key) : map.higherEntry(stored.key));
        }
        return new Match(best, usable, Math.max(0, branch));
    }

    /// The sequence itself, or one that begins with it and is not much longer; null if there is none.
    @Nullable StoredSequence covering(Space space, PromptKey key, Cut cut) {
        NavigableMap<PromptKey, StoredSequence> map = spaces.get(space);
        var next = map == null ? null : map.ceilingEntry(key);
        for (int i = 0; i < TIES && next != null && key.commonPrefix(next.getKey()) == key.length(); i++) {
            StoredSequence stored = next.getValue();
            if (stored.length() == key.length() || cut.cuts(stored) && isNearlyAsLong(key.length(), stored.length())) {
                return stored;
            }
            next = map.higherEntry(next.getKey());
        }
        return null;
    }

    /// Sequences that the new one begins with and that are not much shorter: whoever wants them can cut the new one.
    List<StoredSequence> covered(StoredSequence by, Cut cut) {
        List<StoredSequence> covered = new ArrayList<>();
        NavigableMap<PromptKey, StoredSequence> map = spaces.get(by.space);
        var next = map == null || !cut.cuts(by) ? null : map.lowerEntry(by.key);
        while (next != null) {
            StoredSequence stored = next.getValue();
            int common = by.key.commonPrefix(stored.key);
            if (!isNearlyAsLong(common, by.length())) {
                break;
            }
            if (common == stored.length()) {
                covered.add(stored);
                next = map.lowerEntry(stored.key);
            } else {
                next = map.floorEntry(by.key.prefix(common));
            }
        }
        return covered;
    }

    /// A conversation that grows leaves a sequence at each doubling, so that its beginning can be had without reading all of it.
    private static boolean isNearlyAsLong(int length, int longer) {
        return length * 2L >= longer;
    }

    /// Restoring takes the time of computing about a thousandth of the tokens from memory, a hundredth from a disk.
    private static boolean isWorth(StoredSequence stored, int gain) {
        return gain * (stored.memory != null ? 500L : 50L) >= stored.length();
    }

    private static boolean isFaster(StoredSequence a, StoredSequence b) {
        boolean inMemory = a.memory != null;
        return inMemory == (b.memory != null) ? a.bytes < b.bytes : inMemory;
    }

    /// A place in the order, and what is there in common with the prompt.
    private static final class Walk {

        private final PromptKey prompt;
        private @Nullable StoredSequence stored;
        private int common;

        Walk(PromptKey prompt, Map.@Nullable Entry<PromptKey, StoredSequence> entry) {
            this.prompt = prompt;
            to(entry);
        }

        void to(Map.@Nullable Entry<PromptKey, StoredSequence> entry) {
            stored = entry == null ? null : entry.getValue();
            common = stored == null ? -1 : prompt.commonPrefix(stored.key);
        }
    }
}
