package dev.chasqui.speculation;

/// A source of guesses of the caller's own, for example a corpus that answers often quote.
///
/// {@snippet class="snippets.SpeculationSnippets" region="drafter"}
///
/// It is asked by the thread that iterates the generation, before each step for which its last proposal has been used up or proved wrong. How far it is
/// followed depends on how often it was right.
@FunctionalInterface
public interface Drafter {

    /// Guesses how a text goes on.
    ///
    /// @return tokens of the model's vocabulary that may come next, the first one first; none if it has no guess
    int[] draft(Text text);

    /// A text that grows, token by token.
    interface Text {

        /// Tokens so far, the prompt included.
        int length();

        /// @param index from 0 to `length() - 1`
        /// @throws IndexOutOfBoundsException for another
        int token(int index);
    }
}
