#pragma once

#include "check.h"

#include "gguf.h"

#include <string>

// Weights of a model file.
struct weights {
    ggml_context * ggml = nullptr;
    gguf_context * gguf = nullptr;

    explicit weights(const std::string & path) {
        const gguf_init_params params = { false, &ggml };
        gguf = gguf_init_from_file(path.c_str(), params);
        CHECK(gguf != nullptr);
    }
    ~weights() {
        gguf_free(gguf);
        ggml_free(ggml);
    }
    const float * operator[](const char * name) const { return (const float *) ggml_get_tensor(ggml, name)->data; }
};
