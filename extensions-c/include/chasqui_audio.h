// Sound: files to samples, and samples to the rows of embeddings that a projector makes of them.
#pragma once

#include "chasqui_guard.h"
#include "chasqui_vision.h"

#ifdef __cplusplus
extern "C" {
#endif

// Samples of one channel, in -1..1 as a rule.
struct chq_pcm;

// Most samples, of a file and of what a projector takes.
#define CHQ_AUDIO_MAX_SAMPLES (1 << 26)

// Samples a second that files may have and resampling may give.
#define CHQ_AUDIO_MIN_RATE 1000
#define CHQ_AUDIO_MAX_RATE 384000

// Decodes the content of a WAV, FLAC or MP3 file, at the file's own rate; several channels are mixed into one. CHQ_STATUS_LOAD if it is none of these, is
// damaged before its first sample, or holds numbers that are no samples; a file that ends or breaks later gives what was before that. CHQ_STATUS_UNSUPPORTED if
// there are more than CHQ_AUDIO_MAX_SAMPLES.
CHQ_API chq_status chq_pcm_decode(const uint8_t * file, size_t n_bytes, struct chq_pcm ** out);

// The same sound at another rate, by linear interpolation behind a low-pass filter. UNSUPPORTED as above.
CHQ_API chq_status chq_pcm_resample(const float * samples, int64_t n_samples, int32_t rate, int32_t new_rate, struct chq_pcm ** out);
CHQ_API chq_status chq_pcm_free(struct chq_pcm * pcm); // NULL is ignored

// The samples are valid as long as the object.
CHQ_API chq_status chq_pcm_get(const struct chq_pcm * pcm, const float ** samples, int64_t * n_samples, int32_t * rate);

// Prepares a sound of one channel at the rate of chq_vision_info. It is read, encoded and freed as an image is, without a grid. CHQ_STATUS_UNSUPPORTED if the
// projector does not hear, or not sounds of that length: less than a tenth of a second, or more than its encoder can look at as a whole.
CHQ_API chq_status chq_audio_create(struct chq_vision * vision, const float * samples, int64_t n_samples, struct chq_image ** out);

#ifdef __cplusplus
}
#endif
