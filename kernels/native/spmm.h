// The float product, of all rows and columns or of some.
#pragma once

#include "panels.h"

namespace gcn2snn {

// Rows and columns that take part in a product, one byte each; null: all.
struct Active {
    const uint8_t* rows;
    const uint8_t* columns;
};

// The entries of some rows in active columns, in order.
template <class real>
class ActiveEntries {
  public:
    void read(const Matrix& a, const real* value, const Active& active, int64_t begin, int64_t end) {
        const int64_t most = a.rowptr[end] - a.rowptr[begin];
        if (static_cast<int64_t>(col_.size()) < most) col_.resize(most), value_.resize(most);
        rowptr_.assign(1, 0);
        int32_t size = 0;
        for (int64_t row = begin; row < end; ++row) {
            if (!active.rows || active.rows[row])
                for (int64_t p = a.rowptr[row]; p < a.rowptr[row + 1]; ++p) {  // no branch: half of them are left out at random
                    col_[size] = a.col[p];
                    value_[size] = value[p];
                    size += active.columns[a.col[p]] != 0;
                }
            rowptr_.push_back(size);
        }
    }
    Matrix matrix() const { return {rowptr_.data(), col_.data(), static_cast<int64_t>(rowptr_.size()) - 1}; }
    const real* value() const { return value_.data(); }

  private:
    std::vector<int32_t> rowptr_, col_;
    std::vector<real> value_;
};

constexpr int64_t kPackedEntries = 4096;  // of the rows packed together: they stay in the first cache

// body(first row) for the rows begin..end, packed some at a time.
template <class real, class Body>
void for_packed_rows(ActiveEntries<real>& packed, const Matrix& a, const real* value, const Active& active, int64_t begin, int64_t end, const Body& body) {
    for (int64_t first = begin, next; first < end; first = next) {
        for (next = first + 1; next < end && a.rowptr[next + 1] - a.rowptr[first] <= kPackedEntries;) ++next;
        packed.read(a, value, active, first, next);
        body(first);
    }
}

// y = diag(rows) A diag(columns) x. Entries left out would have added zero: the same bits as with zeros in x.
template <class real>
void spmm(const Matrix& a, const real* value, const real* x, int64_t cols, int64_t channels, const Active& active, real* y, int64_t threads) {
    const int64_t row_bytes = active.columns ? 0 : panel_row_bytes<real>(a, cols, channels);  // leaving out saves more
    const auto parts = float_passes<real>(channels, row_bytes ? row_bytes / kVectorBytes : kMaxVectors);
    const auto body = [&](const auto& slice, int64_t begin, int64_t end) {
        const auto out = [&](int64_t row) { return y + row * channels + slice.start(); };
        if (!active.columns) {
            for (int64_t row = begin; row < end; ++row) {
                if (!active.rows || active.rows[row]) slice.sum(a, value, a.rowptr[row], a.rowptr[row + 1], a.rowptr[end], out(row));
                else std::fill(out(row), out(row) + slice.width(), real(0));
            }
            return;
        }
        ActiveEntries<real> packed;
        for_packed_rows(packed, a, value, active, begin, end, [&](int64_t first) {
            const Matrix m = packed.matrix();
            for (int64_t row = 0; row < m.rows; ++row) slice.sum(m, packed.value(), m.rowptr[row], m.rowptr[row + 1], m.rowptr[m.rows], out(first + row));
        });
    };
    if (row_bytes) for_panels<real>(a, cols, parts, row_bytes, threads, copy_from(x, channels), body);
    else for_slices(a, x, channels, parts, threads, body);
}

}  // namespace gcn2snn
