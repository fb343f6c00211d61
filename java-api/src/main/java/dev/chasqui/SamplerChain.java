package dev.chasqui;

import static dev.chasqui.bindings.Chq.*;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.OptionalInt;

/// A [Sampler] in use: it remembers the tokens it has accepted, its random numbers and how far its grammar has come.
///
/// One thread at a time, checked. Closing it does not touch the model.
public final class SamplerChain implements AutoCloseable {

    private final Model model;
    private final Sampler sampler;
    private final NativeOwner handle;
    private final Exclusive exclusive = new Exclusive("sampler chain");

    SamplerChain(Model model, Sampler sampler) {
        this(model, sampler, create(model, sampler));
    }

    /// Takes over the address and one use of the model.
    private SamplerChain(Model model, Sampler sampler, MemorySegment address) {
        this.model = model;
        this.sampler = sampler;
        this.handle = new NativeOwner(this, "sampler chain", address, chain -> chq_sampler_free(chain), model.handle());
    }

    /// The stages it was made of.
    public Sampler sampler() {
        return sampler;
    }

    /// The seed in use, for repeating a run; empty if nothing is random.
    public OptionalInt seed() {
        MemorySegment address = enter();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment seed = arena.allocate(ValueLayout.JAVA_INT);
            int status = chq_sampler_seed(address, seed);
            if (status == CHQ_STATUS_STATE()) {
                return OptionalInt.empty();
            }
            Status.check(status);
            return OptionalInt.of(seed.get(ValueLayout.JAVA_INT, 0));
        } finally {
            exit();
        }
    }

    /// Tells the chain of a token that came into the text otherwise, e.g. with the prompt. Grammars and a
    /// [Sampler.ReasoningBudget] do not hear of it.
    public void accept(int token) {
        MemorySegment address = enter();
        try {
            Status.check(chq_sampler_accept(address, token, false));
        } finally {
            exit();
        }
    }

    /// Tells the chain, grammars included, of a token that was picked by it for another context.
    void acceptPicked(int token) {
        MemorySegment address = enter();
        try {
            Status.check(chq_sampler_accept(address, token, true));
        } finally {
            exit();
        }
    }

    /// Tells its grammars alone of a token with which the prompt opens the answer.
    void acceptOpening(int token) {
        MemorySegment address = enter();
        try {
            Status.check(chq_sampler_accept_opening(address, token));
        } finally {
            exit();
        }
    }

    /// Picks from one row of logits without accepting the pick.
    ///
    /// @param logits one value per token of the vocabulary
    public int pick(float[] logits) {
        MemorySegment address = enter();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment row = arena.allocateFrom(ValueLayout.JAVA_FLOAT, logits);
            MemorySegment token = arena.allocate(ValueLayout.JAVA_INT);
            Status.check(chq_sampler_apply(address, row, logits.length, token));
            return token.get(ValueLayout.JAVA_INT, 0);
        } finally {
            exit();
        }
    }

    /// Back to the state it was made in.
    public void reset() {
        MemorySegment address = enter();
        try {
            Status.check(chq_sampler_reset(address));
        } finally {
            exit();
        }
    }

    /// A copy with the same state, e.g. for a forked sequence.
    public SamplerChain fork() {
        MemorySegment address = enter();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment out = arena.allocate(ValueLayout.ADDRESS);
            Status.check(chq_sampler_clone(address, out));
            model.handle().retain();
            return new SamplerChain(model, sampler, out.get(ValueLayout.ADDRESS, 0));
        } finally {
            exit();
        }
    }

    @Override
    public void close() {
        handle.close();
    }

    /// The address for one call by this thread alone, to be paired with [#exit()].
    MemorySegment enter() {
        exclusive.enter();
        try {
            return handle.acquire();
        } catch (Throwable e) {
            exclusive.exit();
            throw e;
        }
    }

    void exit() {
        exclusive.exit();
        handle.release();
    }

    /// The address, for somebody who has entered and not left yet.
    MemorySegment addressInUse() {
        return handle.addressInUse();
    }

    Model model() {
        return model;
    }

    private static MemorySegment create(Model model, Sampler sampler) {
        MemorySegment modelAddress = model.handle().acquire();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment out = arena.allocate(ValueLayout.ADDRESS);
            Status.check(chq_sampler_create(modelAddress, out));
            MemorySegment chain = out.get(ValueLayout.ADDRESS, 0);
            try {
                for (Sampler.Stage stage : sampler.stages()) {
                    Status.check(add(chain, stage, arena));
                }
            } catch (Throwable e) {
                chq_sampler_free(chain);
                throw e;
            }
            return chain;
        } catch (Throwable e) {
            model.handle().release();
            throw e;
        }
    }

    private static int add(MemorySegment chain, Sampler.Stage stage, Arena arena) {
        return switch (stage) {
            case Sampler.Greedy() -> chq_sampler_add_greedy(chain);
            case Sampler.Distribution(int seed) -> chq_sampler_add_dist(chain, seed);
            case Sampler.TopK(int k) -> chq_sampler_add_top_k(chain, k);
            case Sampler.TopP(float p, int minKeep) -> chq_sampler_add_top_p(chain, p, minKeep);
            case Sampler.MinP(float p, int minKeep) -> chq_sampler_add_min_p(chain, p, minKeep);
            case Sampler.Typical(float p, int minKeep) -> chq_sampler_add_typical(chain, p, minKeep);
            case Sampler.Temperature(float t) -> chq_sampler_add_temperature(chain, t);
            case Sampler.DynamicTemperature(float t, float delta, float exponent) ->
                    chq_sampler_add_dynamic_temperature(chain, t, delta, exponent);
            case Sampler.TopNSigma(float n) -> chq_sampler_add_top_n_sigma(chain, n);
            case Sampler.Xtc(float p, float threshold, int minKeep, int seed) ->
                    chq_sampler_add_xtc(chain, p, threshold, minKeep, seed);
            case Sampler.Mirostat(float tau, float eta, int m, int seed) -> chq_sampler_add_mirostat(chain, tau, eta, m, seed);
            case Sampler.MirostatV2(float tau, float eta, int seed) -> chq_sampler_add_mirostat_v2(chain, tau, eta, seed);
            case Sampler.AdaptiveP(float target, float decay, int seed) -> chq_sampler_add_adaptive_p(chain, target, decay, seed);
            case Sampler.Infill() -> chq_sampler_add_infill(chain);
            case Sampler.Penalties(int lastN, float repeat, float frequency, float presence) ->
                    chq_sampler_add_penalties(chain, lastN, repeat, frequency, presence);
            case Sampler.Dry(float multiplier, float base, int allowedLength, int lastN, List<String> breakers) ->
                    chq_sampler_add_dry(chain, multiplier, base, allowedLength, lastN,
                            Native.cStrings(arena, "DRY breaker", breakers, breakers.size()), breakers.size());
            case Sampler.LogitBias bias -> addLogitBias(chain, bias, arena);
            case Sampler.ReasoningBudget(int tokens, String start, List<String> ends, String opening) ->
                    chq_sampler_add_reasoning_budget(chain, tokens, Native.cString(arena, "start of reasoning", start),
                            Native.cStrings(arena, "end of reasoning", ends, ends.size()), ends.size(), Native.cString(arena, "opening", opening));
            case Sampler.Constraint(Grammar grammar) -> addGrammar(chain, grammar, arena);
        };
    }

    private static int addLogitBias(MemorySegment chain, Sampler.LogitBias bias, Arena arena) {
        int n = bias.biases().size();
        MemorySegment tokens = arena.allocate(ValueLayout.JAVA_INT, Math.max(1, n));
        MemorySegment values = arena.allocate(ValueLayout.JAVA_FLOAT, Math.max(1, n));
        int i = 0;
        for (var entry : bias.biases().entrySet()) {
            tokens.setAtIndex(ValueLayout.JAVA_INT, i, entry.getKey());
            values.setAtIndex(ValueLayout.JAVA_FLOAT, i++, entry.getValue());
        }
        return chq_sampler_add_logit_bias(chain, tokens, values, n);
    }

    private static int addGrammar(MemorySegment chain, Grammar grammar, Arena arena) {
        MemorySegment gbnf = Native.cString(arena, "grammar", grammar.gbnf());
        MemorySegment root = Native.cString(arena, "root rule", grammar.root());
        if (!grammar.isLazy()) {
            return chq_sampler_add_grammar(chain, gbnf, root);
        }
        List<String> patterns = grammar.triggerPatterns();
        int[] tokens = grammar.triggerTokens().stream().mapToInt(Integer::intValue).toArray();
        return chq_sampler_add_grammar_lazy(chain, gbnf, root,
                Native.cStrings(arena, "trigger pattern", patterns, patterns.size()), patterns.size(),
                tokens.length == 0 ? MemorySegment.NULL : arena.allocateFrom(ValueLayout.JAVA_INT, tokens), tokens.length);
    }
}
