// Rows by number.
#include "tensor/build.h"
#include "tensor/indices.h"
#include "tensor/types.h"

using namespace chq;

chq_status chq_tensor_rows(struct chq_tensor_arena * arena, struct chq_tensor * table, struct chq_tensor * ids, struct chq_tensor_info * out) {
    return build(arena, "rows", { table, ids }, out, [&](const tensor_build & b) {
        b.check_type(ids, GGML_TYPE_I32, "ids");
        if (!is_multipliable(table->t->type) && table->t->type != GGML_TYPE_I32) {
            b.refuse("rows of %s cannot be looked up", to_text(table->t->type).c_str());
        }
        if (table->n_dims != 2 || ids->n_dims >= CHQ_TENSOR_DIMS) {
            b.refuse("a table has two axes, ids at most %d", CHQ_TENSOR_DIMS - 1);
        }
        index_sources sources;
        std::string   reason;
        const auto has_data = [&](const ggml_tensor * root) { return storage_of(arena, root) != nullptr; };
        if (!find_indices(ids->t, table->t->ne[1], has_data, sources, reason)) {
            b.refuse("the ids may be out of range: %s", reason.c_str());
        }
        ggml_tensor * list = ggml_reshape_1d(b.context(), b.in_order(ids->t), ggml_nelements(ids->t));
        tensor_shape shape = shape_of(ids->t, ids->n_dims);
        shape.size[shape.n_dims++] = table->t->ne[0];
        b.give(b.add(ggml_get_rows(b.context(), b.rows_in_order(table->t), list)), shape);
    });
}
