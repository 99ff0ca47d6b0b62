// Sums of one-byte phases that are decoded in registers: AVX-512 (vpermt2ps); AVX2 (planes.h).
#pragma once

#include "decode_width.h"
#include "panels.h"

namespace gcn2snn {

constexpr int64_t kFoldedPhases = 16;

#ifdef GCN2SNN_AVX512
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

using PhaseRow = decltype(&phase_row<1, Sign::kNone>);
constexpr int kPhaseLanes = 16, kPhaseVectors = 16;

template <int... V>
PhaseRow pick_phase(int64_t width, Sign sign, std::integer_sequence<int, V...>) {
    static constexpr PhaseRow none[] = {phase_row<V + 1, Sign::kNone>...}, extra[] = {phase_row<V + 1, Sign::kExtra>...};
    static constexpr PhaseRow folded[] = {phase_row<V + 1, Sign::kFolded>...};
    const int64_t index = (width + kPhaseLanes - 1) / kPhaseLanes - 1;
    return sign == Sign::kNone ? none[index] : sign == Sign::kExtra ? extra[index] : folded[index];
}

inline std::vector<Pass<PhaseRow>> phase_passes(int64_t channels, int64_t most, int64_t, Sign sign) {
    return passes(channels, kPhaseLanes, most, [&](int64_t width) { return pick_phase(width, sign, std::make_integer_sequence<int, kPhaseVectors>()); });
}
#endif

}  // namespace gcn2snn

#ifdef GCN2SNN_AVX2
#include "planes.h"
#endif

namespace gcn2snn {

#ifdef GCN2SNN_REGISTER_DECODE
// The codes and tables of a product as its rows will read them. AVX-512: folded when that is possible and pays, else as they
// are. AVX2: tables in byte planes.
class Operand {
  public:
    Operand(const Matrix& a, const int8_t* code, int64_t cols, int64_t channels, const float* tables, int64_t moments, int64_t timesteps, bool is_signed)
        : code(code), tables(tables), sign(is_signed ? Sign::kExtra : Sign::kNone) {
#ifdef GCN2SNN_AVX512
        if (!is_signed || timesteps > kFoldedPhases || a.rowptr[a.rows] < 4 * cols) return;  // folding reads every code once
        sign = Sign::kFolded;
        folded_code_.reset(new int8_t[cols * channels]);
        folded_tables_.resize(32 * moments);
        for (int64_t b = 0; b < moments; ++b) fold_table(tables + kRegisterTable * b, folded_tables_.data() + kRegisterTable * b);
        fold_codes(code, cols * channels, folded_code_.get());  // one thread: 1 % of the product, and no second wait for the pool
        this->code = folded_code_.get();
        this->tables = folded_tables_.data();
#else
        folded_tables_.resize(32 * moments);
        for (int64_t b = 0; b < moments; ++b) table_planes(tables + kRegisterTable * b, reinterpret_cast<uint8_t*>(folded_tables_.data() + kRegisterTable * b));
        this->tables = folded_tables_.data();
#endif
    }
    const int8_t* code;
    const float* tables;
    Sign sign;

    std::vector<Pass<PhaseRow>> passes(int64_t channels, int64_t timesteps, int64_t most = kPhaseVectors) const {
        return phase_passes(channels, std::min<int64_t>(most, kPhaseVectors), timesteps, sign);
    }

  private:
    std::unique_ptr<int8_t[]> folded_code_;
    std::vector<float> folded_tables_;
};
#endif

}  // namespace gcn2snn
