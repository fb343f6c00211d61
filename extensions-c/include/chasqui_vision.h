// Images as embeddings: a projector file (mmproj), what it makes of an image, and what its encoder looked at.
//
// An image becomes a list of chunks: tokens that frame it, and rows of embeddings. The caller keeps the rows, drops some of them if it likes
// (chasqui_selection.h), and appends both to a sequence with chq_decode and chq_decode_embeddings.
#pragma once

#include "chasqui_context.h"
#include "chasqui_guard.h"
#include "chasqui_model.h"

#ifdef __cplusplus
extern "C" {
#endif

struct chq_vision;
struct chq_image; // or a sound, see chasqui_audio.h

struct chq_vision_params {
    int32_t n_threads;        // <= 0 means chq_physical_cores()
    int32_t image_min_tokens; // for projectors of images of any size; <= 0 = as the file says
    int32_t image_max_tokens;
    bool    use_gpu;
    bool    attention;        // note how much attention each row gets inside the encoder, see chq_image_encode; costs a pass over one layer
};

// Loads a projector for the model, which must outlive it. params: NULL = all physical cores, no GPU, no attention. One thread at a time uses it.
// CHQ_STATUS_UNSUPPORTED with attention for a projector whose encoder is not one of those that were looked into.
CHQ_API chq_status chq_vision_load(struct chq_model * model, const char * path, const struct chq_vision_params * params, struct chq_vision ** out);
CHQ_API chq_status chq_vision_free(struct chq_vision * vision); // NULL is ignored

struct chq_vision_info {
    int32_t n_embd;      // numbers of a row, n_embd_inp of the model
    int32_t n_main;      // of which the first n_main enter the first layer; the others are added further up
    bool    images;
    bool    sound;
    bool    grid;        // positions have several dimensions
    bool    causal;      // rows of an image attend only to those before them
    bool    attention;   // whether the projector can be loaded with attention
    int32_t audio_rate;  // samples a second of sound, 0 without
};

CHQ_API chq_status chq_vision_get_info(const struct chq_vision * vision, struct chq_vision_info * out);

// The projector's type as its file names it, e.g. "qwen2vl_merger". *length as for the text outputs of chasqui_model.h.
CHQ_API chq_status chq_vision_projector(const struct chq_vision * vision, char * text, size_t capacity, size_t * length);

// Prepares an image: width x height pixels of three bytes, red green blue, row by row. At most CHQ_IMAGE_MAX_PIXELS.
#define CHQ_IMAGE_MAX_PIXELS (1 << 26)
CHQ_API chq_status chq_image_create(struct chq_vision * vision, const uint8_t * rgb, int32_t width, int32_t height, struct chq_image ** out);
CHQ_API chq_status chq_image_free(struct chq_image * image); // NULL is ignored; before the vision that it was made with

CHQ_API chq_status chq_image_n_chunks(const struct chq_image * image, int32_t * n_chunks);

struct chq_image_chunk {
    const int32_t * tokens;      // of a chunk of text, valid as long as the image; else NULL
    int32_t         n_tokens;    // tokens or rows
    int32_t         n_positions;
    int32_t         width;       // rows of the grid's lines, 0 if the rows are in no known grid
    int32_t         height;
    bool            is_text;
    bool            causal;
};

CHQ_API chq_status chq_image_get_chunk(const struct chq_image * image, int32_t chunk, struct chq_image_chunk * out);

// The position of each row of a chunk of embeddings, relative to the first; [n_tokens].
CHQ_API chq_status chq_image_positions(const struct chq_image * image, int32_t chunk, struct chq_position * out, int32_t capacity);

// Computes the rows of a chunk, [n_tokens, n_embd]; capacity in floats. attention: NULL, always so for sound, or [n_tokens], the mean share of attention that each row gets in
// the encoder's last layer with attention over the whole image; CHQ_STATUS_UNSUPPORTED where that cannot be had.
CHQ_API chq_status chq_image_encode(struct chq_image * image, int32_t chunk, float * rows, int64_t capacity, float * attention);

#ifdef __cplusplus
}
#endif
