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

// Signed codes of up to 16 phases in five bits, so that the look-up gives the sign as well: phase t is t - 1, and with a minus
// 15 + t. Silence is the 33rd code; it takes the place of one that its row does not use, and the last byte of the row says which:
// the row is read with a table in which that level is 0. A row that uses all of them is packed like others and says kNoneUnused.
constexpr int64_t kFoldedPhases = 16, kFoldedChannels = 256, kFoldedTable = 32;
constexpr int8_t kNoneUnused = 32;

inline int64_t folded_bytes(int64_t channels) { return packed_bytes(channels + 1); }

// A table for each unused code, and the one of rows without, [33, 32].
inline void fold_tables(const float* table, float* folded) {
    for (int64_t unused = 0; unused < kNoneUnused; ++unused)
        for (int64_t t = 0; t < kFoldedPhases; ++t) {
            folded[unused * kFoldedTable + t] = t == unused ? 0.0f : table[t + 1];
            folded[unused * kFoldedTable + kFoldedPhases + t] = kFoldedPhases + t == unused ? 0.0f : -table[t + 1];
        }
    std::copy(table, table + kFoldedTable, folded + kNoneUnused * kFoldedTable);
}

inline __m128i folded_codes(__m128i code) {
    const __m128i minus = _mm_cmpgt_epi8(_mm_setzero_si128(), code);
    return _mm_add_epi8(_mm_add_epi8(_mm_abs_epi8(code), _mm_set1_epi8(-1)), _mm_and_si128(minus, _mm_set1_epi8(kFoldedPhases)));
}

// One row of at most kFoldedChannels codes, into folded_bytes(channels).
inline void pack_folded_row(const int8_t* code, int64_t channels, int8_t* packed) {
    alignas(64) int8_t folded[kFoldedChannels];
    __m512i used = _mm512_setzero_si512();
    for (int64_t c = 0; c < channels; c += 16) {
        const __m128i in = some_codes(code + c, channels - c);
        const __m512i bit = _mm512_sllv_epi32(_mm512_set1_epi32(1), _mm512_cvtepi8_epi32(folded_codes(in)));
        used = _mm512_mask_or_epi32(used, _mm_test_epi8_mask(in, in), used, bit);
    }
    const uint32_t free = ~static_cast<uint32_t>(_mm512_reduce_or_epi32(used));
    const int8_t unused = free ? __builtin_ctz(free) : kNoneUnused;
    if (unused != kNoneUnused) {
        for (int64_t c = 0; c < channels; c += 16) {
            const __m128i in = some_codes(code + c, channels - c);
            const __m128i out = _mm_mask_blend_epi8(_mm_test_epi8_mask(in, in), _mm_set1_epi8(unused), folded_codes(in));
            _mm_store_si128(reinterpret_cast<__m128i*>(folded + c), out);
        }
        code = folded;
    }
    pack_row(code, channels, packed);
    int8_t& last = packed[folded_bytes(channels) - 1];  // its highest bit may be the sign of another channel
    last = static_cast<int8_t>((channels % 16 ? last & INT8_MIN : 0) | unused);
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

// sum + the levels of one packed row; `low` and `high` are its table times the value of the entry.
template <int VECS, bool SIGNED>
inline void add_packed(__m512 (&sum)[VECS], __m512 low, __m512 high, const int8_t* source) {
#pragma GCC unroll 4
    for (int v = 0; v + 4 <= VECS; v += 4) {
        const __m512i word = _mm512_loadu_si512(source + 16 * v);
        sum[v] = add_level<SIGNED>(sum[v], low, high, word);
        sum[v + 1] = add_level<SIGNED>(sum[v + 1], low, high, _mm512_ror_epi32(word, 8));
        sum[v + 2] = add_level<SIGNED>(sum[v + 2], low, high, _mm512_ror_epi32(word, 16));
        sum[v + 3] = add_level<SIGNED>(sum[v + 3], low, high, _mm512_ror_epi32(word, 24));
    }
#pragma GCC unroll 4
    for (int v = VECS / 4 * 4; v < VECS; ++v)
        sum[v] = add_level<SIGNED>(sum[v], low, high, _mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(source + 16 * v))));
}

template <int VECS>
inline void store_packed(const __m512 (&sum)[VECS], int64_t width, float* y) {
#pragma GCC unroll 16
    for (int v = 0; v < VECS - 1; ++v) _mm512_storeu_ps(y + 16 * v, sum[v]);
    const int64_t rest = width - 16 * (VECS - 1);
    _mm512_mask_storeu_ps(y + 16 * (VECS - 1), rest >= 16 ? 0xffff : (1u << rest) - 1, sum[VECS - 1]);
}

// How the rows of an operand are packed.
enum class Packing { kUnsigned, kSigned, kFolded };

// y[0:width] = sum_p value[p] level(code[col[p], 0:width]) of packed rows of `bytes` bytes; value * level is the scaled table.
template <int VECS, Packing PACKING>
void packed_row(const Matrix& a, const float* value, const int8_t* code, int64_t bytes, const float* table, int64_t begin, int64_t end, int64_t last, int64_t width, float* y) {
    __m512 sum[VECS];
#pragma GCC unroll 16
    for (int v = 0; v < VECS; ++v) sum[v] = _mm512_setzero_ps();
    for (int64_t p = begin; p < end; ++p) {
        if (p + kPrefetch < last) prefetch_bytes(code + a.col[p + kPrefetch] * bytes, VECS * 16);
        const int8_t* source = code + a.col[p] * bytes;
        const int64_t unused = PACKING == Packing::kFolded ? source[bytes - 1] & INT8_MAX : 0;
        const float* levels = table + kFoldedTable * unused;
        const __m512 weight = _mm512_set1_ps(value[p]);
        const __m512 low = _mm512_mul_ps(weight, _mm512_loadu_ps(levels)), high = _mm512_mul_ps(weight, _mm512_loadu_ps(levels + 16));
        if (PACKING == Packing::kSigned || (PACKING == Packing::kFolded && unused == kNoneUnused)) add_packed<VECS, true>(sum, low, high, source);
        else add_packed<VECS, false>(sum, low, high, source);
    }
    store_packed(sum, width, y);
}

}  // namespace gcn2snn
