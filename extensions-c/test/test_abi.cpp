#include "check.h"

#include <algorithm>

static const chq_abi_struct * find(const char * name) {
    uint32_t n = 0;
    const chq_abi_struct * all = chq_abi_structs(&n);
    for (uint32_t i = 0; i < n; ++i) {
        if (strcmp(all[i].name, name) == 0) {
            return &all[i];
        }
    }
    return nullptr;
}

TEST(every_struct_is_there) {
    for (const char * name : { "llama_model_params", "llama_context_params", "llama_batch", "llama_token_data", "llama_token_data_array",
            "llama_logit_bias", "llama_model_kv_override", "llama_model_tensor_buft_override", "llama_sampler_chain_params",
            "chq_model_info", "chq_token_info", "chq_context_info", "chq_sampled", "chq_device_info", "chq_image_chunk" }) {
        if (!find(name)) {
            check::report(__FILE__, __LINE__, std::string(name) + " is missing");
        }
    }
}

// A field that was added upstream and forgotten in the table would show as a gap wider than alignment explains.
TEST(fields_leave_no_gap_but_padding) {
    uint32_t n = 0;
    const chq_abi_struct * all = chq_abi_structs(&n);
    for (uint32_t i = 0; i < n; ++i) {
        const chq_abi_struct & s = all[i];
        std::vector<chq_abi_field> fields(s.fields, s.fields + s.n_fields);
        std::sort(fields.begin(), fields.end(), [](const chq_abi_field & a, const chq_abi_field & b) { return a.offset < b.offset; });
        uint32_t end = 0;
        for (const chq_abi_field & f : fields) {
            const uint32_t alignment = std::min(f.size & (~f.size + 1), s.alignment); // at most the largest power of 2 in its size
            if (f.offset > end && f.offset - end >= std::max(alignment, 1u) && f.offset - end >= 8) {
                check::report(__FILE__, __LINE__, std::string(s.name) + "." + f.name + " has a gap before it");
            }
            end = std::max(end, f.offset + f.size);
        }
        if (end > s.size || s.size - end >= s.alignment) {
            check::report(__FILE__, __LINE__, std::string(s.name) + " does not end with its last field");
        }
    }
}

TEST(defaults_are_those_of_llama) {
    const chq_abi_struct * s = find("llama_context_params");
    REQUIRE(s && s->defaults);
    CHECK_EQ(s->size, sizeof(llama_context_params));
    const llama_context_params expected = llama_context_default_params();
    for (uint32_t i = 0; i < s->n_fields; ++i) {
        const chq_abi_field & f = s->fields[i];
        CHECK(memcmp((const char *) s->defaults + f.offset, (const char *) &expected + f.offset, f.size) == 0);
    }
    // every byte that is no field's is zero
    std::vector<uint8_t> rest((const uint8_t *) s->defaults, (const uint8_t *) s->defaults + s->size);
    for (uint32_t i = 0; i < s->n_fields; ++i) {
        std::fill_n(rest.begin() + s->fields[i].offset, s->fields[i].size, 0);
    }
    CHECK_EQ(std::count(rest.begin(), rest.end(), 0), (long) rest.size());
    CHECK(find("llama_model_params")->defaults != nullptr);
    CHECK(find("llama_batch")->defaults == nullptr);
    CHECK(find("chq_image_chunk")->defaults == nullptr);
}

TEST(offsets_are_the_compilers) {
    const chq_abi_struct * s = find("llama_model_kv_override");
    REQUIRE(s);
    for (uint32_t i = 0; i < s->n_fields; ++i) {
        const std::string name = s->fields[i].name;
        if (name == "key") {
            CHECK_EQ(s->fields[i].offset, offsetof(llama_model_kv_override, key));
            CHECK_EQ(s->fields[i].size, 128u);
        }
        if (name == "val_str") {
            CHECK_EQ(s->fields[i].offset, offsetof(llama_model_kv_override, val_str));
        }
    }
}

MAIN
