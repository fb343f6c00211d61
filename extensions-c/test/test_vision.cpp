// Images: what a sequence of ours computes against libmtmd's own way, for projectors that place their rows in different ways; what is refused.
#include "check.h"
#include "libmtmd.h"
#include "tiny_gguf.h"
#include "tiny_weights.h"

#include "mtmd.h"

#include <cmath>
#include <cstring>
#include <fstream>
#include <random>

namespace {

std::vector<uint8_t> some_image(int32_t width, int32_t height, uint32_t seed = 3) {
    std::mt19937 random(seed);
    std::vector<uint8_t> rgb((size_t) width * height * 3);
    for (uint8_t & byte : rgb) {
        byte = (uint8_t) random();
    }
    return rgb;
}

struct pair_of {
    std::string type;
    std::string path = temporary_path("mmproj.gguf");
    tiny_model  model;
    chq_vision * vision = nullptr;

    static tiny_options options(const std::string & type) {
        tiny_options o;
        o.bpe      = true;
        o.controls = projector_controls();
        o.arch     = type == "qwen2vl_merger" ? "qwen2vl" : "llama";
        return o;
    }

    explicit pair_of(const std::string & type, bool attention = false) : type(type), model(options(type)) {
        write_tiny_projector(path, type);
        chq_vision_params params = {};
        params.n_threads = 1;
        params.attention = attention;
        CHECK_OK(chq_vision_load(model.model, path.c_str(), &params, &vision));
    }

    ~pair_of() {
        CHECK_STATUS(chq_vision_free(vision), CHQ_STATUS_OK);
    }
};

struct image_of {
    chq_image * image = nullptr;
    image_of(const pair_of & pair, int32_t width, int32_t height) {
        CHECK_OK(chq_image_create(pair.vision, some_image(width, height).data(), width, height, &image));
    }
    ~image_of() {
        CHECK_STATUS(chq_image_free(image), CHQ_STATUS_OK);
    }
    int32_t n_chunks() const {
        int32_t n = 0;
        CHECK_OK(chq_image_n_chunks(image, &n));
        return n;
    }
    chq_image_chunk chunk(int32_t i) const {
        chq_image_chunk c;
        CHECK_OK(chq_image_get_chunk(image, i, &c));
        return c;
    }
};

// Appends chunk i; kept: which of its rows, NULL = all.
void append(const pair_of & pair, const image_of & image, int32_t i, chq_context * context, const std::vector<int32_t> * kept = nullptr) {
    const chq_image_chunk c = image.chunk(i);
    if (c.is_text) {
        CHECK_OK(chq_decode(context, 0, c.tokens, c.n_tokens, CHQ_OUTPUT_NONE, nullptr));
        return;
    }
    chq_vision_info info;
    CHECK_OK(chq_vision_get_info(pair.vision, &info));
    std::vector<float> rows((size_t) c.n_tokens * info.n_embd);
    CHECK_OK(chq_image_encode(image.image, i, rows.data(), (int64_t) rows.size(), nullptr));
    std::vector<chq_position> positions((size_t) c.n_tokens);
    CHECK_OK(chq_image_positions(image.image, i, positions.data(), c.n_tokens));
    int32_t n = c.n_tokens;
    if (kept) {
        for (size_t k = 0; k < kept->size(); ++k) {
            std::copy_n(rows.begin() + (*kept)[k] * info.n_embd, info.n_embd, rows.begin() + k * info.n_embd);
            positions[k] = positions[(*kept)[k]];
        }
        n = (int32_t) kept->size();
    }
    CHECK_OK(chq_decode_embeddings(context, 0, rows.data(), info.grid ? positions.data() : nullptr, n, info.grid ? c.n_positions : n, c.causal, CHQ_OUTPUT_NONE));
}

std::vector<float> ours(const pair_of & pair, const image_of & image, chq_context * context) {
    CHECK_OK(chq_decode(context, 0, BEFORE, 4, CHQ_OUTPUT_NONE, nullptr));
    for (int32_t i = 0; i < image.n_chunks(); ++i) {
        append(pair, image, i, context);
    }
    CHECK_OK(chq_decode(context, 0, AFTER, 5, CHQ_OUTPUT_LAST, nullptr));
    return logits(context);
}

std::vector<float> theirs(const pair_of & pair, int32_t width, int32_t height, chq_context * context) {
    return logits_of_libmtmd(pair.path, pair.model, context, [&](mtmd_context *) { return mtmd_bitmap_init((uint32_t) width, (uint32_t) height, some_image(width, height).data()); });
}

double difference(const std::vector<float> & a, const std::vector<float> & b) {
    double most = 0;
    for (size_t i = 0; i < a.size(); ++i) {
        most = std::max(most, (double) std::fabs(a[i] - b[i]));
    }
    return most;
}

const char * const TYPES[] = { "janus_pro", "mlp", "gemma3", "idefics3", "pixtral", "qwen2vl_merger" };

} // namespace

TEST(as_libmtmd_does_it) {
    for (const char * type : TYPES) {
        pair_of pair(type);
        const int32_t sizes[][2] = { { 64, 64 }, { 100, 60 }, { 128, 128 } };
        for (const auto & size : sizes) {
            image_of image(pair, size[0], size[1]);
            tiny_context a(pair.model);
            tiny_context b(pair.model);
            const double d = difference(ours(pair, image, a.context), theirs(pair, size[0], size[1], b.context));
            if (d != 0) {
                printf("%s %d x %d: %g\n", type, size[0], size[1], d);
            }
            CHECK_EQ(d, 0.0);
        }
    }
}

TEST(positions_and_chunks) {
    {
        pair_of pair("idefics3");
        image_of image(pair, 128, 128);
        int32_t n_rows = 0;
        for (int32_t i = 0; i < image.n_chunks(); ++i) {
            if (!image.chunk(i).is_text) {
                ++n_rows;
                CHECK_EQ(image.chunk(i).n_tokens, 16);
                CHECK_EQ(image.chunk(i).width, 4);
                CHECK_EQ(image.chunk(i).height, 4);
            }
        }
        CHECK_EQ(n_rows, 5); // four tiles and the whole
    }
    {
        pair_of pair("gemma3");
        image_of image(pair, 64, 64);
        bool causal = true;
        for (int32_t i = 0; i < image.n_chunks(); ++i) {
            causal &= image.chunk(i).causal;
        }
        CHECK(!causal);
    }
    {
        pair_of pair("qwen2vl_merger");
        image_of image(pair, 128, 96);
        const chq_image_chunk c = image.chunk(1);
        CHECK_EQ(c.width * c.height, c.n_tokens);
        CHECK_EQ(c.n_positions, std::max(c.width, c.height));
        std::vector<chq_position> p((size_t) c.n_tokens);
        CHECK_OK(chq_image_positions(image.image, 1, p.data(), c.n_tokens));
        CHECK_EQ(p.back().x, c.width - 1);
        CHECK_EQ(p.back().y, c.height - 1);
        CHECK_EQ(p.back().t, 0);
    }
}

// A row that is not there must not matter: the same as masking it away.
TEST(dropped_rows_keep_their_places) {
    pair_of pair("qwen2vl_merger");
    image_of image(pair, 128, 128);
    const chq_image_chunk c = image.chunk(1);
    std::vector<int32_t> kept;
    for (int32_t i = 0; i < c.n_tokens; i += 3) {
        kept.push_back(i);
    }
    tiny_context context(pair.model);
    CHECK_OK(chq_decode(context.context, 0, BEFORE, 4, CHQ_OUTPUT_NONE, nullptr));
    append(pair, image, 0, context.context);
    append(pair, image, 1, context.context, &kept);
    append(pair, image, 2, context.context);
    CHECK_OK(chq_decode(context.context, 0, AFTER, 5, CHQ_OUTPUT_LAST, nullptr));
    int32_t first = 0;
    int32_t last = 0;
    CHECK_OK(chq_seq_range(context.context, 0, &first, &last));
    CHECK_EQ(last, 4 + 1 + c.n_positions + 1 + 5 - 1);
    int32_t room = 0;
    CHECK_OK(chq_context_room(context.context, 0, &room));
    CHECK_EQ(room, 512 - (4 + 1 + (int32_t) kept.size() + 1 + 5));
}

TEST(a_part_is_one) {
    for (const char * type : { "janus_pro", "qwen2vl_merger" }) {
        pair_of pair(type);
        image_of image(pair, 64, 64);
        tiny_context context(pair.model, [](llama_context_params & p) { p.n_seq_max = 3; p.kv_unified = true; });
        const std::vector<float> before = ours(pair, image, context.context);
        int32_t at_image = 4;
        int32_t chunk = 0;
        if (image.chunk(0).is_text) {
            at_image += image.chunk(0).n_tokens;
            chunk = 1;
        }
        const int32_t n_positions = image.chunk(chunk).n_positions;
        CHECK_STATUS(chq_seq_remove(context.context, 0, at_image + 1, -1), CHQ_STATUS_UNSUPPORTED);
        CHECK_STATUS(chq_seq_remove(context.context, 0, 0, at_image + 1), CHQ_STATUS_UNSUPPORTED);
        size_t size = 0;
        // the rows have to be named among the tokens
        CHECK_STATUS(chq_seq_save(context.context, 0, BEFORE, 4, nullptr, 0, false, nullptr, 0, &size), CHQ_STATUS_ARGUMENT);
        // a copy continues as the original would
        CHECK_OK(chq_seq_copy(context.context, 0, 2));
        CHECK_OK(chq_decode(context.context, 0, AFTER, 5, CHQ_OUTPUT_LAST, nullptr));
        const std::vector<float> original = logits(context.context);
        CHECK_OK(chq_decode(context.context, 2, AFTER, 5, CHQ_OUTPUT_LAST, nullptr));
        CHECK(difference(original, logits(context.context)) < 1e-4);
        // removed up to the image and computed again
        CHECK_OK(chq_seq_remove(context.context, 0, at_image + n_positions, -1));
        for (int32_t i = chunk + 1; i < image.n_chunks(); ++i) {
            append(pair, image, i, context.context);
        }
        CHECK_OK(chq_decode(context.context, 0, AFTER, 5, CHQ_OUTPUT_LAST, nullptr));
        CHECK(difference(before, logits(context.context)) < 1e-3);
        CHECK_OK(chq_seq_remove(context.context, 0, at_image, -1));
        int32_t last = 0;
        CHECK_OK(chq_seq_range(context.context, 0, nullptr, &last));
        CHECK_EQ(last, at_image - 1);
    }
}

TEST(attention_shares) {
    for (const char * type : TYPES) {
        pair_of pair(type, true);
        chq_vision_info info;
        CHECK_OK(chq_vision_get_info(pair.vision, &info));
        CHECK(info.attention);
        image_of image(pair, 64, 64);
        for (int32_t i = 0; i < image.n_chunks(); ++i) {
            const chq_image_chunk c = image.chunk(i);
            if (c.is_text) {
                continue;
            }
            std::vector<float> rows((size_t) c.n_tokens * 64);
            std::vector<float> shares((size_t) c.n_tokens, -1);
            CHECK_OK(chq_image_encode(image.image, i, rows.data(), (int64_t) rows.size(), shares.data()));
            double sum = 0;
            for (float s : shares) {
                CHECK(s >= 0);
                sum += s;
            }
            if (strcmp(type, "mlp") == 0) {
                CHECK(sum > 0.5 && sum < 1); // the first patch makes no row
            } else {
                CHECK(std::fabs(sum - 1) < 1e-3);
            }
            // listening changes nothing
            std::vector<float> quiet(rows.size());
            pair_of other(type);
            image_of same(other, 64, 64);
            CHECK_OK(chq_image_encode(same.image, i, quiet.data(), (int64_t) quiet.size(), nullptr));
            CHECK(difference(rows, quiet) < 1e-4);
        }
    }
}

TEST(attention_of_an_encoder_that_was_not_looked_into) {
    pair_of pair("phi4");
    chq_vision_info info;
    CHECK_OK(chq_vision_get_info(pair.vision, &info));
    CHECK(!info.attention);
    chq_vision_params params = {};
    params.attention = true;
    chq_vision * vision = nullptr;
    CHECK_STATUS(chq_vision_load(pair.model.model, pair.path.c_str(), &params, &vision), CHQ_STATUS_UNSUPPORTED);
    CHECK(strstr(chq_last_error(), "phi4") != nullptr);
}

TEST(rows_of_tokens) {
    for (ggml_type type : { GGML_TYPE_F32, GGML_TYPE_Q8_0 }) {
        const std::string path = temporary_path("rows.gguf");
        tiny_options options;
        options.types = { type };
        write_tiny_gguf(path, options); // token_embd is always F32 there
        const weights w(path);
        chq_token_rows * rows = nullptr;
        CHECK_OK(chq_token_rows_open(path.c_str(), &rows));
        const int32_t tokens[] = { 299, 0, 7 };
        std::vector<float> out(3 * 64);
        CHECK_OK(chq_token_rows_get(rows, tokens, 3, out.data(), 3 * 64));
        for (int32_t i = 0; i < 3; ++i) {
            for (int32_t c = 0; c < 64; ++c) {
                CHECK_EQ(out[i * 64 + c], w["token_embd.weight"][tokens[i] * 64 + c]);
            }
        }
        double mean = 0;
        for (int32_t t = 0; t < N_VOCAB; ++t) {
            mean += w["token_embd.weight"][t * 64 + 5] / N_VOCAB;
        }
        CHECK_OK(chq_token_rows_mean(rows, out.data(), 64));
        CHECK(std::fabs(out[5] - mean) < 1e-5);
        const int32_t wrong[] = { 300 };
        CHECK_STATUS(chq_token_rows_get(rows, wrong, 1, out.data(), 64), CHQ_STATUS_ARGUMENT);
        CHECK_STATUS(chq_token_rows_get(rows, tokens, 3, out.data(), 64), CHQ_STATUS_BUFFER);
        CHECK_OK(chq_token_rows_free(rows));
    }
    chq_token_rows * rows = nullptr;
    CHECK_STATUS(chq_token_rows_open("no-such-file.gguf", &rows), CHQ_STATUS_LOAD);
    const std::string projector = temporary_path("projector.gguf");
    write_tiny_projector(projector, "janus_pro");
    CHECK_STATUS(chq_token_rows_open(projector.c_str(), &rows), CHQ_STATUS_UNSUPPORTED);
}

TEST(refusals) {
    pair_of pair("janus_pro");
    const std::vector<uint8_t> rgb = some_image(64, 64);
    chq_image * image = nullptr;
    CHECK_STATUS(chq_image_create(nullptr, rgb.data(), 64, 64, &image), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_image_create(pair.vision, nullptr, 64, 64, &image), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_image_create(pair.vision, rgb.data(), 0, 64, &image), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_image_create(pair.vision, rgb.data(), -1, -1, &image), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_image_create(pair.vision, rgb.data(), 60000, 60000, &image), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_image_create(pair.vision, rgb.data(), 1, 4096, &image), CHQ_STATUS_UNSUPPORTED);
    {
        image_of good(pair, 64, 64);
        CHECK_STATUS(chq_vision_free(pair.vision), CHQ_STATUS_STATE);
        CHECK_STATUS(chq_model_free(pair.model.model), CHQ_STATUS_STATE);
        std::vector<float> rows(64 * 64);
        std::vector<float> shares(64);
        CHECK_STATUS(chq_image_encode(good.image, 0, rows.data(), 10, nullptr), CHQ_STATUS_BUFFER);
        CHECK_STATUS(chq_image_encode(good.image, 7, rows.data(), 64 * 64, nullptr), CHQ_STATUS_ARGUMENT);
        CHECK_STATUS(chq_image_encode(good.image, 0, rows.data(), 64 * 64, shares.data()), CHQ_STATUS_UNSUPPORTED);
        tiny_context context(pair.model);
        const chq_position p[2] = { { 0, 0, 0 }, { 1, 0, 0 } };
        CHECK_STATUS(chq_decode_embeddings(context.context, 0, rows.data(), p, 2, 2, true, CHQ_OUTPUT_NONE), CHQ_STATUS_UNSUPPORTED);
        CHECK_STATUS(chq_decode_embeddings(context.context, 0, rows.data(), nullptr, 2, 3, true, CHQ_OUTPUT_NONE), CHQ_STATUS_ARGUMENT);
        CHECK_STATUS(chq_decode_embeddings(context.context, 0, rows.data(), nullptr, 0, 0, true, CHQ_OUTPUT_NONE), CHQ_STATUS_ARGUMENT);
        CHECK_STATUS(chq_decode_embeddings(context.context, 0, nullptr, nullptr, 2, 2, true, CHQ_OUTPUT_NONE), CHQ_STATUS_ARGUMENT);
        CHECK_STATUS(chq_decode_embeddings(context.context, 0, rows.data(), nullptr, 2, 2, true, CHQ_OUTPUT_ALL), CHQ_STATUS_ARGUMENT);
        CHECK_STATUS(chq_decode_embeddings(context.context, 0, rows.data(), nullptr, 600, 600, true, CHQ_OUTPUT_NONE), CHQ_STATUS_CONTEXT_FULL);
        CHECK_STATUS(chq_decode_embeddings(context.context, 9, rows.data(), nullptr, 2, 2, true, CHQ_OUTPUT_NONE), CHQ_STATUS_ARGUMENT);
    }
    chq_vision * vision = nullptr;
    CHECK_STATUS(chq_vision_load(pair.model.model, "no-such-file.gguf", nullptr, &vision), CHQ_STATUS_LOAD);
    const std::string wide = temporary_path("wide.gguf");
    write_tiny_projector(wide, "janus_pro", 96);
    CHECK_STATUS(chq_vision_load(pair.model.model, wide.c_str(), nullptr, &vision), CHQ_STATUS_LOAD);
    const std::string text = temporary_path("text.gguf");
    write_tiny_gguf(text);
    CHECK_STATUS(chq_vision_load(pair.model.model, text.c_str(), nullptr, &vision), CHQ_STATUS_LOAD);
    // a vocabulary without the tokens that frame tiles
    tiny_model bare;
    const std::string tiles = temporary_path("tiles.gguf");
    write_tiny_projector(tiles, "idefics3");
    if (chq_vision_load(bare.model, tiles.c_str(), nullptr, &vision) == CHQ_STATUS_OK) {
        CHECK_STATUS(chq_image_create(vision, rgb.data(), 64, 64, &image), CHQ_STATUS_UNSUPPORTED);
        CHECK_OK(chq_vision_free(vision));
    }
}

// Bytes of the header and the metadata changed at random: refused, or usable.
TEST(damaged_files) {
    tiny_model model(pair_of::options("janus_pro"));
    int n_loaded = 0;
    for (const char * type : { "janus_pro", "idefics3", "gemma3" }) {
        const std::string path = temporary_path("damaged.gguf");
        write_tiny_projector(path, type);
        std::ifstream in(path, std::ios::binary);
        const std::string good((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
        std::mt19937 random(11);
        for (int round = 0; round < 120; ++round) {
            std::string bad = good;
            if (round % 4 == 3) {
                bad.resize(random() % bad.size());
            }
            for (unsigned n = 1 + random() % 3; n > 0 && !bad.empty(); --n) {
                bad[random() % std::min<size_t>(bad.size(), 4000)] ^= (char) (1u << random() % 8);
            }
            std::ofstream(path, std::ios::binary) << bad;
            chq_vision * vision = nullptr;
            if (chq_vision_load(model.model, path.c_str(), nullptr, &vision) != CHQ_STATUS_OK) {
                continue;
            }
            chq_image * image = nullptr;
            const std::vector<uint8_t> rgb = some_image(64, 64);
            if (chq_image_create(vision, rgb.data(), 64, 64, &image) == CHQ_STATUS_OK) {
                int32_t n = 0;
                CHECK_OK(chq_image_n_chunks(image, &n));
                for (int32_t i = 0; i < n; ++i) {
                    chq_image_chunk c;
                    if (chq_image_get_chunk(image, i, &c) != CHQ_STATUS_OK) {
                        break; // ggml gave up on the chunk before
                    }
                    std::vector<float> rows((size_t) c.n_tokens * 64);
                    if (!c.is_text && chq_image_encode(image, i, rows.data(), (int64_t) rows.size(), nullptr) == CHQ_STATUS_OK) {
                        ++n_loaded;
                    }
                }
                CHECK_OK(chq_image_free(image));
            }
            CHECK_OK(chq_vision_free(vision));
        }
    }
    CHECK(n_loaded > 30);
}

MAIN
