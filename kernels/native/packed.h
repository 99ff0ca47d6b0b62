// Codes packed for AVX-512: a word of four bytes holds four channels, so that one load serves 64 of them and a rotation brings
// each to where the look-up (vpermt2ps) wants its index, the low five bits, and its sign to the highest bit. Widening bytes to
// words would take the port of the processor that looks up, and on Intel's it is the only one that does either.
#pragma once

#include <immintrin.h>

#include "decode_width.h"
#include "rows.h"

namespace gcn2snn {

constexpr int64_t kPackedChannels = 64;  // of a block: word i holds channels i, 16 + i, 32 + i and 48 + i

// The magnitudes of a vector, and in the highest bit of each byte the sign of the channel that looks for it there.
inline __m128i packed_vector(__m128i code, __m128i signs) {
    return _mm_or_si128(_mm_abs_epi8(code), _mm_and_si128(signs, _mm_set1_epi8(INT8_MIN)));
}

inline __m128i some_codes(const int8_t* code, int64_t width) {
    return _mm_maskz_loadu_epi8(width >= 16 ? 0xffff : (1u << std::max<int64_t>(width, 0)) - 1, code);
}

// One row: whole blocks, then vectors of 16 channels in order, or one more block where there would be four of them. In a block,
// byte k of a word has the magnitude of channel 16 k + i and the sign of the channel of byte k + 1: rotated by k bytes to the
// right, the word has that magnitude lowest, and its highest byte is byte k - 1.
inline void pack_row(const int8_t* code, int64_t channels, int8_t* packed) {
    int64_t start = 0;
    for (; packed_bytes(channels) - start >= kPackedChannels; start += kPackedChannels) {
        __m128i in[4], out[4];
        for (int k = 0; k < 4; ++k) in[k] = some_codes(code + start + 16 * k, channels - start - 16 * k);
        for (int k = 0; k < 4; ++k) out[k] = packed_vector(in[k], in[(k + 1) % 4]);
        const __m128i low01 = _mm_unpacklo_epi8(out[0], out[1]), low23 = _mm_unpacklo_epi8(out[2], out[3]);
        const __m128i high01 = _mm_unpackhi_epi8(out[0], out[1]), high23 = _mm_unpackhi_epi8(out[2], out[3]);
        __m128i* target = reinterpret_cast<__m128i*>(packed + start);
        _mm_storeu_si128(target, _mm_unpacklo_epi16(low01, low23));
        _mm_storeu_si128(target + 1, _mm_unpackhi_epi16(low01, low23));
        _mm_storeu_si128(target + 2, _mm_unpacklo_epi16(high01, high23));
        _mm_storeu_si128(target + 3, _mm_unpackhi_epi16(high01, high23));
    }
    for (; start < channels; start += 16) {
        const __m128i in = some_codes(code + start, channels - start);
        _mm_storeu_si128(reinterpret_cast<__m128i*>(packed + start), packed_vector(in, in));
    }
}

// sum + level of 16 channels whose words have the index lowest and the sign highest.
template <bool SIGNED>
inline __m512 add_level(__m512 sum, __m512 low, __m512 high, __m512i word) {
    __m512 level = _mm512_permutex2var_ps(low, word, high);
    if (SIGNED) {
        const __m512i sign = _mm512_set1_epi32(INT32_MIN);
        level = _mm512_castsi512_ps(_mm512_ternarylogic_epi32(_mm512_castps_si512(level), word, sign, 0x78));  // level ^ (word & sign)
    }
    return _mm512_add_ps(sum, level);
}

// y[0:width] = sum_p value[p] level(code[col[p], 0:width]) of packed rows of `bytes` bytes; value * level is the scaled table.
template <int VECS, bool SIGNED>
void packed_row(const Matrix& a, const float* value, const int8_t* code, int64_t bytes, const float* table, int64_t begin, int64_t end, int64_t last, int64_t width, float* y) {
    const __m512 low = _mm512_loadu_ps(table), high = _mm512_loadu_ps(table + 16);
    __m512 sum[VECS];
#pragma GCC unroll 16
    for (int v = 0; v < VECS; ++v) sum[v] = _mm512_setzero_ps();
    for (int64_t p = begin; p < end; ++p) {
        if (p + kPrefetch < last) prefetch_bytes(code + a.col[p + kPrefetch] * bytes, VECS * 16);
        const int8_t* source = code + a.col[p] * bytes;
        const __m512 weight = _mm512_set1_ps(value[p]), scaled_low = _mm512_mul_ps(weight, low), scaled_high = _mm512_mul_ps(weight, high);
#pragma GCC unroll 4
        for (int v = 0; v + 4 <= VECS; v += 4) {
            const __m512i word = _mm512_loadu_si512(source + 16 * v);
            sum[v] = add_level<SIGNED>(sum[v], scaled_low, scaled_high, word);
            sum[v + 1] = add_level<SIGNED>(sum[v + 1], scaled_low, scaled_high, _mm512_ror_epi32(word, 8));
            sum[v + 2] = add_level<SIGNED>(sum[v + 2], scaled_low, scaled_high, _mm512_ror_epi32(word, 16));
            sum[v + 3] = add_level<SIGNED>(sum[v + 3], scaled_low, scaled_high, _mm512_ror_epi32(word, 24));
        }
#pragma GCC unroll 4
        for (int v = VECS / 4 * 4; v < VECS; ++v)
            sum[v] = add_level<SIGNED>(sum[v], scaled_low, scaled_high, _mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(source + 16 * v))));
    }
#pragma GCC unroll 16
    for (int v = 0; v < VECS - 1; ++v) _mm512_storeu_ps(y + 16 * v, sum[v]);
    const int64_t rest = width - 16 * (VECS - 1);
    _mm512_mask_storeu_ps(y + 16 * (VECS - 1), rest >= 16 ? 0xffff : (1u << rest) - 1, sum[VECS - 1]);
}

}  // namespace gcn2snn
