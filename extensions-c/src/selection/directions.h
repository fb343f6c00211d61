// Rows as directions: what is needed for their cosines.
#pragma once

#include <cstdint>
#include <vector>

namespace chq::selection {

struct arithmetic;

class directions {
public:
    // Rows of dim floats, which must outlive this. projection: compares them after a projection to so many floats (projection.h), 0 = as they are.
    directions(std::vector<const float *> rows, int32_t dim, int32_t projection, uint64_t seed);

    directions(const directions &) = delete;

    // Forgets all but these, which are ascending; row numbers are theirs from now on.
    void keep_only(const std::vector<int32_t> & some);

    int32_t size() const { return (int32_t) rows_.size(); }

    // Of the row as it was given; not finite if the row cannot be compared.
    float squared_norm(int32_t i) const { return squared_[i]; }

    const float * original(int32_t i) const { return originals_[i]; }

    // What is compared, and 1 over its norm: 0 of a row of zeros.
    const float * row(int32_t i) const { return rows_[i]; }
    int32_t dim() const { return dim_; }
    float inverse_norm(int32_t i) const { return inverse_[i]; }

    // out[j] = cosine of row i and the row others[j]
    void cosines(int32_t i, const int32_t * others, int32_t n, float * out) const;

    // out[i*ld + j] = cosine of rows i and j
    void all_cosines(float * out, int64_t ld) const;

    // out[j] = dot product of row i and the row others[j]
    void products(int32_t i, const int32_t * others, int32_t n, float * out) const;

    // out[i*n_others + j] = cosine of the rows some[i] and others[j]
    void cosines(const int32_t * some, int32_t n_some, const int32_t * others, int32_t n_others, float * out) const;

private:
    const arithmetic &         math;
    std::vector<const float *> originals_;
    std::vector<const float *> rows_; // what is compared
    int32_t                    dim_;  // of those
    std::vector<float>         projected_;
    std::vector<float>         squared_;
    std::vector<float>         inverse_;
};

} // namespace chq::selection
