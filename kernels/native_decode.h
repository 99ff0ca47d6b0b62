// Sums of one-byte phases that are decoded in registers: AVX-512 (vpermt2ps) and AVX2 (vpermps).
#pragma once

#include "native_rows.h"

#if defined(__AVX512BW__) && defined(__AVX512VL__) && defined(__AVX512DQ__)
#include <immintrin.h>
#define GCN2SNN_AVX512 1
#elif defined(__AVX2__)
#include <immintrin.h>
#define GCN2SNN_AVX2 1
#endif

namespace gcn2snn {

// Where the sign of a code goes: there is none; it is applied after the look-up (two more instructions for 16 values); or it
// is folded into the index of the table, which up to 16 phases leaves room for both signs. Folded bytes are 32 + t - 1 for a
// spike of phase t, 48 + t - 1 for a negative one, 0 for silence (masked by the look-up): as fast as codes without sign.
enum class Sign { kNone, kExtra, kFolded };
constexpr int64_t kFoldedPhases = 16;

inline void fold_codes(const int8_t* code, int64_t size, int8_t* folded) {
    for (int64_t i = 0; i < size; ++i) {
        const int8_t c = code[i];
        folded[i] = static_cast<int8_t>(c > 0 ? c + 31 : c < 0 ? 47 - c : 0);
    }
}

inline void fold_table(const float* table, float* folded) {
    for (int64_t t = 1; t <= kFoldedPhases; ++t) {
        folded[t - 1] = table[t];
        folded[kFoldedPhases + t - 1] = -table[t];
    }
}

#ifdef __AVX2__
// table[index] for 8 indices: TABLE registers of 8 levels each (vpermps) and blends on the higher bits.
template <int TABLE>
inline __m256 table_value(const __m256* table, __m256i index) {
    __m256 level = _mm256_permutevar8x32_ps(table[0], index);
    if (TABLE > 1) level = _mm256_blendv_ps(level, _mm256_permutevar8x32_ps(table[1], index), _mm256_castsi256_ps(_mm256_slli_epi32(index, 28)));
    if (TABLE > 2) {
        const __m256 upper = _mm256_blendv_ps(_mm256_permutevar8x32_ps(table[2], index), _mm256_permutevar8x32_ps(table[3], index), _mm256_castsi256_ps(_mm256_slli_epi32(index, 28)));
        level = _mm256_blendv_ps(level, upper, _mm256_castsi256_ps(_mm256_slli_epi32(index, 27)));
    }
    return level;
}

// sign(code) * table[|code|] for 8 codes.
template <int TABLE>
inline __m256 signed_level(const __m256* table, __m128i code) {
    const __m256i wide = _mm256_cvtepi8_epi32(code);
    return _mm256_xor_ps(table_value<TABLE>(table, _mm256_abs_epi32(wide)), _mm256_castsi256_ps(_mm256_and_si256(wide, _mm256_set1_epi32(INT32_MIN))));
}
#endif

#ifdef GCN2SNN_AVX512
// sign(code) * table[|code|] for 16 codes: two registers hold the table (vpermt2ps), |code| <= 31.
inline __m512 signed_level(__m512 low, __m512 high, __m128i code) {
    const __m512i wide = _mm512_cvtepi8_epi32(code);
    const __m512 level = _mm512_permutex2var_ps(low, _mm512_abs_epi32(wide), high);
    const __m512i sign = _mm512_set1_epi32(INT32_MIN);
    return _mm512_castsi512_ps(_mm512_ternarylogic_epi32(_mm512_castps_si512(level), wide, sign, 0x78));  // level ^ (wide & sign)
}

// y[0:width] = sum_p value[p] level(code[col[p], 0:width]); value * level is the scaled table, so only an addition is left.
template <int VECS, Sign SIGN>
void phase_row(const Matrix& a, const float* value, const int8_t* code, int64_t channels, const float* table, int64_t begin, int64_t end, int64_t last, int64_t width, float* y) {
    const __m512 low = _mm512_loadu_ps(table), high = _mm512_loadu_ps(table + 16);
    const __mmask16 lanes = width < 16 ? (1u << width) - 1 : 0xffff;
    __m512 sum[VECS];
#pragma GCC unroll 16
    for (int v = 0; v < VECS; ++v) sum[v] = _mm512_setzero_ps();
    for (int64_t p = begin; p < end; ++p) {
        if (p + kPrefetch < last) prefetch_bytes(code + a.col[p + kPrefetch] * channels, VECS * 16);
        const int8_t* source = code + a.col[p] * channels;
        const __m512 weight = _mm512_set1_ps(value[p]), scaled_low = _mm512_mul_ps(weight, low), scaled_high = _mm512_mul_ps(weight, high);
#pragma GCC unroll 16
        for (int v = 0; v < VECS; ++v) {
            const __m128i bytes = VECS == 1 ? _mm_maskz_loadu_epi8(lanes, source)
                                            : _mm_loadu_si128(reinterpret_cast<const __m128i*>(source + vector_start<16, VECS>(v, width)));
            __m512 level;
            if (SIGN == Sign::kExtra) level = signed_level(scaled_low, scaled_high, bytes);
            else if (SIGN == Sign::kNone) level = _mm512_permutex2var_ps(scaled_low, _mm512_cvtepi8_epi32(bytes), scaled_high);
            else level = _mm512_maskz_permutex2var_ps(_mm_test_epi8_mask(bytes, bytes), scaled_low, _mm512_cvtepi8_epi32(bytes), scaled_high);
            sum[v] = _mm512_add_ps(sum[v], level);
        }
    }
    if (VECS == 1) { _mm512_mask_storeu_ps(y, lanes, sum[0]); return; }
#pragma GCC unroll 16
    for (int v = 0; v < VECS; ++v) _mm512_storeu_ps(y + vector_start<16, VECS>(v, width), sum[v]);
}
constexpr int kPhaseLanes = 16, kPhaseVectors = 16;

#elif defined(GCN2SNN_AVX2)
template <int VECS, int TABLE>
void phase_row(const Matrix& a, const float* value, const int8_t* code, int64_t channels, const float* table, int64_t begin, int64_t end, int64_t last, int64_t width, float* y) {
    __m256 sum[VECS];
#pragma GCC unroll 8
    for (int v = 0; v < VECS; ++v) sum[v] = _mm256_setzero_ps();
    for (int64_t p = begin; p < end; ++p) {
        if (p + kPrefetch < last) prefetch_bytes(code + a.col[p + kPrefetch] * channels, VECS * 8);
        const int8_t* source = code + a.col[p] * channels;
        const __m256 weight = _mm256_set1_ps(value[p]);
        __m256 scaled[TABLE];
#pragma GCC unroll 4
        for (int k = 0; k < TABLE; ++k) scaled[k] = _mm256_mul_ps(weight, _mm256_loadu_ps(table + 8 * k));
#pragma GCC unroll 8
        for (int v = 0; v < VECS; ++v) {
            __m128i bytes;
            if (VECS == 1) {
                int64_t packed = 0;
                std::memcpy(&packed, source, std::min<int64_t>(width, 8));
                bytes = _mm_cvtsi64_si128(packed);
            } else {
                bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(source + vector_start<8, VECS>(v, width)));
            }
            sum[v] = _mm256_add_ps(sum[v], signed_level<TABLE>(scaled, bytes));
        }
    }
    if (VECS == 1) {
        alignas(32) float spill[8];
        _mm256_store_ps(spill, sum[0]);
        std::copy(spill, spill + std::min<int64_t>(width, 8), y);
        return;
    }
#pragma GCC unroll 8
    for (int v = 0; v < VECS; ++v) _mm256_storeu_ps(y + vector_start<8, VECS>(v, width), sum[v]);
}
constexpr int kPhaseLanes = 8, kPhaseVectors = 8;
#endif

#if defined(GCN2SNN_AVX512) || defined(GCN2SNN_AVX2)
#define GCN2SNN_REGISTER_DECODE 1
using PhaseRow = void (*)(const Matrix&, const float*, const int8_t*, int64_t, const float*, int64_t, int64_t, int64_t, int64_t, float*);

template <int... V>
PhaseRow pick_phase(int64_t width, int64_t timesteps, Sign sign, std::integer_sequence<int, V...>) {
    const int64_t index = (width + kPhaseLanes - 1) / kPhaseLanes - 1;
#ifdef GCN2SNN_AVX512
    static constexpr PhaseRow none[] = {phase_row<V + 1, Sign::kNone>...}, extra[] = {phase_row<V + 1, Sign::kExtra>...};
    static constexpr PhaseRow folded[] = {phase_row<V + 1, Sign::kFolded>...};
    return sign == Sign::kNone ? none[index] : sign == Sign::kExtra ? extra[index] : folded[index];
#else
    static constexpr PhaseRow one[] = {phase_row<V + 1, 1>...}, two[] = {phase_row<V + 1, 2>...}, four[] = {phase_row<V + 1, 4>...};
    return timesteps <= 7 ? one[index] : timesteps <= 15 ? two[index] : four[index];
#endif
}

// The codes and tables of a product as its rows will read them: folded when that is possible and pays, else as they are.
class Operand {
  public:
    Operand(const Matrix& a, const int8_t* code, int64_t cols, int64_t channels, const float* tables, int64_t moments, int64_t timesteps, bool is_signed)
        : code(code), tables(tables), sign(is_signed ? Sign::kExtra : Sign::kNone) {
#ifdef GCN2SNN_AVX512
        if (!is_signed || timesteps > kFoldedPhases || a.rowptr[a.rows] < 4 * cols) return;  // folding reads every code once
        sign = Sign::kFolded;
        folded_code_.reset(new int8_t[cols * channels]);
        folded_tables_.resize(32 * moments);
        for (int64_t b = 0; b < moments; ++b) fold_table(tables + 32 * b, folded_tables_.data() + 32 * b);
        fold_codes(code, cols * channels, folded_code_.get());  // one thread: 1 % of the product, and no second wait for the pool
        this->code = folded_code_.get();
        this->tables = folded_tables_.data();
#endif
    }
    const int8_t* code;
    const float* tables;
    Sign sign;

  private:
    std::unique_ptr<int8_t[]> folded_code_;
    std::vector<float> folded_tables_;
};
#endif

}  // namespace gcn2snn
