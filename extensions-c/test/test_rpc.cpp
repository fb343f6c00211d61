// Models on the devices of servers: two of them as processes of their own, which this program is when it is called with "serve".
#include "check.h"
#include "tiny_gguf.h"

#include <arpa/inet.h>
#include <csignal>
#include <sys/socket.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

static const char * self;

static std::string free_endpoint() {
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in at;
    memset(&at, 0, sizeof(at));
    at.sin_family      = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(at);
    REQUIRE(bind(fd, (sockaddr *) &at, sizeof(at)) == 0 && getsockname(fd, (sockaddr *) &at, &size) == 0);
    close(fd);
    return "127.0.0.1:" + std::to_string(ntohs(at.sin_port));
}

struct server_process {
    std::string endpoint = free_endpoint();
    pid_t       pid      = -1;

    server_process() { start(); }
    ~server_process() { kill(); }
    server_process(const server_process &) = delete;

    void start() {
        pid = fork();
        if (pid == 0) {
            freopen("/dev/null", "w", stdout);
            execl(self, self, "serve", endpoint.c_str(), (char *) nullptr);
            _exit(127);
        }
    }

    void kill() {
        if (pid > 0) {
            ::kill(pid, SIGKILL);
            waitpid(pid, nullptr, 0);
            pid = -1;
        }
    }
};

struct connection {
    chq_rpc_server   * server = nullptr;
    ggml_backend_dev_t device = nullptr;

    explicit connection(const std::string & endpoint, int32_t answer_ms = 60000) {
        CHECK_OK(chq_runtime_init(nullptr));
        for (int i = 0; i < 1000; ++i) {
            if (chq_rpc_connect(endpoint.c_str(), 20000, answer_ms, &server) == CHQ_STATUS_OK) {
                break;
            }
            std::this_thread::sleep_for(std::chrono::milliseconds(20)); // it is starting
        }
        REQUIRE(server);
        int32_t n = 0;
        CHECK_OK(chq_rpc_device_count(server, &n));
        CHECK_EQ(n, 1);
        CHECK_OK(chq_rpc_device(server, 0, nullptr, &device));
    }
    ~connection() { chq_rpc_disconnect(server); }
    connection(const connection &) = delete;
};

// A model with its layers on those devices, and a context of it.
struct remote_model {
    chq_model   * model   = nullptr;
    chq_context * context = nullptr;

    explicit remote_model(std::vector<ggml_backend_dev_t> devices, bool kv_here = false) : kv_here(kv_here) {
        path = temporary_path("remote.gguf");
        tiny_options options;
        options.n_layer   = 4;
        options.n_embd    = 128;
        options.n_head    = 4; // of 32 channels
        options.n_head_kv = 2;
        write_tiny_gguf(path, options);
        llama_model_params params = llama_model_default_params();
        if (!devices.empty()) {
            devices.push_back(nullptr);
            params.devices = devices.data();
        }
        CHECK_OK(chq_model_load(path.c_str(), &params, CHQ_KERNELS_OFF, &model));
        open_context();
    }
    ~remote_model() {
        CHECK_STATUS(chq_context_free(context), CHQ_STATUS_OK);
        CHECK_STATUS(chq_model_free(model), CHQ_STATUS_OK);
    }
    remote_model(const remote_model &) = delete;

    void open_context() {
        llama_context_params params = llama_context_default_params();
        params.n_ctx     = 256;
        params.n_threads = params.n_threads_batch = 1;
        params.offload_kqv     = !kv_here;
        CHECK_OK(chq_context_create(model, &params, 0, &context));
    }

    std::vector<float> row() {
        const float * data = nullptr;
        int32_t n = 0;
        CHECK_OK(chq_logits(context, &data, &n));
        return std::vector<float>(data + (n - 1) * 300, data + n * 300);
    }

    std::string path;
    bool        kv_here;
};

TEST(two_servers_give_the_same_logits) {
    server_process one;
    server_process two;
    connection to_one(one.endpoint);
    connection to_two(two.endpoint);
    remote_model here({});
    remote_model there({ to_one.device, to_two.device });
    const std::vector<int32_t> prompt = some_tokens(50);
    for (remote_model * m : { &here, &there }) {
        CHECK_OK(chq_decode(m->context, 0, prompt.data(), 50, CHQ_OUTPUT_LAST, nullptr));
    }
    for (int32_t i = 0; i < 30; ++i) {
        const std::vector<float> expected = here.row();
        const std::vector<float> actual   = there.row();
        int32_t best = 0;
        for (int32_t t = 0; t < 300; ++t) {
            CHECK(std::abs(expected[t] - actual[t]) < 1e-4f);
            best = expected[t] > expected[best] ? t : best;
        }
        for (remote_model * m : { &here, &there }) {
            CHECK_OK(chq_decode(m->context, 0, &best, 1, CHQ_OUTPUT_LAST, nullptr));
        }
    }
}

// The device has the weights and no keys: those are here, and each token attends to some of them.
TEST(a_server_computes_layers_whose_attention_is_sparse_and_here) {
    server_process server;
    connection to_server(server.endpoint);
    remote_model here({}, true);
    remote_model there({ to_server.device }, true);
    remote_model all_there({ to_server.device });
    const std::vector<int32_t> prompt = some_tokens(200);
    chq_sparse_params some = chq_sparse_default_params();
    some.share  = some.max_share = 0.1f;
    some.sinks  = 8;
    some.window = 32;
    some.always = true;
    CHECK_STATUS(chq_context_set_sparse(all_there.context, &some), CHQ_STATUS_UNSUPPORTED);
    for (remote_model * m : { &here, &there }) {
        CHECK_OK(chq_decode(m->context, 0, prompt.data(), 200, CHQ_OUTPUT_NONE, nullptr));
        const int32_t token = 270;
        CHECK_OK(chq_context_set_sparse(m->context, &some));
        CHECK_OK(chq_decode(m->context, 0, &token, 1, CHQ_OUTPUT_LAST, nullptr));
        chq_sparse_stats stats;
        CHECK_OK(chq_context_sparse_stats(m->context, &stats));
        CHECK_EQ(stats.sparse_steps, 1);
        CHECK(stats.cells < 0.5);
    }
    for (int32_t t = 0; t < 300; ++t) {
        CHECK(std::abs(here.row()[t] - there.row()[t]) < 1e-3f);
    }
}

// llama.cpp's client ends its process when a second context of a server's is closed, as the server then forgets the first one's graph.
TEST(a_context_survives_the_close_of_another) {
    server_process one;
    connection to_one(one.endpoint);
    remote_model there({ to_one.device });
    const std::vector<int32_t> prompt = some_tokens(50);
    CHECK_OK(chq_decode(there.context, 0, prompt.data(), 50, CHQ_OUTPUT_LAST, nullptr));
    chq_context * first = there.context;
    there.open_context();
    CHECK_OK(chq_decode(first, 0, prompt.data(), 1, CHQ_OUTPUT_LAST, nullptr));
    CHECK_OK(chq_decode(first, 0, prompt.data(), 1, CHQ_OUTPUT_LAST, nullptr));
    CHECK_OK(chq_context_free(there.context));
    there.context = first;
    CHECK_OK(chq_decode(first, 0, prompt.data(), 1, CHQ_OUTPUT_LAST, nullptr));
}

static void lose_and_come_back(bool lose_first) {
    server_process one;
    server_process two;
    const std::vector<int32_t> prompt = some_tokens(50);
    {
        connection to_one(one.endpoint);
        connection to_two(two.endpoint);
        remote_model there({ to_one.device, to_two.device });
        CHECK_OK(chq_decode(there.context, 0, prompt.data(), 50, CHQ_OUTPUT_LAST, nullptr));

        server_process & lost = lose_first ? one : two;
        lost.kill();
        CHECK_STATUS(chq_decode(there.context, 0, prompt.data(), 1, CHQ_OUTPUT_LAST, nullptr), CHQ_STATUS_REMOTE);
        CHECK(strstr(chq_last_error(), lost.endpoint.c_str()));
        CHECK_STATUS(chq_decode(there.context, 0, prompt.data(), 1, CHQ_OUTPUT_LAST, nullptr), CHQ_STATUS_REMOTE);
        size_t size = 0;
        std::vector<uint8_t> state(1 << 20);
        CHECK_STATUS(chq_seq_save(there.context, 0, prompt.data(), 1, nullptr, 0, false, state.data(), state.size(), &size), CHQ_STATUS_REMOTE);
        chq_context * more = nullptr;
        CHECK_STATUS(chq_context_create(there.model, nullptr, 0, &more), CHQ_STATUS_REMOTE);
        CHECK(!more);
        lost.start();
        CHECK_STATUS(chq_decode(there.context, 0, prompt.data(), 1, CHQ_OUTPUT_LAST, nullptr), CHQ_STATUS_REMOTE);
    }
    connection to_one(one.endpoint);
    connection to_two(two.endpoint);
    remote_model again({ to_one.device, to_two.device });
    CHECK_OK(chq_decode(again.context, 0, prompt.data(), 50, CHQ_OUTPUT_LAST, nullptr));
}

TEST(losing_the_first_server)  { lose_and_come_back(true); }
TEST(losing_the_second_server) { lose_and_come_back(false); }

TEST(a_server_that_stops_answering) {
    server_process one;
    connection to_one(one.endpoint, 400);
    remote_model there({ to_one.device });
    kill(one.pid, SIGSTOP);
    const int32_t token = 5;
    CHECK_STATUS(chq_decode(there.context, 0, &token, 1, CHQ_OUTPUT_LAST, nullptr), CHQ_STATUS_REMOTE);
    CHECK(strstr(chq_last_error(), "did not answer"));
    kill(one.pid, SIGCONT);
}

TEST(a_connection_lasts_as_long_as_its_users) {
    server_process one;
    auto first = std::make_unique<connection>(one.endpoint);
    auto second = std::make_unique<connection>(one.endpoint);
    CHECK(first->device == second->device);
    remote_model there({ first->device });
    first.reset();
    second.reset();
    const int32_t token = 5;
    CHECK_OK(chq_decode(there.context, 0, &token, 1, CHQ_OUTPUT_LAST, nullptr));
    // the server serves one connection at a time: the model's is the one that there is
    connection third(one.endpoint);
    CHECK_OK(chq_decode(there.context, 0, &token, 1, CHQ_OUTPUT_LAST, nullptr));
}

TEST(arguments) {
    CHECK_OK(chq_runtime_init(nullptr));
    chq_rpc_server * server = nullptr;
    for (const char * endpoint : { "", "a", ":1", "a:", "a:0", "a:65536", "a:-1", "a:1x", "a b:1", "a:1:2", "[::1:2", "::1:5", "a:99999999999999999999" }) {
        CHECK_STATUS(chq_rpc_connect(endpoint, 100, 100, &server), CHQ_STATUS_ARGUMENT);
        CHECK_STATUS(chq_rpc_serve(endpoint, nullptr, 0), CHQ_STATUS_ARGUMENT);
    }
    CHECK_STATUS(chq_rpc_connect(nullptr,       100, 100, &server), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_rpc_connect("127.0.0.1:1", 0,   100, &server), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_rpc_connect("127.0.0.1:1", 100, 0,   &server), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_rpc_connect("127.0.0.1:1", 100, 100, nullptr), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_rpc_connect("127.0.0.1:1", 100, 100, &server), CHQ_STATUS_REMOTE); // nobody listens
    CHECK_STATUS(chq_rpc_connect("[::1]:1",     100, 100, &server), CHQ_STATUS_REMOTE);
    CHECK_STATUS(chq_rpc_connect("no-such-host.invalid:1", 100, 100, &server), CHQ_STATUS_REMOTE);
    CHECK(!server);
    int32_t n = 0;
    CHECK_STATUS(chq_rpc_device_count(nullptr, &n), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_rpc_device(nullptr, 0, nullptr, nullptr), CHQ_STATUS_ARGUMENT);
    CHECK_OK(chq_rpc_disconnect(nullptr));

    server_process one;
    connection to_one(one.endpoint);
    CHECK_STATUS(chq_rpc_device(to_one.server, -1, nullptr, nullptr), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_rpc_device(to_one.server, 1,  nullptr, nullptr), CHQ_STATUS_ARGUMENT);
    chq_device_info info;
    CHECK_OK(chq_rpc_device(to_one.server, 0, &info, nullptr));
    CHECK(info.memory_total > 0 && std::string(info.description) == one.endpoint);
    CHECK_STATUS(chq_rpc_serve(one.endpoint.c_str(), nullptr, 0), CHQ_STATUS_STATE); // in use
    CHECK_STATUS(chq_rpc_serve("localhost:1",        nullptr, 0), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_rpc_serve(free_endpoint().c_str(), "/no/such/folder", 0), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_rpc_serve(free_endpoint().c_str(), nullptr, 513), CHQ_STATUS_ARGUMENT);

    // a device whose server is gone is no device
    ggml_backend_dev_t stale;
    {
        server_process two;
        connection to_two(two.endpoint);
        stale = to_two.device;
    }
    ggml_backend_dev_t devices[] = { stale, nullptr };
    llama_model_params params = llama_model_default_params();
    params.devices = devices;
    chq_model * model = nullptr;
    CHECK_STATUS(chq_model_load("x.gguf", &params, CHQ_KERNELS_OFF, &model), CHQ_STATUS_ARGUMENT);
}

int main(int argc, char ** argv) {
    self = argv[0];
    if (argc == 3 && !strcmp(argv[1], "serve")) {
        return chq_runtime_init(nullptr) == CHQ_STATUS_OK ? chq_rpc_serve(argv[2], nullptr, 1) : 1;
    }
    return check::run_all(argc, argv);
}
