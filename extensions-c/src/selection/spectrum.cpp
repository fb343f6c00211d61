#include "selection/spectrum.h"

#include <cfloat>
#include <cmath>

namespace chq::selection {

namespace {

// Householder reflections from both sides: the diagonal, and beside[i] next to it between i and i + 1.
void tridiagonalise(std::vector<double> & a, int32_t n, std::vector<double> & diagonal, std::vector<double> & beside) {
    std::vector<double> v(n);
    std::vector<double> w(n);
    const auto at = [&](int32_t i, int32_t j) -> double & { return a[(size_t) i * n + j]; };
    for (int32_t k = 0; k + 2 < n; ++k) {
        double squared = 0;
        for (int32_t i = k + 1; i < n; ++i) {
            squared += at(i, k) * at(i, k);
        }
        const double length = std::sqrt(squared);
        if (!(length > DBL_MIN)) {
            beside[k] = 0;
            continue;
        }
        const double alpha = at(k + 1, k) > 0 ? -length : length;
        for (int32_t i = k + 1; i < n; ++i) {
            v[i] = at(i, k);
        }
        v[k + 1] -= alpha;
        const double norm2 = 2 * (squared - alpha * at(k + 1, k)); // of v
        beside[k] = alpha;
        // a -= v*w' + w*v' with w = 2*a*v/norm2 - (v'*a*v)*2/norm2^2 * v
        double vw = 0;
        for (int32_t i = k + 1; i < n; ++i) {
            double sum = 0;
            for (int32_t j = k + 1; j < n; ++j) {
                sum += at(i, j) * v[j];
            }
            w[i] = 2 * sum / norm2;
            vw += v[i] * w[i];
        }
        for (int32_t i = k + 1; i < n; ++i) {
            w[i] -= vw / norm2 * v[i];
        }
        for (int32_t i = k + 1; i < n; ++i) {
            for (int32_t j = k + 1; j < n; ++j) {
                at(i, j) -= v[i] * w[j] + w[i] * v[j];
            }
        }
    }
    for (int32_t i = 0; i < n; ++i) {
        diagonal[i] = at(i, i);
    }
    if (n > 1) {
        beside[n - 2] = at(n - 1, n - 2);
    }
}

// One step of the QR iteration with Wilkinson's shift on the rows begin..end.
void qr_step(std::vector<double> & d, std::vector<double> & e, int32_t begin, int32_t end) {
    const double delta = (d[end - 1] - d[end]) / 2;
    const double shift = d[end] - e[end - 1] * e[end - 1] / (delta + (delta >= 0 ? 1 : -1) * std::hypot(delta, e[end - 1]));
    double x = d[begin] - shift;
    double z = e[begin];
    for (int32_t k = begin; k < end; ++k) {
        const double r = std::hypot(x, z);
        const double c = r > 0 ? x / r : 1;
        const double s = r > 0 ? z / r : 0;
        if (k > begin) {
            e[k - 1] = r;
        }
        const double a = d[k], b = d[k + 1], o = e[k];
        d[k]     = c * c * a + 2 * c * s * o + s * s * b;
        d[k + 1] = s * s * a - 2 * c * s * o + c * c * b;
        e[k]     = c * s * (b - a) + (c * c - s * s) * o;
        x = e[k];
        if (k + 1 < end) {
            z = s * e[k + 1];
            e[k + 1] *= c;
        }
    }
}

} // namespace

std::vector<double> eigenvalues(std::vector<double> matrix, int32_t n) {
    std::vector<double> d(n);
    std::vector<double> e(n);
    tridiagonalise(matrix, n, d, e);
    int32_t end = n - 1;
    for (int32_t step = 0; end > 0 && step < 60 * n; ++step) {
        const auto is_zero = [&](int32_t k) { return std::fabs(e[k]) <= DBL_EPSILON * (std::fabs(d[k]) + std::fabs(d[k + 1])) + DBL_MIN; };
        while (end > 0 && is_zero(end - 1)) {
            --end;
        }
        int32_t begin = end;
        while (begin > 0 && !is_zero(begin - 1)) {
            --begin;
        }
        if (end > begin) {
            qr_step(d, e, begin, end);
        }
    }
    return d;
}

} // namespace chq::selection
