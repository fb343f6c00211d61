#pragma once

#include <cstdint>
#include <string>

namespace chq {

// What libmtmd's public functions do not tell about a projector file.
struct projector_facts {
    std::string type;           // "" if the file names none; that of the image encoder if there is also one for sound
    std::string audio_type;
    int32_t     image_size  = 0;
    int32_t     patch_size  = 0;
    int32_t     n_head      = 0;
    bool        class_token = false;
};

// Reads the header of a projector file; CHQ_STATUS_LOAD if it is none, or if libmtmd, which trusts its numbers, could crash on it.
projector_facts check_projector(const char * path);

} // namespace chq
