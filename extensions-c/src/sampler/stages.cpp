#include "sampler/reasoning.h"
#include "sampler/sampler.h"

#include <cmath>
#include <cstring>

using namespace chq;

namespace {

constexpr int32_t MAX_LAST_N = 1 << 20;
constexpr size_t  MAX_TAG    = 256;

// Every stage is added the same way: check the chain and the values, make it, hand it over.
template <typename Check, typename Make>
chq_status add(chq_sampler * sampler, stage_kind kind, Check && check, Make && make) {
    return guarded({ sampler }, [&] {
        check_open(sampler);
        check();
        add_stage(sampler, make(), kind);
        return CHQ_STATUS_OK;
    });
}

void check_share(float p, const char * what) {
    if (!(p >= 0.0f && p <= 1.0f)) {
        fail(CHQ_STATUS_ARGUMENT, "%s = %g is not in 0..1", what, p);
    }
}

void check_min_keep(int32_t min_keep) {
    if (min_keep < 0) {
        fail(CHQ_STATUS_ARGUMENT, "min_keep = %d is negative", min_keep);
    }
}

void check_positive(float value, const char * what) {
    check_finite(value, what);
    if (value <= 0.0f) {
        fail(CHQ_STATUS_ARGUMENT, "%s = %g is not positive", what, value);
    }
}

void check_not_negative(float value, const char * what) {
    check_finite(value, what);
    if (value < 0.0f) {
        fail(CHQ_STATUS_ARGUMENT, "%s = %g is negative", what, value);
    }
}

void check_last_n(int32_t last_n) {
    if (last_n < 0 || last_n > MAX_LAST_N) {
        fail(CHQ_STATUS_ARGUMENT, "last_n = %d is not in 0..%d", last_n, MAX_LAST_N);
    }
}

void check_tag(const char * text, const char * what) {
    check_pointer(text, what);
    const size_t n = strnlen(text, MAX_TAG + 1);
    if (n < 1 || n > MAX_TAG) {
        fail(CHQ_STATUS_ARGUMENT, "%s has no byte, or more than %zu", what, MAX_TAG);
    }
}

} // namespace

chq_status chq_sampler_add_greedy(struct chq_sampler * sampler) {
    return add(sampler, stage_kind::GREEDY, [] {}, [] { return llama_sampler_init_greedy(); });
}

chq_status chq_sampler_add_dist(struct chq_sampler * sampler, uint32_t seed) {
    return add(sampler, stage_kind::DIST, [] {}, [&] { return llama_sampler_init_dist(seed); });
}

chq_status chq_sampler_add_top_k(struct chq_sampler * sampler, int32_t k) {
    return add(sampler, stage_kind::FILTER, [] {}, [&] { return llama_sampler_init_top_k(k); });
}

chq_status chq_sampler_add_top_p(struct chq_sampler * sampler, float p, int32_t min_keep) {
    return add(sampler, stage_kind::FILTER,
        [&] { check_share(p, "p"); check_min_keep(min_keep); },
        [&] { return llama_sampler_init_top_p(p, (size_t) min_keep); });
}

chq_status chq_sampler_add_min_p(struct chq_sampler * sampler, float p, int32_t min_keep) {
    return add(sampler, stage_kind::FILTER,
        [&] { check_share(p, "p"); check_min_keep(min_keep); },
        [&] { return llama_sampler_init_min_p(p, (size_t) min_keep); });
}

chq_status chq_sampler_add_typical(struct chq_sampler * sampler, float p, int32_t min_keep) {
    return add(sampler, stage_kind::FILTER,
        [&] { check_share(p, "p"); check_min_keep(min_keep); },
        [&] { return llama_sampler_init_typical(p, (size_t) min_keep); });
}

chq_status chq_sampler_add_temperature(struct chq_sampler * sampler, float t) {
    return add(sampler, stage_kind::FILTER,
        [&] { check_finite(t, "t"); },
        [&] { return llama_sampler_init_temp(t); });
}

chq_status chq_sampler_add_dynamic_temperature(struct chq_sampler * sampler, float t, float delta, float exponent) {
    return add(sampler, stage_kind::FILTER,
        [&] { check_finite(t, "t"); check_not_negative(delta, "delta"); check_finite(exponent, "exponent"); },
        [&] { return llama_sampler_init_temp_ext(t, delta, exponent); });
}

chq_status chq_sampler_add_top_n_sigma(struct chq_sampler * sampler, float n) {
    return add(sampler, stage_kind::FILTER,
        [&] { check_finite(n, "n"); },
        [&] { return llama_sampler_init_top_n_sigma(n); });
}

chq_status chq_sampler_add_xtc(struct chq_sampler * sampler, float p, float threshold, int32_t min_keep, uint32_t seed) {
    return add(sampler, stage_kind::FILTER,
        [&] { check_share(p, "p"); check_not_negative(threshold, "threshold"); check_min_keep(min_keep); },
        [&] { return llama_sampler_init_xtc(p, threshold, (size_t) min_keep, seed); });
}

chq_status chq_sampler_add_mirostat(struct chq_sampler * sampler, float tau, float eta, int32_t m, uint32_t seed) {
    return add(sampler, stage_kind::OTHER_PICK,
        [&] {
            check_positive(tau, "tau");
            check_positive(eta, "eta");
            if (m < 2) {
                fail(CHQ_STATUS_ARGUMENT, "m = %d is less than 2", m);
            }
        },
        [&] { return llama_sampler_init_mirostat(sampler->n_vocab, seed, tau, eta, m); });
}

chq_status chq_sampler_add_mirostat_v2(struct chq_sampler * sampler, float tau, float eta, uint32_t seed) {
    return add(sampler, stage_kind::OTHER_PICK,
        [&] { check_positive(tau, "tau"); check_positive(eta, "eta"); },
        [&] { return llama_sampler_init_mirostat_v2(seed, tau, eta); });
}

chq_status chq_sampler_add_adaptive_p(struct chq_sampler * sampler, float target, float decay, uint32_t seed) {
    return add(sampler, stage_kind::OTHER_PICK,
        [&] {
            check_finite(target, "target");
            if (target > 1.0f) {
                fail(CHQ_STATUS_ARGUMENT, "target = %g is more than 1", target);
            }
            if (!(decay >= 0.0f && decay <= 0.99f)) {
                fail(CHQ_STATUS_ARGUMENT, "decay = %g is not in 0..0.99", decay);
            }
        },
        [&] { return llama_sampler_init_adaptive_p(target, decay, seed); });
}

chq_status chq_sampler_add_infill(struct chq_sampler * sampler) {
    return add(sampler, stage_kind::FILTER,
        [&] {
            if (!sampler->vocab) {
                fail(CHQ_STATUS_UNSUPPORTED, "the model has no vocabulary");
            }
        },
        [&] { return llama_sampler_init_infill(sampler->vocab); });
}

chq_status chq_sampler_add_penalties(struct chq_sampler * sampler, int32_t last_n, float repeat, float frequency, float presence) {
    return add(sampler, stage_kind::FILTER,
        [&] {
            check_last_n(last_n);
            check_positive(repeat, "repeat");
            check_finite(frequency, "frequency");
            check_finite(presence,  "presence");
        },
        [&] { return llama_sampler_init_penalties(sampler->n_vocab, last_n, repeat, frequency, presence); });
}

chq_status chq_sampler_add_dry(
        struct chq_sampler * sampler,
        float                multiplier,
        float                base,
        int32_t              allowed_length,
        int32_t              last_n,
        const char * const * breakers,
        int32_t              n_breakers) {
    return add(sampler, stage_kind::FILTER,
        [&] {
            check_not_negative(multiplier, "multiplier");
            check_finite(base, "base");
            if (base < 1.0f) {
                fail(CHQ_STATUS_ARGUMENT, "base = %g is less than 1", base);
            }
            if (allowed_length < 0) {
                fail(CHQ_STATUS_ARGUMENT, "allowed_length = %d is negative", allowed_length);
            }
            check_last_n(last_n);
            if (n_breakers < 0 || n_breakers > 1024 || (n_breakers > 0 && !breakers)) {
                fail(CHQ_STATUS_ARGUMENT, "breakers is NULL, or n_breakers = %d is not in 0..1024", n_breakers);
            }
            for (int32_t i = 0; i < n_breakers; ++i) {
                check_pointer(breakers[i], "an element of breakers");
            }
            if (!sampler->vocab) {
                fail(CHQ_STATUS_UNSUPPORTED, "the model has no vocabulary");
            }
        },
        [&] {
            return llama_sampler_init_dry(sampler->vocab, multiplier, base, allowed_length, last_n,
                const_cast<const char **>(breakers), (size_t) n_breakers);
        });
}

chq_status chq_sampler_add_logit_bias(struct chq_sampler * sampler, const int32_t * tokens, const float * bias, int32_t n) {
    std::vector<llama_logit_bias> list;
    return add(sampler, stage_kind::FILTER,
        [&] {
            if (n < 0 || n > sampler->n_vocab || (n > 0 && (!tokens || !bias))) {
                fail(CHQ_STATUS_ARGUMENT, "tokens or bias is NULL, or n = %d is not in 0..%d", n, sampler->n_vocab);
            }
            for (int32_t i = 0; i < n; ++i) {
                if (tokens[i] < 0 || tokens[i] >= sampler->n_vocab) {
                    fail(CHQ_STATUS_ARGUMENT, "tokens[%d] = %d is not in the vocabulary of %d", i, tokens[i], sampler->n_vocab);
                }
                if (std::isnan(bias[i]) || bias[i] == INFINITY) {
                    fail(CHQ_STATUS_ARGUMENT, "bias[%d] is no number, or INFINITY", i);
                }
                list.push_back({ tokens[i], bias[i] });
            }
        },
        [&] { return llama_sampler_init_logit_bias(sampler->n_vocab, n, list.data()); });
}

chq_status chq_sampler_add_reasoning_budget(
        struct chq_sampler * sampler,
        int32_t              n_tokens,
        const char         * start,
        const char * const * ends,
        int32_t              n_ends,
        const char         * opening) {
    return add(sampler, stage_kind::REASONING,
        [&] {
            if (n_tokens < 0) {
                fail(CHQ_STATUS_ARGUMENT, "n_tokens = %d is negative", n_tokens);
            }
            check_tag(start, "start");
            if (n_ends < 1 || n_ends > 64 || !ends) {
                fail(CHQ_STATUS_ARGUMENT, "ends is NULL, or n_ends = %d is not in 1..64", n_ends);
            }
            for (int32_t i = 0; i < n_ends; ++i) {
                check_tag(ends[i], "an element of ends");
            }
            check_pointer(opening, "opening");
            if (!sampler->vocab) {
                fail(CHQ_STATUS_UNSUPPORTED, "the model has no vocabulary");
            }
        },
        [&] { return make_reasoning_budget(sampler->vocab, n_tokens, start, { ends, ends + n_ends }, opening); });
}
