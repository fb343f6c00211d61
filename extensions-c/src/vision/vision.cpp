// Projectors through libmtmd.
#include "chasqui_vision.h"

#include "context/context.h"
#include "runtime/runtime.h"
#include "vision/vision.h"

#include "chasqui_runtime.h"

#include <algorithm>
#include <cmath>

namespace {

// Preprocessors round the shorter side of thinner images to nothing.
constexpr int32_t MAX_ASPECT = 50;

} // namespace

namespace chq {

void check_vision(const chq_vision * vision) {
    check_handle(vision, KIND_VISION, "vision");
}

namespace {

void check_image(const chq_image * image) {
    check_handle(image, KIND_IMAGE, "image");
}

const mtmd_input_chunk * chunk_of(const chq_image * image, int32_t chunk) {
    check_image(image);
    const int32_t n = (int32_t) mtmd_input_chunks_size(image->chunks.get());
    if (chunk < 0 || chunk >= n) {
        fail(CHQ_STATUS_ARGUMENT, "chunk %d is not in 0..%d", chunk, n - 1);
    }
    return mtmd_input_chunks_get(image->chunks.get(), (size_t) chunk);
}

const mtmd_input_chunk * rows_of(const chq_image * image, int32_t chunk) {
    const mtmd_input_chunk * c = chunk_of(image, chunk);
    if (mtmd_input_chunk_get_type(c) == MTMD_INPUT_CHUNK_TYPE_TEXT) {
        fail(CHQ_STATUS_ARGUMENT, "chunk %d is text", chunk);
    }
    return c;
}

// libmtmd knows the grid where positions have several dimensions; elsewhere a square that fits an image of the file's size is one.
void find_grid(const chq_vision * vision, const mtmd_input_chunk * chunk, int32_t n, int32_t * width, int32_t * height) {
    *width  = 0;
    *height = 0;
    if (mtmd_decode_use_mrope(vision->mtmd.get())) {
        const mtmd_image_tokens * tokens = mtmd_input_chunk_get_tokens_image(chunk);
        const mtmd_decoder_pos    corner = mtmd_image_tokens_get_decoder_pos(tokens, 0, (size_t) n - 1);
        if ((int64_t) (corner.x + 1) * (corner.y + 1) == n && corner.y > 0) {
            *width  = (int32_t) corner.x + 1;
            *height = (int32_t) corner.y + 1;
            return;
        } // one line: a projector that knows nothing of lines
    }
    const int32_t side    = (int32_t) std::lround(std::sqrt((double) n));
    const int32_t patches = vision->facts.patch_size > 0 ? vision->facts.image_size / vision->facts.patch_size : 0;
    if (side > 0 && side * side == n && patches % side == 0) {
        *width  = side;
        *height = side;
    }
}

// libmtmd frames images with tokens that it looks up by their text, which the model's vocabulary may not have.
void check_frames(const chq_vision * vision, const mtmd_input_chunks * chunks) {
    for (size_t i = 0; i < mtmd_input_chunks_size(chunks); ++i) {
        const mtmd_input_chunk * chunk = mtmd_input_chunks_get(chunks, i);
        size_t n = 0;
        const llama_token * tokens = mtmd_input_chunk_get_type(chunk) == MTMD_INPUT_CHUNK_TYPE_TEXT ? mtmd_input_chunk_get_tokens_text(chunk, &n) : nullptr;
        for (size_t t = 0; t < n; ++t) {
            if (tokens[t] < 0 || tokens[t] >= vision->model->n_vocab) {
                fail(CHQ_STATUS_UNSUPPORTED, "the model has no tokens to frame what a %s projector makes with", vision->facts.type.c_str());
            }
        }
    }
}

} // namespace

chq_image * prepare(chq_vision * vision, const mtmd_bitmap * bitmap, const std::string & what) {
    auto image = std::make_unique<chq_image>();
    image->vision = vision;
    image->chunks.reset(mtmd_input_chunks_init());
    const mtmd_input_part part = { nullptr, bitmap };
    const mtmd_input_part * parts[] = { &part };
    if (mtmd_tokenize_from_parts(vision->mtmd.get(), image->chunks.get(), parts, 1, false) != 0) {
        fail(CHQ_STATUS_UNSUPPORTED, "the projector cannot take %s: %s", what.c_str(), captured_errors());
    }
    check_frames(vision, image->chunks.get());
    vision->n_images.fetch_add(1);
    return image.release();
}

} // namespace chq

using namespace chq;

chq_status chq_vision_load(struct chq_model * model, const char * path, const struct chq_vision_params * params_in, struct chq_vision ** out) {
    return guarded([&] {
        check_runtime();
        check_model(model);
        check_pointer(path, "path");
        check_pointer(out, "out");
        check_vocab(model);
        if (model->vocab_only || model->no_alloc) {
            fail(CHQ_STATUS_STATE, "the model was loaded without its weights");
        }
        chq_vision_params params = {};
        if (params_in) {
            params = *params_in;
        }
        if (params.n_threads > 512) {
            fail(CHQ_STATUS_ARGUMENT, "n_threads = %d is more than 512", params.n_threads);
        }
        if (params.image_max_tokens > 0 && params.image_min_tokens > params.image_max_tokens) {
            fail(CHQ_STATUS_ARGUMENT, "image_min_tokens = %d is more than image_max_tokens = %d", params.image_min_tokens, params.image_max_tokens);
        }
        auto vision = std::make_unique<chq_vision>();
        vision->model   = model;
        vision->facts   = check_projector(path);
        vision->listens = params.attention;
        vision->layout  = attention_layout_of(vision->facts.type, vision->facts.class_token);
        if (params.attention && !vision->layout.known) {
            fail(CHQ_STATUS_UNSUPPORTED, "%s: where the encoder of a %s projector has its patches is not known, so that its attention cannot be read", path,
                    vision->facts.type.c_str());
        }

        mtmd_context_params p = mtmd_context_params_default();
        p.use_gpu          = params.use_gpu;
        p.print_timings    = false;
        p.n_threads        = params.n_threads > 0 ? params.n_threads : chq_physical_cores();
        p.warmup           = false;
        p.image_min_tokens = params.image_min_tokens > 0 ? params.image_min_tokens : -1;
        p.image_max_tokens = params.image_max_tokens > 0 ? params.image_max_tokens : -1;
        if (params.attention) {
            p.cb_eval           = attention_share::on_node;
            p.cb_eval_user_data = &vision->attention;
        }
        vision->mtmd.reset(mtmd_init_from_file(path, model->llama, p));
        if (!vision->mtmd) {
            fail(CHQ_STATUS_LOAD, "%s: libmtmd cannot use it with this model: %s", path, captured_errors());
        }
        model->n_contexts.fetch_add(1);
        *out = vision.release();
        return CHQ_STATUS_OK;
    });
}

chq_status chq_vision_free(struct chq_vision * vision) {
    return guarded([&] {
        if (!vision) {
            return CHQ_STATUS_OK;
        }
        // A poisoned one is given up too: its memory leaks rather than that native code runs on broken state.
        const bool poisoned = vision->kind == KIND_VISION && vision->poisoned;
        if (!poisoned) {
            check_vision(vision);
        }
        if (vision->n_images > 0) {
            fail(CHQ_STATUS_STATE, "%d images of it are open", vision->n_images.load());
        }
        vision->model->n_contexts.fetch_sub(1);
        vision->kind = KIND_FREED;
        if (poisoned) {
            vision->model->pinned = true;
            vision->mtmd.release();
            return CHQ_STATUS_OK;
        }
        delete vision;
        return CHQ_STATUS_OK;
    });
}

chq_status chq_vision_get_info(const struct chq_vision * vision, struct chq_vision_info * out) {
    return guarded([&] {
        check_vision(vision);
        check_pointer(out, "out");
        *out = {};
        out->n_embd    = llama_model_n_embd_inp(vision->model->llama);
        out->n_main    = llama_model_n_embd(vision->model->llama);
        out->images    = mtmd_support_vision(vision->mtmd.get());
        out->sound     = mtmd_support_audio(vision->mtmd.get());
        out->grid      = mtmd_decode_use_mrope(vision->mtmd.get());
        out->causal    = !mtmd_decode_use_non_causal(vision->mtmd.get(), nullptr);
        out->attention = vision->layout.known;
        out->audio_rate = std::max(0, mtmd_get_audio_sample_rate(vision->mtmd.get()));
        return CHQ_STATUS_OK;
    });
}

chq_status chq_vision_projector(const struct chq_vision * vision, char * text, size_t capacity, size_t * length) {
    return guarded([&] {
        check_vision(vision);
        check_pointer(length, "length");
        return give_text(vision->facts.type.data(), vision->facts.type.size(), text, capacity, length);
    });
}

chq_status chq_image_create(struct chq_vision * vision, const uint8_t * rgb, int32_t width, int32_t height, struct chq_image ** out) {
    return guarded({ vision }, [&] {
        check_vision(vision);
        check_pointer(rgb, "rgb");
        check_pointer(out, "out");
        if (width < 1 || height < 1 || (int64_t) width * height > CHQ_IMAGE_MAX_PIXELS) {
            fail(CHQ_STATUS_ARGUMENT, "an image of %d x %d pixels has none or more than %d", width, height, CHQ_IMAGE_MAX_PIXELS);
        }
        if (!mtmd_support_vision(vision->mtmd.get())) {
            fail(CHQ_STATUS_UNSUPPORTED, "the projector does not take images");
        }
        if (std::max(width, height) > MAX_ASPECT * std::min(width, height)) {
            fail(CHQ_STATUS_UNSUPPORTED, "an image of %d x %d pixels is more than %d times as long as it is wide", width, height, MAX_ASPECT);
        }
        const mtmd::bitmap bitmap((uint32_t) width, (uint32_t) height, rgb);
        *out = prepare(vision, bitmap.ptr.get(), "an image of " + std::to_string(width) + " x " + std::to_string(height) + " pixels");
        return CHQ_STATUS_OK;
    });
}

chq_status chq_image_free(struct chq_image * image) {
    return guarded([&] {
        if (!image) {
            return CHQ_STATUS_OK;
        }
        const bool poisoned = image->kind == KIND_IMAGE && image->poisoned;
        if (!poisoned) {
            check_image(image);
        }
        image->vision->n_images.fetch_sub(1);
        image->kind = KIND_FREED;
        if (poisoned) {
            image->chunks.release();
            return CHQ_STATUS_OK;
        }
        delete image;
        return CHQ_STATUS_OK;
    });
}

chq_status chq_image_n_chunks(const struct chq_image * image, int32_t * n_chunks) {
    return guarded([&] {
        check_image(image);
        check_pointer(n_chunks, "n_chunks");
        *n_chunks = (int32_t) mtmd_input_chunks_size(image->chunks.get());
        return CHQ_STATUS_OK;
    });
}

chq_status chq_image_get_chunk(const struct chq_image * image, int32_t chunk, struct chq_image_chunk * out) {
    return guarded([&] {
        const mtmd_input_chunk * c = chunk_of(image, chunk);
        check_pointer(out, "out");
        *out = {};
        out->n_tokens    = (int32_t) mtmd_input_chunk_get_n_tokens(c);
        out->n_positions = mtmd_input_chunk_get_n_pos(c);
        out->is_text     = mtmd_input_chunk_get_type(c) == MTMD_INPUT_CHUNK_TYPE_TEXT;
        if (out->is_text) {
            size_t n = 0;
            out->tokens = mtmd_input_chunk_get_tokens_text(c, &n);
            out->causal = true;
        } else {
            out->causal = !mtmd_decode_use_non_causal(image->vision->mtmd.get(), c);
            if (mtmd_input_chunk_get_type(c) == MTMD_INPUT_CHUNK_TYPE_IMAGE) {
                find_grid(image->vision, c, out->n_tokens, &out->width, &out->height);
            }
        }
        return CHQ_STATUS_OK;
    });
}

chq_status chq_image_positions(const struct chq_image * image, int32_t chunk, struct chq_position * out, int32_t capacity) {
    return guarded([&] {
        const mtmd_input_chunk * c = rows_of(image, chunk);
        check_pointer(out, "out");
        const int32_t n = (int32_t) mtmd_input_chunk_get_n_tokens(c);
        if (capacity < n) {
            fail(CHQ_STATUS_BUFFER, "%d positions are needed, the buffer has room for %d", n, capacity);
        }
        const mtmd_image_tokens * tokens = mtmd_input_chunk_get_tokens_image(c);
        for (int32_t i = 0; i < n; ++i) {
            const uint32_t u = (uint32_t) i;
            const mtmd_decoder_pos p = tokens ? mtmd_image_tokens_get_decoder_pos(tokens, 0, (size_t) i) : mtmd_decoder_pos { u, u, u, u };
            out[i] = { (int32_t) p.t, (int32_t) p.y, (int32_t) p.x };
        }
        return CHQ_STATUS_OK;
    });
}

chq_status chq_image_encode(struct chq_image * image, int32_t chunk, float * rows, int64_t capacity, float * attention) {
    return guarded({ image, image ? image->vision : nullptr }, [&] {
        const mtmd_input_chunk * c = rows_of(image, chunk);
        chq_vision * vision = image->vision;
        check_vision(vision);
        check_pointer(rows, "rows");
        const int32_t n_rows = (int32_t) mtmd_input_chunk_get_n_tokens(c);
        const int64_t n      = (int64_t) n_rows * llama_model_n_embd_inp(vision->model->llama);
        if (capacity < n) {
            fail(CHQ_STATUS_BUFFER, "%lld numbers are needed, the buffer has room for %lld", (long long) n, (long long) capacity);
        }
        if (attention && !vision->listens) {
            fail(CHQ_STATUS_UNSUPPORTED, "the projector was loaded without attention");
        }
        if (attention && mtmd_input_chunk_get_type(c) != MTMD_INPUT_CHUNK_TYPE_IMAGE) {
            fail(CHQ_STATUS_UNSUPPORTED, "chunk %d is sound, whose attention is not known", chunk);
        }
        vision->attention.begin();
        if (mtmd_encode_chunk(vision->mtmd.get(), c) != 0) {
            fail(CHQ_STATUS_COMPUTE, "the chunk could not be encoded: %s", captured_errors());
        }
        const float * encoded = mtmd_get_output_embd(vision->mtmd.get());
        std::copy(encoded, encoded + n, rows);
        if (attention) {
            int32_t width  = 0;
            int32_t height = 0;
            find_grid(vision, c, n_rows, &width, &height);
            if (!vision->attention.shares(vision->layout, n_rows, width, attention)) {
                fail(CHQ_STATUS_UNSUPPORTED, "the encoder of a %s projector does not show its attention", vision->facts.type.c_str());
            }
        }
        return CHQ_STATUS_OK;
    });
}
