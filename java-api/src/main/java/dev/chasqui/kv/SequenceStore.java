package dev.chasqui.kv;

import dev.chasqui.ContextFullException;
import dev.chasqui.DecodeException;
import dev.chasqui.InsufficientMemoryException;
import dev.chasqui.Prompt;
import dev.chasqui.SavedSequence;
import dev.chasqui.Sequence;
import dev.chasqui.StateMismatchException;
import dev.chasqui.UnsupportedFeatureException;
import dev.chasqui.kv.PrefixIndex.Cut;
import dev.chasqui.kv.PrefixIndex.Match;
import dev.chasqui.kv.StoredSequence.Space;
import java.io.IOException;
import java.nio.file.NoSuchFileException;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.IntPredicate;
import org.jspecify.annotations.Nullable;

/// Keeps what was computed for texts, in memory and in files, so that a prompt which begins as one of them is not computed again. Lossless:
/// what is restored is what was saved, bit for bit, and it is used only where all tokens before it are the same, in contexts of the same
/// model, build and kind of cache.
///
/// {@snippet class="snippets.ModelSnippets" region="sequence-store"}
///
/// A context with a store ([dev.chasqui.ContextOptions#withStore]) uses it by itself: a prompt takes over the longest stored prefix, and
/// what a generation leaves is stored. [#prepare] and [#park] are these two halves, for programs that drive sequences themselves; [#tryPrepare] and [#tryPark]
/// are the same for threads that must not wait, as that of an [dev.chasqui.Engine].
///
/// Memory and files have a budget each; what was used longest ago goes first. Files are written by a thread of the store's own, one at a
/// time; they are checked before they are used, survive the end of the process however it comes, and may be shared by any number of
/// processes. What goes wrong with files never fails a call here: it is in [#stats()] and in the log, and the store goes on with what it
/// has.
///
/// Thread-safe. A closed store finds nothing and takes nothing in, so that contexts may outlive it.
public final class SequenceStore implements AutoCloseable {

    private static final System.Logger LOG = System.getLogger("dev.chasqui.kv");
    /// Files are marked as used not more often than this.
    private static final long TOUCH_MILLIS = 10_000;

    private final SequenceStoreOptions options;
    private final @Nullable StoreFolder folder;
    private final @Nullable Thread writer;

    /// Held while memory is taken, so that the budget is exceeded by one sequence at most. Never taken inside `lock`.
    private final ReentrantLock admission = new ReentrantLock(true);
    private final ReentrantLock lock = new ReentrantLock();
    /// Something was written, or is not used any more.
    private final Condition progress = lock.newCondition();
    private final Condition work = lock.newCondition();

    // ---- guarded by `lock` ----
    private final PrefixIndex index = new PrefixIndex();
    private final Map<String, StoredSequence> byName = new HashMap<>();
    private final Deque<StoredSequence> queue = new ArrayDeque<>();
    private final Map<Space, Double> secondsPerToken = new HashMap<>();
    private long ramBytes;
    private long clock;
    private boolean writing;
    private boolean closed;
    private long lookups;
    private long hits;
    private long tokensReused;
    private double secondsSaved;
    private long parked;
    private long ramEvictions;
    private long diskEvictions;
    private long writes;
    private long writeFailures;
    private long damaged;
    private @Nullable String lastFailure;

    private SequenceStore(SequenceStoreOptions options, @Nullable StoreFolder folder) {
        this.options = options;
        this.folder = folder;
        this.clock = System.currentTimeMillis();
        this.writer = folder == null ? null : Thread.ofPlatform().daemon().name("chasqui-sequence-store").unstarted(this::writeBehind);
    }

    /// Opens a store, with what its folder holds.
    ///
    /// @throws SequenceStoreException if there can be no such folder
    public static SequenceStore open(SequenceStoreOptions options) {
        StoreFolder folder = options.folder() == null ? null : StoreFolder.open(options.folder(), options.diskBytes());
        SequenceStore store = new SequenceStore(options, folder);
        store.look();
        if (store.writer != null) {
            store.writer.start();
        }
        return store;
    }

    /// Where what is reused was.
    public enum Tier {
        /// There was nothing.
        NONE,
        /// In the KV cache: in the sequence itself or in a copy that its context keeps.
        LIVE,
        RAM,
        DISK
    }

    /// What is taken over.
    ///
    /// @param beyond more tokens than so many, or nothing
    /// @param room   whether there are as many cells
    /// @param waits  whether to wait for memory that others use
    private record Terms(int beyond, IntPredicate room, boolean waits) {

        static final Terms ANYTHING = new Terms(0, _ -> true, true);
    }

    /// What a prompt need not compute.
    ///
    /// @param tokens    that the KV cache holds now, from the first one on
    /// @param tier      where they were
    /// @param timeSaved estimate of what they would have taken, beyond those that the sequence had itself, less what restoring took; zero if the
    ///                  speed of prompts is not known
    /// @param branch    most tokens that the prompt has in common with anything stored. It is more than `tokens` for models that can use a stored
    ///                  sequence only as a whole: whoever computes up to there and parks that spares it the next prompt that begins alike
    public record Reuse(int tokens, Tier tier, Duration timeSaved, int branch) { }

    /// A sequence that stays in memory until this is closed, or the store is.
    public final class Pin implements AutoCloseable {

        private @Nullable StoredSequence stored;

        private Pin(StoredSequence stored) {
            this.stored = stored;
        }

        /// Idempotent.
        @Override
        public void close() {
            lock.lock();
            try {
                if (stored != null) {
                    stored.pins--;
                    stored = null;
                    evict(null, false);
                    progress.signalAll();
                }
            } finally {
                lock.unlock();
            }
        }
    }

    /// Makes a sequence hold the longest prefix of a prompt that is there without computing: in the sequence, in copies that its context
    /// keeps, or here. Called by the thread that uses the sequence's context.
    public Reuse prepare(Sequence sequence, int... prompt) {
        return prepare(sequence, PromptKey.of(prompt));
    }

    /// As [#prepare(Sequence, int...)], with pictures.
    public Reuse prepare(Sequence sequence, Prompt prompt) {
        return prepare(sequence, prompt.key(), sequence.recall(prompt), Terms.ANYTHING);
    }

    /// As [#prepare(Sequence, int...)], for a thread that others wait for: it waits neither for files that are written nor for memory that other threads
    /// use, and takes over nothing where it would have to. A file may be read.
    ///
    /// @param beyond nothing is restored that is not more tokens than so many
    /// @param room   is told, before anything is restored, how many cells of the KV cache that takes for a moment; false if there are not as many
    public Reuse tryPrepare(Sequence sequence, int beyond, IntPredicate room, int... prompt) {
        return prepare(sequence, PromptKey.of(prompt), sequence.recall(prompt), new Terms(beyond, Objects.requireNonNull(room, "room"), false));
    }

    /// As [#prepare(Sequence, int...)]. What the sequence holds itself counts only if the prompt is made of tokens alone.
    public Reuse prepare(Sequence sequence, PromptKey prompt) {
        int[] tokens = prompt.tokens();
        if (tokens != null && prompt.scope().isEmpty()) {
            return prepare(sequence, prompt, sequence.recall(tokens), Terms.ANYTHING);
        }
        sequence.rewind(0);
        return prepare(sequence, prompt, 0, Terms.ANYTHING);
    }

    /// @param held elements that the sequence holds itself
    private Reuse prepare(Sequence sequence, PromptKey prompt, int held, Terms terms) {
        int own = held;
        Space space = new Space(sequence.context().stateFit(), prompt.scope());
        Cut cut = Cut.of(sequence.context().model().info());
        Set<StoredSequence> tried = new HashSet<>();
        look();
        int branch = own;
        while (true) {
            long start = System.nanoTime();
            Match match;
            lock.lock();
            try {
                lookups += tried.isEmpty() ? 1 : 0;
                match = closed ? new Match(null, 0, 0) : index.best(space, prompt, Math.max(own, terms.beyond()), cut, tried);
                if (match.stored() != null) {
                    match.stored().lastUse = ++clock;
                }
            } finally {
                lock.unlock();
            }
            branch = Math.max(branch, match.branch());
            StoredSequence stored = match.stored();
            if (stored == null) {
                return new Reuse(own, own > 0 ? Tier.LIVE : Tier.NONE, Duration.ZERO, branch);
            }
            Tier tier = restore(sequence, stored, match.usable(), terms);
            if (tier != Tier.NONE) {
                return hit(stored, match.usable(), own, tier, System.nanoTime() - start, branch);
            }
            own = Math.min(own, sequence.computed());
            tried.add(stored);
        }
    }

    /// Takes in what the KV cache holds of a sequence, which is not changed; the caller may close or change it. If it is here already, or a
    /// sequence that begins with it and is not much longer, that one counts as used. Called by the thread that uses the sequence's context.
    ///
    /// @return whether it is here now
    public boolean park(Sequence sequence) {
        return park(sequence, keyOf(sequence));
    }

    /// As [#park(Sequence)], of a sequence whose positions hold more than tokens.
    ///
    /// @throws IllegalArgumentException if the key is not as long as what the KV cache holds
    public boolean park(Sequence sequence, PromptKey key) {
        return park(sequence, key, true);
    }

    /// As [#park(Sequence)], for a thread that others wait for: it takes the time of copying the sequence and no more. Nothing is taken in where that
    /// would mean to wait, as for memory whose sequences are not written yet; the file is written later, whatever [SequenceStoreOptions#writeBehind()]
    /// says.
    ///
    /// @return whether it is here now
    public boolean tryPark(Sequence sequence) {
        return park(sequence, keyOf(sequence), false);
    }

    private boolean park(Sequence sequence, PromptKey key, boolean waits) {
        checkLength(sequence, key);
        if (!sequence.isExact()) {
            return false;
        }
        if (sequence.length() == sequence.computed()) {
            sequence.keep();
        }
        return key.length() >= options.minTokens() && take(sequence, key, false, waits) != null;
    }

    /// Takes in what the KV cache holds of a sequence and keeps it in memory, e.g. a system prompt that many conversations begin with.
    ///
    /// @throws SequenceStoreException if it would be more than the budget of memory together with what is pinned already, is not there, or is not
    ///                                exact ([Sequence#isExact()])
    public Pin pin(Sequence sequence) {
        return pin(sequence, keyOf(sequence));
    }

    /// As [#pin(Sequence)], of a sequence whose positions hold more than tokens.
    public Pin pin(Sequence sequence, PromptKey key) {
        checkLength(sequence, key);
        if (!sequence.isExact()) {
            throw new SequenceStoreException("a sequence of which sparse attention computed a part cannot be pinned");
        }
        StoredSequence stored = key.length() == 0 ? null : take(sequence, key, true, true);
        if (stored == null) {
            throw new SequenceStoreException("the sequence of " + key.length() + " tokens cannot be pinned: "
                    + (isClosed() ? "the store is closed" : "memory for stored sequences has %,d bytes".formatted(options.ramBytes())));
        }
        return new Pin(stored);
    }

    /// Waits until everything that waits for its file has one, or could not get one.
    public void flush() {
        lock.lock();
        try {
            while (!queue.isEmpty() || writing) {
                progress.awaitUninterruptibly();
            }
        } finally {
            lock.unlock();
        }
    }

    /// Forgets everything that is not pinned or in use, files included.
    public void clear() {
        flush();
        lock.lock();
        try {
            for (StoredSequence stored : List.copyOf(byName.values())) {
                if (stored.pins == 0 && stored.users == 0 && !stored.pending) {
                    dropMemory(stored);
                    dropFile(stored, true);
                }
            }
        } finally {
            lock.unlock();
        }
    }

    public StoreStats stats() {
        lock.lock();
        try {
            int inRam = 0;
            int onDisk = 0;
            long diskBytes = 0;
            for (StoredSequence stored : byName.values()) {
                inRam += stored.memory != null ? 1 : 0;
                onDisk += stored.onDisk ? 1 : 0;
                diskBytes += stored.onDisk ? stored.bytes : 0;
            }
            return new StoreStats(lookups, hits, tokensReused, Duration.ofNanos((long) (secondsSaved * 1e9)), parked, inRam, ramBytes,
                    onDisk, diskBytes, ramEvictions, diskEvictions, writes, writeFailures, damaged, Optional.ofNullable(lastFailure));
        } finally {
            lock.unlock();
        }
    }

    public boolean isClosed() {
        lock.lock();
        try {
            return closed;
        } finally {
            lock.unlock();
        }
    }

    /// Writes what waits for its file, then gives up the memory. Idempotent.
    @Override
    public void close() {
        lock.lock();
        try {
            closed = true;
            work.signalAll();
        } finally {
            lock.unlock();
        }
        joinWriter();
        lock.lock();
        try {
            for (StoredSequence stored : List.copyOf(byName.values())) {
                stored.pending = false;
                dropMemory(stored);
            }
            byName.clear();
            progress.signalAll();
        } finally {
            lock.unlock();
        }
    }

    // ---- looking up ----------------------------------------------------------------------------------------------------

    /// Notes files that other processes, or earlier ones, have written.
    private void look() {
        if (folder == null) {
            return;
        }
        lock.lock();
        try {
            if (closed) {
                return;
            }
            List<String> broken = new ArrayList<>();
            for (StoredSequence found : folder.scan(byName::containsKey, broken)) {
                found.lastUse = Math.min(found.lastUse, clock);
                insert(found);
                if (found.secondsPerToken > 0) {
                    secondsPerToken.putIfAbsent(found.space, found.secondsPerToken);
                }
            }
            for (String reason : broken) {
                damaged++;
                failed(reason);
            }
        } catch (IOException e) {
            failed(folder.path() + " cannot be read: " + e);
        } finally {
            lock.unlock();
        }
    }

    /// Puts the usable part of a stored sequence in the place of what the sequence holds.
    ///
    /// @return where it was; NONE if that was not possible, and the sequence is as it was, or empty
    private Tier restore(Sequence sequence, StoredSequence stored, int usable, Terms terms) {
        SavedSequence memory = use(stored);
        Tier tier = memory == null ? Tier.DISK : Tier.RAM;
        memory = memory == null ? load(stored, terms.waits()) : memory;
        if (memory == null) {
            return Tier.NONE;
        }
        try {
            if (!terms.room().test(stored.length())) { // last of all, since it may cost others their cells
                return Tier.NONE;
            }
            sequence.rewind(0);
            sequence.restore(memory);
            if (sequence.length() > usable) {
                sequence.rewind(usable);
            }
            return sequence.computed() == usable ? tier : Tier.NONE;
        } catch (ContextFullException e) {
            return Tier.NONE;
        } catch (StateMismatchException | DecodeException e) {
            lock.lock();
            try {
                failed(stored.fileName + " could not be restored: " + e.getMessage());
            } finally {
                lock.unlock();
            }
            return Tier.NONE;
        } finally {
            unuse(stored);
        }
    }

    /// The memory of a stored sequence, to be paired with [#unuse]; null if it has none.
    private @Nullable SavedSequence use(StoredSequence stored) {
        lock.lock();
        try {
            if (stored.memory != null) {
                stored.users++;
            }
            return stored.memory;
        } finally {
            lock.unlock();
        }
    }

    private void unuse(StoredSequence stored) {
        boolean touch;
        lock.lock();
        try {
            stored.users--;
            evict(null, false);
            progress.signalAll();
            touch = stored.onDisk && System.currentTimeMillis() - stored.touchedAt > TOUCH_MILLIS;
            stored.touchedAt = touch ? System.currentTimeMillis() : stored.touchedAt;
        } finally {
            lock.unlock();
        }
        if (touch && folder != null) {
            folder.touch(stored);
        }
    }

    /// Reads the file of a stored sequence into memory, to be paired with [#unuse]; null if it cannot be used.
    private @Nullable SavedSequence load(StoredSequence stored, boolean waits) {
        if (folder == null || !enter(waits)) {
            return null;
        }
        try {
            SavedSequence loaded = use(stored); // somebody else may have read it meanwhile
            if (loaded != null) {
                return loaded;
            }
            loaded = folder.load(stored);
            lock.lock();
            try {
                if (closed) {
                    loaded.close();
                    return null;
                }
                StoredSequence current = byName.get(stored.fileName);
                if (current != null && current != stored) { // it was evicted, and is here again
                    loaded.close();
                    return null;
                }
                insert(stored);
                stored.users++;
                hold(stored, loaded);
                evict(stored, waits);
                return loaded;
            } finally {
                lock.unlock();
            }
        } catch (NoSuchFileException e) {
            lost(stored, null); // another process has deleted it
        } catch (StateMismatchException e) {
            folder.delete(stored);
            lost(stored, e.getMessage());
        } catch (IOException | InsufficientMemoryException e) {
            lost(stored, stored.fileName + " cannot be read: " + e);
        } finally {
            admission.unlock();
        }
        return null;
    }

    private void lost(StoredSequence stored, @Nullable String reason) {
        lock.lock();
        try {
            dropFile(stored, false);
            if (reason != null) {
                damaged++;
                failed(reason);
            }
        } finally {
            lock.unlock();
        }
    }

    /// Takes `admission`, to be given back.
    ///
    /// @param waits otherwise false where another thread has it, or memory is exceeded already by what cannot be given up yet
    private boolean enter(boolean waits) {
        if (waits) {
            admission.lock();
            return true;
        }
        if (!admission.tryLock()) {
            return false;
        }
        lock.lock();
        try {
            evict(null, false);
            if (ramBytes <= options.ramBytes()) {
                return true;
            }
        } finally {
            lock.unlock();
        }
        admission.unlock();
        return false;
    }

    private Reuse hit(StoredSequence stored, int usable, int own, Tier tier, long nanos, int branch) {
        lock.lock();
        try {
            double perToken = secondsPerToken.getOrDefault(stored.space, stored.secondsPerToken);
            double saved = Math.max(0, (usable - own) * perToken - nanos / 1e9);
            hits++;
            tokensReused += usable - own;
            secondsSaved += perToken > 0 ? saved : 0;
            return new Reuse(usable, tier, perToken > 0 ? Duration.ofNanos((long) (saved * 1e9)) : Duration.ZERO, branch);
        } finally {
            lock.unlock();
        }
    }

    // ---- taking in -----------------------------------------------------------------------------------------------------

    private static PromptKey keyOf(Sequence sequence) {
        return sequence.key();
    }

    private static void checkLength(Sequence sequence, PromptKey key) {
        if (key.length() != sequence.computed()) {
            throw new IllegalArgumentException(
                    "the key has %d elements, the KV cache holds %d positions".formatted(key.length(), sequence.computed()));
        }
    }

    /// @param pin whether it is to be pinned, which takes the very sequence
    private @Nullable StoredSequence take(Sequence sequence, PromptKey key, boolean pin, boolean waits) {
        Space space = new Space(sequence.context().stateFit(), key.scope());
        Cut cut = Cut.of(sequence.context().model().info());
        StoredSequence there = covering(space, key, cut, pin);
        if (there != null) {
            return there;
        }
        StoredSequence stored;
        if (!enter(waits)) {
            return null;
        }
        try {
            there = covering(space, key, cut, pin);
            if (there != null) {
                return there;
            }
            SavedSequence saved = snapshot(sequence, space, key);
            stored = saved == null ? null : admit(space, key, saved, cut, pin, waits);
            if (stored == null) {
                return null;
            }
        } finally {
            admission.unlock();
        }
        if (waits && !options.writeBehind()) {
            awaitFile(stored);
        }
        lock.lock();
        try {
            return stored.gone() ? null : stored;
        } finally {
            lock.unlock();
        }
    }

    /// What makes it unnecessary to take a sequence in; marks it as used.
    private @Nullable StoredSequence covering(Space space, PromptKey key, Cut cut, boolean pin) {
        lock.lock();
        try {
            StoredSequence there = pin ? index.get(space, key) : index.covering(space, key, cut);
            if (there != null && there.onDisk && folder != null && !folder.has(there)) { // another process has deleted it
                dropFile(there, false);
                there = there.gone() ? null : there;
            }
            if (there == null || pin && (there.memory == null || there.pins == 0 && !fitsPinned(there.bytes))) {
                return null;
            }
            there.lastUse = ++clock;
            there.pins += pin ? 1 : 0;
            enqueue(there);
            return there;
        } finally {
            lock.unlock();
        }
    }

    private @Nullable SavedSequence snapshot(Sequence sequence, Space space, PromptKey key) {
        double speed = sequence.context().prefillSpeed();
        double perToken;
        lock.lock();
        try {
            if (closed) {
                return null;
            }
            perToken = speed > 0 ? 1 / speed : secondsPerToken.getOrDefault(space, 0.0);
            secondsPerToken.put(space, perToken);
        } finally {
            lock.unlock();
        }
        try {
            return sequence.snapshot(new SequenceNote(key, perToken).encode());
        } catch (UnsupportedFeatureException | InsufficientMemoryException e) {
            lock.lock();
            try {
                failed("a sequence could not be saved: " + e.getMessage());
            } finally {
                lock.unlock();
            }
            return null;
        }
    }

    /// Makes a saved sequence part of the store; null if it must not be, and its memory is given up.
    private @Nullable StoredSequence admit(Space space, PromptKey key, SavedSequence saved, Cut cut, boolean pin, boolean waits) {
        lock.lock();
        try {
            if (closed || pin && !fitsPinned(saved.bytes())) {
                saved.close();
                return null;
            }
            StoredSequence stored = index.get(space, key); // then it is on disk only
            if (stored == null) {
                stored = new StoredSequence(space, key, saved.bytes(), saved.logits(), secondsPerToken.getOrDefault(space, 0.0));
                insert(stored);
            }
            parked++;
            stored.lastUse = ++clock;
            stored.pins += pin ? 1 : 0;
            hold(stored, saved);
            for (StoredSequence prefix : index.covered(stored, cut)) {
                supersede(prefix, stored);
            }
            enqueue(stored);
            evict(null, waits);
            return stored;
        } finally {
            lock.unlock();
        }
    }

    /// Gives up a prefix of a new sequence: its memory now, its file when the new one has its own.
    private void supersede(StoredSequence prefix, StoredSequence by) {
        if (prefix.pins > 0 || prefix.users > 0) {
            return;
        }
        by.supersedes.addAll(prefix.supersedes);
        prefix.supersedes.clear();
        if (prefix.pending && queue.remove(prefix)) {
            prefix.pending = false;
        }
        if (prefix.onDisk || prefix.pending) {
            by.supersedes.add(prefix);
        }
        if (!prefix.pending) {
            dropMemory(prefix);
        }
    }

    private boolean fitsPinned(long bytes) {
        long pinned = bytes;
        for (StoredSequence stored : byName.values()) {
            pinned += stored.pins > 0 ? stored.bytes : 0;
        }
        return pinned <= options.ramBytes();
    }

    /// Gives up memory until the budget is kept.
    ///
    /// @param spared not given up
    /// @param wait   for what is being written or used, if nothing else is left
    private void evict(@Nullable StoredSequence spared, boolean wait) {
        while (ramBytes > options.ramBytes()) {
            StoredSequence victim = null;
            boolean busy = false;
            for (StoredSequence stored : byName.values()) {
                busy |= stored != spared && stored.memory != null && (stored.pending || stored.users > 0);
                if (stored != spared && stored.evictable() && (victim == null || goesBefore(stored, victim))) {
                    victim = stored;
                }
            }
            if (victim != null) {
                ramEvictions++;
                dropMemory(victim);
            } else if (wait && busy) {
                progress.awaitUninterruptibly();
            } else {
                return;
            }
        }
    }

    /// What is larger than all memory goes before it drives out everything else.
    private boolean goesBefore(StoredSequence a, StoredSequence b) {
        boolean tooLarge = a.bytes > options.ramBytes();
        return tooLarge == b.bytes > options.ramBytes() ? a.lastUse < b.lastUse : tooLarge;
    }

    private void insert(StoredSequence stored) {
        index.add(stored);
        byName.put(stored.fileName, stored);
    }

    private void hold(StoredSequence stored, SavedSequence memory) {
        stored.memory = memory;
        ramBytes += memory.bytes();
    }

    private void dropMemory(StoredSequence stored) {
        if (stored.memory != null) {
            ramBytes -= stored.memory.bytes();
            stored.memory.close();
            stored.memory = null;
        }
        forgetIfGone(stored);
    }

    private void dropFile(StoredSequence stored, boolean delete) {
        if (delete && stored.onDisk && folder != null) {
            folder.delete(stored);
        }
        stored.onDisk = false;
        forgetIfGone(stored);
    }

    private void forgetIfGone(StoredSequence stored) {
        if (stored.gone() && byName.remove(stored.fileName, stored)) {
            index.remove(stored);
        }
    }

    private void failed(String reason) {
        if (!reason.equals(lastFailure)) {
            LOG.log(System.Logger.Level.WARNING, reason);
        }
        lastFailure = reason;
    }

    // ---- writing -------------------------------------------------------------------------------------------------------

    /// Has a sequence written, unless it is in its file already.
    private void enqueue(StoredSequence stored) {
        if (folder != null && !closed && stored.memory != null && !stored.onDisk && !stored.pending) {
            stored.pending = true;
            queue.add(stored);
            work.signalAll();
        }
    }

    private void awaitFile(StoredSequence stored) {
        lock.lock();
        try {
            while (stored.pending) {
                progress.awaitUninterruptibly();
            }
        } finally {
            lock.unlock();
        }
    }

    private void writeBehind() {
        while (true) {
            StoredSequence next;
            Set<String> spared = new HashSet<>();
            lock.lock();
            try {
                while (queue.isEmpty() && !closed) {
                    work.awaitUninterruptibly();
                }
                next = queue.poll();
                if (next == null) {
                    return;
                }
                writing = true;
                for (StoredSequence stored : byName.values()) {
                    if (stored.pins > 0) {
                        spared.add(stored.fileName);
                    }
                }
            } finally {
                lock.unlock();
            }
            write(next, spared);
        }
    }

    private void write(StoredSequence stored, Set<String> spared) {
        List<String> deleted = List.of();
        String failure = null;
        try {
            deleted = Objects.requireNonNull(folder).write(stored, Objects.requireNonNull(stored.memory), spared);
        } catch (IOException | RuntimeException e) {
            failure = stored.fileName + " cannot be written to " + Objects.requireNonNull(folder).path() + ": " + e;
        }
        lock.lock();
        try {
            writing = false;
            stored.pending = false;
            stored.touchedAt = System.currentTimeMillis();
            if (failure != null) {
                writeFailures++;
                failed(failure);
            } else {
                writes++;
                stored.onDisk = true;
            }
            for (String name : deleted) {
                StoredSequence gone = byName.get(name);
                diskEvictions++;
                if (gone != null) {
                    dropFile(gone, false);
                }
            }
            for (StoredSequence prefix : stored.supersedes) {
                if (failure == null && prefix.pins == 0 && prefix.users == 0 && !prefix.pending) {
                    dropMemory(prefix);
                    dropFile(prefix, true);
                }
            }
            stored.supersedes.clear();
            evict(null, false);
            progress.signalAll();
        } finally {
            lock.unlock();
        }
    }

    private void joinWriter() {
        boolean interrupted = false;
        while (writer != null && writer.isAlive()) {
            try {
                writer.join();
            } catch (InterruptedException e) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
