// KV caches on files: the same answers from less memory, and what happens when the disk does not play along.
#include "check.h"
#include "tiny_gguf.h"

#include "chasqui_kv.h"

#include <cerrno>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <string>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

constexpr int32_t N_CTX = 1024;
constexpr int32_t LONG  = 700;

tiny_options deep() {
    tiny_options o;
    o.n_embd    = 128;
    o.n_head    = 2;  // of 64 channels
    o.n_head_kv = 2;
    o.n_layer   = 10;
    o.types     = { GGML_TYPE_Q8_0 };
    return o;
}

llama_context_params params_of(ggml_type type, int threads = 2) {
    llama_context_params p = llama_context_default_params();
    p.n_ctx      = N_CTX;
    p.n_batch    = 256;
    p.n_ubatch   = 64;
    p.n_seq_max  = 2;
    p.kv_unified = true;
    p.type_k     = p.type_v = type;
    p.n_threads  = p.n_threads_batch = threads;
    p.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_ENABLED;
    return p;
}

struct context_of {
    chq_context * context = nullptr;

    context_of(const tiny_model & model, const llama_context_params & p) { CHECK_OK(chq_context_create(model.model, &p, 0, &context)); }
    context_of(const tiny_model & model, const llama_context_params & p, uint64_t budget) {
        CHECK_OK(chq_context_create_on_file(model.model, &p, 0, ".", budget, &context));
    }
    ~context_of() { chq_context_free(context); }
    context_of(const context_of &) = delete;
};

uint64_t bytes_of(const tiny_model & model, const llama_context_params & p) {
    context_of all(model, p, UINT64_MAX);
    chq_kv_file_stats s;
    CHECK_OK(chq_context_kv_file_stats(all.context, &s));
    return s.file_bytes;
}

chq_kv_file_stats stats(chq_context * context) {
    chq_kv_file_stats s;
    CHECK_OK(chq_context_kv_file_stats(context, &s));
    return s;
}

std::vector<float> step(chq_context * context, int32_t token, int32_t seq_id = 0) {
    CHECK_OK(chq_decode(context, seq_id, &token, 1, CHQ_OUTPUT_LAST, nullptr));
    const float * row = nullptr;
    int32_t n = 0;
    CHECK_OK(chq_logits(context, &row, &n));
    return std::vector<float>(row, row + 300);
}

void prompt(chq_context * context, int32_t n, int32_t seq_id = 0, uint32_t seed = 7) {
    const std::vector<int32_t> tokens = some_tokens(n, seed);
    CHECK_OK(chq_decode(context, seq_id, tokens.data(), n, CHQ_OUTPUT_NONE, nullptr));
}

chq_sparse_params few(chq_sparse_selector selector = CHQ_SPARSE_SKETCH, float share = 0.1f) {
    chq_sparse_params p = chq_sparse_default_params();
    p.selector = selector;
    p.share    = p.max_share = share;
    p.sinks    = 16;
    p.window   = 64;
    p.always   = true;
    return p;
}

void check_within(chq_context * context) {
    const chq_kv_file_stats s = stats(context);
    CHECK(s.resident_bytes <= s.budget_bytes);
    CHECK(s.most_resident  <= s.budget_bytes);
    CHECK(s.resident_bytes > 0);
}

// On one thread to the last bit. A context may take fewer threads than it was given while others keep the processor busy, and then it sums up in another order.
bool same(const std::vector<float> & a, const std::vector<float> & b, int threads) {
    double most = 0;
    for (size_t i = 0; i < a.size(); ++i) {
        most = std::max(most, (double) std::fabs(a[i] - b[i]));
    }
    return most <= (threads == 1 ? 0 : 2e-3);
}

// Whatever is done, a cache of which a fourth is in memory gives what one in memory gives.
void check_same(ggml_type type, int threads) {
    tiny_model model(deep());
    const llama_context_params p = params_of(type, threads);
    context_of here(model, p);
    const uint64_t all = bytes_of(model, p);
    context_of there(model, p, all / 4);
    for (chq_context * c : { here.context, there.context }) {
        prompt(c, LONG);
    }
    check_within(there.context);
    CHECK(stats(there.context).evicted_bytes > 0);
    CHECK(stats(there.context).loaded_bytes > 0);
    for (int32_t token = 260; token < 264; ++token) {
        CHECK(same(step(here.context, token), step(there.context, token), threads));
        check_within(there.context);
    }
    // forked, rewound, and gone on with
    for (chq_context * c : { here.context, there.context }) {
        CHECK_OK(chq_seq_remove(c, 0, 600, -1));
        CHECK_OK(chq_seq_copy(c, 0, 1));
        prompt(c, 50, 0, 8);
        prompt(c, 60, 1, 9);
    }
    CHECK(same(step(here.context, 265, 0), step(there.context, 265, 0), threads));
    CHECK(same(step(here.context, 265, 1), step(there.context, 265, 1), threads));
    // saved, and restored in the other one
    std::vector<int32_t> tokens(651, 65);
    std::vector<uint8_t> state[2];
    for (int i = 0; i < 2; ++i) {
        chq_context * c = i ? there.context : here.context;
        size_t size = 0;
        chq_seq_save(c, 0, tokens.data(), 651, nullptr, 0, false, nullptr, 0, &size);
        state[i].resize(size);
        CHECK_OK(chq_seq_save(c, 0, tokens.data(), 651, nullptr, 0, false, state[i].data(), size, &size));
        check_within(there.context);
    }
    CHECK(state[0] == state[1]);
    for (chq_context * c : { here.context, there.context }) {
        CHECK_OK(chq_context_clear(c));
        int32_t n = 0;
        CHECK_OK(chq_seq_restore(c, 0, state[1].data(), state[1].size(), true, tokens.data(), 651, &n, nullptr));
    }
    CHECK(same(step(here.context, 266), step(there.context, 266), threads));
    for (chq_context * c : { here.context, there.context }) {
        CHECK_OK(chq_seq_remove(c, 0, 651, -1));
        // a shift goes through all keys
        CHECK_OK(chq_seq_remove(c, 0, 10, 30));
        CHECK_OK(chq_seq_shift(c, 0, 30, -1, -20));
    }
    CHECK(same(step(here.context, 266), step(there.context, 266), threads));
    check_within(there.context);
}

// A descriptor of this process's of the file behind a cache, -1 if there is none.
int hidden_file() {
    DIR * all = opendir("/proc/self/fd");
    int found = -1;
    for (dirent * e; all && (e = readdir(all));) {
        char target[512];
        const std::string link = std::string("/proc/self/fd/") + e->d_name;
        const ssize_t n = readlink(link.c_str(), target, sizeof(target) - 1);
        struct stat about;
        if (n > 0 && fstat(atoi(e->d_name), &about) == 0 && S_ISREG(about.st_mode) && about.st_nlink == 0) {
            CHECK_EQ(about.st_mode & 0777, 0600u);
            found = atoi(e->d_name);
        }
    }
    if (all) {
        closedir(all);
    }
    return found;
}

} // namespace

TEST(a_fourth_of_the_cache_in_memory_changes_nothing) {
    check_same(GGML_TYPE_F16,  1);
    check_same(GGML_TYPE_F16,  2);
    check_same(GGML_TYPE_Q8_0, 1);
    check_same(GGML_TYPE_Q8_0, 2);
    check_same(GGML_TYPE_Q4_0, 1);
}

TEST(nor_do_streams_of_their_own) {
    tiny_model model(deep());
    llama_context_params p = params_of(GGML_TYPE_F16, 1);
    p.kv_unified = false;
    context_of here(model, p);
    context_of there(model, p, bytes_of(model, p) / 4);
    for (chq_context * c : { here.context, there.context }) {
        prompt(c, 400);
        CHECK_OK(chq_seq_copy(c, 0, 1));
    }
    CHECK(same(step(here.context, 265, 1), step(there.context, 265, 1), 1));
    CHECK(same(step(here.context, 265, 0), step(there.context, 265, 0), 1));
    check_within(there.context);
}

TEST(sliding_windows_have_files_too) {
    tiny_options o = deep();
    o.arch  = "gemma2";
    tiny_model model(o);
    llama_context_params p = params_of(GGML_TYPE_F16, 1);
    p.swa_full = false;
    context_of here(model, p);
    context_of there(model, p, bytes_of(model, p) / 3);
    prompt(here.context, LONG);
    prompt(there.context, LONG);
    CHECK(same(step(here.context, 265), step(there.context, 265), 1));
    check_within(there.context);
}

TEST(sparse_steps_keep_to_the_budget) {
    tiny_model model(deep());
    for (ggml_type type : { GGML_TYPE_F16, GGML_TYPE_Q8_0, GGML_TYPE_Q4_0 }) {
        const llama_context_params p = params_of(type, 1);
        const uint64_t all = bytes_of(model, p);
        for (uint64_t part : { 4, 8 }) {
            context_of there(model, p, all / part);
            prompt(there.context, LONG);
            const chq_sparse_params wanted = few(CHQ_SPARSE_SKETCH, 0.05f);
            CHECK_OK(chq_context_set_sparse(there.context, &wanted));
            for (int i = 0; i < 40; ++i) {
                step(there.context, 260 + i);
                check_within(there.context);
            }
            chq_sparse_stats s;
            CHECK_OK(chq_context_sparse_stats(there.context, &s));
            CHECK_EQ(s.sparse_steps, 40);
            CHECK(s.missing > 0 && s.missing < 1);
            // once there, what is chosen stays, where extents are whole pages
            const uint64_t before = stats(there.context).loaded_bytes;
            step(there.context, 261);
            CHECK(type != GGML_TYPE_F16 || stats(there.context).loaded_bytes - before <= all / 20);
        }
        // a budget for everything: token by token, as in memory
        context_of here(model, p);
        context_of there(model, p, all);
        const chq_sparse_params wanted = few();
        for (chq_context * c : { here.context, there.context }) {
            prompt(c, LONG);
            CHECK_OK(chq_context_set_sparse(c, &wanted));
        }
        for (int i = 0; i < 3; ++i) {
            CHECK(same(step(here.context, 270 + i), step(there.context, 270 + i), 1));
        }
        CHECK_EQ(stats(there.context).evicted_bytes, 0u);
    }
}

TEST(selectors_that_read_all_keys_are_refused) {
    tiny_model model(deep());
    const llama_context_params p = params_of(GGML_TYPE_F16, 1);
    context_of small(model, p, bytes_of(model, p) / 4);
    context_of whole(model, p, UINT64_MAX);
    for (chq_sparse_selector selector : { CHQ_SPARSE_EXACT, CHQ_SPARSE_HISA, CHQ_SPARSE_FASA, CHQ_SPARSE_CHUNKS }) {
        const chq_sparse_params wanted = few(selector);
        CHECK_STATUS(chq_context_set_sparse(small.context, &wanted), CHQ_STATUS_UNSUPPORTED);
        CHECK_OK(chq_context_set_sparse(whole.context, &wanted));
    }
    prompt(small.context, LONG);
    for (chq_sparse_selector selector : { CHQ_SPARSE_BOX, CHQ_SPARSE_LEOAM, CHQ_SPARSE_RANDOM, CHQ_SPARSE_WINDOW }) {
        const chq_sparse_params wanted = few(selector);
        CHECK_OK(chq_context_set_sparse(small.context, &wanted));
        step(small.context, 262);
        check_within(small.context);
    }
}

TEST(what_cannot_be_is_refused) {
    tiny_model model(deep());
    llama_context_params p = params_of(GGML_TYPE_F16, 1);
    chq_context * none = nullptr;
    const auto made = [&](const char * folder, uint64_t budget) { return chq_context_create_on_file(model.model, &p, 0, folder, budget, &none); };
    CHECK_STATUS(made(nullptr, 1 << 30), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(made("", 1 << 30), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(made(".", 0), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(made(".", 1 << 16), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(made("/no/such/folder", 1 << 30), CHQ_STATUS_STORAGE);
    CHECK_STATUS(made("/proc", 1 << 30), CHQ_STATUS_STORAGE);
    if (access("/dev/shm", W_OK) == 0) {
        CHECK_STATUS(made("/dev/shm", 1 << 30), CHQ_STATUS_STORAGE);
    }
    // no room
    struct rlimit before;
    REQUIRE(getrlimit(RLIMIT_FSIZE, &before) == 0);
    struct rlimit small = before;
    small.rlim_cur = 4096;
    REQUIRE(setrlimit(RLIMIT_FSIZE, &small) == 0);
    const chq_status status = made(".", 1 << 30);
    REQUIRE(setrlimit(RLIMIT_FSIZE, &before) == 0);
    CHECK_EQ(status, CHQ_STATUS_STORAGE);
    CHECK(strstr(chq_last_error(), "GiB are free") != nullptr);
    p.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
    CHECK_STATUS(made(".", 1 << 30), CHQ_STATUS_UNSUPPORTED);
    p.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_ENABLED;
    CHECK(none == nullptr);
    CHECK_EQ(hidden_file(), -1);
    // the thread makes plain contexts again
    context_of plain(model, p);
    CHECK_EQ(stats(plain.context).file_bytes, 0u);
    tiny_options state;
    state.arch = "mamba";
    tiny_model recurrent(state);
    CHECK_STATUS(chq_context_create_on_file(recurrent.model, &p, 0, ".", 1 << 30, &none), CHQ_STATUS_UNSUPPORTED);
}

TEST(a_disk_that_fails_ends_the_decode_and_nothing_else) {
    if (access("/proc/self/fd", R_OK) != 0) {
        fprintf(stderr, "  skipped: there is no /proc/self/fd\n");
        return;
    }
    tiny_model model(deep());
    const llama_context_params p = params_of(GGML_TYPE_F16, 1);
    context_of here(model, p);
    context_of there(model, p, bytes_of(model, p) / 4);
    prompt(here.context, 500);
    prompt(there.context, 500);
    const int file = hidden_file();
    REQUIRE(file >= 0);
    const int kept = dup(file);
    const int null = open("/dev/null", O_RDWR);
    REQUIRE(kept >= 0 && null >= 0);
    // from now on nothing can be written back
    REQUIRE(dup2(null, file) == file);
    const std::vector<int32_t> more = some_tokens(200, 12);
    int32_t done = -1;
    const chq_status status = chq_decode(there.context, 0, more.data(), 200, CHQ_OUTPUT_LAST, &done);
    CHECK_EQ(status, CHQ_STATUS_STORAGE);
    CHECK(strstr(chq_last_error(), "the file behind the KV cache") != nullptr);
    int32_t last = -1;
    CHECK_OK(chq_seq_range(there.context, 0, nullptr, &last));
    CHECK_EQ(last, 499 + done);
    // and now again: it goes on where it was
    REQUIRE(dup2(kept, file) == file);
    close(kept);
    close(null);
    CHECK_OK(chq_decode(there.context, 0, more.data() + done, 200 - done, CHQ_OUTPUT_NONE, nullptr));
    prompt(here.context, 200, 0, 12);
    CHECK(same(step(here.context, 265), step(there.context, 265), 1));
    check_within(there.context);
    // as does one that begins anew
    CHECK_OK(chq_seq_remove(there.context, 0, 0, -1));
    CHECK_OK(chq_seq_remove(here.context, 0, 0, -1));
    prompt(here.context, 300);
    prompt(there.context, 300);
    CHECK(same(step(here.context, 265), step(there.context, 265), 1));
}

// ---- in a process that may not have the memory

constexpr int32_t  MANY        = 6144; // tokens, whose keys and values take 72 MiB
constexpr uint64_t FEW_BYTES   = 16 << 20;
constexpr int64_t  LIMIT_BYTES = 72 << 20; // of the process

// Does nothing unless the test below starts it: "file" or "memory".
TEST(within_limits) {
    const char * where = getenv("CHQ_TEST_WHERE");
    if (!where) {
        return;
    }
    tiny_options o = deep();
    o.n_embd    = 256;
    o.n_head    = 4;
    o.n_head_kv = 4;
    o.n_layer   = 12;
    o.n_ctx     = MANY;
    tiny_model model(o);
    llama_context_params p = params_of(GGML_TYPE_F16);
    p.n_ctx     = MANY;
    p.n_seq_max = 1;
    chq_context * context = nullptr;
    if (strcmp(where, "file") == 0) {
        CHECK_OK(chq_context_create_on_file(model.model, &p, 0, ".", FEW_BYTES, &context));
    } else {
        CHECK_OK(chq_context_create(model.model, &p, 0, &context));
    }
    prompt(context, MANY - 16);
    const chq_sparse_params wanted = few();
    CHECK_OK(chq_context_set_sparse(context, &wanted));
    for (int i = 0; i < 8; ++i) {
        step(context, 260 + i);
    }
    chq_context_free(context);
}

static bool write_line(const std::string & path, const std::string & line) {
    const int fd = open(path.c_str(), O_WRONLY);
    const bool done = fd >= 0 && write(fd, line.data(), line.size()) == (ssize_t) line.size();
    if (fd >= 0) {
        close(fd);
    }
    return done;
}

// Runs the test above in a group of processes with a limit. The status of waitpid.
static int run_limited(const std::string & group, const char * where) {
    const pid_t child = fork();
    if (child == 0) {
        if (!write_line(group + "/cgroup.procs", std::to_string(getpid()))) {
            _exit(99);
        }
        setenv("CHQ_TEST_WHERE", where, 1);
        execl("/proc/self/exe", "test_tier", "within_limits", (char *) nullptr);
        _exit(98);
    }
    int status = -1;
    REQUIRE(child > 0 && waitpid(child, &status, 0) == child);
    return status;
}

TEST(a_cache_larger_than_the_memory_of_the_process) {
    if (getenv("CHQ_TEST_WHERE")) {
        return;
    }
    const std::string name = "chasqui-test-" + std::to_string(getpid());
    std::string group = "/sys/fs/cgroup/memory/" + name; // version 1
    bool limited = mkdir(group.c_str(), 0755) == 0 && write_line(group + "/memory.limit_in_bytes", std::to_string(LIMIT_BYTES));
    if (!limited) {
        rmdir(group.c_str());
        group   = "/sys/fs/cgroup/" + name;
        limited = mkdir(group.c_str(), 0755) == 0 && write_line(group + "/memory.max", std::to_string(LIMIT_BYTES))
            && write_line(group + "/memory.swap.max", "0");
    }
    if (!limited) {
        fprintf(stderr, "  skipped: no group of processes with a limit of memory can be made here\n");
    } else {
        const int in_file   = run_limited(group, "file");
        const int in_memory = run_limited(group, "memory");
        CHECK(WIFEXITED(in_file) && WEXITSTATUS(in_file) == 0);
        CHECK(WIFSIGNALED(in_memory)); // it is that much
    }
    rmdir(group.c_str());
}

MAIN
