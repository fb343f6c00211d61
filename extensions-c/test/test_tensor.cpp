#include "check.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <thread>

using shape = std::vector<int64_t>;

struct arena_owner {
    explicit arena_owner(chq_tensor_arena * parent = nullptr, int32_t n_threads = 2) {
        CHECK_OK(chq_runtime_init(nullptr));
        CHECK_OK(chq_tensor_arena_create(getenv("CHASQUI_TENSOR_DEVICE"), n_threads, parent, &arena)); // the CPU unless it is set
    }
    arena_owner(const arena_owner &) = delete;
    ~arena_owner() { CHECK_STATUS(chq_tensor_arena_free(arena), CHQ_STATUS_OK); }
    operator chq_tensor_arena *() const { return arena; }
    chq_tensor_arena * arena = nullptr;
};

static chq_tensor_info new_tensor(chq_tensor_arena * arena, int32_t type, const shape & sizes) {
    chq_tensor_info info;
    CHECK_OK(chq_tensor_new(arena, type, (int32_t) sizes.size(), sizes.data(), &info));
    return info;
}

static chq_tensor_info floats(chq_tensor_arena * arena, const shape & sizes, const std::vector<float> & values) {
    const chq_tensor_info info = new_tensor(arena, GGML_TYPE_F32, sizes);
    CHECK_OK(chq_tensor_set_floats(info.tensor, values.data(), values.size()));
    return info;
}

static chq_tensor_info ints(chq_tensor_arena * arena, const shape & sizes, const std::vector<int32_t> & values) {
    const chq_tensor_info info = new_tensor(arena, GGML_TYPE_I32, sizes);
    CHECK_OK(chq_tensor_set_bytes(info.tensor, values.data(), values.size() * sizeof(int32_t)));
    return info;
}

static size_t count(const chq_tensor_info & info) {
    size_t n = 1;
    for (int32_t i = 0; i < info.n_dims; ++i) {
        n *= (size_t) info.shape[i];
    }
    return n;
}

static std::vector<float> values(const chq_tensor_info & info) {
    std::vector<float> result(count(info));
    CHECK_OK(chq_tensor_get_floats(info.tensor, result.data(), result.size()));
    return result;
}

static chq_status compute(chq_tensor_arena * arena, const chq_tensor_info & output) {
    chq_tensor_graph * graph = nullptr;
    chq_status status = chq_tensor_graph_create(arena, &output.tensor, 1, &graph);
    if (status == CHQ_STATUS_OK) {
        status = chq_tensor_graph_compute(graph);
        CHECK_OK(chq_tensor_graph_free(graph));
    }
    return status;
}

static std::vector<float> computed(chq_tensor_arena * arena, const chq_tensor_info & output) {
    CHECK_OK(compute(arena, output));
    return values(output);
}

static bool message_has(const char * part) {
    return strstr(chq_last_error(), part) != nullptr;
}

TEST(product_of_matrices) {
    arena_owner arena;
    const auto a = floats(arena, { 2, 3 }, { 1, 2, 3, 4, 5, 6 });
    const auto b = floats(arena, { 3, 2 }, { 7, 8, 9, 10, 11, 12 });
    chq_tensor_info c;
    CHECK_OK(chq_tensor_matmul(arena, a.tensor, b.tensor, false, &c));
    CHECK_EQ(c.n_dims, 2);
    CHECK_EQ(c.shape[0], 2);
    CHECK_EQ(c.shape[1], 2);
    CHECK(computed(arena, c) == std::vector<float>({ 58, 64, 139, 154 }));

    CHECK_STATUS(chq_tensor_matmul(arena, a.tensor, b.tensor, true, &c), CHQ_STATUS_ARGUMENT);
    CHECK(message_has("F32 [2, 3]") && message_has("F32 [3, 2]"));
}

TEST(outputs_are_computed_again_and_results_of_others_are_not) {
    arena_owner arena;
    const auto x = floats(arena, { 2 }, { 1, 2 });
    chq_tensor_info y;
    chq_tensor_info z;
    CHECK_OK(chq_tensor_affine(arena, x.tensor, 2, 0, &y));
    CHECK_OK(chq_tensor_affine(arena, y.tensor, 1, 1, &z));
    CHECK(computed(arena, y) == std::vector<float>({ 2, 4 }));
    const std::vector<float> more = { 10, 20 };
    CHECK_OK(chq_tensor_set_floats(x.tensor, more.data(), 2));
    CHECK(computed(arena, z) == std::vector<float>({ 3, 5 }));
    CHECK(computed(arena, y) == std::vector<float>({ 20, 40 }));
    CHECK(computed(arena, z) == std::vector<float>({ 21, 41 }));
}

TEST(what_is_not_computed_cannot_be_read) {
    arena_owner arena;
    const auto x = floats(arena, { 2 }, { 1, 2 });
    chq_tensor_info y;
    chq_tensor_info z;
    float out[2];
    CHECK_OK(chq_tensor_affine(arena, x.tensor, 2, 0, &y));
    CHECK_STATUS(chq_tensor_get_floats(y.tensor, out, 2), CHQ_STATUS_STATE);
    chq_tensor_graph * graph = nullptr;
    CHECK_OK(chq_tensor_graph_create(arena, &y.tensor, 1, &graph));
    CHECK_STATUS(chq_tensor_get_floats(y.tensor, out, 2), CHQ_STATUS_STATE);
    CHECK_OK(chq_tensor_affine(arena, y.tensor, 1, 1, &z));
    CHECK_STATUS(compute(arena, z), CHQ_STATUS_STATE);
    CHECK_OK(chq_tensor_graph_compute(graph));
    CHECK(computed(arena, z) == std::vector<float>({ 3, 5 }));
    CHECK_OK(compute(arena, x)); // there is nothing to do
}

TEST(ids_are_checked_before_they_are_used) {
    arena_owner arena;
    const auto table = floats(arena, { 3, 2 }, { 1, 2, 3, 4, 5, 6 });
    const auto ids   = ints(arena, { 2 }, { 2, 0 });
    chq_tensor_info rows;
    CHECK_OK(chq_tensor_rows(arena, table.tensor, ids.tensor, &rows));
    CHECK(computed(arena, rows) == std::vector<float>({ 5, 6, 1, 2 }));
    for (int32_t wrong : { -1, 3, INT32_MAX, INT32_MIN }) {
        const int32_t bad[] = { 0, wrong };
        CHECK_OK(chq_tensor_set_bytes(ids.tensor, bad, sizeof(bad)));
        CHECK_STATUS(compute(arena, rows), CHQ_STATUS_ARGUMENT);
        CHECK(message_has(std::to_string(wrong).c_str()));
    }
    const auto scores = floats(arena, { 4 }, { 1, 3, 2, 0 });
    chq_tensor_info best;
    CHECK_OK(chq_tensor_top_k(arena, scores.tensor, 2, &best));
    CHECK_STATUS(chq_tensor_rows(arena, table.tensor, best.tensor, &rows), CHQ_STATUS_ARGUMENT);
    CHECK(message_has("positions among 4"));
    chq_tensor_info whole;
    CHECK_OK(chq_tensor_cast(arena, scores.tensor, GGML_TYPE_I32, &whole));
    CHECK_STATUS(chq_tensor_rows(arena, table.tensor, whole.tensor, &rows), CHQ_STATUS_ARGUMENT);
    CHECK(message_has("compute them first"));
    CHECK_OK(compute(arena, whole));
    CHECK_OK(chq_tensor_rows(arena, table.tensor, whole.tensor, &rows));
    CHECK_STATUS(compute(arena, rows), CHQ_STATUS_ARGUMENT); // 3 is no row
    // as outputs of one graph they would be computed again, unseen
    chq_tensor_graph * graph = nullptr;
    chq_tensor * const both[] = { whole.tensor, rows.tensor };
    CHECK_STATUS(chq_tensor_graph_create(arena, both, 2, &graph), CHQ_STATUS_ARGUMENT);
}

TEST(order_of_anything) {
    arena_owner arena;
    std::mt19937 random(1);
    for (int32_t n : { 1, 2, 17, 300, 3000 }) {
        std::vector<float> x(n);
        for (float & v : x) {
            const int kind = (int) (random() % 8);
            v = kind == 0 ? NAN : kind == 1 ? -INFINITY : kind == 2 ? INFINITY : (float) (random() % 50);
        }
        const auto key = [&](int32_t i) { return std::isnan(x[i]) ? -INFINITY : x[i]; };
        const auto t = floats(arena, { n }, x);
        for (bool descending : { false, true }) {
            std::vector<float> expected(n);
            std::vector<int32_t> order(n);
            for (int32_t i = 0; i < n; ++i) {
                order[i] = i;
            }
            std::stable_sort(order.begin(), order.end(), [&](int32_t i, int32_t j) { return descending ? key(i) > key(j) : key(i) < key(j); });
            std::copy(order.begin(), order.end(), expected.begin());
            chq_tensor_info sorted;
            CHECK_OK(chq_tensor_argsort(arena, t.tensor, descending, &sorted));
            CHECK(computed(arena, sorted) == expected);
            if (descending) {
                for (int32_t k : { 1, n / 2 + 1, n }) {
                    chq_tensor_info top;
                    CHECK_OK(chq_tensor_top_k(arena, t.tensor, k, &top));
                    CHECK(computed(arena, top) == std::vector<float>(expected.begin(), expected.begin() + k));
                }
            }
        }
    }
}

TEST(children_use_what_their_parents_store) {
    arena_owner parent;
    const auto w = floats(parent, { 2, 2 }, { 1, 2, 3, 4 });
    chq_tensor_info lazy;
    CHECK_OK(chq_tensor_affine(parent, w.tensor, 2, 0, &lazy));
    {
        arena_owner child(parent.arena);
        const auto x = floats(child, { 2 }, { 1, 1 });
        chq_tensor_info y;
        CHECK_OK(chq_tensor_matmul(child, x.tensor, w.tensor, true, &y));
        CHECK(computed(child, y) == std::vector<float>({ 3, 7 }));
        CHECK_STATUS(chq_tensor_matmul(parent, x.tensor, w.tensor, true, &y), CHQ_STATUS_ARGUMENT);
        CHECK(message_has("not of this arena"));
        CHECK_STATUS(chq_tensor_affine(child, lazy.tensor, 2, 0, &y), CHQ_STATUS_ARGUMENT);
        CHECK(message_has("compute it there first"));
        CHECK_STATUS(chq_tensor_arena_free(parent), CHQ_STATUS_STATE);
        chq_tensor_graph * graph = nullptr;
        CHECK_STATUS(chq_tensor_graph_create(child, &lazy.tensor, 1, &graph), CHQ_STATUS_ARGUMENT);
    }
    arena_owner stranger;
    chq_tensor_info y;
    CHECK_STATUS(chq_tensor_affine(stranger, w.tensor, 2, 0, &y), CHQ_STATUS_ARGUMENT);
}

TEST(a_path_longer_than_a_stack) {
    arena_owner arena;
    auto x = floats(arena, { 1 }, { 0 });
    for (int i = 0; i < 16000; ++i) {
        CHECK_OK(chq_tensor_affine(arena, x.tensor, 1, 1, &x));
    }
    std::vector<float> result;
    std::thread small([&] { result = computed(arena, x); });
    small.join();
    CHECK(result == std::vector<float>({ 16000 }));
    for (int i = 0; i < 1000; ++i) {
        CHECK_OK(chq_tensor_affine(arena, x.tensor, 1, 1, &x));
    }
    CHECK(computed(arena, x) == std::vector<float>({ 17000 })); // what was computed is not computed again
    for (int i = 0; i < CHQ_TENSOR_GRAPH_MAX + 1; ++i) {
        CHECK_OK(chq_tensor_affine(arena, x.tensor, 1, 1, &x));
    }
    CHECK_STATUS(compute(arena, x), CHQ_STATUS_ARGUMENT);
    CHECK(message_has("in parts"));
}

TEST(sizes_beyond_everything) {
    arena_owner arena;
    chq_tensor_info t;
    for (const shape & sizes : { shape { INT64_MAX }, shape { 1 << 16, 1 << 16 }, shape { 65536, 65536, 65536, 65536 }, shape { 0 }, shape { 3, -1 } }) {
        CHECK_STATUS(chq_tensor_new(arena, GGML_TYPE_F32, (int32_t) sizes.size(), sizes.data(), &t), CHQ_STATUS_ARGUMENT);
    }
    const shape many = { 1, 1, 1, 1, 1 };
    CHECK_STATUS(chq_tensor_new(arena, GGML_TYPE_F32, 5, many.data(), &t), CHQ_STATUS_ARGUMENT);
    const shape odd = { 4, 33 };
    CHECK_STATUS(chq_tensor_new(arena, GGML_TYPE_Q4_0, 2, odd.data(), &t), CHQ_STATUS_ARGUMENT);
    for (int32_t type : { -1, 4, 31, 38, 1000 }) {
        const shape one = { 1 };
        CHECK_STATUS(chq_tensor_new(arena, type, 1, one.data(), &t), CHQ_STATUS_ARGUMENT);
    }
    // results that exist on paper only
    const auto column = floats(arena, { 40000, 1 }, std::vector<float>(40000));
    const auto row    = floats(arena, { 1, 50000 }, std::vector<float>(50000));
    chq_tensor_info product;
    CHECK_OK(chq_tensor_binary(arena, CHQ_TENSOR_ADD, column.tensor, row.tensor, &product));
    CHECK_STATUS(chq_tensor_binary(arena, CHQ_TENSOR_ADD, product.tensor, floats(arena, { 2, 1, 1 }, { 0, 0 }).tensor, &product), CHQ_STATUS_ARGUMENT);
}

// Whatever is asked for, ggml never aborts: random operations on random tensors, most of which do not fit together.
TEST(no_argument_reaches_an_assertion) {
    const int32_t types[] = { GGML_TYPE_F32, GGML_TYPE_F32, GGML_TYPE_F32, GGML_TYPE_F32, GGML_TYPE_F16, GGML_TYPE_BF16, GGML_TYPE_I32, GGML_TYPE_I32,
        GGML_TYPE_Q4_0, GGML_TYPE_Q8_0, GGML_TYPE_Q4_K, GGML_TYPE_IQ2_XXS, GGML_TYPE_MXFP4, GGML_TYPE_Q8_1, GGML_TYPE_Q8_K, GGML_TYPE_I64, GGML_TYPE_F64, GGML_TYPE_I8 };
    int done[22] = {};
    int refused = 0;
    int graphs = 0;
    for (uint32_t seed = 0; seed < 150; ++seed) {
        std::mt19937 random(seed);
        const auto below = [&](int n) { return (int) (random() % (uint32_t) n); };
        const auto size  = [&]() -> int64_t {
            static const int64_t sizes[] = { 1, 2, 2, 2, 4, 4, 4, 7, 32, 256 };
            return sizes[below(10)];
        };
        arena_owner arena(nullptr, 1 + below(3));
        std::vector<chq_tensor_info> pool;
        const auto add_leaf = [&] {
            shape sizes(below(5));
            for (auto & s : sizes) {
                s = size();
            }
            chq_tensor_info info;
            if (chq_tensor_new(arena, types[below(18)], (int32_t) sizes.size(), sizes.data(), &info) == CHQ_STATUS_OK) {
                std::vector<uint8_t> data(ggml_row_size((ggml_type) info.type, (int64_t) count(info)));
                for (size_t i = 0; i < data.size(); ++i) {
                    data[i] = info.type == GGML_TYPE_I32 ? (i % 4 == 0 ? below(4) : 0) : (uint8_t) random();
                }
                CHECK_OK(chq_tensor_set_bytes(info.tensor, data.data(), data.size()));
                pool.push_back(info);
            }
        };
        for (int i = 0; i < 12; ++i) {
            add_leaf();
        }
        // some that fit together in the rarer operations
        for (const shape & sizes : { shape { 2, 4, 4, 4 }, shape { 4, 4, 4 }, shape { 2, 4, 2, 2 }, shape { 4, 4, 2 } }) {
            pool.push_back(new_tensor(arena, GGML_TYPE_F32, sizes));
        }
        pool.push_back(new_tensor(arena, GGML_TYPE_I32, { 4 }));
        for (int step = 0; step < 150; ++step) {
            const auto any = [&] { return pool[below((int) pool.size())].tensor; };
            chq_tensor_info out = {};
            chq_status status = CHQ_STATUS_ARGUMENT;
            chq_tensor * a = any();
            chq_tensor * b = any();
            int64_t sizes[4] = { size(), size(), size(), below(3) == 0 ? -1 : size() };
            int32_t axes[4]  = { 0, 1, 2, 3 };
            std::shuffle(axes, axes + 1 + below(4), random);
            const int kind = below(22);
            switch (kind) {
                case 0:  status = chq_tensor_reshape(arena, a, below(6) - 1, sizes, &out); break;
                case 1:  status = chq_tensor_slice(arena, a, below(7) - 4, below(5) - 1, below(9), &out); break;
                case 2:  status = chq_tensor_slice(arena, a, below(7) - 4, 0, below(2) ? 32 : 1, &out); break;
                case 3:  status = chq_tensor_permute(arena, a, below(5), axes, &out); break;
                case 4:  status = chq_tensor_contiguous(arena, a, &out); break;
                case 5:  status = chq_tensor_cast(arena, a, types[below(18)], &out); break;
                case 6:  status = chq_tensor_broadcast(arena, a, below(5), sizes, &out); break;
                case 7:  status = chq_tensor_concat(arena, a, b, below(7) - 4, &out); break;
                case 8:  status = chq_tensor_unary(arena, below(21), a, &out); break;
                case 9:  status = chq_tensor_binary(arena, below(5), a, b, &out); break;
                case 10: status = chq_tensor_affine(arena, a, below(2) ? NAN : 2, 1, &out); break;
                case 11: status = chq_tensor_clamp(arena, a, -1, below(3) - 2, &out); break;
                case 12: status = chq_tensor_matmul(arena, a, b, below(2), &out); break;
                case 13: status = chq_tensor_conv_1d(arena, a, b, below(4), below(3), below(3), &out); break;
                case 14: status = chq_tensor_conv_2d(arena, a, b, below(4), below(3), below(3), &out); break;
                case 15: status = chq_tensor_rows(arena, a, b, &out); break;
                case 16: status = chq_tensor_norm(arena, below(4), a, below(3) * 1e-5f - 1e-5f, &out); break;
                case 17: status = chq_tensor_group_norm(arena, a, below(4), 0, &out); break;
                case 18: status = chq_tensor_softmax(arena, a, below(2) ? b : nullptr, 1, below(2) * 8.0f, &out); break;
                case 19: {
                    const chq_tensor_rope_params p = { below(3), below(4) * 2, 10000, 1, 0, 0, 1, 32, 1 };
                    status = chq_tensor_rope(arena, a, b, below(4) ? nullptr : any(), &p, &out);
                    break;
                }
                case 20: status = below(2) ? chq_tensor_reduce(arena, below(4), a, below(7) - 4, &out) : chq_tensor_reduce_all(arena, below(4), a, &out); break;
                case 21:
                    status = below(3) == 0 ? chq_tensor_argmax(arena, a, &out) : below(2) ? chq_tensor_argsort(arena, a, below(2), &out) : chq_tensor_top_k(arena, a, below(5), &out);
                    break;
            }
            if (status == CHQ_STATUS_OK) {
                ++done[kind];
                if (count(out) <= 1 << 16) {
                    pool.push_back(out);
                }
            } else {
                ++refused;
                CHECK_EQ(chq_status_name(status), std::string("argument"));
            }
            if (step % 3 == 2) {
                const chq_tensor_info & output = pool[below((int) pool.size())];
                status = compute(arena, output);
                CHECK(status == CHQ_STATUS_OK || status == CHQ_STATUS_ARGUMENT || status == CHQ_STATUS_STATE);
                if (status == CHQ_STATUS_OK) {
                    ++graphs;
                    std::vector<float> result(count(output));
                    status = chq_tensor_get_floats(output.tensor, result.data(), result.size());
                    CHECK(status == CHQ_STATUS_OK || status == CHQ_STATUS_UNSUPPORTED);
                }
            }
        }
    }
    for (int kind = 0; kind < 22; ++kind) {
        CHECK(done[kind] > 5);
    }
    CHECK(refused > 3000 && graphs > 1000);
}

TEST(null_everywhere) {
    arena_owner arena;
    const auto x = floats(arena, { 2 }, { 1, 2 });
    chq_tensor_info info;
    chq_tensor_graph * graph = nullptr;
    CHECK_STATUS(chq_tensor_arena_create(nullptr, 1, nullptr, nullptr), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_tensor_arena_create("no such device", 1, nullptr, nullptr), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_tensor_arena_create(nullptr, 100000, nullptr, &arena.arena), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_tensor_arena_free(nullptr), CHQ_STATUS_OK);
    CHECK_STATUS(chq_tensor_new(nullptr, 0, 0, nullptr, &info), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_tensor_new(arena, 0, 1, nullptr, &info), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_tensor_new(arena, 0, 0, nullptr, nullptr), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_tensor_set_floats(x.tensor, nullptr, 2), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_tensor_set_floats(nullptr, nullptr, 2), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_tensor_get_floats(x.tensor, nullptr, 2), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_tensor_data(x.tensor, nullptr, nullptr, nullptr), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_tensor_unary(arena, 0, nullptr, &info), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_tensor_unary(arena, 0, x.tensor, nullptr), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_tensor_unary(nullptr, 0, x.tensor, &info), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_tensor_reshape(arena, x.tensor, 1, nullptr, &info), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_tensor_permute(arena, x.tensor, 1, nullptr, &info), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_tensor_rope(arena, x.tensor, nullptr, nullptr, nullptr, &info), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_tensor_wrap(arena, 0, 0, nullptr, nullptr, 4, &info), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_tensor_graph_create(arena, nullptr, 1, &graph), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_tensor_graph_create(arena, &x.tensor, 0, &graph), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_tensor_graph_compute(nullptr), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_tensor_graph_free(nullptr), CHQ_STATUS_OK);
}

MAIN
