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

// How many thresholds a lane reaches; NaN reaches none.
template <class real>
inline void count_reached(const real* magnitude, const real* thresholds, int64_t timesteps, Count<real>* reached) {
#ifdef GCN2SNN_AVX512
    if constexpr (std::is_same_v<real, float>) {
        if (timesteps <= kRegisterPhases) {  // binary search in two registers
            const __m512 low = _mm512_loadu_ps(thresholds), high = _mm512_loadu_ps(thresholds + 16);
            const __m512i limit = _mm512_set1_epi32(static_cast<int>(timesteps));
            for (int lane = 0; lane < 64; lane += 16) {
                const __m512 z = _mm512_load_ps(magnitude + lane);
                __m512i index = _mm512_setzero_si512();
#pragma GCC unroll 5
                for (int step = 16; step; step /= 2) {
                    const __m512 bar = _mm512_permutex2var_ps(low, _mm512_add_epi32(index, _mm512_set1_epi32(step - 1)), high);
                    index = _mm512_mask_add_epi32(index, _mm512_cmp_ps_mask(z, bar, _CMP_GE_OQ), index, _mm512_set1_epi32(step));
                }
                _mm512_store_si512(reached + lane, _mm512_min_epi32(index, limit));
            }
            return;
        }
    }
#elif defined(GCN2SNN_AVX2)
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

template <class real, class code_t>
void encode(const real* x, int64_t rows, int64_t channels, int64_t scale_rows, const Fire& fire, int64_t threads) {
    // scale_rows > 0: one scale for each row, repeating (channels are rows of an image); else along the row.
    const auto* scale = static_cast<const real*>(fire.scale);
    if (!scale_rows && !fire.scale_step && !fire.horizon) {  // one scale for all: the shape does not matter
        for_range(rows * channels, threads, 16384, [&](int64_t begin, int64_t end) {
            fire_row<real, code_t>(fire, x + begin, scale, nullptr, end - begin, static_cast<code_t*>(fire.code) + begin);
        });
        return;
    }
    for_range(rows, threads, std::max<int64_t>(1, 16384 / std::max<int64_t>(channels, 1)), [&](int64_t begin, int64_t end) {
        for (int64_t row = begin; row < end; ++row)
            fire_row<real, code_t>(fire, x + row * channels, scale_rows ? scale + row % scale_rows : scale,
                                   fire.horizon ? fire.horizon + row * fire.horizon_row : nullptr, channels,
                                   static_cast<code_t*>(fire.code) + row * channels);
    });
}

template <class real, class code_t>
inline void decode_row(const code_t* code, int64_t channels, const real* centre, int64_t timesteps, real* out) {
    int64_t c = 0;
#ifdef GCN2SNN_AVX512
    if constexpr (std::is_same_v<real, float> && std::is_same_v<code_t, int8_t>) {
        if (timesteps <= kRegisterPhases) {  // two registers hold the positive half of the table
            alignas(64) float levels[32] = {};
            std::copy(centre, centre + timesteps + 1, levels);
            const __m512 low = _mm512_load_ps(levels), high = _mm512_load_ps(levels + 16);
            for (; c + 16 <= channels; c += 16)
                _mm512_storeu_ps(out + c, signed_level(low, high, _mm_loadu_si128(reinterpret_cast<const __m128i*>(code + c))));
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
        }
    }
#endif
    const int64_t limit = timesteps;  // a code that no neuron sends must not read past the table
    for (; c < channels; ++c) out[c] = centre[std::min<int64_t>(std::max<int64_t>(code[c], -limit), limit)];
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
            decode_row(source, channels, centre, timesteps, target);
            if (scale_rows) for (int64_t c = 0; c < channels; ++c) target[c] *= scale[row % scale_rows];
            else for (int64_t c = 0; c < channels; ++c) target[c] *= scale[c];
        }
    });
}

}  // namespace gcn2snn
