// Trees: their structure, passes over them against single paths, and what stays in the KV cache.
#include "check.h"
#include "tiny_gguf.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>

namespace {

constexpr int32_t N_VOCAB = 300;

// Of fp16 caches and sums in another order, relative to the norm of the logits: 7e-4 were seen.
constexpr double ROUNDING = 3e-3;

using text = std::vector<int32_t>;

struct tree {
    chq_tree * it = nullptr;
    tree() { CHECK_OK(chq_tree_create(&it)); }
    ~tree() { chq_tree_free(it); }
    tree(const tree &) = delete;

    int32_t size() const {
        int32_t n = 0;
        CHECK_OK(chq_tree_size(it, &n, nullptr));
        return n;
    }
    chq_tree_node operator[](int32_t node) const {
        chq_tree_node out;
        CHECK_OK(chq_tree_get(it, node, &out));
        return out;
    }
    int32_t add(int32_t parent, int32_t token, float probability) {
        int32_t node = -1;
        CHECK_OK(chq_tree_add(it, parent, token, probability, &node));
        return node;
    }
    text path(int32_t node) const {
        text tokens;
        for (; node >= 0; node = (*this)[node].parent) {
            tokens.insert(tokens.begin(), (*this)[node].token);
        }
        return tokens;
    }
};

// Few tokens, so that the same one turns up in many places.
void grow(tree & t, int32_t n, int32_t n_leaves, std::mt19937 & random) {
    CHECK_OK(chq_tree_reset(t.it, 260 + (int32_t) (random() % 20)));
    std::vector<bool> inner(1);
    int32_t leaves = 1;
    while (t.size() < n) {
        const int32_t parent = (int32_t) (random() % (uint32_t) t.size());
        if (inner[(size_t) parent] && leaves == n_leaves) {
            continue;
        }
        const int32_t before = t.size();
        t.add(parent, 260 + (int32_t) (random() % 6), (float) (random() % 1000) / 1000);
        if (t.size() > before) {
            leaves += inner[(size_t) parent];
            inner[(size_t) parent] = true;
            inner.push_back(false);
        }
    }
}

std::vector<float> rows_of(chq_context * context, int32_t expected) {
    const float * data = nullptr;
    int32_t rows = 0;
    CHECK_OK(chq_logits(context, &data, &rows));
    REQUIRE(rows == expected);
    return std::vector<float>(data, data + (size_t) rows * N_VOCAB);
}

double distance(const float * a, const float * b) {
    double difference = 0;
    double norm       = 0;
    for (int i = 0; i < N_VOCAB; i++) {
        difference += (a[i] - b[i]) * (a[i] - b[i]);
        norm       += a[i] * a[i];
    }
    return std::sqrt(difference / norm);
}

// Logits after the last token of a text, computed by itself.
std::vector<float> alone(const tiny_model & model, void (*change)(llama_context_params &), const text & tokens) {
    tiny_context context(model, change);
    CHECK_OK(chq_decode(context.context, 0, tokens.data(), (int32_t) tokens.size(), CHQ_OUTPUT_LAST, nullptr));
    return rows_of(context.context, 1);
}

text joined(text a, const text & b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
}

void check_range(chq_context * context, int32_t seq_id, const text & tokens) {
    int32_t first = -2;
    int32_t last  = -2;
    CHECK_OK(chq_seq_range(context, seq_id, &first, &last));
    CHECK_EQ(first, tokens.empty() ? -1 : 0);
    CHECK_EQ(last, (int32_t) tokens.size() - 1);
}

void rows_are_those_of_paths(const tiny_model & model, void (*change)(llama_context_params &)) {
    std::mt19937 random(11);
    for (int round = 0; round < 4; round++) {
        tiny_context context(model, change);
        const text prefix = some_tokens(round == 0 ? 1 : 40, 3);
        CHECK_OK(chq_decode(context.context, 0, prefix.data(), (int32_t) prefix.size(), CHQ_OUTPUT_NONE, nullptr));
        tree t;
        grow(t, 24, 16, random);
        CHECK_OK(chq_tree_decode(context.context, 0, t.it));
        const std::vector<float> rows = rows_of(context.context, 24);
        for (int32_t node = 0; node < 24; node++) {
            const std::vector<float> expected = alone(model, change, joined(prefix, t.path(node)));
            const double d = distance(expected.data(), rows.data() + (size_t) node * N_VOCAB);
            CHECK(d < ROUNDING);
        }
        const int32_t winner = (int32_t) (random() % 24);
        CHECK_OK(chq_tree_commit(context.context, winner));
        check_range(context.context, 0, joined(prefix, t.path(winner)));
    }
}

void keep_window(llama_context_params & p) { p.swa_full = true; }
void half_cache(llama_context_params & p) {
    p.type_k = GGML_TYPE_Q8_0;
    p.type_v = GGML_TYPE_Q8_0;
    p.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_ENABLED;
}
void no_flash(llama_context_params & p) { p.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED; }
void flash(llama_context_params & p)    { p.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_ENABLED; }
void three(llama_context_params & p) {
    p.n_seq_max  = 3;
    p.kv_unified = true;
    p.n_ctx      = 1024;
}
void apart(llama_context_params & p) {
    p.n_seq_max  = 3;
    p.kv_unified = false;
}

} // namespace

TEST(a_tree_keeps_parents_first_and_merges_equal_children) {
    tree t;
    CHECK_STATUS(chq_tree_add(t.it, 0, 5, 0.5f, nullptr), CHQ_STATUS_STATE);
    CHECK_OK(chq_tree_reset(t.it, 7));
    const int32_t a = t.add(0, 1, 0.5f);
    const int32_t b = t.add(0, 2, 0.4f);
    const int32_t c = t.add(a, 3, 0.5f);
    CHECK_EQ(t.add(0, 1, 0.25f), a);
    CHECK_EQ(t[a].probability, 0.5f);
    CHECK_EQ(t.add(0, 1, 1.0f), a);
    CHECK_EQ(t[a].probability, 1.0f);
    CHECK_EQ(t[c].probability, 0.5f);
    CHECK_EQ(t[c].depth, 2);
    CHECK_EQ(t[c].parent, a);
    int32_t leaves = 0;
    CHECK_OK(chq_tree_size(t.it, nullptr, &leaves));
    CHECK_EQ(leaves, 2);
    CHECK_EQ(t[b].token, 2);
    CHECK_OK(chq_tree_prune(t.it, 3));
    CHECK_EQ(t.size(), 3);
    CHECK(t.path(2) == (text { 7, 1, 3 }));
}

TEST(pruning_keeps_the_most_probable_nodes_and_their_parents) {
    std::mt19937 random(5);
    for (int round = 0; round < 200; round++) {
        tree t;
        grow(t, 40, 1000, random);
        std::vector<std::pair<float, text>> all;
        for (int32_t i = 0; i < 40; i++) {
            all.push_back({ t[i].probability, t.path(i) });
        }
        std::stable_sort(all.begin(), all.end(), [](const auto & x, const auto & y) { return x.first > y.first; });
        const int32_t n = 1 + (int32_t) (random() % 40);
        CHECK_OK(chq_tree_prune(t.it, n));
        CHECK_EQ(t.size(), n);
        std::vector<text> kept;
        for (int32_t i = 0; i < n; i++) {
            REQUIRE(t[i].parent < i);
            CHECK_EQ(t[i].depth, i == 0 ? 0 : t[t[i].parent].depth + 1);
            kept.push_back(t.path(i));
        }
        for (int32_t i = 0; i < n; i++) {
            CHECK(std::find(kept.begin(), kept.end(), all[(size_t) i].second) != kept.end());
        }
    }
}

TEST(each_row_is_that_of_its_path_alone) {
    tiny_model model;
    rows_are_those_of_paths(model, nullptr);
    rows_are_those_of_paths(model, flash);
    rows_are_those_of_paths(model, no_flash);
    rows_are_those_of_paths(model, three);
    tiny_options options;
    options.n_embd = 128; // heads of 32 for blocks of 32
    tiny_model wide(options);
    rows_are_those_of_paths(wide, half_cache);
}

TEST(a_window_within_a_whole_cache_is_no_obstacle) {
    tiny_options options;
    options.arch  = "gemma2";
    options.n_swa = 16;
    tiny_model model(options);
    rows_are_those_of_paths(model, keep_window);
}

// Sequences, trees of all shapes, other changes in between: afterwards the cache is what plain decoding would have left.
TEST(a_thousand_steps_leave_what_plain_decoding_leaves) {
    tiny_model model;
    for (void (*change)(llama_context_params &) : { (void (*)(llama_context_params &)) nullptr, three }) {
        tiny_context context(model, change);
        const int32_t n_seq = change ? 3 : 1;
        std::mt19937 random(17);
        std::vector<text> texts((size_t) n_seq);
        for (int step = 0; step < 1000; step++) {
            const int32_t seq_id = (int32_t) (random() % (uint32_t) n_seq);
            text & now = texts[(size_t) seq_id];
            if (now.size() > 250) {
                const int32_t keep = (int32_t) (random() % 250);
                CHECK_OK(chq_seq_remove(context.context, seq_id, keep, -1));
                now.resize((size_t) keep);
            } else if (n_seq > 1 && random() % 40 == 0) {
                const int32_t to = (seq_id + 1) % n_seq;
                CHECK_OK(chq_seq_copy(context.context, seq_id, to));
                texts[(size_t) to] = now;
            } else if (random() % 10 == 0) {
                const text more = some_tokens(1 + (int32_t) (random() % 5), step);
                CHECK_OK(chq_decode(context.context, seq_id, more.data(), (int32_t) more.size(), CHQ_OUTPUT_NONE, nullptr));
                now = joined(now, more);
            } else {
                tree t;
                grow(t, 1 + (int32_t) (random() % 16), 1 + (int32_t) (random() % 16), random);
                CHECK_OK(chq_tree_decode(context.context, seq_id, t.it));
                const int32_t winner = (int32_t) (random() % (uint32_t) (t.size() + 1)) - 1;
                CHECK_OK(chq_tree_commit(context.context, winner));
                now = winner < 0 ? now : joined(now, t.path(winner));
            }
            check_range(context.context, seq_id, now);
            if (step % 100 == 99) {
                for (int32_t s = 0; s < n_seq; s++) {
                    const int32_t next = 270;
                    CHECK_OK(chq_decode(context.context, s, &next, 1, CHQ_OUTPUT_LAST, nullptr));
                    texts[(size_t) s].push_back(next);
                    const std::vector<float> expected = alone(model, change, texts[(size_t) s]);
                    CHECK(distance(expected.data(), rows_of(context.context, 1).data()) < ROUNDING);
                }
            }
        }
        // nothing of the branches stays behind: all cells can be had again
        CHECK_OK(chq_context_clear(context.context));
        int32_t room = 0;
        CHECK_OK(chq_context_room(context.context, 0, &room));
        const text all = some_tokens(room);
        CHECK_OK(chq_decode(context.context, 0, all.data(), room, CHQ_OUTPUT_NONE, nullptr));
    }
}

TEST(a_full_cache_is_reported_and_nothing_is_lost) {
    tiny_model model;
    tiny_context context(model, [](llama_context_params & p) { p.n_ctx = 256; });
    const text prefix = some_tokens(250);
    CHECK_OK(chq_decode(context.context, 0, prefix.data(), 250, CHQ_OUTPUT_NONE, nullptr));
    std::mt19937 random(1);
    tree t;
    grow(t, 7, 16, random);
    CHECK_STATUS(chq_tree_decode(context.context, 0, t.it), CHQ_STATUS_CONTEXT_FULL);
    check_range(context.context, 0, prefix);
    CHECK_OK(chq_tree_prune(t.it, 6));
    CHECK_OK(chq_tree_decode(context.context, 0, t.it));
    CHECK_OK(chq_tree_commit(context.context, 5));
}

TEST(a_cancelled_pass_leaves_the_sequence) {
    tiny_model model;
    tiny_context context(model);
    const text prefix = some_tokens(20);
    CHECK_OK(chq_decode(context.context, 0, prefix.data(), 20, CHQ_OUTPUT_NONE, nullptr));
    std::mt19937 random(2);
    tree t;
    grow(t, 12, 16, random);
    chq_context_cancel(context.context);
    CHECK_STATUS(chq_tree_decode(context.context, 0, t.it), CHQ_STATUS_CANCELLED);
    chq_context_cancel_reset(context.context);
    check_range(context.context, 0, prefix);
    CHECK_OK(chq_tree_decode(context.context, 0, t.it));
    CHECK_OK(chq_tree_commit(context.context, -1));
    check_range(context.context, 0, prefix);
}

TEST(nothing_else_happens_to_a_context_before_the_commit) {
    tiny_model model;
    tiny_context context(model);
    std::mt19937 random(3);
    tree t;
    grow(t, 5, 16, random);
    CHECK_STATUS(chq_tree_commit(context.context, 0), CHQ_STATUS_STATE);
    CHECK_OK(chq_tree_decode(context.context, 0, t.it));
    const int32_t token = 5;
    size_t size = 0;
    CHECK_STATUS(chq_decode(context.context, 0, &token, 1, CHQ_OUTPUT_NONE, nullptr), CHQ_STATUS_STATE);
    CHECK_STATUS(chq_tree_decode(context.context, 0, t.it), CHQ_STATUS_STATE);
    CHECK_STATUS(chq_seq_remove(context.context, 0, 0, -1), CHQ_STATUS_STATE);
    CHECK_STATUS(chq_seq_save(context.context, 0, nullptr, 0, nullptr, 0, false, nullptr, 0, &size), CHQ_STATUS_STATE);
    CHECK_STATUS(chq_tree_commit(context.context, 5), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_tree_commit(context.context, -2), CHQ_STATUS_ARGUMENT);
    CHECK_OK(chq_tree_commit(context.context, 4));
    CHECK_OK(chq_tree_decode(context.context, 0, t.it));
    CHECK_OK(chq_context_clear(context.context));
    CHECK_STATUS(chq_tree_commit(context.context, 0), CHQ_STATUS_STATE);
    CHECK_OK(chq_decode(context.context, 0, &token, 1, CHQ_OUTPUT_NONE, nullptr));
}

TEST(a_state_saved_after_trees_can_be_restored) {
    tiny_model model;
    tiny_context context(model);
    std::mt19937 random(4);
    text now = some_tokens(10);
    CHECK_OK(chq_decode(context.context, 0, now.data(), 10, CHQ_OUTPUT_NONE, nullptr));
    for (int i = 0; i < 10; i++) {
        tree t;
        grow(t, 10, 8, random);
        CHECK_OK(chq_tree_decode(context.context, 0, t.it));
        CHECK_OK(chq_tree_commit(context.context, 9));
        now = joined(now, t.path(9));
    }
    size_t size = 0;
    CHECK_STATUS(chq_seq_save(context.context, 0, now.data(), (int32_t) now.size(), nullptr, 0, false, nullptr, 0, &size), CHQ_STATUS_BUFFER);
    std::vector<uint8_t> state(size);
    CHECK_OK(chq_seq_save(context.context, 0, now.data(), (int32_t) now.size(), nullptr, 0, false, state.data(), size, &size));
    tiny_context other(model);
    text tokens(now.size());
    int32_t n = 0;
    CHECK_OK(chq_seq_restore(other.context, 0, state.data(), size, true, tokens.data(), (int32_t) tokens.size(), &n, nullptr));
    CHECK(tokens == now);
    const int32_t next = 270;
    CHECK_OK(chq_decode(other.context, 0, &next, 1, CHQ_OUTPUT_LAST, nullptr));
    now.push_back(next);
    CHECK(distance(alone(model, nullptr, now).data(), rows_of(other.context, 1).data()) < ROUNDING);
}

TEST(where_paths_cannot_branch_only_chains_are_taken) {
    tiny_options recurrent;
    recurrent.arch = "mamba";
    tiny_options window;
    window.arch = "gemma2";
    tiny_model plain;
    tiny_model mamba(recurrent);
    tiny_model gemma(window);
    const struct {
        tiny_model & model;
        void (*change)(llama_context_params &);
        const char * reason;
    } cases[] = {
        { plain, apart, "unified" },
        { mamba, nullptr, "state" },
        { gemma, [](llama_context_params & p) { p.swa_full = false; }, "window" },
        { plain, [](llama_context_params & p) { p.n_ubatch = 1; }, "few" },
    };
    for (const auto & c : cases) {
        tiny_context context(c.model, c.change);
        int32_t leaves = 0;
        size_t  length = 0;
        char    reason[200];
        CHECK_OK(chq_tree_limit(context.context, &leaves, reason, sizeof(reason), &length));
        CHECK_EQ(leaves, 1);
        CHECK(strstr(reason, c.reason) != nullptr);
        tree t;
        CHECK_OK(chq_tree_reset(t.it, 5));
        t.add(0, 6, 0.5f);
        t.add(0, 7, 0.5f);
        CHECK_STATUS(chq_tree_decode(context.context, 0, t.it), CHQ_STATUS_ARGUMENT);
        CHECK_OK(chq_tree_prune(t.it, 1));
        CHECK_OK(chq_tree_decode(context.context, 0, t.it));
        CHECK_OK(chq_tree_commit(context.context, 0));
    }
}

TEST(misuse_is_refused) {
    tree t;
    CHECK_STATUS(chq_tree_create(nullptr), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_tree_reset(nullptr, 1), CHQ_STATUS_ARGUMENT);
    CHECK_OK(chq_tree_free(nullptr));
    CHECK_OK(chq_tree_reset(t.it, 1));
    CHECK_STATUS(chq_tree_add(t.it, 1, 2, 0.5f, nullptr), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_tree_add(t.it, -1, 2, 0.5f, nullptr), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_tree_add(t.it, 0, 2, 1.5f, nullptr), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_tree_add(t.it, 0, 2, NAN, nullptr), CHQ_STATUS_ARGUMENT);
    chq_tree_node node;
    CHECK_STATUS(chq_tree_get(t.it, 1, &node), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_tree_prune(t.it, 0), CHQ_STATUS_ARGUMENT);
    for (int32_t i = 1; i < CHQ_TREE_MAX; i++) {
        t.add(i - 1, i, 1);
    }
    CHECK_STATUS(chq_tree_add(t.it, 0, 9999, 0.5f, nullptr), CHQ_STATUS_STATE);
    CHECK_OK(chq_tree_add(t.it, 0, 1, 0.5f, nullptr)); // is there

    tiny_model model;
    tiny_context context(model);
    CHECK_OK(chq_tree_decode(context.context, 0, t.it)); // the largest
    CHECK_OK(chq_tree_commit(context.context, -1));
    tiny_context small(model, [](llama_context_params & p) { p.n_batch = 200; });
    CHECK_STATUS(chq_tree_decode(small.context, 0, t.it), CHQ_STATUS_ARGUMENT);
    CHECK_OK(chq_tree_reset(t.it, N_VOCAB));
    CHECK_STATUS(chq_tree_decode(context.context, 0, t.it), CHQ_STATUS_ARGUMENT);
    CHECK_OK(chq_tree_reset(t.it, 5));
    CHECK_STATUS(chq_tree_decode(context.context, 1, t.it), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_tree_decode(nullptr, 0, t.it), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_tree_decode(context.context, 0, nullptr), CHQ_STATUS_ARGUMENT);
}

MAIN
