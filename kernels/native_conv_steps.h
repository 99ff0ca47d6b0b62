// Convolution for neurons that decide before all input is there: each spike goes to the sum of the first moment that sees it,
// sums run up over the moments when a row is complete, and the first crossing is the code. One pass over the spikes.
#pragma once

#include "native_conv.h"

namespace gcn2snn {

// buckets[col][moment][V vectors] += level * weight over the spikes of one block of channels.
template <class real, int V>
void bucket_row(const Conv& s, const Events<real>& events, const real* weight, int64_t inputs, int64_t oy, real* buckets) {
    constexpr int lanes = kConvBytes / sizeof(real);
    const KernelRows rows(s, oy);
    const int64_t pixel = s.moments * V * lanes;
    for (int64_t x = 0; x < s.width; ++x)
        for (int64_t i = rows.begin; i < rows.end; ++i) {
            const int64_t list = events.list(rows.y + i * s.dilation_h, x);
            for (int64_t j = 0; j < s.kernel_w; ++j) {
                const int64_t from = x + s.left - j * s.dilation_w, ox = from / s.stride_w;
                if (from < 0 || from % s.stride_w || ox >= s.cols) continue;
                const real* w = weight + (i * inputs * s.kernel_w + j) * V * lanes;
                for (int64_t e = list * kChunk; e < list * kChunk + events.count[list]; ++e) {
                    real* sum = buckets + ox * pixel + events.moment[e] * V * lanes;
#pragma GCC unroll 8
                    for (int v = 0; v < V; ++v) *reinterpret_cast<Vec<real>*>(sum + v * lanes) += events.level[e] * *reinterpret_cast<const Vec<real>*>(w + events.offset[e] + v * lanes);
                }
            }
        }
}

// Codes of one row of buckets.
template <class real, class code_t, int V>
void cross_row(const Conv& s, const Finish<real, V * kConvBytes / sizeof(real)>& finish, int64_t block, int64_t image, int64_t oy, real* buckets) {
    constexpr int lanes = V * kConvBytes / sizeof(real);
    const int64_t size = finish.width(block), channels = s.groups * s.outputs, first = finish.channel(block);
    code_t* code = static_cast<code_t*>(s.fire.code) + (image * s.rows + oy) * s.cols * channels + first;
    const auto* thresholds = static_cast<const real*>(s.fire.thresholds);
    const auto* add = static_cast<const real*>(s.add);
    const real *bias = finish.bias(block), *scale = finish.scale(block);
    for (int64_t x = 0; x < s.cols; ++x) {
        real* u = buckets + x * s.moments * lanes;
        for (int64_t i = lanes; i < s.moments * lanes; ++i) u[i] += u[i - lanes];
        for (int64_t b = 0; b < s.moments; ++b)
            for (int lane = 0; lane < lanes; ++lane) {
                real& now = u[b * lanes + lane];
                if (s.bias) now += bias[lane];
                if (add && lane < size) now += add[b * s.add_moment + image * s.add_image + (first + lane) * s.add_channel + oy * s.add_row + x * s.add_col];
                now /= scale[lane];
            }
        alignas(64) Count<real> phase[lanes] = {};
        for (int64_t k = s.fire.timesteps; k >= 1; --k) {  // downwards: the earliest crossing is written last
            const real* z = u + s.moment_of[k - 1] * lanes;
            const real bar = thresholds[s.fire.timesteps - k];
            const auto now = static_cast<Count<real>>(k);
            if (s.fire.is_signed) for (int lane = 0; lane < lanes; ++lane) phase[lane] = z[lane] <= -bar ? -now : phase[lane];
            for (int lane = 0; lane < lanes; ++lane) phase[lane] = z[lane] >= bar ? now : phase[lane];
        }
        for (int64_t lane = 0; lane < size; ++lane) code[x * channels + lane] = static_cast<code_t>(phase[lane]);
    }
    if (s.horizon) finish.template silence<code_t>(block, image, oy, code);
}

template <class real, class code_t>
void convolve_steps(const Conv& s, int64_t threads) {
    constexpr int V = 2, lanes = V * kConvBytes / sizeof(real);
    const int64_t blocks = (s.outputs + lanes - 1) / lanes, chunks = (s.inputs + kChunk - 1) / kChunk, taps = s.kernel_h * s.kernel_w;
    const Lines<real> weight = pack_weight<real>(s, static_cast<const real*>(s.weight), lanes, threads);
    const Reader<real, code_t> reader(s, s.kernel_w * lanes);
    const Finish<real, lanes> finish(s, blocks);
    const Tiles tiles(s, sizeof(real) + 8, threads);
    for_range(tiles.count, threads, 1, [&](int64_t begin, int64_t end) {
        EventStore<real> store;
        const int64_t row_size = s.cols * s.moments * lanes;
        Lines<real> buckets(row_size);
        for (int64_t tile = begin; tile < end; ++tile) {
            const int64_t image = tile / tiles.bands * tiles.images, images = std::min(tiles.images, s.images - image);
            const int64_t row = tile % tiles.bands * tiles.rows, rows = std::min(tiles.rows, s.rows - row);
            store.read(s, reader, image, images, row, rows);
            for (int64_t block = 0; block < s.groups * blocks; ++block)
                for (int64_t n = 0; n < images; ++n)
                    for (int64_t y = row; y < row + rows; ++y) {
                        std::fill(buckets.data(), buckets.data() + row_size, real(0));
                        for (int64_t chunk = 0; chunk < chunks; ++chunk)
                            bucket_row<real, V>(s, store.events(n, block / blocks * chunks + chunk), weight.data() + (block * s.inputs + chunk * kChunk) * taps * lanes, std::min(kChunk, s.inputs - chunk * kChunk), y, buckets.data());
                        if (s.fire.wide) cross_row<real, int16_t, V>(s, finish, block, image + n, y, buckets.data());
                        else cross_row<real, int8_t, V>(s, finish, block, image + n, y, buckets.data());
                    }
        }
    });
}

}  // namespace gcn2snn
