// Where llama.cpp puts the weights of a model: it says so in its log, and only there.
#pragma once

#include "chasqui_model.h"

#include <string>
#include <utility>
#include <vector>

namespace chq {

// Listens to a load.
class placement_lines {
public:
    static void on_text(const char * text, void * self);

    std::vector<chq_placement> placement() const;

private:
    std::vector<std::pair<std::string, int32_t>> layers; // of devices
    std::vector<std::pair<std::string, double>>  bytes;  // of buffers
};

} // namespace chq
