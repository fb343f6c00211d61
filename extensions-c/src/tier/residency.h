// Which pages of a KV cache are in memory. There are never more than the budget allows: what an operation is about to touch is asked for before, and
// others leave for it.
//
// Pages that were chosen leave in the order of their last use. Those that were only read on the way, because everything was, leave before them and the last
// ones first: a pass through all layers then finds as many as fit, not none.
#pragma once

#include "tier/backing.h"

#include <vector>

namespace chq::tier {

class residency {
public:
    explicit residency(uint64_t budget) : budget_((int64_t) (budget / page_size())) {}

    // Memory that is subject to the budget from now on, whole pages.
    void add(uint8_t * at, size_t bytes, std::unique_ptr<backing> file);

    bool holds_all() const { return (int64_t) pages_.size() <= budget_; }
    bool has(const void * at) const { return area_of((const uint8_t *) at) != nullptr; }

    // What comes next touches these bytes. Others are ignored.
    void want(const void * at, size_t bytes, bool to_write);

    // Makes what was wanted resident. chosen: for its own sake, else on the way through everything. false = something cannot be had, why() says it;
    // what is resident still is.
    bool settle(bool chosen);

    void forget_wanted();

    // Of memory that was added.
    bool is_resident(const void * at) const { return pages_[(size_t) page_of(*area_of((const uint8_t *) at), (const uint8_t *) at)].state & RESIDENT; }

    const std::string & why() const { return why_; }

    uint64_t file_bytes()     const { return pages_.size() * page_size(); }
    uint64_t budget_bytes()   const { return (uint64_t) budget_ * page_size(); }
    uint64_t resident_bytes() const; // by the system's count
    uint64_t tracked_bytes()  const { return (uint64_t) resident_ * page_size(); }
    uint64_t most_bytes()     const { return (uint64_t) most_ * page_size(); }
    uint64_t loaded_bytes()   const { return (uint64_t) loaded_ * page_size(); }
    uint64_t evicted_bytes()  const { return (uint64_t) evicted_ * page_size(); }

private:
    struct area {
        uint8_t * at;
        int64_t   first; // page
        int64_t   count;
        std::unique_ptr<backing> file;
    };

    enum : uint8_t { RESIDENT = 1, DIRTY = 2, USED = 4, TO_WRITE = 8 }; // USED: has had content

    struct page {
        int32_t  before = -1; // in the order in which they leave, the last one first
        int32_t  after  = -1;
        uint32_t wanted = 0;  // turn
        uint8_t  state  = 0;
    };

    const area * area_of(const uint8_t * at) const;
    int64_t page_of(const area & in, const uint8_t * at) const { return in.first + (at - in.at) / (int64_t) page_size(); }
    void unlink(int32_t p);
    void link_first(int32_t p);
    void link_last(int32_t p);
    bool make_room(int64_t n);
    template <typename Same, typename F> bool by_runs(const std::vector<int32_t> & sorted, Same && same, F && each);

    int64_t              budget_;
    std::vector<area>    areas_;
    std::vector<page>    pages_;
    int32_t              first_    = -1; // leaves last
    int32_t              last_     = -1;
    uint32_t             turn_     = 1;
    std::vector<int32_t> wanted_;
    std::vector<int32_t> missing_;
    std::vector<int32_t> leaving_;
    int64_t              resident_ = 0;
    int64_t              most_     = 0;
    int64_t              loaded_   = 0;
    int64_t              evicted_  = 0;
    std::string          why_;
};

} // namespace chq::tier
