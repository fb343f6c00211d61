// Pooled embeddings, and rows that are near another.
#include "check.h"
#include "tiny_gguf.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>

using floats = std::vector<float>;
using tokens = std::vector<int32_t>;

// of the KV cache, whose numbers have 16 bits
constexpr double ROUNDING = 1e-3;

static std::mt19937 random_bits(7);

static tokens random_text(int32_t n) {
    tokens text(n);
    for (int32_t & t : text) {
        t = 3 + (int32_t) (random_bits() % 256);
    }
    return text;
}

template <enum llama_pooling_type POOLING>
static void pooled(llama_context_params & params) {
    params.embeddings   = true;
    params.pooling_type = POOLING;
    params.n_ctx        = 512;
    params.n_batch      = 256;
    params.n_ubatch     = 256;
    params.n_seq_max    = 8;
    params.kv_unified   = true;
}

static floats embed(chq_context * context, const std::vector<tokens> & texts, bool normalize = true, int32_t n_dims = 64) {
    tokens  all;
    tokens lengths;
    for (const tokens & text : texts) {
        all.insert(all.end(), text.begin(), text.end());
        lengths.push_back((int32_t) text.size());
    }
    floats out(texts.size() * n_dims);
    CHECK_OK(chq_embed(context, all.data(), lengths.data(), (int32_t) texts.size(), n_dims, normalize, out.data()));
    return out;
}

static double difference(const float * a, const float * b, int32_t n) {
    double most = 0;
    for (int32_t i = 0; i < n; ++i) {
        most = std::max(most, (double) std::fabs(a[i] - b[i]));
    }
    return most;
}

template <enum llama_pooling_type POOLING>
static void batches_and_singles(const tiny_options & options) {
    tiny_model model(options);
    tiny_context context(model, pooled<POOLING>);
    std::vector<tokens> texts;
    for (int32_t n : { 5, 1, 40, 17, 100, 2 }) {
        texts.push_back(random_text(n));
    }
    const floats together = embed(context.context, texts);
    std::vector<int32_t> order(texts.size());
    std::iota(order.begin(), order.end(), 0);
    std::shuffle(order.begin(), order.end(), random_bits);
    std::vector<tokens> shuffled;
    for (int32_t i : order) {
        shuffled.push_back(texts[i]);
    }
    const floats others = embed(context.context, shuffled);
    for (size_t i = 0; i < texts.size(); ++i) {
        const floats alone = embed(context.context, { texts[i] });
        CHECK(difference(alone.data(), &together[i * 64], 64) < ROUNDING);
        const size_t at = std::find(order.begin(), order.end(), (int32_t) i) - order.begin();
        CHECK(difference(alone.data(), &others[at * 64], 64) < ROUNDING);
        double sum = 0;
        for (float x : alone) {
            sum += (double) x * x;
        }
        CHECK(std::fabs(sum - 1) < 1e-5);
    }
    CHECK(difference(&together[0], &together[64], 64) > 1e-2);
}

TEST(a_batch_is_its_texts) {
    batches_and_singles<LLAMA_POOLING_TYPE_MEAN>({});
    batches_and_singles<LLAMA_POOLING_TYPE_LAST>({});
    batches_and_singles<LLAMA_POOLING_TYPE_CLS>({});
    tiny_options recurrent;
    recurrent.arch = "mamba";
    batches_and_singles<LLAMA_POOLING_TYPE_MEAN>(recurrent);
}

TEST(the_first_dimensions) {
    tiny_model model;
    tiny_context context(model, pooled<LLAMA_POOLING_TYPE_MEAN>);
    const tokens text = random_text(20);
    const floats raw   = embed(context.context, { text }, false);
    const floats few   = embed(context.context, { text }, false, 16);
    const floats unit  = embed(context.context, { text }, true, 16);
    CHECK(difference(raw.data(), few.data(), 16) == 0);
    double length = 0;
    for (float x : few) {
        length += (double) x * x;
    }
    for (int i = 0; i < 16; ++i) {
        CHECK(std::fabs(unit[i] - few[i] / std::sqrt(length)) < 1e-6);
    }
}

TEST(what_cannot_be_embedded) {
    tiny_model model;
    tiny_context plain(model);
    int32_t n = 0;
    CHECK_STATUS(chq_embedding_size(plain.context, &n), CHQ_STATUS_UNSUPPORTED);
    tiny_context none(model, pooled<LLAMA_POOLING_TYPE_NONE>);
    CHECK_STATUS(chq_embedding_size(none.context, &n), CHQ_STATUS_UNSUPPORTED);
    tiny_context context(model, pooled<LLAMA_POOLING_TYPE_MEAN>);
    CHECK_OK(chq_embedding_size(context.context, &n));
    CHECK_EQ(n, 64);
    CHECK_OK(chq_embedding_room(context.context, &n));
    CHECK_EQ(n, 256);

    floats out(64 * 16);
    const tokens text = random_text(400);
    const auto call = [&](tokens lengths, int32_t n_dims) {
        return chq_embed(context.context, text.data(), lengths.data(), (int32_t) lengths.size(), n_dims, true, out.data());
    };
    CHECK_STATUS(call({ 257 }, 64),                                CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(call({ 0 }, 64),                                  CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(call({ 200, 57 }, 64),                            CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(call({ 1, 1, 1, 1, 1, 1, 1, 1, 1 }, 64),          CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(call({ 5 }, 65),                                  CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(call({ INT32_MAX, INT32_MAX }, 64),               CHQ_STATUS_ARGUMENT);
    CHECK_OK(call({ 200, 56 }, 64));
}

static std::vector<std::pair<float, int32_t>> reference(const floats & rows, const float * query, int32_t n_rows, int32_t n, bool cosine) {
    std::vector<std::pair<float, int32_t>> all;
    for (int32_t r = 0; r < n_rows; ++r) {
        double dot = 0, a = 0, b = 0;
        for (int32_t i = 0; i < n; ++i) {
            dot += (double) rows[r * n + i] * query[i];
            a   += (double) rows[r * n + i] * rows[r * n + i];
            b   += (double) query[i] * query[i];
        }
        all.emplace_back((float) (!cosine ? dot : a == 0 || b == 0 ? 0 : dot / std::sqrt(a) / std::sqrt(b)), r);
    }
    return all;
}

TEST(nearest_rows) {
    std::normal_distribution<float> normal;
    for (int32_t n : { 1, 7, 64, 300 }) {
        for (int32_t n_rows : { 1, 63, 64, 65, 500 }) {
            floats rows((size_t) n * n_rows);
            floats queries((size_t) n * 3);
            for (float & x : rows)    { x = normal(random_bits); }
            for (float & x : queries) { x = normal(random_bits); }
            for (bool cosine : { false, true }) {
                const int32_t k = std::min(n_rows, 10);
                std::vector<int32_t> index(3 * k);
                floats score(3 * k);
                CHECK_OK(chq_rows_nearest(rows.data(), n_rows, queries.data(), 3, n, cosine, k, index.data(), score.data()));
                for (int32_t q = 0; q < 3; ++q) {
                    auto all = reference(rows, &queries[q * n], n_rows, n, cosine);
                    auto sorted = all;
                    std::sort(sorted.begin(), sorted.end(), [](auto a, auto b) { return a.first > b.first; });
                    for (int32_t i = 0; i < k; ++i) {
                        CHECK(std::fabs(score[q * k + i] - sorted[i].first) < 1e-3);
                        CHECK(std::fabs(score[q * k + i] - all[index[q * k + i]].first) < 1e-3);
                        CHECK(i == 0 || score[q * k + i - 1] >= score[q * k + i]);
                    }
                }
            }
        }
    }
}

TEST(rows_of_zeros_and_of_nothing) {
    const float nan = std::numeric_limits<float>::quiet_NaN();
    const floats rows { 0, 0, 1, 0, nan, 1, 1, 0 };
    const floats query { 2, 0 };
    int32_t index[4];
    float score[4];
    CHECK_OK(chq_rows_nearest(rows.data(), 4, query.data(), 1, 2, true, 4, index, score));
    CHECK_EQ(index[0], 1);
    CHECK_EQ(index[1], 3);
    CHECK_EQ(index[2], 0);
    CHECK_EQ(index[3], 2);
    CHECK_EQ(score[0], 1.0f);
    CHECK_EQ(score[2], 0.0f);
    CHECK_STATUS(chq_rows_nearest(rows.data(), 4, query.data(), 1, 2, true, 5, index, score), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_rows_nearest(rows.data(), 4, query.data(), 1, 0, true, 1, index, score), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_rows_nearest(nullptr, 4, query.data(), 1, 2, true, 1, index, score), CHQ_STATUS_ARGUMENT);
}

MAIN
