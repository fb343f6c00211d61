#include "tier/backing.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#ifdef _WIN32

namespace chq::tier {

bool backing::fail(const char * what) {
    why_ = what;
    return false;
}

size_t   page_size() { return 4096; }
void   * reserve(size_t) { return nullptr; }
void     give_up(void *, size_t) {}
uint64_t resident_bytes(const void *, size_t) { return 0; }
bool     can_map() { return false; }

std::unique_ptr<backing> make_backing(void *, size_t, const std::string &, bool, std::string & why) {
    why = "KV caches on files are not made on Windows";
    return nullptr;
}

} // namespace chq::tier

#else

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#ifdef __linux__
#    include <sys/vfs.h>
#    ifndef MADV_POPULATE_READ
#        define MADV_POPULATE_READ  22
#        define MADV_POPULATE_WRITE 23
#    endif
#endif

namespace chq::tier {

bool backing::fail(const char * what) {
    why_ = std::string("the file behind the KV cache: ") + what + ": " + strerror(errno);
    return false;
}

size_t page_size() {
    static const size_t bytes = (size_t) sysconf(_SC_PAGESIZE);
    return bytes;
}

// Small ones: what is said to be in memory must be.
static void keep_pages_small(void * at, size_t bytes) {
#ifdef MADV_NOHUGEPAGE
    madvise(at, bytes, MADV_NOHUGEPAGE);
#else
    (void) at;
    (void) bytes;
#endif
}

void * reserve(size_t bytes) {
    void * at = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return at == MAP_FAILED ? nullptr : at;
}

void give_up(void * at, size_t bytes) { munmap(at, bytes); }

uint64_t resident_bytes(const void * at, size_t bytes) {
    const size_t pages = (bytes + page_size() - 1) / page_size();
#ifdef __APPLE__
    std::vector<char> there(pages);
#else
    std::vector<unsigned char> there(pages);
#endif
    if (mincore((void *) at, bytes, there.data()) != 0) {
        return 0;
    }
    uint64_t n = 0;
    for (auto page : there) {
        n += page & 1;
    }
    return n * page_size();
}

namespace {

class descriptor {
public:
    explicit descriptor(int fd) : fd_(fd) {}
    descriptor(descriptor && other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
    ~descriptor() {
        if (fd_ >= 0) {
            close(fd_);
        }
    }
    int get() const { return fd_; }

private:
    int fd_;
};

off_t  place(const run & pages)  { return (off_t) pages.begin * (off_t) page_size(); }
size_t length(const run & pages) { return (size_t) (pages.end - pages.begin) * page_size(); }

#ifdef __linux__

class mapped_file : public backing {
public:
    mapped_file(uint8_t * at, descriptor file) : at_(at), file_(std::move(file)) {}

    bool load(const run & pages, bool to_write, bool) override {
        while (madvise(at_ + place(pages), length(pages), to_write ? MADV_POPULATE_WRITE : MADV_POPULATE_READ) != 0) {
            if (errno != EINTR && errno != EAGAIN) {
                return fail("cannot be read");
            }
        }
        return true;
    }

    void announce(const run & pages) override { madvise(at_ + place(pages), length(pages), MADV_WILLNEED); }

    bool drop(const run & pages, bool dirty) override {
        constexpr unsigned ALL = SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
        if (dirty && sync_file_range(file_.get(), place(pages), (off_t) length(pages), ALL) != 0) {
            const int error = errno;
            // the system takes such pages for written: they would be lost with the next attempt
            for (size_t i = 0; i < length(pages); i += page_size()) {
                volatile uint8_t & byte = at_[(size_t) place(pages) + i];
                byte = byte;
            }
            errno = error;
            return fail("cannot be written");
        }
        madvise(at_ + place(pages), length(pages), MADV_DONTNEED);
        posix_fadvise(file_.get(), place(pages), (off_t) length(pages), POSIX_FADV_DONTNEED);
        return true;
    }

private:
    uint8_t  * at_;
    descriptor file_;
};

#endif

class copied_file : public backing {
public:
    copied_file(uint8_t * at, descriptor file) : at_(at), file_(std::move(file)) {}

    bool load(const run & pages, bool, bool fresh) override {
        return fresh || move(pages, "cannot be read", [&](uint8_t * at, size_t n, off_t from) { return pread(file_.get(), at, n, from); });
    }

    bool drop(const run & pages, bool dirty) override {
        if (dirty && !move(pages, "cannot be written", [&](const uint8_t * at, size_t n, off_t to) { return pwrite(file_.get(), at, n, to); })) {
            return false;
        }
        uint8_t * const at = at_ + place(pages);
#ifdef __linux__
        if (madvise(at, length(pages), MADV_DONTNEED) != 0) {
#else
        if (mmap(at, length(pages), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED) {
#endif
            return fail("its memory cannot be given up");
        }
        return true;
    }

private:
    template <typename F>
    bool move(const run & pages, const char * what, F && some) {
        size_t done = 0;
        while (done < length(pages)) {
            const ssize_t n = some(at_ + place(pages) + done, length(pages) - done, place(pages) + (off_t) done);
            if (n < 0 && errno == EINTR) {
                continue;
            }
            if (n <= 0) {
                errno = n == 0 ? EIO : errno;
                return fail(what);
            }
            done += (size_t) n;
        }
        return true;
    }

    uint8_t  * at_;
    descriptor file_;
};

descriptor nameless_file(const std::string & folder) {
#ifdef O_TMPFILE
    const int fd = open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)) {
        return descriptor(fd);
    }
#endif
    std::string name = folder + "/kv-XXXXXX";
    descriptor file(mkstemp(name.data())); // mode 0600
    if (file.get() >= 0) {
        unlink(name.c_str());
        fcntl(file.get(), F_SETFD, FD_CLOEXEC);
    }
    return file;
}

// All of the file's room at once: a page without it cannot be written back.
int take_room(int fd, size_t bytes) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < bytes) {
        return EFBIG; // there is a signal for it
    }
#ifdef __APPLE__
    fstore_t all = { F_ALLOCATEALL, F_PEOFPOSMODE, 0, (off_t) bytes, 0 };
    if (fcntl(fd, F_PREALLOCATE, &all) != 0) {
        return errno;
    }
    return ftruncate(fd, (off_t) bytes) == 0 ? 0 : errno;
#else
    int error;
    do {
        error = posix_fallocate(fd, 0, (off_t) bytes);
    } while (error == EINTR);
    return error;
#endif
}

bool is_in_memory(int fd) {
#ifdef __linux__
    constexpr unsigned TMPFS = 0x01021994, RAMFS = 0x858458f6;
    struct statfs about;
    return fstatfs(fd, &about) == 0 && ((unsigned) about.f_type == TMPFS || (unsigned) about.f_type == RAMFS);
#else
    (void) fd;
    return false;
#endif
}

std::string gibibytes(double bytes) {
    char text[32];
    snprintf(text, sizeof(text), "%.2f GiB", bytes / (1 << 30));
    return text;
}

} // namespace

bool can_map() {
#ifdef __linux__
    static const bool can = [] {
        void * page = mmap(nullptr, page_size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        const bool ok = page != MAP_FAILED && madvise(page, page_size(), MADV_POPULATE_WRITE) == 0;
        if (page != MAP_FAILED) {
            munmap(page, page_size());
        }
        return ok;
    }();
    return can;
#else
    return false;
#endif
}

std::unique_ptr<backing> make_backing(void * at, size_t bytes, const std::string & folder, bool mapped, std::string & why) {
    descriptor file = nameless_file(folder);
    if (file.get() < 0) {
        why = folder + ": no file for the KV cache can be made there: " + strerror(errno);
        return nullptr;
    }
    if (const int error = take_room(file.get(), bytes)) {
        struct statvfs about;
        const bool known = fstatvfs(file.get(), &about) == 0;
        why = folder + ": the KV cache needs a file of " + gibibytes((double) bytes) + ": " + strerror(error);
        if (known) {
            why += ", " + gibibytes((double) about.f_bavail * (double) about.f_frsize) + " are free";
        }
        return nullptr;
    }
    if (is_in_memory(file.get())) {
        why = folder + " is in memory itself: a KV cache there would save nothing";
        return nullptr;
    }
#ifdef __linux__
    if (mapped) {
        posix_fadvise(file.get(), 0, 0, POSIX_FADV_RANDOM);
        if (mmap(at, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file.get(), 0) == MAP_FAILED) {
            why = folder + ": the file for the KV cache cannot be mapped: " + strerror(errno);
            // what was there may be gone
            mmap(at, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
            return nullptr;
        }
        madvise(at, bytes, MADV_RANDOM); // only what is asked for
        return std::make_unique<mapped_file>((uint8_t *) at, std::move(file));
    }
#endif
    (void) mapped;
    keep_pages_small(at, bytes);
    return std::make_unique<copied_file>((uint8_t *) at, std::move(file));
}

} // namespace chq::tier

#endif
