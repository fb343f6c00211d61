/// Language models inside a Java program, on top of llama.cpp. Start with [dev.chasqui.Model].
module dev.chasqui {
    requires dev.chasqui.bindings;
    requires static transitive org.jspecify;
    requires static java.desktop; // dev.chasqui.vision.KeptTokens
    requires java.net.http;

    exports dev.chasqui;
    exports dev.chasqui.models;
    exports dev.chasqui.speculation;
    exports dev.chasqui.vision;
}
