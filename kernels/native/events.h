// Images of spikes as lists: for each pixel and block of channels, the spikes that were sent and where their weights are.
#pragma once

#include "coding.h"

namespace gcn2snn {

#if defined(GCN2SNN_AVX512)
constexpr int kConvBytes = 64;  // one vector
#elif defined(GCN2SNN_AVX2)
constexpr int kConvBytes = 32;
#else
constexpr int kConvBytes = 16;
#endif
constexpr int64_t kChunk = 16;              // channels of a list; their weights for 32 outputs of a 3 x 3 kernel are 18 KB
constexpr int64_t kKernelRows = 16;         // most rows of a kernel
constexpr int64_t kTileBytes = 256 * 1024;  // of lists

#if defined(__AVX2__) && !defined(GCN2SNN_AVX512)
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
#endif

template <class real> using Vec = typename Vector<real, kConvBytes / sizeof(real)>::type;

// Memory that starts at a cache line, so that no vector of weights or sums lies across two.
template <class real>
class Lines {
  public:
    explicit Lines(int64_t size) : store_(size + 64 / sizeof(real), real(0)) {
        data_ = store_.data() + (-reinterpret_cast<uintptr_t>(store_.data()) & 63) / sizeof(real);
    }
    real* data() { return data_; }
    const real* data() const { return data_; }

  private:
    std::vector<real> store_;
    real* data_;
};

// Layouts have channels last. Channel counts are those of one group. Mirrored in structures.py.
struct Conv {
    int64_t images, height, width, groups, inputs, outputs, rows, cols, kernel_h, kernel_w;
    int64_t stride_h, stride_w, left, top, dilation_h, dilation_w;
    const void* code;           // [images, height, width, groups * inputs]
    const void* levels;         // value of code -T..T, [2 T + 1]
    int64_t timesteps;          // T
    const void* channel_scale;  // [groups * inputs] or null
    const void* weight;         // [groups * outputs, inputs, kernel_h, kernel_w]
    const void* bias;           // [groups * outputs] or null
    const void* add;            // or null, read through strides
    int64_t add_image, add_channel, add_row, add_col, add_moment;
    const void* add_levels;     // value of a spike -T..T of `add`, which then holds int8 codes; null: it holds values
    int64_t add_timesteps;      // T of `add`
    const void* add_scale;      // [groups * outputs] or null
    void* out;                  // [images, rows, cols, groups * outputs], or null: fire
    Fire fire;                  // fire.horizon is not used
    const int16_t* horizon;     // or null, read through strides
    int64_t horizon_image, horizon_channel, horizon_row, horizon_col;
    const int32_t* step_of;     // first moment that has seen a phase; null: neurons look once, at the end
    const int32_t* moment_of;   // [fire.timesteps]
    int64_t moments;
};

// Lists of one image and block of channels; list(y, x) counts image rows from 0.
template <class real>
struct Events {
    const int32_t* count;
    const int32_t* offset;  // [lists, kChunk]
    const real* level;      // [lists, kChunk]
    const int32_t* moment;  // [lists, kChunk], only with moments
    int64_t first_row, width;
    int64_t list(int64_t y, int64_t x) const { return (y - first_row) * width + x; }
};

#if defined(__AVX2__) && !defined(GCN2SNN_AVX512)
// kPacked.index[mask]: the positions of the set bits, lowest first.
struct Packed {
    alignas(8) uint8_t index[256][8] = {};
    constexpr Packed() {
        for (int mask = 0; mask < 256; ++mask)
            for (int bit = 0, n = 0; bit < 8; ++bit) if (mask >> bit & 1) index[mask][n++] = bit;
    }
};
constexpr Packed kPacked;
#endif

#ifdef GCN2SNN_AVX512
// Values of 16 spikes of at most 31 phases by a look-up in two registers.
class SpikeValues {
  public:
    SpikeValues() = default;
    // centre: value of silence, with those of the phases behind it.
    SpikeValues(const float* centre, int64_t timesteps) {
        alignas(64) float table[32] = {};
        std::copy(centre + 1, centre + 1 + std::min<int64_t>(timesteps, 32), table);
        low_ = _mm512_load_ps(table), high_ = _mm512_load_ps(table + 16);
    }

    // A silent neuron reads the last place of the table, which is 0 up to 31 phases.
    __m512 of(__m128i codes) const {
        const __m512i wide = _mm512_cvtepi8_epi32(codes), phase = _mm512_sub_epi32(_mm512_abs_epi32(wide), _mm512_set1_epi32(1));
        const __m512 magnitude = _mm512_permutex2var_ps(low_, phase, high_);
        return _mm512_castsi512_ps(_mm512_xor_si512(_mm512_castps_si512(magnitude), _mm512_and_si512(wide, _mm512_set1_epi32(INT32_MIN))));
    }

  private:
    __m512 low_, high_;
};
#endif

// Writes the list of one block of channels of one pixel. step: distance of two channels' weights.
template <class real, class code_t>
class Reader {
  public:
    Reader(const Conv& s, int64_t step) : centre_(static_cast<const real*>(s.levels) + s.timesteps), scale_(static_cast<const real*>(s.channel_scale)), step_of_(s.step_of), moments_(s.moments), timesteps_(s.timesteps), step_(static_cast<int32_t>(step)) {
#ifdef GCN2SNN_AVX512
        if constexpr (std::is_same_v<real, float>) values_ = SpikeValues(centre_, s.timesteps);
#else
        for (int64_t t = 0; t < 32; ++t) table_[t] = t < s.timesteps ? centre_[t + 1] : real(0);
#endif
    }

    // code: the pixel's codes from channel `channel` (of the whole image) on.
    int32_t list(const code_t* code, int64_t channel, int64_t size, int32_t* offset, real* level, int32_t* moment) const {
        const real* scale = scale_ ? scale_ + channel : nullptr;
#ifdef GCN2SNN_AVX512
        if constexpr (std::is_same_v<real, float> && std::is_same_v<code_t, int8_t>)
            if (timesteps_ <= 32 && !step_of_) return packed_list(code, scale, size, offset, level);
#elif defined(__AVX2__)
        if constexpr (std::is_same_v<real, float> && std::is_same_v<code_t, int8_t>)
            if (timesteps_ <= 32 && !step_of_) return timesteps_ <= 16 ? fast_list<2>(code, scale, size, offset, level) : fast_list<4>(code, scale, size, offset, level);
#endif
        int32_t n = 0;
        for (int64_t c = 0; c < size; ++c) {  // no branch on the spike: it is written, and stays if there was one
            const int64_t clamped = std::min<int64_t>(std::max<int64_t>(code[c], -timesteps_), timesteps_);
            offset[n] = static_cast<int32_t>(c) * step_;
            level[n] = scale ? centre_[clamped] * scale[c] : centre_[clamped];
            bool sent = code[c] != 0;
            if (step_of_) {
                moment[n] = step_of_[std::abs(static_cast<int>(clamped))];
                sent = sent && moment[n] < moments_;
            }
            n += sent;
        }
        return n;
    }

  private:
#ifdef GCN2SNN_AVX512
    // A list is one vector: the instruction that packs lanes moves those of silent neurons out of it.
    int32_t packed_list(const int8_t* code, const float* scale, int64_t size, int32_t* offset, float* level) const {
        const __mmask16 exists = static_cast<__mmask16>((1u << size) - 1);
        const __m128i codes = _mm_maskz_loadu_epi8(exists, code);
        const __mmask16 sent = _mm_test_epi8_mask(codes, codes);
        __m512 value = values_.of(codes);
        if (scale) value = _mm512_mul_ps(value, _mm512_maskz_loadu_ps(exists, scale));
        const __m512i steps = _mm512_mullo_epi32(_mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15), _mm512_set1_epi32(step_));
        _mm512_storeu_ps(level, _mm512_maskz_compress_ps(sent, value));
        _mm512_storeu_si512(offset, _mm512_maskz_compress_epi32(sent, steps));
        return __builtin_popcount(sent);
    }
#elif defined(__AVX2__)
    template <int TABLE>
    int32_t fast_list(const int8_t* code, const float* scale, int64_t size, int32_t* offset, float* level) const {
        __m256 table[TABLE];
#pragma GCC unroll 4
        for (int k = 0; k < TABLE; ++k) table[k] = _mm256_loadu_ps(table_ + 8 * k);
        const __m256i steps = _mm256_mullo_epi32(_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7), _mm256_set1_epi32(step_));
        int32_t n = 0;
        for (int64_t c = 0; c < size; c += 8) {
            const int64_t width = std::min<int64_t>(size - c, 8);
            int64_t bytes = 0;
            if (width == 8) std::memcpy(&bytes, code + c, 8); else std::memcpy(&bytes, code + c, width);
            const __m128i codes = _mm_cvtsi64_si128(bytes);
            const int sent = 0xff & ~_mm_movemask_epi8(_mm_cmpeq_epi8(codes, _mm_setzero_si128()));
            const __m256i wide = _mm256_cvtepi8_epi32(codes), phase = _mm256_sub_epi32(_mm256_abs_epi32(wide), _mm256_set1_epi32(1));
            __m256 value = _mm256_xor_ps(table_value<TABLE>(table, phase), _mm256_castsi256_ps(_mm256_and_si256(wide, _mm256_set1_epi32(INT32_MIN))));
            if (scale) {
                alignas(32) float factor[8] = {};
                std::memcpy(factor, scale + c, width * sizeof(float));
                value = _mm256_mul_ps(value, _mm256_load_ps(factor));
            }
            const __m256i order = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(kPacked.index[sent])));
            const __m256i place = _mm256_add_epi32(_mm256_permutevar8x32_epi32(steps, order), _mm256_set1_epi32(static_cast<int>(c) * step_));
            _mm256_storeu_ps(level + n, _mm256_permutevar8x32_ps(value, order));
            _mm256_storeu_si256(reinterpret_cast<__m256i*>(offset + n), place);
            n += __builtin_popcount(sent);
        }
        return n;
    }
#endif
    const real* centre_;
    const real* scale_;
    const int32_t* step_of_;
    int64_t moments_, timesteps_;
    int32_t step_;
#ifdef GCN2SNN_AVX512
    SpikeValues values_;
#else
    real table_[32];  // level of phase t + 1: silence is not listed and needs no entry
#endif
};

// The lists of some rows of some images, all channels; kept by a task from tile to tile.
template <class real>
class EventStore {
  public:
    template <class code_t>
    void read(const Conv& s, const Reader<real, code_t>& reader, int64_t image, int64_t images, int64_t row, int64_t rows) {
        const int64_t first = row * s.stride_h - s.top, last = (row + rows - 1) * s.stride_h - s.top + (s.kernel_h - 1) * s.dilation_h;
        first_row_ = std::max<int64_t>(first, 0);
        rows_ = std::max<int64_t>(std::min(last + 1, s.height) - first_row_, 0);
        width_ = s.width;
        const int64_t chunks = (s.inputs + kChunk - 1) / kChunk, pixels = rows_ * width_, channels = s.groups * s.inputs;
        chunks_ = s.groups * chunks;
        const int64_t lists = images * chunks_ * pixels;
        if (static_cast<int64_t>(count_.size()) < lists) {
            count_.resize(lists);
            offset_.resize(lists * kChunk);
            level_.resize(lists * kChunk);
            if (s.step_of) moment_.resize(lists * kChunk);
        }
        for (int64_t n = 0; n < images; ++n) {
            const code_t* code = static_cast<const code_t*>(s.code) + ((image + n) * s.height + first_row_) * width_ * channels;
            for (int64_t k = 0; k < chunks_; ++k) {
                const int64_t channel = k / chunks * s.inputs + k % chunks * kChunk, size = std::min(kChunk, s.inputs - k % chunks * kChunk);
                int64_t list = (n * chunks_ + k) * pixels;
                for (int64_t p = 0; p < pixels; ++p, ++list)
                    count_[list] = reader.list(code + p * channels + channel, channel, size, offset_.data() + list * kChunk, level_.data() + list * kChunk, moment_.data() + (s.step_of ? list * kChunk : 0));
            }
        }
    }

    Events<real> events(int64_t image, int64_t chunk) const {
        const int64_t first = (image * chunks_ + chunk) * rows_ * width_;
        return {count_.data() + first, offset_.data() + first * kChunk, level_.data() + first * kChunk, moment_.data() + (moment_.empty() ? 0 : first * kChunk), first_row_, width_};
    }

  private:
    int64_t first_row_ = 0, rows_ = 0, width_ = 0, chunks_ = 0;
    std::vector<int32_t> count_, offset_, moment_;
    std::vector<real> level_;
};

}  // namespace gcn2snn
