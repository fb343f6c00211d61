// GlobalCom2: what a thumbnail says about the tiles of its image.
#include "chasqui_selection.h"

#include "guard/guard.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace chq::selection {

static void check_tile(const chq_tile & tile) {
    const float sides[] = { tile.left, tile.top, tile.right, tile.bottom };
    for (float side : sides) {
        if (!(side >= 0 && side <= 1)) {
            fail(CHQ_STATUS_ARGUMENT, "a side of a tile at %g, which is not in 0..1", side);
        }
    }
    if (!(tile.left < tile.right && tile.top < tile.bottom)) {
        fail(CHQ_STATUS_ARGUMENT, "a tile from (%g, %g) to (%g, %g)", tile.left, tile.top, tile.right, tile.bottom);
    }
    if (tile.n_rows < 0) {
        fail(CHQ_STATUS_ARGUMENT, "a tile of %d rows", tile.n_rows);
    }
}

static void check_grid(int32_t width, int32_t height) {
    if (width < 1 || height < 1 || (int64_t) width * height > INT32_MAX) {
        fail(CHQ_STATUS_ARGUMENT, "a grid of %d x %d", width, height);
    }
}

// NaN and less than nothing count as nothing.
static double at_least_nothing(float x) {
    return x > 0 && std::isfinite(x) ? x : 0.0;
}

// How much of cell i of n lies between two fractions of the side.
static double overlap(int32_t i, int32_t n, float begin, float end) {
    return std::max(0.0, std::min((double) end * n, i + 1.0) - std::max((double) begin * n, (double) i));
}

static double score_under(const float * score, int32_t width, int32_t height, const chq_tile & tile) {
    double sum = 0;
    for (int32_t y = 0; y < height; ++y) {
        const double rows = overlap(y, height, tile.top, tile.bottom);
        for (int32_t x = 0; rows > 0 && x < width; ++x) {
            sum += rows * overlap(x, width, tile.left, tile.right) * at_least_nothing(score[(size_t) y * width + x]);
        }
    }
    return sum;
}

// The softmax of the scores under the tiles, over the temperature.
static std::vector<double> shares(const float * score, int32_t width, int32_t height, const chq_tile * tiles, int32_t n_tiles, float temperature) {
    std::vector<double> p(n_tiles);
    for (int32_t j = 0; j < n_tiles; ++j) {
        p[j] = score_under(score, width, height, tiles[j]);
    }
    const double most = *std::max_element(p.begin(), p.end());
    double sum = 0;
    for (double & x : p) {
        x = std::exp((x - most) / temperature);
        sum += x;
    }
    for (double & x : p) {
        x /= sum;
    }
    return p;
}

// Where the centre of cell i of n, between two fractions of the side, lies among the centres of n_from cells of the whole: the cell before it and how
// far it is from there to the next.
static void locate(int32_t i, int32_t n, float begin, float end, int32_t n_from, int32_t & before, double & part) {
    const double at = (begin + (end - begin) * (i + 0.5) / n) * n_from - 0.5;
    const double in = std::min(std::max(at, 0.0), n_from - 1.0);
    before = std::min((int32_t) in, std::max(0, n_from - 2));
    part   = in - before;
}

} // namespace chq::selection

using namespace chq;
using namespace chq::selection;

chq_status chq_tile_budget(const float * score, int32_t grid_width, int32_t grid_height, const struct chq_tile * tiles, int32_t n_tiles, float ratio,
        float temperature, int32_t * keep) {
    return guarded([&] {
        check_grid(grid_width, grid_height);
        check_pointer(score, "score");
        if (n_tiles < 1) {
            fail(CHQ_STATUS_ARGUMENT, "n_tiles = %d is less than 1", n_tiles);
        }
        check_pointer(tiles, "tiles");
        check_pointer(keep, "keep");
        for (int32_t j = 0; j < n_tiles; ++j) {
            check_tile(tiles[j]);
        }
        if (!(ratio >= 0 && ratio <= 1)) {
            fail(CHQ_STATUS_ARGUMENT, "ratio = %g is not in 0..1", ratio);
        }
        if (!(temperature > 0) || !std::isfinite(temperature)) {
            fail(CHQ_STATUS_ARGUMENT, "temperature = %g is not greater than 0", temperature);
        }
        const std::vector<double> p = shares(score, grid_width, grid_height, tiles, n_tiles, temperature);
        for (int32_t j = 0; j < n_tiles; ++j) {
            const double share = std::min(std::max(ratio * (1 + p[j] - 1.0 / n_tiles), 0.0), 1.0);
            keep[j] = (int32_t) (share * tiles[j].n_rows * (1 + 1e-6)); // 0.9f is less than 0.9
        }
        return CHQ_STATUS_OK;
    });
}

chq_status chq_tile_importance(const float * score, int32_t grid_width, int32_t grid_height, const struct chq_tile * tile, int32_t width,
        int32_t height, float * out) {
    return guarded([&] {
        check_grid(grid_width, grid_height);
        check_pointer(score, "score");
        check_pointer(tile, "tile");
        check_tile(*tile);
        check_grid(width, height);
        check_pointer(out, "out");
        for (int32_t y = 0; y < height; ++y) {
            int32_t top;
            double  down;
            locate(y, height, tile->top, tile->bottom, grid_height, top, down);
            const float * upper = score + (size_t) top * grid_width;
            const float * lower = grid_height > 1 ? upper + grid_width : upper;
            for (int32_t x = 0; x < width; ++x) {
                int32_t left;
                double  right;
                locate(x, width, tile->left, tile->right, grid_width, left, right);
                const int32_t next = grid_width > 1 ? left + 1 : left;
                const double above = (1 - right) * at_least_nothing(upper[left]) + right * at_least_nothing(upper[next]);
                const double below = (1 - right) * at_least_nothing(lower[left]) + right * at_least_nothing(lower[next]);
                out[(size_t) y * width + x] = (float) ((1 - down) * above + down * below);
            }
        }
        return CHQ_STATUS_OK;
    });
}
