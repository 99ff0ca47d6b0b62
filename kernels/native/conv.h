// Convolution of spikes by implicit im2col. Each input pixel's spikes are listed once (weight offset, level), silent neurons
// left out; every output pixel then adds level * weight[tap][channel][output] for the lists that its taps see, with one
// vector of outputs a lane each and accumulators in registers. Potentials of a tile stay in the cache until neurons read them.
//
// Order of each sum, the same for every path, block and number of threads: blocks of kChunk input channels; in a block kernel
// columns, in a column kernel rows, in a row channels. Products are rounded before they are added.
#pragma once

#include "events.h"
#include "fire.h"

namespace gcn2snn {

// Weights as the loops read them: [group][block of outputs][block of inputs][kernel row][input][kernel column][V vectors].
template <class real>
Lines<real> pack_weight(const Conv& s, const real* weight, int64_t lanes, int64_t threads) {
    const int64_t taps = s.kernel_h * s.kernel_w, blocks = (s.outputs + lanes - 1) / lanes;
    Lines<real> packed(s.groups * blocks * s.inputs * taps * lanes);
    for_range(s.groups * blocks, threads, 1, [&](int64_t begin, int64_t end) {
        for (int64_t block = begin; block < end; ++block) {
            real* target = packed.data() + block * s.inputs * taps * lanes;
            const int64_t first = block % blocks * lanes, width = std::min(lanes, s.outputs - first);
            for (int64_t chunk = 0; chunk < s.inputs; chunk += kChunk) {
                const int64_t size = std::min(kChunk, s.inputs - chunk);
                for (int64_t lane = 0; lane < width; ++lane) {
                    const real* source = weight + ((block / blocks * s.outputs + first + lane) * s.inputs + chunk) * taps;
                    for (int64_t c = 0; c < size; ++c)
                        for (int64_t i = 0; i < s.kernel_h; ++i)
                            for (int64_t j = 0; j < s.kernel_w; ++j)
                                target[((chunk * s.kernel_h + i * size + c) * s.kernel_w + j) * lanes + lane] = source[(c * s.kernel_h + i) * s.kernel_w + j];
                }
            }
        }
    });
    return packed;
}

// Kernel rows whose pixels lie in the image.
struct KernelRows {
    KernelRows(const Conv& s, int64_t oy) : y(oy * s.stride_h - s.top) {
        while (begin < s.kernel_h && y + begin * s.dilation_h < 0) ++begin;
        end = begin;
        while (end < s.kernel_h && y + end * s.dilation_h < s.height) ++end;
    }
    int64_t y, begin = 0, end;
};

// The lists of one image column for all kernel rows as one: a loop over few spikes costs a wrong guess of the processor at its
// end. Whole lists are copied, so that the copy has no such end.
template <class real>
struct Column {
    template <class Place>
    int64_t merge(const Conv& s, const Events<real>& events, const KernelRows& rows, int64_t x, const Place& place) {
        int64_t n = 0;
        for (int64_t i = rows.begin; i < rows.end; ++i) {
            const int64_t list = events.list(rows.y + i * s.dilation_h, x);
            const int32_t base = place(i);
            const int32_t* from = events.offset + list * kChunk;
            const real* values = events.level + list * kChunk;
            for (int64_t e = 0; e < kChunk; ++e) offset[n + e] = from[e] + base;
            for (int64_t e = 0; e < kChunk; ++e) level[n + e] = values[e];
            n += events.count[list];
        }
        return n;
    }
    alignas(64) int32_t offset[kKernelRows * kChunk];
    alignas(64) real level[kKernelRows * kChunk];
};

// sum[t][v] += level * weight, t: TAPS neighbouring kernel columns, for each spike of a list.
template <class real, int V, int TAPS>
inline void add_events(Vec<real> (&sum)[TAPS][V], const int32_t* offset, const real* level, int64_t count, const real* weight) {
    constexpr int lanes = kConvBytes / sizeof(real);
    for (int64_t e = 0; e < count; ++e) {
        const real* w = weight + offset[e];
        const real x = level[e];
#pragma GCC unroll 8
        for (int t = 0; t < TAPS; ++t)
#pragma GCC unroll 8
            for (int v = 0; v < V; ++v) sum[t][v] += x * *reinterpret_cast<const Vec<real>*>(w + (t * V + v) * lanes);
    }
}

// One output row, TAPS = kernel columns next to each other and stride 1: each input pixel is read once for all its outputs,
// whose accumulators move on by one register. `add`: go on from the sums in memory.
template <class real, int V, int TAPS>
void roll_row(const Conv& s, const Events<real>& events, const real* weight, int64_t inputs, int64_t oy, bool add, real* sums) {
    constexpr int lanes = kConvBytes / sizeof(real);
    const KernelRows rows(s, oy);
    Column<real> column;
    Vec<real> sum[TAPS][V] = {};
    for (int64_t j = 0; j < s.cols + TAPS - 1; ++j) {
#pragma GCC unroll 8
        for (int t = TAPS - 1; t > 0; --t)
#pragma GCC unroll 8
            for (int v = 0; v < V; ++v) sum[t][v] = sum[t - 1][v];
        const bool known = add && j < s.cols;
#pragma GCC unroll 8
        for (int v = 0; v < V; ++v) sum[0][v] = known ? *reinterpret_cast<const Vec<real>*>(sums + (j * V + v) * lanes) : Vec<real>{};
        const int64_t x = j - s.left;
        if (x >= 0 && x < s.width)
            add_events<real, V, TAPS>(sum, column.offset, column.level, column.merge(s, events, rows, x, [&](int64_t i) { return i * inputs * TAPS * V * lanes; }), weight);
        if (j >= TAPS - 1)
#pragma GCC unroll 8
            for (int v = 0; v < V; ++v) *reinterpret_cast<Vec<real>*>(sums + ((j - TAPS + 1) * V + v) * lanes) = sum[TAPS - 1][v];
    }
}

// One output row of any kernel: each output pixel reads the lists of its taps.
template <class real, int V>
void gather_row(const Conv& s, const Events<real>& events, const real* weight, int64_t inputs, int64_t oy, bool add, real* sums) {
    constexpr int lanes = kConvBytes / sizeof(real);
    const KernelRows rows(s, oy);
    Column<real> column;
    for (int64_t ox = 0; ox < s.cols; ++ox) {
        Vec<real> sum[1][V] = {};
        real* target = sums + ox * V * lanes;
        if (add)
#pragma GCC unroll 8
            for (int v = 0; v < V; ++v) sum[0][v] = *reinterpret_cast<const Vec<real>*>(target + v * lanes);
        for (int64_t j = 0; j < s.kernel_w; ++j) {
            const int64_t x = ox * s.stride_w + j * s.dilation_w - s.left;
            if (x < 0 || x >= s.width) continue;
            add_events<real, V, 1>(sum, column.offset, column.level, column.merge(s, events, rows, x, [&](int64_t i) { return (i * inputs * s.kernel_w + j) * V * lanes; }), weight);
        }
#pragma GCC unroll 8
        for (int v = 0; v < V; ++v) *reinterpret_cast<Vec<real>*>(target + v * lanes) = sum[0][v];
    }
}

template <class real> using SumRows = void (*)(const Conv&, const Events<real>&, const real*, int64_t, int64_t, bool, real*);

template <class real, int V>
SumRows<real> pick_row(const Conv& s) {
    if (s.stride_w == 1 && s.kernel_w == 3 && s.dilation_w == 1) return roll_row<real, V, 3>;
    if (s.stride_w == 1 && s.kernel_w == 1) return roll_row<real, V, 1>;
    return gather_row<real, V>;
}

// What one task works on at once: rows of one image, or several whole images, so that lists and sums stay in the second-level
// cache and a block of weights is read for all of them.
struct Tiles {
    Tiles(const Conv& s, int64_t list_bytes, int64_t threads) {
        const int64_t row_bytes = std::max<int64_t>(s.width * s.groups * s.inputs * list_bytes * s.stride_h, 1);
        const int64_t wanted = std::max<int64_t>(kTileBytes / row_bytes, 4);
        if (wanted < s.rows) {
            rows = wanted;
        } else {
            rows = s.rows;
            images = std::min(std::max<int64_t>(wanted / s.rows, 1), std::max<int64_t>(s.images / (threads * 2), 1));
            if (s.images < threads) rows = std::max<int64_t>((s.rows + threads - 1) / threads, 1);
        }
        bands = (s.rows + rows - 1) / rows;
        count = (s.images + images - 1) / images * bands;
    }
    int64_t rows, images = 1, bands, count;
};

template <class real, class code_t, int V>
void convolve(const Conv& s, int64_t threads) {
    constexpr int lanes = V * kConvBytes / sizeof(real);
    const int64_t blocks = (s.outputs + lanes - 1) / lanes, chunks = (s.inputs + kChunk - 1) / kChunk;
    const Lines<real> weight = pack_weight<real>(s, static_cast<const real*>(s.weight), lanes, threads);
    const Reader<real, code_t> reader(s, s.kernel_w * lanes);
    const Finish<real, lanes> finish(s, blocks);
    const auto sum_row = pick_row<real, V>(s);
    const Tiles tiles(s, sizeof(real) + 4, threads);
    for_range(tiles.count, threads, 1, [&](int64_t begin, int64_t end) {
        EventStore<real> store;
        Lines<real> sums(tiles.images * tiles.rows * s.cols * lanes);
        for (int64_t tile = begin; tile < end; ++tile) {
            const int64_t image = tile / tiles.bands * tiles.images, images = std::min(tiles.images, s.images - image);
            const int64_t row = tile % tiles.bands * tiles.rows, rows = std::min(tiles.rows, s.rows - row);
            store.read(s, reader, image, images, row, rows);
            for (int64_t block = 0; block < s.groups * blocks; ++block) {
                const real* w = weight.data() + block * s.inputs * s.kernel_h * s.kernel_w * lanes;
                for (int64_t chunk = 0; chunk < chunks; ++chunk) {
                    const int64_t inputs = std::min(kChunk, s.inputs - chunk * kChunk);
                    for (int64_t n = 0; n < images; ++n)
                        for (int64_t y = 0; y < rows; ++y)
                            sum_row(s, store.events(n, block / blocks * chunks + chunk), w, inputs, row + y, chunk > 0, sums.data() + (n * rows + y) * s.cols * lanes);
                    w += inputs * s.kernel_h * s.kernel_w * lanes;
                }
                for (int64_t n = 0; n < images; ++n)
                    for (int64_t y = 0; y < rows; ++y) finish.row(block, image + n, row + y, sums.data() + (n * rows + y) * s.cols * lanes);
            }
        }
    });
}

// Vectors of outputs in one pass: what gives the least work, where a list costs about as much as one more vector.
template <class real>
int64_t vectors_for(int64_t outputs) {
    int64_t best = 4, least = INT64_MAX;
    for (const int64_t vectors : {4, 2, 1}) {
        const int64_t lanes = vectors * kConvBytes / sizeof(real), work = (outputs + lanes - 1) / lanes * (vectors + 1);
        if (work < least) least = work, best = vectors;
    }
    return best;
}

template <class real, class code_t>
void convolve(const Conv& s, int64_t threads) {
    switch (vectors_for<real>(s.outputs)) {
        case 4: return convolve<real, code_t, 4>(s, threads);
        case 2: return convolve<real, code_t, 2>(s, threads);
        default: return convolve<real, code_t, 1>(s, threads);
    }
}

}  // namespace gcn2snn
