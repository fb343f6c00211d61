#pragma once

#include <cstdint>
#include <cstdio>
#include <string>

#include "ggml-backend.h"

namespace chq {

// Fails with CHQ_STATUS_STATE unless chq_runtime_init has succeeded.
void check_runtime();

// A function that the CPU backend exports by name; NULL if it does not.
void * cpu_function(const char * name);

// The registration of Chasqui's kernels; NULL if they are not loaded.
ggml_backend_reg_t kernels_registration();

// A function that the kernels' registration gives by name, as a pointer of type F; NULL if they are not loaded.
template <class F>
F kernels_function(const char * name) {
    ggml_backend_reg_t reg = kernels_registration();
    return reg ? (F) ggml_backend_reg_get_proc_address(reg, name) : nullptr;
}

// The callback for llama_log_set and its like.
void on_log(ggml_log_level level, const char * text, void * user);

// For as long as it lives, hears of each message of this thread, of whatever level. May throw, which ends what logs.
class log_listener {
public:
    using on_text = void (*)(const char * text, void * user);

    log_listener(on_text hears, void * user);
    ~log_listener();
    log_listener(const log_listener &) = delete;

private:
    on_text former_hears;
    void  * former_user;
};

// Bytes that this process may still allocate: what the system has and what the control group allows. UINT64_MAX if unknown.
uint64_t available_memory();

// The file's first line, without the newline; empty if it cannot be read.
std::string read_line(const char * path);

// Folder of this process's cgroup v2, e.g. "/sys/fs/cgroup/user.slice"; empty if there is none.
std::string cgroup_folder();

} // namespace chq
