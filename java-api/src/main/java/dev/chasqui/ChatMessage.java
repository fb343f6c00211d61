package dev.chasqui;

import dev.chasqui.vision.EncodedImage;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.stream.Collectors;

/// One message of a conversation. Immutable.
///
/// @param role       who speaks: `system`, `user`, `assistant`, `tool`, or another role that the template knows
/// @param parts      what is said: text, pictures and sounds, in order
/// @param reasoning  what the assistant thought before it spoke, "" = nothing; templates leave it out where their model does not want it back
/// @param toolCalls  what the assistant wants to have called
/// @param toolCallId of a tool's result: the call that it answers, else ""
/// @param toolName   of a tool's result: the tool, else ""
public record ChatMessage(String role, List<ContentPart> parts, String reasoning, List<ToolCall> toolCalls, String toolCallId, String toolName) {

    public ChatMessage {
        Objects.requireNonNull(role, "role");
        parts = List.copyOf(parts);
        Objects.requireNonNull(reasoning, "reasoning");
        toolCalls = List.copyOf(toolCalls);
        Objects.requireNonNull(toolCallId, "toolCallId");
        Objects.requireNonNull(toolName, "toolName");
    }

    /// Text alone.
    public ChatMessage(String role, String content) {
        this(role, List.of(new ContentPart.Text(content)), "", List.of(), "", "");
    }

    public static ChatMessage system(String content) {
        return new ChatMessage("system", content);
    }

    public static ChatMessage user(String content) {
        return new ChatMessage("user", content);
    }

    /// Pictures, and what is said about them.
    public static ChatMessage user(List<EncodedImage> images, String content) {
        return new ChatMessage("user", content).withImages(images);
    }

    /// Text, pictures and sounds in this order.
    public static ChatMessage user(ContentPart... parts) {
        return new ChatMessage("user", List.of(parts), "", List.of(), "", "");
    }

    public static ChatMessage assistant(String content) {
        return new ChatMessage("assistant", content);
    }

    /// An answer with what was thought before it and the calls that it asks for.
    public static ChatMessage assistant(String content, String reasoning, List<ToolCall> toolCalls) {
        return new ChatMessage("assistant", List.of(new ContentPart.Text(content)), reasoning, toolCalls, "", "");
    }

    /// The result of a call.
    public static ChatMessage tool(ToolCall call, String result) {
        return new ChatMessage("tool", List.of(new ContentPart.Text(result)), "", List.of(), call.id(), call.name());
    }

    /// The text of the message, without its pictures and sounds.
    public String content() {
        return parts.stream().map(part -> part instanceof ContentPart.Text(String text) ? text : "").collect(Collectors.joining());
    }

    /// The same message with pictures in front of what it says.
    public ChatMessage withImages(List<EncodedImage> images) {
        List<ContentPart> all = new ArrayList<>();
        images.forEach(image -> all.add(new ContentPart.Picture(image)));
        all.addAll(parts);
        return new ChatMessage(role, all, reasoning, toolCalls, toolCallId, toolName);
    }
}
