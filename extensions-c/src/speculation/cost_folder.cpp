#include "speculation/cost_folder.h"

#include "model/xxh64.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <random>
#include <vector>

namespace chq {

namespace fs = std::filesystem;

namespace {

constexpr uint32_t MAGIC[] = { 0x54534350, 1 }; // "PCST" and a version
constexpr size_t   MOST_BYTES = 1 << 16;

struct header {
    uint32_t magic[2];
    uint64_t key;
};

struct entry {
    int64_t threads;
    double  seconds[pass_cost::MOST]; // of a pass over 1, 2, ... rows, 0 = not measured
};

// The name of what is in the file, too: two keys never share one.
std::string name_of(uint64_t key) {
    char name[32];
    snprintf(name, sizeof(name), "%016llx.costs", (unsigned long long) key);
    return name;
}

} // namespace

cost_folder::cost_folder(fs::path folder, uint64_t key) : folder(std::move(folder)), key(key) {}

void cost_folder::load(std::map<int32_t, pass_cost> & costs) const {
    std::error_code error;
    const fs::path file = folder / name_of(key);
    if (fs::file_size(file, error) > MOST_BYTES || error) {
        return;
    }
    std::ifstream in(file, std::ios::binary);
    const std::vector<char> bytes((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    header   h;
    uint64_t checksum;
    if (bytes.size() < sizeof(h) + sizeof(checksum) || (bytes.size() - sizeof(h) - sizeof(checksum)) % sizeof(entry) != 0) {
        return;
    }
    const size_t end = bytes.size() - sizeof(checksum);
    memcpy(&h, bytes.data(), sizeof(h));
    memcpy(&checksum, bytes.data() + end, sizeof(checksum));
    if (memcmp(h.magic, MAGIC, sizeof(MAGIC)) != 0 || h.key != key || checksum != xxh64((const uint8_t *) bytes.data(), end, 0)) {
        return;
    }
    for (size_t at = sizeof(h); at < end; at += sizeof(entry)) {
        entry e;
        memcpy(&e, bytes.data() + at, sizeof(e));
        pass_cost & cost = costs[(int32_t) e.threads];
        if (!cost.known()) {
            for (int rows = 1; rows <= pass_cost::MOST; rows++) {
                cost.assume(rows, e.seconds[rows - 1]);
            }
        }
    }
}

void cost_folder::save(const std::map<int32_t, pass_cost> & costs) const {
    const header h = { { MAGIC[0], MAGIC[1] }, key };
    std::vector<char> bytes((const char *) &h, (const char *) (&h + 1));
    for (const auto & [threads, cost] : costs) {
        if (cost.known() && bytes.size() + sizeof(entry) + sizeof(uint64_t) <= MOST_BYTES) {
            entry e = { threads, {} };
            for (int rows = 1; rows <= pass_cost::MOST; rows++) {
                e.seconds[rows - 1] = cost.measured(rows);
            }
            bytes.insert(bytes.end(), (const char *) &e, (const char *) (&e + 1));
        }
    }
    const uint64_t checksum = xxh64((const uint8_t *) bytes.data(), bytes.size(), 0);
    bytes.insert(bytes.end(), (const char *) &checksum, (const char *) (&checksum + 1));

    std::error_code error;
    fs::create_directories(folder, error);
    const fs::path aside = folder / (name_of(key) + "." + std::to_string(std::random_device()()));
    std::ofstream out(aside, std::ios::binary);
    out.write(bytes.data(), (std::streamsize) bytes.size());
    out.close();
    if (out) {
        fs::rename(aside, folder / name_of(key), error);
    }
    if (!out || error) {
        fs::remove(aside, error);
    }
    make_room();
}

void cost_folder::make_room() const {
    std::error_code error;
    std::vector<std::pair<fs::file_time_type, fs::path>> files;
    for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
        if (it->path().filename().string().find(".costs") != std::string::npos) {
            files.push_back({ it->last_write_time(error), it->path() });
        }
    }
    std::sort(files.begin(), files.end());
    for (size_t i = 0; i + MOST_FILES < files.size(); i++) {
        fs::remove(files[i].second, error);
    }
}

} // namespace chq
