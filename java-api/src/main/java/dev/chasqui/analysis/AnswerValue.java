package dev.chasqui.analysis;

/// What an answer is worth after a prompt, by what the model makes of its tokens in one pass.
public enum AnswerValue {

    /// The mean natural logarithm of the probability of the answer's tokens.
    LOG_PROBABILITY {
        @Override
        double of(TokenLikelihoods answer) {
            return answer.summary().logProbability();
        }
    },

    /// The geometric mean of the probability of the answer's tokens, 0 to 1: passages that only make an improbable answer less so count little.
    PROBABILITY {
        @Override
        double of(TokenLikelihoods answer) {
            return Math.exp(answer.summary().logProbability());
        }
    },

    /// 1 if greedy decoding would give this answer, else 0: whether each of its tokens is the most probable one, which is how guesses are verified, too.
    SAME_ANSWER {
        @Override
        double of(TokenLikelihoods answer) {
            return answer.summary().firstShare() == 1 ? 1 : 0;
        }
    };

    abstract double of(TokenLikelihoods answer);
}
