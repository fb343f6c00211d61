// Tensors: arrays of up to four dimensions off the heap, and computations with them on any backend device.
//
// A shape lists n_dims sizes (0..4, none for a single number) with the one that varies fastest last, the reverse of ggml's ne. Axes count
// from 0; a negative one counts from the end. A tensor has at most 2^31 - 1 elements, and no size of 0.
//
// Operations are lazy: they check types and shapes, and give a tensor that has no data until a graph with it, or with something that needs
// it, among its outputs has been computed. A tensor is stored if it was made by chq_tensor_new or chq_tensor_wrap or is an output of a
// graph; a view (reshape, slice, permute) of a stored tensor is stored too and shares its memory.
//
// An arena owns its tensors, graphs and memory; all go with it. A child arena may also use the stored tensors of its ancestors.
// Everything may be called from any thread. Graphs of one arena are computed one at a time (CHQ_STATUS_STATE for a second one). What a
// tensor holds while somebody else writes it is undefined, nothing more.
//
// arena: where the result is put; operands belong to it or to an ancestor of it. Messages about operands name their shapes.
#pragma once

#include "chasqui_guard.h"

#ifdef __cplusplus
extern "C" {
#endif

struct chq_tensor_arena;
struct chq_tensor;
struct chq_tensor_graph;

#define CHQ_TENSOR_DIMS 4

// Most operations of a graph, those that others are made of counted apart.
#define CHQ_TENSOR_GRAPH_MAX 16384

// A tensor as functions give it.
struct chq_tensor_info {
    struct chq_tensor * tensor;
    int64_t             shape[CHQ_TENSOR_DIMS]; // n_dims of them
    int32_t             n_dims;
    int32_t             type;                   // enum ggml_type
};

//
// arenas
//

// device: name of a device (chq_device), NULL = the CPU. What it cannot compute is computed on the CPU. n_threads <= 0 means
// chq_physical_cores(). parent: NULL, or the arena whose tensors this one may use; it cannot be freed before its children.
CHQ_API chq_status chq_tensor_arena_create(const char * device, int32_t n_threads, struct chq_tensor_arena * parent, struct chq_tensor_arena ** out);

// NULL is ignored. A poisoned arena (CHQ_STATUS_ABORTED) gives up its memory instead of running native code again.
CHQ_API chq_status chq_tensor_arena_free(struct chq_tensor_arena * arena);

// Bytes of the stored tensors, in the pieces in which they were allocated. Graphs have memory of their own.
CHQ_API chq_status chq_tensor_arena_bytes(struct chq_tensor_arena * arena, uint64_t * bytes);

//
// stored tensors and their data
//

// Zeroes.
CHQ_API chq_status chq_tensor_new(struct chq_tensor_arena * arena, int32_t type, int32_t n_dims, const int64_t * shape, struct chq_tensor_info * out);

// Memory of the caller that stays where it is as long as the arena, is aligned to 32 bytes and is only read. n_bytes: exactly those of the tensor.
CHQ_API chq_status chq_tensor_wrap(
        struct chq_tensor_arena * arena, int32_t type, int32_t n_dims, const int64_t * shape, const void * data, size_t n_bytes, struct chq_tensor_info * out);

// All elements, in the order of the shape, converted from floats. CHQ_STATUS_STATE for what cannot be written: results, wrapped memory, views with gaps.
// Quantised types refuse what is not finite. CHQ_STATUS_UNSUPPORTED for integers and for types that need an importance matrix.
CHQ_API chq_status chq_tensor_set_floats(struct chq_tensor * tensor, const float * values, size_t n);

// All elements, in the order of the shape, converted to floats. CHQ_STATUS_STATE if the tensor is not stored or not computed yet.
CHQ_API chq_status chq_tensor_get_floats(struct chq_tensor * tensor, float * values, size_t n);

// The same for data as they are, blocks of quantised types included.
CHQ_API chq_status chq_tensor_set_bytes(struct chq_tensor * tensor, const void * data, size_t n_bytes);
CHQ_API chq_status chq_tensor_get_bytes(struct chq_tensor * tensor, void * data, size_t n_bytes);

// Where the data are. CHQ_STATUS_STATE if they are not stored, not in this order or not in host memory. *writable: see chq_tensor_set_floats.
CHQ_API chq_status chq_tensor_data(struct chq_tensor * tensor, void ** data, size_t * n_bytes, bool * writable);

//
// the same elements in another order
//

// A view if the elements are in order, a copy otherwise. Sizes as they are, or one -1 for what is left.
CHQ_API chq_status chq_tensor_reshape  (struct chq_tensor_arena * arena, struct chq_tensor * a, int32_t n_dims, const int64_t * shape, struct chq_tensor_info * out);
// A view of [begin, end) of an axis. Quantised types: whole blocks of the last axis.
CHQ_API chq_status chq_tensor_slice    (struct chq_tensor_arena * arena, struct chq_tensor * a, int32_t axis, int64_t begin, int64_t end, struct chq_tensor_info * out);
// A view whose axis i is axis axes[i] of a. Quantised types: the last axis stays.
CHQ_API chq_status chq_tensor_permute  (struct chq_tensor_arena * arena, struct chq_tensor * a, int32_t n_axes, const int32_t * axes, struct chq_tensor_info * out);
// A copy in order; a itself, again, if it is in order already.
CHQ_API chq_status chq_tensor_contiguous(struct chq_tensor_arena * arena, struct chq_tensor * a, struct chq_tensor_info * out);
// A copy of another type. Between F32, F16 and BF16; F32 to I32 and back; any of the former to and from quantised types.
CHQ_API chq_status chq_tensor_cast     (struct chq_tensor_arena * arena, struct chq_tensor * a, int32_t type, struct chq_tensor_info * out);
// A copy that repeats axes of size 1 and adds axes in front.
CHQ_API chq_status chq_tensor_broadcast(struct chq_tensor_arena * arena, struct chq_tensor * a, int32_t n_dims, const int64_t * shape, struct chq_tensor_info * out);
CHQ_API chq_status chq_tensor_concat   (struct chq_tensor_arena * arena, struct chq_tensor * a, struct chq_tensor * b, int32_t axis, struct chq_tensor_info * out);

//
// element by element: F32
//

enum chq_tensor_unary_op {
    CHQ_TENSOR_ABS       = 0,
    CHQ_TENSOR_NEG       = 1,
    CHQ_TENSOR_SIGN      = 2,
    CHQ_TENSOR_SQUARE    = 3,
    CHQ_TENSOR_SQRT      = 4,
    CHQ_TENSOR_EXP       = 5,
    CHQ_TENSOR_LOG       = 6,
    CHQ_TENSOR_SIN       = 7,
    CHQ_TENSOR_COS       = 8,
    CHQ_TENSOR_TANH      = 9,
    CHQ_TENSOR_SIGMOID   = 10,
    CHQ_TENSOR_RELU      = 11,
    CHQ_TENSOR_GELU      = 12, // with tanh; on the CPU through a table of half precision
    CHQ_TENSOR_GELU_ERF  = 13, // with the error function
    CHQ_TENSOR_SILU      = 14,
    CHQ_TENSOR_ELU       = 15,
    CHQ_TENSOR_SOFTPLUS  = 16,
    CHQ_TENSOR_FLOOR     = 17,
    CHQ_TENSOR_CEIL      = 18,
    CHQ_TENSOR_ROUND     = 19, // halves away from zero
};

enum chq_tensor_binary_op {
    CHQ_TENSOR_ADD = 0,
    CHQ_TENSOR_SUB = 1,
    CHQ_TENSOR_MUL = 2,
    CHQ_TENSOR_DIV = 3,
};

CHQ_API chq_status chq_tensor_unary (struct chq_tensor_arena * arena, int32_t op, struct chq_tensor * a, struct chq_tensor_info * out);
// Shapes are aligned at their ends; sizes are equal or one of them is 1 or missing.
CHQ_API chq_status chq_tensor_binary(struct chq_tensor_arena * arena, int32_t op, struct chq_tensor * a, struct chq_tensor * b, struct chq_tensor_info * out);
// scale * a + bias
CHQ_API chq_status chq_tensor_affine(struct chq_tensor_arena * arena, struct chq_tensor * a, float scale, float bias, struct chq_tensor_info * out);
CHQ_API chq_status chq_tensor_clamp (struct chq_tensor_arena * arena, struct chq_tensor * a, float min, float max, struct chq_tensor_info * out);

//
// products
//

// Matrices in the last two axes; a is F32, and may be a vector. transposed: a [.., m, k] times the transpose of b [.., n, k], which is how
// weights are stored and the only way for quantised b; otherwise a [.., m, k] times b [.., k, n], for which b is copied in another order.
// Axes in front: those of b divide those of a, each matrix of b serving so many consecutive ones of a; or those of a are 1 or missing.
// The elements of a are rounded to what the kernel for b's type takes, unless that is F32.
CHQ_API chq_status chq_tensor_matmul(struct chq_tensor_arena * arena, struct chq_tensor * a, struct chq_tensor * b, bool transposed, struct chq_tensor_info * out);

// data [(batch,) channels, length], kernel [outputs, channels, width] -> [(batch,) outputs, length']; both F32. Cross-correlation, as it is called convolution.
CHQ_API chq_status chq_tensor_conv_1d(
        struct chq_tensor_arena * arena, struct chq_tensor * data, struct chq_tensor * kernel,
        int32_t stride, int32_t padding, int32_t dilation, struct chq_tensor_info * out);
// data [(batch,) channels, height, width], kernel [outputs, channels, kernel height, kernel width] -> [(batch,) outputs, height', width']
CHQ_API chq_status chq_tensor_conv_2d(
        struct chq_tensor_arena * arena, struct chq_tensor * data, struct chq_tensor * kernel,
        int32_t stride, int32_t padding, int32_t dilation, struct chq_tensor_info * out);

// Rows of a table [n, width] by number: ids I32 of up to three axes -> ids' shape and width; F32, or I32 from I32. ids that are stored
// are checked when the graph is computed; others must come from argmax, argsort or top_k over no more than n.
CHQ_API chq_status chq_tensor_rows(struct chq_tensor_arena * arena, struct chq_tensor * table, struct chq_tensor * ids, struct chq_tensor_info * out);

//
// along the last axis: F32
//

enum chq_tensor_norm_op {
    CHQ_TENSOR_LAYER_NORM = 0, // (x - mean) / sqrt(variance + eps)
    CHQ_TENSOR_RMS_NORM   = 1, // x / sqrt(mean of squares + eps)
    CHQ_TENSOR_L2_NORM    = 2, // x / max(length, eps)
};

CHQ_API chq_status chq_tensor_norm(struct chq_tensor_arena * arena, int32_t op, struct chq_tensor * a, float eps, struct chq_tensor_info * out);
// a [(batch,) channels, height, width]: each of n_groups groups of consecutive channels to mean 0 and variance 1.
CHQ_API chq_status chq_tensor_group_norm(struct chq_tensor_arena * arena, struct chq_tensor * a, int32_t n_groups, float eps, struct chq_tensor_info * out);

// softmax(scale * a + slope * mask). mask: NULL, or F32 or F16 of a's last two axes; further axes divide a's. max_bias > 0: ALiBi, the slope of head h
// (the third axis from the end) of n is 2^(-max_bias (h + 1) / n) where n is a power of two; 0: the slope is 1.
CHQ_API chq_status chq_tensor_softmax(
        struct chq_tensor_arena * arena, struct chq_tensor * a, struct chq_tensor * mask, float scale, float max_bias, struct chq_tensor_info * out);

enum chq_tensor_rope_mode {
    CHQ_TENSOR_ROPE_PAIRS  = 0, // rotates neighbours: 0 with 1, 2 with 3, ...
    CHQ_TENSOR_ROPE_HALVES = 1, // rotates 0 with n/2, 1 with n/2 + 1, ... (NEOX)
};

struct chq_tensor_rope_params {
    int32_t mode;              // enum chq_tensor_rope_mode
    int32_t n_dims;            // first elements of a row that are rotated, even; 0 = all
    float   freq_base;         // > 0
    float   freq_scale;        // > 0
    int32_t n_ctx_orig;        // YaRN: the context that the model was trained on; 0 without
    float   ext_factor;        // YaRN: 0 = off
    float   attn_factor;
    float   beta_fast;
    float   beta_slow;
};

// Rotary position embedding of a [(batch,) tokens, heads, width] or [tokens, width]; positions I32 [tokens]; factors: NULL, or F32 [width / 2] by
// which the frequencies are divided.
CHQ_API chq_status chq_tensor_rope(
        struct chq_tensor_arena * arena, struct chq_tensor * a, struct chq_tensor * positions, struct chq_tensor * factors,
        const struct chq_tensor_rope_params * params, struct chq_tensor_info * out);

//
// reductions and order: F32. For the largest and for the order a NaN counts as -INFINITY; of equals the first comes first.
//

enum chq_tensor_reduction {
    CHQ_TENSOR_SUM  = 0,
    CHQ_TENSOR_MEAN = 1,
    CHQ_TENSOR_MAX  = 2,
};

// Along one axis, which goes away.
CHQ_API chq_status chq_tensor_reduce(struct chq_tensor_arena * arena, int32_t op, struct chq_tensor * a, int32_t axis, struct chq_tensor_info * out);
// Of all elements.
CHQ_API chq_status chq_tensor_reduce_all(struct chq_tensor_arena * arena, int32_t op, struct chq_tensor * a, struct chq_tensor_info * out);
// I32: where along the last axis the largest is; the axis goes away.
CHQ_API chq_status chq_tensor_argmax(struct chq_tensor_arena * arena, struct chq_tensor * a, struct chq_tensor_info * out);
// I32: the order of the last axis.
CHQ_API chq_status chq_tensor_argsort(struct chq_tensor_arena * arena, struct chq_tensor * a, bool descending, struct chq_tensor_info * out);
// I32: where the k largest of the last axis are, the largest first.
CHQ_API chq_status chq_tensor_top_k(struct chq_tensor_arena * arena, struct chq_tensor * a, int32_t k, struct chq_tensor_info * out);

//
// graphs
//

// What is needed to compute the outputs, which belong to the arena and become stored. Stored tensors on the way are taken as they are, not computed
// again; an output always is, unless it has numbers of its own. CHQ_STATUS_MEMORY if it does not fit.
CHQ_API chq_status chq_tensor_graph_create(
        struct chq_tensor_arena * arena, struct chq_tensor * const * outputs, int32_t n_outputs, struct chq_tensor_graph ** out);
// NULL is ignored. The outputs stay stored.
CHQ_API chq_status chq_tensor_graph_free(struct chq_tensor_graph * graph);

// CHQ_STATUS_ARGUMENT if ids of chq_tensor_rows are out of range, CHQ_STATUS_STATE if it needs the output of another graph that was not computed;
// nothing is computed then. CHQ_STATUS_COMPUTE if a backend fails.
CHQ_API chq_status chq_tensor_graph_compute(struct chq_tensor_graph * graph);

struct chq_tensor_graph_info {
    int32_t  n_nodes;  // operations, views not counted
    int32_t  n_splits; // parts that run on one device each
    uint64_t bytes;    // memory of intermediate results
};

CHQ_API chq_status chq_tensor_graph_get_info(struct chq_tensor_graph * graph, struct chq_tensor_graph_info * out);

#ifdef __cplusplus
}
#endif
