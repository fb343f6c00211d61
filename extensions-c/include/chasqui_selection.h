// Which of an image's tokens a language model gets to see: selection of rows by diversity and importance, and what belongs to it. No state, no model,
// safe from any thread.
//
// A row is the embedding of one image token as the projector gives it. The rules of all functions:
//   - Results depend on the values only: dot products are fp32 sums in one fixed order, of equal scores the lowest row wins. They are the same on
//     every machine, but for exp, log and pow of its C library (FACILITY with an exponent, DPP with theta, COVERAGE, importance by text).
//   - A row of zeros, or of numbers so small that its squared norm is no normal number, has the cosine 0 with every row. A row whose squared norm is
//     not a finite fp32 number (it holds a NaN, say), and one whose given importance is not finite, is kept only after all others.
//   - Rows of the layout (CHQ_ROW_BREAK) are not compared. Such a row closes the rows since the one before it, and is kept if one of these is.
//   - Forced rows (CHQ_ROW_FORCE) are kept first and count; the others are chosen with regard to them.
#pragma once

#include "chasqui_guard.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CHQ_ROW_FORCE 1 // is kept
#define CHQ_ROW_BREAK 2 // belongs to the layout: the end of a row of the grid, say

// What is known of an image's rows, which are [n, stride]: row i is at rows + i*stride, and all of it is there to be read. Everything from grid_width
// on may be 0 or NULL.
struct chq_rows_info {
    int64_t         stride;       // floats from row to row, at least dim
    int32_t         n;
    int32_t         dim;          // leading floats of a row that are compared: deep-stack rows are longer than that
    int32_t         grid_width;   // rows without CHQ_ROW_BREAK are the cells of a grid in raster order; 0 = not known
    int32_t         grid_height;
    const uint8_t * marks;        // [n] CHQ_ROW_* of each row
    const float *   importance;   // [n] for CHQ_IMPORTANCE_GIVEN, the larger the better
    const float *   text;         // [n_text, text_stride] embeddings of the question's tokens, dim floats of each are compared
    int64_t         text_stride;
    int32_t         n_text;
    const float *   vocab_mean;   // [dim] mean of the vocabulary's embeddings, taken off the text where it is centred
};

enum chq_selection_method {
    CHQ_SELECT_MMR       = 0,  // most of lambda*w - (1 - lambda)*max(0, largest cosine to the kept): IDPruner, arXiv 2602.13315
    CHQ_SELECT_PRODUCT   = 1,  // most of w*(1 - max(0, largest cosine to the kept)): ZOO-Prune, arXiv 2509.24837
    CHQ_SELECT_K_CENTER  = 2,  // least largest cosine to the kept, from the most important row on: DivPrune, ToDRE v1, arXiv 2505.18757
    CHQ_SELECT_MAX_SUM   = 3,  // least sum of cosines to the kept, from the most important row on: ToDRE v2
    CHQ_SELECT_FACILITY  = 4,  // most gain of the sum over rows of max(0, largest cosine to the kept), times w^exponent: SCOPE
    CHQ_SELECT_DPP       = 5,  // most gain of log det of w_i*cosine*w_j: CDPruner
    CHQ_SELECT_COVERAGE  = 6,  // facility location over softmax similarities of the text and of the image: MMTok
    CHQ_SELECT_RESIDUAL  = 7,  // a tenth by farthest-point sampling, then what these reconstruct worst: ApET
    CHQ_SELECT_BIPARTITE = 8,  // of every second row those most similar to one of the others go, round by round: ToMe's matching in VisPruner
    CHQ_SELECT_TOP       = 9,  // most important; to compare with
    CHQ_SELECT_RANDOM    = 10, // to compare with
    CHQ_SELECT_GRID      = 11, // one row at random from each of as many equal fields of the grid as rows are kept; to compare with
    CHQ_SELECT_HERDING   = 12, // rows that together are most like all rows, in what they show and where: kernel herding, Chen, Welling, Smola, arXiv 1203.3472
};

enum chq_importance {
    CHQ_IMPORTANCE_NONE   = 0, // all the same
    CHQ_IMPORTANCE_NORM   = 1, // Euclidean norm of the row
    CHQ_IMPORTANCE_SPREAD = 2, // Euclidean distance from the mean row
    CHQ_IMPORTANCE_TEXT   = 3, // cosine to the text, see chq_importance_of
    CHQ_IMPORTANCE_GIVEN  = 4, // chq_rows_info.importance
};

// How importance becomes w in 0..1; all rows get 0 where it is the same for all.
enum chq_importance_scale {
    CHQ_SCALE_RANGE   = 0, // the least becomes 0, the greatest 1
    CHQ_SCALE_CLIPPED = 1, // the same between the 1st and the 99th percentile
    CHQ_SCALE_RANK    = 2, // by rank, equals get the same
};

struct chq_selection_params {
    enum chq_selection_method method;
    enum chq_importance       importance;
    enum chq_importance_scale scale;
    float    lambda;            // MMR: weight of importance, 0..1
    float    exponent;          // FACILITY: of w, 0..16
    float    theta;             // DPP: 0 = w as it is; in (0, 1) exp(w*theta/(2 - 2*theta)) in its place
    float    text_temperature;  // COVERAGE: of the softmax over rows, > 0
    float    image_temperature;
    float    image_weight;      // COVERAGE: of the image against the text, 0..1000
    float    text_sharpness;    // CHQ_IMPORTANCE_TEXT: the sharpness of chq_importance_of
    float    feature_width;     // HERDING: cosines that differ by so much are little alike, 0.01..100
    float    rarity;            // HERDING: 0 = every row counts the same; more lifts those that few are like, 0..2
    int32_t  projection;        // rows are compared after a projection to so many floats, a multiple of 16 up to 4096; 0: as they are
    uint64_t seed;              // of the projection, RANDOM and GRID
};

// MMR by norm, lambda 0.5, no projection.
CHQ_API struct chq_selection_params chq_selection_default_params(void);

// Ascending numbers of k rows to keep; of all if k >= n. keep: [min(k, n)], *n_keep = how many were written. Fewer than k only where what is left
// over would need a break for which there is no room. CHQ_STATUS_ARGUMENT if more than k rows are forced. FACILITY, COVERAGE and, without a grid, HERDING take n*n floats of
// memory (CHQ_STATUS_MEMORY), the others at most a copy of the rows.
CHQ_API chq_status chq_select_rows(
    const float * rows, const struct chq_rows_info * info, const struct chq_selection_params * params, int32_t k, int32_t * keep, int32_t * n_keep);

// Sets CHQ_ROW_BREAK for rows that belong to the layout, on top of what marks holds. With row_stride > grid_width: the rows from grid_width on in
// each stretch of row_stride rows. With row_stride = 0: of a grid with exactly one more row after each of its rows (but maybe the last), those, if
// they are identical to the bit; otherwise rows that are identical to another row, unless that is every second row or more. marks: [n].
CHQ_API chq_status chq_mark_breaks(const float * rows, const struct chq_rows_info * info, int32_t row_stride, uint8_t * marks);

//
// Scores: one float for each row, to be used as importance.
//

// What an importance means, before scaling. CHQ_IMPORTANCE_TEXT: the cosine of rows and text after centring, rows by their mean, text by vocab_mean
// if there is one; per row the largest over the text (sharpness 0), or the mean weighted by softmax(sharpness*cosine). Its sign has to be found out
// for each model. 0 for rows of the layout, NaN for rows with a squared norm that is not finite. importance: enum chq_importance. out: [n].
CHQ_API chq_status chq_importance_of(const float * rows, const struct chq_rows_info * info, int32_t importance, float sharpness, float * out);

// For each of the consecutive parts of an image (pages, tiles, frames): the mean over the text of the largest such cosine in the part; -INFINITY
// without rows. begin: [n_parts + 1], ascending from 0 to n. out: [n_parts]. After URaG's late interaction.
CHQ_API chq_status chq_rank_parts(const float * rows, const struct chq_rows_info * info, const int32_t * begin, int32_t n_parts, float * out);

enum chq_entropy_form {
    CHQ_ENTROPY_ENERGY = 0, // of the spectrum as it is: grows with the queries, too
    CHQ_ENTROPY_SHAPE  = 1, // of the spectrum divided by its sum
    CHQ_ENTROPY_RENYI  = 2, // -ln(sum of squares) of that one, in place of the entropy: needs no eigenvalues
};

// Entropy of each token's queries over the heads of a layer, EntropyPrune, arXiv 2602.17196. queries: [n, n_heads, head_dim]; 2 <= n_heads <= 256;
// form: enum chq_entropy_form. In units of ln n_heads. out: [n].
CHQ_API chq_status chq_query_entropy(
    const float * queries, int32_t n, int32_t n_heads, int32_t head_dim, int32_t form, float * out);

// Adds to out how much a module (attention or feed-forward network) changed each token, TransPrune, arXiv 2507.20630: the ratio of norms of output
// and input times the softmax, over the n_total tokens, of 1 - |cosine| of both. input and output: [n_total, dim], n_total >= first + n; out: [n] of
// the tokens from first on.
CHQ_API chq_status chq_token_transition(
    const float * input, const float * output, int32_t n_total, int32_t dim, int32_t first, int32_t n, float * out);

// Attention that each key receives: mean over queries and heads of softmax(q*k/sqrt(head_dim)) over the keys. With one query: what that one looks at;
// with the queries of all rows: what the rows look at. queries: [n_queries, n_heads, head_dim], keys: [n, n_kv_heads, head_dim], n_heads a multiple
// of n_kv_heads. out: [n].
CHQ_API chq_status chq_received_attention(
    const float * queries, int32_t n_queries, int32_t n_heads, const float * keys, int32_t n, int32_t n_kv_heads, int32_t head_dim, float * out);

//
// Tiles: images that are sent as a thumbnail and parts of it. GlobalCom2, arXiv 2501.05179.
//

// Where a tile lies in the image, as fractions of its sides.
struct chq_tile {
    float   left, top, right, bottom;
    int32_t n_rows;
};

// How many rows of each tile to keep: shares of ratio*(1 + p - mean p), p = softmax over tiles of the thumbnail's importance under the tile /
// temperature. score: [grid_height, grid_width], not negative. keep: [n_tiles].
CHQ_API chq_status chq_tile_budget(const float * score, int32_t grid_width, int32_t grid_height, const struct chq_tile * tiles, int32_t n_tiles,
    float ratio, float temperature, int32_t * keep);

// The thumbnail's importance where a tile lies, bilinearly, for a tile of width x height cells. out: [height, width].
CHQ_API chq_status chq_tile_importance(const float * score, int32_t grid_width, int32_t grid_height, const struct chq_tile * tile, int32_t width,
    int32_t height, float * out);

//
// Rows that are made: the language model was not trained on such ones.
//

// The rows keep[0..n_keep) with those that are dropped averaged into the nearest of them by cosine: (1 - weight)*row + weight*(mean of its dropped
// rows), where there are any. Rows of the layout and rows that are not finite neither give nor take. weight: 0..0.5.
// out: [n_keep, out_stride], stride floats of each are written; must not overlap the image.
CHQ_API chq_status chq_merge_rows(
    const float * rows, const struct chq_rows_info * info, const int32_t * keep, int32_t n_keep, float weight, float * out, int64_t out_stride);

// Pools a video's frames block by block, what is left of HICom (arXiv 2503.16036) without training: the mean of a block's rows, weighted by
// softmax(sharpness * largest cosine to the text); the plain mean without text. The rows are n_frames grids of grid_width x grid_height; blocks are
// block_frames x block_side x block_side, equally spaced and overlapping where the sides are no multiples.
// With out = NULL only *n_out, the number of rows, is written. out: [*n_out, out_stride], stride floats of each are written.
CHQ_API chq_status chq_pool_blocks(const float * rows, const struct chq_rows_info * info, int32_t n_frames, int32_t block_frames,
    int32_t block_side, float sharpness, float * out, int64_t out_stride, int32_t * n_out);

#ifdef __cplusplus
}
#endif
