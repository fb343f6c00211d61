// A folder of packed weights, so that the next load of the same weights maps them instead of packing them.
//
// A file holds one tensor: its packed bytes as they lie in memory, then a trailer that tells what they are. It begins with a hole, so that large
// pages of the file are large pages of the memory: with small ones generation is a sixth slower. Its name is the digest of the
// tensor's bytes in the model file, with their type and shape and the number of the layout; a file is used only if its size, its trailer and the
// digest of its packed bytes are right, and replaced if they are not. The digests' seed is made at random for each folder, so that no model
// can be made up to pass for another. Files appear by renaming and are never written again, so that any number of processes can share a folder.
#pragma once

#include "digest.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <set>
#include <string>

namespace chq::kernels {

class packed_cache {
public:
    // Makes the folder if it is not there. NULL, and a warning in the log, if it cannot be used. At most max_bytes stay in it.
    static std::unique_ptr<packed_cache> open(const std::string & folder, uint64_t max_bytes);
    ~packed_cache();
    packed_cache(const packed_cache &) = delete;
    packed_cache & operator=(const packed_cache &) = delete;

    // Identifies a tensor: `type` as in GGUF, its three dimensions, its bytes as in the model file, of which `done` is told once they were read.
    digest key_of(int type, const int64_t shape[3], const void * data, size_t size, void (*done)(const void * data, size_t size)) const;

    // Maps the packed bytes that belong to the key to `to`, where pages of take_pages begin. False if the folder has none that can be used.
    bool take(const digest & key, void * to, size_t size);

    // Writes the packed bytes that belong to the key. Files that were used longest ago make room, though none that this object gave or wrote.
    // What goes wrong ends in the log.
    void keep(const digest & key, const void * packed, size_t size);

private:
    packed_cache(std::string path, int folder, uint64_t max_bytes) : path_(std::move(path)), folder_(folder), max_bytes_(max_bytes) {}

    bool read_seed();
    bool make_seed();
    bool make_room(uint64_t bytes);
    bool write_file(const std::string & name, const void * packed, size_t size, uint64_t begin, const void * trailer);
    void give_up(const char * what);

    const std::string     path_;
    const int             folder_; // its descriptor
    const uint64_t        max_bytes_;
    digest_seed           seed_ {};
    std::set<std::string> in_use_;
    uint64_t              present_  = 0; // bytes in the folder, once counted
    bool                  counted_  = false;
    bool                  gave_up_  = false; // nothing more is written
};

} // namespace chq::kernels
