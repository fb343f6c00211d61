// Matrix products, and convolutions, which are made of them.
#include "tensor/build.h"
#include "tensor/types.h"

#include <algorithm>

using namespace chq;

static ggml_tensor * multiply(const tensor_build & b, ggml_tensor * weights, ggml_tensor * rows) {
    ggml_tensor * product = ggml_mul_mat(b.context(), weights, rows);
    if (weights->type == GGML_TYPE_F32) {
        ggml_prec_set_acc(product, GGML_PREC_F32); // devices round to 16 bits unless told not to
        ggml_prec_set_src(product, GGML_PREC_F32, 1);
    }
    return b.add(product);
}

chq_status chq_tensor_matmul(struct chq_tensor_arena * arena, struct chq_tensor * a, struct chq_tensor * w, bool transposed, struct chq_tensor_info * out) {
    return build(arena, transposed ? "matmul_transposed" : "matmul", { a, w }, out, [&](const tensor_build & b) {
        b.check_type(a, GGML_TYPE_F32, "the first operand");
        if (!is_multipliable(w->t->type)) {
            b.refuse("there are no products with %s", to_text(w->t->type).c_str());
        }
        if (a->n_dims < 1 || w->n_dims < 2) {
            b.refuse("the first operand has at least one axis, the second two");
        }
        if (!transposed && ggml_is_quantized(w->t->type)) {
            b.refuse("quantised matrices can only be used transposed");
        }
        ggml_tensor * rows    = a->t;
        ggml_tensor * weights = transposed ? w->t : ggml_transpose(b.context(), w->t);
        if (rows->ne[0] != weights->ne[0]) {
            b.refuse("rows of %lld and %s of %lld", (long long) rows->ne[0], transposed ? "rows" : "columns", (long long) weights->ne[0]);
        }
        int64_t ne[GGML_MAX_DIMS] = { rows->ne[0], rows->ne[1], rows->ne[2], rows->ne[3] };
        for (int i = 2; i < GGML_MAX_DIMS; ++i) {
            if (ne[i] == 1) {
                ne[i] = weights->ne[i];
            } else if (ne[i] % weights->ne[i] != 0) {
                b.refuse("axes in front of the matrices do not fit");
            }
        }
        rows    = b.repeat(b.rows_in_order(rows), ne);
        weights = b.rows_in_order(weights);
        ggml_tensor * product = multiply(b, weights, rows);
        tensor_shape shape = shape_of(product, std::max(std::max(a->n_dims, 2), w->n_dims));
        if (a->n_dims == 1) { // the axis of its rows goes away
            shape.size[shape.n_dims - 2] = shape.size[shape.n_dims - 1];
            --shape.n_dims;
        }
        b.give(product, shape);
    });
}

namespace {

// What a kernel of so many elements sees of a length; 0 if it does not fit.
int64_t positions(int64_t length, int64_t width, int64_t stride, int64_t padding, int64_t dilation) {
    const int64_t room = length + 2 * padding - dilation * (width - 1) - 1;
    return room < 0 ? 0 : room / stride + 1;
}

struct steps {
    int32_t stride;
    int32_t padding;
    int32_t dilation;
};

// data and kernel with a batch axis and two space axes, of which one may be 1.
ggml_tensor * convolve(const tensor_build & b, ggml_tensor * data, ggml_tensor * kernel, const steps & x, const steps & y) {
    ggml_context * ctx = b.context();
    const int64_t width  = positions(data->ne[0], kernel->ne[0], x.stride, x.padding, x.dilation);
    const int64_t height = positions(data->ne[1], kernel->ne[1], y.stride, y.padding, y.dilation);
    if (width < 1 || height < 1) {
        b.refuse("the kernel is larger than the data with their padding");
    }
    const int64_t patch = kernel->ne[0] * kernel->ne[1] * kernel->ne[2];
    const int64_t ne[GGML_MAX_DIMS] = { patch, width, height, data->ne[3] };
    if (!countable(ne)) {
        b.refuse("the patches have more than 2^31 - 1 elements");
    }
    ggml_tensor * patches = b.add(ggml_im2col(ctx, kernel, data,
        x.stride, y.stride, x.padding, y.padding, x.dilation, y.dilation, true, GGML_TYPE_F32));
    const int64_t n_positions = width * height * data->ne[3];
    ggml_tensor * product = multiply(b,
        ggml_reshape_2d(ctx, patches, patch, n_positions),
        ggml_reshape_2d(ctx, kernel, patch, kernel->ne[3])); // [outputs, batch, height, width]
    product = ggml_reshape_4d(ctx, product, width, height, data->ne[3], kernel->ne[3]);
    return data->ne[3] == 1 ? ggml_reshape_4d(ctx, product, width, height, kernel->ne[3], 1) : b.in_order(ggml_permute(ctx, product, 0, 1, 3, 2));
}

void check_convolution(const tensor_build & b, const chq_tensor * data, const chq_tensor * kernel, int32_t n_space, const steps & s) {
    b.check_type(data,   GGML_TYPE_F32, "data");
    b.check_type(kernel, GGML_TYPE_F32, "the kernel");
    if ((data->n_dims != n_space + 1 && data->n_dims != n_space + 2) || kernel->n_dims != n_space + 2) {
        b.refuse("data have %d or %d axes, a kernel has %d", n_space + 1, n_space + 2, n_space + 2);
    }
    if (data->t->ne[n_space] != kernel->t->ne[n_space]) {
        b.refuse("%lld channels and a kernel for %lld", (long long) data->t->ne[n_space], (long long) kernel->t->ne[n_space]);
    }
    if (s.stride < 1 || s.padding < 0 || s.dilation < 1) {
        b.refuse("stride = %d, padding = %d, dilation = %d", s.stride, s.padding, s.dilation);
    }
}

} // namespace

chq_status chq_tensor_conv_1d(
        struct chq_tensor_arena * arena, struct chq_tensor * data, struct chq_tensor * kernel,
        int32_t stride, int32_t padding, int32_t dilation, struct chq_tensor_info * out) {
    return build(arena, "conv_1d", { data, kernel }, out, [&](const tensor_build & b) {
        const steps along { stride, padding, dilation };
        check_convolution(b, data, kernel, 1, along);
        ggml_tensor * d = b.in_order(data->t);   // width, channels, batch
        ggml_tensor * k = b.in_order(kernel->t); // width, channels, outputs
        d = ggml_reshape_4d(b.context(), d, d->ne[0], 1, d->ne[1], d->ne[2]);
        k = ggml_reshape_4d(b.context(), k, k->ne[0], 1, k->ne[1], k->ne[2]);
        ggml_tensor * result = convolve(b, d, k, along, { 1, 0, 1 });
        tensor_shape shape;
        shape.n_dims = data->n_dims;
        shape.size[shape.n_dims - 1] = result->ne[0];
        shape.size[shape.n_dims - 2] = result->ne[2];
        if (shape.n_dims == 3) {
            shape.size[0] = result->ne[3];
        }
        b.give(result, shape);
    });
}

chq_status chq_tensor_conv_2d(
        struct chq_tensor_arena * arena, struct chq_tensor * data, struct chq_tensor * kernel,
        int32_t stride, int32_t padding, int32_t dilation, struct chq_tensor_info * out) {
    return build(arena, "conv_2d", { data, kernel }, out, [&](const tensor_build & b) {
        const steps both { stride, padding, dilation };
        check_convolution(b, data, kernel, 2, both);
        b.give(convolve(b, b.in_order(data->t), b.in_order(kernel->t), both, both), data->n_dims);
    });
}
