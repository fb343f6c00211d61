#include "model/deep_stack.h"

#include <cstdio>

#ifdef _WIN32
#    include <thread>
#else
#    include <pthread.h>
#endif

namespace chq {

namespace {

struct job {
    const std::function<void()> * body;
    chq_status status = CHQ_STATUS_OK;
    char       message[1024] = "";

    void run() {
        status = guarded([&] {
            (*body)();
            return CHQ_STATUS_OK;
        });
        if (status != CHQ_STATUS_OK) {
            snprintf(message, sizeof(message), "%s", last_error());
        }
    }
};

} // namespace

void run_on_deep_stack(size_t n_bytes, const std::function<void()> & body) {
    job j { &body };
#ifdef _WIN32
    (void) n_bytes;
    std::thread([&] { j.run(); }).join();
#else
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_t thread;
    int error = pthread_attr_setstacksize(&attributes, n_bytes);
    if (!error) {
        error = pthread_create(&thread, &attributes, [](void * p) -> void * {
            ((job *) p)->run();
            return nullptr;
        }, &j);
    }
    pthread_attr_destroy(&attributes);
    if (error) {
        fail(CHQ_STATUS_MEMORY, "no thread with a stack of %zu MiB could be started", n_bytes >> 20);
    }
    pthread_join(thread, nullptr);
#endif
    if (j.status != CHQ_STATUS_OK) {
        fail(j.status, "%s", j.message);
    }
}

} // namespace chq
