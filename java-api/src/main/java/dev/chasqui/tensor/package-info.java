/// Arrays of numbers off the heap, and computations with them by ggml, on the CPU or on any other device.
///
/// - [TensorArena] owns memory: tensors are made in it and die with it.
/// - [Tensor] is an array of up to four axes, or the description of one that has yet to be computed: operations are methods and lazy.
/// - [Graph] computes tensors, as often as wanted.
///
/// {@snippet class="snippets.TensorSnippets" region="arena"}
///
/// Shapes are row-major, as in NumPy: the last size belongs to the axis whose numbers are next to each other in memory. GGUF files and ggml
/// list sizes the other way round.
@NullMarked
package dev.chasqui.tensor;

import org.jspecify.annotations.NullMarked;
