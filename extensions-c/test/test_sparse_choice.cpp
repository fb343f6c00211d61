// The choice of cells against brute force: sketches on every instruction set, plans, budgets, and what each selector chooses with any number of threads.
#include "runner.h"

#include "kernels/format.h"
#include "sparse/block_choice.h"
#include "sparse/chooser.h"

#include <algorithm>
#include <cmath>
#include <condition_variable>
#include <map>
#include <mutex>
#include <numeric>
#include <random>
#include <thread>

using namespace chq::sparse;

namespace {

std::vector<float> normal(size_t n, std::mt19937 & random, float scale = 1) {
    std::normal_distribution<float> law(0, scale);
    std::vector<float> x(n);
    for (float & v : x) {
        v = law(random);
    }
    return x;
}

// A cache of fp16 keys, [cell, head, d].
struct cache {
    int                   heads;
    int                   d;
    int64_t               cells;
    std::vector<uint16_t> halves;

    cache(int heads, int d, int64_t cells, std::mt19937 & random) : heads(heads), d(d), cells(cells) {
        // channels with means and widths of their own, as keys have them
        const std::vector<float> mean  = normal((size_t) (heads * d), random, 2);
        const std::vector<float> width = normal((size_t) (heads * d), random);
        std::normal_distribution<float> law;
        for (int64_t cell = 0; cell < cells; ++cell) {
            for (int i = 0; i < heads * d; ++i) {
                halves.push_back(chq::kernels::to_half(mean[(size_t) i] + width[(size_t) i] * law(random)));
            }
        }
    }

    float at(int64_t cell, int head, int c) const { return chq::kernels::from_half(halves[(size_t) ((cell * heads + head) * d + c)]); }

    double product(int64_t cell, int head, const float * q) const {
        double sum = 0;
        for (int c = 0; c < d; ++c) {
            sum += (double) q[c] * at(cell, head, c);
        }
        return sum;
    }

    keys view() const {
        keys all;
        all.data        = (const uint8_t *) halves.data();
        all.cell_stride = (size_t) (heads * d) * 2;
        all.head_stride = (size_t) d * 2;
        all.heads       = heads;
        all.d           = d;
        all.fp16        = true;
        return all;
    }
};

struct thread_barrier {
    int                     count;
    int                     waiting = 0;
    int                     round   = 0;
    std::mutex              mutex;
    std::condition_variable all_there;

    void wait() {
        std::unique_lock<std::mutex> lock(mutex);
        const int mine = round;
        if (++waiting == count) {
            waiting = 0;
            ++round;
            all_there.notify_all();
        } else {
            all_there.wait(lock, [&] { return round != mine; });
        }
    }
};

struct fixture {
    cache                 all;
    int                   group;
    std::vector<float>    queries;
    std::vector<uint16_t> mask;
    std::vector<int32_t>  written;
    plan                  cells;
    digest                known;
    float                 scale = 0.3f;
    extents               together;

    fixture(std::mt19937 & random, int heads, int group, int d, int64_t n, int sinks = 8, int window = 40, double hidden = 0)
        : all(heads, d, n, random), group(group), queries(normal((size_t) (heads * group * d), random)), mask((size_t) n), written((size_t) n) {
        for (int64_t i = 0; i < n; ++i) {
            mask[(size_t) i] = std::uniform_real_distribution<>()(random) < hidden ? 0xfc00 : 0;
        }
        cells.make(mask.data(), n, written.data(), sinks, window);
    }

    chosen choose(const policy & how, int threads, uint64_t turn = 1) {
        shape_for(how.by, all.view(), group, all.cells, known);
        chooser choosing;
        choosing.grow(all.heads * group, all.d, all.cells, (int64_t) cells.always.size(), threads);
        thread_barrier barrier;
        barrier.count = threads;
        std::vector<const float *> rows;
        for (int h = 0; h < all.heads * group; ++h) {
            rows.push_back(queries.data() + (size_t) (h * all.d));
        }
        chosen out;
        std::vector<std::thread> running;
        for (int t = 0; t < threads; ++t) {
            running.emplace_back([&, t] {
                const team by { t, threads, &barrier, [](void * b) { ((thread_barrier *) b)->wait(); } };
                chooser::learn(by, best_lanes(), all.view(), known, cells);
                choosing.choose(by, best_lanes(), how, all.view(), known, cells, rows.data(), group, scale, turn, together, out);
            });
        }
        for (std::thread & t : running) {
            t.join();
        }
        return out;
    }

    // Sums over the heads of the probabilities that come of these scores [head, cell] of the candidates and the products of the other cells.
    std::vector<double> totals(const std::vector<std::vector<double>> & scores) const {
        std::vector<double> sums((size_t) all.cells);
        for (int h = 0; h < all.heads * group; ++h) {
            std::vector<double> s = scores[(size_t) h];
            for (int32_t cell : cells.always) {
                s[(size_t) cell] = scale * all.product(cell, h / group, queries.data() + h * all.d);
            }
            double top = -1e300;
            for (int64_t i = 0; i < all.cells; ++i) {
                if (mask[(size_t) i] == 0) {
                    top = std::max(top, s[(size_t) i]);
                }
            }
            double sum = 0;
            for (int64_t i = 0; i < all.cells; ++i) {
                sum += mask[(size_t) i] == 0 ? std::exp(s[(size_t) i] - top) : 0;
            }
            for (int32_t cell : cells.candidates) {
                sums[(size_t) cell] += std::exp(s[(size_t) cell] - top) / sum;
            }
        }
        return sums;
    }

    // The score of each head and cell by a function of the query, the key head and the cell.
    template <typename F>
    std::vector<std::vector<double>> scores(F && of) const {
        std::vector<std::vector<double>> s((size_t) (all.heads * group), std::vector<double>((size_t) all.cells));
        for (int h = 0; h < all.heads * group; ++h) {
            std::vector<float> q(queries.begin() + h * all.d, queries.begin() + (h + 1) * all.d);
            for (float & x : q) {
                x *= scale;
            }
            for (int32_t cell : cells.candidates) {
                s[(size_t) h][(size_t) cell] = of(q.data(), h / group, cell);
            }
        }
        return s;
    }
};

// The n candidates of the largest totals are chosen, up to what rounding decides.
void check_largest(const fixture & f, const std::vector<double> & totals, const chosen & out, int64_t n, double tolerance) {
    CHECK_EQ((int64_t) out.cells.size(), n);
    CHECK(std::is_sorted(out.cells.begin(), out.cells.end()));
    std::vector<bool> is_chosen((size_t) f.all.cells);
    for (int32_t cell : out.cells) {
        CHECK(!is_chosen[(size_t) cell]);
        is_chosen[(size_t) cell] = true;
    }
    double least = 1e300;
    double most  = 0;
    double rest  = 0;
    int64_t candidates = 0;
    for (int32_t cell : f.cells.candidates) {
        if (is_chosen[(size_t) cell]) {
            ++candidates;
            least = std::min(least, totals[(size_t) cell]);
        } else {
            most  = std::max(most, totals[(size_t) cell]);
            rest += totals[(size_t) cell];
        }
    }
    CHECK_EQ(candidates, n);
    CHECK(least >= most * (1 - tolerance));
    CHECK(std::fabs(out.missing - rest / (f.all.heads * f.group)) < 0.02);
}

policy of(selector by, float share) {
    policy how;
    how.by    = by;
    how.share = how.most = share;
    return how;
}

int64_t share_of(const fixture & f, float share) { return (int64_t) std::ceil((double) share * (double) f.cells.n_visible); }

} // namespace

TEST(a_sketch_is_the_same_on_every_instruction_set_and_near_the_key) {
    std::mt19937 random(1);
    for (int d : { 16, 64, 80, 128, 256 }) {
        const cache all(1, d, CHUNK, random);
        std::vector<float> rows;
        for (int64_t cell = 0; cell < CHUNK; ++cell) {
            for (int c = 0; c < d; ++c) {
                rows.push_back(all.at(cell, 0, c));
            }
        }
        for (uint32_t use : { 0xffffffffu, 0x00ff00ffu, 1u, 0u }) {
            std::vector<uint8_t> first;
            for (int set = 0; lane_sets()[set]; ++set) {
                std::vector<uint8_t> block(block_bytes(d));
                lane_sets()[set]->encode(rows.data(), d, use, block.data());
                if (set == 0) {
                    first = block;
                }
                CHECK(block == first);
            }
            const uint16_t * means = (const uint16_t *) first.data();
            const uint16_t * steps = means + d;
            double error  = 0;
            double spread = 0;
            for (int c = 0; c < d; ++c) {
                const double mean = chq::kernels::from_half(means[c]);
                const double step = chq::kernels::from_half(steps[c]);
                for (int i = 0; i < CHUNK; ++i) {
                    if (use >> i & 1) {
                        const uint8_t byte = first[(size_t) (4 * d + (c / 16 * 2 + i / 16) * 64 + i % 16 * 4 + c % 4)];
                        const int     code = byte >> (c / 4 % 4 * 2) & 3;
                        const double  x    = all.at(i, 0, c);
                        error  += std::pow(mean + (code - 1.5) * step - x, 2);
                        spread += std::pow(mean - x, 2);
                    }
                }
            }
            CHECK(error <= 0.14 * spread + 1e-3); // two bits of a normal value leave 0.12
        }
    }
}

TEST(a_scan_gives_the_products_of_queries_and_sketches) {
    std::mt19937 random(2);
    for (int d : { 16, 64, 128, 256 }) {
        for (int heads : { 1, 2, 3, 4, 5, 6, 7, 8, 14 }) {
            constexpr int64_t CHUNKS = 3;
            const cache all(1, d, CHUNKS * CHUNK, random);
            digest known;
            known.shape(digest::CODES, 1, d, CHUNKS);
            for (int64_t chunk = 0; chunk < CHUNKS; ++chunk) {
                known.take(best_lanes(), all.view(), chunk, 0xffffffff);
            }
            const std::vector<float> q = normal((size_t) (heads * d), random);
            for (int set = 0; lane_sets()[set]; ++set) {
                std::vector<std::vector<float>> scores((size_t) heads, std::vector<float>(CHUNKS * CHUNK));
                std::vector<float *> rows;
                for (auto & s : scores) {
                    rows.push_back(s.data());
                }
                lane_sets()[set]->scan(known.codes(0, 0), CHUNKS, q.data(), heads, d, rows.data());
                for (int h = 0; h < heads; ++h) {
                    for (int64_t cell = 0; cell < CHUNKS * CHUNK; ++cell) {
                        const uint8_t  * block = known.codes(0, cell / CHUNK);
                        const uint16_t * means = (const uint16_t *) block;
                        double expected = 0;
                        double largest  = 0;
                        const int64_t i = cell % CHUNK;
                        for (int c = 0; c < d; ++c) {
                            const double mean = chq::kernels::from_half(means[c]);
                            const double step = chq::kernels::from_half(means[d + c]);
                            const int code = block[4 * d + (c / 16 * 2 + i / 16) * 64 + i % 16 * 4 + c % 4] >> (c / 4 % 4 * 2) & 3;
                            expected += q[(size_t) (h * d + c)] * (mean + (code - 1.5) * step);
                            largest   = std::max(largest, std::fabs(q[(size_t) (h * d + c)] * step));
                        }
                        // weights are rounded to a 254th of the largest; errors add up like a random walk
                        CHECK(std::fabs(scores[(size_t) h][(size_t) cell] - expected) < largest / 254 * 3 * std::sqrt(d) * 3 + 1e-3);
                    }
                }
            }
        }
    }
}

TEST(every_visible_cell_is_always_there_or_a_candidate) {
    std::mt19937 random(3);
    for (int round = 0; round < 300; ++round) {
        const int64_t n = 1 + random() % 400;
        std::vector<uint16_t> mask((size_t) n);
        std::vector<int32_t>  written((size_t) n);
        std::vector<int32_t>  order;
        const bool ordered = round % 2;
        for (int64_t i = 0; i < n; ++i) {
            mask[(size_t) i]    = random() % 4 == 0 ? 0xfc00 : 0;
            written[(size_t) i] = ordered ? (int32_t) i : (int32_t) (random() % 1000);
            if (mask[(size_t) i] == 0) {
                order.push_back((int32_t) i);
            }
        }
        std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) { return written[(size_t) a] < written[(size_t) b]; });
        const int sinks  = (int) (random() % 50);
        const int window = 1 + (int) (random() % 100);
        plan p;
        p.make(mask.data(), n, written.data(), sinks, window);
        CHECK_EQ(p.n_visible, (int64_t) order.size());
        CHECK_EQ(p.always.size() + p.candidates.size(), order.size());
        CHECK(std::is_sorted(p.always.begin(), p.always.end()));
        for (size_t i = 0; i < order.size(); ++i) {
            const bool always = std::binary_search(p.always.begin(), p.always.end(), order[i]);
            if ((int) i < sinks || i + (size_t) window >= order.size()) {
                CHECK(always);
            }
            CHECK_EQ(p.penalty[(size_t) order[i]] == 0, !always);
            CHECK_EQ(p.wanted[(size_t) (order[i] / CHUNK)] >> order[i] % CHUNK & 1, always ? 0u : 1u);
        }
        // candidates keep the order of the text, and none shares its chunk with the window
        size_t at = 0;
        for (int32_t cell : order) {
            at += at < p.candidates.size() && p.candidates[at] == cell;
        }
        CHECK_EQ(at, p.candidates.size());
        for (size_t i = order.size() - std::min<size_t>(order.size(), (size_t) window); i < order.size(); ++i) {
            CHECK_EQ(p.wanted[(size_t) (order[i] / CHUNK)], 0u);
        }
        for (int64_t chunk = 0; chunk < (int64_t) p.wanted.size(); ++chunk) {
            CHECK(p.wanted[(size_t) chunk] == 0 || (chunk >= p.first_chunk && chunk < p.end_chunk));
        }
    }
}

TEST(a_budget_takes_the_largest_totals_and_no_more_than_it_needs) {
    std::mt19937 random(4);
    for (int round = 0; round < 300; ++round) {
        const int64_t n = 1 + random() % 500;
        std::vector<float> totals = normal((size_t) n, random, 2);
        for (float & t : totals) {
            t = random() % 10 == 0 ? -INFINITY : std::exp(t - 5);
        }
        std::vector<float> sorted;
        for (float t : totals) {
            if (t >= 0) {
                sorted.push_back(t);
            }
        }
        std::sort(sorted.rbegin(), sorted.rend());
        const int64_t most  = (int64_t) (random() % (sorted.size() + 1));
        const int64_t least = most == 0 ? 0 : (int64_t) (random() % (uint64_t) (most + 1));
        const double  all   = std::accumulate(sorted.begin(), sorted.end(), 0.0);
        const double  missing = round % 3 == 0 ? 0 : all * (double) (random() % 100) / 100;
        tally t;
        t.clear();
        t.add(totals.data(), n);
        const cut at = find_cut(t, { least, most, missing });
        CHECK(at.cells <= most && at.cells >= least);
        const double rest = std::accumulate(sorted.begin() + at.cells, sorted.end(), 0.0);
        CHECK(std::fabs(at.missing - rest) <= 0.02 * all + 1e-6);
        if (missing == 0) {
            CHECK_EQ(at.cells, most);
        } else if (at.cells < most) {
            CHECK(rest <= missing * 1.02 + 1e-6);
        }
        std::vector<int32_t> above;
        std::vector<int32_t> within;
        divide(totals.data(), 0, n, at, above, within);
        keep_largest(totals.data(), within, at.cells - (int64_t) above.size());
        above.insert(above.end(), within.begin(), within.end());
        std::vector<float> taken;
        for (int32_t cell : above) {
            taken.push_back(totals[(size_t) cell]);
        }
        std::sort(taken.rbegin(), taken.rend());
        sorted.resize((size_t) at.cells);
        CHECK(taken == sorted);
    }
}

TEST(exact_chooses_the_tokens_of_the_largest_probabilities) {
    std::mt19937 random(5);
    for (int round = 0; round < 12; ++round) {
        fixture f(random, 1 + round % 3, 1 + round % 4, 16 << round % 3, 300 + 37 * round, 8, 40, round % 2 ? 0.3 : 0);
        const float share  = 0.05f + 0.04f * (float) round;
        const auto  totals = f.totals(f.scores([&](const float * q, int head, int64_t cell) { return f.all.product(cell, head, q); }));
        for (int threads : { 1, 2, 5 }) {
            check_largest(f, totals, f.choose(of(EXACT, share), threads), share_of(f, share), 1e-3);
        }
    }
}

// Of extents that are chosen as a whole, one in three of them in memory.
TEST(extents_are_chosen_by_the_sums_of_their_cells) {
    std::mt19937 random(15);
    for (int round = 0; round < 24; ++round) {
        fixture f(random, 1 + round % 3, 1 + round % 4, 16 << round % 3, 300 + 37 * round, 8, 40, round % 2 ? 0.3 : 0);
        const int each = 8 << round % 3;
        f.together.cells       = each;
        f.together.memory      = &f;
        f.together.is_resident = [](const void * memory, int64_t cell) { return memory && cell / ((const fixture *) memory)->together.cells % 3 == 0; };
        const float share  = 0.05f + 0.02f * (float) round;
        const auto  totals = f.totals(f.scores([&](const float * q, int head, int64_t cell) { return f.all.product(cell, head, q); }));
        std::map<int64_t, double> worth; // of extents that have candidates
        double all = 0;
        for (int32_t cell : f.cells.candidates) {
            worth[cell / each] += totals[(size_t) cell];
            all += totals[(size_t) cell];
        }
        double largest = 0;
        for (auto & [extent, sum] : worth) {
            sum *= extent % 3 == 0 ? extents::NEAR : 1;
            largest = std::max(largest, sum);
        }
        const int64_t most   = std::min<int64_t>((int64_t) f.cells.candidates.size(), share_of(f, share));
        const int64_t wanted = std::min<int64_t>((int64_t) worth.size(), (most + each - 1) / each);
        for (int threads : { 1, 2, 5 }) {
            const chosen out = f.choose(of(EXACT, share), threads);
            CHECK(std::is_sorted(out.cells.begin(), out.cells.end()));
            std::map<int64_t, int> taken;
            double mass = 0;
            for (int32_t cell : out.cells) {
                taken[cell / each]++;
                mass += totals[(size_t) cell];
            }
            CHECK_EQ((int64_t) taken.size(), wanted);
            double least = INFINITY;
            double best  = 0; // of those that were left
            for (const auto & [extent, sum] : worth) {
                (taken.count(extent) ? least : best) = taken.count(extent) ? std::min(least, sum) : std::max(best, sum);
            }
            CHECK(least >= best - 1e-3 * largest);
            for (int32_t cell : f.cells.candidates) {
                const auto of = taken.find(cell / each);
                of != taken.end() ? (void) --of->second : (void) 0;
            }
            CHECK(std::all_of(taken.begin(), taken.end(), [](const auto & extent) { return extent.second == 0; })); // all of its candidates
            const int heads = f.all.heads * f.group;
            CHECK(std::fabs(out.missing - (all - mass) / heads) < 1e-3);
        }
    }
}

TEST(chunks_chooses_the_whole_chunks_that_get_most_attention) {
    std::mt19937 random(24);
    for (int round = 0; round < 12; ++round) {
        fixture f(random, 1 + round % 3, 1 + round % 4, 16 << round % 3, 400 + 37 * round, 8, 40, round % 2 ? 0.3 : 0);
        const auto totals = f.totals(f.scores([&](const float * q, int head, int64_t cell) { return f.all.product(cell, head, q); }));
        std::map<int64_t, std::vector<int32_t>> chunks;
        std::map<int64_t, double> sums;
        for (int32_t cell : f.cells.candidates) {
            chunks[cell / CHUNK].push_back(cell);
            sums[cell / CHUNK] += totals[(size_t) cell];
        }
        std::vector<int64_t> order;
        for (const auto & [chunk, cells] : chunks) {
            order.push_back(chunk);
        }
        std::sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return sums[a] > sums[b]; });
        const float share = 0.1f + 0.02f * (float) round;
        order.resize(std::min(order.size(), (size_t) ((share_of(f, share) + CHUNK - 1) / CHUNK)));
        std::vector<int32_t> expected;
        for (int64_t chunk : order) {
            expected.insert(expected.end(), chunks[chunk].begin(), chunks[chunk].end());
        }
        std::sort(expected.begin(), expected.end());
        for (int threads : { 1, 3 }) {
            CHECK(f.choose(of(CHUNKS, share), threads).cells == expected);
        }
    }
}

TEST(sketch_chooses_the_tokens_of_the_largest_estimates) {
    std::mt19937 random(6);
    for (int round = 0; round < 12; ++round) {
        fixture f(random, 1 + round % 3, 1 + round % 4, 16 << round % 3, 300 + 37 * round, 8, 40, round % 2 ? 0.3 : 0);
        const float share = 0.05f + 0.04f * (float) round;
        const chosen one  = f.choose(of(SKETCH, share), 1);
        const auto totals = f.totals(f.scores([&](const float * q, int head, int64_t cell) {
            const uint8_t  * block = f.known.codes(head, cell / CHUNK);
            const uint16_t * means = (const uint16_t *) block;
            const int        d     = f.all.d;
            const int64_t    i     = cell % CHUNK;
            double sum = 0;
            for (int c = 0; c < d; ++c) {
                const int code = block[4 * d + (c / 16 * 2 + i / 16) * 64 + i % 16 * 4 + c % 4] >> (c / 4 % 4 * 2) & 3;
                sum += q[c] * (chq::kernels::from_half(means[c]) + (code - 1.5) * chq::kernels::from_half(means[d + c]));
            }
            return sum;
        }));
        check_largest(f, totals, one, share_of(f, share), 0.1); // weights of the scan are rounded
        for (int threads : { 2, 3 }) {
            const chosen more = f.choose(of(SKETCH, share), threads);
            check_largest(f, totals, more, share_of(f, share), 0.1);
        }
    }
}

TEST(box_chooses_by_the_bound_of_each_chunk) {
    std::mt19937 random(7);
    for (int round = 0; round < 8; ++round) {
        fixture f(random, 2, 1 + round % 3, 32, 500, 8, 40, round % 2 ? 0.3 : 0);
        const auto totals = f.totals(f.scores([&](const float * q, int head, int64_t cell) {
            double bound = 0;
            for (int c = 0; c < f.all.d; ++c) {
                double best = -1e300;
                for (int64_t i = cell / CHUNK * CHUNK; i < (cell / CHUNK + 1) * CHUNK; ++i) {
                    if (f.cells.wanted[(size_t) (i / CHUNK)] >> i % CHUNK & 1) {
                        best = std::max(best, (double) q[c] * f.all.at(i, head, c));
                    }
                }
                bound += best;
            }
            return bound;
        }));
        for (int threads : { 1, 3 }) {
            check_largest(f, totals, f.choose(of(BOX, 0.2f), threads), share_of(f, 0.2f), 1e-3);
        }
    }
}

TEST(leoam_ends_with_the_halves_that_halving_leaves) {
    std::mt19937 random(10);
    for (int round = 0; round < 8; ++round) {
        fixture f(random, 2, 1 + round % 3, 32, 900, 8, 40, round % 2 ? 0.3 : 0);
        const int64_t n = share_of(f, 0.1f);
        // cells of each run of so many, by its first cell
        std::vector<std::pair<int64_t, int64_t>> runs;
        for (int64_t at = f.cells.first_chunk * CHUNK; at < f.cells.end_chunk * CHUNK; at += 128) {
            runs.push_back({ at, std::min(at + 128, f.cells.end_chunk * CHUNK) });
        }
        const auto candidates = [&](int64_t begin, int64_t end) {
            return std::count_if(f.cells.candidates.begin(), f.cells.candidates.end(), [&](int32_t cell) { return cell >= begin && cell < end; });
        };
        const auto bound = [&](int h, int64_t begin, int64_t end) {
            double sum = 0;
            for (int c = 0; c < f.all.d; ++c) {
                double best = -1e300;
                for (int32_t cell : f.cells.candidates) {
                    if (cell >= begin && cell < end) {
                        best = std::max(best, (double) f.scale * f.queries[(size_t) (h * f.all.d + c)] * f.all.at(cell, h / f.group, c));
                    }
                }
                sum += best;
            }
            return sum;
        };
        for (int64_t length = 128; length > 16; length /= 2) {
            runs.erase(std::remove_if(runs.begin(), runs.end(), [&](const auto & r) { return candidates(r.first, r.second) == 0; }), runs.end());
            std::vector<double> weights(runs.size());
            for (int h = 0; h < f.all.heads * f.group; ++h) {
                std::vector<double> e;
                double sum = 0;
                for (const auto & [begin, end] : runs) {
                    e.push_back((double) candidates(begin, end) * std::exp(bound(h, begin, end)));
                    sum += e.back();
                }
                for (size_t i = 0; i < e.size(); ++i) {
                    weights[i] += e[i] / sum;
                }
            }
            std::vector<size_t> order(runs.size());
            std::iota(order.begin(), order.end(), (size_t) 0);
            std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return weights[a] > weights[b]; });
            std::vector<std::pair<int64_t, int64_t>> halves;
            int64_t taken = 0;
            for (size_t i = 0; i < order.size() && taken < n; ++i) {
                const auto [begin, end] = runs[order[i]];
                taken += candidates(begin, end);
                halves.push_back({ begin, std::min(end, begin + length / 2) });
                if (begin + length / 2 < end) {
                    halves.push_back({ begin + length / 2, end });
                }
            }
            runs = halves;
        }
        const chosen out = f.choose(of(LEOAM, 0.1f), 1 + round % 3);
        CHECK_EQ((int64_t) out.cells.size(), n);
        for (int32_t cell : out.cells) {
            CHECK(std::any_of(runs.begin(), runs.end(), [&](const auto & r) { return cell >= r.first && cell < r.second; }));
        }
    }
}

TEST(hisa_chooses_tokens_in_the_chunks_of_the_best_means) {
    std::mt19937 random(11);
    for (int round = 0; round < 8; ++round) {
        fixture f(random, 2, 1 + round % 3, 32, 900, 8, 40, round % 2 ? 0.3 : 0);
        const int64_t n = share_of(f, 0.05f);
        std::vector<double>  weights(f.cells.wanted.size());
        std::vector<int64_t> sizes(f.cells.wanted.size());
        for (int h = 0; h < f.all.heads * f.group; ++h) {
            std::vector<double> e(f.cells.wanted.size());
            for (size_t chunk = 0; chunk < e.size(); ++chunk) {
                sizes[chunk] = 0;
                double sum = 0;
                for (int32_t cell : f.cells.candidates) {
                    if (cell / CHUNK == (int32_t) chunk) {
                        ++sizes[chunk];
                        sum += f.scale * f.all.product(cell, h / f.group, f.queries.data() + h * f.all.d);
                    }
                }
                e[chunk] = sizes[chunk] ? (double) sizes[chunk] * std::exp(sum / (double) sizes[chunk]) : 0;
            }
            const double all = std::accumulate(e.begin(), e.end(), 0.0);
            for (size_t chunk = 0; chunk < e.size(); ++chunk) {
                weights[chunk] += e[chunk] / all;
            }
        }
        std::vector<size_t> order(weights.size());
        std::iota(order.begin(), order.end(), (size_t) 0);
        std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return weights[a] > weights[b]; });
        std::vector<bool> open(weights.size());
        int64_t taken = 0;
        for (size_t i = 0; i < order.size() && taken < 4 * n; ++i) {
            open[order[i]] = true;
            taken += sizes[order[i]];
        }
        auto scores = f.scores([&](const float * q, int head, int64_t cell) { return open[(size_t) (cell / CHUNK)] ? f.all.product(cell, head, q) : -1e30; });
        const auto totals = f.totals(scores);
        const chosen out  = f.choose(of(HISA, 0.05f), 1 + round % 3);
        check_largest(f, totals, out, n, 1e-3);
    }
}

TEST(fasa_learns_the_pairs_that_matter_and_then_asks_only_them) {
    std::mt19937 random(12);
    for (bool split : { false, true }) {
        fixture f(random, 1, 2, 32, 900);
        // all products come from three pairs
        const int pairs[] = { 1, 6, 13 };
        std::vector<bool> matters(32);
        for (int pair : pairs) {
            matters[(size_t) (split ? pair : 2 * pair)] = matters[(size_t) (split ? pair + 16 : 2 * pair + 1)] = true;
        }
        for (int64_t i = 0; i < 900 * 32; ++i) {
            if (!matters[(size_t) (i % 32)]) {
                f.all.halves[(size_t) i] = chq::kernels::to_half(1e-3f * chq::kernels::from_half(f.all.halves[(size_t) i]));
            }
        }
        policy how = of(FASA, 0.1f);
        how.split_halves = split;
        for (int query = 0; query < digest::QUERIES; ++query) {
            CHECK(!f.known.knows_pairs());
            f.choose(how, 1 + query % 3);
        }
        CHECK(f.known.knows_pairs());
        std::vector<std::vector<double>> scores;
        bool clear = true; // which four are the best
        for (int h = 0; h < 2; ++h) {
            std::vector<int> order(16);
            std::iota(order.begin(), order.end(), 0);
            std::sort(order.begin(), order.end(), [&](int a, int b) { return f.known.hits(h)[a] > f.known.hits(h)[b]; });
            CHECK(std::find(std::begin(pairs), std::end(pairs), order[0]) != std::end(pairs));
            clear = clear && f.known.hits(h)[order[3]] > f.known.hits(h)[order[4]];
            std::vector<bool> asked(32);
            for (int i = 0; i < 4; ++i) {
                const int pair = order[(size_t) i];
                asked[(size_t) (split ? pair : 2 * pair)] = asked[(size_t) (split ? pair + 16 : 2 * pair + 1)] = true;
            }
            scores.emplace_back(900);
            for (int32_t cell : f.cells.candidates) {
                for (int c = 0; c < 32; ++c) {
                    scores.back()[(size_t) cell] += asked[(size_t) c] ? (double) f.scale * f.queries[(size_t) (h * 32 + c)] * f.all.at(cell, 0, c) : 0;
                }
            }
        }
        if (clear) {
            check_largest(f, f.totals(scores), f.choose(how, 2), share_of(f, 0.1f), 1e-3);
        }
    }
}

TEST(the_window_control_takes_the_latest_and_the_random_one_whole_chunks) {
    std::mt19937 random(8);
    fixture f(random, 1, 2, 16, 700, 8, 40, 0.1);
    const int64_t n = share_of(f, 0.2f);
    chosen out = f.choose(of(WINDOW, 0.2f), 2);
    std::vector<int32_t> latest(f.cells.candidates.end() - n, f.cells.candidates.end());
    std::sort(latest.begin(), latest.end());
    CHECK(out.cells == latest);

    out = f.choose(of(RANDOM, 0.2f), 2, 1);
    CHECK_EQ((int64_t) out.cells.size(), n);
    int64_t whole = 0;
    for (size_t chunk = 0; chunk < f.cells.wanted.size(); ++chunk) {
        uint32_t bits = 0;
        for (int32_t cell : out.cells) {
            bits |= cell / CHUNK == (int32_t) chunk ? 1u << cell % CHUNK : 0;
        }
        whole += bits != 0 && bits == f.cells.wanted[chunk];
        CHECK((bits & ~f.cells.wanted[chunk]) == 0);
    }
    CHECK(whole >= n / CHUNK - 1);
    CHECK(out.cells != f.choose(of(RANDOM, 0.2f), 2, 2).cells);
    CHECK(out.cells == f.choose(of(RANDOM, 0.2f), 1, 1).cells);
}

TEST(keys_that_are_written_again_are_sketched_again) {
    std::mt19937 random(9);
    fixture f(random, 2, 2, 32, 400);
    f.choose(of(SKETCH, 0.1f), 1);
    const int32_t cell = f.cells.candidates[100];
    for (int i = 0; i < f.all.heads * f.all.d; ++i) {
        f.all.halves[(size_t) (cell * f.all.heads * f.all.d + i)] = chq::kernels::to_half(std::normal_distribution<float>(0, 3)(random));
    }
    fixture fresh = f;
    fresh.known = digest();
    const std::vector<int32_t> expected = fresh.choose(of(SKETCH, 0.1f), 1).cells;
    const std::vector<uint8_t> before(f.known.codes(0, cell / CHUNK), f.known.codes(0, cell / CHUNK) + block_bytes(f.all.d));
    f.known.lose(cell);
    CHECK(f.choose(of(SKETCH, 0.1f), 2).cells == expected);
    CHECK(!std::equal(before.begin(), before.end(), f.known.codes(0, cell / CHUNK)));
}

// Against a choice that looks for the largest share anew each time.
TEST(blocks_keep_the_tiles_of_the_largest_shares) {
    std::mt19937 random(23);
    block_choice choice;
    for (int round = 0; round < 300; ++round) {
        const int64_t tiles   = 1 + (int64_t) (random() % 40);
        const int     queries = 1 + (int) (random() % 4);
        const size_t  stride  = (size_t) tiles + random() % 3;
        const float   missing = std::vector<float> { 0, 0.01f, 0.1f, 0.5f, 0.999f }[random() % 5];
        block_span span;
        span.tiles  = tiles;
        span.sinks  = (int64_t) (random() % (uint64_t) (tiles + 1));
        span.window = (int64_t) (random() % (uint64_t) (tiles + 1));
        std::vector<float> logs = normal(stride * (size_t) queries, random, 3);
        logs[random() % (size_t) tiles] = -INFINITY;
        std::vector<double> shares((size_t) tiles);
        for (int i = 0; i < queries; ++i) {
            double total = 0;
            for (int64_t t = 0; t < tiles; ++t) {
                total += std::exp((double) logs[(size_t) i * stride + (size_t) t]);
            }
            for (int64_t t = 0; t < tiles && total > 0; ++t) {
                shares[(size_t) t] += std::exp((double) logs[(size_t) i * stride + (size_t) t]) / total / queries;
            }
        }
        std::vector<uint8_t> chosen((size_t) tiles + 1, 7);
        const block_chosen done = choice.choose(logs.data(), stride, queries, span, missing, chosen.data());
        std::vector<uint8_t> expected((size_t) tiles + 1, 0);
        expected[(size_t) tiles] = 7; // not its own
        double left = 0;
        for (int64_t t = 0; t < tiles; ++t) {
            expected[(size_t) t] = t < span.sinks || t >= span.window;
            left += expected[(size_t) t] ? 0 : shares[(size_t) t];
        }
        for (;;) {
            int64_t best = -1;
            for (int64_t t = 0; t < tiles; ++t) {
                best = !expected[(size_t) t] && (best < 0 || shares[(size_t) t] > shares[(size_t) best]) ? t : best;
            }
            if (best < 0 || (missing > 0 && left <= missing)) {
                break;
            }
            expected[(size_t) best] = 1;
            left -= shares[(size_t) best];
        }
        if (tiles > 1 || queries > 1 || round % 2) { // of one tile without a score everything is taken, below
            CHECK(chosen == expected || std::fabs(left - missing) < 1e-6);
            CHECK(std::fabs(done.missing - std::max(left, 0.0)) < 1e-6);
            CHECK_EQ(done.tiles, std::count(chosen.begin(), chosen.end() - 1, 1));
        }
    }
}

TEST(blocks_whose_scores_are_none_attend_to_everything) {
    block_choice choice;
    std::vector<float> logs = { NAN, 1, 2, -INFINITY, -INFINITY, -INFINITY };
    std::vector<uint8_t> chosen(3);
    CHECK_EQ(choice.choose(logs.data(), 3, 2, { 3, 0, 3 }, 0.5, chosen.data()).tiles, 3);
    CHECK(chosen == std::vector<uint8_t>({ 1, 1, 1 }));
}

MAIN
