// Rows in a byte an element, which a quarter of the memory traffic of floats reads: good enough to tell which rows need to be looked at exactly.
#pragma once

#include <cstdint>
#include <vector>

namespace chq::selection {

class directions;

class coarse_rows {
public:
    explicit coarse_rows(const directions & rows);

    // products[i] = about the dot product of unit row i and a unit vector as wide as what is compared; it is off by no more than error(i).
    void multiply(const float * unit, float * products);

    float error(int32_t i) const { return errors[i] + query_error; }

private:
    const directions &   rows;
    int32_t              n_stretches;
    std::vector<int8_t>  codes;   // [rows, stretches, STRETCH]
    std::vector<float>   scales;  // [rows, stretches]
    std::vector<float>   errors;  // of a row: the norm of what its codes miss
    std::vector<int16_t> query;
    float                query_error = 0;
    std::vector<float>   query_scales;
};

} // namespace chq::selection
