package dev.chasqui;

import static dev.chasqui.bindings.Chq.*;

import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Deque;
import java.util.Iterator;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// Copies of sequences that a context keeps: in cells that nobody needs, where they take no memory of their own, or, if the KV cache is on a GPU, in
/// other memory of that device, where they take no cells. All of it inside `enter()` and `exit()`.
final class KeptSequences {

    private final Context context;
    private final int limit;
    /// Whether a copy that is longer than what is wanted of it can be cut.
    private final boolean cuttable;
    private boolean onDevice;
    /// The one used longest ago first.
    private final Deque<Copy> copies = new ArrayDeque<>();

    KeptSequences(Context context, int limit, boolean cuttable) {
        this.context = context;
        this.limit = limit;
        this.cuttable = cuttable;
    }

    /// @param id     of the sequence in the context, or of the slot on the device
    /// @param tokens that the KV cache holds of it
    /// @param cells  see [Sequence]; none on the device
    record Copy(int id, int[] tokens, int[] cells) { }

    /// From now on in other memory of the device.
    void onDevice() {
        onDevice = true;
    }


    boolean keep(MemorySegment address, int id, int[] tokens, int[] cells) {
        if (limit == 0 || tokens.length == 0) {
            return false;
        }
        for (Iterator<Copy> i = copies.iterator(); i.hasNext(); ) {
            Copy copy = i.next();
            int common = Arrays.mismatch(copy.tokens, tokens);
            if (common < 0 || common == tokens.length && cuttable) {
                i.remove();
                copies.addLast(copy);
                return true;
            }
            if (common == copy.tokens.length && cuttable) {
                i.remove();
                drop(address, copy);
            }
        }
        if (copies.size() == limit) {
            drop(address, copies.removeFirst());
        }
        int copyId = context.takeSpareId();
        try {
            Status.check(onDevice ? chq_seq_hold(address, id, copyId) : chq_seq_copy(address, id, copyId));
        } catch (Throwable e) {
            context.returnSpareId(copyId);
            if (onDevice && e instanceof InsufficientMemoryException) {
                return false;
            }
            throw e;
        }
        copies.addLast(new Copy(copyId, tokens, onDevice ? new int[0] : Arrays.copyOf(cells, tokens.length)));
        return true;
    }

    /// Puts a copy in the place of what a sequence holds. False, with nothing changed, if there is not room enough.
    boolean take(MemorySegment address, Copy copy, int id) {
        int status = onDevice ? chq_seq_take(address, copy.id, id) : chq_seq_copy(address, copy.id, id);
        if (onDevice && status == CHQ_STATUS_CONTEXT_FULL()) {
            return false;
        }
        Status.check(status);
        return true;
    }

    /// The copy that has more than `atLeast` tokens in common with the prompt, and most of all, if there is one.
    @Nullable Copy longest(int[] prompt, int atLeast) {
        Copy best = null;
        int most = atLeast;
        for (Copy copy : copies) {
            int mismatch = Arrays.mismatch(copy.tokens, prompt);
            int common = mismatch < 0 ? prompt.length : mismatch;
            if (common > most && (cuttable || common == copy.tokens.length)) {
                best = copy;
                most = common;
            }
        }
        if (best != null) {
            copies.remove(best);
            copies.addLast(best);
        }
        return best;
    }

    /// Gives up the copy used longest ago, to have its cells. False if there is none.
    boolean dropOne(MemorySegment address) {
        Copy oldest = onDevice ? null : copies.pollFirst();
        if (oldest != null) {
            drop(address, oldest);
        }
        return oldest != null;
    }

    /// Gives up all of them.
    void clear(MemorySegment address) {
        while (!copies.isEmpty()) {
            drop(address, copies.removeFirst());
        }
    }

    private void drop(MemorySegment address, Copy copy) {
        if (!onDevice) {
            Status.check(chq_seq_remove(address, copy.id, 0, -1));
        }
        context.returnSpareId(copy.id);
    }

    int limit() {
        return limit;
    }

    /// Whether no cell is taken.
    boolean isEmpty() {
        return onDevice || copies.isEmpty();
    }

    /// Adds the numbers of the cells in use.
    void collectCells(Set<Integer> used) {
        for (Copy copy : copies) {
            for (int cell : copy.cells) {
                used.add(cell);
            }
        }
    }
}
