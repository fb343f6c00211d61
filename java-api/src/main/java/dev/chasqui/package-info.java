/// Language models inside a Java program.
///
/// The types form a ladder, each rung usable alone:
///
/// - [Model] holds weights and a [Vocabulary]; share it between threads.
/// - [Context] is memory for attention (the KV cache) and compute buffers of one model; one thread at a time.
/// - [Sequence] is a text in a context: append, fork, rewind, save, restore.
/// - [Sampler] says how the next token is picked; [SamplerChain] is one in use.
/// - [Generation] is a running answer: pieces of text as they come, cancellable from any thread.
/// - [ChatSession] keeps a conversation and renders it with the model's own template.
///
/// {@snippet class="snippets.ModelSnippets" region="first"}
///
/// Every owner of native memory is [AutoCloseable]. Closing in any order is safe, closing twice does nothing, and using a
/// closed object is an [IllegalStateException]. What the native side refuses is a [ChasquiException].
@NullMarked
package dev.chasqui;

import org.jspecify.annotations.NullMarked;
