#include "rpc/remote_server.h"

#include "guard/guard.h"
#include "guard/remote.h"
#include "rpc/servers.h"

#include <algorithm>
#include <cstring>

namespace chq::rpc {

// What llama.cpp can use of one model's devices.
constexpr uint32_t MAX_DEVICES = 16;

// A server that offers less at once, or wants more alignment, is none.
constexpr uint64_t MIN_MAX_SIZE  = 1 << 20;
constexpr uint64_t MAX_ALIGNMENT = 1 << 20;

remote_server::remote_server(const std::string & endpoint, int connect_ms, int answer_ms) : name(endpoint), connect_ms(connect_ms), answer_ms(answer_ms) {}

std::string remote_server::loss() {
    std::lock_guard<std::mutex> lock(mutex);
    return lost;
}

void remote_server::set_answer_ms(int ms) {
    std::lock_guard<std::mutex> lock(mutex);
    answer_ms = ms;
}

bool remote_server::lose(const std::string & why) {
    if (lost.empty()) {
        lost = "the RPC server " + name + ": " + why;
    }
    line.close();
    return false;
}

bool remote_server::noted(bool done) {
    if (!done) {
        note_remote_loss(lost.c_str());
    }
    return done;
}

void remote_server::give_up(const std::string & why) {
    std::lock_guard<std::mutex> lock(mutex);
    noted(lose(why));
}

bool remote_server::send(command what, std::initializer_list<part> parts) {
    if (!lost.empty()) {
        return false;
    }
    uint64_t size = 0;
    for (const part & p : parts) {
        size += p.size;
    }
    // small parts go with the head, so that most requests are one packet
    uint8_t head[1 + 8 + 2048];
    head[0] = what;
    memcpy(head + 1, &size, 8);
    size_t n_head = 9;
    bool   failed = false;
    for (const part & p : parts) {
        if (p.size == 0) {
            continue;
        }
        if (p.size <= sizeof(head) - n_head) {
            memcpy(head + n_head, p.data, p.size);
            n_head += p.size;
            continue;
        }
        failed = failed || !line.send(head, n_head, answer_ms) || !line.send(p.data, p.size, answer_ms);
        n_head = 0;
    }
    failed = failed || (n_head > 0 && !line.send(head, n_head, answer_ms));
    return !failed || lose(line.error());
}

bool remote_server::receive(void * answer, size_t n_answer, int timeout_ms) {
    uint64_t size = 0;
    if (!line.receive(&size, sizeof(size), timeout_ms)) {
        return lose(line.error());
    }
    if (size != n_answer) {
        return lose("it answered with " + std::to_string(size) + " bytes where " + std::to_string(n_answer) + " were due");
    }
    return line.receive(answer, n_answer, timeout_ms) || lose(line.error());
}

bool remote_server::ask(command what, const void * request, size_t n_request, void * answer, size_t n_answer) {
    std::lock_guard<std::mutex> lock(mutex);
    const bool done = send(what, { { request, n_request } }) && receive(answer, n_answer, answer_ms);
    if (!done) {
        memset(answer, 0, n_answer);
    }
    return noted(done);
}

bool remote_server::tell(command what, std::initializer_list<part> parts) {
    std::lock_guard<std::mutex> lock(mutex);
    return noted(send(what, parts));
}

void remote_server::tell_if_there(command what, const void * request, size_t n_request) {
    std::lock_guard<std::mutex> lock(mutex);
    send(what, { { request, n_request } });
}

void remote_server::free_buffer(uint64_t buffer) {
    std::lock_guard<std::mutex> lock(mutex);
    for (auto & device : own_devices) {
        device->last_graph = 0;
    }
    const number request { buffer };
    send(FREE_BUFFER, { { &request, sizeof(request) } });
}

uint64_t remote_server::alloc_size(const alloc_size_request & request) {
    // What the size depends on. llama.cpp leaves the shapes of the sources out, too: it asks for the largest first, when it makes a context.
    std::string key;
    const auto add = [&](const void * data, size_t size) { key.append((const char *) data, size); };
    add(&request.device,       sizeof(request.device));
    add(&request.of.type,      sizeof(request.of.type));
    add(&request.of.op,        sizeof(request.of.op));
    add( request.of.op_params, sizeof(request.of.op_params));
    add( request.of.ne,        sizeof(request.of.ne));

    std::lock_guard<std::mutex> lock(mutex);
    const auto known = alloc_sizes.find(key);
    if (known != alloc_sizes.end()) {
        return known->second;
    }
    number answer {};
    if (!noted(send(GET_ALLOC_SIZE, { { &request, sizeof(request) } }) && receive(&answer, sizeof(answer), answer_ms))) {
        return 0;
    }
    alloc_sizes[key] = answer.value;
    return answer.value;
}

bool remote_server::greet() {
    const hello_request request {}; // no other transport than this connection
    hello_answer answer {};
    if (!send(HELLO, { { &request, sizeof(request) } })) {
        return false;
    }
    uint64_t size = 0;
    if (!line.receive(&size, sizeof(size), connect_ms)) {
        return lose(line.error() + "; no RPC server, one of another version, or one that is serving another program");
    }
    if (size != sizeof(answer)) {
        return lose("it does not speak the RPC protocol of llama.cpp");
    }
    if (!line.receive(&answer, sizeof(answer), connect_ms)) {
        return lose(line.error());
    }
    if (answer.major != RPC_PROTO_MAJOR_VERSION || answer.minor > RPC_PROTO_MINOR_VERSION) {
        char text[128];
        snprintf(text, sizeof(text), "it speaks version %d.%d.%d of the protocol, this build speaks %d.%d.%d",
            answer.major, answer.minor, answer.patch, RPC_PROTO_MAJOR_VERSION, RPC_PROTO_MINOR_VERSION, RPC_PROTO_PATCH_VERSION);
        return lose(text);
    }
    return true;
}

bool remote_server::learn_devices() {
    device_count count {};
    if (!send(DEVICE_COUNT, {}) || !receive(&count, sizeof(count), connect_ms)) {
        return false;
    }
    if (count.n < 1 || count.n > MAX_DEVICES) {
        return lose("it offers " + std::to_string(count.n) + " devices");
    }
    for (uint32_t i = 0; i < count.n; ++i) {
        const rpc::device request { i };
        number alignment {};
        number max_size  {};
        if (!send(GET_ALIGNMENT, { { &request, sizeof(request) } }) || !receive(&alignment, sizeof(alignment), connect_ms) ||
            !send(GET_MAX_SIZE,  { { &request, sizeof(request) } }) || !receive(&max_size,  sizeof(max_size),  connect_ms)) {
            return false;
        }
        const uint64_t a = alignment.value;
        if (a < 1 || a > MAX_ALIGNMENT || (a & (a - 1)) != 0 || max_size.value < MIN_MAX_SIZE) {
            return lose("it offers buffers of at most " + std::to_string(max_size.value) + " bytes, aligned to " + std::to_string(a));
        }
        auto own = std::make_unique<remote_device>();
        own->server           = this;
        own->index            = i;
        own->name             = "RPC" + std::to_string(i) + "[" + name + "]";
        own->buffer_type_name = own->name;
        own->alignment        = (size_t) a;
        own->max_size         = (size_t) max_size.value;
        own->device           = device_of(*own);
        own->buffer_type      = buffer_type_of(*own);
        own_devices.push_back(std::move(own));
    }
    return true;
}

bool remote_server::open() {
    std::lock_guard<std::mutex> lock(mutex);
    address to;
    std::string why;
    if (!parse_address(name, &to, &why)) {
        return lose(why);
    }
    if (!line.connect(to, connect_ms)) {
        return lose(line.error());
    }
    return greet() && learn_devices();
}

bool remote_server::alive() {
    std::lock_guard<std::mutex> lock(mutex);
    device_count count {};
    return send(DEVICE_COUNT, {}) && receive(&count, sizeof(count), answer_ms);
}

// ---- those that are connected

// An endpoint; whoever connects to it holds `connecting`, since two connections of one process would wait for each other.
struct place {
    std::mutex                   connecting;
    std::weak_ptr<remote_server> server;
};

static std::mutex places_mutex; // of the map and of what the places point to
static std::map<std::string, std::shared_ptr<place>> places;

std::shared_ptr<remote_server> connect_to(const std::string & endpoint, int connect_ms, int answer_ms) {
    std::shared_ptr<place>         at;
    std::shared_ptr<remote_server> server;
    {
        std::lock_guard<std::mutex> lock(places_mutex);
        std::shared_ptr<place> & known = places[endpoint];
        if (!known) {
            known = std::make_shared<place>();
        }
        at = known;
    }
    std::lock_guard<std::mutex> connecting(at->connecting);
    {
        std::lock_guard<std::mutex> lock(places_mutex);
        server = at->server.lock();
    }
    if (server && server->alive()) {
        server->set_answer_ms(answer_ms);
        return server;
    }
    server = std::make_shared<remote_server>(endpoint, connect_ms, answer_ms);
    if (!server->open()) {
        fail(CHQ_STATUS_REMOTE, "%s", server->loss().c_str());
    }
    std::lock_guard<std::mutex> lock(places_mutex);
    at->server = server;
    return server;
}

} // namespace chq::rpc

namespace chq {

std::shared_ptr<rpc::remote_server> server_of(ggml_backend_dev_t device) {
    std::lock_guard<std::mutex> lock(rpc::places_mutex);
    for (auto & entry : rpc::places) {
        if (std::shared_ptr<rpc::remote_server> server = entry.second->server.lock()) {
            for (auto & own : server->devices()) {
                if (&own->device == device) {
                    return server;
                }
            }
        }
    }
    return nullptr;
}

void await_server(rpc::remote_server & server) {
    rpc::device_count count {};
    server.ask(rpc::DEVICE_COUNT, nullptr, 0, &count, sizeof(count));
}

std::vector<ggml_backend_dev_t> devices_of(rpc::remote_server & server) {
    std::vector<ggml_backend_dev_t> devices;
    for (const auto & remote : server.devices()) {
        devices.push_back(&remote->device);
    }
    return devices;
}

uint64_t free_memory(rpc::remote_server & server) {
    uint64_t sum = 0;
    for (auto & own : server.devices()) {
        size_t free  = 0;
        size_t total = 0;
        ggml_backend_dev_memory(&own->device, &free, &total);
        sum += free;
    }
    return sum;
}

} // namespace chq
