// Sums of one-byte phases that are decoded in registers: AVX-512 (vpermt2ps, also on packed codes); AVX2 (planes.h).
#pragma once

#include "decode_width.h"
#include "panels.h"
#ifdef GCN2SNN_AVX512
#include "packed.h"
#endif

namespace gcn2snn {

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
            else level = _mm512_permutex2var_ps(scaled_low, _mm512_cvtepi8_epi32(bytes), scaled_high);
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
PhaseRow pick_phase(int64_t width, Sign sign, bool packed, std::integer_sequence<int, V...>) {
    static constexpr PhaseRow none[] = {phase_row<V + 1, Sign::kNone>...}, extra[] = {phase_row<V + 1, Sign::kExtra>...};
    static constexpr PhaseRow packed_none[] = {packed_row<V + 1, Packing::kUnsigned>...}, packed_extra[] = {packed_row<V + 1, Packing::kSigned>...};
    static constexpr PhaseRow folded[] = {packed_row<V + 1, Packing::kFolded>...};
    const int64_t index = (width + kPhaseLanes - 1) / kPhaseLanes - 1;
    if (sign == Sign::kFolded) return folded[index];
    if (packed) return sign == Sign::kNone ? packed_none[index] : packed_extra[index];
    return sign == Sign::kNone ? none[index] : extra[index];
}

inline std::vector<Pass<PhaseRow>> phase_passes(int64_t channels, int64_t most, int64_t, Sign sign, bool packed) {
    const auto pick = [&](int64_t width) { return pick_phase(width, sign, packed, std::make_integer_sequence<int, kPhaseVectors>()); };
    if (packed) return passes(channels, kPackedChannels, most * kPhaseLanes / kPackedChannels, pick);
    return passes(channels, kPhaseLanes, most, pick);
}
#endif

}  // namespace gcn2snn

#ifdef GCN2SNN_AVX2
#include "planes.h"
#endif

namespace gcn2snn {

#ifdef GCN2SNN_REGISTER_DECODE
#ifdef GCN2SNN_AVX2
inline void pack_row(const int8_t* code, int64_t channels, int8_t* packed) { std::memcpy(packed, code, channels); }
#endif

// The codes and tables of a product as its rows will read them. AVX-512: codes are packed where that pays, else as they are.
// AVX2: tables in byte planes. `whole`: its rows are read in one piece and with one table, so that signs may be folded.
class Operand {
  public:
    Operand(const Matrix& a, const int8_t* code, int64_t cols, int64_t channels, const float* tables, int64_t moments, int64_t timesteps, bool is_signed, bool whole)
        : Operand(tables, moments, timesteps, is_signed, false) {
        this->code = code;
        stride = channels;
#ifdef GCN2SNN_AVX512
        if (a.rowptr[a.rows] < 4 * cols) return;  // packing reads every code once
        packed_ = true;
        if (whole && is_signed && timesteps <= kFoldedPhases && channels <= kFoldedChannels) {
            sign = Sign::kFolded;
            folded_.reset(new Panel<float>(kNoneUnused + 1, kFoldedTable * sizeof(float)));
            fold_tables(tables, folded_->row(0));
            this->tables = folded_->data();
        }
        store_.reset(new Panel<int8_t>(cols, sign == Sign::kFolded ? folded_bytes(channels) : packed_bytes(channels)));
        // By one thread: 2 % of the product, and no second wait for the pool.
        const auto pack = sign == Sign::kFolded ? pack_folded_row : pack_row;
        for (int64_t row = 0; row < cols; ++row) pack(code + row * channels, channels, store_->row(row));
        this->code = store_->data();
        stride = store_->stride();
#endif
    }

    // Only the tables, for codes that were packed before.
    Operand(const float* tables, int64_t moments, int64_t timesteps, bool is_signed, bool packed = true)
        : tables(tables), sign(is_signed ? Sign::kExtra : Sign::kNone), timesteps_(timesteps), packed_(packed) {
#ifdef GCN2SNN_AVX2
        planes_.resize(32 * moments);
        for (int64_t b = 0; b < moments; ++b) table_planes(tables + kRegisterTable * b, reinterpret_cast<uint8_t*>(planes_.data() + kRegisterTable * b));
        this->tables = planes_.data();
#endif
    }

    const int8_t* code = nullptr;
    int64_t stride = 0;  // bytes of a row
    const float* tables;
    Sign sign;

    int64_t bytes(int64_t width) const { return packed_ ? packed_bytes(width) : width; }

    std::vector<Pass<PhaseRow>> passes(int64_t channels, int64_t most = kPhaseVectors) const {
        return phase_passes(channels, std::min<int64_t>(most, kPhaseVectors), timesteps_, sign, packed_);
    }

  private:
    int64_t timesteps_;
    bool packed_;
    std::unique_ptr<Panel<int8_t>> store_;
    std::unique_ptr<Panel<float>> folded_;
    std::vector<float> planes_;
};
#endif

}  // namespace gcn2snn
