// Float -> phase -> float, one pass each.
#pragma once

#include "decode.h"

namespace gcn2snn {

template <class real> using Count = std::conditional_t<sizeof(real) == 4, int32_t, int64_t>;

#ifdef GCN2SNN_AVX2
// Up to 16 ascending thresholds as a binary search in registers: the bars of a level fit one.
class Search {
  public:
    Search() = default;
    explicit Search(const float* ascending) : ascending_(ascending) {
        for (int i = 0; i < 4; ++i) fours_[i] = fours_[4 + i] = ascending[4 * i + 1];
        for (int i = 0; i < 8; ++i) twos_[i] = ascending[2 * i];
    }

    __m256i reached(__m256 z) const {
        const auto reaches = [&](__m256 bar) { return _mm256_cmp_ps(z, bar, _CMP_GE_OQ); };
        const auto step = [](__m256 hit, int size) { return _mm256_and_si256(_mm256_castps_si256(hit), _mm256_set1_epi32(size)); };
        const __m256 upper = reaches(_mm256_set1_ps(ascending_[7]));
        __m256i index = step(upper, 8);
        index = _mm256_add_epi32(index, step(reaches(_mm256_blendv_ps(_mm256_set1_ps(ascending_[3]), _mm256_set1_ps(ascending_[11]), upper)), 4));
        index = _mm256_add_epi32(index, step(reaches(_mm256_permutevar8x32_ps(_mm256_load_ps(fours_), _mm256_srli_epi32(index, 2))), 2));
        index = _mm256_add_epi32(index, step(reaches(_mm256_permutevar8x32_ps(_mm256_load_ps(twos_), _mm256_srli_epi32(index, 1))), 1));
        return _mm256_add_epi32(index, step(reaches(_mm256_set1_ps(ascending_[15])), 1));
    }

  private:
    const float* ascending_ = nullptr;  // 32 at least, infinite where there is no threshold
    alignas(32) float fours_[8], twos_[8];
};
#endif

#ifdef GCN2SNN_AVX512
// Up to 31 ascending thresholds in two registers.
class Bars {
  public:
    Bars() = default;
    Bars(const float* ascending, int64_t timesteps) : low_(_mm512_loadu_ps(ascending)), high_(_mm512_loadu_ps(ascending + 16)), timesteps_(_mm512_set1_epi32(static_cast<int>(timesteps))) {}

    // How many each lane reaches; NaN reaches none. The binary searches of the vectors go side by side, for each waits for itself.
    template <int V>
    void reached(const __m512 (&magnitude)[V], __m512i (&index)[V]) const {
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) index[v] = _mm512_setzero_si512();
#pragma GCC unroll 5
        for (int step = 16; step; step /= 2)
#pragma GCC unroll 4
            for (int v = 0; v < V; ++v) {
                const __m512 bar = _mm512_permutex2var_ps(low_, _mm512_add_epi32(index[v], _mm512_set1_epi32(step - 1)), high_);
                index[v] = _mm512_mask_add_epi32(index[v], _mm512_cmp_ps_mask(magnitude[v], bar, _CMP_GE_OQ), index[v], _mm512_set1_epi32(step));
            }
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) index[v] = _mm512_min_epi32(index[v], timesteps_);  // infinity reaches the padding too
    }

    // sign * phase of z = potential / scale.
    template <int V>
    void codes(const __m512 (&z)[V], bool is_signed, __m512i (&phase)[V]) const {
        __m512 magnitude[V];
        __m512i count[V];
        const __m512i silent = _mm512_add_epi32(timesteps_, _mm512_set1_epi32(1)), zero = _mm512_setzero_si512();
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) magnitude[v] = is_signed ? _mm512_abs_ps(z[v]) : z[v];
        reached<V>(magnitude, count);
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) {
            phase[v] = _mm512_maskz_sub_epi32(_mm512_test_epi32_mask(count[v], count[v]), silent, count[v]);
            if (is_signed) phase[v] = _mm512_mask_sub_epi32(phase[v], _mm512_movepi32_mask(_mm512_castps_si512(z[v])), zero, phase[v]);
        }
    }

  private:
    __m512 low_, high_;
    __m512i timesteps_;
};

inline void store_codes(int8_t* code, __mmask16 lanes, __m512i phase) { _mm_mask_storeu_epi8(code, lanes, _mm512_cvtepi32_epi8(phase)); }
inline void store_codes(int16_t* code, __mmask16 lanes, __m512i phase) { _mm256_mask_storeu_epi16(code, lanes, _mm512_cvtepi32_epi16(phase)); }

// fire_row for codes of up to 31 phases.
template <class code_t>
void fire_row_in_registers(const Fire& fire, const float* y, const float* scale, const int16_t* horizon, int64_t channels, code_t* code) {
    const Bars bars(static_cast<const float*>(fire.thresholds), fire.timesteps);
    const bool is_signed = fire.is_signed;
    int64_t c = 0;
    for (; !horizon && c + 64 <= channels; c += 64) {
        __m512 z[4];
        __m512i phase[4];
#pragma GCC unroll 4
        for (int v = 0; v < 4; ++v)
            z[v] = _mm512_div_ps(_mm512_loadu_ps(y + c + 16 * v), fire.scale_step ? _mm512_loadu_ps(scale + c + 16 * v) : _mm512_set1_ps(scale[0]));
        if (is_signed) bars.codes<4>(z, true, phase); else bars.codes<4>(z, false, phase);
#pragma GCC unroll 4
        for (int v = 0; v < 4; ++v) store_codes(code + c + 16 * v, 0xffff, phase[v]);
    }
    for (; c < channels; c += 16) {
        const __mmask16 lanes = channels - c >= 16 ? 0xffff : (1u << (channels - c)) - 1;
        const __m512 divisor = fire.scale_step ? _mm512_mask_loadu_ps(_mm512_set1_ps(1), lanes, scale + c) : _mm512_set1_ps(scale[0]);
        const __m512 z[1] = {_mm512_div_ps(_mm512_maskz_loadu_ps(lanes, y + c), divisor)};
        __m512i phase[1];
        bars.codes<1>(z, is_signed, phase);
        if (horizon) {
            alignas(64) int32_t last[16] = {};
            for (int64_t k = 0; k < std::min<int64_t>(16, channels - c); ++k) last[k] = horizon[(c + k) * fire.horizon_col];
            phase[0] = _mm512_maskz_mov_epi32(_mm512_cmple_epi32_mask(_mm512_abs_epi32(phase[0]), _mm512_load_si512(last)), phase[0]);
        }
        store_codes(code + c, lanes, phase[0]);
    }
}
#endif

// How many thresholds a lane reaches; NaN reaches none.
template <class real>
inline void count_reached(const real* magnitude, const real* thresholds, int64_t timesteps, Count<real>* reached) {
#ifdef GCN2SNN_AVX2
    if constexpr (std::is_same_v<real, float>) {
        if (timesteps <= 16) {
            const Search search(thresholds);
            const __m256i limit = _mm256_set1_epi32(static_cast<int>(timesteps));  // infinity reaches the padding too
            for (int lane = 0; lane < 64; lane += 8)
                _mm256_store_si256(reinterpret_cast<__m256i*>(reached + lane), _mm256_min_epi32(search.reached(_mm256_load_ps(magnitude + lane)), limit));
            return;
        }
    }
#endif
    std::fill(reached, reached + 64, 0);
    for (int64_t k = 0; k < timesteps; ++k)
        for (int lane = 0; lane < 64; ++lane) reached[lane] += magnitude[lane] >= thresholds[k];
}

// code[0:channels] from potentials y; scale and horizon already point at the first channel.
template <class real, class code_t>
void fire_row(const Fire& fire, const real* y, const real* scale, const int16_t* horizon, int64_t channels, code_t* code) {
#ifdef GCN2SNN_AVX512
    if constexpr (std::is_same_v<real, float>)
        if (fire.timesteps <= kRegisterPhases) return fire_row_in_registers(fire, y, scale, horizon, channels, code);
#endif
    alignas(64) real z[64], magnitude[64];
    alignas(64) Count<real> reached[64];
    const auto* thresholds = static_cast<const real*>(fire.thresholds);
    const int64_t silent = fire.timesteps + 1;
    for (int64_t start = 0; start < channels; start += 64) {
        const int64_t width = std::min<int64_t>(64, channels - start);
        if (fire.scale_step) for (int64_t c = 0; c < width; ++c) z[c] = y[start + c] / scale[start + c];
        else for (int64_t c = 0; c < width; ++c) z[c] = y[start + c] / scale[0];
        for (int64_t c = width; c < 64; ++c) z[c] = 0;
        for (int c = 0; c < 64; ++c) magnitude[c] = fire.is_signed ? std::fabs(z[c]) : z[c];
        count_reached<real>(magnitude, thresholds, fire.timesteps, reached);
        alignas(64) code_t phase[64];
        for (int c = 0; c < 64; ++c) {
            const Count<real> first = reached[c] ? static_cast<Count<real>>(silent - reached[c]) : 0;
            phase[c] = static_cast<code_t>(fire.is_signed && z[c] < 0 ? -first : first);
        }
        if (horizon)
            for (int64_t c = 0; c < width; ++c)
                if (std::abs(static_cast<int>(phase[c])) > horizon[(start + c) * fire.horizon_col]) phase[c] = 0;
        std::memcpy(code + start, phase, width * sizeof(code_t));
    }
}

// The neurons start .. start + width of one row of `channels`; y[0] is the potential of the first of them.
template <class real>
void fire_row(const Fire& fire, const real* y, int64_t row, int64_t channels, int64_t start, int64_t width) {
    const auto* scale = static_cast<const real*>(fire.scale) + fire.scale_step * start;
    const int16_t* horizon = fire.horizon ? fire.horizon + row * fire.horizon_row + start * fire.horizon_col : nullptr;
    const int64_t at = row * channels + start;
    if (fire.wide) fire_row<real, int16_t>(fire, y, scale, horizon, width, static_cast<int16_t*>(fire.code) + at);
    else fire_row<real, int8_t>(fire, y, scale, horizon, width, static_cast<int8_t*>(fire.code) + at);
}

// What potentials gain before they meet the thresholds, in this order; null: nothing.
template <class real>
struct Terms {
    const real* add;    // [rows, channels]
    const real* start;  // [channels]
};

// fire_row of y + add + start, whose sums stay in the first cache.
template <class real, class code_t>
void fire_sum(const Fire& fire, const real* y, const Terms<real>& terms, const real* scale, const int16_t* horizon, int64_t channels, code_t* code) {
    if (!terms.add && !terms.start) return fire_row<real, code_t>(fire, y, scale, horizon, channels, code);
    alignas(64) real sum[64];
    for (int64_t c = 0; c < channels; c += 64) {
        const int64_t width = std::min<int64_t>(64, channels - c);
        std::copy(y + c, y + c + width, sum);
        if (terms.add) for (int64_t k = 0; k < width; ++k) sum[k] += terms.add[c + k];
        if (terms.start) for (int64_t k = 0; k < width; ++k) sum[k] += terms.start[c + k];
        fire_row<real, code_t>(fire, sum, scale + fire.scale_step * c, horizon ? horizon + c * fire.horizon_col : nullptr, width, code + c);
    }
}

template <class real, class code_t>
void encode(const real* x, int64_t rows, int64_t channels, int64_t scale_rows, const Terms<real>& terms, const Fire& fire, int64_t threads) {
    // scale_rows > 0: one scale for each row, repeating (channels are rows of an image); else along the row.
    const auto* scale = static_cast<const real*>(fire.scale);
    auto* code = static_cast<code_t*>(fire.code);
    if (!scale_rows && !fire.scale_step && !fire.horizon && !terms.start) {  // one scale for all: the shape does not matter
        for_range(rows * channels, threads, 16384, [&](int64_t begin, int64_t end) {
            fire_sum<real, code_t>(fire, x + begin, {terms.add ? terms.add + begin : nullptr, nullptr}, scale, nullptr, end - begin, code + begin);
        });
        return;
    }
    for_range(rows, threads, std::max<int64_t>(1, 16384 / std::max<int64_t>(channels, 1)), [&](int64_t begin, int64_t end) {
        for (int64_t row = begin; row < end; ++row)
            fire_sum<real, code_t>(fire, x + row * channels, {terms.add ? terms.add + row * channels : nullptr, terms.start},
                                   scale_rows ? scale + row % scale_rows : scale, fire.horizon ? fire.horizon + row * fire.horizon_row : nullptr,
                                   channels, code + row * channels);
    });
}

// Values of a row of codes, by factor[c] where there is a factor.
template <class real, class code_t>
inline void decode_row(const code_t* code, int64_t channels, const real* centre, int64_t timesteps, real* out, const real* factor = nullptr) {
    int64_t c = 0;
#ifdef GCN2SNN_AVX512
    if constexpr (std::is_same_v<real, float> && std::is_same_v<code_t, int8_t>) {
        if (timesteps <= kRegisterPhases) {  // two registers hold the positive half of the table
            const auto held = static_cast<uint32_t>((uint64_t{2} << timesteps) - 1);
            const __m512 low = _mm512_maskz_loadu_ps(held, centre), high = _mm512_maskz_loadu_ps(held >> 16, centre + 16);
            for (; c + 16 <= channels; c += 16) {
                const __m512 level = signed_level(low, high, _mm_loadu_si128(reinterpret_cast<const __m128i*>(code + c)));
                _mm512_storeu_ps(out + c, factor ? _mm512_mul_ps(level, _mm512_loadu_ps(factor + c)) : level);
            }
        }
    }
#elif defined(GCN2SNN_AVX2)
    if constexpr (std::is_same_v<real, float> && std::is_same_v<code_t, int8_t>) {
        if (timesteps <= kRegisterPhases && channels >= 256) {  // long enough to pay for the planes
            alignas(32) float level[32] = {}, planes[32];
            std::copy(centre, centre + timesteps + 1, level);
            table_planes(level, reinterpret_cast<uint8_t*>(planes));
            for (; c + 32 <= channels; c += 32) {
                __m256 found[4];
                const __m256i codes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(code + c));
                if (timesteps <= 16) levels<true, 1>(planes, codes, found);
                else levels<true, 2>(planes, codes, found);
                store_levels(found, out + c);
            }
            if (factor) for (int64_t k = 0; k < c; ++k) out[k] *= factor[k];
        }
    }
#endif
    const int64_t limit = timesteps, first = c;  // a code that no neuron sends must not read past the table
    for (; c < channels; ++c) out[c] = centre[std::min<int64_t>(std::max<int64_t>(code[c], -limit), limit)];
    if (factor) for (int64_t k = first; k < channels; ++k) out[k] *= factor[k];
}

template <class real, class code_t>
void decode(const code_t* code, int64_t rows, int64_t channels, const real* table, int64_t timesteps, const real* scale, int64_t scale_rows, real* out, int64_t threads) {
    // table: [2 T + 1], value of code -T..T; scale: null, along the row, or one for each row, repeating.
    const real* centre = table + timesteps;
    if (!scale) {
        for_range(rows * channels, threads, 16384, [&](int64_t begin, int64_t end) { decode_row(code + begin, end - begin, centre, timesteps, out + begin); });
        return;
    }
    for_range(rows, threads, std::max<int64_t>(1, 16384 / std::max<int64_t>(channels, 1)), [&](int64_t begin, int64_t end) {
        for (int64_t row = begin; row < end; ++row) {
            const code_t* source = code + row * channels;
            real* target = out + row * channels;
            decode_row(source, channels, centre, timesteps, target, scale_rows ? nullptr : scale);
            if (scale_rows) for (int64_t c = 0; c < channels; ++c) target[c] *= scale[row % scale_rows];
        }
    });
}

}  // namespace gcn2snn
