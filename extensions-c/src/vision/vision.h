// A projector and what it is about to encode.
#pragma once

#include "chasqui_vision.h"

#include "guard/guard.h"
#include "model/model.h"
#include "vision/attention_share.h"
#include "vision/projector_file.h"

#include "mtmd.h"

#include <atomic>
#include <memory>
#include <string>

namespace chq {

constexpr uint32_t KIND_VISION = 0x53495651; // "QVIS"
constexpr uint32_t KIND_IMAGE  = 0x474d4951; // "QIMG"

} // namespace chq

struct chq_vision : chq::handle {
    chq_vision() : handle(chq::KIND_VISION) {}

    chq_model                     * model = nullptr;
    mtmd::context_ptr               mtmd;
    chq::projector_facts            facts;
    chq::attention_share            attention;
    chq::attention_layout           layout;
    bool                            listens = false;
    std::atomic<int32_t>            n_images { 0 };
};

// An image or a sound.
struct chq_image : chq::handle {
    chq_image() : handle(chq::KIND_IMAGE) {}

    chq_vision             * vision = nullptr;
    mtmd::input_chunks_ptr   chunks;
};

namespace chq {

void check_vision(const chq_vision * vision);

// Has the projector's preprocessor cut it into chunks. what: names it in the message of a failure.
chq_image * prepare(chq_vision * vision, const mtmd_bitmap * bitmap, const std::string & what);

} // namespace chq
