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

    /// What an answer's next tokens are guessed by; null where nothing can be guessed.
    @Nullable SpeculativeSteps guesses(GenerationOptions options);

    /// Lets what follows the slot that was added last be guessed. It has one token, the last one of a text that the guesses know.
    ///
    /// @param most most tokens that may be picked, at least 1
    /// @param goOn whether tokens may follow one that ends the text
    void guess(SpeculativeSteps by, int most, boolean goOn);

    /// Computes the pass. If it throws, [#done] says how many tokens of each slot are in the KV cache nevertheless, and nothing was picked.
    ///
    /// @param spareCells that guessed tokens may take meanwhile
    /// @throws ContextFullException        if the cells do not suffice; nothing is changed
    /// @throws CancelledException          after [#cancel()]
    /// @throws DecodeException             if a backend failed
    /// @throws InsufficientMemoryException if the memory did not suffice
    void run(int spareCells);

    /// Of the slot that was added as number `slot`: why it failed, null if it did not.
    @Nullable RuntimeException failure(int slot);

    /// Tokens that joined the slot's sequence: its own, and those that were guessed and picked but for the last one.
    int done(int slot);

    /// Tokens that the slot's chain picked.
    int picked(int slot);

    /// One of them.
    int token(int slot, int i);

    /// Whether it ends an answer.
    boolean isEnd(int slot, int i);

    /// Hands its bytes over.
    void takePiece(int slot, int i, TextAssembler assembler);

    /// Takes what is behind the first `length` tokens out of a sequence.
    void truncate(int sequence, int length);

    /// Leaves a copy of the first `count` tokens of a text, which the sequence holds, where [#restore] finds it, in this process or a later one. Does not
    /// wait for files, and never fails. Not between [#add] and [#run].
    void park(int sequence, TokenList text, int count, AdapterUse adapters);

    /// Ends the pass that another thread is computing. Safe from any thread.
    void cancel();

    @Override
    void close();
}
