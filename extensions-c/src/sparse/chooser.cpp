#include "sparse/chooser.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace chq::sparse {

bool chooser::fits(int query_heads, int d, int64_t n_cells, int64_t n_always, int threads) const {
    return query_heads <= heads_ && d <= d_ && n_cells <= n_cells_ && n_always <= n_always_ && threads <= (int) shares_.size();
}

void chooser::grow(int query_heads, int d, int64_t n_cells, int64_t n_always, int threads) {
    heads_    = std::max(heads_, query_heads);
    d_        = std::max(d_, d);
    n_cells_  = std::max(n_cells_, (n_cells + CHUNK - 1) / CHUNK * CHUNK);
    n_always_ = std::max(n_always_, (n_always + 15) / 16 * 16);
    while ((int) shares_.size() < threads) {
        shares_.push_back(std::make_unique<share>());
    }
    for (auto & s : shares_) {
        s->q     .resize((size_t) heads_ * (size_t) d_);
        s->most  .resize((size_t) heads_);
        s->sum   .resize((size_t) heads_);
        s->anyway.resize((size_t) heads_ * (size_t) n_always_);
        s->above .reserve((size_t) n_cells_);
        s->within.reserve((size_t) n_cells_);
    }
    scores_.resize((size_t) heads_ * (size_t) n_cells_);
    totals_.resize((size_t) n_cells_);
    sums_  .resize((size_t) n_cells_);
}

static uint64_t mixed(uint64_t x) {
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

// Chosen without looking at keys: the last candidates, or chunks at random.
static void choose_blindly(const policy & how, const plan & cells, int64_t n, uint64_t turn, chosen & out) {
    out.missing = -1;
    if (how.by == WINDOW) {
        out.cells.assign(cells.candidates.end() - n, cells.candidates.end());
    } else {
        std::vector<std::pair<uint64_t, int32_t>> drawn;
        for (int32_t cell : cells.candidates) {
            drawn.emplace_back(mixed(how.seed ^ mixed(turn) ^ (uint64_t) (cell / CHUNK)), cell);
        }
        std::sort(drawn.begin(), drawn.end());
        out.cells.clear();
        for (int64_t i = 0; i < n; ++i) {
            out.cells.push_back(drawn[(size_t) i].second);
        }
    }
    std::sort(out.cells.begin(), out.cells.end());
}

void chooser::learn(const team & by, const lanes & loops, const keys & all, digest & known, const plan & cells) {
    if (!known.reads_chunks()) {
        return;
    }
    int64_t n_new = 0;
    const auto is_new = [&](int64_t chunk) { return (cells.wanted[(size_t) chunk] & ~known.known(chunk)) != 0; };
    for (int64_t chunk = cells.first_chunk; chunk < cells.end_chunk; ++chunk) {
        if (is_new(chunk) && n_new++ % by.count == by.index) {
            known.take(loops, all, chunk, cells.wanted[(size_t) chunk]);
        }
    }
    if (n_new == 0) {
        return;
    }
    by.wait();
    for (int64_t chunk = cells.first_chunk; by.index == 0 && chunk < cells.end_chunk; ++chunk) {
        if (is_new(chunk)) {
            known.know(chunk, cells.wanted[(size_t) chunk]);
        }
    }
}

int64_t chooser::most_of(const policy & how, const plan & cells) {
    return std::min<int64_t>((int64_t) cells.candidates.size(), (int64_t) std::ceil((double) how.most * (double) cells.n_visible));
}

void chooser::choose(const team & by, const lanes & loops, const policy & how, const keys & all, digest & known, const plan & cells,
        const float * const * q, int group, float scale, uint64_t turn, const extents & on_file, chosen & out) {
    const extents together = how.by == CHUNKS ? extents { CHUNK } : on_file;
    const int     heads = all.heads * group;
    const int     d     = all.d;
    const int64_t most  = most_of(how, cells);
    const int64_t least = std::min<int64_t>(most, (int64_t) std::ceil((double) how.share * (double) cells.n_visible));
    if (how.by == RANDOM || how.by == WINDOW) {
        if (by.index == 0) {
            choose_blindly(how, cells, most, turn, out);
        }
        return;
    }

    // scores of this thread's part
    share & mine = *shares_[(size_t) by.index];
    for (int h = 0; h < heads; ++h) {
        for (int c = 0; c < d; ++c) {
            mine.q[(size_t) (h * d + c)] = q[h][c] * scale;
        }
    }
    const int64_t n_chunks = cells.end_chunk - cells.first_chunk;
    const bool    global   = is_global(how.by, known);
    const auto    part     = [&](int64_t of, int i) { return of * i / by.count; };
    const int64_t begin    = cells.first_chunk + (global ? (by.index == 0 ? 0 : n_chunks) : part(n_chunks, by.index));
    const int64_t end      = cells.first_chunk + (global ? n_chunks : part(n_chunks, by.index + 1));
    const size_t  stride   = (size_t) n_cells_;
    const int64_t from     = begin * CHUNK;
    const int64_t n        = (end - begin) * CHUNK;
    score(how, loops, all, known, cells, { mine.q.data(), group }, begin, end, most, scores_.data(), stride);

    const int64_t first_anyway = part((int64_t) cells.always.size(), by.index);
    const int64_t n_anyway     = part((int64_t) cells.always.size(), by.index + 1) - first_anyway;
    const int64_t row          = (n_anyway + 15) / 16 * 16;
    float key[WIDEST];
    float products[WIDEST];
    for (int64_t i = 0; i < n_anyway; ++i) {
        for (int head = 0; head < all.heads; ++head) {
            all.read(loops, cells.always[(size_t) (first_anyway + i)], head, key);
            for (int g = 0; g < group; g += WIDEST) {
                const int some = std::min(WIDEST, group - g);
                const int h    = head * group + g;
                loops.dots(mine.q.data() + (size_t) (h * d), some, d, key, products);
                for (int j = 0; j < some; ++j) {
                    mine.anyway[(size_t) ((h + j) * row + i)] = products[j];
                }
            }
        }
    }
    for (int h = 0; h < heads; ++h) {
        float * const s = scores_.data() + (size_t) h * stride + (size_t) from;
        float * const a = mine.anyway.data() + h * row;
        std::fill(a + n_anyway, a + row, -INFINITY);
        loops.add(cells.penalty.data() + from, 1, n, s);
        const float top = std::max(loops.largest(s, n), loops.largest(a, row));
        mine.most[(size_t) h] = top;
        mine.sum [(size_t) h] = 0;
        if (top > -INFINITY) {
            mine.sum[(size_t) h] = loops.exponentials(s, n, top) + loops.exponentials(a, row, top);
        } else {
            std::fill_n(s, n, 0.0f);
        }
    }
    by.wait();
    if (by.index == 0 && how.by == FASA && !known.knows_pairs()) {
        known.count_query();
    }

    // totals of this thread's part
    float * const totals = totals_.data() + from;
    std::memcpy(totals, cells.penalty.data() + from, (size_t) n * sizeof(float));
    for (int h = 0; h < heads; ++h) {
        float top = -INFINITY;
        for (int i = 0; i < by.count; ++i) {
            top = std::max(top, shares_[(size_t) i]->most[(size_t) h]);
        }
        float sum = 0;
        for (int i = 0; i < by.count; ++i) {
            const share & other = *shares_[(size_t) i];
            sum += other.sum[(size_t) h] > 0 ? other.sum[(size_t) h] * std::exp(other.most[(size_t) h] - top) : 0;
        }
        if (mine.sum[(size_t) h] > 0) {
            loops.add(scores_.data() + (size_t) h * stride + (size_t) from, std::exp(mine.most[(size_t) h] - top) / sum, n, totals);
        }
    }
    const int     each  = together.cells;
    const float * ranks = each > 1 ? sums_.data() : totals_.data();
    if (each > 1) {
        mine.mass = add_up(together, from, from + n);
    }
    mine.totals.clear();
    mine.totals.add(ranks + from / each, n / each);
    by.wait();

    if (by.index == 0) {
        for (int i = 1; i < by.count; ++i) {
            mine.totals.add(shares_[(size_t) i]->totals);
            mine.mass += shares_[(size_t) i]->mass;
        }
        cut_ = find_cut(mine.totals, { (least + each - 1) / each, (most + each - 1) / each, (double) how.missing * heads });
        out.missing = cut_.missing / heads;
    }
    by.wait();
    divide(ranks, from / each, (from + n) / each, cut_, mine.above, mine.within);
    by.wait();
    if (by.index == 0) {
        out.cells.clear();
        for (int i = 1; i < by.count; ++i) {
            mine.within.insert(mine.within.end(), shares_[(size_t) i]->within.begin(), shares_[(size_t) i]->within.end());
        }
        for (int i = 0; i < by.count; ++i) {
            out.cells.insert(out.cells.end(), shares_[(size_t) i]->above.begin(), shares_[(size_t) i]->above.end());
        }
        keep_largest(ranks, mine.within, cut_.cells - (int64_t) out.cells.size());
        const size_t middle = out.cells.size();
        out.cells.insert(out.cells.end(), mine.within.begin(), mine.within.end());
        std::inplace_merge(out.cells.begin(), out.cells.begin() + (int64_t) middle, out.cells.end());
        if (each > 1) {
            out.missing = std::max(0.0, mine.mass - spread(each, out.cells)) / heads;
        }
    }
}

// Sums of the extents in [begin, end), weighted; gives the plain sum of all.
double chooser::add_up(const extents & together, int64_t begin, int64_t end) {
    double all = 0;
    for (int64_t cell = begin; cell < end; cell += together.cells) {
        float sum       = 0;
        bool  candidate = false;
        for (int64_t i = cell; i < cell + together.cells; ++i) {
            candidate |= totals_[(size_t) i] >= 0;
            sum       += std::max(0.0f, totals_[(size_t) i]);
        }
        all += sum;
        sums_[(size_t) (cell / together.cells)] = !candidate ? -INFINITY : together.is_near(cell) ? extents::NEAR * sum : sum;
    }
    return all;
}

// Puts the candidates of extents into their place; gives their sum.
double chooser::spread(int each, std::vector<int32_t> & extents) {
    extents_.swap(extents);
    extents.clear();
    double sum = 0;
    for (int32_t extent : extents_) {
        for (int32_t cell = extent * each; cell < (extent + 1) * each; ++cell) {
            if (totals_[(size_t) cell] >= 0) {
                extents.push_back(cell);
                sum += totals_[(size_t) cell];
            }
        }
    }
    return sum;
}

} // namespace chq::sparse
