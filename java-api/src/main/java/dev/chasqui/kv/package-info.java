/// Sequences that outlive the KV cache: a [SequenceStore] keeps what was computed in memory and on disk, for the next prompt that begins alike.
@NullMarked
package dev.chasqui.kv;

import org.jspecify.annotations.NullMarked;
