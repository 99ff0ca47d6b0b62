// Convolution of spikes by implicit im2col. Each input pixel's spikes are listed once (weight offset, level), silent neurons
// left out; every output pixel then adds level * weight[tap][channel][output] for the lists that its taps see, with one
// vector of outputs a lane each and accumulators in registers. Potentials of a tile stay in the cache until neurons read them.
//
// Order of each sum, the same for every path, block and number of threads: blocks of kChunk input channels; in a block kernel
// columns, in a column kernel rows, in a row channels. In single precision a product is added without being rounded first.
#pragma once

#include "events.h"
#include "fire.h"

namespace gcn2snn {

// Weights as the loops read them: [group][block of outputs][block of inputs][kernel row][input][kernel column][V vectors].
// `zero_rows`: how many kernel rows of zeros stand before the others of a block of inputs, and as many behind them.
template <class real>
Lines<real> pack_weight(const Conv& s, const real* weight, int64_t lanes, int64_t threads, int64_t zero_rows = 0) {
    const int64_t blocks = (s.outputs + lanes - 1) / lanes, packed_rows = s.kernel_h + 2 * zero_rows;
    Lines<real> packed(s.groups * blocks * s.inputs * packed_rows * s.kernel_w * lanes);
    if (zero_rows || s.outputs % lanes) std::fill(packed.data(), packed.data() + packed.size(), real(0));
    for_range(s.groups * blocks, threads, 1, [&](int64_t begin, int64_t end) {
        for (int64_t block = begin; block < end; ++block) {
            real* target = packed.data() + block * s.inputs * packed_rows * s.kernel_w * lanes;
            const int64_t first = block % blocks * lanes, width = std::min(lanes, s.outputs - first);
            for (int64_t chunk = 0; chunk < s.inputs; chunk += kChunk) {
                const int64_t size = std::min(kChunk, s.inputs - chunk);
                for (int64_t lane = 0; lane < width; ++lane) {
                    const real* source = weight + ((block / blocks * s.outputs + first + lane) * s.inputs + chunk) * s.kernel_h * s.kernel_w;
                    for (int64_t c = 0; c < size; ++c)
                        for (int64_t i = 0; i < s.kernel_h; ++i)
                            for (int64_t j = 0; j < s.kernel_w; ++j)
                                target[((chunk * packed_rows + (i + zero_rows) * size + c) * s.kernel_w + j) * lanes + lane] = source[(c * s.kernel_h + i) * s.kernel_w + j];
                }
            }
        }
    });
    return packed;
}

// Kernel rows whose pixels lie in the image; `more`: rows of the image that outputs below read beyond them.
struct KernelRows {
    KernelRows(const Conv& s, int64_t oy, int64_t more = 0) : y(oy * s.stride_h - s.top) {
        while (begin < s.kernel_h + more && y + begin * s.dilation_h < 0) ++begin;
        end = begin;
        while (end < s.kernel_h + more && y + end * s.dilation_h < s.height) ++end;
    }
    int64_t y, begin = 0, end;
};

// What kernel rows see of an image column: one list, or with dilation one for each kernel row.
template <class real>
class Seen {
  public:
    // step: distance of the weights of two kernel rows.
    Seen(const Conv& s, const Events<real>& events, const KernelRows& rows, int64_t step) : apart_(s.dilation_h * events.width) {
        const int64_t seen = rows.end - rows.begin;
        const bool dense = s.dilation_h == 1;
        first_ = events.first + (seen ? (rows.y + rows.begin * s.dilation_h - events.first_row) * events.width : 0);
        lists = dense ? std::min<int64_t>(seen, 1) : seen, behind_ = (dense ? seen : 1) * events.width;
        shift_ = (dense ? events.first_row - rows.y : rows.begin) * step, step_ = step;
    }

    // The spikes begin .. end of a list of the column at x; their weights lie `shift` behind their offsets.
    int64_t begin(int64_t x, int64_t list) const { return first_[x + list * apart_]; }
    int64_t end(int64_t x, int64_t list) const { return first_[x + list * apart_ + behind_]; }
    int64_t shift(int64_t list) const { return shift_ + list * step_; }
    int64_t lists;

  private:
    const int32_t* first_;
    int64_t apart_, behind_, shift_, step_;
};

// The address `shift` values behind `weight`, also before its first one, which an offset leads back into it.
template <class real>
inline const real* moved(const real* weight, int64_t shift) {
    return reinterpret_cast<const real*>(reinterpret_cast<uintptr_t>(weight) + shift * static_cast<int64_t>(sizeof(real)));
}

// sum + level * weight of one vector, rounded once in single precision and twice in double precision.
template <class real>
inline Vec<real> plus_product(Vec<real> sum, real level, const real* weight) {
    if constexpr (std::is_same_v<real, float>) {
#if defined(GCN2SNN_AVX512)
        return (Vec<real>)_mm512_fmadd_ps(_mm512_set1_ps(level), _mm512_load_ps(weight), (__m512)sum);
#elif defined(GCN2SNN_AVX2)
        return (Vec<real>)_mm256_fmadd_ps(_mm256_set1_ps(level), _mm256_load_ps(weight), (__m256)sum);
#else
        for (size_t lane = 0; lane < kConvBytes / sizeof(real); ++lane) sum[lane] = __builtin_fmaf(level, weight[lane], sum[lane]);
        return sum;
#endif
    } else {
        return sum + level * *reinterpret_cast<const Vec<real>*>(weight);
    }
}

// sum[r][t][v] += level * weight for the spikes begin .. end, r: ROWS output rows below each other, t: TAPS neighbouring kernel
// columns. `row_step`: distance of two kernel rows' weights; the row below reads the kernel row above.
template <class real, int V, int TAPS, int ROWS>
inline void add_events(Vec<real> (&sum)[ROWS][TAPS][V], const int32_t* offset, const real* level, int64_t begin, int64_t end, const real* weight, int64_t row_step) {
    constexpr int lanes = kConvBytes / sizeof(real);
    for (int64_t e = begin; e < end; ++e) {
        const real* w[ROWS];
#pragma GCC unroll 2
        for (int r = 0; r < ROWS; ++r) {
            w[r] = weight + offset[e] + (ROWS - 1 - r) * row_step;
            asm("" : "+r"(w[r]));  // computed once: an address of two parts takes each product that reads it a second step
        }
        const real x = level[e];
#pragma GCC unroll 2
        for (int r = 0; r < ROWS; ++r)
#pragma GCC unroll 8
            for (int t = 0; t < TAPS; ++t)
#pragma GCC unroll 8
                for (int v = 0; v < V; ++v) sum[r][t][v] = plus_product<real>(sum[r][t][v], x, w[r] + (t * V + v) * lanes);
    }
}

// ROWS output rows, TAPS = kernel columns next to each other and stride 1: each input pixel is read once for all its outputs,
// whose accumulators move on by one register. `add`: go on from the sums in memory. The weights hold ROWS - 1 kernel rows of
// zeros on both sides, for pixels that only one of the rows reads.
template <class real, int V, int TAPS, int ROWS>
void roll_rows(const Conv& s, const Events<real>& events, const real* weight, int64_t inputs, int64_t oy, bool add, real* sums) {
    constexpr int lanes = kConvBytes / sizeof(real);
    const KernelRows rows(s, oy, ROWS - 1);
    const int64_t row_step = inputs * TAPS * V * lanes;
    const Seen<real> seen(s, events, rows, row_step);
    Vec<real> sum[ROWS][TAPS][V] = {};
    for (int64_t j = 0; j < s.cols + TAPS - 1; ++j) {
        const bool known = add && j < s.cols;
#pragma GCC unroll 2
        for (int r = 0; r < ROWS; ++r) {
#pragma GCC unroll 8
            for (int t = TAPS - 1; t > 0; --t)
#pragma GCC unroll 8
                for (int v = 0; v < V; ++v) sum[r][t][v] = sum[r][t - 1][v];
#pragma GCC unroll 8
            for (int v = 0; v < V; ++v) sum[r][0][v] = known ? *reinterpret_cast<const Vec<real>*>(sums + ((r * s.cols + j) * V + v) * lanes) : Vec<real>{};
        }
        const int64_t x = j - s.left;
        if (x >= 0 && x < s.width)
            for (int64_t list = 0; list < seen.lists; ++list)
                add_events<real, V, TAPS, ROWS>(sum, events.offset, events.level, seen.begin(x, list), seen.end(x, list), moved(weight, seen.shift(list)), row_step);
        if (j >= TAPS - 1)
#pragma GCC unroll 2
            for (int r = 0; r < ROWS; ++r)
#pragma GCC unroll 8
                for (int v = 0; v < V; ++v) *reinterpret_cast<Vec<real>*>(sums + ((r * s.cols + j - TAPS + 1) * V + v) * lanes) = sum[r][TAPS - 1][v];
    }
}

// One output row of any kernel: each output pixel reads the lists of its taps.
template <class real, int V>
void gather_row(const Conv& s, const Events<real>& events, const real* weight, int64_t inputs, int64_t oy, bool add, real* sums) {
    constexpr int lanes = kConvBytes / sizeof(real);
    const KernelRows rows(s, oy);
    const Seen<real> seen(s, events, rows, inputs * s.kernel_w * V * lanes);
    for (int64_t ox = 0; ox < s.cols; ++ox) {
        Vec<real> sum[1][1][V] = {};
        real* target = sums + ox * V * lanes;
        if (add)
#pragma GCC unroll 8
            for (int v = 0; v < V; ++v) sum[0][0][v] = *reinterpret_cast<const Vec<real>*>(target + v * lanes);
        for (int64_t j = 0; j < s.kernel_w; ++j) {
            const int64_t x = ox * s.stride_w + j * s.dilation_w - s.left;
            if (x < 0 || x >= s.width) continue;
            for (int64_t list = 0; list < seen.lists; ++list)
                add_events<real, V, 1, 1>(sum, events.offset, events.level, seen.begin(x, list), seen.end(x, list), moved(weight, seen.shift(list) + j * V * lanes), 0);
        }
#pragma GCC unroll 8
        for (int v = 0; v < V; ++v) *reinterpret_cast<Vec<real>*>(target + v * lanes) = sum[0][0][v];
    }
}

template <class real> using SumRows = void (*)(const Conv&, const Events<real>&, const real*, int64_t, int64_t, bool, real*);

// How the rows of a block are summed: one by one, or by twos. Two share the lists of the kernel rows that both read, and their
// sums do not wait for each other. With more than two vectors of outputs a sum has enough of its own to do, and the products with
// rows of zeros cost more than sharing saves.
template <class real, int V>
struct RowSums {
    explicit RowSums(const Conv& s) {
        if (s.stride_w == 1 && s.kernel_w == 3 && s.dilation_w == 1) {
            one = roll_rows<real, V, 3, 1>;
            if constexpr (V <= 2)
                if (s.stride_h == 1 && s.dilation_h == 1 && s.kernel_h == 3) two = roll_rows<real, V, 3, 2>, zero_rows = 1;
        } else if (s.stride_w == 1 && s.kernel_w == 1) {
            one = roll_rows<real, V, 1, 1>;
        } else {
            one = gather_row<real, V>;
        }
    }

    // `rows` rows from oy on; row_sums: values of a row of sums.
    void sum(const Conv& s, const Events<real>& events, const real* weight, int64_t inputs, int64_t oy, int64_t rows, bool add, real* sums, int64_t row_sums) const {
        const real* past_zeros = weight + zero_rows * inputs * s.kernel_w * V * (kConvBytes / sizeof(real));
        int64_t y = 0;
        if (two) for (; y + 2 <= rows; y += 2) two(s, events, weight, inputs, oy + y, add, sums + y * row_sums);
        for (; y < rows; ++y) one(s, events, past_zeros, inputs, oy + y, add, sums + y * row_sums);
    }

    SumRows<real> one = nullptr, two = nullptr;
    int64_t zero_rows = 0;
};

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
    const RowSums<real, V> row_sums(s);
    const int64_t kernel_rows = s.kernel_h + 2 * row_sums.zero_rows;
    const Lines<real> weight = pack_weight<real>(s, static_cast<const real*>(s.weight), lanes, threads, row_sums.zero_rows);
    const Reader<real, code_t> reader(s, s.kernel_w * lanes);
    const Finish<real, lanes> finish(s, blocks);
    const Tiles tiles(s, sizeof(real) + 4, threads);
    for_range(tiles.count, threads, 1, [&](int64_t begin, int64_t end) {
        EventStore<real> store;
        Lines<real> sums(tiles.images * tiles.rows * s.cols * lanes);
        for (int64_t tile = begin; tile < end; ++tile) {
            const int64_t image = tile / tiles.bands * tiles.images, images = std::min(tiles.images, s.images - image);
            const int64_t row = tile % tiles.bands * tiles.rows, rows = std::min(tiles.rows, s.rows - row);
            store.read(s, reader, lanes, image, images, row, rows);
            for (int64_t block = 0; block < s.groups * blocks; ++block) {
                const real* w = weight.data() + block * s.inputs * kernel_rows * s.kernel_w * lanes;
                for (int64_t chunk = 0; chunk < chunks; ++chunk) {
                    const int64_t inputs = std::min(kChunk, s.inputs - chunk * kChunk);
                    for (int64_t n = 0; n < images; ++n)
                        row_sums.sum(s, store.events(n, block / blocks * chunks + chunk), w, inputs, row, rows, chunk > 0, sums.data() + n * rows * s.cols * lanes, s.cols * lanes);
                    w += inputs * kernel_rows * s.kernel_w * lanes;
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
