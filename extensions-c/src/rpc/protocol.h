// Messages of llama.cpp's RPC protocol, version 7.0, as they lie on the wire: little-endian, packed.
//
// A request is the command (1 byte), the size of what follows (8 bytes) and that; an answer is its size (8 bytes) and itself. Half of the
// commands have no answer, and a server that does not like a request closes the connection.
#pragma once

#include "ggml.h"
#include "ggml-rpc.h"

#include <cstdint>

static_assert(RPC_PROTO_MAJOR_VERSION == 7 && RPC_PROTO_MINOR_VERSION == 0, "compare this file with ggml-rpc.cpp and then correct it and this line");

namespace chq::rpc {

enum command : uint8_t {
    ALLOC_BUFFER      = 0,
    GET_ALIGNMENT     = 1,
    GET_MAX_SIZE      = 2,
    BUFFER_GET_BASE   = 3,
    FREE_BUFFER       = 4,  // no answer
    BUFFER_CLEAR      = 5,  // no answer
    SET_TENSOR        = 6,  // no answer
    SET_TENSOR_HASH   = 7,
    GET_TENSOR        = 8,
    COPY_TENSOR       = 9,
    GRAPH_COMPUTE     = 10, // no answer
    GET_DEVICE_MEMORY = 11,
    INIT_TENSOR       = 12, // no answer
    GET_ALLOC_SIZE    = 13,
    HELLO             = 14,
    DEVICE_COUNT      = 15,
    GRAPH_RECOMPUTE   = 16, // no answer
    MEMSET_TENSOR     = 17, // no answer
};

#pragma pack(push, 1)

struct tensor {
    uint64_t id;        // the address here; what refers to it says the same
    uint32_t type;
    uint64_t buffer;    // as the server named it, 0 = not there
    uint32_t ne[GGML_MAX_DIMS];
    uint32_t nb[GGML_MAX_DIMS];
    uint32_t op;
    int32_t  op_params[GGML_MAX_OP_PARAMS / sizeof(int32_t)];
    int32_t  flags;
    uint64_t src[GGML_MAX_SRC];
    uint64_t view_src;
    uint64_t view_offs;
    uint64_t data;      // an address there
    char     name[GGML_MAX_NAME];
    int32_t  use_count;
};
static_assert(sizeof(tensor) == 8 + 4 + 8 + 16 + 16 + 4 + 64 + 4 + 80 + 8 + 8 + 8 + 64 + 4, "a tensor has no gaps");

struct hello_request      { uint8_t capabilities[24]; };
struct hello_answer       { uint8_t major, minor, patch, padding; uint8_t capabilities[24]; };
struct device_count       { uint32_t n; };
struct device             { uint32_t index; };
struct number             { uint64_t value; };
struct memory_answer      { uint64_t free, total; };
struct alloc_request      { uint32_t device; uint64_t size; };
struct alloc_answer       { uint64_t buffer, size; };
struct alloc_size_request { uint32_t device; tensor of; tensor srcs[GGML_MAX_SRC]; };
struct clear_request      { uint64_t buffer; uint8_t value; };
struct memset_request     { tensor of; uint64_t offset, size; uint8_t value; };
struct set_request        { tensor of; uint8_t keep; uint64_t offset; }; // the data follow
struct hash_request       { tensor of; uint64_t offset, hash; };
struct get_request        { tensor of; uint64_t offset, size; };
struct copy_request       { tensor src, dst; };
struct done_answer        { uint8_t done; };

#pragma pack(pop)

} // namespace chq::rpc
