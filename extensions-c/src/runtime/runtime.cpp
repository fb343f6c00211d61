#include "runtime/runtime.h"

#include "chasqui_runtime.h"
#include "guard/guard.h"
#include "llama.h"
#include "mtmd.h"

#include <atomic>
#include <cstring>
#include <filesystem>
#include <mutex>

#ifdef _WIN32
#    define WIN32_LEAN_AND_MEAN
#    include <windows.h>
#else
#    include <dlfcn.h>
#endif

namespace chq {

static std::atomic<bool> initialised { false };

void check_runtime() {
    if (!initialised.load(std::memory_order_acquire)) {
        fail(CHQ_STATUS_STATE, "chq_runtime_init has not been called");
    }
}

static ggml_backend_dev_t cpu_device() {
    return ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU);
}

void * cpu_function(const char * name) {
    ggml_backend_dev_t dev = cpu_device();
    ggml_backend_reg_t reg = dev ? ggml_backend_dev_backend_reg(dev) : nullptr;
    return reg ? ggml_backend_reg_get_proc_address(reg, name) : nullptr;
}

ggml_backend_reg_t kernels_registration() {
    return ggml_backend_reg_by_name("Chasqui");
}

// Path of the library that holds an address, "" if unknown.
static std::string library_of(const void * address) {
    if (!address) {
        return "";
    }
#ifdef _WIN32
    HMODULE module;
    char path[MAX_PATH];
    if (!GetModuleHandleExA(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT, (LPCSTR) address, &module)) {
        return "";
    }
    const DWORD n = GetModuleFileNameA(module, path, sizeof(path));
    return std::string(path, n);
#else
    Dl_info info;
    return dladdr(address, &info) && info.dli_fname ? info.dli_fname : "";
#endif
}

static std::filesystem::path own_folder() {
    return std::filesystem::path(library_of((const void *) &chq_runtime_init)).parent_path();
}

static void load_backends(const char * dir) {
    const bool given = dir && dir[0];
    if (given) {
        std::error_code error;
        if (!std::filesystem::is_directory(dir, error)) {
            fail(CHQ_STATUS_ARGUMENT, "the backend folder \"%s\" does not exist", dir);
        }
    }
    if (given || !cpu_device()) {
        // loads GGML_BACKEND_PATH as well
        ggml_backend_load_all_from_path(given ? dir : own_folder().string().c_str());
        return;
    }
    // The CPU backend is linked in: only a backend that the user names comes from outside.
    if (const char * path = getenv("GGML_BACKEND_PATH")) {
        ggml_backend_load(path);
    }
}

// Chasqui's kernels join the CPU backend, which must be there first. Without them everything works, only slower.
static void load_kernels(const char * dir) {
    if (kernels_registration()) {
        return; // GGML_BACKEND_PATH named them
    }
#ifdef _WIN32
    const char * name = "ggml-chasqui.dll";
#else
    const char * name = "libggml-chasqui.so"; // a module ends so on macOS, too
#endif
    const std::filesystem::path path = (dir && dir[0] ? std::filesystem::path(dir) : own_folder()) / name;
    std::error_code error;
    if (std::filesystem::exists(path, error)) {
        ggml_backend_load(path.string().c_str());
    }
}

static void copy_name(char * to, size_t capacity, const char * from) {
    snprintf(to, capacity, "%s", from ? from : "");
}

} // namespace chq

using namespace chq;

const char * chq_version(void)    { return CHQ_VERSION; }
const char * chq_llama_tag(void)  { return CHQ_LLAMA_TAG; }
const char * chq_llama_tree(void) { return CHQ_LLAMA_TREE; }

chq_status chq_runtime_init(const char * backend_dir) {
    return guarded([&] {
        static std::mutex mutex;
        std::lock_guard<std::mutex> lock(mutex);
        if (initialised.load(std::memory_order_relaxed)) {
            return CHQ_STATUS_OK;
        }
        install_abort_callback();
        llama_log_set(on_log, nullptr);
        mtmd_log_set (on_log, nullptr);
        llama_backend_init();
        load_backends(backend_dir);
        if (!cpu_device()) {
            fail(CHQ_STATUS_UNSUPPORTED, "no CPU backend was found in \"%s\"%s%s",
                backend_dir && backend_dir[0] ? backend_dir : "the folder of libchasqui",
                captured_errors()[0] ? ": " : "", captured_errors());
        }
        load_kernels(backend_dir);
        initialised.store(true, std::memory_order_release);
        return CHQ_STATUS_OK;
    });
}

int32_t chq_device_count(void) {
    return initialised.load(std::memory_order_acquire) ? (int32_t) ggml_backend_dev_count() : 0;
}

chq_status chq_device(int32_t index, struct chq_device_info * out) {
    return guarded([&] {
        check_runtime();
        check_pointer(out, "out");
        if (index < 0 || index >= (int32_t) ggml_backend_dev_count()) {
            fail(CHQ_STATUS_ARGUMENT, "device %d does not exist, there are %zu", index, ggml_backend_dev_count());
        }
        ggml_backend_dev_t dev = ggml_backend_dev_get(index);
        ggml_backend_reg_t reg = ggml_backend_dev_backend_reg(dev);

        chq_device_info info;
        memset(&info, 0, sizeof(info));
        copy_name(info.name,        sizeof(info.name),        ggml_backend_dev_name(dev));
        copy_name(info.description, sizeof(info.description), ggml_backend_dev_description(dev));
        copy_name(info.backend,     sizeof(info.backend),     reg ? ggml_backend_reg_name(reg) : "");
        // every backend keeps its registration in its own data segment
        copy_name(info.library,     sizeof(info.library),     library_of(reg).c_str());

        switch (ggml_backend_dev_type(dev)) {
            case GGML_BACKEND_DEVICE_TYPE_CPU:   info.type = CHQ_DEVICE_CPU;         break;
            case GGML_BACKEND_DEVICE_TYPE_GPU:   info.type = CHQ_DEVICE_GPU;         break;
            case GGML_BACKEND_DEVICE_TYPE_IGPU:  info.type = CHQ_DEVICE_IGPU;        break;
            case GGML_BACKEND_DEVICE_TYPE_ACCEL: info.type = CHQ_DEVICE_ACCELERATOR; break;
            default:                             info.type = CHQ_DEVICE_META;        break;
        }
        size_t free  = 0;
        size_t total = 0;
        ggml_backend_dev_memory(dev, &free, &total);
        info.memory_free  = free;
        info.memory_total = total;
        if (info.type == CHQ_DEVICE_CPU) {
            // the backend knows the machine, not the limits set on this process
            const uint64_t available = available_memory();
            info.memory_free = available < info.memory_free ? available : info.memory_free;
        }
        *out = info;
        return CHQ_STATUS_OK;
    });
}

chq_status chq_cpu_features(char * text, size_t capacity, size_t * length) {
    return guarded([&] {
        check_runtime();
        check_pointer(length, "length");
        std::string names;
        auto get_features = (ggml_backend_get_features_t) cpu_function("ggml_backend_get_features");
        if (get_features) {
            ggml_backend_reg_t reg = ggml_backend_dev_backend_reg(cpu_device());
            for (ggml_backend_feature * f = get_features(reg); f && f->name; ++f) {
                if (f->value && strcmp(f->value, "0") != 0) {
                    names += names.empty() ? "" : " ";
                    names += f->name;
                    if (strcmp(f->value, "1") != 0) {
                        names += std::string("=") + f->value;
                    }
                }
            }
        }
        return give_text(names.data(), names.size(), text, capacity, length);
    });
}

chq_status chq_kernels(char * text, size_t capacity, size_t * length) {
    return guarded([&] {
        check_runtime();
        check_pointer(length, "length");
        ggml_backend_reg_t reg = kernels_registration();
        if (!reg || ggml_backend_reg_dev_count(reg) == 0) {
            fail(CHQ_STATUS_STATE, "Chasqui's kernels are not loaded");
        }
        const char * set = ggml_backend_dev_description(ggml_backend_reg_dev_get(reg, 0));
        return give_text(set, strlen(set), text, capacity, length);
    });
}
