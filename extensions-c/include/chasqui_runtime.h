// Process-wide matters: version, backends, devices and the log.
#pragma once

#include "chasqui_guard.h"

#ifdef __cplusplus
extern "C" {
#endif

CHQ_API const char * chq_version(void);    // of Chasqui, e.g. "0.1.0"
CHQ_API const char * chq_llama_tag(void);  // of the llama.cpp it was built from, e.g. "v0.5.0"
CHQ_API const char * chq_llama_tree(void); // git tree hash of that source

// Loads the backends and takes over llama.cpp's log. Idempotent and thread-safe; every other call needs it first.
// backend_dir: folder of the backend libraries for builds that load them at run time, and of libggml-chasqui (chq_kernels);
// NULL or "" = the folder of this library.
CHQ_API chq_status chq_runtime_init(const char * backend_dir);

//
// devices
//

enum chq_device_type {
    CHQ_DEVICE_CPU         = 0,
    CHQ_DEVICE_GPU         = 1, // memory of its own
    CHQ_DEVICE_IGPU        = 2, // shares the host's memory
    CHQ_DEVICE_ACCELERATOR = 3, // helps the CPU, uses host memory
    CHQ_DEVICE_META        = 4,
};

struct chq_device_info {
    char     name[64];          // e.g. "CPU", "CUDA0"
    char     description[128];  // e.g. the CPU's or card's name
    char     backend[64];       // e.g. "CPU", "CUDA"
    char     library[512];      // path of the library that holds the backend, "" if unknown
    int32_t  type;              // enum chq_device_type
    uint64_t memory_free;       // bytes
    uint64_t memory_total;      // bytes
};

CHQ_API int32_t    chq_device_count(void);
CHQ_API chq_status chq_device(int32_t index, struct chq_device_info * out);

// Instruction sets that the CPU backend in use was compiled for, e.g. "AVX2 FMA F16C".
// *length = bytes needed without the terminator.
CHQ_API chq_status chq_cpu_features(char * text, size_t capacity, size_t * length);

// Instruction set of Chasqui's kernels for products with weights, e.g. "AVX512-VNNI". CHQ_STATUS_STATE if they are not loaded.
// *length = bytes needed without the terminator.
CHQ_API chq_status chq_kernels(char * text, size_t capacity, size_t * length);

// Number of physical cores this process may run on, at least 1 (respects the affinity mask).
CHQ_API int32_t chq_physical_cores(void);

//
// log: lines of llama.cpp, ggml and mtmd are kept in a bounded ring and fetched from there, so that no
// worker thread ever calls into the caller's language.
//

enum chq_log_level {
    CHQ_LOG_DEBUG = 1,
    CHQ_LOG_INFO  = 2,
    CHQ_LOG_WARN  = 3,
    CHQ_LOG_ERROR = 4,
    CHQ_LOG_OFF   = 5,
};

// Lines below this level are dropped at once. Default: CHQ_LOG_WARN.
CHQ_API chq_status chq_log_set_level(int32_t level);

// Number of lines waiting. Lock-free.
CHQ_API int32_t chq_log_pending(void);

// Takes the oldest line: its level, its text (cut to capacity - 1 bytes and terminated) and how many lines were
// lost before it because the ring was full. CHQ_STATUS_STATE if there is none.
CHQ_API chq_status chq_log_take(int32_t * level, char * text, size_t capacity, uint64_t * lost);

#ifdef __cplusplus
}
#endif
