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
        if (s_.bias) plus_bias(block, sums);
        if (s_.add) plus_add(image, oy, first, size, sums);
        if (s_.out) {
            real* out = static_cast<real*>(s_.out) + at;
            for (int64_t x = 0; x < s_.cols; ++x) std::memcpy(out + x * channels, sums + x * LANES, size * sizeof(real));
            return;
        }
        if (s_.fire.wide) fire<int16_t>(block, image, oy, sums, static_cast<int16_t*>(s_.fire.code) + at);
        else fire<int8_t>(block, image, oy, sums, static_cast<int8_t*>(s_.fire.code) + at);
    }

    int64_t channel(int64_t block) const { return block / blocks_ * s_.outputs + block % blocks_ * LANES; }
    int64_t width(int64_t block) const { return std::min<int64_t>(LANES, s_.outputs - block % blocks_ * LANES); }
    const real* scale(int64_t block) const { return scale_.data() + block * LANES; }
    const real* bias(int64_t block) const { return bias_.data() + block * LANES; }

    void plus_bias(int64_t block, real* sums) const {
        const real* b = bias(block);
        for (int64_t x = 0; x < s_.cols; ++x)
            for (int lane = 0; lane < LANES; ++lane) sums[x * LANES + lane] += b[lane];
    }

    void plus_add(int64_t image, int64_t oy, int64_t first, int64_t size, real* sums) const {
        const real* add = static_cast<const real*>(s_.add) + image * s_.add_image + first * s_.add_channel + oy * s_.add_row;
        if (s_.add_channel == 1) {
            for (int64_t x = 0; x < s_.cols; ++x)
                for (int64_t lane = 0; lane < size; ++lane) sums[x * LANES + lane] += add[x * s_.add_col + lane];
            return;
        }
        for (int64_t lane = 0; lane < size; ++lane)
            for (int64_t x = 0; x < s_.cols; ++x) sums[x * LANES + lane] += add[x * s_.add_col + lane * s_.add_channel];
    }

    template <class code_t>
    void silence(int64_t block, int64_t image, int64_t oy, code_t* code) const {  // past the horizon
        const int16_t* last = s_.horizon + image * s_.horizon_image + channel(block) * s_.horizon_channel + oy * s_.horizon_row;
        const int64_t channels = s_.groups * s_.outputs;
        for (int64_t x = 0; x < s_.cols; ++x)
            for (int64_t lane = 0; lane < width(block); ++lane)
                if (std::abs(static_cast<int>(code[x * channels + lane])) > last[x * s_.horizon_col + lane * s_.horizon_channel]) code[x * channels + lane] = 0;
    }

  private:
    template <class code_t>
    void fire(int64_t block, int64_t image, int64_t oy, const real* sums, code_t* code) const {
        constexpr int lanes = kConvBytes / sizeof(real);
        const int64_t channels = s_.groups * s_.outputs, size = width(block);
        const Thresholds<real> thresholds(s_.fire);
        const real* scales = scale(block);
        for (int64_t x = 0; x < s_.cols; ++x) {
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

    const Conv& s_;
    int64_t blocks_;
    std::vector<real> bias_, scale_;
};

}  // namespace gcn2snn
