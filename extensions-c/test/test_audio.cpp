// Sound: rows and logits against libmtmd's own way, decoding against samples that are known, what is refused, and files that are damaged.
#include "check.h"
#include "libmtmd.h"
#include "tiny_gguf.h"

#include "mtmd.h"
#include "mtmd-helper.h"

#include <cmath>
#include <cstring>
#include <fstream>
#include <random>

namespace {

constexpr int32_t RATE = 16000;

const char * const TYPES[] = { "gemma4ua", "qwen2a" };

std::vector<float> tone(int32_t n_samples, double pitch, int32_t rate = RATE) {
    std::vector<float> samples((size_t) n_samples);
    for (int32_t i = 0; i < n_samples; ++i) {
        samples[(size_t) i] = (float) std::round(16000 * std::sin(2 * M_PI * pitch * i / rate)) / 32768;
    }
    return samples;
}

void put(std::vector<uint8_t> & out, uint32_t value, int n_bytes) {
    for (int i = 0; i < n_bytes; ++i) {
        out.push_back((uint8_t) (value >> (8 * i)));
    }
}

// format: 1 = 16-bit integers, 3 = floats
std::vector<uint8_t> wav(const std::vector<float> & samples, int32_t rate = RATE, uint32_t n_channels = 1, uint32_t format = 1) {
    const uint32_t width = format == 1 ? 2 : 4;
    const uint32_t n_data = (uint32_t) samples.size() * width;
    std::vector<uint8_t> out = { 'R', 'I', 'F', 'F' };
    put(out, 36 + n_data, 4);
    for (char c : std::string("WAVEfmt ")) {
        out.push_back((uint8_t) c);
    }
    put(out, 16, 4);
    put(out, format, 2);
    put(out, n_channels, 2);
    put(out, (uint32_t) rate, 4);
    put(out, (uint32_t) rate * n_channels * width, 4);
    put(out, n_channels * width, 2);
    put(out, 8 * width, 2);
    for (char c : std::string("data")) {
        out.push_back((uint8_t) c);
    }
    put(out, n_data, 4);
    for (float sample : samples) {
        if (format == 1) {
            put(out, (uint32_t) (int32_t) std::lround(sample * 32768), 2);
        } else {
            uint32_t bits;
            memcpy(&bits, &sample, 4);
            put(out, bits, 4);
        }
    }
    return out;
}

// Frames of 128 kbit/s and 44,100 samples a second; zeros are silence, other bytes are whatever they are.
std::vector<uint8_t> mp3(int32_t n_frames, bool noise) {
    std::mt19937 random(9);
    std::vector<uint8_t> out;
    for (int32_t i = 0; i < n_frames; ++i) {
        const size_t begin = out.size();
        out.insert(out.end(), { 0xff, 0xfb, 0x90, 0x00 });
        out.resize(begin + 417);
        for (size_t k = begin + 4; noise && k < out.size(); ++k) {
            out[k] = (uint8_t) random();
        }
    }
    return out;
}

std::vector<float> samples_of(chq_pcm * pcm, int32_t * rate = nullptr) {
    const float * samples = nullptr;
    int64_t n = 0;
    int32_t r = 0;
    CHECK_OK(chq_pcm_get(pcm, &samples, &n, &r));
    if (rate) {
        *rate = r;
    }
    std::vector<float> copy(samples, samples + n);
    CHECK_STATUS(chq_pcm_free(pcm), CHQ_STATUS_OK);
    return copy;
}

std::vector<float> decoded(const std::vector<uint8_t> & file, int32_t * rate = nullptr) {
    chq_pcm * pcm = nullptr;
    CHECK_OK(chq_pcm_decode(file.data(), file.size(), &pcm));
    return samples_of(pcm, rate);
}

std::vector<float> resampled(const std::vector<float> & samples, int32_t rate, int32_t new_rate) {
    chq_pcm * pcm = nullptr;
    CHECK_OK(chq_pcm_resample(samples.data(), (int64_t) samples.size(), rate, new_rate, &pcm));
    return samples_of(pcm);
}

struct pair_of {
    std::string path = temporary_path("mmproj.gguf");
    tiny_model  model;
    chq_vision * vision = nullptr;

    static tiny_options options(bool grid) {
        tiny_options o;
        o.bpe      = true;
        o.controls = projector_controls();
        o.arch     = grid ? "qwen2vl" : "llama";
        return o;
    }

    explicit pair_of(const std::string & type, bool grid = false) : model(options(grid)) {
        write_tiny_audio_projector(path, type);
        chq_vision_params params = {};
        params.n_threads = 1;
        CHECK_OK(chq_vision_load(model.model, path.c_str(), &params, &vision));
    }

    ~pair_of() {
        CHECK_STATUS(chq_vision_free(vision), CHQ_STATUS_OK);
    }

    chq_status create(const std::vector<float> & samples, chq_image ** out) const { return chq_audio_create(vision, samples.data(), (int64_t) samples.size(), out); }
};

std::vector<float> ours(const pair_of & pair, const std::vector<float> & samples, chq_context * context) {
    chq_image * sound = nullptr;
    CHECK_OK(pair.create(samples, &sound));
    int32_t n_chunks = 0;
    CHECK_OK(chq_image_n_chunks(sound, &n_chunks));
    CHECK_OK(chq_decode(context, 0, BEFORE, 4, CHQ_OUTPUT_NONE, nullptr));
    for (int32_t i = 0; i < n_chunks; ++i) {
        chq_image_chunk c;
        CHECK_OK(chq_image_get_chunk(sound, i, &c));
        if (c.is_text) {
            CHECK_OK(chq_decode(context, 0, c.tokens, c.n_tokens, CHQ_OUTPUT_NONE, nullptr));
            continue;
        }
        CHECK_EQ(c.width, 0);
        CHECK_EQ(c.n_positions, c.n_tokens);
        std::vector<float> rows((size_t) c.n_tokens * 64);
        CHECK_OK(chq_image_encode(sound, i, rows.data(), (int64_t) rows.size(), nullptr));
        CHECK_OK(chq_decode_embeddings(context, 0, rows.data(), nullptr, c.n_tokens, c.n_tokens, c.causal, CHQ_OUTPUT_NONE));
    }
    CHECK_STATUS(chq_image_free(sound), CHQ_STATUS_OK);
    CHECK_OK(chq_decode(context, 0, AFTER, 5, CHQ_OUTPUT_LAST, nullptr));
    return logits(context);
}

std::vector<float> theirs(const pair_of & pair, const std::vector<uint8_t> & file, chq_context * context) {
    return logits_of_libmtmd(pair.path, pair.model, context, [&](mtmd_context * mtmd) {
        return mtmd_helper_bitmap_init_from_buf(mtmd, file.data(), file.size(), false, mtmd_helper_init_opt_default()).bitmap;
    });
}

void more_room(llama_context_params & params) {
    params.n_ctx   = 2048;
    params.n_batch = 2048;
}

} // namespace

TEST(as_libmtmd_does_it) {
    for (const char * type : TYPES) {
        for (bool grid : { false, true }) {
            pair_of pair(type, grid);
            for (int32_t n : { 1600, 20000, 31 * RATE }) {
                const std::vector<uint8_t> file = wav(tone(n, 440));
                tiny_context a(pair.model, more_room);
                tiny_context b(pair.model, more_room);
                const std::vector<float> mine = ours(pair, decoded(file), a.context);
                CHECK(mine == theirs(pair, file, b.context));
            }
        }
    }
}

TEST(rows_grow_with_the_sound) {
    pair_of frames("gemma4ua");
    pair_of windows("qwen2a");
    chq_vision_info info;
    CHECK_OK(chq_vision_get_info(frames.vision, &info));
    CHECK(info.sound);
    CHECK(!info.images);
    CHECK(!info.attention);
    CHECK_EQ(info.audio_rate, RATE);
    for (int32_t n : { 1600, 1601, 6400, 100000, 480000, 500000 }) {
        int32_t n_rows[2] = {};
        const pair_of * pairs[] = { &frames, &windows };
        for (int p = 0; p < 2; ++p) {
            chq_image * sound = nullptr;
            CHECK_OK(pairs[p]->create(tone(n, 300), &sound));
            int32_t n_chunks = 0;
            CHECK_OK(chq_image_n_chunks(sound, &n_chunks));
            for (int32_t i = 0; i < n_chunks; ++i) {
                chq_image_chunk c;
                CHECK_OK(chq_image_get_chunk(sound, i, &c));
                n_rows[p] += c.is_text ? 0 : c.n_tokens;
            }
            CHECK_STATUS(chq_image_free(sound), CHQ_STATUS_OK);
        }
        CHECK_EQ(n_rows[0], (n + 639) / 640);                        // 40 ms a row
        CHECK_EQ(n_rows[1], 750 * ((n + 30 * RATE) / (30 * RATE)));  // windows of 30 s, silence at the end
    }
}

// A row of gemma4ua is a matrix times 40 ms, scaled to a mean square of one.
TEST(rows_by_the_book) {
    pair_of pair("gemma4ua");
    const std::vector<float> samples = tone(2000, 523);
    chq_image * sound = nullptr;
    CHECK_OK(pair.create(samples, &sound));
    std::vector<float> rows(4 * 64);
    CHECK_OK(chq_image_encode(sound, 1, rows.data(), 4 * 64, nullptr));
    std::vector<chq_position> positions(4);
    CHECK_OK(chq_image_positions(sound, 1, positions.data(), 4));
    ggml_context * ggml = nullptr;
    gguf_context * gguf = gguf_init_from_file(pair.path.c_str(), { false, &ggml });
    const float * w = (const float *) ggml_get_tensor(ggml, "mm.a.input_projection.weight")->data;
    for (int32_t r = 0; r < 4; ++r) {
        CHECK(positions[r].t == r && positions[r].y == r && positions[r].x == r);
        double square = 0;
        std::vector<double> frame(640);
        for (int32_t i = 0; i < 640; ++i) {
            frame[i] = r * 640 + i < 2000 ? samples[r * 640 + i] : 0;
            square += frame[i] * frame[i] / 640;
        }
        for (int32_t o = 0; o < 64; ++o) {
            double sum = 0;
            for (int32_t i = 0; i < 640; ++i) {
                sum += w[o * 640 + i] * frame[i] / std::sqrt(square + 1e-6);
            }
            CHECK(std::fabs(sum - rows[r * 64 + o]) < 1e-3);
        }
    }
    gguf_free(gguf);
    ggml_free(ggml);
    CHECK_STATUS(chq_image_encode(sound, 1, rows.data(), 4 * 64 - 1, nullptr), CHQ_STATUS_BUFFER);
    CHECK_STATUS(chq_image_encode(sound, 0, rows.data(), 4 * 64, nullptr), CHQ_STATUS_ARGUMENT); // a token
    CHECK_STATUS(chq_vision_free(pair.vision), CHQ_STATUS_STATE);
    CHECK_STATUS(chq_image_free(sound), CHQ_STATUS_OK);
}

TEST(decodes) {
    const std::vector<float> samples = tone(5000, 440, 44100);
    int32_t rate = 0;
    CHECK(decoded(wav(samples, 44100), &rate) == samples);
    CHECK_EQ(rate, 44100);
    CHECK(decoded(wav(samples, 44100, 1, 3)) == samples);
    std::vector<float> both;
    for (float sample : samples) {
        both.insert(both.end(), { sample, sample });
    }
    CHECK(decoded(wav(both, 44100, 2)) == samples);
    const std::vector<float> silence = decoded(mp3(20, false), &rate);
    CHECK_EQ(rate, 44100);
    CHECK(silence.size() >= 18 * 1152 && silence.size() <= 20 * 1152);
    for (float sample : silence) {
        CHECK_EQ(sample, 0.0f);
    }
}

TEST(resamples) {
    const std::vector<float> samples = tone(44100, 440, 44100);
    CHECK(resampled(samples, 44100, 44100) == samples);
    for (int32_t rate : { 16000, 48000 }) {
        const std::vector<float> other = resampled(samples, 44100, rate);
        CHECK(std::llabs((int64_t) other.size() - rate) < 20);
        // the same pitch: as many changes of sign
        int32_t n_changes = 0;
        for (size_t i = 1; i < other.size(); ++i) {
            n_changes += (other[i] >= 0) != (other[i - 1] >= 0);
        }
        CHECK(std::abs(n_changes - 880) <= 3);
    }
    chq_pcm * pcm = nullptr;
    CHECK_STATUS(chq_pcm_resample(samples.data(), 0, 44100, RATE, &pcm), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_pcm_resample(samples.data(), 100, 0, RATE, &pcm), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_pcm_resample(samples.data(), 100, 44100, 1 << 30, &pcm), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_pcm_resample(samples.data(), INT64_MAX, 44100, RATE, &pcm), CHQ_STATUS_UNSUPPORTED);
    const std::vector<float> slow((size_t) 1 << 20);
    CHECK_STATUS(chq_pcm_resample(slow.data(), (int64_t) slow.size(), 1000, 384000, &pcm), CHQ_STATUS_UNSUPPORTED); // 400 million samples
    CHECK(pcm == nullptr);
}

TEST(refuses) {
    pair_of pair("qwen2a");
    chq_image * sound = nullptr;
    std::vector<float> samples = tone(16000, 440);
    CHECK_STATUS(pair.create({}, &sound), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_audio_create(pair.vision, samples.data(), 0, &sound), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_audio_create(pair.vision, samples.data(), -1, &sound), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_audio_create(pair.vision, samples.data(), INT64_MAX, &sound), CHQ_STATUS_UNSUPPORTED);
    CHECK_STATUS(chq_audio_create(pair.vision, samples.data(), 1599, &sound), CHQ_STATUS_UNSUPPORTED);
    for (float bad : { NAN, INFINITY, -INFINITY, 1e7f }) {
        samples[1234] = bad;
        CHECK_STATUS(pair.create(samples, &sound), CHQ_STATUS_ARGUMENT);
        CHECK(strstr(chq_last_error(), "1234") != nullptr);
        chq_pcm * pcm = nullptr;
        const std::vector<uint8_t> file = wav(samples, RATE, 1, 3);
        CHECK_STATUS(chq_pcm_decode(file.data(), file.size(), &pcm), CHQ_STATUS_LOAD);
    }
    const std::vector<uint8_t> rgb(64 * 64 * 3);
    CHECK_STATUS(chq_image_create(pair.vision, rgb.data(), 64, 64, &sound), CHQ_STATUS_UNSUPPORTED);
    CHECK(sound == nullptr);
    CHECK_STATUS(chq_audio_create(nullptr, samples.data(), 1600, &sound), CHQ_STATUS_ARGUMENT);

    const std::string path = temporary_path("sees.gguf");
    write_tiny_projector(path, "janus_pro");
    chq_vision * sees = nullptr;
    CHECK_OK(chq_vision_load(pair.model.model, path.c_str(), nullptr, &sees));
    const std::vector<float> fine = tone(16000, 440);
    CHECK_STATUS(chq_audio_create(sees, fine.data(), 16000, &sound), CHQ_STATUS_UNSUPPORTED);
    CHECK(strstr(chq_last_error(), "no sound") != nullptr);
    CHECK_STATUS(chq_vision_free(sees), CHQ_STATUS_OK);
}

// A header may claim any length; what is not there is not allocated.
TEST(claims) {
    std::vector<uint8_t> file = wav(tone(2000, 440));
    for (size_t at : { 4, 40 }) {
        for (uint32_t claim : { 0xffffffffu, 0x7fffffffu, 1u << 30 }) {
            for (int i = 0; i < 4; ++i) {
                file[at + i] = (uint8_t) (claim >> (8 * i));
            }
            CHECK_EQ((int) decoded(file).size(), 2000);
        }
    }
    chq_pcm * pcm = nullptr;
    const std::vector<uint8_t> narrow = wav(std::vector<float>(2000), 100);
    CHECK_STATUS(chq_pcm_decode(narrow.data(), narrow.size(), &pcm), CHQ_STATUS_LOAD);
    CHECK_STATUS(chq_pcm_decode(file.data(), 0, &pcm), CHQ_STATUS_LOAD);
    CHECK_STATUS(chq_pcm_decode(file.data(), 44, &pcm), CHQ_STATUS_LOAD);
    CHECK_STATUS(chq_pcm_decode(nullptr, 10, &pcm), CHQ_STATUS_ARGUMENT);
    const std::vector<uint8_t> text = { 'h', 'e', 'l', 'l', 'o' };
    CHECK_STATUS(chq_pcm_decode(text.data(), text.size(), &pcm), CHQ_STATUS_LOAD);
    CHECK(pcm == nullptr);
}

// Sony's Wave64 has chunks of 64-bit length; jumping over this one in steps of 2 GiB would take hours.
TEST(jumps_beyond_the_end) {
    const uint8_t riff[16] = { 'r', 'i', 'f', 'f', 0x2e, 0x91, 0xcf, 0x11, 0xa5, 0xd6, 0x28, 0xdb, 0x04, 0xc1, 0x00, 0x00 };
    const uint8_t wave[16] = { 'w', 'a', 'v', 'e', 0xf3, 0xac, 0xd3, 0x11, 0x8c, 0xd1, 0x00, 0xc0, 0x4f, 0x8e, 0xdb, 0x8a };
    std::vector<uint8_t> file(riff, riff + 16);
    put(file, 0, 4);
    put(file, 1u << 30, 4);
    file.insert(file.end(), wave, wave + 16);
    file.insert(file.end(), wave, wave + 16); // a chunk of no known kind
    put(file, 0, 4);
    put(file, 1u << 30, 4);
    file.resize(file.size() + 1000);
    chq_pcm * pcm = nullptr;
    CHECK_STATUS(chq_pcm_decode(file.data(), file.size(), &pcm), CHQ_STATUS_LOAD);
}

TEST(damaged_files) {
    std::mt19937 random(17);
    const std::vector<std::vector<uint8_t>> good = { wav(tone(3000, 440)), wav(tone(3000, 440), 44100, 2, 3), mp3(8, false), mp3(8, true) };
    for (int i = 0; i < 3000; ++i) {
        std::vector<uint8_t> file = good[random() % good.size()];
        const uint32_t n_flips = random() % 20;
        for (uint32_t k = 0; k < n_flips; ++k) {
            file[random() % (k % 2 ? file.size() : 64)] ^= (uint8_t) (1u << random() % 8);
        }
        if (random() % 3 == 0) {
            file.resize(random() % file.size());
        }
        chq_pcm * pcm = nullptr;
        const chq_status status = chq_pcm_decode(file.data(), file.size(), &pcm);
        CHECK(status == CHQ_STATUS_OK || status == CHQ_STATUS_LOAD);
        CHECK((status == CHQ_STATUS_OK) == (pcm != nullptr));
        CHECK_STATUS(chq_pcm_free(pcm), CHQ_STATUS_OK);
    }
}

namespace {

std::string content(const std::string & path) {
    std::ifstream in(path, std::ios::binary);
    return std::string((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
}

// Whether a projector of these bytes can be loaded, and encodes.
bool encodes(const tiny_model & model, const std::string & path, const std::string & bytes) {
    std::ofstream(path, std::ios::binary) << bytes;
    chq_vision * vision = nullptr;
    if (chq_vision_load(model.model, path.c_str(), nullptr, &vision) != CHQ_STATUS_OK) {
        return false;
    }
    bool done = false;
    chq_image * sound = nullptr;
    const std::vector<float> samples = tone(3200, 440);
    if (chq_audio_create(vision, samples.data(), (int64_t) samples.size(), &sound) == CHQ_STATUS_OK) {
        int32_t n = 0;
        CHECK_OK(chq_image_n_chunks(sound, &n));
        for (int32_t i = 0; i < n; ++i) {
            chq_image_chunk c;
            if (chq_image_get_chunk(sound, i, &c) != CHQ_STATUS_OK) {
                break; // ggml gave up on the chunk before
            }
            std::vector<float> rows((size_t) c.n_tokens * 64);
            done |= !c.is_text && chq_image_encode(sound, i, rows.data(), (int64_t) rows.size(), nullptr) == CHQ_STATUS_OK;
        }
        CHECK_OK(chq_image_free(sound));
    }
    CHECK_OK(chq_vision_free(vision));
    return done;
}

} // namespace

// Bytes of the header and the metadata changed at random: refused, or usable.
TEST(damaged_projectors) {
    tiny_model model(pair_of::options(false));
    int n_usable = 0;
    for (const char * type : TYPES) {
        const std::string path = temporary_path("damaged.gguf");
        write_tiny_audio_projector(path, type);
        const std::string good = content(path);
        CHECK(encodes(model, path, good));
        std::mt19937 random(11);
        for (int round = 0; round < 100; ++round) {
            std::string bad = good;
            if (round % 4 == 3) {
                bad.resize(random() % bad.size());
            }
            for (unsigned n = 1 + random() % 3; n > 0 && !bad.empty(); --n) {
                bad[random() % std::min<size_t>(bad.size(), 3000)] ^= (char) (1u << random() % 8);
            }
            n_usable += encodes(model, path, bad);
        }
    }
    CHECK(n_usable > 20);
}

TEST(projectors_that_lack_a_tensor) {
    tiny_model model(pair_of::options(false));
    const std::string path = temporary_path("lacking.gguf");
    write_tiny_audio_projector(path, "qwen2a");
    const std::string good = content(path);
    for (const char * name : { "a.position_embd.weight", "a.blk.0.ln1.weight", "a.blk.0.ln2.bias", "a.blk.0.attn_q.bias", "a.blk.0.attn_v.bias", "a.blk.0.attn_k.weight",
             "a.blk.0.ffn_up.weight", "a.conv1d.1.weight", "a.conv1d.2.bias", "mm.a.fc.weight" }) {
        std::string bad = good;
        const size_t at = bad.find(name);
        CHECK(at != std::string::npos);
        bad[at] = 'x';
        CHECK(!encodes(model, path, bad));
    }
}

// ggml adds no vectors of 16 bits to numbers of 32, and says so by ending the process.
TEST(projectors_with_vectors_of_half_precision) {
    tiny_model model(pair_of::options(false));
    const std::string path = temporary_path("half.gguf");
    write_tiny_audio_projector(path, "qwen2a");
    std::string bad = content(path);
    const std::string name = "mm.a.fc.bias"; // the last one, so that its size can change
    const size_t type = bad.find(name) + name.size() + sizeof(uint32_t) + sizeof(int64_t);
    CHECK_EQ((int) bad[type], (int) GGML_TYPE_F32);
    bad[type] = (char) GGML_TYPE_F16;
    CHECK(!encodes(model, path, bad));
}

TEST(projectors_of_unknown_needs) {
    tiny_model model(pair_of::options(false));
    const std::string path = temporary_path("unknown.gguf");
    write_tiny_audio_projector(path, "qwen2a");
    std::string other = content(path);
    other.replace(other.find("qwen2a"), 6, "qwen3a");
    CHECK(!encodes(model, path, other));
    CHECK(strstr(chq_last_error(), "type 'qwen3a' is not supported"));
}

MAIN
