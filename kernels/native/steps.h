// Neurons that decide before all input is there: potentials at several moments in one pass, then the first crossing.
#pragma once

#include "coding.h"

namespace gcn2snn {

// Output phase k (1..timesteps of fire) reads moment moment_of[k - 1]; moment b has seen the spikes of phase <= limits[b].
struct Steps {
    const int32_t* limits;     // [moments], ascending
    const int32_t* moment_of;  // [fire.timesteps]
    int64_t moments;
    const void* bias;          // [channels] or null
    const void* add;           // [rows, channels] or null
    Fire fire;
};

// Writes the phase of the first crossing; y: [moments, channels], potentials without bias.
template <class real, class code_t>
void fire_first_crossing(const Steps& steps, real* y, int64_t row, int64_t channels) {
    const Fire& fire = steps.fire;
    const auto* bias = static_cast<const real*>(steps.bias);
    const auto* add = static_cast<const real*>(steps.add);
    const auto* scale = static_cast<const real*>(fire.scale);
    const auto* thresholds = static_cast<const real*>(fire.thresholds);  // ascending: phase k compares with [timesteps - k]
    auto* code = static_cast<code_t*>(fire.code) + row * channels;
    for (int64_t b = 0; b < steps.moments; ++b)
        for (int64_t c = 0; c < channels; ++c) {
            real u = y[b * channels + c];
            if (bias) u += bias[c];
            if (add) u += add[row * channels + c];
            y[b * channels + c] = u / scale[fire.scale_step * c];
        }
    for (int64_t start = 0; start < channels; start += 64) {
        const int64_t width = std::min<int64_t>(64, channels - start);
        alignas(64) Count<real> first[64] = {};  // as wide as the potentials, so that the loops below become vector code
        for (int64_t k = fire.timesteps; k >= 1; --k) {  // downwards: the earliest crossing is written last
            const real* z = y + steps.moment_of[k - 1] * channels + start;
            const real bar = thresholds[fire.timesteps - k];
            const auto phase = static_cast<Count<real>>(k);
            if (fire.is_signed) for (int64_t c = 0; c < width; ++c) first[c] = z[c] <= -bar ? -phase : first[c];
            for (int64_t c = 0; c < width; ++c) first[c] = z[c] >= bar ? phase : first[c];
        }
        for (int64_t c = 0; c < width; ++c) code[start + c] = static_cast<code_t>(first[c]);
    }
    if (fire.horizon)
        for (int64_t c = 0; c < channels; ++c)
            if (std::abs(static_cast<int>(code[c])) > fire.horizon[row * fire.horizon_row + c * fire.horizon_col]) code[c] = 0;
}

// sum += product in the lanes whose phase is at most `limit`.
template <class real, class vec, class mask>
inline void add_where(vec& sum, const vec& product, const mask& phase, Count<real> limit) {
#ifdef GCN2SNN_AVX512
    if constexpr (std::is_same_v<real, float>)
        sum = (vec)_mm512_mask_add_ps((__m512)sum, _mm512_cmple_epi32_mask((__m512i)phase, _mm512_set1_epi32(limit)), (__m512)sum, (__m512)product);
    else
        sum = (vec)_mm512_mask_add_pd((__m512d)sum, _mm512_cmple_epi64_mask((__m512i)phase, _mm512_set1_epi64(limit)), (__m512d)sum, (__m512d)product);
#else
    sum += (vec)((mask)product & (phase <= limit));
#endif
}

// y[b * channels + c] for MOMENTS moments and up to one vector of columns, accumulators in registers.
template <class real, class code_t, int MOMENTS, bool FULL>
void sum_moments(const Matrix& a, const real* value, const code_t* code, const real* x, int64_t channels, const int32_t* limits, int64_t begin, int64_t end, int64_t width, real* y) {
    constexpr int lanes = 64 / sizeof(real);
    typedef real vec __attribute__((vector_size(64)));
    typedef Count<real> mask __attribute__((vector_size(64)));
    typedef code_t codes __attribute__((vector_size(lanes * sizeof(code_t))));
    vec sum[MOMENTS] = {};
    for (int64_t p = begin; p < end; ++p) {
        const int64_t at = a.col[p] * channels;
        if (p + kPrefetch < end) {
            __builtin_prefetch(x + a.col[p + kPrefetch] * channels);
            __builtin_prefetch(code + a.col[p + kPrefetch] * channels);
        }
        vec level;
        codes narrow;
        if constexpr (FULL) {  // no branch on the width: a partial copy would stop the loads behind it
            level = *reinterpret_cast<const typename Vector<real, lanes>::type*>(x + at);
            narrow = *reinterpret_cast<const typename Vector<code_t, lanes>::type*>(code + at);
        } else {
            level = vec{};
            narrow = codes{};
            std::memcpy(&level, x + at, width * sizeof(real));
            std::memcpy(&narrow, code + at, width * sizeof(code_t));
        }
        const mask wide = __builtin_convertvector(narrow, mask), phase = wide < 0 ? -wide : wide;
        const vec product = value[p] * level;
#pragma GCC unroll 16
        for (int b = 0; b < MOMENTS; ++b) add_where<real>(sum[b], product, phase, static_cast<Count<real>>(limits[b]));
    }
    alignas(64) real spill[MOMENTS][lanes];  // the address of `sum` is never taken: it stays in registers
#pragma GCC unroll 16
    for (int b = 0; b < MOMENTS; ++b) *reinterpret_cast<vec*>(spill[b]) = sum[b];
    for (int b = 0; b < MOMENTS; ++b) std::copy(spill[b], spill[b] + width, y + b * channels);
}

// Moments summed in one pass over the entries of a row: 1, 2, 4, 8 or 16, the least that is enough.

template <class real, class code_t>
using SumMoments = void (*)(const Matrix&, const real*, const code_t*, const real*, int64_t, const int32_t*, int64_t, int64_t, int64_t, real*);

template <class real, class code_t, bool FULL>
SumMoments<real, code_t> pick_moments(int64_t moments) {
    switch (moments) {
        case 1: return sum_moments<real, code_t, 1, FULL>;
        case 2: return sum_moments<real, code_t, 2, FULL>;
        case 4: return sum_moments<real, code_t, 4, FULL>;
        case 8: return sum_moments<real, code_t, 8, FULL>;
        default: return sum_moments<real, code_t, 16, FULL>;
    }
}

template <class real, class code_t>
void spmm_steps(const Matrix& a, const real* value, const code_t* code, const real* x, int64_t channels, const Steps& steps, int64_t threads) {
    constexpr int64_t lanes = 64 / sizeof(real);
    for_rows(a, threads, [&](int64_t row_begin, int64_t row_end) {
        // Room for the moments that the last pass sums for nothing; their limits lie past the end of `limits`.
        std::vector<real> y((steps.moments + 16) * channels);
        std::vector<int32_t> limits(steps.moments + 16, 0);
        std::copy(steps.limits, steps.limits + steps.moments, limits.begin());
        for (int64_t row = row_begin; row < row_end; ++row) {
            for (int64_t first = 0; first < steps.moments;) {
                int64_t group = 16;
                for (const int64_t size : {8, 4, 2, 1}) if (size >= steps.moments - first) group = size;
                const auto sum = channels >= lanes ? pick_moments<real, code_t, true>(group) : pick_moments<real, code_t, false>(group);
                for (int64_t next = 0; next < channels; next += lanes) {  // the last vector may overlap the one before it
                    const int64_t c = std::max<int64_t>(std::min(next, channels - lanes), 0);
                    sum(a, value, code + c, x + c, channels, limits.data() + first, a.rowptr[row], a.rowptr[row + 1], std::min(lanes, channels), y.data() + first * channels + c);
                }
                first += group;
            }
            fire_first_crossing<real, code_t>(steps, y.data(), row, channels);
        }
    });
}

// step_of[phase]: the first moment that has seen a spike of this phase (steps.moments when none has).
template <class real, class code_t>
void gemm_steps(const code_t* code, int64_t rows, int64_t inputs, const real* x, const real* weight, int64_t channels, const int32_t* step_of, const Steps& steps, int64_t threads) {
    for_range(rows, threads, 1, [&](int64_t begin, int64_t end) {
        std::vector<real> y(steps.moments * channels);
        for (int64_t row = begin; row < end; ++row) {
            std::fill(y.begin(), y.end(), real(0));
            for (int64_t i = 0; i < inputs; ++i) {
                const int64_t moment = step_of[std::abs(static_cast<int>(code[row * inputs + i]))];
                if (moment == steps.moments) continue;
                const real level = x[row * inputs + i];
                real* sum = y.data() + moment * channels;
                const real* source = weight + i * channels;
                for (int64_t c = 0; c < channels; ++c) sum[c] += level * source[c];
            }
            for (int64_t i = channels; i < steps.moments * channels; ++i) y[i] += y[i - channels];
            fire_first_crossing<real, code_t>(steps, y.data(), row, channels);
        }
    });
}

}  // namespace gcn2snn
