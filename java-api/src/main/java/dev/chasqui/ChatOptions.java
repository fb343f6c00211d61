package dev.chasqui;

import dev.chasqui.json.JsonSchema;
import dev.chasqui.tools.Tool;
import java.util.Collections;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;

/// How a conversation is answered. Immutable.
///
/// @param generation        how each answer is generated; its maxTokens are for the answer with all its rounds of calls
/// @param tools             what the model may call
/// @param toolChoice        whether it must; [ToolChoice#REQUIRED] holds for the first round
/// @param parallelToolCalls whether one answer may hold several calls
/// @param maxToolRounds     rounds of calls, at least 0; the round after the last is not told of tools any more
/// @param schema            what the answer must look like
/// @param thinking          whether a model that can think before it speaks does so
/// @param reasoningBudget   most tokens of thinking in each round of an answer; 0 = it ends at once, empty = no limit
/// @param templateArguments further variables of the chat template, in the forms that [dev.chasqui.json.Json#of] knows
/// @param tokenBudget       most tokens that the conversation may take when an answer begins; the context's size is a limit too
/// @param answerReserve     tokens of the context that are kept free for the answer
/// @param overflow          what happens beyond those limits
public record ChatOptions(
        GenerationOptions generation, List<Tool> tools, ToolChoice toolChoice, boolean parallelToolCalls, int maxToolRounds, Optional<JsonSchema> schema,
        boolean thinking, OptionalInt reasoningBudget, Map<String, Object> templateArguments, int tokenBudget, int answerReserve, ContextOverflow overflow) {

    private static final ChatOptions DEFAULTS = new ChatOptions(GenerationOptions.defaults(), List.of(), ToolChoice.AUTO, true, 8, Optional.empty(),
            true, OptionalInt.empty(), Map.of(), Integer.MAX_VALUE, 0, ContextOverflow.fail());

    public ChatOptions {
        Objects.requireNonNull(generation, "generation");
        tools = List.copyOf(tools);
        Objects.requireNonNull(toolChoice, "toolChoice");
        Objects.requireNonNull(schema, "schema");
        templateArguments = Collections.unmodifiableMap(new LinkedHashMap<>(templateArguments));
        Objects.requireNonNull(overflow, "overflow");
        reasoningBudget.ifPresent(tokens -> atLeast("reasoningBudget", tokens, 0));
        atLeast("maxToolRounds", maxToolRounds, 0);
        atLeast("tokenBudget", tokenBudget, 1);
        atLeast("answerReserve", answerReserve, 0);
        Set<String> names = new HashSet<>();
        for (Tool tool : tools) {
            if (!names.add(tool.name())) {
                throw new IllegalArgumentException("two tools are named " + tool.name());
            }
        }
        if (toolChoice == ToolChoice.REQUIRED && tools.isEmpty()) {
            throw new IllegalArgumentException("a call is required, but there are no tools");
        }
        if (schema.isPresent() && !tools.isEmpty()) {
            throw new IllegalArgumentException("an answer with a schema cannot call tools");
        }
    }

    /// As [GenerationOptions#defaults()], no tools, no schema, and failure when the context is full.
    public static ChatOptions defaults() {
        return DEFAULTS;
    }

    public ChatOptions withGeneration(GenerationOptions value) {
        return new ChatOptions(value, tools, toolChoice, parallelToolCalls, maxToolRounds, schema, thinking, reasoningBudget, templateArguments, tokenBudget, answerReserve, overflow);
    }

    public ChatOptions withTools(Tool... values) {
        return withTools(List.of(values));
    }

    public ChatOptions withTools(List<Tool> values) {
        return new ChatOptions(generation, values, toolChoice, parallelToolCalls, maxToolRounds, schema, thinking, reasoningBudget, templateArguments, tokenBudget, answerReserve, overflow);
    }

    public ChatOptions withToolChoice(ToolChoice value) {
        return new ChatOptions(generation, tools, value, parallelToolCalls, maxToolRounds, schema, thinking, reasoningBudget, templateArguments, tokenBudget, answerReserve, overflow);
    }

    public ChatOptions withParallelToolCalls(boolean value) {
        return new ChatOptions(generation, tools, toolChoice, value, maxToolRounds, schema, thinking, reasoningBudget, templateArguments, tokenBudget, answerReserve, overflow);
    }

    public ChatOptions withMaxToolRounds(int value) {
        return new ChatOptions(generation, tools, toolChoice, parallelToolCalls, value, schema, thinking, reasoningBudget, templateArguments, tokenBudget, answerReserve, overflow);
    }

    public ChatOptions withSchema(JsonSchema value) {
        return new ChatOptions(generation, tools, toolChoice, parallelToolCalls, maxToolRounds, Optional.of(value), thinking, reasoningBudget, templateArguments, tokenBudget, answerReserve, overflow);
    }

    /// Answers are free again.
    public ChatOptions withoutSchema() {
        return new ChatOptions(generation, tools, toolChoice, parallelToolCalls, maxToolRounds, Optional.empty(), thinking, reasoningBudget, templateArguments, tokenBudget, answerReserve, overflow);
    }

    public ChatOptions withThinking(boolean value) {
        return new ChatOptions(generation, tools, toolChoice, parallelToolCalls, maxToolRounds, schema, value, reasoningBudget, templateArguments, tokenBudget, answerReserve, overflow);
    }

    /// After so many tokens of thinking its end is written for the model and the answer goes on. 0 = it ends at once.
    public ChatOptions withReasoningBudget(int tokens) {
        return new ChatOptions(generation, tools, toolChoice, parallelToolCalls, maxToolRounds, schema, thinking, OptionalInt.of(tokens), templateArguments, tokenBudget, answerReserve, overflow);
    }

    public ChatOptions withTemplateArguments(Map<String, Object> value) {
        return new ChatOptions(generation, tools, toolChoice, parallelToolCalls, maxToolRounds, schema, thinking, reasoningBudget, value, tokenBudget, answerReserve, overflow);
    }

    public ChatOptions withTokenBudget(int value) {
        return new ChatOptions(generation, tools, toolChoice, parallelToolCalls, maxToolRounds, schema, thinking, reasoningBudget, templateArguments, value, answerReserve, overflow);
    }

    public ChatOptions withAnswerReserve(int value) {
        return new ChatOptions(generation, tools, toolChoice, parallelToolCalls, maxToolRounds, schema, thinking, reasoningBudget, templateArguments, tokenBudget, value, overflow);
    }

    public ChatOptions withOverflow(ContextOverflow value) {
        return new ChatOptions(generation, tools, toolChoice, parallelToolCalls, maxToolRounds, schema, thinking, reasoningBudget, templateArguments, tokenBudget, answerReserve, value);
    }

    private static void atLeast(String name, int value, int least) {
        if (value < least) {
            throw new IllegalArgumentException("%s is %d, must be at least %d".formatted(name, value, least));
        }
    }
}
