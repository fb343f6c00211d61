/// Arrays of numbers off the heap, and computations with them by ggml, on the CPU or on any other device.
///
/// - [TensorArena] owns memory: tensors are made in it and die with it.
/// - [Tensor] is an array of up to four axes, or the description of one that has yet to be computed: operations are methods and lazy.
/// - [Graph] computes tensors, as often as wanted.
///
/// ```java
/// try (TensorArena arena = TensorArena.confined()) {
///     Tensor x = arena.of(new float[] {1, 2, 3}, 1, 3);
///     Tensor w = arena.of(new float[] {1, 0, 0, 0, 1, 1}, 2, 3);
///     float[] y = x.matmulTransposed(w).relu().compute().toFloats();   // 1, 5
/// }
/// ```
///
/// Shapes are row-major, as in NumPy: the last size belongs to the axis whose numbers are next to each other in memory. GGUF files and ggml
/// list sizes the other way round.
@NullMarked
package dev.chasqui.tensor;

import org.jspecify.annotations.NullMarked;
