#include "tensor/types.h"

#include <cctype>
#include <cmath>
#include <cstring>

namespace chq {

bool is_known_type(int32_t type) {
    return type >= 0 && type < GGML_TYPE_COUNT && ggml_blck_size((ggml_type) type) > 0;
}

std::string to_text(ggml_type type) {
    std::string name = ggml_type_name(type);
    for (char & c : name) {
        c = (char) toupper((unsigned char) c);
    }
    return name;
}

bool is_float(ggml_type type) {
    return type == GGML_TYPE_F32 || type == GGML_TYPE_F16 || type == GGML_TYPE_BF16;
}

bool is_decodable(ggml_type type) {
    return is_float(type) || (ggml_is_quantized(type) && ggml_get_type_traits(type)->to_float);
}

bool is_encodable(ggml_type type) {
    switch (type) {
        case GGML_TYPE_F32:
        case GGML_TYPE_F16:
        case GGML_TYPE_BF16:
        case GGML_TYPE_Q1_0:
        case GGML_TYPE_Q2_0:
        case GGML_TYPE_Q4_0:
        case GGML_TYPE_Q4_1:
        case GGML_TYPE_Q5_0:
        case GGML_TYPE_Q5_1:
        case GGML_TYPE_Q8_0:
        case GGML_TYPE_Q2_K:
        case GGML_TYPE_Q3_K:
        case GGML_TYPE_Q4_K:
        case GGML_TYPE_Q5_K:
        case GGML_TYPE_Q6_K:
        case GGML_TYPE_IQ4_NL:
        case GGML_TYPE_IQ4_XS:
        case GGML_TYPE_TQ1_0:
        case GGML_TYPE_TQ2_0:
        case GGML_TYPE_MXFP4:
        case GGML_TYPE_NVFP4:
            return true;
        default:
            return false;
    }
}

bool is_multipliable(ggml_type type) {
    return is_decodable(type);
}

template <typename T>
static void convert(const void * data, float * values, int64_t n) {
    for (int64_t i = 0; i < n; ++i) {
        T x;
        memcpy(&x, (const char *) data + i * sizeof(T), sizeof(T));
        values[i] = (float) x;
    }
}

void decode(ggml_type type, const void * data, float * values, int64_t n) {
    switch (type) {
        case GGML_TYPE_F32: memcpy(values, data, n * sizeof(float));  break;
        case GGML_TYPE_F64: convert<double> (data, values, n);        break;
        case GGML_TYPE_I8:  convert<int8_t> (data, values, n);        break;
        case GGML_TYPE_I16: convert<int16_t>(data, values, n);        break;
        case GGML_TYPE_I32: convert<int32_t>(data, values, n);        break;
        case GGML_TYPE_I64: convert<int64_t>(data, values, n);        break;
        default: ggml_get_type_traits(type)->to_float(data, values, n);
    }
}

bool encode(ggml_type type, const float * values, void * data, int64_t n_rows, int64_t n) {
    if (ggml_is_quantized(type)) {
        for (int64_t i = 0; i < n_rows * n; ++i) {
            if (!std::isfinite(values[i])) {
                return false;
            }
        }
    }
    ggml_quantize_chunk(type, values, data, 0, n_rows, n, nullptr);
    return true;
}

} // namespace chq
