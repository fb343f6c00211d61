#include "state/state_format.h"

#include "guard/guard.h"
#include "kernels/cores.h"
#include "model/xxh64.h"

#include <algorithm>
#include <climits>
#include <cstring>
#include <vector>

namespace chq {

constexpr uint64_t MAGIC       = 0x3151455351514843ull; // "CHQQSEQ1"
constexpr uint32_t VERSION     = 2;
constexpr uint32_t WITH_SPANS  = 3;                     // the same with parts that came as embeddings
constexpr size_t   PIECE       = 1 << 20;               // of the body, for its checksum
constexpr uint64_t MAX_LOGITS  = 1ull << 32;
constexpr uint64_t MAX_PAYLOAD = 1ull << 50;

static uint64_t header_checksum(const state_header & h) {
    constexpr size_t begin = offsetof(state_header, head_checksum);
    return xxh64((const uint8_t *) &h + begin, sizeof(h) - begin, MAGIC);
}

static uint64_t head_checksum(const state_header & h, const uint8_t * data) {
    return xxh64(data + sizeof(h), head_bytes(h) - sizeof(h), MAGIC);
}

static uint64_t body_checksum(const state_header & h, const uint8_t * data) {
    const uint8_t * const body = data + head_bytes(h);
    const uint64_t        size = logits_bytes(h) + h.n_payload;
    std::vector<uint64_t> pieces((size + PIECE - 1) / PIECE);
    kernels::on_cores(0, (int64_t) pieces.size(), 1, size, [&](int64_t i) {
        const uint64_t at = (uint64_t) i * PIECE;
        pieces[(size_t) i] = xxh64(body + at, std::min<uint64_t>(PIECE, size - at), MAGIC);
    });
    return xxh64((const uint8_t *) pieces.data(), pieces.size() * sizeof(uint64_t), size);
}

state_header check_header(const uint8_t * data, size_t size, uint64_t total) {
    state_header h;
    if (size < sizeof(h.magic) || memcmp(data, &MAGIC, sizeof(MAGIC)) != 0) {
        fail(CHQ_STATUS_ARGUMENT, "this is no saved state");
    }
    if (size < sizeof(h)) {
        fail(CHQ_STATUS_ARGUMENT, "the saved state is damaged: only %zu bytes", size);
    }
    memcpy(&h, data, sizeof(h));
    if (h.version != VERSION && h.version != WITH_SPANS) {
        fail(CHQ_STATUS_ARGUMENT, "the saved state has version %u, this library reads versions %u and %u", h.version, VERSION, WITH_SPANS);
    }
    if (h.header_checksum != header_checksum(h)) {
        fail(CHQ_STATUS_ARGUMENT, "the saved state is damaged: the checksum of its header is wrong");
    }
    if (h.kind > CHQ_STATE_CONTEXT || h.n_tokens > INT32_MAX || h.n_note > INT32_MAX || h.n_logits > MAX_LOGITS || h.n_payload > MAX_PAYLOAD ||
            (h.n_spans > 0) != (h.version == WITH_SPANS) || h.n_spans > h.n_tokens) {
        fail(CHQ_STATUS_ARGUMENT, "the saved state is damaged: its header makes no sense");
    }
    if (total != state_bytes(h)) {
        fail(CHQ_STATUS_ARGUMENT, "the saved state is damaged: it has %llu bytes of %llu", (unsigned long long) total, (unsigned long long) state_bytes(h));
    }
    return h;
}

void check_head(const state_header & h, const uint8_t * data) {
    if (h.head_checksum != head_checksum(h, data)) {
        fail(CHQ_STATUS_ARGUMENT, "the saved state is damaged: the checksum of its tokens is wrong");
    }
}

void check_body(const state_header & h, const uint8_t * data) {
    if (!h.sealed) {
        fail(CHQ_STATUS_ARGUMENT, "the saved state has no checksum yet, see chq_state_seal");
    }
    if (h.body_checksum != body_checksum(h, data)) {
        fail(CHQ_STATUS_ARGUMENT, "the saved state is damaged: its checksum is wrong");
    }
}

void write_header(state_header & h, uint8_t * data) {
    h.magic           = MAGIC;
    h.version         = h.n_spans > 0 ? WITH_SPANS : VERSION;
    h.head_checksum   = head_checksum(h, data);
    h.header_checksum = header_checksum(h);
    memcpy(data, &h, sizeof(h));
}

uint64_t fit_of(const state_header & h) {
    constexpr size_t begin = offsetof(state_header, fingerprint);
    return xxh64((const uint8_t *) &h + begin, offsetof(state_header, sealed) - begin, VERSION);
}

} // namespace chq

using namespace chq;

chq_status chq_state_read_head(const uint8_t * data, size_t size, uint64_t total, struct chq_state_info * out) {
    return guarded([&] {
        check_pointer(data, "data");
        check_pointer(out, "out");
        const state_header h = check_header(data, size, total);
        if (size < head_bytes(h)) {
            out->n_head = head_bytes(h);
            set_error("the head of the saved state has %llu bytes, here are %zu", (unsigned long long) out->n_head, size);
            return CHQ_STATUS_BUFFER;
        }
        check_head(h, data);
        struct chq_state_info info;
        memset(&info, 0, sizeof(info));
        info.n_bytes  = state_bytes(h);
        info.n_head   = head_bytes(h);
        info.fit      = fit_of(h);
        info.note_at  = note_at(h);
        info.n_note   = h.n_note;
        info.n_tokens = h.n_tokens;
        info.kind     = (int32_t) h.kind;
        info.logits   = h.n_logits > 0;
        *out = info;
        return CHQ_STATUS_OK;
    });
}

chq_status chq_state_seal(const uint8_t * data, size_t size, uint8_t header[CHQ_STATE_HEADER_BYTES]) {
    return guarded([&] {
        check_pointer(data, "data");
        check_pointer(header, "header");
        state_header h = check_header(data, size, size);
        check_head(h, data);
        h.body_checksum   = body_checksum(h, data);
        h.sealed          = 1;
        h.header_checksum = header_checksum(h);
        memcpy(header, &h, sizeof(h));
        return CHQ_STATUS_OK;
    });
}

chq_status chq_state_check(const uint8_t * data, size_t size) {
    return guarded([&] {
        check_pointer(data, "data");
        const state_header h = check_header(data, size, size);
        check_head(h, data);
        check_body(h, data);
        return CHQ_STATUS_OK;
    });
}
