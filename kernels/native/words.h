// Input data as binary words, one pass: the value that the word of each number carries, of all numbers or of those that send
// anything.
#pragma once

#include <atomic>
#include <limits>

#include "rows.h"

namespace gcn2snn {

// sign(x) floor(min(|x| / s 2^T, 2^T - 1)) 2^-T s, with the roundings of the reference; a word of zero carries +0.
template <class real>
inline real word_value(real x, real scale, real levels, real unit) {
    const real whole = std::floor(std::fabs(x / scale) * levels), magnitude = whole > levels - 1 ? levels - 1 : whole;
    return (x < 0 && magnitude > 0 ? -magnitude : magnitude) * unit;
}

template <class real> inline bool is_finite(real x) { return std::fabs(x) <= std::numeric_limits<real>::max(); }

// The scales of the columns of a row, and what one bit of a word carries there.
template <class real>
class Units {
  public:
    Units(const real* scale, int64_t columns, bool along_row, int64_t timesteps) : levels(static_cast<real>(int64_t{1} << timesteps)), scale_(columns), unit_(columns) {
        for (int64_t c = 0; c < columns; ++c) scale_[c] = scale[along_row ? c : 0], unit_[c] = (1 / levels) * scale_[c];
    }
    real value(real x, int64_t c) const { return word_value(x, scale_[c], levels, unit_[c]); }
    const real levels;

  private:
    std::vector<real> scale_, unit_;
};

constexpr int64_t kTogether = 4096;  // numbers of which those that are not finite are counted in 32 bits

// Values of all numbers. scale: one value, along the row, or (scale_rows > 0) one for each row, repeating. Counts the numbers
// that are not finite.
template <class real>
void code_words(const real* x, int64_t rows, int64_t columns, const real* scale, int64_t scale_step, int64_t scale_rows, int64_t timesteps, real* out, int64_t* not_finite, int64_t threads) {
    const real levels = static_cast<real>(int64_t{1} << timesteps);
    std::atomic<int64_t> bad{0};
    const auto run = [&](const real* source, int64_t size, real s, real* target) {
        const real unit = (1 / levels) * s;
        int64_t odd = 0;
        for (int64_t first = 0; first < size; first += kTogether) {
            const int64_t end = std::min(first + kTogether, size);
            std::conditional_t<sizeof(real) == 4, int32_t, int64_t> some = 0;  // as wide as the numbers, so that vectors count it
            for (int64_t i = first; i < end; ++i) target[i] = word_value(source[i], s, levels, unit), some += !is_finite(source[i]);
            odd += some;
        }
        return odd;
    };
    if (!scale_rows && !scale_step) {  // one scale for all: the shape does not matter
        for_range(rows * columns, threads, 16384, [&](int64_t begin, int64_t end) { bad += run(x + begin, end - begin, *scale, out + begin); });
        *not_finite = bad;
        return;
    }
    const bool along_row = !scale_rows && scale_step;
    const Units<real> units(scale, along_row ? columns : 0, true, timesteps);
    const int64_t grain = std::max<int64_t>(1, 16384 / std::max<int64_t>(columns, 1));
    for_range(rows, threads, grain, [&](int64_t begin, int64_t end) {
        int64_t odd = 0;
        for (int64_t row = begin; row < end; ++row) {
            const real* source = x + row * columns;
            real* target = out + row * columns;
            if (!along_row) { odd += run(source, columns, scale[scale_rows ? row % scale_rows : 0], target); continue; }
            for (int64_t c = 0; c < columns; ++c) target[c] = units.value(source[c], c), odd += !is_finite(source[c]);
        }
        bad += odd;
    });
    *not_finite = bad;
}

// The numbers whose word is not zero, as rows of entries: rowptr [rows + 1], then col and value with room for `most`.
// found: entries, or -1 when there are more than `most`; and numbers that are not finite.
template <class real>
void code_entries(const real* x, int64_t rows, int64_t columns, const real* scale, int64_t scale_step, int64_t timesteps, int64_t most, int32_t* rowptr, int32_t* col, real* value, int64_t* found, int64_t threads) {
    constexpr int64_t kLook = 64 / sizeof(real);  // numbers that are looked at together: nearly all such groups are silent
    const Units<real> units(scale, columns, scale_step != 0, timesteps);
    const int64_t tasks = threads == 1 ? 1 : std::min<int64_t>(threads * kTasksPerThread, std::max<int64_t>(rows, 1));
    std::vector<std::vector<int32_t>> cols(tasks);
    std::vector<std::vector<real>> values(tasks);
    std::atomic<int64_t> total{0}, bad{0};
    rowptr[0] = 0;
    Shares shares;
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads)
    for (int64_t task = 0; task < tasks; ++task) shares.run([&] {
        int64_t odd = 0;
        for (int64_t row = rows * task / tasks; row < rows * (task + 1) / tasks && total <= most; ++row) {
            const real* source = x + row * columns;
            const size_t before = cols[task].size();
            const auto send = [&](int64_t c) {
                if (source[c] == 0) return;
                odd += !is_finite(source[c]);
                const real sent = units.value(source[c], c);
                if (sent != 0) cols[task].push_back(static_cast<int32_t>(c)), values[task].push_back(sent);
            };
            int64_t c = 0;
            for (; c + kLook <= columns; c += kLook) {
                uint64_t words[8], any = 0;
                std::memcpy(words, source + c, sizeof(words));
#pragma GCC unroll 8
                for (uint64_t word : words) any |= word;
                if (any) for (int64_t k = 0; k < kLook; ++k) send(c + k);
            }
            for (; c < columns; ++c) send(c);
            const int64_t size = static_cast<int64_t>(cols[task].size() - before);
            rowptr[row + 1] = static_cast<int32_t>(size);
            total += size;
        }
        bad += odd;
    });
    shares.end();
    found[0] = total > most ? -1 : total.load(), found[1] = bad;
    if (total > most) return;
    for (int64_t row = 0; row < rows; ++row) rowptr[row + 1] += rowptr[row];
    for (int64_t task = 0; task < tasks; ++task) {
        col = std::copy(cols[task].begin(), cols[task].end(), col);
        value = std::copy(values[task].begin(), values[task].end(), value);
    }
}

// A X for a sparse X, [rows, columns] dense: sums in the order of the entries, so the bits of the product with a dense X.
template <class real>
void spmm_sparse(const Matrix& a, const real* value, const Matrix& x, const real* x_value, int64_t columns, real* y, int64_t threads) {
    for_rows(a, threads, [&](int64_t begin, int64_t end) {
        for (int64_t row = begin; row < end; ++row) {
            real* target = y + row * columns;
            std::fill(target, target + columns, real(0));
            for (int64_t p = a.rowptr[row]; p < a.rowptr[row + 1]; ++p)
                for (int64_t q = x.rowptr[a.col[p]]; q < x.rowptr[a.col[p] + 1]; ++q) target[x.col[q]] += value[p] * x_value[q];
        }
    });
}

}  // namespace gcn2snn
