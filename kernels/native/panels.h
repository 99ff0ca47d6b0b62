// A sparse product, shared out: blocks of rows to threads and, when the dense operand is larger than the caches, a panel of its
// columns at a time.
#pragma once

#include "rows.h"

namespace gcn2snn {

// A row of a panel is a pair of cache lines, or one line, such that the panel stays in the third cache: its gathered rows come from
// there and not from memory, for which the entries are streamed once more a panel. Measured on 10^5 to 10^8 entries.
constexpr int64_t kPanelBytes = 8 << 20;
constexpr int64_t kMinReuse = 8;  // entries a column: below, copying costs more than it saves

// Whether an operand of so many bytes is read where it is. Codes of a row start in the middle of a cache line and touch one line
// more than they fill, so with AVX2 copying them pays sooner. With AVX-512 a row that is read whole takes fewer instructions, which
// is worth more than the nearer cache (docs/decisions/0157-codes-are-read-whole-with-avx-512.md).
#if defined(__AVX512F__)
constexpr int64_t kCachedCodes = 32 << 20;
#else
constexpr int64_t kCachedCodes = 4 << 20;
#endif
template <class T>
bool is_cached(int64_t bytes) { return bytes <= (sizeof(T) == 1 ? kCachedCodes : 16 << 20); }

inline bool is_reused(const Matrix& a, int64_t cols) { return a.rowptr[a.rows] >= kMinReuse * cols; }

// Bytes of a row of a panel of an operand [cols, channels]; 0: it is read where it is.
template <class T>
int64_t panel_row_bytes(const Matrix& a, int64_t cols, int64_t channels) {
    const int64_t bytes = channels * sizeof(T);
    if (is_cached<T>(cols * bytes) || !is_reused(a, cols)) return 0;
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
    T* row(int64_t r) { return data_ + r * stride_; }
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

// body(slice, row_begin, row_end) for all columns of x, [cols, channels], and all rows of A.
template <class T, class Part, class Body>
void for_slices(const Matrix& a, const T* x, int64_t channels, const std::vector<Part>& parts, int64_t threads, const Body& body) {
    const Slice<T, Part> all{parts.data(), parts.data() + parts.size(), x, channels};
    for_rows(a, threads, [&](int64_t begin, int64_t end) { body(all, begin, end); });
}

// The same, a panel of one part at a time; copy(part, row, target) writes the columns of the part in one row of the operand.
template <class T, class Part, class Copy, class Body>
void for_panels(const Matrix& a, int64_t cols, const std::vector<Part>& parts, int64_t row_bytes, int64_t threads, const Copy& copy, const Body& body) {
    Panel<T> panel(cols, row_bytes);
    const int64_t tasks = row_tasks(a, threads);
    Shares shares;
#pragma omp parallel num_threads(threads)
    for (const Part& part : parts) {
#pragma omp for schedule(static)
        for (int64_t row = 0; row < cols; ++row) copy(part, row, panel.row(row));
#pragma omp for schedule(dynamic, 1)
        for (int64_t k = 0; k < tasks; ++k) shares.run([&] { body(Slice<T, Part>{&part, &part + 1, panel.data(), panel.stride()}, first_row(a, k, tasks), first_row(a, k + 1, tasks)); });
    }
    shares.end();
}

// Copies the columns of a part from rows of `channels` values.
template <class T>
auto copy_from(const T* x, int64_t channels) {
    return [x, channels](const auto& part, int64_t row, T* target) { std::memcpy(target, x + row * channels + part.start, part.width * sizeof(T)); };
}

}  // namespace gcn2snn
