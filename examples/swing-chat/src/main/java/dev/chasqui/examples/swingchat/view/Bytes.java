package dev.chasqui.examples.swingchat.view;

/// Numbers of bytes for people.
final class Bytes {

    private Bytes() {}

    static String text(long bytes) {
        if (bytes >= 1_000_000_000) {
            return "%.1f GB".formatted(bytes / 1e9);
        }
        return "%,d MB".formatted(Math.round(bytes / 1e6));
    }
}
