package dev.chasqui.examples.swingchat.conversation;

/// Who says a message.
public enum Role {
    USER,
    ASSISTANT
}
