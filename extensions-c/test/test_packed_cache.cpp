// The folder of packed weights alone: digests, files that are right and files that are not, room, processes at the same time.
#include "runner.h"

#include "kernels/digest.h"
#include "kernels/packed_cache.h"
#include "kernels/pages.h"

#include <algorithm>
#include <fstream>
#include <random>
#include <set>

#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <signal.h>
#include <unistd.h>

using namespace chq::kernels;

constexpr uint64_t PLENTY = (uint64_t) 1 << 30;
constexpr int64_t  SHAPE[3] = { 256, 4, 1 };

// A new folder, removed with all that is in it.
struct folder {
    std::string path;

    folder() {
        char name[] = "packed-XXXXXX";
        REQUIRE(mkdtemp(name));
        path = name;
    }
    ~folder() {
        for (const std::string & name : files("")) {
            unlink((path + "/" + name).c_str());
        }
        rmdir(path.c_str());
    }
    folder(const folder &) = delete;

    std::vector<std::string> files(const std::string & end = ".packed") const {
        std::vector<std::string> names;
        DIR * listing = opendir(path.c_str());
        while (const dirent * d = listing ? readdir(listing) : nullptr) {
            const std::string name = d->d_name;
            if (name != "." && name != ".." && name.size() >= end.size() && name.compare(name.size() - end.size(), end.size(), end) == 0) {
                names.push_back(name);
            }
        }
        if (listing) {
            closedir(listing);
        }
        return names;
    }

    std::string only_file() const {
        const std::vector<std::string> names = files();
        REQUIRE(names.size() == 1);
        return path + "/" + names[0];
    }

    uint64_t bytes() const {
        uint64_t sum = 0;
        for (const std::string & name : files()) {
            struct stat s;
            sum += stat((path + "/" + name).c_str(), &s) == 0 ? (uint64_t) s.st_blocks * 512 : 0; // files begin with a hole
        }
        return sum;
    }

    std::unique_ptr<packed_cache> open(uint64_t max_bytes = PLENTY) const {
        auto cache = packed_cache::open(path, max_bytes);
        REQUIRE(cache);
        return cache;
    }
};

struct pages {
    explicit pages(size_t size) : size(size), data((uint8_t *) take_pages(size)) { REQUIRE(data); }
    ~pages() { give_pages_back(data, size); }
    pages(const pages &) = delete;
    const size_t    size;
    uint8_t * const data;
};

static std::vector<uint8_t> some_bytes(size_t n, unsigned seed) {
    std::mt19937 random(seed);
    std::vector<uint8_t> bytes(n);
    for (uint8_t & b : bytes) {
        b = (uint8_t) random();
    }
    return bytes;
}

static digest key(const packed_cache & cache, unsigned n) { return cache.key_of(2, SHAPE, &n, sizeof(n), nullptr); }

constexpr int TRAILER = 64;

static void write_over(const std::string & path, int before_end, const void * data, size_t size) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(-before_end, std::ios::end);
    file.write((const char *) data, (std::streamsize) size);
}

static bool holds(packed_cache & cache, unsigned n, const std::vector<uint8_t> & content) {
    pages to(content.size());
    return cache.take(key(cache, n), to.data, content.size()) && std::equal(content.begin(), content.end(), to.data);
}

TEST(a_digest_depends_on_every_bit_the_length_and_the_seed) {
    const std::vector<uint8_t> random = some_bytes(64, 1);
    const digest_seed seed  = seed_of(random.data());
    const digest_seed other = seed_of(random.data() + 32);
    for (size_t size : { 0, 1, 63, 64, 65, 200 }) {
        std::vector<uint8_t> data = some_bytes(size, 2);
        std::set<std::pair<uint64_t, uint64_t>> seen;
        const auto add = [&](const digest & d) { return seen.insert({ d.low, d.high }).second; };
        CHECK(add(digest_of(seed, data.data(), size)));
        CHECK(add(digest_of(other, data.data(), size)));
        for (size_t bit = 0; bit < size * 8; bit++) {
            data[bit / 8] ^= (uint8_t) (1 << bit % 8);
            CHECK(add(digest_of(seed, data.data(), size)));
            data[bit / 8] ^= (uint8_t) (1 << bit % 8);
        }
        data.push_back(0);
        CHECK(add(digest_of(seed, data.data(), size + 1)));
    }
}

TEST(a_digest_on_all_cores_reads_everything_once) {
    static const uint8_t * begin;
    static size_t          read;
    const digest_seed seed = seed_of(some_bytes(32, 3).data());
    std::vector<uint8_t> data = some_bytes((20 << 20) + 12345, 4);
    begin = data.data();
    read  = 0;
    const digest whole = digest_on_cores(seed, data.data(), data.size(), [](const void * part, size_t size) {
        CHECK((const uint8_t *) part == begin + read);
        read += size;
    });
    CHECK_EQ(read, data.size());
    CHECK(digest_on_cores(seed, data.data(), data.size()) == whole);
    for (size_t at : { (size_t) 0, (size_t) (256 << 10), (size_t) (9 << 20), data.size() - 1 }) {
        data[at] ^= 1;
        CHECK(digest_on_cores(seed, data.data(), data.size()) != whole);
        data[at] ^= 1;
    }
}

TEST(what_is_kept_comes_back_in_another_object) {
    const folder f;
    const std::vector<uint8_t> content = some_bytes(300001, 5);
    f.open()->keep(key(*f.open(), 1), content.data(), content.size());
    struct stat s;
    CHECK(stat(f.only_file().c_str(), &s) == 0 && (s.st_mode & 0777) == 0600);
    auto cache = f.open();
    CHECK(holds(*cache, 1, content));
    CHECK(!holds(*cache, 2, content));
    CHECK(f.files(".part").empty());
}

TEST(a_key_depends_on_type_shape_bytes_and_folder) {
    const folder f;
    const folder g;
    auto cache = f.open();
    const uint32_t data = 7;
    const digest   k    = cache->key_of(2, SHAPE, &data, 4, nullptr);
    const int64_t  wide[3] = { 4, 256, 1 };
    const uint32_t changed = 6;
    CHECK(f.open()->key_of(2, SHAPE, &data, 4, nullptr) == k);
    CHECK(cache->key_of(3, SHAPE, &data, 4, nullptr) != k);
    CHECK(cache->key_of(2, wide, &data, 4, nullptr) != k);
    CHECK(cache->key_of(2, SHAPE, &changed, 4, nullptr) != k);
    CHECK(g.open()->key_of(2, SHAPE, &data, 4, nullptr) != k);
}

TEST(mapped_pages_are_a_copy_of_ones_own) {
    const folder f;
    const std::vector<uint8_t> content = some_bytes(50000, 6);
    auto cache = f.open();
    cache->keep(key(*cache, 1), content.data(), content.size());
    pages to(content.size());
    REQUIRE(cache->take(key(*cache, 1), to.data, content.size()));
    std::fill_n(to.data, content.size(), (uint8_t) 0);
    CHECK(holds(*cache, 1, content));
}

TEST(a_wrong_file_is_ignored_and_replaced) {
    const std::vector<uint8_t> content = some_bytes(100000, 7);
    void (* const damages[])(const std::string &) = {
        [](const std::string & path) { write_over(path, TRAILER + 100000, "x", 1); },
        [](const std::string & path) { write_over(path, TRAILER + 1, "xy", 2); },     // the last byte, the trailer's first
        [](const std::string & path) { write_over(path, TRAILER - 8, "\2", 1); },     // of another layout
        [](const std::string & path) { write_over(path, TRAILER - 16, "12345678", 8); },
        [](const std::string & path) { write_over(path, TRAILER - 40, "\1", 1); },    // begins elsewhere
        [](const std::string & path) { CHECK(truncate(path.c_str(), 5000) == 0); },
        [](const std::string & path) { CHECK(truncate(path.c_str(), 0) == 0); },
        [](const std::string & path) { CHECK(truncate(path.c_str(), 200000) == 0); },
        [](const std::string & path) { CHECK(chmod(path.c_str(), 0666) == 0); }, // anybody could have written it
        [](const std::string & path) { CHECK(rename(path.c_str(), (path + "x").c_str()) == 0 && symlink((path + "x").c_str(), path.c_str()) == 0); },
    };
    for (const auto & damage : damages) {
        const folder f;
        f.open()->keep(key(*f.open(), 1), content.data(), content.size());
        damage(f.only_file());
        auto cache = f.open();
        pages to(content.size());
        to.data[7] = 1;
        CHECK(!cache->take(key(*cache, 1), to.data, content.size()));
        std::fill_n(to.data, content.size(), (uint8_t) 3); // memory as before
        cache->keep(key(*cache, 1), content.data(), content.size());
        CHECK(holds(*f.open(), 1, content));
    }
}

TEST(what_was_used_longest_ago_makes_room) {
    const folder f;
    const std::vector<uint8_t> content = some_bytes(100000, 8);
    for (unsigned n = 0; n < 4; n++) {
        f.open()->keep(key(*f.open(), n), content.data(), content.size());
        usleep(20000); // file systems keep coarse times
    }
    CHECK(holds(*f.open(), 0, content));
    usleep(20000);
    const uint64_t room = 410000;
    auto cache = f.open(room);
    cache->keep(key(*cache, 4), content.data(), content.size());
    CHECK(f.bytes() <= room);
    CHECK(holds(*cache, 0, content) && !holds(*cache, 1, content) && holds(*cache, 4, content));

    // what one load uses it does not drop, so that a model larger than the folder may be keeps a part of it
    for (unsigned n = 10; n < 20; n++) {
        cache->keep(key(*cache, n), content.data(), content.size());
    }
    CHECK(f.bytes() <= room);
    CHECK(holds(*cache, 0, content) && holds(*cache, 4, content) && !holds(*cache, 19, content));
}

TEST(files_of_dead_processes_are_removed) {
    const folder f;
    const std::vector<uint8_t> content = some_bytes(1000, 9);
    for (const char * name : { "/.1-0.part", "/.2-0.part" }) {
        std::ofstream(f.path + name) << "half";
    }
    const struct timespec old[2] = { { 1000000, 0 }, { 1000000, 0 } };
    REQUIRE(utimensat(AT_FDCWD, (f.path + "/.1-0.part").c_str(), old, 0) == 0);
    auto cache = f.open();
    cache->keep(key(*cache, 1), content.data(), content.size());
    CHECK(f.files(".part") == std::vector<std::string> { ".2-0.part" });
}

TEST(folders_that_cannot_be_used) {
    CHECK(!packed_cache::open("/dev/null/folder", PLENTY));
    const folder f;
    REQUIRE(chmod(f.path.c_str(), 0777) == 0);
    CHECK(!packed_cache::open(f.path, PLENTY));
    REQUIRE(chmod(f.path.c_str(), 0700) == 0);
    CHECK(packed_cache::open(f.path, PLENTY) != nullptr);
    std::ofstream(f.path + "/seed") << "short"; // what a full disk may leave
    CHECK(packed_cache::open(f.path, PLENTY) != nullptr);
}

TEST(a_write_that_fails_leaves_nothing) {
    const folder f;
    const std::vector<uint8_t> content = some_bytes(1 << 20, 10);
    auto cache = f.open();
    const pid_t child = fork();
    if (child == 0) {
        signal(SIGXFSZ, SIG_IGN);
        const struct rlimit limit = { 500000, 500000 };
        setrlimit(RLIMIT_FSIZE, &limit);
        cache->keep(key(*cache, 1), content.data(), content.size());
        cache->keep(key(*cache, 2), content.data(), 1000); // would fit, but after a failure it is left alone
        _exit(0);
    }
    int status = 1;
    waitpid(child, &status, 0);
    CHECK_EQ(status, 0);
    CHECK(f.files().empty() && f.files(".part").empty());
}

TEST(processes_share_a_folder) {
    const folder f;
    std::vector<std::vector<uint8_t>> contents;
    for (unsigned n = 0; n < 8; n++) {
        contents.push_back(some_bytes(200000 + n, n));
    }
    std::vector<pid_t> children;
    for (int process = 0; process < 4; process++) {
        children.push_back(fork());
        if (children.back() == 0) {
            int wrong = 0;
            for (int round = 0; round < 20; round++) {
                auto cache = packed_cache::open(f.path, 900000); // never all of them
                for (unsigned n = 0; cache && n < contents.size(); n++) {
                    const unsigned i = (n + (unsigned) process) % 8;
                    pages to(contents[i].size());
                    if (cache->take(key(*cache, i), to.data, contents[i].size())) {
                        wrong += !std::equal(contents[i].begin(), contents[i].end(), to.data);
                    } else {
                        cache->keep(key(*cache, i), contents[i].data(), contents[i].size());
                    }
                }
                wrong += !cache;
            }
            _exit(wrong > 0);
        }
    }
    for (pid_t child : children) {
        int status = 1;
        waitpid(child, &status, 0);
        CHECK_EQ(status, 0);
    }
    CHECK(f.files(".part").empty());
    CHECK(!f.files().empty());
}

MAIN
