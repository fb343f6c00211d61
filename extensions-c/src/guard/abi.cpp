#include "guard/guard.h"

#include "chasqui.h"

#include <cstring>
#include <type_traits>

// The field lists below are written out by hand; a struct that grows upstream is caught by the size check on the
// caller's side and by test_abi, which compares the sum of sizes and gaps.

namespace {

#define FIELD(type, field) { #field, (uint32_t) offsetof(type, field), (uint32_t) sizeof(type::field), std::is_pointer_v<decltype(type::field)> }

const chq_abi_field model_params_fields[] = {
    FIELD(llama_model_params, devices),
    FIELD(llama_model_params, tensor_buft_overrides),
    FIELD(llama_model_params, n_gpu_layers),
    FIELD(llama_model_params, split_mode),
    FIELD(llama_model_params, load_mode),
    FIELD(llama_model_params, lazy_mode),
    FIELD(llama_model_params, main_gpu),
    FIELD(llama_model_params, tensor_split),
    FIELD(llama_model_params, progress_callback),
    FIELD(llama_model_params, progress_callback_user_data),
    FIELD(llama_model_params, kv_overrides),
    FIELD(llama_model_params, vocab_only),
    FIELD(llama_model_params, check_tensors),
    FIELD(llama_model_params, use_extra_bufts),
    FIELD(llama_model_params, no_host),
    FIELD(llama_model_params, no_alloc),
    FIELD(llama_model_params, load_mtp),
};

const chq_abi_field context_params_fields[] = {
    FIELD(llama_context_params, n_ctx),
    FIELD(llama_context_params, n_batch),
    FIELD(llama_context_params, n_ubatch),
    FIELD(llama_context_params, n_seq_max),
    FIELD(llama_context_params, n_rs_seq),
    FIELD(llama_context_params, n_outputs_max),
    FIELD(llama_context_params, n_outputs_max_per_seq),
    FIELD(llama_context_params, n_threads),
    FIELD(llama_context_params, n_threads_batch),
    FIELD(llama_context_params, ctx_type),
    FIELD(llama_context_params, rope_scaling_type),
    FIELD(llama_context_params, pooling_type),
    FIELD(llama_context_params, attention_type),
    FIELD(llama_context_params, flash_attn_type),
    FIELD(llama_context_params, rope_freq_base),
    FIELD(llama_context_params, rope_freq_scale),
    FIELD(llama_context_params, yarn_ext_factor),
    FIELD(llama_context_params, yarn_attn_factor),
    FIELD(llama_context_params, yarn_beta_fast),
    FIELD(llama_context_params, yarn_beta_slow),
    FIELD(llama_context_params, yarn_orig_ctx),
    FIELD(llama_context_params, defrag_thold),
    FIELD(llama_context_params, cb_eval),
    FIELD(llama_context_params, cb_eval_user_data),
    FIELD(llama_context_params, type_k),
    FIELD(llama_context_params, type_v),
    FIELD(llama_context_params, abort_callback),
    FIELD(llama_context_params, abort_callback_data),
    FIELD(llama_context_params, embeddings),
    FIELD(llama_context_params, offload_kqv),
    FIELD(llama_context_params, no_perf),
    FIELD(llama_context_params, op_offload),
    FIELD(llama_context_params, swa_full),
    FIELD(llama_context_params, kv_unified),
    FIELD(llama_context_params, samplers),
    FIELD(llama_context_params, n_samplers),
    FIELD(llama_context_params, ctx_other),
};

const chq_abi_field batch_fields[] = {
    FIELD(llama_batch, n_tokens),
    FIELD(llama_batch, token),
    FIELD(llama_batch, embd),
    FIELD(llama_batch, pos),
    FIELD(llama_batch, n_seq_id),
    FIELD(llama_batch, seq_id),
    FIELD(llama_batch, logits),
};

const chq_abi_field token_data_fields[] = {
    FIELD(llama_token_data, id),
    FIELD(llama_token_data, logit),
    FIELD(llama_token_data, p),
};

const chq_abi_field token_data_array_fields[] = {
    FIELD(llama_token_data_array, data),
    FIELD(llama_token_data_array, size),
    FIELD(llama_token_data_array, selected),
    FIELD(llama_token_data_array, sorted),
};

const chq_abi_field logit_bias_fields[] = {
    FIELD(llama_logit_bias, token),
    FIELD(llama_logit_bias, bias),
};

const chq_abi_field kv_override_fields[] = {
    FIELD(llama_model_kv_override, tag),
    FIELD(llama_model_kv_override, key),
    FIELD(llama_model_kv_override, val_i64),
    FIELD(llama_model_kv_override, val_f64),
    FIELD(llama_model_kv_override, val_bool),
    FIELD(llama_model_kv_override, val_str),
};

const chq_abi_field tensor_buft_override_fields[] = {
    FIELD(llama_model_tensor_buft_override, pattern),
    FIELD(llama_model_tensor_buft_override, buft),
};

const chq_abi_field chain_params_fields[] = {
    FIELD(llama_sampler_chain_params, no_perf),
};

const chq_abi_field model_info_fields[] = {
    FIELD(chq_model_info, n_vocab),
    FIELD(chq_model_info, n_ctx_train),
    FIELD(chq_model_info, n_embd),
    FIELD(chq_model_info, n_embd_inp),
    FIELD(chq_model_info, n_layer),
    FIELD(chq_model_info, n_head),
    FIELD(chq_model_info, n_head_kv),
    FIELD(chq_model_info, n_swa),
    FIELD(chq_model_info, vocab_type),
    FIELD(chq_model_info, rope_type),
    FIELD(chq_model_info, n_pos_per_embd),
    FIELD(chq_model_info, n_params),
    FIELD(chq_model_info, n_bytes),
    FIELD(chq_model_info, n_bytes_packed),
    FIELD(chq_model_info, token_bos),
    FIELD(chq_model_info, token_eos),
    FIELD(chq_model_info, token_eot),
    FIELD(chq_model_info, token_sep),
    FIELD(chq_model_info, token_nl),
    FIELD(chq_model_info, token_pad),
    FIELD(chq_model_info, token_mask),
    FIELD(chq_model_info, token_fim_pre),
    FIELD(chq_model_info, token_fim_suf),
    FIELD(chq_model_info, token_fim_mid),
    FIELD(chq_model_info, token_fim_pad),
    FIELD(chq_model_info, token_fim_rep),
    FIELD(chq_model_info, token_fim_sep),
    FIELD(chq_model_info, token_decoder_start),
    FIELD(chq_model_info, add_bos),
    FIELD(chq_model_info, add_eos),
    FIELD(chq_model_info, add_sep),
    FIELD(chq_model_info, has_encoder),
    FIELD(chq_model_info, has_decoder),
    FIELD(chq_model_info, is_recurrent),
    FIELD(chq_model_info, is_hybrid),
    FIELD(chq_model_info, is_diffusion),
    FIELD(chq_model_info, vocab_only),
};

const chq_abi_field token_info_fields[] = {
    FIELD(chq_token_info, score),
    FIELD(chq_token_info, attributes),
    FIELD(chq_token_info, is_end),
    FIELD(chq_token_info, is_control),
};

const chq_abi_field context_info_fields[] = {
    FIELD(chq_context_info, n_ctx),
    FIELD(chq_context_info, n_ctx_seq),
    FIELD(chq_context_info, n_batch),
    FIELD(chq_context_info, n_ubatch),
    FIELD(chq_context_info, n_seq_max),
    FIELD(chq_context_info, n_threads),
    FIELD(chq_context_info, n_threads_batch),
    FIELD(chq_context_info, kv_unified),
    FIELD(chq_context_info, can_shift),
    FIELD(chq_context_info, causal),
    FIELD(chq_context_info, embeddings),
    FIELD(chq_context_info, poisoned),
    FIELD(chq_context_info, state_bytes),
};

const chq_abi_field sampled_fields[] = {
    FIELD(chq_sampled, token),
    FIELD(chq_sampled, n_piece),
    FIELD(chq_sampled, is_end),
};

const chq_abi_field batch_slot_fields[] = {
    FIELD(chq_batch_slot, sampler),
    FIELD(chq_batch_slot, speculation),
    FIELD(chq_batch_slot, seq_id),
    FIELD(chq_batch_slot, n_tokens),
    FIELD(chq_batch_slot, n_most),
    FIELD(chq_batch_slot, special),
    FIELD(chq_batch_slot, go_on),
};

const chq_abi_field batch_result_fields[] = {
    FIELD(chq_batch_result, status),
    FIELD(chq_batch_result, n_done),
    FIELD(chq_batch_result, n_text),
    FIELD(chq_batch_result, n_picked),
};

const chq_abi_field speculation_params_fields[] = {
    FIELD(chq_speculation_params, sources),
    FIELD(chq_speculation_params, n_draft),
    FIELD(chq_speculation_params, n_leaves),
    FIELD(chq_speculation_params, fixed),
};

const chq_abi_field sparse_params_fields[] = {
    FIELD(chq_sparse_params, selector),
    FIELD(chq_sparse_params, share),
    FIELD(chq_sparse_params, max_share),
    FIELD(chq_sparse_params, missing),
    FIELD(chq_sparse_params, sinks),
    FIELD(chq_sparse_params, window),
    FIELD(chq_sparse_params, dense_layers),
    FIELD(chq_sparse_params, refresh),
    FIELD(chq_sparse_params, layers),
    FIELD(chq_sparse_params, always),
    FIELD(chq_sparse_params, seed),
};

const chq_abi_field kv_file_stats_fields[] = {
    FIELD(chq_kv_file_stats, file_bytes),
    FIELD(chq_kv_file_stats, budget_bytes),
    FIELD(chq_kv_file_stats, resident_bytes),
    FIELD(chq_kv_file_stats, most_resident),
    FIELD(chq_kv_file_stats, loaded_bytes),
    FIELD(chq_kv_file_stats, evicted_bytes),
};

const chq_abi_field sparse_stats_fields[] = {
    FIELD(chq_sparse_stats, steps),
    FIELD(chq_sparse_stats, sparse_steps),
    FIELD(chq_sparse_stats, cells),
    FIELD(chq_sparse_stats, missing),
    FIELD(chq_sparse_stats, dense_seconds),
    FIELD(chq_sparse_stats, sparse_seconds),
    FIELD(chq_sparse_stats, sketch_bytes),
};

const chq_abi_field draft_model_params_fields[] = {
    FIELD(chq_draft_model_params, shape),
    FIELD(chq_draft_model_params, n_nodes),
    FIELD(chq_draft_model_params, depth),
    FIELD(chq_draft_model_params, width),
    FIELD(chq_draft_model_params, temperature),
    FIELD(chq_draft_model_params, stop),
    FIELD(chq_draft_model_params, seed),
};

const chq_abi_field source_stats_fields[] = {
    FIELD(chq_source_stats, drafted),
    FIELD(chq_source_stats, accepted),
};

const chq_abi_field speculation_stats_fields[] = {
    FIELD(chq_speculation_stats, steps),
    FIELD(chq_speculation_stats, tokens),
    FIELD(chq_speculation_stats, drafted),
    FIELD(chq_speculation_stats, accepted),
    FIELD(chq_speculation_stats, plain_steps),
    FIELD(chq_speculation_stats, trees),
    FIELD(chq_speculation_stats, draft_seconds),
    FIELD(chq_speculation_stats, target_seconds),
    FIELD(chq_speculation_stats, verify_seconds),
    FIELD(chq_speculation_stats, repeated),
    FIELD(chq_speculation_stats, recycled),
    FIELD(chq_speculation_stats, suggested),
    FIELD(chq_speculation_stats, model),
};

const chq_abi_field state_info_fields[] = {
    FIELD(chq_state_info, n_bytes),
    FIELD(chq_state_info, n_head),
    FIELD(chq_state_info, fit),
    FIELD(chq_state_info, note_at),
    FIELD(chq_state_info, n_note),
    FIELD(chq_state_info, n_tokens),
    FIELD(chq_state_info, kind),
    FIELD(chq_state_info, logits),
};

const chq_abi_field recycling_info_fields[] = {
    FIELD(chq_recycling_info, n_entries),
    FIELD(chq_recycling_info, n_bytes),
};

const chq_abi_field tree_node_fields[] = {
    FIELD(chq_tree_node, token),
    FIELD(chq_tree_node, parent),
    FIELD(chq_tree_node, depth),
    FIELD(chq_tree_node, probability),
};

const chq_abi_field rows_info_fields[] = {
    FIELD(chq_rows_info, stride),
    FIELD(chq_rows_info, n),
    FIELD(chq_rows_info, dim),
    FIELD(chq_rows_info, grid_width),
    FIELD(chq_rows_info, grid_height),
    FIELD(chq_rows_info, marks),
    FIELD(chq_rows_info, importance),
    FIELD(chq_rows_info, text),
    FIELD(chq_rows_info, text_stride),
    FIELD(chq_rows_info, n_text),
    FIELD(chq_rows_info, vocab_mean),
};

const chq_abi_field selection_params_fields[] = {
    FIELD(chq_selection_params, method),
    FIELD(chq_selection_params, importance),
    FIELD(chq_selection_params, scale),
    FIELD(chq_selection_params, lambda),
    FIELD(chq_selection_params, exponent),
    FIELD(chq_selection_params, theta),
    FIELD(chq_selection_params, text_temperature),
    FIELD(chq_selection_params, image_temperature),
    FIELD(chq_selection_params, image_weight),
    FIELD(chq_selection_params, text_sharpness),
    FIELD(chq_selection_params, feature_width),
    FIELD(chq_selection_params, rarity),
    FIELD(chq_selection_params, projection),
    FIELD(chq_selection_params, seed),
};

const chq_abi_field tile_fields[] = {
    FIELD(chq_tile, left),
    FIELD(chq_tile, top),
    FIELD(chq_tile, right),
    FIELD(chq_tile, bottom),
    FIELD(chq_tile, n_rows),
};

const chq_abi_field device_info_fields[] = {
    FIELD(chq_device_info, name),
    FIELD(chq_device_info, description),
    FIELD(chq_device_info, backend),
    FIELD(chq_device_info, library),
    FIELD(chq_device_info, type),
    FIELD(chq_device_info, memory_free),
    FIELD(chq_device_info, memory_total),
};

const chq_abi_field position_fields[] = {
    FIELD(chq_position, t),
    FIELD(chq_position, y),
    FIELD(chq_position, x),
};

const chq_abi_field quantize_params_fields[] = {
    FIELD(chq_quantize_params, file_type),
    FIELD(chq_quantize_params, n_threads),
    FIELD(chq_quantize_params, output_type),
    FIELD(chq_quantize_params, embedding_type),
    FIELD(chq_quantize_params, patterns),
    FIELD(chq_quantize_params, pattern_types),
    FIELD(chq_quantize_params, n_patterns),
    FIELD(chq_quantize_params, pure),
    FIELD(chq_quantize_params, quantize_output),
    FIELD(chq_quantize_params, requantize),
};

const chq_abi_field placement_fields[] = {
    FIELD(chq_placement, device),
    FIELD(chq_placement, n_layers),
    FIELD(chq_placement, n_bytes),
};

const chq_abi_field vision_params_fields[] = {
    FIELD(chq_vision_params, n_threads),
    FIELD(chq_vision_params, image_min_tokens),
    FIELD(chq_vision_params, image_max_tokens),
    FIELD(chq_vision_params, use_gpu),
    FIELD(chq_vision_params, attention),
};

const chq_abi_field vision_info_fields[] = {
    FIELD(chq_vision_info, n_embd),
    FIELD(chq_vision_info, n_main),
    FIELD(chq_vision_info, images),
    FIELD(chq_vision_info, sound),
    FIELD(chq_vision_info, grid),
    FIELD(chq_vision_info, causal),
    FIELD(chq_vision_info, attention),
    FIELD(chq_vision_info, audio_rate),
};

const chq_abi_field image_chunk_fields[] = {
    FIELD(chq_image_chunk, tokens),
    FIELD(chq_image_chunk, n_tokens),
    FIELD(chq_image_chunk, n_positions),
    FIELD(chq_image_chunk, width),
    FIELD(chq_image_chunk, height),
    FIELD(chq_image_chunk, is_text),
    FIELD(chq_image_chunk, causal),
};

const chq_abi_field tensor_info_fields[] = {
    FIELD(chq_tensor_info, tensor),
    FIELD(chq_tensor_info, shape),
    FIELD(chq_tensor_info, n_dims),
    FIELD(chq_tensor_info, type),
};

const chq_abi_field tensor_rope_params_fields[] = {
    FIELD(chq_tensor_rope_params, mode),
    FIELD(chq_tensor_rope_params, n_dims),
    FIELD(chq_tensor_rope_params, freq_base),
    FIELD(chq_tensor_rope_params, freq_scale),
    FIELD(chq_tensor_rope_params, n_ctx_orig),
    FIELD(chq_tensor_rope_params, ext_factor),
    FIELD(chq_tensor_rope_params, attn_factor),
    FIELD(chq_tensor_rope_params, beta_fast),
    FIELD(chq_tensor_rope_params, beta_slow),
};

const chq_abi_field tensor_graph_info_fields[] = {
    FIELD(chq_tensor_graph_info, n_nodes),
    FIELD(chq_tensor_graph_info, n_splits),
    FIELD(chq_tensor_graph_info, bytes),
};

// Copied field by field: a whole-struct assignment may carry the padding of the source along.
struct default_values {
    llama_model_params         model;
    llama_context_params       context;
    llama_sampler_chain_params chain;

    default_values() {
        memset((void *) this, 0, sizeof(*this));
        copy(&model,   llama_model_default_params(),         model_params_fields);
        copy(&context, llama_context_default_params(),       context_params_fields);
        copy(&chain,   llama_sampler_chain_default_params(), chain_params_fields);
    }

    template <typename T, size_t N>
    static void copy(T * to, const T & from, const chq_abi_field (&fields)[N]) {
        for (const chq_abi_field & f : fields) {
            memcpy((char *) to + f.offset, (const char *) &from + f.offset, f.size);
        }
    }
};

template <typename T, size_t N>
chq_abi_struct describe(const char * name, const chq_abi_field (&fields)[N], const void * defaults = nullptr) {
    return { name, (uint32_t) sizeof(T), (uint32_t) alignof(T), (uint32_t) N, fields, defaults };
}

} // namespace

const struct chq_abi_struct * chq_abi_structs(uint32_t * n) {
    static const default_values defaults;
    static const chq_abi_struct table[] = {
        describe<llama_model_params>              ("llama_model_params",               model_params_fields,   &defaults.model),
        describe<llama_context_params>            ("llama_context_params",             context_params_fields, &defaults.context),
        describe<llama_sampler_chain_params>      ("llama_sampler_chain_params",       chain_params_fields,   &defaults.chain),
        describe<llama_batch>                     ("llama_batch",                      batch_fields),
        describe<llama_token_data>                ("llama_token_data",                 token_data_fields),
        describe<llama_token_data_array>          ("llama_token_data_array",           token_data_array_fields),
        describe<llama_logit_bias>                ("llama_logit_bias",                 logit_bias_fields),
        describe<llama_model_kv_override>         ("llama_model_kv_override",          kv_override_fields),
        describe<llama_model_tensor_buft_override>("llama_model_tensor_buft_override", tensor_buft_override_fields),
        describe<chq_model_info>                  ("chq_model_info",                   model_info_fields),
        describe<chq_token_info>                  ("chq_token_info",                   token_info_fields),
        describe<chq_context_info>                ("chq_context_info",                 context_info_fields),
        describe<chq_sampled>                     ("chq_sampled",                      sampled_fields),
        describe<chq_batch_slot>                  ("chq_batch_slot",                   batch_slot_fields),
        describe<chq_batch_result>                ("chq_batch_result",                 batch_result_fields),
        describe<chq_speculation_params>          ("chq_speculation_params",           speculation_params_fields),
        describe<chq_kv_file_stats>               ("chq_kv_file_stats",                kv_file_stats_fields),
        describe<chq_sparse_params>               ("chq_sparse_params",                sparse_params_fields),
        describe<chq_sparse_stats>                ("chq_sparse_stats",                 sparse_stats_fields),
        describe<chq_draft_model_params>          ("chq_draft_model_params",           draft_model_params_fields),
        describe<chq_source_stats>                ("chq_source_stats",                 source_stats_fields),
        describe<chq_speculation_stats>           ("chq_speculation_stats",            speculation_stats_fields),
        describe<chq_state_info>                  ("chq_state_info",                   state_info_fields),
        describe<chq_recycling_info>              ("chq_recycling_info",               recycling_info_fields),
        describe<chq_tree_node>                   ("chq_tree_node",                    tree_node_fields),
        describe<chq_rows_info>                   ("chq_rows_info",                    rows_info_fields),
        describe<chq_selection_params>            ("chq_selection_params",             selection_params_fields),
        describe<chq_tile>                        ("chq_tile",                         tile_fields),
        describe<chq_device_info>                 ("chq_device_info",                  device_info_fields),
        describe<chq_quantize_params>             ("chq_quantize_params",              quantize_params_fields),
        describe<chq_placement>                   ("chq_placement",                    placement_fields),
        describe<chq_position>                    ("chq_position",                     position_fields),
        describe<chq_vision_params>               ("chq_vision_params",                vision_params_fields),
        describe<chq_vision_info>                 ("chq_vision_info",                  vision_info_fields),
        describe<chq_image_chunk>                 ("chq_image_chunk",                  image_chunk_fields),
        describe<chq_tensor_info>                 ("chq_tensor_info",                  tensor_info_fields),
        describe<chq_tensor_rope_params>          ("chq_tensor_rope_params",           tensor_rope_params_fields),
        describe<chq_tensor_graph_info>           ("chq_tensor_graph_info",            tensor_graph_info_fields),
    };
    if (n) {
        *n = (uint32_t) (sizeof(table) / sizeof(table[0]));
    }
    return table;
}

uint64_t chq_abi_digest(void) {
    uint64_t digest = 0xcbf29ce484222325; // FNV-1a
    const auto add = [&](const void * data, size_t size) {
        for (size_t i = 0; i < size; ++i) {
            digest = (digest ^ ((const uint8_t *) data)[i]) * 0x100000001b3;
        }
    };
    const auto add_text = [&](const char * text) { add(text, strlen(text) + 1); };

    uint32_t n = 0;
    const chq_abi_struct * structs = chq_abi_structs(&n);
    add_text(chq_llama_tree());
    for (const chq_abi_struct * s = structs; s < structs + n; ++s) {
        add_text(s->name);
        add(&s->size, sizeof(s->size));
        add(&s->alignment, sizeof(s->alignment));
        for (const chq_abi_field * f = s->fields; f < s->fields + s->n_fields; ++f) {
            add_text(f->name);
            add(&f->offset, sizeof(f->offset));
            add(&f->size, sizeof(f->size));
            add(&f->is_pointer, sizeof(f->is_pointer));
            if (s->defaults && f->is_pointer) {
                const void * pointer;
                memcpy(&pointer, (const char *) s->defaults + f->offset, sizeof(pointer));
                add_text(pointer ? "set" : "NULL");
            } else if (s->defaults) {
                add((const char *) s->defaults + f->offset, f->size);
            }
        }
    }
    return digest;
}
