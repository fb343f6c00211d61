#include "vision/attention_share.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>

namespace chq {

namespace {

// "Qcur-3" gives 3, and so do "Qcur_pos-3" and "Qcur_rope-3", which come after it and count more.
int layer_of(const char * name, const char * prefix) {
    const size_t n = strlen(prefix);
    if (strncmp(name, prefix, n) != 0) {
        return -1;
    }
    const char * rest = name + n;
    for (const char * turned : { "_pos", "_rope" }) {
        if (strncmp(rest, turned, strlen(turned)) == 0) {
            rest += strlen(turned);
        }
    }
    int index = -1;
    int n_read = 0; // views of it have more behind the number
    return sscanf(rest, "-%d%n", &index, &n_read) == 1 && rest[n_read] == 0 ? index : -1;
}

bool is_wanted(const ggml_tensor * tensor) {
    const bool named = layer_of(tensor->name, "Qcur") >= 0 || layer_of(tensor->name, "Kcur") >= 0;
    return named && tensor->type == GGML_TYPE_F32 && tensor->ne[3] == 1;
}

// Numbers of a tensor in order, wherever it lives and whatever its strides are.
std::vector<float> numbers(const ggml_tensor * t) {
    std::vector<float> out((size_t) ggml_nelements(t));
    if (ggml_is_contiguous(t)) {
        ggml_backend_tensor_get(t, out.data(), 0, out.size() * sizeof(float));
        return out;
    }
    float * at = out.data();
    for (int64_t i2 = 0; i2 < t->ne[2]; ++i2) {
        for (int64_t i1 = 0; i1 < t->ne[1]; ++i1, at += t->ne[0]) {
            if (t->nb[0] == sizeof(float)) {
                ggml_backend_tensor_get(t, at, i2 * t->nb[2] + i1 * t->nb[1], t->ne[0] * sizeof(float));
                continue;
            }
            for (int64_t i0 = 0; i0 < t->ne[0]; ++i0) {
                ggml_backend_tensor_get(t, at + i0, i2 * t->nb[2] + i1 * t->nb[1] + i0 * t->nb[0], sizeof(float));
            }
        }
    }
    return out;
}

} // namespace

attention_layout attention_layout_of(const std::string & projector, bool class_token) {
    for (const char * plain : { "janus_pro", "gemma3", "idefics3", "pixtral", "qwen2vl_merger" }) {
        if (projector == plain) {
            return { !class_token, false };
        }
    }
    return { projector == "mlp", class_token };
}

void attention_share::begin() {
    last    = {};
    current = {};
}

bool attention_share::on_node(ggml_tensor * tensor, bool ask, void * self) {
    if (!is_wanted(tensor)) {
        return !ask; // not asked for, or go on
    }
    if (!ask) {
        const int query = layer_of(tensor->name, "Qcur");
        ((attention_share *) self)->keep(tensor, query >= 0 ? query : layer_of(tensor->name, "Kcur"), query >= 0);
    }
    return true;
}

void attention_share::keep(const ggml_tensor * tensor, int index, bool query) {
    // [d_head, n_head, n_patch] in every encoder that splits its heads before it names them
    if (tensor->ne[2] < 2) {
        return;
    }
    if (current.index != index) {
        current = {};
        current.index = index;
    }
    (query ? current.q : current.k) = numbers(tensor);
    if (query) {
        current.d_head  = tensor->ne[0];
        current.n_head  = tensor->ne[1];
        current.n_patch = tensor->ne[2];
    }
    if (!current.q.empty() && current.q.size() == current.k.size()) {
        last = current;
    }
}

bool attention_share::shares(attention_layout layout, int32_t n_rows, int32_t width, float * out) const {
    if (last.index < 0 || n_rows < 1) {
        return false;
    }
    // more rows than patches: every line but the last ends with a row that marks the break
    const int64_t n_breaks = std::max<int64_t>(0, n_rows - last.n_patch);
    if (n_breaks > 0 && last.n_patch % (n_breaks + 1) != 0) {
        return false;
    }
    const int64_t n     = last.n_patch;
    const int64_t d     = last.d_head;
    const int64_t pitch = d * last.n_head;
    const int64_t first = layout.class_token ? n - 1 : 0; // of the queries
    const float   scale = 1.0f / std::sqrt((float) d);
    std::vector<double> share((size_t) n, 0.0);
    std::vector<float>  row((size_t) n);
    for (int64_t head = 0; head < last.n_head; ++head) {
        for (int64_t i = first; i < n; ++i) {
            const float * q = last.q.data() + i * pitch + head * d;
            float most = -INFINITY;
            for (int64_t j = 0; j < n; ++j) {
                const float * k = last.k.data() + j * pitch + head * d;
                float dot = 0;
                for (int64_t c = 0; c < d; ++c) {
                    dot += q[c] * k[c];
                }
                row[j] = dot * scale;
                most   = std::max(most, row[j]);
            }
            double total = 0;
            for (float & x : row) {
                x = std::exp(x - most);
                total += x;
            }
            for (int64_t j = 0; j < n; ++j) {
                share[j] += row[j] / total;
            }
        }
    }
    const double all = (double) (n - first) * last.n_head;
    for (double & s : share) {
        s /= all;
    }
    std::fill(out, out + n_rows, 0.0f);
    if (n_breaks > 0) {
        const int64_t line = n / (n_breaks + 1);
        for (int64_t p = 0; p < n; ++p) {
            out[p + p / line] = (float) share[p];
        }
        return true;
    }
    const int64_t merged = n / n_rows;
    const int64_t front  = n - merged * n_rows;
    const int64_t side   = (int64_t) std::lround(std::sqrt((double) merged));
    const bool    grid   = width > 0 && n_rows % width == 0 && side * side == merged;
    for (int64_t p = 0; p < merged * n_rows; ++p) {
        const int64_t line = width * side;
        const int64_t at   = grid ? p / line / side * width + p % line / side : p / merged;
        out[at] += (float) share[front + p];
    }
    return true;
}

} // namespace chq
