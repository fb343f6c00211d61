package dev.chasqui.analysis;

import java.util.Comparator;
import java.util.List;

/// Which passages made the model say what it said.
///
/// @param answer         the answer that was judged
/// @param parts          a value for each part of the prompt, in its order: passages, or what they were split into
/// @param whole          what the answer is worth after the whole prompt
/// @param empty          what it is worth without any passage. Values add up to `whole - empty`, with [PartialPrompt#AS_ADDED] only about so
/// @param orders         orders that were drawn; 0 if all counted, which makes the values exact
/// @param evaluations    prompts after which the answer was judged
/// @param computedTokens tokens of these prompts, and of the answers after them, that went through the model
/// @param reusedTokens   tokens of these prompts that were in the KV cache
public record AttributionResult(String answer, List<PartValue> parts, double whole, double empty, int orders, int evaluations, long computedTokens, long reusedTokens) {

    /// What a part of the prompt brought to the answer.
    ///
    /// @param index         among all parts
    /// @param passage       which passage it is, or belongs to
    /// @param text          of the part
    /// @param value         negative if the answer would be worth more without it
    /// @param standardError of the value, because orders were drawn: 0 if it is exact, NaN if a single pair of orders was drawn. What it says of other runs, not of other models
    public record PartValue(int index, int passage, String text, double value, double standardError) { }

    public AttributionResult {
        parts = List.copyOf(parts);
    }

    /// Whether all orders counted.
    public boolean exact() {
        return orders == 0;
    }

    /// The parts, that of the largest value first.
    public List<PartValue> ranked() {
        return parts.stream().sorted(Comparator.comparingDouble(PartValue::value).reversed()).toList();
    }

    /// The value of a passage: the sum of those of its parts.
    public double ofPassage(int passage) {
        return parts.stream().filter(part -> part.passage() == passage).mapToDouble(PartValue::value).sum();
    }
}
