// What models need to know of servers.
#pragma once

#include "ggml-backend.h"

#include <cstdint>
#include <memory>
#include <vector>

namespace chq {

namespace rpc { class remote_server; }

// The server of a device that chq_rpc_device gave and whose server is still connected; NULL for any other pointer.
std::shared_ptr<rpc::remote_server> server_of(ggml_backend_dev_t device);

// Returns when the server has worked through all that was sent so far: most requests have no answer.
void await_server(rpc::remote_server & server);

// Bytes free on all of its devices together.
uint64_t free_memory(rpc::remote_server & server);

std::vector<ggml_backend_dev_t> devices_of(rpc::remote_server & server);

} // namespace chq
