// Many machines: devices of servers that speak llama.cpp's RPC protocol, and such a server.
//
// The protocol has no authentication and no encryption, and it trusts both sides with each other's memory: private networks only.
//
// A server serves one connection at a time; all of a process shares one. A server that is lost, or that answers nonsense, fails the calls that
// need it with CHQ_STATUS_REMOTE; what was made of its devices can then only be freed.
#pragma once

#include "chasqui_runtime.h"
#include "ggml-backend.h"

#ifdef __cplusplus
extern "C" {
#endif

struct chq_rpc_server;

// Connects to "host:port" ("[host]:port" for IPv6), or uses the connection that is there. connect_ms: for the connection and each answer of the
// greeting. answer_ms: for any later answer, and so for what one batch takes the server to compute. CHQ_STATUS_REMOTE if nobody listens, if it does
// not answer in time, speaks another version, or is no such server.
CHQ_API chq_status chq_rpc_connect(const char * endpoint, int32_t connect_ms, int32_t answer_ms, struct chq_rpc_server ** out);

// Gives up the caller's use; the connection ends with the last one. Models that were loaded onto the server's devices are users. NULL is ignored.
CHQ_API chq_status chq_rpc_disconnect(struct chq_rpc_server * server);

CHQ_API chq_status chq_rpc_device_count(const struct chq_rpc_server * server, int32_t * n);

// A device of the server: what it is (out, may be NULL), and *device (may be NULL) for llama_model_params.devices of chq_model_load, valid as long
// as the connection.
CHQ_API chq_status chq_rpc_device(struct chq_rpc_server * server, int32_t index, struct chq_device_info * out, ggml_backend_dev_t * device);

// Serves this process's devices on "host:port" (an IPv4 address): its GPUs, or the CPU if there is none. Does not return unless it cannot
// listen (CHQ_STATUS_STATE) or a client made ggml abort (CHQ_STATUS_ABORTED); nothing but the end of the process stops it.
// cache_dir: an existing folder that keeps large weights, by their hash, for later clients; NULL or "" = none.
// n_threads: of the CPU, <= 0 means chq_physical_cores().
CHQ_API chq_status chq_rpc_serve(const char * endpoint, const char * cache_dir, int32_t n_threads);

#ifdef __cplusplus
}
#endif
