// The sparse operand, how its rows are shared between threads, and sums of float rows.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include "attempt.h"

namespace gcn2snn {

constexpr int64_t kPrefetch = 8;        // entries ahead; 8 and 16 measured alike, 0 is 1.3 x slower (Zen 4, 200 columns)
constexpr int64_t kTasksPerThread = 8;  // small enough that one slow core does not hold up the rest

struct Matrix {
    const int32_t* rowptr;
    const int32_t* col;
    int64_t rows;
};

// Neurons that read a row of potentials y: z = y / scale, compare with thresholds, write sign * phase.
struct Fire {
    const void* scale;       // [channels] or one value, of the dtype of the potentials
    int64_t scale_step;      // 1 or 0
    const void* thresholds;  // [max(timesteps, 32)], ascending, then infinite; of the dtype of the potentials
    int64_t timesteps;
    int64_t is_signed;
    const int16_t* horizon;  // last phase of each neuron, or null
    int64_t horizon_row;     // strides of horizon
    int64_t horizon_col;
    void* code;              // [rows, channels], int8, or int16 when wide
    int64_t wide;
};

// What happens to a row of sums before it leaves the cache: y = sum * scale + bias + add, then store or fire.
struct Epilogue {
    const float* scale;  // [channels] or null
    const float* bias;   // [channels] or null
    const float* add;    // [rows, channels] or null
    float* out;          // [rows, channels] or null
    const Fire* fire;    // or null
};

inline void prefetch_bytes(const void* start, int64_t bytes) {
    const char* address = static_cast<const char*>(start);
    for (int64_t offset = 0; offset < bytes; offset += 64) __builtin_prefetch(address + offset);
}

// First row of task `task` of `tasks`, such that each has about the same number of entries and rows.
inline int64_t first_row(const Matrix& a, int64_t task, int64_t tasks) {
    const int64_t total = a.rowptr[a.rows] + a.rows, wanted = total * task / tasks;
    int64_t low = 0, high = a.rows;
    while (low < high) {
        const int64_t middle = (low + high) / 2;
        if (a.rowptr[middle] + middle < wanted) low = middle + 1; else high = middle;
    }
    return task == tasks ? a.rows : low;
}

// Whether codes have a sign, and whether it is applied after the look-up or comes with it (packed.h).
enum class Sign { kNone, kExtra, kFolded };

inline int64_t row_tasks(const Matrix& a, int64_t threads) { return std::min<int64_t>(std::max<int64_t>(a.rows, 1), threads == 1 ? 1 : threads * kTasksPerThread); }

template <class Body>
void for_rows(const Matrix& a, int64_t threads, const Body& body) {
    const int64_t tasks = row_tasks(a, threads);
    Shares shares;
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads)
    for (int64_t task = 0; task < tasks; ++task) shares.run([&] { body(first_row(a, task, tasks), first_row(a, task + 1, tasks)); });
    shares.end();
}

template <class Body>
void for_range(int64_t size, int64_t threads, int64_t grain, const Body& body) {
    const int64_t tasks = std::min<int64_t>(threads * kTasksPerThread, (size + grain - 1) / grain);
    const int64_t used = std::min<int64_t>(threads, std::max<int64_t>(tasks, 1));
    Shares shares;
#pragma omp parallel for schedule(dynamic, 1) num_threads(used)
    for (int64_t task = 0; task < tasks; ++task) shares.run([&] { body(size * task / tasks, size * (task + 1) / tasks); });
    shares.end();
}

#if defined(__AVX512F__)
constexpr int kVectorBytes = 64, kMaxVectors = 16;  // accumulators of a row that fit the registers next to the operands
#elif defined(__AVX__)
constexpr int kVectorBytes = 32, kMaxVectors = 13;
#else
constexpr int kVectorBytes = 16, kMaxVectors = 13;
#endif

// Channels of a row that one function sums.
template <class Sum> struct Pass { int64_t start, width; Sum sum; };

// A row in passes of about equal width, of at most `most` vectors: accumulators that spill cost twice the time.
template <class Pick>
auto passes(int64_t channels, int64_t lanes, int64_t most, const Pick& pick) {
    const int64_t vectors = (channels + lanes - 1) / lanes, count = (vectors + most - 1) / most;
    std::vector<Pass<decltype(pick(channels))>> found;
    for (int64_t i = 0; i < count; ++i) {
        const int64_t start = vectors * i / count * lanes, width = std::min(vectors * (i + 1) / count * lanes, channels) - start;
        found.push_back({start, width, pick(width)});
    }
    return found;
}

template <class real, int LANES> struct Vector { typedef real type __attribute__((vector_size(LANES * sizeof(real)), aligned(sizeof(real)), may_alias)); };

// The columns of one pass: VECS vectors from column 0; the last one ends at `width` and may overlap the one before it.
template <int LANES, int VECS>
inline int64_t vector_start(int v, int64_t width) { return v == VECS - 1 ? width - LANES : v * LANES; }

// y[0:width] = sum_p value[p] x[col[p], 0:width] over the entries begin..end of one row; `last` bounds the prefetch.
template <class real, int LANES, int VECS>
void sum_row(const Matrix& a, const real* value, const real* x, int64_t channels, int64_t begin, int64_t end, int64_t last, int64_t width, real* y) {
    using vec = typename Vector<real, LANES>::type;
    vec sum[VECS] = {};
    for (int64_t p = begin; p < end; ++p) {
        if (p + kPrefetch < last) prefetch_bytes(x + a.col[p + kPrefetch] * channels, VECS * LANES * sizeof(real));
        const real* source = x + a.col[p] * channels;
        const real weight = value[p];
#pragma GCC unroll 16
        for (int v = 0; v < VECS; ++v) sum[v] += weight * *reinterpret_cast<const vec*>(source + vector_start<LANES, VECS>(v, width));
    }
#pragma GCC unroll 16
    for (int v = 0; v < VECS; ++v) *reinterpret_cast<vec*>(y + vector_start<LANES, VECS>(v, width)) = sum[v];
}

template <class real> using SumRow = void (*)(const Matrix&, const real*, const real*, int64_t, int64_t, int64_t, int64_t, int64_t, real*);

template <class real, int LANES, int... V>
SumRow<real> pick_vectors(int64_t vectors, std::integer_sequence<int, V...>) {
    static constexpr SumRow<real> table[] = {sum_row<real, LANES, V + 1>...};
    return table[vectors - 1];
}

// The specialisation for `width` columns: full vectors, or narrower ones when not even one is full.
template <class real, int LANES = kVectorBytes / sizeof(real)>
SumRow<real> pick_sum(int64_t width) {
    if constexpr (LANES == kVectorBytes / sizeof(real)) {
        if (width >= LANES) return pick_vectors<real, LANES>((width + LANES - 1) / LANES, std::make_integer_sequence<int, kMaxVectors>());
        return pick_sum<real, LANES / 2>(width);
    } else if constexpr (LANES > 1) {
        return width >= LANES ? pick_vectors<real, LANES>((width + LANES - 1) / LANES, std::make_integer_sequence<int, 2>()) : pick_sum<real, LANES / 2>(width);
    } else {
        return sum_row<real, 1, 1>;
    }
}

template <class real>
auto float_passes(int64_t channels, int64_t most = kMaxVectors) {
    return passes(channels, kVectorBytes / sizeof(real), most, [](int64_t width) { return pick_sum<real>(width); });
}

}  // namespace gcn2snn
