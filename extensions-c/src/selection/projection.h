// A random projection that keeps angles about as well as one by Gaussian numbers, in the time of reading a row.
//
// A row is cut into stretches; in each, random signs and a Hadamard transform mix what lies LANES apart. The rows of LANES floats that this gives are
// added up onto the output with random signs, each LANES-th of them turned by another number of lanes, so that every output is a signed sum of all
// inputs. After Ailon and Chazelle, "The fast Johnson-Lindenstrauss transform", 2009.
#pragma once

#include <cstdint>
#include <vector>

namespace chq::selection {

struct arithmetic;

class random_projection {
public:
    // to: a multiple of 16, less than from
    random_projection(int32_t from, int32_t to, uint64_t seed);

    void operator()(const float * row, float * out);

private:
    const arithmetic & math;
    int32_t            from;
    int32_t            to;
    std::vector<float> before; // a sign for each input
    std::vector<float> after;  // a sign for each transformed input, over the square root of the length of its transform
    std::vector<float> mixed;
};

} // namespace chq::selection
