// Max-sum dispersion: the row whose cosines to the selected ones have the least sum, which is its product with the sum of the selected unit rows.
//
// A sum may fall as well as grow, so that all rows count in every step. Coarse rows tell how all sums change, within bounds; the few rows that can
// have the least sum are then looked at exactly, from where their bounds are narrow again.
#include "selection/arithmetic.h"
#include "selection/coarse.h"
#include "selection/methods.h"

#include <algorithm>
#include <cmath>

namespace chq::selection {

namespace {

struct bounded {
    float   sum; // or less
    int32_t candidate;

    bool operator<(const bounded & other) const { return sum < other.sum || (sum == other.sum && candidate < other.candidate); }
};

class unit_sum {
public:
    explicit unit_sum(const directions & rows) :
            rows(rows), coarse(rows), sum(rows.dim()), unit(rows.dim()), products(rows.size()), about(rows.size()), off(rows.size()),
            least(rows.size()) {}

    void add(int32_t i) {
        for (int32_t k = 0; k < rows.dim(); ++k) {
            unit[k] = rows.row(i)[k] * rows.inverse_norm(i);
        }
        fastest().add(sum.data(), unit.data(), rows.dim());
        coarse.multiply(unit.data(), products.data());
        for (int32_t j = 0; j < rows.size(); ++j) {
            about[j] += products[j];
            off[j]   += coarse.error(j);
        }
        ++n_added;
    }

    bool any() const { return n_added > 0; }

    // Of the open candidates, which there are, the one with the least product, the first of equals.
    int32_t least_of(const std::vector<int32_t> & open) {
        const double rounding = rounding_of_products();
        bounded first = { INFINITY, open[0] };
        for (int32_t i : open) {
            least[i] = (float) (about[i] - off[i] - rounding);
            first = std::min(first, bounded { least[i], i });
        }
        bounded best = exactly(first.candidate);
        possible.clear();
        for (int32_t i : open) {
            if (least[i] <= best.sum && i != first.candidate) {
                possible.push_back({ least[i], i });
            }
        }
        const auto later = [](const bounded & a, const bounded & b) { return b < a; };
        std::make_heap(possible.begin(), possible.end(), later);
        while (!possible.empty() && possible.front().sum <= best.sum) {
            best = std::min(best, exactly(possible.front().candidate));
            std::pop_heap(possible.begin(), possible.end(), later);
            possible.pop_back();
        }
        return best.candidate;
    }

private:
    bounded exactly(int32_t i) {
        const float product = dot(rows.row(i), sum.data(), rows.dim()) * rows.inverse_norm(i);
        about[i] = product;
        off[i]   = 0;
        return { product, i };
    }

    // Of two products of one row with sums, as fp32 rounds them, against their difference: what partial sums, their total and the sum of units add up
    // to, twice.
    double rounding_of_products() const {
        const double length = std::sqrt((double) dot(sum.data(), sum.data(), rows.dim()));
        return 1.1 * (rows.dim() / LANES + 16 + n_added) * length * std::ldexp(1.0, -23);
    }

    const directions &   rows;
    coarse_rows          coarse;
    std::vector<float>   sum;
    std::vector<float>   unit;
    std::vector<float>   products;
    std::vector<double>  about; // products with the sum
    std::vector<double>  off;   // by how much at most
    std::vector<float>   least; // bounds of the products
    std::vector<bounded> possible;
    int32_t              n_added = 0;
};

} // namespace

void select_max_sum(task & t) {
    const candidates & all = t.all;
    unit_sum sum(all.to());
    std::vector<int32_t> open;
    for (int32_t i = 0; i < all.size(); ++i) {
        if (t.chosen.taken(all.row(i))) {
            sum.add(i);
        } else {
            open.push_back(i);
        }
    }
    while (t.chosen.room() > 0 && !open.empty()) {
        const int32_t i = sum.any() ? sum.least_of(open) : all.most_important(t.chosen);
        if (i < 0) {
            break;
        }
        open.erase(std::lower_bound(open.begin(), open.end(), i));
        if (t.chosen.fits(all.row(i))) {
            t.chosen.take(all.row(i));
            sum.add(i);
        }
    }
}

} // namespace chq::selection
