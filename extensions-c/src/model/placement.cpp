#include "model/placement.h"

#include "model/model.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

namespace chq {

namespace {

chq_placement & entry_of(std::vector<chq_placement> & all, const std::string & device) {
    for (chq_placement & one : all) {
        if (device == one.device) {
            return one;
        }
    }
    chq_placement fresh;
    memset(&fresh, 0, sizeof(fresh));
    snprintf(fresh.device, sizeof(fresh.device), "%s", device.c_str());
    all.push_back(fresh);
    return all.back();
}

// A device has buffers of several kinds, whose names begin with its own. Everything else is memory of the CPU.
std::string device_of(const std::string & buffer, const std::vector<chq_placement> & all) {
    std::string best;
    const auto consider = [&](const std::string & device) {
        if (device.size() > best.size() && buffer.compare(0, device.size(), device) == 0) {
            best = device;
        }
    };
    for (const chq_placement & one : all) {
        consider(one.device);
    }
    for (size_t i = 0; i < ggml_backend_dev_count(); ++i) {
        consider(ggml_backend_dev_name(ggml_backend_dev_get(i)));
    }
    return best.empty() || buffer.find("_Host") != std::string::npos ? "CPU" : best;
}

} // namespace

void placement_lines::on_text(const char * text, void * self) {
    auto * lines = (placement_lines *) self;
    char   name[64];
    int    layer = 0;
    double mib   = 0;
    if (sscanf(text, "load_tensors: layer %d assigned to device %63[^,]", &layer, name) == 2) {
        lines->layers.emplace_back(name, 1);
    } else if (strstr(text, "model buffer size") && sscanf(text, "load_tensors: %63s model buffer size = %lf", name, &mib) == 2) {
        lines->bytes.emplace_back(name, mib * 1024 * 1024);
    }
}

std::vector<chq_placement> placement_lines::placement() const {
    std::vector<chq_placement> all;
    for (const auto & layer : layers) {
        entry_of(all, layer.first).n_layers += layer.second;
    }
    for (const auto & buffer : bytes) {
        entry_of(all, device_of(buffer.first, all)).n_bytes += (uint64_t) buffer.second;
    }
    return all;
}

} // namespace chq

using namespace chq;

chq_status chq_model_placement(const struct chq_model * model, struct chq_placement * out, int32_t capacity, int32_t * n) {
    return guarded([&] {
        check_model(model);
        check_pointer(n, "n");
        if (capacity < 0 || (capacity > 0 && !out)) {
            fail(CHQ_STATUS_ARGUMENT, "out is NULL or its capacity negative");
        }
        *n = (int32_t) model->placement.size();
        std::copy_n(model->placement.begin(), std::min(*n, capacity), out);
        return CHQ_STATUS_OK;
    });
}
