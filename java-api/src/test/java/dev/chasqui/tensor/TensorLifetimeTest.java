package dev.chasqui.tensor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import dev.chasqui.GgmlType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Supplier;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/// Closing in any order, use after it, and threads.
@Tag("standalone")
class TensorLifetimeTest {

    private static <T> CompletableFuture<T> async(Supplier<T> work) {
        return CompletableFuture.supplyAsync(work, task -> Thread.ofPlatform().start(task));
    }

    private static CompletableFuture<Void> async(Runnable work) {
        return async(() -> {
            work.run();
            return null;
        });
    }

    @Test
    void nothingWorksAfterClose() {
        TensorArena arena = TensorArena.confined();
        Tensor x = arena.of(new float[] {1, 2, 3, 4}, 2, 2);
        Tensor ids = arena.of(new int[] {0}, 1);
        Tensor y = x.add(1);
        Graph graph = Graph.of(y).compute();
        MemorySegment segment = x.segment();
        FloatBuffer buffer = x.floatBuffer();
        arena.close();
        arena.close();

        assertThat(arena.isClosed()).isTrue();
        assertThat(arena.toString()).contains("closed");
        List<Runnable> uses = List.of(() -> x.add(1), () -> x.add(x), () -> x.matmul(x), x::transpose, x::toFloats, () -> x.set(1, 2, 3, 4),
                x::segment, x::floatBuffer, () -> x.rows(ids), ids::toInts, () -> x.softmaxMasked(x, 1), () -> x.rope(ids, Rope.defaults()),
                y::toFloats, y::compute, graph::compute, () -> Graph.of(y), () -> arena.tensor(GgmlType.F32, 1), () -> arena.of(new float[1], 1),
                arena::child, arena::byteSize, () -> x.reshape(4), () -> x.conv1d(x), () -> x.sum(0), x::sum, () -> x.cast(GgmlType.F16));
        for (Runnable use : uses) {
            assertThatIllegalStateException().isThrownBy(use::run).withMessage("tensor arena is closed");
        }
        assertThatIllegalStateException().isThrownBy(() -> segment.get(ValueLayout.JAVA_FLOAT, 0)).withMessageContaining("closed");
        assertThatIllegalStateException().isThrownBy(() -> buffer.get(0)).withMessageContaining("closed");
        graph.close();
        assertThat(x.toString()).isEqualTo("F32 [2, 2]");
    }

    @Test
    void everyOrderOfClosing() {
        for (int order = 0; order < 24; order++) {
            TensorArena parent = TensorArena.shared();
            Tensor weights = parent.of(new float[] {1, 2, 3, 4}, 2, 2);
            Graph parentGraph = Graph.of(weights.add(1)).compute();
            TensorArena child = parent.child();
            Tensor x = child.of(new float[] {1, 1}, 2);
            Tensor y = x.matmulTransposed(weights);
            Graph childGraph = Graph.of(y).compute();
            List<AutoCloseable> rest = new ArrayList<>(List.of(parent, child, parentGraph, childGraph));
            int left = order;
            for (int n = 4; n > 0; n--) {
                AutoCloseable next = rest.remove(left % n);
                left /= n;
                try {
                    next.close();
                } catch (Exception e) {
                    throw new AssertionError("order " + order, e);
                }
                if (rest.contains(child) && rest.contains(childGraph)) {
                    assertThat(childGraph.compute()).isNotNull(); // the weights live on
                    assertThat(y.toFloats()).containsExactly(3, 7);
                }
            }
            assertThatIllegalStateException().isThrownBy(weights::toFloats);
            assertThatIllegalStateException().isThrownBy(() -> x.add(weights));
        }
    }

    @Test
    void confinedToOneThread() {
        try (TensorArena arena = TensorArena.confined()) {
            Tensor x = arena.of(new float[] {1}, 1);
            Tensor y = x.add(1);
            Graph graph = Graph.of(y);
            MemorySegment segment = x.segment();
            List<Runnable> uses = List.of(() -> x.add(1), x::toFloats, () -> x.set(2), graph::compute, graph::close, () -> arena.tensor(GgmlType.F32), arena::child,
                    arena::close, x::segment);
            for (Runnable use : uses) {
                assertThatExceptionOfType(CompletionException.class).isThrownBy(() -> async(use).join())
                        .withCauseInstanceOf(WrongThreadException.class).withMessageContaining("belongs to");
            }
            assertThatExceptionOfType(CompletionException.class).isThrownBy(() -> async(() -> segment.get(ValueLayout.JAVA_FLOAT, 0)).join())
                    .withCauseInstanceOf(WrongThreadException.class);
            assertThat(graph.compute()).isNotNull();
            assertThat(y.toFloats()).containsExactly(2);
        }
    }

    @Test
    @Timeout(120)
    void manyThreadsBuildInOneSharedArena() {
        try (TensorArena arena = TensorArena.shared()) {
            Tensor x = arena.of(new float[] {1, 2}, 2);
            List<CompletableFuture<Tensor>> sums = new ArrayList<>();
            for (int t = 0; t < 4; t++) {
                sums.add(async(() -> {
                    Tensor sum = x;
                    for (int i = 0; i < 500; i++) {
                        sum = sum.add(arena.of(new float[] {1, 2}, 2));
                    }
                    return sum;
                }));
            }
            for (CompletableFuture<Tensor> sum : sums) {
                assertThat(sum.join().compute().toFloats()).containsExactly(501, 1002);
            }
        }
    }

    @Test
    @Timeout(120)
    void childrenComputeAtTheSameTime() {
        NdArray w = NdArray.random(new Random(1), 32, 32);
        try (TensorArena arena = TensorArena.shared(TensorOptions.defaults().withThreads(2))) {
            Tensor weights = arena.of(w.floats(), 32, 32);
            List<CompletableFuture<Void>> threads = new ArrayList<>();
            for (int t = 0; t < 4; t++) {
                long seed = t;
                threads.add(async(() -> {
                    Random random = new Random(seed);
                    for (int i = 0; i < 50; i++) {
                        NdArray x = NdArray.random(random, 5, 32);
                        try (TensorArena child = arena.child(TensorOptions.defaults().withThreads(1))) {
                            float[] y = child.of(x.floats(), 5, 32).matmulTransposed(weights).compute().toFloats();
                            NdArray expected = x.matmul(w.transpose());
                            for (int k = 0; k < y.length; k++) {
                                assertThat(Math.abs(y[k] - expected.data()[k])).isLessThan(1e-4);
                            }
                        }
                    }
                }));
            }
            threads.forEach(CompletableFuture::join);
        }
    }

    @Test
    @Timeout(120)
    void oneComputationAtATime() throws InterruptedException {
        try (TensorArena arena = TensorArena.shared(TensorOptions.defaults().withThreads(1))) {
            Tensor x = arena.of(new float[192 * 192], 192, 192);
            Tensor y = x;
            for (int i = 0; i < 20; i++) {
                y = y.matmul(x);
            }
            Graph slow = Graph.of(y);
            Graph other = Graph.of(x.add(1));
            CountDownLatch started = new CountDownLatch(1);
            AtomicBoolean stop = new AtomicBoolean();
            CompletableFuture<Void> busy = async(() -> {
                while (!stop.get()) {
                    started.countDown();
                    refused(slow::compute);
                }
            });
            started.await();
            int refusedCompute = 0;
            int refusedOther = 0;
            for (int i = 0; i < 100_000 && (refusedCompute == 0 || refusedOther == 0); i++) {
                refusedCompute += refused(slow::compute);
                refusedOther += refused(other::compute);
            }
            stop.set(true);
            busy.join();
            assertThat(refusedCompute).isPositive();
            assertThat(refusedOther).isPositive();
            slow.compute();
        }
    }

    private static int refused(Runnable call) {
        try {
            call.run();
            return 0;
        } catch (IllegalStateException e) {
            assertThat(e.getMessage()).containsAnyOf("another thread", "is in use by");
            return 1;
        }
    }

    @Test
    @Timeout(120)
    void closingWhileAnotherThreadComputes() {
        for (int round = 0; round < 20; round++) {
            TensorArena arena = TensorArena.shared(TensorOptions.defaults().withThreads(2));
            Tensor x = arena.of(new float[128 * 128], 128, 128);
            Tensor y = x.matmul(x).matmul(x);
            Graph graph = Graph.of(y);
            AtomicInteger computed = new AtomicInteger();
            CompletableFuture<Void> busy = async(() -> {
                while (true) {
                    graph.compute();
                    y.toFloats();
                    computed.incrementAndGet();
                }
            });
            while (computed.get() < 3) {
                Thread.onSpinWait();
            }
            arena.close();
            assertThatExceptionOfType(CompletionException.class).isThrownBy(busy::join).withMessageContaining("closed");
        }
    }

    /// Whoever writes ids while they are used: what was checked is what is computed with.
    @Test
    @Timeout(120)
    void idsThatChangeMeanwhile() {
        try (TensorArena arena = TensorArena.shared(TensorOptions.defaults().withThreads(2))) {
            Tensor table = arena.of(new float[64 * 16], 64, 16);
            Tensor ids = arena.of(new int[4096], 4096);
            MemorySegment memory = ids.segment();
            Graph graph = Graph.of(table.rows(ids).sum(0));
            AtomicBoolean stop = new AtomicBoolean();
            CompletableFuture<Void> writer = async(() -> {
                Random random = new Random(1);
                while (!stop.get()) {
                    memory.setAtIndex(ValueLayout.JAVA_INT, random.nextInt(4096), random.nextInt());
                    memory.fill((byte) 0);
                }
            });
            int computed = 0;
            int refused = 0;
            for (int i = 0; i < 100_000 && (computed < 50 || refused < 50); i++) {
                try {
                    graph.compute();
                    computed++;
                } catch (IllegalArgumentException e) {
                    assertThat(e).hasMessageContaining("is not in 0..63");
                    refused++;
                }
            }
            stop.set(true);
            writer.join();
            assertThat(computed).isPositive();
            assertThat(refused).isPositive();
        }
    }
}
