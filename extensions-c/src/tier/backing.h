// Memory whose content is kept in a file while it is not in use. The file has no name, and ends with its owner.
//
// Two ways. Mapped: the file takes the memory's place, and the system reads and writes it; pages are brought in by a call that gives an error, before
// anybody touches them, as a page that cannot be read ends the process otherwise. Copied: pages are read and written explicitly, where the system
// has no such call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace chq::tier {

// Pages [begin, end) of a backing.
struct run {
    int64_t begin;
    int64_t end;
};

class backing {
public:
    virtual ~backing() = default;

    // From now on pages of the run can be touched. fresh: they have never been. false = they cannot be had, why() says it.
    virtual bool load(const run & pages, bool to_write, bool fresh) = 0;

    // Has the system begin with reading what load() is about to ask for.
    virtual void announce(const run &) {}

    // Puts pages into the file and gives their memory up; dirty: they were written since they were loaded. false = they are still there.
    virtual bool drop(const run & pages, bool dirty) = 0;

    const std::string & why() const { return why_; }

protected:
    bool fail(const char * what);

    std::string why_;
};

size_t page_size();

// Whole pages of zeros, which take no memory before they are touched; NULL = there are none.
void * reserve(size_t bytes);
void   give_up(void * at, size_t bytes);

// Bytes that are in memory, by the system's count; 0 where it does not count.
uint64_t resident_bytes(const void * at, size_t bytes);

// Whether the mapped way works here.
bool can_map();

// For memory that begins with a page, is all zeros and was never touched. NULL = no such file can be made, `why` is a sentence.
std::unique_ptr<backing> make_backing(void * at, size_t bytes, const std::string & folder, bool mapped, std::string & why);

} // namespace chq::tier
