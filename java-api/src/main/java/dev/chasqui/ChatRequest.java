package dev.chasqui;

import dev.chasqui.json.Json;
import dev.chasqui.tools.Tool;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/// A conversation in the JSON form that `chq_chat_turn_create` takes.
final class ChatRequest {

    private final HiddenContent hidden;

    private ChatRequest(HiddenContent hidden) {
        this.hidden = hidden;
    }

    /// @param hidden gets what the template must not see as it is
    static String write(List<ChatMessage> messages, ChatOptions options, ToolChoice choice, boolean addAssistant, HiddenContent hidden) {
        ChatRequest writer = new ChatRequest(hidden);
        Map<String, Object> request = new LinkedHashMap<>();
        request.put("messages", messages.stream().map(writer::message).toList());
        request.put("add_generation_prompt", addAssistant);
        if (!options.tools().isEmpty()) {
            request.put("tools", options.tools().stream().map(ChatRequest::tool).toList());
            request.put("tool_choice", choice.name().toLowerCase(Locale.ROOT));
            request.put("parallel_tool_calls", options.parallelToolCalls());
        }
        options.schema().ifPresent(schema -> request.put("json_schema", schema.json()));
        request.put("enable_thinking", options.thinking());
        if (!options.templateArguments().isEmpty()) {
            request.put("chat_template_kwargs", options.templateArguments());
        }
        return Json.write(request);
    }

    private Map<String, Object> message(ChatMessage message) {
        Map<String, Object> json = new LinkedHashMap<>();
        json.put("role", hidden.checked("role", plain("role", message.role())));
        json.put("content", content(message.parts()));
        if (!message.reasoning().isEmpty()) {
            json.put("reasoning_content", hidden.text(plain("reasoning", message.reasoning())));
        }
        if (!message.toolCalls().isEmpty()) {
            json.put("tool_calls", message.toolCalls().stream().map(this::call).toList());
        }
        if (!message.toolName().isEmpty()) {
            json.put("name", hidden.checked("tool name", plain("tool name", message.toolName())));
        }
        if (!message.toolCallId().isEmpty()) {
            json.put("tool_call_id", hidden.checked("tool call id", plain("tool call id", message.toolCallId())));
        }
        return json;
    }

    private String content(List<ContentPart> parts) {
        List<String> texts = new ArrayList<>();
        for (ContentPart part : parts) {
            texts.add(switch (part) {
                case ContentPart.Text(String text) -> hidden.text(plain("content", text));
                case ContentPart.Picture(var image) -> hidden.rows(image.parts());
                case ContentPart.Sound(var audio) -> hidden.rows(audio.parts());
            });
        }
        return String.join("", texts);
    }

    private Map<String, Object> call(ToolCall call) {
        Map<String, Object> function = new LinkedHashMap<>();
        function.put("name", hidden.checked("tool name", plain("tool name", call.name())));
        function.put("arguments", call.arguments().isBlank() ? "{}" : hidden.json(plain("arguments", call.arguments())));
        Map<String, Object> json = new LinkedHashMap<>();
        json.put("id", hidden.checked("tool call id", plain("tool call id", call.id())));
        json.put("type", "function");
        json.put("function", function);
        return json;
    }

    private static Map<String, Object> tool(Tool tool) {
        Map<String, Object> function = new LinkedHashMap<>();
        function.put("name", tool.name());
        function.put("description", tool.description());
        function.put("parameters", tool.parameters().json());
        return Map.of("type", "function", "function", function);
    }

    /// Prompts are C strings in places.
    private static String plain(String name, String text) {
        if (text.indexOf('\0') >= 0) {
            throw new IllegalArgumentException(name + " holds a NUL character");
        }
        return text;
    }
}
