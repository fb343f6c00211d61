#include "packed_cache.h"

#ifdef _WIN32

namespace chq::kernels {

std::unique_ptr<packed_cache> packed_cache::open(const std::string &, uint64_t) { return nullptr; }
packed_cache::~packed_cache() = default;
digest packed_cache::key_of(int, const int64_t *, const void *, size_t, void (*)(const void *, size_t)) const { return {}; }
bool   packed_cache::take(const digest &, void *, size_t) { return false; }
void   packed_cache::keep(const digest &, const void *, size_t) {}

} // namespace chq::kernels

#else

#include "format.h"
#include "pages.h"

#include "ggml-impl.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <random>
#include <vector>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace chq::kernels {

constexpr char   SUFFIX[]    = ".packed";
constexpr char   SEED_NAME[] = "seed";
constexpr size_t SEED_BYTES  = 32;
constexpr time_t ABANDONED   = 3600; // seconds after which a file that was never renamed is taken for a dead process's

struct trailer {
    char     magic[8];
    uint64_t layout;  // a foreign byte order is another number
    digest   key;
    uint64_t size;
    uint64_t begin;   // of the packed bytes; before it the file has a hole
    digest   content; // of the packed bytes
};

static trailer trailer_of(const digest & key, size_t size, uint64_t begin, const digest & content) {
    trailer t = { { 'C', 'H', 'Q', 'P', 'A', 'C', 'K', 'D' }, LAYOUT, key, size, begin, content };
    return t;
}

static std::string name_of(const digest & key) {
    char name[64];
    snprintf(name, sizeof(name), "%016llx%016llx%s", (unsigned long long) key.high, (unsigned long long) key.low, SUFFIX);
    return name;
}

static std::string temporary_name() {
    static std::atomic<unsigned> count { 0 };
    return "." + std::to_string(getpid()) + "-" + std::to_string(count++) + ".part";
}

static bool ends_with(const std::string & text, const char * end) {
    return text.size() >= strlen(end) && text.compare(text.size() - strlen(end), std::string::npos, end) == 0;
}

class descriptor {
public:
    explicit descriptor(int fd) : fd_(fd) {}
    ~descriptor() {
        if (fd_ >= 0) {
            close(fd_);
        }
    }
    descriptor(const descriptor &) = delete;
    descriptor & operator=(const descriptor &) = delete;
    operator int() const { return fd_; }

private:
    const int fd_;
};

static bool read_all(int file, void * to, size_t size, off_t from) {
    for (size_t done = 0; done < size;) {
        const ssize_t n = pread(file, (uint8_t *) to + done, size - done, from + (off_t) done);
        if (n <= 0 && !(n < 0 && errno == EINTR)) {
            return false;
        }
        done += n > 0 ? (size_t) n : 0;
    }
    return true;
}

// Up to where large pages end, so that the page cache can use such.
static bool write_all(int file, const void * data, size_t size, uint64_t begin = 0) {
    constexpr size_t MOST = 4 * LARGE_PAGE;
    for (size_t done = 0; done < size;) {
        const ssize_t n = write(file, (const uint8_t *) data + done, std::min(size - done, MOST - (size_t) (begin + done) % MOST));
        if (n < 0 && errno != EINTR) {
            return false;
        }
        done += n > 0 ? (size_t) n : 0;
    }
    return true;
}

// Nobody but the user and the system's administrator may have written it.
static bool trusted(const struct stat & s) {
    return (s.st_uid == geteuid() || s.st_uid == 0) && !(s.st_mode & (S_IWGRP | S_IWOTH));
}

// ---- opening

static void make_folders(const std::string & path) {
    for (size_t at = path.find('/', 1); at != std::string::npos; at = path.find('/', at + 1)) {
        mkdir(path.substr(0, at).c_str(), 0777);
    }
    mkdir(path.c_str(), 0700);
}

std::unique_ptr<packed_cache> packed_cache::open(const std::string & path, uint64_t max_bytes) {
    make_folders(path);
    const int folder = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) {
        GGML_LOG_WARN("chasqui-kernels: no cache of packed weights, %s: %s\n", path.c_str(), strerror(errno));
        return nullptr;
    }
    std::unique_ptr<packed_cache> cache(new packed_cache(path, folder, max_bytes));
    struct stat s;
    if (fstat(folder, &s) != 0 || !trusted(s)) {
        GGML_LOG_WARN("chasqui-kernels: no cache of packed weights, others may write to %s\n", path.c_str());
        return nullptr;
    }
    if (!cache->read_seed() && !(cache->make_seed() && cache->read_seed())) {
        GGML_LOG_WARN("chasqui-kernels: no cache of packed weights, %s cannot be written: %s\n", path.c_str(), strerror(errno));
        return nullptr;
    }
    return cache;
}

packed_cache::~packed_cache() { close(folder_); }

bool packed_cache::read_seed() {
    const descriptor file(openat(folder_, SEED_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    uint8_t random[SEED_BYTES];
    struct stat s;
    if (file < 0 || fstat(file, &s) != 0 || !trusted(s) || !read_all(file, random, sizeof(random), 0)) {
        return false;
    }
    seed_ = seed_of(random);
    return true;
}

// Of two processes that make one at the same time, the first wins, unless what is there is no seed.
bool packed_cache::make_seed() {
    std::random_device device;
    uint8_t random[SEED_BYTES];
    for (uint8_t & byte : random) {
        byte = (uint8_t) device();
    }
    const std::string part = temporary_name();
    bool made = false;
    {
        const descriptor file(openat(folder_, part.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
        made = file >= 0 && write_all(file, random, sizeof(random));
    }
    struct stat s;
    if (made && fstatat(folder_, SEED_NAME, &s, AT_SYMLINK_NOFOLLOW) == 0 && ((size_t) s.st_size < SEED_BYTES || !trusted(s))) {
        unlinkat(folder_, SEED_NAME, 0);
    }
    made = made && (linkat(folder_, part.c_str(), folder_, SEED_NAME, 0) == 0 || errno == EEXIST);
    const int error = errno;
    unlinkat(folder_, part.c_str(), 0);
    errno = error;
    return made;
}

digest packed_cache::key_of(int type, const int64_t shape[3], const void * data, size_t size, void (*done)(const void * data, size_t size)) const {
    const digest content = digest_on_cores(seed_, data, size, done);
    const uint64_t all[] = { LAYOUT, (uint64_t) type, (uint64_t) shape[0], (uint64_t) shape[1], (uint64_t) shape[2], content.low, content.high };
    return digest_of(seed_, all, sizeof(all));
}

// ---- reading

bool packed_cache::take(const digest & key, void * to, size_t size) {
    const std::string name = name_of(key);
    const descriptor file(openat(folder_, name.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (file < 0) {
        return false;
    }
    struct stat s;
    trailer t;
    if (fstat(file, &s) != 0 || !S_ISREG(s.st_mode) || !trusted(s) || s.st_size < (off_t) (size + sizeof(t)) ||
        !read_all(file, &t, sizeof(t), s.st_size - (off_t) sizeof(t))) {
        return false;
    }
    const trailer expected = trailer_of(key, size, (uint64_t) s.st_size - size - sizeof(t), t.content);
    if (memcmp(&t, &expected, sizeof(t)) != 0 || t.begin % page_bytes() != 0 || !map_file(to, size, file, t.begin)) {
        return false;
    }
    if (digest_on_cores(seed_, to, size) != t.content) {
        GGML_LOG_WARN("chasqui-kernels: %s/%s is damaged\n", path_.c_str(), name.c_str());
        unmap_file(to, size);
        return false;
    }
    futimens(file, nullptr); // used now
    in_use_.insert(name);
    return true;
}

// ---- writing

void packed_cache::give_up(const char * what) {
    GGML_LOG_WARN("chasqui-kernels: packed weights are not kept, %s: %s: %s\n", path_.c_str(), what, strerror(errno));
    gave_up_ = true;
}

void packed_cache::keep(const digest & key, const void * packed, size_t size) {
    const uint64_t bytes = (size + sizeof(trailer) + 4095) / 4096 * 4096; // on most disks
    if (gave_up_ || !make_room(bytes)) {
        return;
    }
    const std::string name = name_of(key);
    const trailer     t    = trailer_of(key, size, (uintptr_t) packed % LARGE_PAGE / page_bytes() * page_bytes(), digest_on_cores(seed_, packed, size));
    if (write_file(name, packed, size, t.begin, &t)) {
        present_ += bytes;
        in_use_.insert(name);
    }
}

bool packed_cache::write_file(const std::string & name, const void * packed, size_t size, uint64_t begin, const void * end) {
    const std::string part = temporary_name();
    bool done = false;
    {
        const descriptor file(openat(folder_, part.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
        done = file >= 0 && lseek(file, (off_t) begin, SEEK_SET) >= 0 && write_all(file, packed, size, begin) && write_all(file, end, sizeof(trailer));
    }
    if (!done || renameat(folder_, part.c_str(), folder_, name.c_str()) != 0) {
        give_up(name.c_str());
        unlinkat(folder_, part.c_str(), 0);
        return false;
    }
    return true;
}

bool packed_cache::make_room(uint64_t bytes) {
    if (counted_ && present_ + bytes <= max_bytes_) {
        return true;
    }
    struct entry {
        std::string name;
        uint64_t    size;
        time_t      seconds;
        long        nanoseconds;
    };
    std::vector<entry> entries;
    present_ = 0;
    counted_ = true;
    const int copy = openat(folder_, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR * listing = copy >= 0 ? fdopendir(copy) : nullptr;
    if (!listing) {
        give_up("the folder");
        if (copy >= 0) {
            close(copy);
        }
        return false;
    }
    while (const dirent * d = readdir(listing)) {
        const std::string name = d->d_name;
        struct stat s;
        const bool part = ends_with(name, ".part");
        if ((!part && !ends_with(name, SUFFIX)) || fstatat(folder_, name.c_str(), &s, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(s.st_mode)) {
            continue;
        }
        if (part && s.st_mtime < time(nullptr) - ABANDONED) {
            unlinkat(folder_, name.c_str(), 0);
            continue;
        }
        const uint64_t bytes_on_disk = std::min((uint64_t) s.st_size, (uint64_t) s.st_blocks * 512);
        present_ += bytes_on_disk;
        if (!part && in_use_.count(name) == 0) {
#ifdef __APPLE__
            entries.push_back({ name, bytes_on_disk, s.st_mtimespec.tv_sec, s.st_mtimespec.tv_nsec });
#else
            entries.push_back({ name, bytes_on_disk, s.st_mtim.tv_sec, s.st_mtim.tv_nsec });
#endif
        }
    }
    closedir(listing);
    std::sort(entries.begin(), entries.end(), [](const entry & a, const entry & b) {
        return a.seconds != b.seconds ? a.seconds < b.seconds : a.nanoseconds < b.nanoseconds;
    });
    for (const entry & oldest : entries) {
        if (present_ + bytes <= max_bytes_) {
            break;
        }
        if (unlinkat(folder_, oldest.name.c_str(), 0) == 0 || errno == ENOENT) {
            present_ -= oldest.size;
        }
    }
    return present_ + bytes <= max_bytes_;
}

} // namespace chq::kernels

#endif
