/// Language models inside a Java program, on top of llama.cpp. Start with [dev.chasqui.Model].
module dev.chasqui {
    requires dev.chasqui.bindings;
    requires static org.jspecify; // not transitive: who compiles against this need not have it
    requires java.net.http;
    requires static transitive java.desktop; // pictures; only dev.chasqui.vision touches it

    exports dev.chasqui;
    exports dev.chasqui.analysis;
    exports dev.chasqui.audio;
    exports dev.chasqui.diffusion;
    exports dev.chasqui.json;
    exports dev.chasqui.kv;
    exports dev.chasqui.models;
    exports dev.chasqui.speculation;
    exports dev.chasqui.tensor;
    exports dev.chasqui.tools;
    exports dev.chasqui.vision;
}
