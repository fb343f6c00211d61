// What passes cost, kept in a folder from one program to the next. A file for each key, which appears by renaming, so that programs can race.
#pragma once

#include "speculation/pass_cost.h"

#include <cstdint>
#include <filesystem>
#include <map>

namespace chq {

class cost_folder {
public:
    static constexpr size_t MOST_FILES = 64;

    // key: of all that the costs depend on but the number of threads.
    cost_folder(std::filesystem::path folder, uint64_t key);

    // Adds what the file knows of numbers of threads that are not there; of a damaged file, or one of another key, nothing.
    void load(std::map<int32_t, pass_cost> & costs) const;

    // Replaces the file; those written longest ago make room. What goes wrong leaves things as they are.
    void save(const std::map<int32_t, pass_cost> & costs) const;

private:
    void make_room() const;

    std::filesystem::path folder;
    uint64_t              key;
};

} // namespace chq
