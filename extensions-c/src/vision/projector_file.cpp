#include "vision/projector_file.h"

#include "guard/guard.h"
#include "model/model.h"

#include "gguf.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <map>
#include <memory>
#include <optional>

namespace chq {

namespace {

constexpr double MANY     = 1 << 20;
constexpr double MAX_SIDE = 256; // patches; encoders in use have 14 to 74

// Bounds of the numbers that libmtmd divides by, sizes arrays with and builds graphs of. Whatever key is not here is an architecture's own.
const struct { const char * name; double lo; double hi; } BOUNDS[] = {
    { "image_size",                    1, 1 << 14 },
    { "patch_size",                    1, 1 << 10 },
    { "preproc_image_size",           64, 1 << 16 },
    { "preproc_min_tiles",             0, 1 << 10 },
    { "preproc_max_tiles",             0, 1 << 10 },
    { "image_min_pixels",              0, 1 << 28 },
    { "image_max_pixels",              1, 1 << 28 },
    { "embedding_length",              1, MANY    },
    { "feed_forward_length",           0, 1 << 24 },
    { "block_count",                   0, 512     },
    { "projection_dim",                1, MANY    },
    { "attention.head_count",          1, 1 << 12 },
    { "attention.head_count_kv",       1, 1 << 12 },
    { "attention.head_dim",            1, 1 << 16 },
    { "attention.layer_norm_epsilon",  0, 1       },
    { "spatial_merge_size",            1, 64      },
    { "projector.scale_factor",        1, 64      },
    { "projector.stack_factor",        1, 64      },
    { "n_wa_pattern",                  0, 512     },
    { "window_size",                   0, 1 << 14 },
    { "num_mel_bins",                  1, 1 << 12 },
};

class projector_metadata {
public:
    projector_metadata(const gguf_context * gguf, const char * path) : gguf(gguf), path(path) {}

    std::optional<double> number(int64_t id) const {
        const void * data = gguf_get_kv_type(gguf, id) == GGUF_TYPE_ARRAY || gguf_get_kv_type(gguf, id) == GGUF_TYPE_STRING ? nullptr : gguf_get_val_data(gguf, id);
        switch (gguf_get_kv_type(gguf, id)) {
            case GGUF_TYPE_UINT32:  return *(const uint32_t *) data;
            case GGUF_TYPE_INT32:   return *(const int32_t  *) data;
            case GGUF_TYPE_FLOAT32: return *(const float    *) data;
            default:                return std::nullopt; // libmtmd refuses other types itself
        }
    }

    std::optional<double> number(const std::string & key) const {
        const int64_t id = gguf_find_key(gguf, key.c_str());
        return id < 0 ? std::nullopt : number(id);
    }

    std::string text(const char * key) const {
        const int64_t id = gguf_find_key(gguf, key);
        return id < 0 || gguf_get_kv_type(gguf, id) != GGUF_TYPE_STRING ? "" : gguf_get_val_str(gguf, id);
    }

    void check_bounds() const {
        for (int64_t id = 0; id < gguf_get_n_kv(gguf); ++id) {
            const std::string key = gguf_get_key(gguf, id);
            for (const char * prefix : { "clip.vision.", "clip.audio." }) {
                for (const auto & bound : BOUNDS) {
                    if (key != std::string(prefix) + bound.name) {
                        continue;
                    }
                    const std::optional<double> value = number(id);
                    if (value && !(*value >= bound.lo && *value <= bound.hi)) {
                        fail(CHQ_STATUS_LOAD, "%s: %s = %g is not in %g..%g", path, key.c_str(), *value, bound.lo, bound.hi);
                    }
                }
            }
        }
    }

    void check_divisors(const std::string & prefix) const {
        const std::optional<double> n_embd = number(prefix + "embedding_length");
        const std::optional<double> n_head = number(prefix + "attention.head_count");
        if (n_embd && n_head && (*n_embd < *n_head || fmod(*n_embd, *n_head) != 0)) {
            fail(CHQ_STATUS_LOAD, "%s: an embedding of %g cannot be split into %g attention heads", path, *n_embd, *n_head);
        }
        const std::optional<double> image = number(prefix + "image_size");
        const std::optional<double> patch = number(prefix + "patch_size");
        if (image && patch && *image < *patch) {
            fail(CHQ_STATUS_LOAD, "%s: a patch of %g pixels is larger than an image of %g", path, *patch, *image);
        }
        if (image && patch && floor(*image / *patch) > MAX_SIDE) {
            fail(CHQ_STATUS_LOAD, "%s: images of %g pixels a side in patches of %g are too many patches", path, *image, *patch);
        }
        for (const char * name : { "image_mean", "image_std" }) {
            const int64_t id = gguf_find_key(gguf, (prefix + name).c_str());
            if (id >= 0 && (gguf_get_kv_type(gguf, id) != GGUF_TYPE_ARRAY || gguf_get_arr_type(gguf, id) != GGUF_TYPE_FLOAT32 || gguf_get_arr_n(gguf, id) < 3)) {
                fail(CHQ_STATUS_LOAD, "%s: %s%s is not an array of three numbers", path, prefix.c_str(), name);
            }
        }
    }

    // Operations on vectors and kernels exist for some types only, and what there is none for ends the process on a thread that cannot be saved. Vectors and places are
    // added to numbers of 32 bits, which have to be alike; only LLaVA and its kin look places up.
    void check_types(const std::string & projector) const {
        const bool looks_up = projector == "mlp" || projector == "ldp" || projector == "ldpv2" || projector == "resampler";
        for (int64_t id = 0; id < gguf_get_n_tensors(gguf); ++id) {
            const char    * name = gguf_get_tensor_name(gguf, id);
            const ggml_type type = gguf_get_tensor_type(gguf, id);
            const bool    places = strstr(name, "position_embd");
            const bool    kernel = strstr(name, "conv1d") || strstr(name, "conv2d") || strstr(name, "patch_embd");
            const int64_t * ne   = gguf_get_tensor_ne(gguf, id);
            const bool    vector = ne[1] * ne[2] * ne[3] == 1 || !strstr(name, ".weight") || strstr(name, "norm") || strstr(name, "ln");
            const bool   allowed = type == GGML_TYPE_F32
                || (type == GGML_TYPE_F16 && !vector && (!places || looks_up))
                || ((type == GGML_TYPE_BF16 || (ggml_is_quantized(type) && !kernel)) && !vector && !places && !strstr(name, "patch_embd"));
            if (!allowed) {
                fail(CHQ_STATUS_LOAD, "%s: tensor %s has type %s", path, name, ggml_type_name(type));
            }
        }
    }

    // libmtmd takes a tensor that is not there for one that the projector does without. Blocks are alike, so what one of them has, all have.
    void check_blocks(const std::string & prefix, const std::string & count_key) const {
        const int64_t n_blocks = (int64_t) number(count_key).value_or(0);
        std::map<std::string, int64_t> counts;
        int64_t n_named = 0;
        for (int64_t id = 0; id < gguf_get_n_tensors(gguf); ++id) {
            const std::string name = gguf_get_tensor_name(gguf, id);
            const size_t dot = name.find('.', prefix.size());
            if (name.compare(0, prefix.size(), prefix) != 0 || dot == std::string::npos) {
                continue;
            }
            n_named = std::max<int64_t>(n_named, atoll(name.c_str() + prefix.size()) + 1);
            ++counts[name.substr(dot)];
        }
        if (n_named == 0) {
            return; // an encoder of another kind
        }
        if (n_named != n_blocks) {
            fail(CHQ_STATUS_LOAD, "%s: %s is %lld, the file has %lld blocks %s*", path, count_key.c_str(), (long long) n_blocks, (long long) n_named, prefix.c_str());
        }
        for (const auto & [suffix, count] : counts) {
            if (count != n_blocks && !is_of_some_blocks(suffix)) {
                fail(CHQ_STATUS_LOAD, "%s: %lld of %lld blocks have a tensor %s", path, (long long) count, (long long) n_blocks, suffix.c_str());
            }
        }
        const bool apart = counts.count(".attn_q.weight") && counts.count(".attn_k.weight") && counts.count(".attn_v.weight");
        if (!apart && !counts.count(".attn_qkv.weight")) {
            fail(CHQ_STATUS_LOAD, "%s: blocks %s* have no attention", path, prefix.c_str());
        }
    }

    void check_present(std::initializer_list<const char *> names) const {
        for (const char * name : names) {
            if (gguf_find_tensor(gguf, name) < 0) {
                fail(CHQ_STATUS_LOAD, "%s: tensor %s is missing", path, name);
            }
        }
    }

private:
    // Mixtures of experts and layers whose output is used apart.
    static bool is_of_some_blocks(const std::string & suffix) {
        return suffix.find("exp") != std::string::npos || suffix.find("ffn_") == 1 || suffix.find("deepstack") != std::string::npos;
    }

    const gguf_context * gguf;
    const char         * path;
};

// What the graphs of common projectors use without asking whether it is there.
void check_needed(const projector_metadata & meta, const std::string & type) {
    if (type == "mlp") {
        meta.check_present({ "v.position_embd.weight", "mm.0.weight", "mm.0.bias", "mm.2.weight", "mm.2.bias" });
    } else if (type == "janus_pro" || type == "gemma3" || type == "idefics3" || type == "phi4" || type == "lfm2" || type == "internvl") {
        meta.check_present({ "v.position_embd.weight" });
    } else if (type == "qwen2vl_merger" || type == "qwen2.5vl_merger") {
        meta.check_present({ "v.patch_embd.weight.1", "v.blk.0.attn_q.bias", "v.blk.0.attn_k.bias", "v.blk.0.attn_v.bias" });
    }
}

// The same for sound. Other projectors than these have tensors that libmtmd takes for optional and then uses without asking, each its own.
void check_audio(const projector_metadata & meta, const char * path, const std::string & type) {
    static const char * const OF_WHISPER[] = { "glma", "meralion", "musicflamingo", "qwen2.5o", "qwen2a", "ultravox", "voxtral" };
    if (std::find(std::begin(OF_WHISPER), std::end(OF_WHISPER), type) != std::end(OF_WHISPER)) {
        meta.check_present({ "a.position_embd.weight", "a.blk.0.ln1.weight", "a.blk.0.ln1.bias", "a.blk.0.ln2.weight", "a.blk.0.ln2.bias", "a.blk.0.attn_q.bias",
            "a.blk.0.attn_v.bias" });
    } else if (type != "gemma4ua") {
        fail(CHQ_STATUS_UNSUPPORTED, "%s: sound through a projector of type '%s' is not supported", path, type.c_str());
    }
}

} // namespace

projector_facts check_projector(const char * path) {
    const uint64_t n_file = check_gguf_file(path);
    const gguf_init_params init = { /*.no_alloc =*/ true, /*.ctx =*/ nullptr };
    std::unique_ptr<gguf_context, void (*)(gguf_context *)> gguf(gguf_init_from_file(path, init), gguf_free);
    if (!gguf) {
        fail(CHQ_STATUS_LOAD, "%s: not a usable GGUF file: %s", path, captured_errors());
    }
    const projector_metadata meta(gguf.get(), path);
    const std::string arch = meta.text("general.architecture");
    if (arch != "clip") {
        fail(CHQ_STATUS_LOAD, "%s: not a projector (mmproj) but a file of architecture '%s'", path, arch.c_str());
    }
    check_gguf_tensors(gguf.get(), path, n_file);
    meta.check_bounds();
    meta.check_divisors("clip.vision.");
    meta.check_divisors("clip.audio.");
    meta.check_blocks("v.blk.", "clip.vision.block_count");
    meta.check_blocks("a.blk.", "clip.audio.block_count");

    projector_facts facts;
    const std::string common = meta.text("clip.projector_type");
    facts.type       = common.empty() ? meta.text("clip.vision.projector_type") : common;
    facts.audio_type = common.empty() ? meta.text("clip.audio.projector_type")  : common;
    if (facts.type.empty()) {
        facts.type = facts.audio_type;
    }
    meta.check_types(facts.type);
    facts.image_size  = (int32_t) meta.number("clip.vision.image_size").value_or(0);
    facts.patch_size  = (int32_t) meta.number("clip.vision.patch_size").value_or(0);
    facts.n_head      = (int32_t) meta.number("clip.vision.attention.head_count").value_or(0);
    facts.class_token = gguf_find_tensor(gguf.get(), "v.class_embd") >= 0;
    if (gguf_find_key(gguf.get(), "clip.vision.image_size") >= 0) {
        meta.check_present({ "v.patch_embd.weight" });
        check_needed(meta, facts.type);
    }
    if (gguf_find_key(gguf.get(), "clip.audio.block_count") >= 0) {
        check_audio(meta, path, facts.audio_type);
    }
    return facts;
}

} // namespace chq
