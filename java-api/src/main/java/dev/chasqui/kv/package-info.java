/// What is done with the KV cache: a [SequenceStore] keeps what was computed in memory and on disk, for the next prompt that begins alike;
/// [SparseAttention] reads a part of it only, and [PromptCompression] puts less into it.
@NullMarked
package dev.chasqui.kv;

import org.jspecify.annotations.NullMarked;
