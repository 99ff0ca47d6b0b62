// Images of spikes as lists: for each column of pixels and block of channels, the spikes that were sent, one row of the image
// after the other, and where their weights are.
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

// Memory that starts at a cache line, so that no vector of weights or sums lies across two. Nothing is written into it at first.
template <class T>
class Lines {
  public:
    Lines() = default;
    explicit Lines(int64_t size) : store_(new T[size + 64 / sizeof(T)]), size_(size) {
        data_ = store_.get() + (-reinterpret_cast<uintptr_t>(store_.get()) & 63) / sizeof(T);
    }
    T* data() { return data_; }
    const T* data() const { return data_; }
    int64_t size() const { return size_; }
    void need(int64_t size) {
        if (size_ < size) *this = Lines(size);
    }

  private:
    std::unique_ptr<T[]> store_;
    T* data_ = nullptr;
    int64_t size_ = 0;
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

// The spikes of some rows of one image and block of channels. Those of a column lie behind each other, row by row, so that the
// rows which a kernel sees are one list: a loop over few spikes costs a wrong guess of the processor at its end.
template <class real>
struct Events {
    const int32_t* first;   // [rows + 1, width]: where the spikes of a pixel begin, and those of the last one end
    const int32_t* offset;  // of a spike's weights in a block; without dilation, with the distance of two kernel rows for each row
    const real* level;
    const int32_t* moment;  // only with moments
    int64_t first_row, width;
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
    // centre: value of silence, with those of the phases behind it.
    template <class real>
    SpikeValues(const real* centre, int64_t timesteps) {
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

// Lists of spikes of at most 32 phases for one block of channels: the instruction that packs lanes moves those of silent neurons
// out of the list. All that it needs stays in registers from pixel to pixel.
class PackedLists {
  public:
    // scale: of the block's channels, or null; step: distance of two channels' weights.
    template <class real>
    PackedLists(const SpikeValues& values, const real* scale, int64_t size, int32_t step) : exists_(static_cast<__mmask16>((1u << size) - 1)), values_(values) {
        alignas(64) float factor[16] = {};
        for (int64_t c = 0; c < size; ++c) factor[c] = scale ? static_cast<float>(scale[c]) : 1.f;
        factor_ = _mm512_load_ps(factor);
        steps_ = _mm512_mullo_epi32(_mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15), _mm512_set1_epi32(step));
    }

    int32_t list(const int8_t* code, int32_t base, int32_t* offset, float* level) const {
        const __m128i codes = _mm_maskz_loadu_epi8(exists_, code);
        const __mmask16 sent = _mm_test_epi8_mask(codes, codes);
        _mm512_storeu_ps(level, _mm512_maskz_compress_ps(sent, _mm512_mul_ps(values_.of(codes), factor_)));
        _mm512_storeu_si512(offset, _mm512_maskz_compress_epi32(sent, _mm512_add_epi32(steps_, _mm512_set1_epi32(base))));
        return __builtin_popcount(sent);
    }

  private:
    __mmask16 exists_;
    SpikeValues values_;
    __m512 factor_;
    __m512i steps_;
};
#endif

// Writes the list of one block of channels of one pixel. step: distance of two channels' weights.
template <class real, class code_t>
class Reader {
  public:
    Reader(const Conv& s, int64_t step) : centre_(static_cast<const real*>(s.levels) + s.timesteps), scale_(static_cast<const real*>(s.channel_scale)), step_of_(s.step_of), moments_(s.moments), timesteps_(s.timesteps), step_(static_cast<int32_t>(step)) {
#ifndef GCN2SNN_AVX512
        for (int64_t t = 0; t < 32; ++t) table_[t] = t < s.timesteps ? centre_[t + 1] : real(0);
#endif
    }

#ifdef GCN2SNN_AVX512
    // Whether PackedLists reads these spikes.
    bool packs() const { return std::is_same_v<real, float> && std::is_same_v<code_t, int8_t> && timesteps_ <= 32 && !step_of_; }
    PackedLists packed(int64_t channel, int64_t size) const { return PackedLists(SpikeValues(centre_, timesteps_), scale_ ? scale_ + channel : nullptr, size, step_); }
#endif

    // code: the pixel's codes from channel `channel` (of the whole image) on; base: added to each offset. Up to kChunk places are
    // written, whatever the number of spikes.
    int32_t list(const code_t* code, int64_t channel, int64_t size, int32_t base, int32_t* offset, real* level, int32_t* moment) const {
        const real* scale = scale_ ? scale_ + channel : nullptr;
#if defined(__AVX2__) && !defined(GCN2SNN_AVX512)
        if constexpr (std::is_same_v<real, float> && std::is_same_v<code_t, int8_t>)
            if (timesteps_ <= 32 && !step_of_) return timesteps_ <= 16 ? fast_list<2>(code, scale, size, base, offset, level) : fast_list<4>(code, scale, size, base, offset, level);
#endif
        int32_t n = 0;
        for (int64_t c = 0; c < size; ++c) {  // no branch on the spike: it is written, and stays if there was one
            const int64_t clamped = std::min<int64_t>(std::max<int64_t>(code[c], -timesteps_), timesteps_);
            offset[n] = base + static_cast<int32_t>(c) * step_;
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
#if defined(__AVX2__) && !defined(GCN2SNN_AVX512)
    template <int TABLE>
    int32_t fast_list(const int8_t* code, const float* scale, int64_t size, int32_t base, int32_t* offset, float* level) const {
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
            const __m256i place = _mm256_add_epi32(_mm256_permutevar8x32_epi32(steps, order), _mm256_set1_epi32(base + static_cast<int>(c) * step_));
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
#ifndef GCN2SNN_AVX512
    real table_[32];  // level of phase t + 1: silence is not listed and needs no entry
#endif
};

// The lists of some rows of some images, all channels; kept by a task from tile to tile.
template <class real>
class EventStore {
  public:
    // `lanes`: outputs of a block of weights.
    template <class code_t>
    void read(const Conv& s, const Reader<real, code_t>& reader, int64_t lanes, int64_t image, int64_t images, int64_t row, int64_t rows) {
        const int64_t first = row * s.stride_h - s.top, last = (row + rows - 1) * s.stride_h - s.top + (s.kernel_h - 1) * s.dilation_h;
        first_row_ = std::max<int64_t>(first, 0);
        rows_ = std::max<int64_t>(std::min(last + 1, s.height) - first_row_, 0);
        width_ = s.width;
        const int64_t chunks = (s.inputs + kChunk - 1) / kChunk, channels = s.groups * s.inputs;
        chunks_ = s.groups * chunks;
        // A cache line more than a column can hold: else columns of some heights would all want the same places of the cache.
        column_ = rows_ * kChunk + kChunk;
        const int64_t columns = images * chunks_ * width_;
        first_.need(columns * (rows_ + 1));
        offset_.need(columns * column_);
        level_.need(columns * column_);
        if (s.step_of) moment_.need(columns * column_);
        for (int64_t n = 0; n < images; ++n) {
            const code_t* code = static_cast<const code_t*>(s.code) + ((image + n) * s.height + first_row_) * width_ * channels;
            for (int64_t k = 0; k < chunks_; ++k) {
                const int64_t channel = k / chunks * s.inputs + k % chunks * kChunk, size = std::min(kChunk, s.inputs - k % chunks * kChunk);
                read_block(reader, code + channel, channels, channel, size, s.dilation_h == 1 ? size * s.kernel_w * lanes : 0, n * chunks_ + k);
            }
        }
    }

    Events<real> events(int64_t image, int64_t chunk) const {
        const int64_t block = image * chunks_ + chunk, at = block * width_ * column_;
        return {first_.data() + block * width_ * (rows_ + 1), offset_.data() + at, level_.data() + at, moment_.data() + (moment_.size() ? at : 0), first_row_, width_};
    }

  private:
    // row_step: what a row of the image adds to the places of weights.
    template <class code_t>
    void read_block(const Reader<real, code_t>& reader, const code_t* code, int64_t channels, int64_t channel, int64_t size, int64_t row_step, int64_t block) {
        const int64_t at = block * width_ * column_;
        int32_t* const first = first_.data() + block * width_ * (rows_ + 1);
        int32_t* const offset = offset_.data() + at;
        real* const level = level_.data() + at;
        int32_t* const moment = moment_.data() + (moment_.size() ? at : 0);
        for (int64_t x = 0; x < width_; ++x) first[x] = static_cast<int32_t>(x * column_);
#ifdef GCN2SNN_AVX512
        if constexpr (std::is_same_v<real, float> && std::is_same_v<code_t, int8_t>)
            if (reader.packs()) {
                const PackedLists lists = reader.packed(channel, size);
                for_pixels(first, code, channels, [=](const code_t* from, int64_t y, int32_t at) { return lists.list(from, static_cast<int32_t>(y * row_step), offset + at, level + at); });
                return;
            }
#endif
        for_pixels(first, code, channels, [&](const code_t* from, int64_t y, int32_t at) { return reader.list(from, channel, size, static_cast<int32_t>(y * row_step), offset + at, level + at, moment + (moment_.size() ? at : 0)); });
    }

    // first: of the block; list(code, y, at): how many spikes of a pixel it has written from place `at` on.
    template <class code_t, class List>
    void for_pixels(int32_t* first, const code_t* code, int64_t channels, const List& list) const {
        const int64_t width = width_;
        for (int64_t y = 0; y < rows_; ++y, first += width)
            for (int64_t x = 0; x < width; ++x, code += channels) first[width + x] = first[x] + list(code, y, first[x]);
    }

    int64_t first_row_ = 0, rows_ = 0, width_ = 0, chunks_ = 0, column_ = 0;
    Lines<int32_t> first_, offset_, moment_;
    Lines<real> level_;
};

}  // namespace gcn2snn
