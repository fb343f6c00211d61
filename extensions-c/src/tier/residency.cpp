#include "tier/residency.h"

#include <algorithm>

namespace chq::tier {

void residency::add(uint8_t * at, size_t bytes, std::unique_ptr<backing> file) {
    const int64_t count = (int64_t) (bytes / page_size());
    areas_.push_back({ at, (int64_t) pages_.size(), count, std::move(file) });
    pages_.resize(pages_.size() + (size_t) count);
    for (std::vector<int32_t> * list : { &wanted_, &missing_, &leaving_ }) {
        list->reserve(pages_.size()); // there is no memory to ask for while something is computed
    }
}

const residency::area * residency::area_of(const uint8_t * at) const {
    for (const area & a : areas_) {
        if (at >= a.at && at < a.at + (size_t) a.count * page_size()) {
            return &a;
        }
    }
    return nullptr;
}

void residency::want(const void * from, size_t bytes, bool to_write) {
    const auto * at = (const uint8_t *) from;
    const area * in = at && bytes > 0 ? area_of(at) : nullptr;
    if (!in) {
        return;
    }
    const int64_t end = std::min(in->first + in->count, page_of(*in, at + bytes - 1) + 1);
    for (int64_t p = page_of(*in, at); p < end; ++p) {
        page & one = pages_[(size_t) p];
        if (one.wanted != turn_) {
            one.wanted = turn_;
            one.state &= (uint8_t) ~TO_WRITE;
            wanted_.push_back((int32_t) p);
        }
        one.state |= to_write ? TO_WRITE : 0;
    }
}

void residency::unlink(int32_t p) {
    page & one = pages_[(size_t) p];
    (one.before < 0 ? first_ : pages_[(size_t) one.before].after) = one.after;
    (one.after  < 0 ? last_  : pages_[(size_t) one.after].before) = one.before;
}

void residency::link_first(int32_t p) {
    page & one = pages_[(size_t) p];
    one.before = -1;
    one.after  = first_;
    (first_ < 0 ? last_ : pages_[(size_t) first_].before) = p;
    first_ = p;
}

void residency::link_last(int32_t p) {
    page & one = pages_[(size_t) p];
    one.after  = -1;
    one.before = last_;
    (last_ < 0 ? first_ : pages_[(size_t) last_].after) = p;
    last_ = p;
}

// Neighbours of which same() says that they go together, in one call.
template <typename Same, typename F>
bool residency::by_runs(const std::vector<int32_t> & sorted, Same && same, F && each) {
    for (size_t i = 0; i < sorted.size();) {
        const auto in = std::find_if(areas_.begin(), areas_.end(), [&](const area & a) { return sorted[i] < a.first + a.count; });
        size_t j = i + 1;
        while (j < sorted.size() && sorted[j] == sorted[j - 1] + 1 && sorted[j] < in->first + in->count
                && same(pages_[(size_t) sorted[i]], pages_[(size_t) sorted[j]])) {
            ++j;
        }
        if (!each(*in->file, run { sorted[i] - in->first, sorted[j - 1] + 1 - in->first }, i, j)) {
            why_ = in->file->why();
            return false;
        }
        i = j;
    }
    return true;
}

bool residency::make_room(int64_t n) {
    const int64_t surplus = resident_ + n - budget_;
    leaving_.clear();
    for (int32_t p = last_; p >= 0 && (int64_t) leaving_.size() < surplus; p = pages_[(size_t) p].before) {
        if (pages_[(size_t) p].wanted != turn_) {
            leaving_.push_back(p);
        }
    }
    std::sort(leaving_.begin(), leaving_.end());
    return by_runs(leaving_, [](const page & a, const page & b) { return (a.state & DIRTY) == (b.state & DIRTY); },
        [&](backing & file, const run & pages, size_t i, size_t j) {
            if (!file.drop(pages, pages_[(size_t) leaving_[i]].state & DIRTY)) {
                return false;
            }
            for (size_t k = i; k < j; ++k) {
                pages_[(size_t) leaving_[k]].state &= (uint8_t) ~(RESIDENT | DIRTY);
                unlink(leaving_[k]);
            }
            resident_ -= (int64_t) (j - i);
            evicted_  += (int64_t) (j - i);
            return true;
        });
}

bool residency::settle(bool chosen) {
    missing_.clear();
    int64_t n_new = 0;
    for (int32_t p : wanted_) {
        const page & one = pages_[(size_t) p];
        n_new += !(one.state & RESIDENT);
        // the system may have written a page back meanwhile: it is made ready to be written each time
        if (!(one.state & RESIDENT) || one.state & TO_WRITE) {
            missing_.push_back(p);
        }
    }
    std::sort(missing_.begin(), missing_.end());
    bool done = make_room(n_new);
    const auto kind = [](const page & one) { return one.state & (RESIDENT | USED | TO_WRITE); };
    const auto same = [&](const page & a, const page & b) { return kind(a) == kind(b); };
    done = done && by_runs(missing_, same, [&](backing & file, const run & pages, size_t i, size_t) {
        if (kind(pages_[(size_t) missing_[i]]) & USED && !(pages_[(size_t) missing_[i]].state & RESIDENT)) {
            file.announce(pages);
        }
        return true;
    });
    done = done && by_runs(missing_, same, [&](backing & file, const run & pages, size_t i, size_t j) {
        const uint8_t was = pages_[(size_t) missing_[i]].state;
        const bool resident = was & RESIDENT;
        if (!(resident ? file.load(pages, true, true) : file.load(pages, was & TO_WRITE, !(was & USED)))) {
            return false;
        }
        for (size_t k = i; k < j; ++k) {
            page & one = pages_[(size_t) missing_[k]];
            one.state |= (uint8_t) (RESIDENT | USED | (was & TO_WRITE ? DIRTY : 0));
            if (!resident) {
                chosen ? link_first(missing_[k]) : link_last(missing_[k]);
            }
        }
        if (!resident) {
            resident_ += (int64_t) (j - i);
            loaded_   += was & USED ? (int64_t) (j - i) : 0;
        }
        return true;
    });
    most_ = std::max(most_, resident_);
    if (done && chosen) {
        for (int32_t p : wanted_) {
            unlink(p);
            link_first(p);
        }
    }
    forget_wanted();
    return done;
}

void residency::forget_wanted() {
    wanted_.clear();
    turn_++;
}

uint64_t residency::resident_bytes() const {
    uint64_t n = 0;
    for (const area & a : areas_) {
        n += tier::resident_bytes(a.at, (size_t) a.count * page_size());
    }
    return n;
}

} // namespace chq::tier
