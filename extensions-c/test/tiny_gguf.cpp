#include "tiny_gguf.h"

#include "check.h"
#include "ggml.h"
#include "gguf.h"

#include <cmath>
#include <memory>
#include <random>

#include <unistd.h>

namespace {

struct writer {
    gguf_context * gguf;
    ggml_context * ggml;
    std::mt19937   random;
    std::vector<ggml_type> types; // of matrices, in turn
    size_t         n_matrices = 0;

    writer(uint32_t seed, size_t n_bytes, std::vector<ggml_type> types) : random(seed), types(std::move(types)) {
        gguf = gguf_init_empty();
        ggml_init_params params = { n_bytes, nullptr, false };
        ggml = ggml_init(params);
    }

    ~writer() {
        ggml_free(ggml);
        gguf_free(gguf);
    }

    void tensor(const std::string & name, std::vector<int64_t> shape, float mean, float deviation) {
        ggml_tensor * t = ggml_new_tensor(ggml, GGML_TYPE_F32, (int) shape.size(), shape.data());
        ggml_set_name(t, name.c_str());
        std::normal_distribution<float> normal(mean, deviation);
        float * data = (float *) t->data;
        for (int64_t i = 0; i < ggml_nelements(t); ++i) {
            data[i] = deviation > 0 ? normal(random) : mean;
        }
        gguf_add_tensor(gguf, t);
    }

    // [n_in, n_out], or n_planes of them
    void matrix(const std::string & name, int64_t n_in, int64_t n_out, float deviation = 0, int64_t n_planes = 0) {
        const ggml_type type = types[n_matrices++ % types.size()];
        std::vector<int64_t> shape { n_in, n_out };
        if (n_planes > 0) {
            shape.push_back(n_planes);
        }
        deviation = deviation > 0 ? deviation : 1.0f / std::sqrt((float) n_in);
        if (type == GGML_TYPE_F32) {
            tensor(name + ".weight", shape, 0, deviation);
            return;
        }
        ggml_tensor * t = ggml_new_tensor(ggml, type, (int) shape.size(), shape.data());
        std::normal_distribution<float> normal(0, deviation);
        std::vector<float> values((size_t) ggml_nelements(t));
        for (float & v : values) {
            v = normal(random);
        }
        ggml_set_name(t, (name + ".weight").c_str());
        ggml_quantize_chunk(type, values.data(), t->data, 0, ggml_nrows(t), n_in, nullptr);
        gguf_add_tensor(gguf, t);
    }

    void norm(const std::string & name, int64_t n) {
        tensor(name + ".weight", { n }, 1, 0.1f);
    }
};

// GPT-2's bytes-to-characters table.
std::string byte_character(int byte) {
    const bool printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || (byte >= 174 && byte <= 255);
    int code = byte;
    if (!printable) {
        int n = 0;
        for (int b = 0; b < byte; ++b) {
            n += !((b >= 33 && b <= 126) || (b >= 161 && b <= 172) || (b >= 174 && b <= 255));
        }
        code = 256 + n;
    }
    if (code < 128) {
        return std::string(1, (char) code);
    }
    return { (char) (0xC0 | code >> 6), (char) (0x80 | (code & 63)) };
}

const char * const WORDS[] = {
    "\xE2\x96\x81", "e", "t", "a", "o", "i", "n", "s", "r", "h", "l", "d", "u", "c", "m", "th", "he", "in", "er", "an", "re", "on",
    "\xE2\x96\x81t", "\xE2\x96\x81" "a", "\xE2\x96\x81th", "\xE2\x96\x81the", "\xE2\x96\x81s", "\xE2\x96\x81o", "\xE2\x96\x81w", "at", "en", "nd", "es", "or", "ti", "it",
    "ou", "is", "st", "ing",
};

void write_vocabulary(gguf_context * gguf, bool bpe, const std::vector<std::string> & controls) {
    std::vector<std::string> tokens;
    std::vector<float>       scores;
    std::vector<int32_t>     types;
    const auto add = [&](const std::string & text, float score, int32_t type) {
        tokens.push_back(text);
        scores.push_back(score);
        types.push_back(type);
    };
    add("<unk>", 0, LLAMA_TOKEN_TYPE_UNKNOWN);
    add("<s>",   0, LLAMA_TOKEN_TYPE_CONTROL);
    add("</s>",  0, LLAMA_TOKEN_TYPE_CONTROL);
    add("<|im_end|>", 0, LLAMA_TOKEN_TYPE_CONTROL);
    for (int b = 0; b < 256; ++b) {
        char text[8];
        snprintf(text, sizeof(text), "<0x%02X>", b);
        add(bpe ? byte_character(b) : text, 0, bpe ? LLAMA_TOKEN_TYPE_NORMAL : LLAMA_TOKEN_TYPE_BYTE);
    }
    std::vector<std::string> merges;
    if (bpe) {
        const char * const pairs[][2] = { { "t", "h" }, { "th", "e" }, { "i", "n" }, { "in", "g" }, { "e", "r" }, { "a", "n" }, { "o", "n" } };
        for (const auto & p : pairs) {
            merges.push_back(std::string(p[0]) + " " + p[1]);
            add(std::string(p[0]) + p[1], 0, LLAMA_TOKEN_TYPE_NORMAL);
        }
    } else {
        for (const char * word : WORDS) {
            add(word, -1.0f - (float) tokens.size() / 10, LLAMA_TOKEN_TYPE_NORMAL);
        }
    }
    while (tokens.size() < 300 - controls.size()) {
        add("<unused" + std::to_string(tokens.size()) + ">", -100, LLAMA_TOKEN_TYPE_UNUSED);
    }
    for (const std::string & control : controls) {
        add(control, 0, LLAMA_TOKEN_TYPE_CONTROL);
    }
    std::vector<const char *> texts;
    for (const std::string & t : tokens) {
        texts.push_back(t.c_str());
    }
    gguf_set_val_str (gguf, "tokenizer.ggml.model", bpe ? "gpt2" : "llama");
    gguf_set_val_str (gguf, "tokenizer.ggml.pre",   bpe ? "gpt-2" : "default");
    gguf_set_arr_str (gguf, "tokenizer.ggml.tokens", texts.data(), texts.size());
    gguf_set_arr_data(gguf, "tokenizer.ggml.scores", GGUF_TYPE_FLOAT32, scores.data(), scores.size());
    gguf_set_arr_data(gguf, "tokenizer.ggml.token_type", GGUF_TYPE_INT32, types.data(), types.size());
    if (bpe) {
        std::vector<const char *> lines;
        for (const std::string & m : merges) {
            lines.push_back(m.c_str());
        }
        gguf_set_arr_str(gguf, "tokenizer.ggml.merges", lines.data(), lines.size());
    }
    gguf_set_val_u32 (gguf, "tokenizer.ggml.bos_token_id", 1);
    gguf_set_val_u32 (gguf, "tokenizer.ggml.eos_token_id", 2);
    gguf_set_val_u32 (gguf, "tokenizer.ggml.unknown_token_id", 0);
    gguf_set_val_bool(gguf, "tokenizer.ggml.add_bos_token", true);
}

constexpr int64_t N_VOCAB = 300;

void write_attention(writer & w, const tiny_options & o, const std::string & block) {
    const int64_t n_head = o.n_embd / o.n_head;
    w.matrix(block + "attn_q",      o.n_embd, n_head * o.n_head);
    w.matrix(block + "attn_k",      o.n_embd, n_head * o.n_head_kv);
    w.matrix(block + "attn_v",      o.n_embd, n_head * o.n_head_kv);
    w.matrix(block + "attn_output", n_head * o.n_head, o.n_embd);
    if (o.arch == "qwen2vl") {
        w.tensor(block + "attn_q.bias", { n_head * o.n_head },    0, 0.1f);
        w.tensor(block + "attn_k.bias", { n_head * o.n_head_kv }, 0, 0.1f);
        w.tensor(block + "attn_v.bias", { n_head * o.n_head_kv }, 0, 0.1f);
    }
}

void write_feed_forward(writer & w, const tiny_options & o, const std::string & block) {
    if (o.n_expert > 0) {
        w.tensor(block + "ffn_gate_inp.weight", { o.n_embd, o.n_expert }, 0, 0.2f);
        w.matrix(block + "ffn_gate_exps", o.n_embd, o.n_ff, 0, o.n_expert);
        w.matrix(block + "ffn_up_exps",   o.n_embd, o.n_ff, 0, o.n_expert);
        w.matrix(block + "ffn_down_exps", o.n_ff,   o.n_embd, 0, o.n_expert);
        return;
    }
    w.matrix(block + "ffn_gate", o.n_embd, o.n_ff);
    w.matrix(block + "ffn_up",   o.n_embd, o.n_ff);
    w.matrix(block + "ffn_down", o.n_ff,   o.n_embd);
}

void write_transformer(writer & w, const tiny_options & o) {
    const bool gemma = o.arch == "gemma2";
    const auto key = [&](const char * name) { return o.arch + "." + name; };
    gguf_set_val_u32(w.gguf, key("attention.head_count").c_str(),    o.n_head);
    gguf_set_val_u32(w.gguf, key("attention.head_count_kv").c_str(), o.n_head_kv);
    gguf_set_val_u32(w.gguf, key("feed_forward_length").c_str(),     o.n_ff);
    gguf_set_val_u32(w.gguf, key("rope.dimension_count").c_str(),    o.n_embd / o.n_head);
    gguf_set_val_f32(w.gguf, key("attention.layer_norm_rms_epsilon").c_str(), 1e-5f);
    if (o.n_expert > 0) {
        gguf_set_val_u32(w.gguf, key("expert_count").c_str(),      o.n_expert);
        gguf_set_val_u32(w.gguf, key("expert_used_count").c_str(), 2);
    }
    if (o.arch == "qwen2vl") {
        const int32_t half = o.n_embd / o.n_head / 2;
        const int32_t sections[4] = { half - 2 * (half / 3), half / 3, half / 3, 0 };
        gguf_set_arr_data(w.gguf, key("rope.dimension_sections").c_str(), GGUF_TYPE_INT32, sections, 4);
    }
    if (gemma) {
        gguf_set_val_u32(w.gguf, key("attention.sliding_window").c_str(), o.n_swa);
        gguf_set_val_u32(w.gguf, key("attention.key_length").c_str(),   o.n_embd / o.n_head);
        gguf_set_val_u32(w.gguf, key("attention.value_length").c_str(), o.n_embd / o.n_head);
        gguf_set_val_f32(w.gguf, key("attn_logit_softcapping").c_str(),  50);
        gguf_set_val_f32(w.gguf, key("final_logit_softcapping").c_str(), 30);
    }
    w.tensor("token_embd.weight", { o.n_embd, N_VOCAB }, 0, 1);
    for (int il = 0; il < o.n_layer; ++il) {
        const std::string block = "blk." + std::to_string(il) + ".";
        w.norm(block + "attn_norm", o.n_embd);
        write_attention(w, o, block);
        if (gemma) {
            w.norm(block + "post_attention_norm", o.n_embd);
        }
        w.norm(block + "ffn_norm", o.n_embd);
        write_feed_forward(w, o, block);
        if (gemma) {
            w.norm(block + "post_ffw_norm", o.n_embd);
        }
    }
    w.norm("output_norm", o.n_embd);
    if (!gemma) {
        w.matrix("output", o.n_embd, N_VOCAB, 0.5f);
    }
}

void write_mamba(writer & w, const tiny_options & o) {
    const int64_t n_inner = 2 * o.n_embd;
    const int64_t n_state = 16;
    const int64_t n_conv  = 4;
    const int64_t dt_rank = 4;
    gguf_set_val_u32(w.gguf, "mamba.ssm.conv_kernel",    n_conv);
    gguf_set_val_u32(w.gguf, "mamba.ssm.inner_size",     n_inner);
    gguf_set_val_u32(w.gguf, "mamba.ssm.state_size",     n_state);
    gguf_set_val_u32(w.gguf, "mamba.ssm.time_step_rank", dt_rank);
    gguf_set_val_u32(w.gguf, "mamba.feed_forward_length", 0);
    gguf_set_val_u32(w.gguf, "mamba.attention.head_count", 0);
    gguf_set_val_f32(w.gguf, "mamba.attention.layer_norm_rms_epsilon", 1e-5f);
    w.tensor("token_embd.weight", { o.n_embd, N_VOCAB }, 0, 1);
    for (int il = 0; il < o.n_layer; ++il) {
        const std::string block = "blk." + std::to_string(il) + ".";
        w.norm  (block + "attn_norm", o.n_embd);
        w.matrix(block + "ssm_in",  o.n_embd, 2 * n_inner);
        w.tensor(block + "ssm_conv1d.weight", { n_conv, n_inner }, 0, 0.5f);
        w.tensor(block + "ssm_conv1d.bias",   { n_inner }, 0, 0.1f);
        w.matrix(block + "ssm_x",   n_inner, dt_rank + 2 * n_state);
        w.matrix(block + "ssm_dt",  dt_rank, n_inner);
        w.tensor(block + "ssm_dt.bias", { n_inner }, -2, 0.1f);
        w.tensor(block + "ssm_a",   { n_state, n_inner }, -1, 0.1f);
        w.tensor(block + "ssm_d",   { n_inner }, 1, 0.1f);
        w.matrix(block + "ssm_out", n_inner, o.n_embd);
    }
    w.norm("output_norm", o.n_embd);
    w.tensor("output.weight", { o.n_embd, N_VOCAB }, 0, 0.5f);
}

} // namespace

void write_tiny_gguf(const std::string & path, const tiny_options & o) {
    writer w(o.seed, 64u << 20, o.types);
    const auto key = [&](const char * name) { return o.arch + "." + name; };
    gguf_set_val_str(w.gguf, "general.architecture", o.arch.c_str());
    gguf_set_val_str(w.gguf, "general.name", "tiny");
    gguf_set_val_u32(w.gguf, key("context_length").c_str(),   o.n_ctx);
    gguf_set_val_u32(w.gguf, key("embedding_length").c_str(), o.n_embd);
    gguf_set_val_u32(w.gguf, key("block_count").c_str(),      o.n_layer);
    if (!o.chat_template.empty()) {
        gguf_set_val_str(w.gguf, "tokenizer.chat_template", o.chat_template.c_str());
    }
    write_vocabulary(w.gguf, o.bpe, o.controls);
    if (o.mask >= 0) {
        gguf_set_val_u32(w.gguf, "tokenizer.ggml.mask_token_id", (uint32_t) o.mask);
    }
    if (!o.shifted_logits) {
        gguf_set_val_bool(w.gguf, "diffusion.shift_logits", false);
    }
    if (o.arch == "mamba") {
        write_mamba(w, o);
    } else {
        write_transformer(w, o);
    }
    if (!gguf_write_to_file(w.gguf, path.c_str(), false)) {
        throw std::runtime_error("cannot write " + path);
    }
}

std::vector<std::string> projector_controls() {
    return { "<start_of_image>", "<end_of_image>", "<|vision_start|>", "<|vision_end|>", "[IMG_END]", "\n\n", "\n", "<fake_token_around_image>", "<global-img>",
        "<row_1_col_1>", "<row_1_col_2>", "<row_2_col_1>", "<row_2_col_2>",
        "<|audio>", "<audio|>", "<|audio_bos|>", "<|audio_eos|>" };
}

void write_tiny_projector(const std::string & path, const std::string & type, int32_t n_embd, uint32_t seed) {
    constexpr int64_t WIDTH = 64;
    constexpr int64_t PATCH = 8;
    constexpr int64_t SIDE  = 8; // patches
    constexpr int64_t N_FF  = 96;
    writer w(seed, 16u << 20, { GGML_TYPE_F32 });
    const auto number = [&](const char * name, uint32_t value) { gguf_set_val_u32(w.gguf, (std::string("clip.vision.") + name).c_str(), value); };
    const auto bias   = [&](const std::string & name, int64_t n) { w.tensor(name + ".bias", { n }, 0, 0.1f); };
    const auto linear = [&](const std::string & name, int64_t n_in, int64_t n_out) {
        w.matrix(name, n_in, n_out);
        bias(name, n_out);
    };
    gguf_set_val_str (w.gguf, "general.architecture", "clip");
    gguf_set_val_str (w.gguf, "general.type", "mmproj");
    gguf_set_val_bool(w.gguf, "clip.has_vision_encoder", true);
    gguf_set_val_str (w.gguf, "clip.projector_type", type.c_str());
    gguf_set_val_bool(w.gguf, "clip.use_gelu", true);
    number("image_size", SIDE * PATCH);
    number("patch_size", PATCH);
    number("embedding_length", WIDTH);
    number("feed_forward_length", N_FF);
    number("block_count", 2);
    number("projection_dim", (uint32_t) n_embd);
    number("attention.head_count", 4);
    gguf_set_val_f32(w.gguf, "clip.vision.attention.layer_norm_epsilon", 1e-5f);
    const float half[3] = { 0.5f, 0.5f, 0.5f };
    gguf_set_arr_data(w.gguf, "clip.vision.image_mean", GGUF_TYPE_FLOAT32, half, 3);
    gguf_set_arr_data(w.gguf, "clip.vision.image_std",  GGUF_TYPE_FLOAT32, half, 3);

    const bool pixtral = type == "pixtral";
    const bool qwen    = type == "qwen2vl_merger";
    w.tensor("v.patch_embd.weight", { PATCH, PATCH, 3, WIDTH }, 0, 0.07f);
    if (qwen) {
        w.tensor("v.patch_embd.weight.1", { PATCH, PATCH, 3, WIDTH }, 0, 0.07f);
    }
    if (!pixtral && !qwen) {
        bias("v.patch_embd", WIDTH);
        w.tensor("v.position_embd.weight", { WIDTH, SIDE * SIDE + (type == "mlp") }, 0, 0.3f);
    }
    if (type == "mlp") {
        w.tensor("v.class_embd", { WIDTH }, 0, 1);
        w.norm("v.pre_ln", WIDTH);
        bias("v.pre_ln", WIDTH);
    } else if (pixtral) {
        w.norm("v.pre_ln", WIDTH);
    } else {
        w.norm("v.post_ln", WIDTH);
        bias("v.post_ln", WIDTH);
    }
    for (int il = 0; il < 2; ++il) {
        const std::string block = "v.blk." + std::to_string(il) + ".";
        for (const char * name : { "attn_q", "attn_k", "attn_v", "attn_out" }) {
            w.matrix(block + name, WIDTH, WIDTH);
        }
        w.matrix(block + "ffn_up",   WIDTH, N_FF);
        w.matrix(block + "ffn_down", N_FF, WIDTH);
        if (pixtral) {
            w.matrix(block + "ffn_gate", WIDTH, N_FF);
        } else {
            for (const char * name : { "attn_q", "attn_k", "attn_v", "attn_out", "ln1", "ln2", "ffn_down" }) {
                bias(block + name, WIDTH);
            }
            bias(block + "ffn_up", N_FF);
        }
        w.norm(block + "ln1", WIDTH);
        w.norm(block + "ln2", WIDTH);
    }

    if (type == "phi4") {
        number("image_min_pixels", SIDE * PATCH * SIDE * PATCH);
        number("image_max_pixels", SIDE * PATCH * SIDE * PATCH);
    }
    if (type == "janus_pro") {
        linear("mm.0", WIDTH, 96);
        linear("mm.1", 96, n_embd);
    } else if (type == "mlp" || type == "phi4") {
        linear("mm.0", WIDTH, 96);
        linear("mm.2", 96, n_embd);
    } else if (type == "gemma3") {
        number("projector.scale_factor", 2);
        w.tensor("mm.input_projection.weight", { n_embd, WIDTH }, 0, 0.1f);
        w.norm("mm.soft_emb_norm", WIDTH);
    } else if (type == "idefics3") {
        number("projector.scale_factor", 2);
        number("preproc_image_size", 2 * SIDE * PATCH);
        w.matrix("mm.model.fc", 4 * WIDTH, n_embd);
    } else if (pixtral) {
        linear("mm.1", WIDTH, 96);
        linear("mm.2", 96, n_embd);
        w.tensor("v.token_embd.img_break", { n_embd }, 0, 1);
    } else if (qwen) {
        number("spatial_merge_size", 2);
        linear("mm.0", 4 * WIDTH, 4 * WIDTH);
        linear("mm.2", 4 * WIDTH, n_embd);
    } else {
        throw std::runtime_error("no such projector: " + type);
    }
    if (!gguf_write_to_file(w.gguf, path.c_str(), false)) {
        throw std::runtime_error("cannot write " + path);
    }
}

void write_tiny_audio_projector(const std::string & path, const std::string & type, int32_t n_embd, uint32_t seed) {
    constexpr int64_t WIDTH = 64;
    constexpr int64_t N_FF  = 96;
    constexpr int64_t N_MEL = 16;
    const bool whisper = type == "qwen2a";
    writer w(seed, 16u << 20, { GGML_TYPE_F32 });
    const auto number = [&](const char * name, uint32_t value) { gguf_set_val_u32(w.gguf, (std::string("clip.audio.") + name).c_str(), value); };
    const auto bias   = [&](const std::string & name, int64_t n) { w.tensor(name + ".bias", { n }, 0, 0.1f); };
    gguf_set_val_str (w.gguf, "general.architecture", "clip");
    gguf_set_val_str (w.gguf, "general.type", "mmproj");
    gguf_set_val_bool(w.gguf, "clip.has_audio_encoder", true);
    gguf_set_val_str (w.gguf, "clip.audio.projector_type", type.c_str());
    number("num_mel_bins", whisper ? N_MEL : 128);
    number("embedding_length", WIDTH);
    number("feed_forward_length", N_FF);
    number("block_count", whisper ? 1 : 0);
    number("projection_dim", (uint32_t) n_embd);
    number("attention.head_count", 4);
    gguf_set_val_f32(w.gguf, "clip.audio.attention.layer_norm_epsilon", 1e-5f);
    if (type == "gemma4ua") {
        w.matrix("mm.a.input_projection", 640, n_embd);
    } else if (whisper) {
        w.tensor("a.conv1d.1.weight", { 3, N_MEL, WIDTH }, 0, 0.1f);
        w.tensor("a.conv1d.1.bias", { 1, WIDTH }, 0, 0.1f);
        w.tensor("a.conv1d.2.weight", { 3, WIDTH, WIDTH }, 0, 0.1f);
        w.tensor("a.conv1d.2.bias", { 1, WIDTH }, 0, 0.1f);
        w.tensor("a.position_embd.weight", { WIDTH, 1500 }, 0, 0.3f);
        for (const char * name : { "attn_q", "attn_k", "attn_v", "attn_out" }) {
            w.matrix(std::string("a.blk.0.") + name, WIDTH, WIDTH);
        }
        w.matrix("a.blk.0.ffn_up", WIDTH, N_FF);
        w.matrix("a.blk.0.ffn_down", N_FF, WIDTH);
        bias("a.blk.0.ffn_up", N_FF);
        for (const char * name : { "attn_q", "attn_v", "attn_out", "ln1", "ln2", "ffn_down" }) {
            bias(std::string("a.blk.0.") + name, WIDTH);
        }
        for (const char * name : { "a.blk.0.ln1", "a.blk.0.ln2", "a.post_ln" }) {
            w.norm(name, WIDTH);
        }
        bias("a.post_ln", WIDTH);
        w.matrix("mm.a.fc", WIDTH, n_embd);
        bias("mm.a.fc", n_embd);
    } else {
        throw std::runtime_error("no such projector: " + type);
    }
    if (!gguf_write_to_file(w.gguf, path.c_str(), false)) {
        throw std::runtime_error("cannot write " + path);
    }
}

void write_tiny_lora(const std::string & path, const tiny_options & o) {
    writer w(o.seed + 1, 16u << 20, { GGML_TYPE_F32 });
    constexpr int64_t RANK = 4;
    gguf_set_val_str(w.gguf, "general.architecture", o.arch.c_str());
    gguf_set_val_str(w.gguf, "general.type", "adapter");
    gguf_set_val_str(w.gguf, "adapter.type", "lora");
    gguf_set_val_f32(w.gguf, "adapter.lora.alpha", 8);
    for (int il = 0; il < o.n_layer; ++il) {
        const std::string weight = "blk." + std::to_string(il) + ".ffn_down.weight";
        w.tensor(weight + ".lora_a", { o.n_ff, RANK }, 0, 0.1f);
        w.tensor(weight + ".lora_b", { RANK, o.n_embd }, 0, 0.1f);
    }
    if (!gguf_write_to_file(w.gguf, path.c_str(), false)) {
        throw std::runtime_error("cannot write " + path);
    }
}

std::string temporary_path(const std::string & name) {
    struct cleaner {
        std::vector<std::string> paths;
        pid_t owner = getpid();
        ~cleaner() {
            for (const std::string & p : paths) {
                if (getpid() == owner) { // not in a forked child
                    remove(p.c_str());
                }
            }
        }
    };
    static cleaner all;
    const char * folder = getenv("TMPDIR");
    all.paths.push_back(std::string(folder && *folder ? folder : "/tmp") + "/chasqui-" + std::to_string(getpid()) + "-" +
                        std::to_string(all.paths.size()) + "-" + name);
    return all.paths.back();
}

tiny_model::tiny_model(const tiny_options & options) {
    const std::string path = temporary_path("tiny.gguf");
    write_tiny_gguf(path, options);
    CHECK_OK(chq_runtime_init(nullptr));
    CHECK_OK(chq_model_load(path.c_str(), nullptr, options.kernels, &model));
}

tiny_model::~tiny_model() {
    CHECK_STATUS(chq_model_free(model), CHQ_STATUS_OK);
}

tiny_context::tiny_context(const tiny_model & model, void (*change)(llama_context_params &)) {
    llama_context_params params = llama_context_default_params();
    params.n_ctx           = 512;
    params.n_threads       = 1;
    params.n_threads_batch = 1;
    if (change) {
        change(params);
    }
    CHECK_OK(chq_context_create(model.model, &params, 0, &context));
}

tiny_context::~tiny_context() {
    CHECK_STATUS(chq_context_free(context), CHQ_STATUS_OK);
}

std::vector<int32_t> some_tokens(int32_t n, uint32_t seed) {
    std::mt19937 random(seed);
    std::vector<int32_t> tokens;
    for (int32_t i = 0; i < n; ++i) {
        tokens.push_back(4 + (int32_t) (random() % 256));
    }
    return tokens;
}
