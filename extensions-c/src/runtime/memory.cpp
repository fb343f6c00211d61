#include "runtime/runtime.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fstream>

#if defined(__APPLE__)
#    include <mach/mach.h>
#elif defined(_WIN32)
#    define WIN32_LEAN_AND_MEAN
#    include <windows.h>
#endif

namespace chq {

#if defined(__linux__)

static uint64_t system_available() {
    std::ifstream file("/proc/meminfo");
    std::string line;
    while (std::getline(file, line)) {
        unsigned long long kib;
        if (sscanf(line.c_str(), "MemAvailable: %llu", &kib) == 1) {
            return kib * 1024;
        }
    }
    return UINT64_MAX;
}

// What the control group and its parents leave. Page cache counts as used there but is given back under pressure.
static uint64_t cgroup_available() {
    uint64_t available = UINT64_MAX;
    const std::string root = "/sys/fs/cgroup";
    for (std::string folder = cgroup_folder(); folder.size() >= root.size(); ) {
        const std::string max = read_line((folder + "/memory.max").c_str());
        const std::string use = read_line((folder + "/memory.current").c_str());
        if (!max.empty() && max != "max" && !use.empty()) {
            const uint64_t limit = strtoull(max.c_str(), nullptr, 10);
            uint64_t       used  = strtoull(use.c_str(), nullptr, 10);
            std::ifstream stat(folder + "/memory.stat");
            std::string key;
            uint64_t value;
            while (stat >> key >> value) {
                if (key == "inactive_file" || key == "active_file") {
                    used -= std::min(used, value);
                }
            }
            available = std::min(available, limit - std::min(limit, used));
        }
        const size_t slash = folder.find_last_of('/');
        if (folder == root || slash == std::string::npos) {
            break;
        }
        folder.resize(folder.back() == '/' ? folder.size() - 1 : slash);
    }
    return available;
}

uint64_t available_memory() {
    return std::min(system_available(), cgroup_available());
}

#elif defined(__APPLE__)

uint64_t available_memory() {
    vm_statistics64_data_t stat;
    mach_msg_type_number_t count = HOST_VM_INFO64_COUNT;
    if (host_statistics64(mach_host_self(), HOST_VM_INFO64, (host_info64_t) &stat, &count) != KERN_SUCCESS) {
        return UINT64_MAX;
    }
    return ((uint64_t) stat.free_count + stat.inactive_count + stat.purgeable_count) * vm_kernel_page_size;
}

#elif defined(_WIN32)

uint64_t available_memory() {
    MEMORYSTATUSEX status;
    status.dwLength = sizeof(status);
    return GlobalMemoryStatusEx(&status) ? status.ullAvailPhys : UINT64_MAX;
}

#else

uint64_t available_memory() {
    return UINT64_MAX;
}

#endif

} // namespace chq
