#include "speculation/draft_memory.h"

#include "chasqui_draft.h"
#include "model/model.h"
#include "model/xxh64.h"

#include <cstring>

namespace chq {

draft_memory & drafts_of(const chq_model * model) {
    std::call_once(model->drafts_made, [&] { model->drafts = std::make_shared<draft_memory>(model->n_vocab); });
    return *model->drafts;
}

} // namespace chq

using namespace chq;

namespace {

struct file_header {
    uint64_t fingerprint; // of the model
    uint64_t checksum;    // XXH64 of what follows
};

uint64_t checksum_of(const uint8_t * data, size_t size) { return xxh64(data, size, 0); }

} // namespace

chq_status chq_recycling_get_info(struct chq_model * model, struct chq_recycling_info * out) {
    return guarded([&] {
        check_model(model);
        check_pointer(out, "out");
        draft_memory & memory = drafts_of(model);
        const std::lock_guard<std::mutex> lock(memory.mutex);
        *out = { memory.successors.entries(), memory.successors.bytes() };
        return CHQ_STATUS_OK;
    });
}

chq_status chq_recycling_clear(struct chq_model * model) {
    return guarded([&] {
        check_model(model);
        draft_memory & memory = drafts_of(model);
        const std::lock_guard<std::mutex> lock(memory.mutex);
        memory.successors.clear();
        memory.rates = experience();
        return CHQ_STATUS_OK;
    });
}

chq_status chq_recycling_save(struct chq_model * model, uint8_t * data, size_t capacity, size_t * size) {
    return guarded([&] {
        check_model(model);
        check_pointer(size, "size");
        draft_memory & memory = drafts_of(model);
        std::vector<uint8_t> bytes;
        {
            const std::lock_guard<std::mutex> lock(memory.mutex);
            bytes = memory.successors.save();
        }
        *size = sizeof(file_header) + bytes.size();
        if (capacity < *size) {
            set_error("%zu bytes are needed, the buffer has %zu", *size, capacity);
            return CHQ_STATUS_BUFFER;
        }
        check_pointer(data, "data");
        const file_header header = { model->fingerprint, checksum_of(bytes.data(), bytes.size()) };
        memcpy(data, &header, sizeof(header));
        memcpy(data + sizeof(header), bytes.data(), bytes.size());
        return CHQ_STATUS_OK;
    });
}

chq_status chq_recycling_load(struct chq_model * model, const uint8_t * data, size_t size) {
    return guarded([&] {
        check_model(model);
        check_pointer(data, "data");
        file_header header;
        if (size < sizeof(header)) {
            fail(CHQ_STATUS_ARGUMENT, "this is no saved table of recycled tokens: only %zu bytes", size);
        }
        memcpy(&header, data, sizeof(header));
        const uint8_t * const bytes = data + sizeof(header);
        if (header.checksum != checksum_of(bytes, size - sizeof(header))) {
            fail(CHQ_STATUS_ARGUMENT, "the saved table of recycled tokens is damaged: its checksum is wrong");
        }
        if (header.fingerprint != model->fingerprint) {
            fail(CHQ_STATUS_ARGUMENT, "the saved table of recycled tokens belongs to another model");
        }
        draft_memory & memory = drafts_of(model);
        const std::lock_guard<std::mutex> lock(memory.mutex);
        if (!memory.successors.load(bytes, size - sizeof(header))) {
            fail(CHQ_STATUS_ARGUMENT, "the saved table of recycled tokens cannot be read: it is damaged or of another version");
        }
        return CHQ_STATUS_OK;
    });
}
