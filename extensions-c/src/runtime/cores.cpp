#include "runtime/runtime.h"

#include "chasqui_runtime.h"
#include "guard/guard.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <set>
#include <string>
#include <thread>

#if defined(__linux__)
#    include <sched.h>
#elif defined(__APPLE__)
#    include <sys/sysctl.h>
#endif

namespace chq {

std::string read_line(const char * path) {
    std::ifstream file(path);
    std::string line;
    std::getline(file, line);
    return line;
}

std::string cgroup_folder() {
#if defined(__linux__)
    std::ifstream file("/proc/self/cgroup");
    std::string line;
    while (std::getline(file, line)) {
        if (line.rfind("0::", 0) == 0) {
            return "/sys/fs/cgroup" + line.substr(3);
        }
    }
#endif
    return "";
}

#if defined(__linux__)

// Cores that the affinity mask reaches; hardware threads of one core share the first id in thread_siblings_list.
static int cores_in_affinity_mask() {
    std::set<std::string> cores;
    for (int n_cpus = 1024; n_cpus <= 1 << 16; n_cpus *= 2) {
        cpu_set_t * set = CPU_ALLOC(n_cpus);
        if (!set) {
            return 0;
        }
        const size_t size = CPU_ALLOC_SIZE(n_cpus);
        if (sched_getaffinity(0, size, set) == 0) {
            for (int cpu = 0; cpu < n_cpus; ++cpu) {
                if (CPU_ISSET_S(cpu, size, set)) {
                    const std::string path     = "/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/thread_siblings_list";
                    const std::string siblings = read_line(path.c_str());
                    cores.insert(siblings.empty() ? "cpu" + std::to_string(cpu) : siblings);
                }
            }
            CPU_FREE(set);
            break;
        }
        CPU_FREE(set); // the kernel's mask is longer: try again
    }
    return (int) cores.size();
}

// CPUs that the control group's quota amounts to, rounded up; 0 = no limit. A parent's limit counts as well.
static int cores_in_cgroup_quota() {
    double quota = 0;
    const std::string root = "/sys/fs/cgroup";
    for (std::string folder = cgroup_folder(); folder.size() >= root.size(); ) {
        const std::string line = read_line((folder + "/cpu.max").c_str()); // "max 100000" or "150000 100000"
        double q = 0;
        double period = 0;
        if (sscanf(line.c_str(), "%lf %lf", &q, &period) == 2 && q > 0 && period > 0) {
            quota = quota == 0 ? q / period : std::min(quota, q / period);
        }
        const size_t slash = folder.find_last_of('/');
        if (folder == root || slash == std::string::npos) {
            break;
        }
        folder.resize(folder.back() == '/' ? folder.size() - 1 : slash);
    }
    return (int) std::ceil(quota);
}

static int count_cores() {
    const int cores = cores_in_affinity_mask();
    const int quota = cores_in_cgroup_quota();
    return quota > 0 ? std::min(cores, quota) : cores;
}

#elif defined(__APPLE__)

// Performance cores only: with the slower ones in, every step waits for them.
static int count_cores() {
    for (const char * name : { "hw.perflevel0.physicalcpu", "hw.physicalcpu" }) {
        int32_t n = 0;
        size_t size = sizeof(n);
        if (sysctlbyname(name, &n, &size, nullptr, 0) == 0 && n > 0) {
            return n;
        }
    }
    return 0;
}

#else

static int count_cores() {
    return 0;
}

#endif

} // namespace chq

int32_t chq_physical_cores(void) {
    // read once: a process seldom changes its mask, and the files are slow
    static const int32_t cores = [] {
        int32_t n = 0;
        chq::guarded([&] {
            n = chq::count_cores();
            return CHQ_STATUS_OK;
        });
        if (n < 1) {
            n = (int32_t) std::thread::hardware_concurrency();
        }
        return std::max(1, n);
    }();
    return cores;
}
