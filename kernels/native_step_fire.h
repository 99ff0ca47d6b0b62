// One step of neurons in time: the spikes of a phase picked, potentials advanced and compared with one threshold.
#pragma once

#include <atomic>

#include "native_coding.h"

namespace gcn2snn {

// out = the codes of phases first_phase to last_phase, else silence; gives the number of spikes.
template <class code_t>
int64_t emit_step(const code_t* code, int64_t size, int64_t first_phase, int64_t last_phase, code_t* out, int64_t threads) {
    const auto low = static_cast<int16_t>(first_phase), high = static_cast<int16_t>(std::min<int64_t>(last_phase, INT16_MAX));
    constexpr int64_t block = 4096;
    std::atomic<int64_t> sent{0};
    for_range((size + block - 1) / block, threads, 8, [&](int64_t begin, int64_t end) {
        int64_t found = 0;
        for (int64_t first = begin * block; first < std::min(end * block, size); first += block) {
            const int64_t width = std::min(block, size - first);
            int16_t count = 0;
            for (int64_t c = first; c < first + width; ++c) {
                const int16_t phase = std::abs(static_cast<int16_t>(code[c]));
                const bool now = phase >= low && phase <= high;
                out[c] = now ? code[c] : 0;
                count += now;
            }
            found += count;
        }
        sent += found;
    });
    return sent;
}

// What one threshold makes of 64 potentials by scale: sent, -sent (signed populations) or 0.
template <class real>
inline void reach(const real* z, real bar, Count<real> sent, bool is_signed, Count<real>* now) {
    for (int c = 0; c < 64; ++c) now[c] = z[c] >= bar ? sent : 0;
    if (is_signed) for (int c = 0; c < 64; ++c) now[c] = z[c] <= -bar ? -sent : now[c];
}

// U += arriving; silent neurons whose U / scale reaches the threshold of `phase` send it.
template <class real, class code_t>
void fire_step_row(real* u, const real* arriving, const real* scale, const int16_t* horizon, int64_t channels, const Fire& fire, int64_t phase, code_t* code) {
    alignas(64) real z[64];
    alignas(64) Count<real> now[64];
    const real bar = static_cast<const real*>(fire.thresholds)[fire.timesteps - phase];
    for (int64_t start = 0; start < channels; start += 64) {
        const int64_t width = std::min<int64_t>(64, channels - start);
        if (arriving) for (int64_t c = 0; c < width; ++c) u[start + c] += arriving[start + c];
        if (fire.scale_step) for (int64_t c = 0; c < width; ++c) z[c] = u[start + c] / scale[start + c];
        else for (int64_t c = 0; c < width; ++c) z[c] = u[start + c] / scale[0];
        for (int64_t c = width; c < 64; ++c) z[c] = 0;
        reach<real>(z, bar, static_cast<Count<real>>(phase), fire.is_signed, now);
        if (horizon)
            for (int64_t c = 0; c < width; ++c)
                if (phase > horizon[(start + c) * fire.horizon_col]) now[c] = 0;
        for (int64_t c = 0; c < width; ++c) code[start + c] = code[start + c] ? code[start + c] : static_cast<code_t>(now[c]);
    }
}

template <class real, class code_t>
void fire_step(real* potential, const real* arriving, int64_t rows, int64_t channels, int64_t scale_rows, const Fire& fire, int64_t phase, int64_t threads) {
    for_range(rows, threads, std::max<int64_t>(1, 16384 / std::max<int64_t>(channels, 1)), [&](int64_t begin, int64_t end) {
        for (int64_t row = begin; row < end; ++row)
            fire_step_row<real, code_t>(potential + row * channels, arriving ? arriving + row * channels : nullptr,
                                        static_cast<const real*>(fire.scale) + (scale_rows ? row % scale_rows : 0),
                                        fire.horizon ? fire.horizon + row * fire.horizon_row : nullptr, channels, fire, phase,
                                        static_cast<code_t*>(fire.code) + row * channels);
    });
}

}  // namespace gcn2snn
