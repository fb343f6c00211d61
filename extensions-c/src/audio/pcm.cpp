// Files of sound to samples, by miniaudio, which llama.cpp brings along. libmtmd's helper uses it too, but trusts the length that a file claims.
#include "chasqui_audio.h"

#include "audio/samples.h"
#include "guard/guard.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

// A file must not end the process, so what miniaudio takes for granted is an exception here.
#define MA_ASSERT(condition) \
    do { \
        if (!(condition)) { \
            chq::fail(CHQ_STATUS_LOAD, "the file is damaged: %s", #condition); \
        } \
    } while (0)
#define MA_DR_WAV_ASSERT  MA_ASSERT
#define MA_DR_FLAC_ASSERT MA_ASSERT
#define MA_DR_MP3_ASSERT  MA_ASSERT
#define MINIAUDIO_IMPLEMENTATION
#define MA_API static
#define MA_NO_DEVICE_IO
#define MA_NO_ENCODING
#define MA_NO_ENGINE
#define MA_NO_GENERATION
#define MA_NO_NODE_GRAPH
#define MA_NO_RESOURCE_MANAGER
#define MA_NO_THREADING
#include "miniaudio/miniaudio.h"

namespace {

constexpr uint32_t KIND_PCM    = 0x4d435051; // "QPCM"
constexpr size_t   BLOCK       = 1 << 14;    // samples at a time
constexpr size_t   MAX_ALLOC   = 1 << 24;    // bytes; a decoder needs less for its largest block
constexpr float    MAX_SAMPLE  = 1e6f;

} // namespace

struct chq_pcm : chq::handle {
    chq_pcm() : handle(KIND_PCM) {}

    std::vector<float> samples;
    int32_t            rate = 0;
};

namespace chq {

void check_n_samples(int64_t n_samples) {
    if (n_samples < 1) {
        fail(CHQ_STATUS_ARGUMENT, "there are no samples");
    }
    if (n_samples > CHQ_AUDIO_MAX_SAMPLES) {
        fail(CHQ_STATUS_UNSUPPORTED, "%lld samples are more than %d", (long long) n_samples, CHQ_AUDIO_MAX_SAMPLES);
    }
}

int64_t find_no_sample(const float * samples, int64_t n_samples) {
    for (int64_t i = 0; i < n_samples; ++i) {
        if (!(std::fabs(samples[i]) <= MAX_SAMPLE)) {
            return i;
        }
    }
    return n_samples;
}

namespace {

void check_pcm(const chq_pcm * pcm) {
    check_handle(pcm, KIND_PCM, "pcm");
}

void check_rate(int64_t rate, chq_status status) {
    if (rate < CHQ_AUDIO_MIN_RATE || rate > CHQ_AUDIO_MAX_RATE) {
        fail(status, "a rate of %lld samples a second is not in %d..%d", (long long) rate, CHQ_AUDIO_MIN_RATE, CHQ_AUDIO_MAX_RATE);
    }
}

// A file in memory, as a file system of that file alone. miniaudio's own takes a jump beyond the end for one to the end, so that a header can have it jump for
// hours; here that fails, and so does whatever asks more often than a file of that size has bytes.
struct bounded_file {
    ma_vfs_callbacks callbacks = {}; // where miniaudio expects them
    const uint8_t  * bytes;
    size_t           n_bytes;
    size_t           at      = 0;
    uint64_t         n_calls = 0;

    bounded_file(const uint8_t * bytes, size_t n_bytes) : bytes(bytes), n_bytes(n_bytes) {
        callbacks.onOpen = [](ma_vfs * self, const char *, ma_uint32, ma_vfs_file * file) {
            *file = self;
            return MA_SUCCESS;
        };
        callbacks.onClose = [](ma_vfs *, ma_vfs_file) { return MA_SUCCESS; };
        callbacks.onRead  = [](ma_vfs * self, ma_vfs_file, void * out, size_t n, size_t * n_read) { return ((bounded_file *) self)->read(out, n, n_read); };
        callbacks.onSeek  = [](ma_vfs * self, ma_vfs_file, ma_int64 offset, ma_seek_origin origin) { return ((bounded_file *) self)->seek(offset, origin); };
        callbacks.onTell  = [](ma_vfs * self, ma_vfs_file, ma_int64 * position) {
            *position = (ma_int64) ((bounded_file *) self)->at;
            return MA_SUCCESS;
        };
    }

    bool may_go_on() { return ++n_calls <= 2 * (uint64_t) n_bytes + 1024; }

    ma_result read(void * out, size_t n, size_t * n_read) {
        *n_read = may_go_on() ? std::min(n, n_bytes - at) : 0;
        if (*n_read == 0) {
            return MA_AT_END;
        }
        memcpy(out, bytes + at, *n_read);
        at += *n_read;
        return MA_SUCCESS;
    }

    ma_result seek(ma_int64 offset, ma_seek_origin origin) {
        const int64_t from = origin == ma_seek_origin_start ? 0 : (int64_t) (origin == ma_seek_origin_current ? at : n_bytes);
        if (!may_go_on() || offset < -from || offset > (int64_t) n_bytes - from) {
            return MA_BAD_SEEK;
        }
        at = (size_t) (from + offset);
        return MA_SUCCESS;
    }
};

ma_allocation_callbacks bounded_memory() {
    ma_allocation_callbacks memory = {};
    memory.onMalloc  = [](size_t n, void *) -> void * { return n > MAX_ALLOC ? nullptr : malloc(n); };
    memory.onRealloc = [](void * p, size_t n, void *) -> void * { return n > MAX_ALLOC ? nullptr : realloc(p, n); };
    memory.onFree    = [](void * p, void *) { free(p); };
    return memory;
}

// Makes room for a block more; fails where the limit is.
float * grow(std::vector<float> & samples, size_t n_samples) {
    if (n_samples > CHQ_AUDIO_MAX_SAMPLES) {
        fail(CHQ_STATUS_UNSUPPORTED, "there are more than %d samples", CHQ_AUDIO_MAX_SAMPLES);
    }
    samples.resize(n_samples + BLOCK);
    return samples.data() + n_samples;
}

void read_all(ma_decoder * decoder, std::vector<float> & samples) {
    size_t n_samples = 0;
    for (;;) {
        float * room = grow(samples, n_samples);
        ma_uint64 n_read = 0;
        const ma_result result = ma_decoder_read_pcm_frames(decoder, room, BLOCK, &n_read);
        n_samples += (size_t) std::min<ma_uint64>(n_read, BLOCK);
        if (result != MA_SUCCESS || n_read == 0) {
            break;
        }
    }
    samples.resize(n_samples);
}

void resample(const float * samples, int64_t n_samples, ma_resampler * resampler, std::vector<float> & out) {
    size_t  n_out = 0;
    int64_t done  = 0;
    for (;;) {
        float * room = grow(out, n_out);
        ma_uint64 n_in  = (ma_uint64) std::min<int64_t>(n_samples - done, BLOCK);
        ma_uint64 n_got = BLOCK;
        if (ma_resampler_process_pcm_frames(resampler, samples + done, &n_in, room, &n_got) != MA_SUCCESS) {
            fail(CHQ_STATUS_INTERNAL, "miniaudio cannot resample");
        }
        done  += (int64_t) n_in;
        n_out += (size_t) n_got;
        if (n_in == 0 && n_got == 0) {
            break;
        }
    }
    out.resize(n_out);
}

} // namespace

} // namespace chq

using namespace chq;

chq_status chq_pcm_decode(const uint8_t * file, size_t n_bytes, struct chq_pcm ** out) {
    return guarded([&] {
        check_pointer(file, "file");
        check_pointer(out, "out");
        ma_decoder_config config = ma_decoder_config_init(ma_format_f32, 1, 0);
        config.allocationCallbacks = bounded_memory();
        bounded_file input(file, n_bytes);
        ma_decoder decoder;
        if (n_bytes > INT64_MAX || ma_decoder_init_vfs(&input, "sound", &config, &decoder) != MA_SUCCESS) {
            fail(CHQ_STATUS_LOAD, "this is no WAV, FLAC or MP3 that can be read");
        }
        const std::unique_ptr<ma_decoder, ma_result (*)(ma_decoder *)> closes(&decoder, ma_decoder_uninit);
        check_rate(decoder.outputSampleRate, CHQ_STATUS_LOAD);
        auto pcm = std::make_unique<chq_pcm>();
        pcm->rate = (int32_t) decoder.outputSampleRate;
        read_all(&decoder, pcm->samples);
        if (pcm->samples.empty()) {
            fail(CHQ_STATUS_LOAD, "there are no samples that can be read");
        }
        const int64_t n = (int64_t) pcm->samples.size();
        const int64_t i = find_no_sample(pcm->samples.data(), n);
        if (i < n) {
            fail(CHQ_STATUS_LOAD, "number %lld is %g, which is no sample", (long long) i, (double) pcm->samples[i]);
        }
        *out = pcm.release();
        return CHQ_STATUS_OK;
    });
}

chq_status chq_pcm_resample(const float * samples, int64_t n_samples, int32_t rate, int32_t new_rate, struct chq_pcm ** out) {
    return guarded([&] {
        check_pointer(samples, "samples");
        check_pointer(out, "out");
        check_n_samples(n_samples);
        check_rate(rate, CHQ_STATUS_ARGUMENT);
        check_rate(new_rate, CHQ_STATUS_ARGUMENT);
        auto pcm = std::make_unique<chq_pcm>();
        pcm->rate = new_rate;
        if (rate == new_rate) {
            pcm->samples.assign(samples, samples + n_samples);
        } else {
            const ma_resampler_config config = ma_resampler_config_init(ma_format_f32, 1, (ma_uint32) rate, (ma_uint32) new_rate, ma_resample_algorithm_linear);
            ma_resampler resampler;
            if (ma_resampler_init(&config, nullptr, &resampler) != MA_SUCCESS) {
                fail(CHQ_STATUS_INTERNAL, "miniaudio has no resampler from %d to %d samples a second", rate, new_rate);
            }
            const std::unique_ptr<ma_resampler, void (*)(ma_resampler *)> closes(&resampler, [](ma_resampler * r) { ma_resampler_uninit(r, nullptr); });
            resample(samples, n_samples, &resampler, pcm->samples);
            for (float & sample : pcm->samples) { // filters overshoot
                sample = std::clamp(sample, -MAX_SAMPLE, MAX_SAMPLE);
            }
        }
        *out = pcm.release();
        return CHQ_STATUS_OK;
    });
}

chq_status chq_pcm_free(struct chq_pcm * pcm) {
    return guarded([&] {
        if (pcm) {
            check_pcm(pcm);
            pcm->kind = KIND_FREED;
            delete pcm;
        }
        return CHQ_STATUS_OK;
    });
}

chq_status chq_pcm_get(const struct chq_pcm * pcm, const float ** samples, int64_t * n_samples, int32_t * rate) {
    return guarded([&] {
        check_pcm(pcm);
        check_pointer(samples, "samples");
        check_pointer(n_samples, "n_samples");
        check_pointer(rate, "rate");
        *samples   = pcm->samples.data();
        *n_samples = (int64_t) pcm->samples.size();
        *rate      = pcm->rate;
        return CHQ_STATUS_OK;
    });
}
