package dev.chasqui;

import org.jspecify.annotations.Nullable;

/// Passes over many sequences in a context: what an [Engine] needs of the model. Used by one thread, but for [#cancel()].
interface BatchDecoder extends KvPool.Memory, AutoCloseable {

    ContextInfo info();

    /// The next passes are computed with these adapters and no others. A sequence must go on with those that it began with.
    void use(AdapterUse adapters);

    /// Adds to the next pass: `count` tokens of a text from `from` on go to a sequence that holds those before.
    ///
    /// @param chain   picks what follows them, null = nothing is picked
    /// @param special whether control tokens are rendered
    void add(int sequence, TokenList text, int from, int count, @Nullable SamplerChain chain, boolean special);

    /// Computes the pass. If it throws, [#done] says how many tokens of each slot are in the KV cache nevertheless, and nothing was picked.
    ///
    /// @throws ContextFullException        if the cells do not suffice; nothing is changed
    /// @throws CancelledException          after [#cancel()]
    /// @throws DecodeException             if a backend failed
    /// @throws InsufficientMemoryException if the memory did not suffice
    void run();

    /// Of the slot that was added as number `slot`: why it failed, null if it did not.
    @Nullable RuntimeException failure(int slot);

    /// Tokens of the slot that are in the KV cache.
    int done(int slot);

    /// The token that the slot's chain picked.
    int token(int slot);

    /// Whether it ends an answer.
    boolean isEnd(int slot);

    /// Hands its bytes over.
    void takePiece(int slot, TextAssembler assembler);

    /// Leaves a copy of the first `count` tokens of a text, which the sequence holds, where [#restore] finds it, in this process or a later one. Does not
    /// wait for files, and never fails. Not between [#add] and [#run].
    void park(int sequence, TokenList text, int count, AdapterUse adapters);

    /// Ends the pass that another thread is computing. Safe from any thread.
    void cancel();

    @Override
    void close();
}
