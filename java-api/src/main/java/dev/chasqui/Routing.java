package dev.chasqui;

import java.util.Objects;

/// Lossy: a small model writes, and a larger one of the same vocabulary picks the tokens of which the small one is unsure.
///
/// {@snippet class="snippets.SpeculationSnippets" region="routing"}
///
/// The answer is neither model's own. It is cheaper than the larger model's, by how seldom that is asked, and better than the smaller one's; how much of
/// either depends on the models and the threshold. The gate is the entropy of the small model's next token, one of those that need no training in Fu et al.,
/// "R2R: Efficiently Navigating Divergent Reasoning Paths with Small-Large Model Token Routing", 2025. [GenerationStats#routedTokens()] tells how
/// many tokens the larger model picked. For an answer that is the larger model's exactly, give it the small one as a [DraftModel] instead.
///
/// Immutable. The model stays the caller's, who keeps it open.
///
/// @param large   the larger model
/// @param entropy of the small model's probabilities in nats, from which on the larger one is asked; 0 asks it always, infinity never
public record Routing(Model large, double entropy) {

    /// What R2R's authors use for this gate.
    public static final double USUAL_ENTROPY = 0.45;

    public Routing {
        Objects.requireNonNull(large, "large");
        if (!(entropy >= 0)) {
            throw new IllegalArgumentException("entropy = " + entropy);
        }
    }

    /// With [#USUAL_ENTROPY].
    public static Routing to(Model large) {
        return new Routing(large, USUAL_ENTROPY);
    }

    public Routing withEntropy(double value) {
        return new Routing(large, value);
    }
}
