#include "guest.h"

#include "attention.h"
#include "file_cache.h"
#include "offer.h"
#include "product.h"
#include "sparse_attention.h"
#include "sparse_prefill.h"
#include "traits.h" // ggml-cpu's own

#include <cstring>

#ifndef _WIN32
#    include <dlfcn.h>
#endif

// The bases' destructors are defined in ggml-cpu, which a plug-in cannot link against when it is itself loaded at run time.
namespace ggml::cpu {
tensor_traits::~tensor_traits() {}
extra_buffer_type::~extra_buffer_type() {}
} // namespace ggml::cpu

namespace chq::kernels {

namespace {

void (*cpu_barrier)(ggml_threadpool *);
void (*cpu_chunk_set)(ggml_threadpool *, int);
int  (*cpu_chunk_add)(ggml_threadpool *, int);
cpu_attention cpu_attends;

void wait_in(void * pool) { cpu_barrier((ggml_threadpool *) pool); }

struct guest : ggml::cpu::extra_buffer_type, ggml::cpu::tensor_traits {
    bool supports_op(ggml_backend_dev_t, const ggml_tensor * op) override {
        return is_product(op) && is_packed(op->src[0]) && (!is_question(op->src[0]) || offered(format_of(op->src[0]->type)));
    }

    ggml::cpu::tensor_traits * get_tensor_traits(const ggml_tensor * op) override {
        if (is_attention(op) || is_sparse_attention(op) || is_key_write(op) || is_on_file(op)) {
            return this;
        }
        return op->src[0] && is_packed(op->src[0]) && is_product(op) ? this : nullptr;
    }

    bool work_size(int threads, const ggml_tensor * op, size_t & size) override {
        if (!is_product(op) || !is_packed(op->src[0])) {
            return false; // what ggml's own needs, which may be the one that computes
        }
        size = scratch_bytes(best_kernels(), op, threads);
        return true;
    }

    bool compute_forward(ggml_compute_params * params, ggml_tensor * op) override {
        if (is_sparse_attention(op) && attend_sparsely(cpu_attends, params, op)) {
            return true;
        }
        if (is_on_file(op) && !prepare_on_file({ params->ith, params->threadpool, wait_in }, op)) {
            return true;
        }
        if (is_key_write(op)) {
            note_key_write(params, op);
            return false;
        }
        if (op->op == GGML_OP_FLASH_ATTN_EXT) {
            if (!is_attention(op)) {
                return false;
            }
            if (attend_prompt_sparsely(cpu_attends, params, op)) {
                return true;
            }
            if (!attends_on(params->threadpool, op->src[0]->ne[1])) {
                return false;
            }
            const attention_team team = { params->threadpool, wait_in, params->wdata };
            attend(best_kernels(), params->ith, params->nth, op, params->wsize >= sizeof(void *) ? &team : nullptr);
            return true;
        }
        if (!is_product(op) || !is_packed(op->src[0])) {
            return false;
        }
        team team;
        team.index     = params->ith;
        team.count     = params->nth;
        team.scratch   = params->wdata;
        team.pool      = params->threadpool;
        team.barrier   = wait_in;
        team.set_next  = [](void * pool, int item) { cpu_chunk_set((ggml_threadpool *) pool, item); };
        team.take_next = [](void * pool, int n) { return cpu_chunk_add((ggml_threadpool *) pool, n); };
        product(best_kernels(), team, op);
        return true;
    }
};

} // namespace

void * guest_context() {
    static guest instance;
    return (ggml::cpu::extra_buffer_type *) &instance;
}

bool join_cpu_backend(ggml_backend_buffer_type_t type) {
#ifdef _WIN32
    (void) type;
    return false; // the list is not exported there
#else
    ggml_backend_dev_t cpu = ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU);
    if (!cpu || strcmp(ggml_version(), CHQ_GGML_VERSION) != 0) {
        return false;
    }
    void * known = ggml_backend_reg_get_proc_address(ggml_backend_dev_backend_reg(cpu), "ggml_backend_set_n_threads");
    Dl_info info;
    if (!known || !dladdr(known, &info) || !info.dli_fname) {
        return false;
    }
    void * library = dlopen(info.dli_fname, RTLD_NOW | RTLD_NOLOAD);
    if (!library) {
        return false;
    }
    const auto list = (std::vector<ggml_backend_buffer_type_t> & (*)()) dlsym(library, "_Z39ggml_backend_cpu_get_extra_buffer_typesv");
    cpu_barrier   = (void (*)(ggml_threadpool *)) dlsym(library, "ggml_barrier");
    cpu_chunk_set = (void (*)(ggml_threadpool *, int)) dlsym(library, "ggml_threadpool_chunk_set");
    cpu_chunk_add = (int (*)(ggml_threadpool *, int)) dlsym(library, "ggml_threadpool_chunk_add");
    cpu_attends   = { (void (*)(const ggml_compute_params *, ggml_tensor *)) dlsym(library, "ggml_compute_forward_flash_attn_ext"), wait_in };
    dlclose(library); // it stays loaded, the backend is in use
    if (!list || !cpu_barrier || !cpu_chunk_set || !cpu_chunk_add || !cpu_attends.compute) {
        return false;
    }
    list().push_back(type);
    return true;
#endif
}

} // namespace chq::kernels
