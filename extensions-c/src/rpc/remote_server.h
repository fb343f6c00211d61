// One connection to a server of llama.cpp's RPC backend, shared by everything of this process that computes there: a server serves one
// connection at a time.
//
// Once it is lost it stays lost. Requests then do nothing, answers are zeros, and each of them notes the loss on its thread (guard/remote.h).
#pragma once

#include "rpc/protocol.h"
#include "rpc/wire.h"

#include "ggml-backend-impl.h"

#include <cstddef>
#include <initializer_list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace chq::rpc {

struct part {
    const void * data;
    size_t       size;
};

class remote_server;

// What ggml is given: a device of a server and the type of its buffers.
struct remote_device {
    remote_server           * server;
    uint32_t                  index;
    std::string               name;
    std::string               buffer_type_name;
    size_t                    alignment;
    size_t                    max_size;
    uint64_t                  last_graph = 0; // that the server keeps, 0 = none; see remote_server::compute
    ggml_backend_device       device;
    ggml_backend_buffer_type  buffer_type;
};

class remote_server {
public:
    remote_server(const std::string & endpoint, int connect_ms, int answer_ms);
    remote_server(const remote_server &) = delete;

    // Connects and asks for the devices. False leaves the reason in loss().
    bool open();

    // Whether it still answers.
    bool alive();

    const std::string & endpoint() const { return name; }
    std::string loss();
    void        set_answer_ms(int ms);
    std::vector<std::unique_ptr<remote_device>> & devices() { return own_devices; }

    // A request with an answer of just that size. False: lost, and the answer is zeros.
    bool ask(command what, const void * request, size_t n_request, void * answer, size_t n_answer);

    // A request without an answer, in parts.
    bool tell(command what, std::initializer_list<part> parts);

    // The same for what is given back: a loss is not worth a word then.
    void tell_if_there(command what, const void * request, size_t n_request);

    // Frees a buffer; the server forgets its graphs with it.
    void free_buffer(uint64_t buffer);

    // Computes a graph that serialize() describes, or the one of that number that the server computed last.
    template <typename Serialize>
    bool compute(remote_device & device, uint64_t graph, Serialize && serialize) {
        std::lock_guard<std::mutex> lock(mutex);
        if (graph != 0 && device.last_graph == graph) {
            const rpc::device request { device.index };
            return noted(send(GRAPH_RECOMPUTE, { { &request, sizeof(request) } }));
        }
        const std::vector<uint8_t> message = serialize();
        device.last_graph = graph;
        return noted(send(GRAPH_COMPUTE, { { message.data(), message.size() } }));
    }

    // A size that the server gave earlier, or else what ask() gives now; 0 if it is lost.
    uint64_t alloc_size(const alloc_size_request & request);

    // Gives it up because of something that it said or cannot do.
    void give_up(const std::string & why);

private:
    bool send   (command what, std::initializer_list<part> parts);
    bool receive(void * answer, size_t n_answer, int timeout_ms);
    bool noted  (bool done);
    bool lose   (const std::string & why);
    bool greet();
    bool learn_devices();

    const std::string name;
    const int         connect_ms;
    int               answer_ms;
    std::mutex        mutex; // of a request with its answer
    wire              line;
    std::string       lost;  // why; empty = it is not
    std::vector<std::unique_ptr<remote_device>> own_devices;
    std::map<std::string, uint64_t>             alloc_sizes;
};

// The interfaces of a device and of its buffer type; backend.cpp.
ggml_backend_device      device_of     (remote_device & remote);
ggml_backend_buffer_type buffer_type_of(remote_device & remote);

// A connection to that server, an open one if there is one. Throws CHQ_STATUS_REMOTE.
std::shared_ptr<remote_server> connect_to(const std::string & endpoint, int connect_ms, int answer_ms);

} // namespace chq::rpc
