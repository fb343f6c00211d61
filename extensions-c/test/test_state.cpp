// Saved sequences and contexts.
#include "check.h"
#include "tiny_gguf.h"

#include <cmath>
#include <cstring>
#include <random>

using bytes = std::vector<uint8_t>;

static std::vector<float> next_logits(chq_context * context, int32_t seq_id, const std::vector<int32_t> & tokens) {
    CHECK_OK(chq_decode(context, seq_id, tokens.data(), (int32_t) tokens.size(), CHQ_OUTPUT_LAST, nullptr));
    const float * data = nullptr;
    int32_t n = 0;
    CHECK_OK(chq_logits(context, &data, &n));
    return std::vector<float>(data, data + 300);
}

static double distance(const std::vector<float> & a, const std::vector<float> & b) {
    double sum = 0;
    double norm = 0;
    for (size_t i = 0; i < a.size(); ++i) {
        sum  += (a[i] - b[i]) * (a[i] - b[i]);
        norm += a[i] * a[i];
    }
    return std::sqrt(sum / norm);
}

struct range {
    int32_t first = -9;
    int32_t last  = -9;
    bool operator==(const range & o) const { return first == o.first && last == o.last; }
};

static std::ostream & operator<<(std::ostream & out, const range & r) {
    return out << "[" << r.first << ", " << r.last << "]";
}

static range range_of(chq_context * context, int32_t seq_id) {
    range r;
    CHECK_OK(chq_seq_range(context, seq_id, &r.first, &r.last));
    return r;
}

static bytes save(chq_context * context, int32_t seq_id, const std::vector<int32_t> & tokens, const std::string & note = "", bool logits = false) {
    const auto call = [&](uint8_t * data, size_t capacity, size_t * size) {
        return chq_seq_save(context, seq_id, tokens.data(), (int32_t) tokens.size(), (const uint8_t *) note.data(), (int32_t) note.size(), logits,
            data, capacity, size);
    };
    size_t size = 0;
    CHECK_STATUS(call(nullptr, 0, &size), CHQ_STATUS_BUFFER);
    bytes data(size);
    CHECK_OK(call(data.data(), data.size(), &size));
    CHECK_EQ(size, data.size());
    CHECK_STATUS(chq_state_check(data.data(), size), CHQ_STATUS_ARGUMENT); // not sealed yet
    CHECK_OK(chq_state_seal(data.data(), size, data.data()));
    CHECK_OK(chq_state_check(data.data(), size));
    return data;
}

TEST(save_and_restore) {
    for (const char * arch : { "llama", "gemma2", "mamba" }) {
        for (bool unified : { true, false }) {
            tiny_options options;
            options.arch = arch;
            tiny_model model(options);
            const auto set = unified ?
                [](llama_context_params & p) { p.n_seq_max = 3; p.kv_unified = true; } :
                [](llama_context_params & p) { p.n_seq_max = 3; p.kv_unified = false; p.n_ctx = 1536; };
            tiny_context context(model, set);
            const std::vector<int32_t> a = some_tokens(77, 1);
            const std::vector<int32_t> b = some_tokens(3, 2);
            next_logits(context.context, 1, a);
            const bytes data = save(context.context, 1, a);
            const std::vector<float> expected = next_logits(context.context, 1, b);

            tiny_context other(model, set);
            next_logits(other.context, 2, some_tokens(50, 5)); // replaced
            next_logits(other.context, 0, some_tokens(20, 6)); // kept
            std::vector<int32_t> tokens(77);
            int32_t n = 0;
            CHECK_STATUS(chq_seq_restore(other.context, 2, data.data(), data.size(), false, tokens.data(), 76, &n, nullptr), CHQ_STATUS_BUFFER);
            CHECK_EQ(n, 77);
            CHECK_EQ(range_of(other.context, 2).last, 49);
            CHECK_OK(chq_seq_restore(other.context, 2, data.data(), data.size(), false, tokens.data(), 77, &n, nullptr));
            CHECK(tokens == a);
            CHECK_EQ(range_of(other.context, 2).last, 76);
            CHECK_EQ(range_of(other.context, 0).last, 19);
            CHECK(distance(expected, next_logits(other.context, 2, b)) < 1e-5);
        }
    }
}

TEST(pending_changes_are_saved_too) {
    tiny_model model;
    tiny_context context(model);
    next_logits(context.context, 0, some_tokens(40));
    CHECK_OK(chq_seq_remove(context.context, 0, 10, 20));
    CHECK_OK(chq_seq_shift(context.context, 0, 20, -1, -10)); // the cache's data changes with the next decode
    const bytes data = save(context.context, 0, {});
    CHECK_EQ(range_of(context.context, 0), (range { 0, 29 }));
    const std::vector<float> expected = next_logits(context.context, 0, { 5, 6 });
    tiny_context other(model);
    int32_t n = -1;
    CHECK_OK(chq_seq_restore(other.context, 0, data.data(), data.size(), false, nullptr, 0, &n, nullptr));
    CHECK_EQ(n, 0);
    CHECK(distance(expected, next_logits(other.context, 0, { 5, 6 })) < 1e-2); // other cells, other order of summation; a forgotten shift gives 0.36
}

TEST(damaged_states_are_refused) {
    tiny_model model;
    tiny_context context(model);
    const std::vector<int32_t> a = some_tokens(20, 1);
    next_logits(context.context, 0, a);
    const bytes data = save(context.context, 0, a);
    tiny_context other(model);
    next_logits(other.context, 0, some_tokens(10, 2));
    std::vector<int32_t> tokens(64);
    int32_t n = 0;
    const auto refused = [&](const bytes & damaged) {
        return chq_seq_restore(other.context, 0, damaged.data(), damaged.size(), false, tokens.data(), 64, &n, nullptr) == CHQ_STATUS_ARGUMENT
            && range_of(other.context, 0) == range { 0, 9 };
    };
    int n_accepted = 0;
    for (size_t at = 0; at < data.size(); at += at < 256 ? 1 : 37) { // header and tokens byte by byte
        bytes damaged = data;
        damaged[at] ^= (uint8_t) (1 << (at % 8));
        n_accepted += !refused(damaged);
    }
    CHECK_EQ(n_accepted, 0);
    for (size_t size : { (size_t) 1, (size_t) 127, (size_t) 128, (size_t) 150, data.size() - 1 }) {
        CHECK(refused(bytes(data.begin(), data.begin() + (long) size)));
    }
    bytes longer = data;
    longer.push_back(0);
    CHECK(refused(longer));
    std::mt19937 random(1);
    for (int i = 0; i < 200; ++i) {
        bytes noise(random() % 5000 + 1);
        for (uint8_t & byte : noise) {
            byte = (uint8_t) random();
        }
        CHECK(refused(noise));
    }
    CHECK_STATUS(chq_seq_restore(other.context, 0, nullptr, 100, false, tokens.data(), 64, &n, nullptr), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_seq_restore(other.context, 0, data.data(), data.size(), false, nullptr, 64, &n, nullptr), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_seq_restore(other.context, 9, data.data(), data.size(), false, tokens.data(), 64, &n, nullptr), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_seq_restore(other.context, 0, data.data(), data.size(), false, tokens.data(), 64, nullptr, nullptr), CHQ_STATUS_ARGUMENT);
    CHECK_OK(chq_seq_restore(other.context, 0, data.data(), data.size(), false, tokens.data(), 64, &n, nullptr)); // undamaged
}

TEST(states_of_others_are_refused) {
    tiny_options wide;
    wide.n_embd = 256;
    tiny_model model(wide);
    tiny_context context(model);
    next_logits(context.context, 0, some_tokens(20));
    const bytes data = save(context.context, 0, {});
    int32_t n = 0;
    tiny_options different = wide;
    different.n_ff = 128;
    tiny_model other_model(different);
    tiny_context of_other_model(other_model);
    CHECK_STATUS(chq_seq_restore(of_other_model.context, 0, data.data(), data.size(), false, nullptr, 0, &n, nullptr), CHQ_STATUS_ARGUMENT);
    CHECK(strstr(chq_last_error(), "another model") != nullptr);
    tiny_context of_other_type(model, [](llama_context_params & p) { p.type_k = GGML_TYPE_Q8_0; });
    CHECK_STATUS(chq_seq_restore(of_other_type.context, 0, data.data(), data.size(), false, nullptr, 0, &n, nullptr), CHQ_STATUS_ARGUMENT);
    tiny_context of_more_streams(model, [](llama_context_params & p) { p.n_seq_max = 2; p.n_ctx = 1024; });
    CHECK_STATUS(chq_seq_restore(of_more_streams.context, 0, data.data(), data.size(), false, nullptr, 0, &n, nullptr), CHQ_STATUS_ARGUMENT);

    tiny_context without_flash(model, [](llama_context_params & p) { p.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED; });
    next_logits(without_flash.context, 0, some_tokens(10, 3));
    CHECK_STATUS(chq_seq_restore(without_flash.context, 0, data.data(), data.size(), false, nullptr, 0, &n, nullptr), CHQ_STATUS_ARGUMENT);
    CHECK_EQ(range_of(without_flash.context, 0), (range { 0, 9 }));
    const std::vector<float> after = next_logits(without_flash.context, 0, { 7 });
    tiny_context fresh(model, [](llama_context_params & p) { p.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED; });
    next_logits(fresh.context, 0, some_tokens(10, 3));
    CHECK(distance(after, next_logits(fresh.context, 0, { 7 })) < 1e-5);

    tiny_context small(model, [](llama_context_params & p) { p.n_ctx = 256; });
    tiny_context large(model, [](llama_context_params & p) { p.n_ctx = 512; });
    next_logits(large.context, 0, some_tokens(300));
    const bytes long_data = save(large.context, 0, {});
    CHECK_STATUS(chq_seq_restore(small.context, 0, long_data.data(), long_data.size(), false, nullptr, 0, &n, nullptr), CHQ_STATUS_CONTEXT_FULL);
    CHECK_EQ(range_of(small.context, 0), (range { -1, -1 }));
}

TEST(the_head_can_be_read_alone) {
    tiny_model model;
    tiny_context context(model);
    const std::vector<int32_t> a = some_tokens(33, 1);
    next_logits(context.context, 0, a);
    const bytes data = save(context.context, 0, a, "a note", true);
    uint64_t fit = 0;
    CHECK_OK(chq_state_fit(context.context, &fit));

    struct chq_state_info info;
    memset(&info, 0x55, sizeof(info));
    CHECK_STATUS(chq_state_read_head(data.data(), CHQ_STATE_HEADER_BYTES, data.size(), &info), CHQ_STATUS_BUFFER);
    const uint64_t n_head = info.n_head;
    CHECK_EQ(n_head, (uint64_t) 320); // 128 + 33 * 4 + 6 = 266, padded
    CHECK_OK(chq_state_read_head(data.data(), n_head, data.size(), &info));
    CHECK_EQ(info.n_bytes, (uint64_t) data.size());
    CHECK_EQ(info.n_head, n_head);
    CHECK_EQ(info.fit, fit);
    CHECK_EQ(info.n_tokens, 33u);
    CHECK_EQ(info.kind, (int32_t) CHQ_STATE_SEQUENCE);
    CHECK(info.logits);
    CHECK_EQ(std::string((const char *) data.data() + info.note_at, info.n_note), std::string("a note"));
    CHECK(memcmp(data.data() + CHQ_STATE_HEADER_BYTES, a.data(), 33 * sizeof(int32_t)) == 0);

    CHECK_STATUS(chq_state_read_head(data.data(), n_head, data.size() + 1, &info), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_state_read_head(data.data(), 20, data.size(), &info), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_state_read_head(nullptr, 20, 20, &info), CHQ_STATUS_ARGUMENT);
    for (size_t at = 0; at < n_head; ++at) {
        bytes damaged = data;
        damaged[at] ^= 0x10;
        CHECK_STATUS(chq_state_read_head(damaged.data(), n_head, data.size(), &info), CHQ_STATUS_ARGUMENT);
        uint8_t header[CHQ_STATE_HEADER_BYTES];
        CHECK_STATUS(chq_state_seal(damaged.data(), damaged.size(), header), CHQ_STATUS_ARGUMENT); // no new checksum for what is damaged
    }
}

TEST(a_restored_sequence_has_its_last_logits) {
    for (const char * arch : { "llama", "gemma2", "mamba" }) {
        tiny_options options;
        options.arch = arch;
        tiny_model model(options);
        tiny_context context(model, [](llama_context_params & p) { p.n_seq_max = 2; });
        const std::vector<int32_t> a = some_tokens(40, 1);
        const std::vector<float> expected = next_logits(context.context, 0, a);
        const bytes data = save(context.context, 0, a, "", true);
        next_logits(context.context, 1, { 7, 8, 9 });
        std::vector<int32_t> tokens(40);
        int32_t n = 0;
        bool logits = false;
        CHECK_OK(chq_seq_restore(context.context, 0, data.data(), data.size(), false, tokens.data(), 40, &n, &logits));
        CHECK(logits);
        const float * row = nullptr;
        int32_t n_rows = 0;
        CHECK_OK(chq_logits(context.context, &row, &n_rows));
        CHECK_EQ(n_rows, 1);
        CHECK(memcmp(row, expected.data(), expected.size() * sizeof(float)) == 0);
        next_logits(context.context, 1, { 3 }); // the next decode's rows are its own
        CHECK_OK(chq_logits(context.context, &row, &n_rows));
        CHECK(memcmp(row, expected.data(), expected.size() * sizeof(float)) != 0);

        const bytes without = save(context.context, 0, a);
        CHECK_OK(chq_seq_restore(context.context, 0, without.data(), without.size(), false, tokens.data(), 40, &n, &logits));
        CHECK(!logits);
        CHECK_EQ(data.size() - without.size(), (size_t) 1216); // 300 floats, padded
    }
    tiny_model model;
    tiny_context context(model);
    size_t size = 0;
    CHECK_STATUS(chq_seq_save(context.context, 0, nullptr, 0, nullptr, 0, true, nullptr, 0, &size), CHQ_STATUS_STATE); // no decode, no logits
}

// The check of the body is left out where the caller asks for it, that of the head never.
TEST(what_was_checked_is_trusted) {
    tiny_model model;
    tiny_context context(model);
    const std::vector<int32_t> a = some_tokens(20, 1);
    next_logits(context.context, 0, a);
    bytes data = save(context.context, 0, a);
    int32_t n = 0;
    std::vector<int32_t> tokens(20);
    data.back() ^= 1; // a bit of a value
    CHECK_STATUS(chq_seq_restore(context.context, 0, data.data(), data.size(), false, tokens.data(), 20, &n, nullptr), CHQ_STATUS_ARGUMENT);
    CHECK_OK(chq_seq_restore(context.context, 0, data.data(), data.size(), true, tokens.data(), 20, &n, nullptr));
    data[CHQ_STATE_HEADER_BYTES] ^= 1;
    CHECK_STATUS(chq_seq_restore(context.context, 0, data.data(), data.size(), true, tokens.data(), 20, &n, nullptr), CHQ_STATUS_ARGUMENT);
}

// Nobody is protected from forged states, but a forged one that llama.cpp notices must not end the process.
TEST(forged_payloads_end_in_a_status) {
    for (const char * arch : { "llama", "gemma2", "mamba" }) {
        tiny_options options;
        options.arch = arch;
        tiny_model model(options);
        tiny_context context(model);
        const std::vector<int32_t> a = some_tokens(20, 1);
        next_logits(context.context, 0, a);
        const bytes data = save(context.context, 0, a);
        struct chq_state_info info;
        CHECK_OK(chq_state_read_head(data.data(), data.size(), data.size(), &info));
        std::mt19937 random(1);
        int n_refused = 0;
        for (int i = 0; i < 300; ++i) {
            bytes forged = data;
            const size_t at = info.n_head + random() % std::min<size_t>(400, data.size() - info.n_head);
            forged[at] = (uint8_t) random();
            CHECK_OK(chq_state_seal(forged.data(), forged.size(), forged.data()));
            tiny_context victim(model);
            std::vector<int32_t> tokens(20);
            int32_t n = 0;
            n_refused += chq_seq_restore(victim.context, 0, forged.data(), forged.size(), false, tokens.data(), 20, &n, nullptr) != CHQ_STATUS_OK;
        }
        CHECK(n_refused > 0);
    }
}

TEST(a_state_does_not_fit_where_positions_rotate_otherwise) {
    tiny_model model;
    tiny_context context(model);
    next_logits(context.context, 0, some_tokens(20));
    const bytes data = save(context.context, 0, {});
    int32_t n = 0;
    uint64_t fit = 0;
    uint64_t other_fit = 0;
    CHECK_OK(chq_state_fit(context.context, &fit));
    tiny_context scaled(model, [](llama_context_params & p) { p.rope_freq_scale = 0.5f; });
    CHECK_STATUS(chq_seq_restore(scaled.context, 0, data.data(), data.size(), false, nullptr, 0, &n, nullptr), CHQ_STATUS_ARGUMENT);
    CHECK(strstr(chq_last_error(), "rotation") != nullptr);
    CHECK_OK(chq_state_fit(scaled.context, &other_fit));
    CHECK(other_fit != fit);
    tiny_context spelled_out(model, [](llama_context_params & p) { p.rope_freq_base = 10000; p.rope_freq_scale = 1; p.n_ctx = 1024; });
    CHECK_OK(chq_state_fit(spelled_out.context, &other_fit));
    CHECK_EQ(other_fit, fit);
    CHECK_OK(chq_seq_restore(spelled_out.context, 0, data.data(), data.size(), false, nullptr, 0, &n, nullptr));
}

static bytes save_context(chq_context * context, const std::vector<int32_t> & tokens) {
    size_t size = 0;
    CHECK_STATUS(chq_context_save(context, tokens.data(), (int32_t) tokens.size(), nullptr, 0, nullptr, 0, &size), CHQ_STATUS_BUFFER);
    bytes data(size);
    CHECK_OK(chq_context_save(context, tokens.data(), (int32_t) tokens.size(), nullptr, 0, data.data(), size, &size));
    CHECK_OK(chq_state_seal(data.data(), size, data.data()));
    return data;
}

TEST(a_whole_context_is_saved_with_the_cells_that_its_sequences_share) {
    for (const char * arch : { "llama", "gemma2", "mamba" }) {
        for (bool unified : { true, false }) {
            tiny_options options;
            options.arch = arch;
            tiny_model model(options);
            const auto set = unified ?
                [](llama_context_params & p) { p.n_seq_max = 3; p.kv_unified = true; } :
                [](llama_context_params & p) { p.n_seq_max = 3; p.kv_unified = false; p.n_ctx = 1536; };
            tiny_context context(model, set);
            next_logits(context.context, 0, some_tokens(100, 1));
            CHECK_OK(chq_seq_copy(context.context, 0, 2));
            next_logits(context.context, 2, some_tokens(10, 2));
            const bytes data = save_context(context.context, { 1, 2, 3 });
            tiny_context other(model, set);
            int32_t n = 0;
            CHECK_STATUS(chq_seq_restore(other.context, 0, data.data(), data.size(), false, nullptr, 0, &n, nullptr), CHQ_STATUS_ARGUMENT);
            CHECK_OK(chq_context_restore(other.context, data.data(), data.size(), false));
            CHECK_STATUS(chq_context_restore(other.context, data.data(), data.size(), false), CHQ_STATUS_STATE);
            CHECK_EQ(range_of(other.context, 0).last, 99);
            CHECK_EQ(range_of(other.context, 1).last, -1);
            CHECK_EQ(range_of(other.context, 2).last, 109);
            for (int32_t s : { 0, 1, 2 }) {
                CHECK(distance(next_logits(context.context, s, { 4, 5 }), next_logits(other.context, s, { 4, 5 })) < 1e-3);
            }
            if (unified && !strcmp(arch, "llama")) {
                // of 110 positions in sequence 2, 100 are those of sequence 0
                const bytes one = save(context.context, 0, {});
                CHECK(data.size() < one.size() * 3 / 2);
                CHECK_STATUS(chq_seq_shift(other.context, 0, 50, -1, -1), CHQ_STATUS_UNSUPPORTED);
            }
        }
    }
}

TEST(a_context_that_cannot_take_a_state_stays_empty) {
    tiny_model model;
    tiny_context context(model, [](llama_context_params & p) { p.n_seq_max = 2; p.kv_unified = true; });
    next_logits(context.context, 1, some_tokens(300));
    const bytes data = save_context(context.context, {});
    tiny_context small(model, [](llama_context_params & p) { p.n_seq_max = 2; p.kv_unified = true; p.n_ctx = 256; });
    CHECK_STATUS(chq_context_restore(small.context, data.data(), data.size(), false), CHQ_STATUS_CONTEXT_FULL);
    CHECK_EQ(range_of(small.context, 1), (range { -1, -1 }));
    next_logits(small.context, 0, { 1, 2, 3 });
    tiny_context single(model);
    CHECK_STATUS(chq_context_restore(single.context, data.data(), data.size() - 1, false), CHQ_STATUS_ARGUMENT);
    tiny_context fewer(model, [](llama_context_params & p) { p.n_seq_max = 1; p.kv_unified = true; p.n_ctx = 1024; }); // its other ids are of branches
    CHECK_STATUS(chq_context_restore(fewer.context, data.data(), data.size(), false), CHQ_STATUS_CONTEXT_FULL);
    CHECK_EQ(range_of(fewer.context, 0), (range { -1, -1 }));
    next_logits(fewer.context, 0, { 1, 2, 3 });
    CHECK_OK(chq_seq_remove(context.context, 1, 5, 9));
    size_t size = 0;
    CHECK_STATUS(chq_context_save(context.context, nullptr, 0, nullptr, 0, nullptr, 0, &size), CHQ_STATUS_UNSUPPORTED);
}

// The CPU is a device like others there, only that it does not pay.
TEST(a_state_stays_on_the_device) {
    for (const char * arch : { "llama", "gemma2" }) {
        tiny_options options;
        options.arch = arch;
        tiny_model model(options);
        tiny_context context(model, [](llama_context_params & p) { p.n_seq_max = 4; p.kv_unified = true; });
        bool holds = true;
        CHECK_OK(chq_context_holds(context.context, &holds));
        CHECK(!holds);
        const std::vector<int32_t> a = some_tokens(100, 1);
        const std::vector<int32_t> b = some_tokens(60, 2);
        next_logits(context.context, 0, a);
        next_logits(context.context, 1, b);
        CHECK_STATUS(chq_seq_take(context.context, 3, 0), CHQ_STATUS_STATE);
        CHECK_STATUS(chq_seq_hold(context.context, 0, 1), CHQ_STATUS_STATE);
        CHECK_STATUS(chq_seq_hold(context.context, 2, 3), CHQ_STATUS_STATE);
        CHECK_OK(chq_seq_hold(context.context, 0, 3));
        CHECK_OK(chq_seq_hold(context.context, 1, 2));
        CHECK_EQ(range_of(context.context, 3).last, -1); // no cells
        const std::vector<float> after_a = next_logits(context.context, 0, { 5, 6 });
        const std::vector<float> after_b = next_logits(context.context, 1, { 5, 6 });
        for (int round = 0; round < 3; ++round) {
            // the other way round, so that cells lie elsewhere and in pieces
            CHECK_OK(chq_seq_take(context.context, 2, 0));
            CHECK_OK(chq_seq_take(context.context, 3, 1));
            CHECK_EQ(range_of(context.context, 0).last, 59);
            CHECK_EQ(range_of(context.context, 1).last, 99);
            CHECK(distance(after_b, next_logits(context.context, 0, { 5, 6 })) < 1e-3);
            CHECK(distance(after_a, next_logits(context.context, 1, { 5, 6 })) < 1e-3);
        }
        // a slot is used again for another length
        CHECK_OK(chq_seq_remove(context.context, 0, 0, -1));
        next_logits(context.context, 0, some_tokens(30, 3));
        CHECK_OK(chq_seq_hold(context.context, 0, 2));
        const std::vector<float> after = next_logits(context.context, 0, { 7 });
        CHECK_OK(chq_seq_take(context.context, 2, 1));
        CHECK(distance(after, next_logits(context.context, 1, { 7 })) < 1e-3);

        // too few cells: refused before llama.cpp sees it
        CHECK_OK(chq_seq_remove(context.context, 1, 0, -1));
        next_logits(context.context, 1, some_tokens(420, 4));
        CHECK_STATUS(chq_seq_take(context.context, 3, 0), CHQ_STATUS_CONTEXT_FULL);
        CHECK_EQ(range_of(context.context, 0).last, 30);
        CHECK_STATUS(chq_seq_hold(context.context, 0, 9), CHQ_STATUS_ARGUMENT);
        CHECK_STATUS(chq_seq_take(context.context, -1, 0), CHQ_STATUS_ARGUMENT);
        CHECK_STATUS(chq_context_holds(context.context, nullptr), CHQ_STATUS_ARGUMENT);
    }
}

TEST(states_that_cannot_stay_on_the_device) {
    tiny_options wide;
    wide.n_embd = 256;
    tiny_options window;
    window.arch = "gemma2";
    tiny_options state;
    state.arch = "mamba";
    struct { tiny_options options; void (*set)(llama_context_params &); } kinds[] = {
        { wide,   [](llama_context_params & p) { p.n_seq_max = 2; p.kv_unified = true; p.type_k = GGML_TYPE_Q8_0; } },
        { wide,   [](llama_context_params & p) { p.n_seq_max = 2; p.kv_unified = false; p.n_ctx = 1024; } },
        { window, [](llama_context_params & p) { p.n_seq_max = 2; p.kv_unified = true; p.swa_full = false; } },
        { state,  [](llama_context_params & p) { p.n_seq_max = 2; p.kv_unified = true; } },
    };
    for (const auto & kind : kinds) {
        tiny_model model(kind.options);
        tiny_context context(model, kind.set);
        const std::vector<float> before = next_logits(context.context, 0, some_tokens(20));
        CHECK_STATUS(chq_seq_hold(context.context, 0, 1), CHQ_STATUS_UNSUPPORTED);
        CHECK_STATUS(chq_seq_take(context.context, 1, 0), CHQ_STATUS_UNSUPPORTED);
        CHECK_EQ(range_of(context.context, 0).last, 19);
    }
}

TEST(arguments_of_saving) {
    tiny_model model;
    tiny_context context(model);
    next_logits(context.context, 0, { 1, 2 });
    size_t size = 0;
    const int32_t outside = 5000;
    CHECK_STATUS(chq_seq_save(context.context, 0, nullptr, 2, nullptr, 0, false, nullptr, 0, &size), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_seq_save(context.context, 0, nullptr, -1, nullptr, 0, false, nullptr, 0, &size), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_seq_save(context.context, 0, &outside, 1, nullptr, 0, false, nullptr, 0, &size), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_seq_save(context.context, 0, nullptr, 0, nullptr, 2, false, nullptr, 0, &size), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_seq_save(context.context, 0, nullptr, 0, nullptr, -2, false, nullptr, 0, &size), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_seq_save(context.context, 0, nullptr, 0, nullptr, 0, false, nullptr, 0, nullptr), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_seq_save(context.context, 7, nullptr, 0, nullptr, 0, false, nullptr, 0, &size), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_seq_save(context.context, 0, nullptr, 0, nullptr, 0, false, nullptr, 1 << 20, &size), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_context_restore(context.context, nullptr, 10, false), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_state_check(nullptr, 10), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_state_seal(nullptr, 10, nullptr), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_state_fit(context.context, nullptr), CHQ_STATUS_ARGUMENT);

    uint8_t * memory = nullptr;
    CHECK_STATUS(chq_state_allocate(0, &memory), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_state_allocate(1, nullptr), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_state_allocate((size_t) 1 << 60, &memory), CHQ_STATUS_MEMORY);
    for (size_t n : { (size_t) 1, (size_t) 5000, (size_t) 5 << 20 }) {
        CHECK_OK(chq_state_allocate(n, &memory));
        memory[0] = memory[n - 1] = 1;
        chq_state_release(memory);
    }
    chq_state_release(nullptr);
}

MAIN
