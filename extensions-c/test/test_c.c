// The headers must be C: this file is compiled as C99 and calls the library without C++ around it.
#include "chasqui.h"

#include <stdio.h>
#include <string.h>

int main(void) {
    uint32_t n = 0;
    const struct chq_abi_struct * all = chq_abi_structs(&n);
    if (n < 10 || !all[0].name) {
        fprintf(stderr, "no ABI report\n");
        return 1;
    }
    if (chq_runtime_init(NULL) != CHQ_STATUS_OK || chq_device_count() < 1 || chq_physical_cores() < 1) {
        fprintf(stderr, "no runtime: %s\n", chq_last_error());
        return 1;
    }
    struct chq_model * model = NULL;
    if (chq_model_load("no/such/file.gguf", NULL, CHQ_KERNELS_AUTO, &model) != CHQ_STATUS_LOAD || !strstr(chq_last_error(), "no such file")) {
        fprintf(stderr, "a missing file gave: %s\n", chq_last_error());
        return 1;
    }
    const float x[3] = { 1.0f, 3.0f, 2.0f };
    int32_t best = -1;
    if (chq_rows_argmax(x, 1, 3, 3, &best, NULL) != CHQ_STATUS_OK || best != 1) {
        fprintf(stderr, "argmax gave %d\n", best);
        return 1;
    }
    return strcmp(chq_version(), "") == 0 || strcmp(chq_llama_tag(), "") == 0 || strlen(chq_llama_tree()) != 40;
}
