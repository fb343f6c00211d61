package dev.chasqui.vision;

import java.util.List;

/// Chooses which of an image's tokens the language model gets to see. Fewer tokens make the prompt shorter, at the price of what they showed.
///
/// {@snippet class="snippets.VisionSnippets" region="pruner"}
///
/// Write one of your own as a lambda, or take one that is built in: [#herding()] is the one to start with. A pruner must be safe to use from any thread,
/// and what it gives is checked ([ImageTokens#select]).
@FunctionalInterface
public interface TokenPruner {

    /// Chooses rows.
    ///
    /// @param tokens the image; it must not be kept, its memory may be used again afterwards
    /// @param keep   how many rows to keep, from 0 on; may be more than there are
    /// @return their numbers, ascending, each once, at most `keep`
    int[] select(ImageTokens tokens, int keep);

    /// A short name for messages and results.
    default String name() {
        return getClass().getSimpleName().isEmpty() ? "custom" : getClass().getSimpleName();
    }

    /// The method with all its parameters: two pruners with the same key choose the same rows of the same image. It is part of the key of whatever is
    /// cached of a pruned image. By default a pruner is like no other.
    default String key() {
        return getClass().getName() + "@" + Integer.toHexString(System.identityHashCode(this));
    }

    /// Whether the choice depends on the question, so that it has to be part of such a key as well.
    default boolean usesQuestion() {
        return true;
    }

    /// Maximal marginal relevance, as IDPruner uses it (arXiv 2602.13315): important rows that are unlike those already kept, both alike. The
    /// default.
    static BuiltInPruner mmr() {
        return BuiltInPruner.of(BuiltInPruner.Method.MMR);
    }

    /// The same with another weight.
    ///
    /// @param lambda weight of importance against being unlike, 0 to 1
    static BuiltInPruner mmr(float lambda) {
        return mmr().withLambda(lambda);
    }

    /// Importance times being unlike those already kept: ZOO-Prune's form (arXiv 2509.24837).
    static BuiltInPruner product() {
        return BuiltInPruner.of(BuiltInPruner.Method.PRODUCT);
    }

    /// Farthest-point sampling by angle from the most important row on: DivPrune, ToDRE's first version (arXiv 2505.18757).
    static BuiltInPruner kCenter() {
        return BuiltInPruner.of(BuiltInPruner.Method.K_CENTER);
    }

    /// The row with the least sum of cosines to those already kept: ToDRE's second version.
    static BuiltInPruner maxSum() {
        return BuiltInPruner.of(BuiltInPruner.Method.MAX_SUM);
    }

    /// Rows that together stand for all rows: SCOPE's coverage. Needs `4*count*count` bytes of memory.
    static BuiltInPruner facilityLocation() {
        return BuiltInPruner.of(BuiltInPruner.Method.FACILITY).withImportance(Importance.NONE);
    }

    /// Greedy inference of a determinantal point process: CDPruner.
    static BuiltInPruner dpp() {
        return BuiltInPruner.of(BuiltInPruner.Method.DPP);
    }

    /// Rows that together stand for the question and for all rows: MMTok. Without a question, for all rows. Needs `4*count*count` bytes of memory.
    static BuiltInPruner coverage() {
        return BuiltInPruner.of(BuiltInPruner.Method.COVERAGE);
    }

    /// A few rows by farthest-point sampling, and those that these reconstruct worst: ApET.
    static BuiltInPruner residual() {
        return BuiltInPruner.of(BuiltInPruner.Method.RESIDUAL);
    }

    /// Kernel herding (Chen, Welling, Smola, arXiv 1203.3472): rows whose mean is nearest to that of all rows, in what they show and where. Where other methods fill
    /// the budget with what is unlike the rest, this one keeps the proportions of the image. The default. Without a grid it needs `4*count*count` bytes of memory.
    static BuiltInPruner herding() {
        return BuiltInPruner.of(BuiltInPruner.Method.HERDING).withImportance(Importance.NONE);
    }

    /// Drops rows that have a likeness among the others, round by round: ToMe's matching as VisPruner uses it.
    static BuiltInPruner bipartite() {
        return BuiltInPruner.of(BuiltInPruner.Method.BIPARTITE);
    }

    /// The most important rows; a control.
    static BuiltInPruner top() {
        return BuiltInPruner.of(BuiltInPruner.Method.TOP);
    }

    /// Rows at random; the control that every other method has to be compared with.
    static BuiltInPruner random(long seed) {
        return BuiltInPruner.of(BuiltInPruner.Method.RANDOM).withSeed(seed);
    }

    /// One row at random from each of as many equal fields of the grid as rows are kept; a control.
    static BuiltInPruner grid(long seed) {
        return BuiltInPruner.of(BuiltInPruner.Method.GRID).withSeed(seed);
    }

    /// A built-in pruner by its name, or by its [#key()]: a name and options after colons, as `mmr:lambda=0.7:importance=spread`.
    ///
    /// @throws IllegalArgumentException with the names or options that there are, for another
    static BuiltInPruner named(String key) {
        return BuiltInPruner.parse(key);
    }

    /// Names of the built-in pruners.
    static List<String> names() {
        return BuiltInPruner.names();
    }
}
