package dev.chasqui.tensor;

import static dev.chasqui.bindings.Chq.*;

import dev.chasqui.NativeAbortException;
import dev.chasqui.bindings.chq_tensor_graph_info;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/// A computation of some tensors, the outputs, that can be run again and again: change the numbers of the tensors that it starts from with
/// [Tensor#set(float...)] and compute.
///
/// {@snippet class="snippets.TensorSnippets" region="graph"}
///
/// A graph starts from stored tensors: those with numbers of their own, and the outputs of graphs made earlier, which are taken as they are.
/// Its own outputs become stored when it is made, and hold numbers once it has been computed. They outlive it. Intermediate results are not
/// kept; they share memory, which belongs to the graph.
///
/// Threads as its arena; one at a time.
public final class Graph implements AutoCloseable {

    private final TensorArena arena;
    private final MemorySegment address;
    private final int operations;
    private final int splits;
    private final long byteSize;
    private final AtomicReference<@Nullable Thread> user = new AtomicReference<>();
    private volatile boolean closed;

    Graph(TensorArena arena, Tensor... outputs) {
        this.arena = arena;
        MemorySegment owner = arena.enter();
        try (Arena scratch = Arena.ofConfined()) {
            MemorySegment array = scratch.allocate(ValueLayout.ADDRESS, Math.max(1, outputs.length));
            for (int i = 0; i < outputs.length; i++) {
                if (outputs[i].arena() != arena) {
                    throw new IllegalArgumentException("output " + i + ", " + outputs[i] + ", belongs to another arena");
                }
                array.setAtIndex(ValueLayout.ADDRESS, i, outputs[i].address());
            }
            MemorySegment out = scratch.allocate(ValueLayout.ADDRESS);
            arena.natives().check(chq_tensor_graph_create(owner, array, outputs.length, out));
            this.address = out.get(ValueLayout.ADDRESS, 0);
            MemorySegment info = scratch.allocate(chq_tensor_graph_info.layout());
            arena.natives().check(chq_tensor_graph_get_info(address, info));
            this.operations = chq_tensor_graph_info.n_nodes(info);
            this.splits = chq_tensor_graph_info.n_splits(info);
            this.byteSize = chq_tensor_graph_info.bytes(info);
            arena.natives().drainLog();
        } finally {
            arena.exit();
        }
    }

    /// A graph that computes these tensors, which are results of operations in one arena.
    ///
    /// @throws IllegalArgumentException if they are not, or if it takes more than 16384 operations
    /// @throws dev.chasqui.InsufficientMemoryException if it does not fit
    public static Graph of(Tensor... outputs) {
        if (outputs.length == 0) {
            throw new IllegalArgumentException("a graph has at least one output");
        }
        return new Graph(outputs[0].arena(), outputs);
    }

    /// Computes the outputs.
    ///
    /// @return this
    /// @throws IllegalArgumentException if ids of [Tensor#rows(Tensor)] are out of range; nothing is computed then
    /// @throws IllegalStateException    if the graph is closed, if another graph of the arena is being computed, or if the output of another
    ///                                  graph is needed that has not been computed
    /// @throws dev.chasqui.DecodeException if a device fails
    public Graph compute() {
        arena.enter();
        try {
            claim();
            try {
                checkOpen();
                arena.natives().check(chq_tensor_graph_compute(address));
                arena.natives().drainLog();
            } catch (NativeAbortException e) {
                arena.giveUp();
                throw e;
            } finally {
                user.set(null);
            }
        } finally {
            arena.exit();
        }
        return this;
    }

    /// Operations, views not counted.
    public int operations() {
        return operations;
    }

    /// Parts that run on one device each; more than 1 if the device cannot compute everything.
    public int splits() {
        return splits;
    }

    /// Bytes for intermediate results.
    public long byteSize() {
        return byteSize;
    }

    /// Frees the memory of intermediate results; the outputs stay. The end of the arena does the same. Idempotent.
    ///
    /// @throws IllegalStateException if another thread is computing the graph
    @Override
    public void close() {
        if (closed || arena.isClosed()) {
            return;
        }
        try {
            arena.enter();
        } catch (IllegalStateException e) {
            return; // the arena has just been closed, and the graph with it
        }
        try {
            claim();
            try {
                if (!closed) {
                    closed = true;
                    arena.natives().check(chq_tensor_graph_free(address));
                }
            } finally {
                user.set(null);
            }
        } finally {
            arena.exit();
        }
    }

    private void claim() {
        if (!user.compareAndSet(null, Thread.currentThread())) {
            throw new IllegalStateException("the graph is in use by " + Objects.requireNonNullElse(user.get(), "another thread"));
        }
    }

    private void checkOpen() {
        if (closed) {
            throw new IllegalStateException("the graph is closed");
        }
    }
}
