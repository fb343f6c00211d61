#include "offer.h"

#include "by_pool.h"
#include "packed_cache.h"
#include "pages.h"
#include "product.h"
#include "trial.h"

#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>

namespace chq::kernels {

const kernel_set & best_kernels() {
    static const kernel_set & best = []() -> const kernel_set & {
        const kernel_set * const * sets = kernel_sets();
        const char * wanted = getenv("CHASQUI_KERNELS_ISA");
        for (int i = 0; wanted && sets[i]; i++) {
            if (strcmp(sets[i]->name, wanted) == 0) {
                return *sets[i];
            }
        }
        return *sets[0];
    }();
    return best;
}

static mode first_mode() {
    const char * m = getenv("CHASQUI_KERNELS");
    return !m ? MODE_AUTO : strcmp(m, "on") == 0 ? MODE_ON : strcmp(m, "off") == 0 ? MODE_OFF : MODE_AUTO;
}

static thread_local mode thread_mode = first_mode();

void set_mode(mode m) {
    thread_mode = m;
    forget_bytes_packed();
}

// ---- the cache

struct cache_choice {
    std::string                   folder;
    uint64_t                      max_bytes = 0;
    std::unique_ptr<packed_cache> cache;
    bool                          opened = false;

    cache_choice() { choose(getenv("CHASQUI_PACKED_CACHE"), CACHE_BYTES); }

    void choose(const char * path, uint64_t bytes) {
        folder    = path ? path : "";
        max_bytes = bytes;
        cache     = nullptr;
        opened    = false;
    }
};

static thread_local cache_choice thread_cache;

void set_cache(const char * folder, uint64_t max_bytes) { thread_cache.choose(folder, max_bytes); }

packed_cache * cache_of_load() {
    cache_choice & choice = thread_cache;
    if (!choice.opened) {
        choice.opened = true;
        if (!choice.folder.empty() && can_map_files()) {
            choice.cache = packed_cache::open(choice.folder, choice.max_bytes);
        }
    }
    return choice.cache.get();
}

void reset_mode() {
    set_mode(first_mode());
    set_cache(getenv("CHASQUI_PACKED_CACHE"), CACHE_BYTES);
}

bool offered(format f) {
    if (thread_mode != MODE_AUTO) {
        return thread_mode == MODE_ON;
    }
    const bool wins = wins_trial(f);
    forget_bytes_packed(); // the trial's own: a loader asks about all of its weights before it fills the first
    return wins;
}

void try_early(ggml_type type) {
    const format f = format_of(type);
    if (f != FORMAT_COUNT && first_mode() == MODE_AUTO && wins_trial(f)) {
        attention_wins_trial(1);
    }
}

static by_pool<int> attention;

void set_attention(const void * pool, int what) {
    attention.set(pool, what == ATTENTION_DEFAULT ? std::nullopt : std::optional<int>(what));
}

bool attends_on(const void * pool, int64_t queries) {
    const int tried = attention_in_trial();
    if (tried != ATTENTION_DEFAULT) {
        return tried == ATTENTION_ON;
    }
    const int what = attention.of(pool).value_or(any_packed() ? ATTENTION_ON : ATTENTION_OFF);
    return what == ATTENTION_ALWAYS || (what == ATTENTION_ON && attention_wins_trial(queries));
}

} // namespace chq::kernels
