// Entries given in any order -> compressed sparse rows, their columns ascending; equal positions stay in the order given.
#pragma once

#include "rows.h"

namespace gcn2snn {

// Where each group begins, from the numbers of their members, which are counted one place behind.
inline void add_up(int32_t* begin, int64_t groups) {
    for (int64_t i = 0; i < groups; ++i) begin[i + 1] += begin[i];
}

// rowptr [rows + 1], sorted_col and sorted_value [entries], unless some entries lie outside of the matrix, whose number is written.
// Dealt out by columns, and then by rows: each time in the order met, so that no two entries are compared.
template <class real>
void sort_entries(const int64_t* row, const int64_t* col, const real* value, int64_t entries, int64_t rows, int64_t columns, int32_t* rowptr, int32_t* sorted_col, real* sorted_value, int64_t* outside) {
    std::vector<int32_t> colptr(columns + 1, 0);
    std::fill(rowptr, rowptr + rows + 1, 0);
    int64_t last_row = 0, last_col = 0, bad = 0;
    bool in_order = true;
    for (int64_t p = 0; p < entries; ++p) {
        const int64_t r = row[p], c = col[p];
        if (static_cast<uint64_t>(r) >= static_cast<uint64_t>(rows) || static_cast<uint64_t>(c) >= static_cast<uint64_t>(columns)) { ++bad; continue; }
        ++rowptr[r + 1], ++colptr[c + 1];
        in_order &= (r > last_row) | ((r == last_row) & (c >= last_col));
        last_row = r, last_col = c;
    }
    *outside = bad;
    if (bad) return;
    add_up(rowptr, rows);
    if (in_order) {
        for (int64_t p = 0; p < entries; ++p) sorted_col[p] = static_cast<int32_t>(col[p]);
        std::copy(value, value + entries, sorted_value);
        return;
    }
    struct Entry { int32_t row; real value; };
    const std::unique_ptr<Entry[]> by_column(new Entry[entries]);
    add_up(colptr.data(), columns);
    for (int64_t p = 0; p < entries; ++p) by_column[colptr[col[p]]++] = {static_cast<int32_t>(row[p]), value[p]};  // colptr: now the ends
    std::vector<int32_t> next(rowptr, rowptr + rows);
    for (int64_t c = 0, p = 0; c < columns; ++c)
        for (; p < colptr[c]; ++p) {
            const int32_t place = next[by_column[p].row]++;
            sorted_col[place] = static_cast<int32_t>(c), sorted_value[place] = by_column[p].value;
        }
}

}  // namespace gcn2snn
