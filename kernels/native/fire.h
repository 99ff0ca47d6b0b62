// What happens to the sums of a row of output pixels before they leave the cache: bias, second input, then stored or fired.
#pragma once

#include "thresholds.h"

namespace gcn2snn {

template <class real, int LANES>
class Finish {
  public:
    Finish(const Conv& s, int64_t blocks) : s_(s), blocks_(blocks), bias_(s.groups * blocks * LANES, real(0)), scale_(s.groups * blocks * LANES, real(1)) {
        for (int64_t block = 0; block < s.groups * blocks; ++block)
            for (int64_t lane = 0; lane < width(block); ++lane) {
                if (s.bias) bias_[block * LANES + lane] = static_cast<const real*>(s.bias)[channel(block) + lane];
                if (!s.out) scale_[block * LANES + lane] = static_cast<const real*>(s.fire.scale)[(channel(block) + lane) * s.fire.scale_step];
            }
    }

    // sums: [cols, LANES] of one block of outputs.
    void row(int64_t block, int64_t image, int64_t oy, real* sums) const {
        const int64_t first = channel(block), size = width(block), channels = s_.groups * s_.outputs;
        const int64_t at = (image * s_.rows + oy) * s_.cols * channels + first;
        if (!s_.out) {
            if (s_.fire.wide) fire<int16_t>(block, image, oy, sums, static_cast<int16_t*>(s_.fire.code) + at);
            else fire<int8_t>(block, image, oy, sums, static_cast<int8_t*>(s_.fire.code) + at);
        } else {
            plus(block, image, oy, 0, sums);
            real* out = static_cast<real*>(s_.out) + at;
            for (int64_t x = 0; x < s_.cols; ++x) std::memcpy(out + x * channels, sums + x * LANES, size * sizeof(real));
        }
    }

    int64_t channel(int64_t block) const { return block / blocks_ * s_.outputs + block % blocks_ * LANES; }
    int64_t width(int64_t block) const { return std::min<int64_t>(LANES, s_.outputs - block % blocks_ * LANES); }
    const real* scale(int64_t block) const { return scale_.data() + block * LANES; }
    const real* bias(int64_t block) const { return bias_.data() + block * LANES; }

    template <class code_t>
    void silence(int64_t block, int64_t image, int64_t oy, code_t* code) const {  // past the horizon
        const int16_t* last = s_.horizon + image * s_.horizon_image + channel(block) * s_.horizon_channel + oy * s_.horizon_row;
        const int64_t channels = s_.groups * s_.outputs;
        for (int64_t x = 0; x < s_.cols; ++x)
            for (int64_t lane = 0; lane < width(block); ++lane)
                if (std::abs(static_cast<int>(code[x * channels + lane])) > last[x * s_.horizon_col + lane * s_.horizon_channel]) code[x * channels + lane] = 0;
    }

  private:
    // Bias and second input, from pixel `x` on.
    void plus(int64_t block, int64_t image, int64_t oy, int64_t begin, real* sums) const {
        const int64_t size = width(block);
        const real* b = bias(block);
        if (s_.bias)
            for (int64_t x = begin; x < s_.cols; ++x)
                for (int lane = 0; lane < LANES; ++lane) sums[x * LANES + lane] += b[lane];
        if (!s_.add) return;
        const int64_t at = second(block, image, oy);
        if (s_.add_levels) {
            const int8_t* code = static_cast<const int8_t*>(s_.add) + at;
            const real* centre = static_cast<const real*>(s_.add_levels) + s_.add_timesteps;
            const real* scale = s_.add_scale ? static_cast<const real*>(s_.add_scale) + channel(block) : nullptr;
            for (int64_t x = begin; x < s_.cols; ++x)
                for (int64_t lane = 0; lane < size; ++lane) {
                    const real level = centre[code[x * s_.add_col + lane * s_.add_channel]];
                    sums[x * LANES + lane] += scale ? level * scale[lane] : level;
                }
            return;
        }
        const real* add = static_cast<const real*>(s_.add) + at;
        if (s_.add_channel == 1) {
            for (int64_t x = begin; x < s_.cols; ++x)
                for (int64_t lane = 0; lane < size; ++lane) sums[x * LANES + lane] += add[x * s_.add_col + lane];
            return;
        }
        for (int64_t lane = 0; lane < size; ++lane)
            for (int64_t x = begin; x < s_.cols; ++x) sums[x * LANES + lane] += add[x * s_.add_col + lane * s_.add_channel];
    }

    // Where a row of the second input starts.
    int64_t second(int64_t block, int64_t image, int64_t oy) const {
        return image * s_.add_image + channel(block) * s_.add_channel + oy * s_.add_row;
    }

    template <class code_t>
    void fire(int64_t block, int64_t image, int64_t oy, real* sums, code_t* code) const {
        constexpr int lanes = kConvBytes / sizeof(real);
        const int64_t channels = s_.groups * s_.outputs, size = width(block);
        const real* scales = scale(block);
        int64_t x = 0;
#ifdef GCN2SNN_AVX512
        if constexpr (std::is_same_v<real, float>)
            if (s_.fire.timesteps <= kRegisterPhases) x = fire_in_registers(block, image, oy, sums, code);
#endif
        if (x < s_.cols) plus(block, image, oy, x, sums);
        const Thresholds<real> thresholds(s_.fire);
        for (; x < s_.cols; ++x) {
            alignas(64) Count<real> phase[LANES];
            for (int v = 0; v < LANES; v += lanes) {
                const Vec<real> z = *reinterpret_cast<const Vec<real>*>(sums + x * LANES + v) / *reinterpret_cast<const Vec<real>*>(scales + v);
                *reinterpret_cast<Vec<Count<real>>*>(phase + v) = thresholds.code(z);
            }
            if (size == LANES) for (int lane = 0; lane < LANES; ++lane) code[x * channels + lane] = static_cast<code_t>(phase[lane]);
            else for (int64_t lane = 0; lane < size; ++lane) code[x * channels + lane] = static_cast<code_t>(phase[lane]);
        }
        if (s_.horizon) silence(block, image, oy, code);
    }

#ifdef GCN2SNN_AVX512
    // Four vectors at a time, with bias and second input; returns the pixels that are done, all but fewer than four, or none.
    template <class code_t>
    int64_t fire_in_registers(int64_t block, int64_t image, int64_t oy, const float* sums, code_t* code) const {
        if (!s_.add) return fire_with<code_t>(block, sums, code, Nothing());
        if (s_.add_channel != 1 || (s_.add_levels && s_.add_timesteps > kRegisterPhases)) return 0;
        const int64_t at = second(block, image, oy);
        if (!s_.add_levels) {
            const float* add = static_cast<const float*>(s_.add) + at;
            return fire_with<code_t>(block, sums, code, [&](int64_t place, int64_t, __mmask16 lanes) { return _mm512_maskz_loadu_ps(lanes, add + place); });
        }
        const int8_t* add = static_cast<const int8_t*>(s_.add) + at;
        const SpikeValues values(static_cast<const float*>(s_.add_levels) + s_.add_timesteps, s_.add_timesteps);
        if (!s_.add_scale) return fire_with<code_t>(block, sums, code, [&](int64_t place, int64_t, __mmask16 lanes) { return values.of(_mm_maskz_loadu_epi8(lanes, add + place)); });
        const float* scale = static_cast<const float*>(s_.add_scale) + channel(block);
        return fire_with<code_t>(block, sums, code, [&](int64_t place, int64_t lane, __mmask16 lanes) {
            return _mm512_mul_ps(values.of(_mm_maskz_loadu_epi8(lanes, add + place)), _mm512_maskz_loadu_ps(lanes, scale + lane));
        });
    }

    struct Nothing {};

    // second(place from the row's start, lane of the block, lanes that exist): values to add. The four searches go side by side.
    template <class code_t, class Second>
    int64_t fire_with(int64_t block, const float* sums, code_t* code, const Second& second) const {
        constexpr int vectors = LANES / 16, pixels = 4 / vectors;
        const Bars bars(static_cast<const float*>(s_.fire.thresholds), s_.fire.timesteps);
        const int64_t channels = s_.groups * s_.outputs;
        __m512 divisor[vectors], offset[vectors];
        __mmask16 lanes[vectors];
        for (int v = 0; v < vectors; ++v) {
            divisor[v] = _mm512_loadu_ps(scale(block) + 16 * v);
            offset[v] = _mm512_loadu_ps(bias(block) + 16 * v);
            lanes[v] = static_cast<__mmask16>((1u << std::clamp<int64_t>(width(block) - 16 * v, 0, 16)) - 1);
        }
        int64_t x = 0;
        for (; x + pixels <= s_.cols; x += pixels) {
            __m512 z[4];
            __m512i phase[4];
#pragma GCC unroll 4
            for (int k = 0; k < 4; ++k) {
                z[k] = _mm512_add_ps(_mm512_load_ps(sums + x * LANES + 16 * k), offset[k % vectors]);
                if constexpr (!std::is_same_v<Second, Nothing>) z[k] = _mm512_add_ps(z[k], second((x + k / vectors) * s_.add_col + k % vectors * 16, k % vectors * 16, lanes[k % vectors]));
                z[k] = _mm512_div_ps(z[k], divisor[k % vectors]);
            }
            if (s_.fire.is_signed) bars.codes<4>(z, true, phase); else bars.codes<4>(z, false, phase);
#pragma GCC unroll 4
            for (int k = 0; k < 4; ++k) store_codes(code + (x + k / vectors) * channels + k % vectors * 16, lanes[k % vectors], phase[k]);
        }
        return x;
    }
#endif

    const Conv& s_;
    int64_t blocks_;
    std::vector<real> bias_, scale_;
};

}  // namespace gcn2snn
