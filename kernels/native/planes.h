// Phases decoded by AVX2 in byte planes: plane k holds byte k of the levels of 16 phases, one byte shuffle looks up 32 codes,
// and unpacking interleaves the four bytes of a float. 0.75 instructions a value, against 1.7 of vpermps with blends.
#pragma once

#include <immintrin.h>

#include "decode_width.h"
#include "rows.h"

namespace gcn2snn {

constexpr int kPhaseLanes = 8, kPhaseVectors = 9;  // two groups of 32 codes and a vector of 8

// table[t] is the level of phase t, 0..31. Eight planes, four of phases 1..16, then four of 17..32: as many bytes as the table.
inline void table_planes(const float* table, uint8_t* planes) {
    uint32_t bits[33] = {};
    std::memcpy(bits, table, 32 * sizeof(float));
    for (int64_t t = 0; t < 32; ++t)
        for (int64_t k = 0; k < 4; ++k) planes[16 * (t / 16 * 4 + k) + t % 16] = static_cast<uint8_t>(bits[t + 1] >> (8 * k));
}

// The two widths of a look-up.
struct Wide {
    using type = __m256i;
    static type all(int byte) { return _mm256_set1_epi8(static_cast<char>(byte)); }
    static type plane(const float* planes, int k) { return _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(planes) + k)); }
    static type magnitude(type x) { return _mm256_abs_epi8(x); }
    static type add(type x, type y) { return _mm256_add_epi8(x, y); }
    static type add_saturated(type x, type y) { return _mm256_adds_epu8(x, y); }
    static type look_up(type plane, type index) { return _mm256_shuffle_epi8(plane, index); }
};
struct Narrow {
    using type = __m128i;
    static type all(int byte) { return _mm_set1_epi8(static_cast<char>(byte)); }
    static type plane(const float* planes, int k) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(planes) + k); }
    static type magnitude(type x) { return _mm_abs_epi8(x); }
    static type add(type x, type y) { return _mm_add_epi8(x, y); }
    static type add_saturated(type x, type y) { return _mm_adds_epu8(x, y); }
    static type look_up(type plane, type index) { return _mm_shuffle_epi8(plane, index); }
};

// The four bytes of sign(code) table[|code|]. The shuffle gives 0 where bit 7 of its index is set: for silence (0 - 1) always,
// and with HALVES = 2 for the phases of the other half.
template <class W, bool SIGNED, int HALVES>
inline void level_bytes(const float* planes, typename W::type code, typename W::type byte[4]) {
    const auto index = W::add(SIGNED ? W::magnitude(code) : code, W::all(-1));
    const auto low = HALVES == 1 ? index : W::add_saturated(index, W::all(0x70));
#pragma GCC unroll 4
    for (int k = 0; k < 4; ++k) {
        byte[k] = W::look_up(W::plane(planes, k), low);
        if (HALVES == 2) byte[k] |= W::look_up(W::plane(planes, 4 + k), W::add(index, W::all(-16)));
    }
    if (SIGNED) byte[3] ^= code & W::all(0x80);  // bit 7 of a code is its sign
}

// Levels of 32 codes, in the order that unpacking leaves: level[i] holds the codes 4 i .. 4 i + 3 and 16 + 4 i .. 16 + 4 i + 3.
template <bool SIGNED, int HALVES>
inline void levels(const float* planes, __m256i code, __m256 level[4]) {
    __m256i byte[4];
    level_bytes<Wide, SIGNED, HALVES>(planes, code, byte);
    const __m256i low01 = _mm256_unpacklo_epi8(byte[0], byte[1]), low23 = _mm256_unpacklo_epi8(byte[2], byte[3]);
    const __m256i high01 = _mm256_unpackhi_epi8(byte[0], byte[1]), high23 = _mm256_unpackhi_epi8(byte[2], byte[3]);
    level[0] = _mm256_castsi256_ps(_mm256_unpacklo_epi16(low01, low23));
    level[1] = _mm256_castsi256_ps(_mm256_unpackhi_epi16(low01, low23));
    level[2] = _mm256_castsi256_ps(_mm256_unpacklo_epi16(high01, high23));
    level[3] = _mm256_castsi256_ps(_mm256_unpackhi_epi16(high01, high23));
}

// Levels of 8 codes, in order.
template <bool SIGNED, int HALVES>
inline __m256 levels(const float* planes, __m128i code) {
    __m128i byte[4];
    level_bytes<Narrow, SIGNED, HALVES>(planes, code, byte);
    const __m128i low = _mm_unpacklo_epi8(byte[0], byte[1]), high = _mm_unpacklo_epi8(byte[2], byte[3]);
    return _mm256_castsi256_ps(_mm256_set_m128i(_mm_unpackhi_epi16(low, high), _mm_unpacklo_epi16(low, high)));
}

// Writes 32 values that lie in the order of `levels`.
inline void store_levels(const __m256 level[4], float* y) {
    _mm256_storeu_ps(y, _mm256_permute2f128_ps(level[0], level[1], 0x20));
    _mm256_storeu_ps(y + 8, _mm256_permute2f128_ps(level[2], level[3], 0x20));
    _mm256_storeu_ps(y + 16, _mm256_permute2f128_ps(level[0], level[1], 0x31));
    _mm256_storeu_ps(y + 24, _mm256_permute2f128_ps(level[2], level[3], 0x31));
}

// y[0:width] = sum_p value[p] level(code[col[p], 0:width]): FULL groups of 32 codes, then TAIL vectors of 8. The last one of all
// ends at `width` and may overlap the one before it: a group costs as much as two vectors.
template <int FULL, int TAIL, bool SIGNED, int HALVES>
void phase_row(const Matrix& a, const float* value, const int8_t* code, int64_t channels, const float* planes, int64_t begin, int64_t end, int64_t last, int64_t width, float* y) {
    constexpr int vectors = 4 * FULL + TAIL;
    const auto group_start = [&](int g) { return TAIL == 0 && g == FULL - 1 ? width - 32 : 32 * g; };
    __m256 sum[vectors];
#pragma GCC unroll 16
    for (int v = 0; v < vectors; ++v) sum[v] = _mm256_setzero_ps();
    for (int64_t p = begin; p < end; ++p) {
        if (p + kPrefetch < last) prefetch_bytes(code + a.col[p + kPrefetch] * channels, vectors * 8);
        const int8_t* source = code + a.col[p] * channels;
        const __m256 weight = _mm256_set1_ps(value[p]);
#pragma GCC unroll 4
        for (int g = 0; g < FULL; ++g) {
            __m256 level[4];
            levels<SIGNED, HALVES>(planes, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(source + group_start(g))), level);
#pragma GCC unroll 4
            for (int k = 0; k < 4; ++k) sum[4 * g + k] = _mm256_add_ps(sum[4 * g + k], _mm256_mul_ps(weight, level[k]));
        }
#pragma GCC unroll 4
        for (int v = 4 * FULL; v < vectors; ++v) {
            __m128i bytes;
            if (vectors == 1) {
                int64_t some = 0;
                std::memcpy(&some, source, std::min<int64_t>(width, 8));
                bytes = _mm_cvtsi64_si128(some);
            } else {
                bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(source + vector_start<8, vectors>(v, width)));
            }
            sum[v] = _mm256_add_ps(sum[v], _mm256_mul_ps(weight, levels<SIGNED, HALVES>(planes, bytes)));
        }
    }
    if (vectors == 1) {
        alignas(32) float spill[8];
        _mm256_store_ps(spill, sum[0]);
        std::copy(spill, spill + std::min<int64_t>(width, 8), y);
        return;
    }
#pragma GCC unroll 4
    for (int g = 0; g < FULL; ++g) store_levels(sum + 4 * g, y + group_start(g));
#pragma GCC unroll 4
    for (int v = 4 * FULL; v < vectors; ++v) _mm256_storeu_ps(y + vector_start<8, vectors>(v, width), sum[v]);
}

using PhaseRow = decltype(&phase_row<0, 1, false, 1>);

template <bool SIGNED, int HALVES>
PhaseRow pick_planes(int64_t width) {
    static constexpr PhaseRow vectors[] = {phase_row<0, 1, SIGNED, HALVES>, phase_row<0, 2, SIGNED, HALVES>, phase_row<0, 3, SIGNED, HALVES>, phase_row<0, 4, SIGNED, HALVES>};
    static constexpr PhaseRow groups[] = {phase_row<1, 0, SIGNED, HALVES>, phase_row<1, 1, SIGNED, HALVES>, phase_row<2, 0, SIGNED, HALVES>, phase_row<2, 1, SIGNED, HALVES>};
    if (width < 32) return vectors[(width - 1) / 8];
    const int64_t rest = width % 32;
    return groups[2 * ((width + 23) / 32 - 1) + (rest > 0 && rest <= 8)];
}

inline PhaseRow pick_phase(int64_t width, int64_t timesteps, Sign sign) {
    if (timesteps <= 16) return sign == Sign::kNone ? pick_planes<false, 1>(width) : pick_planes<true, 1>(width);
    return sign == Sign::kNone ? pick_planes<false, 2>(width) : pick_planes<true, 2>(width);
}

// A row in passes of two groups, the last one of up to `most` vectors; a short rest takes columns of the pass before it along.
inline std::vector<Pass<PhaseRow>> phase_passes(int64_t channels, int64_t most, int64_t timesteps, Sign sign, bool) {
    std::vector<Pass<PhaseRow>> found;
    int64_t start = 0;
    for (; channels - start > kPhaseLanes * most; start += 64) found.push_back({start, 64, pick_phase(64, timesteps, sign)});
    if (start && channels - start > 8 && channels - start < 32) start = channels - 32;
    found.push_back({start, channels - start, pick_phase(channels - start, timesteps, sign)});
    return found;
}

}  // namespace gcn2snn
