// The symmetric normalisation of an adjacency, and whether a matrix equals its transpose: one pass over the entries each.
#pragma once

#include "rows.h"

namespace gcn2snn {

// Row sums of A + I, added up in the order of the entries.
template <class real>
void degrees(const Matrix& a, const real* value, double* degree) {
    for (int64_t row = 0; row < a.rows; ++row) {
        double sum = 1.0;
        for (int64_t p = a.rowptr[row]; p < a.rowptr[row + 1]; ++p) sum += static_cast<double>(value[p]);
        degree[row] = sum;
    }
}

// Rows of D^-1/2 (A + I) D^-1/2. A missing self-loop is put behind the entries to the left of the diagonal; col and out have room
// for one more entry a row. first: the number of the first row; degree and inverse_root: of every node, d and d^-1/2.
template <class real>
void normalise_rows(const Matrix& a, const real* value, int64_t first, const double* degree, const double* inverse_root, int32_t* rowptr, int32_t* col, float* out) {
    int32_t q = 0;
    rowptr[0] = 0;
    for (int64_t row = 0; row < a.rows; ++row) {
        const int64_t begin = a.rowptr[row], end = a.rowptr[row + 1];
        const int32_t own = static_cast<int32_t>(first + row);
        int64_t below = 0;
        bool lacks_loop = true, looped = false;
        for (int64_t p = begin; p < end; ++p) below += a.col[p] < own, lacks_loop &= a.col[p] != own;
        for (int64_t p = begin; ; ++p) {
            if (lacks_loop && p == begin + below) col[q] = own, out[q++] = static_cast<float>(1.0 / degree[own]);
            if (p == end) break;
            const bool is_loop = a.col[p] == own && !looped;  // of several entries on the diagonal the first one is added to
            looped |= is_loop;
            const real weight = value[p] + static_cast<real>(is_loop);
            col[q] = a.col[p], out[q++] = static_cast<float>((inverse_root[own] * inverse_root[a.col[p]]) * static_cast<double>(weight));
        }
        rowptr[row + 1] = q;
    }
}

// Sum of mixed (row, column, bits of the value) above the diagonal less that of the mirrored entries below it, as symmetry.py makes it.
template <class bits_t>
int64_t mirror_sum(const Matrix& a, const bits_t* bits) {
    uint64_t total = 0;
    for (int64_t row = 0; row < a.rows; ++row)
        for (int64_t p = a.rowptr[row]; p < a.rowptr[row + 1]; ++p) {
            const int64_t c = a.col[p];
            if (c == row) continue;
            uint64_t x = static_cast<uint64_t>(std::min(row, c)) * 0xD6E8FEB86659FD93u + static_cast<uint64_t>(std::max(row, c)) * 0xA0761D6478BD642Fu + static_cast<uint64_t>(static_cast<int64_t>(bits[p])) * 0xE7037ED1A0B428DBu;
            x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
            x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
            x ^= x >> 31;
            total += c > row ? x : -x;
        }
    return static_cast<int64_t>(total);
}

}  // namespace gcn2snn
