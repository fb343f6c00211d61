// Sound through libmtmd.
#include "chasqui_audio.h"

#include "audio/samples.h"
#include "vision/vision.h"

namespace chq {

namespace {

// Preprocessors take two frames for granted, which are less than a tenth of a second.
constexpr int64_t MIN_PARTS_OF_SECOND = 10;

} // namespace

} // namespace chq

using namespace chq;

chq_status chq_audio_create(struct chq_vision * vision, const float * samples, int64_t n_samples, struct chq_image ** out) {
    return guarded({ vision }, [&] {
        check_vision(vision);
        check_pointer(samples, "samples");
        check_pointer(out, "out");
        check_n_samples(n_samples);
        const int64_t no_sample = find_no_sample(samples, n_samples);
        if (no_sample < n_samples) {
            fail(CHQ_STATUS_ARGUMENT, "number %lld is %g, which is no sample", (long long) no_sample, (double) samples[no_sample]);
        }
        const int32_t rate = mtmd_get_audio_sample_rate(vision->mtmd.get());
        if (rate <= 0) {
            fail(CHQ_STATUS_UNSUPPORTED, "the projector takes no sound");
        }
        if (n_samples * MIN_PARTS_OF_SECOND < rate) {
            fail(CHQ_STATUS_UNSUPPORTED, "%lld samples are less than a tenth of a second", (long long) n_samples);
        }
        const mtmd::bitmap bitmap(mtmd_bitmap_init_from_audio((size_t) n_samples, samples));
        *out = prepare(vision, bitmap.ptr.get(), "a sound of " + std::to_string(n_samples) + " samples");
        return CHQ_STATUS_OK;
    });
}
