// Convolution for neurons that decide before all input is there. The spikes that reach an output pixel are put in the order of
// the moments that see them; then potentials run up over the moments in registers, and a neuron's code is the phase of its
// first crossing. Every spike is added once, and no potential is stored.
//
// Order of each sum: the spikes of a moment by themselves, in the order of conv.h; then the moments in theirs.
#pragma once

#include "conv.h"

namespace gcn2snn {

// The spikes that reach each output pixel of some rows, sorted by moment: places of weights in a block, and levels.
template <class real>
class Arrivals {
  public:
    // `lanes`: outputs of a block of weights.
    Arrivals(const Conv& s, int64_t lanes, int64_t pixels)
        : s_(s), lanes_(lanes), most_(s.kernel_h * s.kernel_w * s.inputs), offset_(pixels * most_), level_(pixels * most_), first_(pixels * (s.moments + 1)) {}

    void clear() { pixels_ = 0, size_ = 0; }

    // One row of output pixels of an image and group.
    void read(const EventStore<real>& store, int64_t image, int64_t group, int64_t oy) {
        const KernelRows rows(s_, oy);
        for (int64_t ox = 0; ox < s_.cols; ++ox) {
            int32_t* first = first_.data() + pixels_++ * (s_.moments + 1);
            std::fill(first, first + s_.moments + 1, 0);
            for_lists(store, image, group, rows, ox, [&](const Events<real>& events, int64_t begin, int64_t end, int64_t) {
                for (int64_t e = begin; e < end; ++e) ++first[events.moment[e] + 1];
            });
            first[0] = size_;
            for (int64_t b = 0; b < s_.moments; ++b) first[b + 1] += first[b];
            next_.assign(first, first + s_.moments);
            for_lists(store, image, group, rows, ox, [&](const Events<real>& events, int64_t begin, int64_t end, int64_t base) {
                for (int64_t e = begin; e < end; ++e) {
                    const int32_t at = next_[events.moment[e]]++;
                    offset_[at] = events.offset[e] + static_cast<int32_t>(base);
                    level_[at] = events.level[e];
                }
            });
            size_ = first[s_.moments];
        }
    }

    // Spikes of moment b at a pixel (in the order of `read`) are first[b] .. first[b + 1].
    const int32_t* first(int64_t pixel) const { return first_.data() + pixel * (s_.moments + 1); }
    const int32_t* offset() const { return offset_.data(); }
    const real* level() const { return level_.data(); }

  private:
    template <class Body>
    void for_lists(const EventStore<real>& store, int64_t image, int64_t group, const KernelRows& rows, int64_t ox, const Body& body) const {
        const int64_t chunks = (s_.inputs + kChunk - 1) / kChunk;
        for (int64_t chunk = 0; chunk < chunks; ++chunk) {
            const Events<real> events = store.events(image, group * chunks + chunk);
            const int64_t inputs = std::min(kChunk, s_.inputs - chunk * kChunk), base = chunk * kChunk * s_.kernel_h * s_.kernel_w;
            const Seen<real> seen(s_, events, rows, inputs * s_.kernel_w * lanes_);
            for (int64_t j = 0; j < s_.kernel_w; ++j) {
                const int64_t x = ox * s_.stride_w + j * s_.dilation_w - s_.left;
                if (x < 0 || x >= s_.width) continue;
                for (int64_t list = 0; list < seen.lists; ++list) body(events, seen.begin(x, list), seen.end(x, list), (base + j) * lanes_ + seen.shift(list));
            }
        }
    }

    const Conv& s_;
    int64_t lanes_, most_, pixels_ = 0;
    int32_t size_ = 0;
    std::vector<int32_t> offset_;
    std::vector<real> level_;
    std::vector<int32_t> first_, next_;
};

// The neurons of one block at one pixel.
template <class real, int V>
class Crossing {
  public:
    static constexpr int lanes = kConvBytes / sizeof(real);
    using vec = Vec<real>;
    using mask = Vec<Count<real>>;

    Crossing(const Conv& s, const real* bias, const real* scale, int64_t size) : s_(s), bias_(bias), scale_(scale), size_(size) {}

    // add: second input of the first neuron at the first moment, or null. phase: [V lanes].
    void run(const int32_t* first, const int32_t* offset, const real* level, const real* weight, const real* add, Count<real>* phase) const {
        const auto* thresholds = static_cast<const real*>(s_.fire.thresholds);
        vec running[V] = {};
        mask code[V] = {};
        int64_t k = 1;
        for (int64_t b = 0; b < s_.moments; ++b) {
            vec sum[1][1][V] = {};
            add_events<real, V, 1, 1>(sum, offset, level, first[b], first[b + 1], weight, 0);
            vec z[V];
#pragma GCC unroll 8
            for (int v = 0; v < V; ++v) {
                running[v] += sum[0][0][v];
                z[v] = running[v];
                if (s_.bias) z[v] += *reinterpret_cast<const vec*>(bias_ + v * lanes);
                if (add) z[v] += second(add + b * s_.add_moment, v);
                z[v] /= *reinterpret_cast<const vec*>(scale_ + v * lanes);
            }
            for (; k <= s_.fire.timesteps && s_.moment_of[k - 1] == b; ++k) {
                const real bar = thresholds[s_.fire.timesteps - k];
#pragma GCC unroll 8
                for (int v = 0; v < V; ++v) {
                    const mask waits = code[v] == 0;
                    code[v] += static_cast<Count<real>>(k) & (mask)(z[v] >= bar) & waits;
                    if (s_.fire.is_signed) code[v] -= static_cast<Count<real>>(k) & (mask)(z[v] <= -bar) & waits;
                }
            }
        }
#pragma GCC unroll 8
        for (int v = 0; v < V; ++v) *reinterpret_cast<mask*>(phase + v * lanes) = code[v];
    }

  private:
    vec second(const real* add, int v) const {
        if (s_.add_channel == 1 && size_ == V * lanes) return *reinterpret_cast<const typename Vector<real, lanes>::type*>(add + v * lanes);
        vec found = {};
        for (int lane = 0; lane < lanes && v * lanes + lane < size_; ++lane) found[lane] = add[(v * lanes + lane) * s_.add_channel];
        return found;
    }

    const Conv& s_;
    const real *bias_, *scale_;
    int64_t size_;
};

template <class real, class code_t, int V>
void convolve_steps(const Conv& s, int64_t threads) {
    constexpr int lanes = V * kConvBytes / sizeof(real);
    const int64_t blocks = (s.outputs + lanes - 1) / lanes, taps = s.kernel_h * s.kernel_w, channels = s.groups * s.outputs;
    const Lines<real> weight = pack_weight<real>(s, static_cast<const real*>(s.weight), lanes, threads);
    const Reader<real, code_t> reader(s, s.kernel_w * lanes);
    const Finish<real, lanes> finish(s, blocks);
    const auto* add = static_cast<const real*>(s.add);
    int16_t* const wide = static_cast<int16_t*>(s.fire.code);
    int8_t* const narrow = static_cast<int8_t*>(s.fire.code);
    // A spike is sorted for each output that it reaches: tiles are as small as that makes them.
    const Tiles tiles(s, (sizeof(real) + 8) * std::max<int64_t>(taps / (s.stride_h * s.stride_w), 1), threads);
    for_range(tiles.count, threads, 1, [&](int64_t begin, int64_t end) {
        EventStore<real> store;
        Arrivals<real> arrivals(s, lanes, tiles.images * tiles.rows * s.cols);
        alignas(64) Count<real> phase[lanes];
        for (int64_t tile = begin; tile < end; ++tile) {
            const int64_t image = tile / tiles.bands * tiles.images, images = std::min(tiles.images, s.images - image);
            const int64_t row = tile % tiles.bands * tiles.rows, rows = std::min(tiles.rows, s.rows - row);
            store.read(s, reader, lanes, image, images, row, rows);
            for (int64_t group = 0; group < s.groups; ++group) {
                arrivals.clear();
                for (int64_t line = 0; line < images * rows; ++line) arrivals.read(store, line / rows, group, row + line % rows);
                for (int64_t block = group * blocks; block < (group + 1) * blocks; ++block) {
                    const int64_t size = finish.width(block), channel = finish.channel(block);
                    const Crossing<real, V> neurons(s, finish.bias(block), finish.scale(block), size);
                    for (int64_t line = 0; line < images * rows; ++line) {
                        const int64_t n = image + line / rows, oy = row + line % rows;
                        const int64_t at = (n * s.rows + oy) * s.cols * channels + channel;
                        for (int64_t ox = 0; ox < s.cols; ++ox) {
                            const real* beside = add ? add + n * s.add_image + channel * s.add_channel + oy * s.add_row + ox * s.add_col : nullptr;
                            neurons.run(arrivals.first(line * s.cols + ox), arrivals.offset(), arrivals.level(), weight.data() + block * s.inputs * taps * lanes, beside, phase);
                            for (int64_t lane = 0; lane < size; ++lane) {
                                if (s.fire.wide) wide[at + ox * channels + lane] = static_cast<int16_t>(phase[lane]);
                                else narrow[at + ox * channels + lane] = static_cast<int8_t>(phase[lane]);
                            }
                        }
                        if (s.horizon && s.fire.wide) finish.silence(block, n, oy, wide + at);
                        if (s.horizon && !s.fire.wide) finish.silence(block, n, oy, narrow + at);
                    }
                }
            }
        }
    });
}

template <class real, class code_t>
void convolve_steps(const Conv& s, int64_t threads) {
    switch (vectors_for<real>(s.outputs)) {
        case 4: return convolve_steps<real, code_t, 4>(s, threads);
        case 2: return convolve_steps<real, code_t, 2>(s, threads);
        default: return convolve_steps<real, code_t, 1>(s, threads);
    }
}

}  // namespace gcn2snn
