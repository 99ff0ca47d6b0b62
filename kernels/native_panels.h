// A sparse product, shared out: blocks of rows to threads and, when the dense operand is larger than the caches, a panel of its
// columns at a time.
#pragma once

#include "native_rows.h"

namespace gcn2snn {

// A row of a panel is a pair of cache lines, or one line, such that the panel stays in the third cache: its gathered rows come from
// there and not from memory, for which the entries are streamed once more a panel. Measured on 10^5 to 10^8 entries.
constexpr int64_t kPanelBytes = 8 << 20;
constexpr int64_t kMinReuse = 8;  // entries a column: below, copying costs more than it saves

// Bytes of a row of a panel of an operand [cols, channels]; 0: it is read where it is.
template <class T>
int64_t panel_row_bytes(const Matrix& a, int64_t cols, int64_t channels) {
    // Codes of a row start in the middle of a cache line and touch one line more than they fill: they pay sooner.
    constexpr int64_t cached = (sizeof(T) == 1 ? 4 : 16) << 20;
    const int64_t bytes = channels * sizeof(T);
    if (cols * bytes <= cached || a.rowptr[a.rows] < kMinReuse * cols) return 0;
    for (const int64_t row : {128, 64}) if (row < bytes && cols * row <= kPanelBytes) return row;
    return 0;
}

// Some columns of x; rows start at cache lines.
template <class T>
class Panel {
  public:
    Panel(int64_t cols, int64_t row_bytes) : stride_(row_bytes / sizeof(T)), store_(new T[cols * stride_ + 64 / sizeof(T)]) {
        data_ = store_.get() + (-reinterpret_cast<uintptr_t>(store_.get()) & 63) / sizeof(T);
    }
    void copy(const T* x, int64_t channels, int64_t width, int64_t begin, int64_t end) {
        for (int64_t row = begin; row < end; ++row) std::memcpy(data_ + row * stride_, x + row * channels, width * sizeof(T));
    }
    const T* data() const { return data_; }
    int64_t stride() const { return stride_; }

  private:
    int64_t stride_;
    std::unique_ptr<T[]> store_;
    T* data_;
};

// Consecutive passes over rows of x, where x[0] is the first column of the first pass.
template <class T, class Part>
struct Slice {
    const Part* first;
    const Part* last;
    const T* x;
    int64_t stride;
    int64_t start() const { return first->start; }
    int64_t width() const { return last[-1].start + last[-1].width - start(); }
    // y[0:width] of the entries begin..end
    template <class Value, class... Table>
    void sum(const Matrix& a, const Value* value, int64_t begin, int64_t end, int64_t next, Value* y, Table... table) const {
        for (const Part* part = first; part != last; ++part)
            part->sum(a, value, x + part->start - start(), stride, table..., begin, end, next, part->width, y + part->start - start());
    }
};

// body(slice, row_begin, row_end) for all columns of x, [cols, channels], and all rows of A; in panels of one part each when
// row_bytes is not 0.
template <class T, class Part, class Body>
void for_slices(const Matrix& a, const T* x, int64_t cols, int64_t channels, const std::vector<Part>& parts, int64_t row_bytes, int64_t threads, const Body& body) {
    const Part* const first = parts.data();
    if (!row_bytes) {
        const Slice<T, Part> all{first, first + parts.size(), x, channels};
        for_rows(a, threads, [&](int64_t begin, int64_t end) { body(all, begin, end); });
        return;
    }
    Panel<T> panel(cols, row_bytes);
    const int64_t tasks = row_tasks(a, threads);
#pragma omp parallel num_threads(threads)
    for (const Part& part : parts) {
#pragma omp for schedule(static)
        for (int64_t k = 0; k < tasks; ++k) panel.copy(x + part.start, channels, part.width, cols * k / tasks, cols * (k + 1) / tasks);
#pragma omp for schedule(dynamic, 1)
        for (int64_t k = 0; k < tasks; ++k) body(Slice<T, Part>{&part, &part + 1, panel.data(), panel.stride()}, first_row(a, k, tasks), first_row(a, k + 1, tasks));
    }
}

}  // namespace gcn2snn
