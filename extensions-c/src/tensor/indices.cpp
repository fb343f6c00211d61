#include "tensor/indices.h"

#include <cstring>
#include <set>

namespace chq {

bool find_indices(ggml_tensor * ids, int64_t limit, const data_test & has_data, index_sources & sources, std::string & reason) {
    std::set<const ggml_tensor *> seen;
    std::vector<ggml_tensor *> open { ids };
    while (!open.empty()) {
        ggml_tensor * t = open.back();
        open.pop_back();
        if (!seen.insert(t).second) {
            continue;
        }
        ggml_tensor * root = t->view_src ? t->view_src : t;
        if (has_data(root)) {
            sources.push_back(t);
            continue;
        }
        switch (root->op) {
            case GGML_OP_CUSTOM: // order.h: positions in a row of the first source
                if (root->src[0]->ne[0] > limit) {
                    reason = "they are positions among " + std::to_string(root->src[0]->ne[0]) + ", and there are " + std::to_string(limit) + " rows";
                    return false;
                }
                break;
            case GGML_OP_CONT:
            case GGML_OP_REPEAT:
            case GGML_OP_GET_ROWS:
                open.push_back(root->src[0]);
                break;
            case GGML_OP_CONCAT:
                open.push_back(root->src[0]);
                open.push_back(root->src[1]);
                break;
            default:
                reason = std::string("they are computed (") + ggml_op_desc(root) + ") and cannot be checked now; compute them first";
                return false;
        }
    }
    return true;
}

bool check_indices(const ggml_tensor * ids, const void * root_data, int64_t limit, int32_t * wrong) {
    const char * data = (const char *) root_data + (ids->view_src ? ids->view_offs : 0);
    for (int64_t i3 = 0; i3 < ids->ne[3]; ++i3) {
        for (int64_t i2 = 0; i2 < ids->ne[2]; ++i2) {
            for (int64_t i1 = 0; i1 < ids->ne[1]; ++i1) {
                for (int64_t i0 = 0; i0 < ids->ne[0]; ++i0) {
                    int32_t id;
                    memcpy(&id, data + i0 * ids->nb[0] + i1 * ids->nb[1] + i2 * ids->nb[2] + i3 * ids->nb[3], sizeof(id));
                    if (id < 0 || id >= limit) {
                        *wrong = id;
                        return false;
                    }
                }
            }
        }
    }
    return true;
}

} // namespace chq
