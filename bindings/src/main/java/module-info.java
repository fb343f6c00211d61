/// Generated bindings of llama.cpp and libchasqui. For [dev.chasqui] only: nothing here guards against misuse.
module dev.chasqui.bindings {
    requires static org.jspecify;

    exports dev.chasqui.bindings to dev.chasqui;
}
