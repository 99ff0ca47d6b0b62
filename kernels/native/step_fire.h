// One step of neurons in time: the spikes of a phase picked, potentials advanced and compared with one threshold.
#pragma once

#include <atomic>

#include "coding.h"

namespace gcn2snn {

// out = the codes whose phase is low .. low + span, else 0; one unsigned comparison tells.
template <class code_t, class bits>
bool pick_phases(const code_t* code, int64_t size, bits low, bits span, code_t* out) {
    code_t sent = 0;
    for (int64_t c = 0; c < size; ++c) {
        const bits phase = code[c] < 0 ? -code[c] : code[c];
        const code_t now = static_cast<bits>(phase - low) <= span ? code[c] : 0;
        out[c] = now;
        sent |= now;
    }
    return sent != 0;
}

// out = the codes of phases first_phase to last_phase, else silence; gives whether there is a spike.
template <class code_t>
bool emit_step(const code_t* code, int64_t size, int64_t first_phase, int64_t last_phase, code_t* out, int64_t threads) {
    using bits = std::make_unsigned_t<code_t>;
    constexpr int64_t block = 4096;
    const auto low = static_cast<bits>(first_phase), span = static_cast<bits>(last_phase - first_phase);
    std::atomic<bool> any{false};
    for_range((size + block - 1) / block, threads, 8, [&](int64_t begin, int64_t end) {
        if (pick_phases(code + begin * block, std::min(end * block, size) - begin * block, low, span, out + begin * block)) any = true;
    });
    return any;
}

// The first of the phases phase .. until whose threshold each of 64 potentials by scale reaches, with sign, or 0.
template <class real>
inline void reach(const real* z, const Fire& fire, int64_t phase, int64_t until, Count<real>* now) {
    const auto* thresholds = static_cast<const real*>(fire.thresholds);  // ascending
    std::fill(now, now + 64, 0);
    for (int64_t k = until; k >= phase; --k) {  // downwards: the first is written last
        const real bar = thresholds[fire.timesteps - k];
        const auto sent = static_cast<Count<real>>(k);
        for (int c = 0; c < 64; ++c) now[c] = z[c] >= bar ? sent : now[c];
        if (fire.is_signed) for (int c = 0; c < 64; ++c) now[c] = z[c] <= -bar ? -sent : now[c];
    }
}

// U += arriving; silent neurons whose U / scale reaches the threshold of one of the phases send the first.
template <class real, class code_t>
void fire_step_row(real* u, const real* arriving, const real* scale, const int16_t* horizon, int64_t channels, const Fire& fire, int64_t phase, int64_t until, code_t* code) {
    alignas(64) real z[64];
    alignas(64) Count<real> now[64];
    for (int64_t start = 0; start < channels; start += 64) {
        const int64_t width = std::min<int64_t>(64, channels - start);
        if (arriving) for (int64_t c = 0; c < width; ++c) u[start + c] += arriving[start + c];
        if (fire.scale_step) for (int64_t c = 0; c < width; ++c) z[c] = u[start + c] / scale[start + c];
        else for (int64_t c = 0; c < width; ++c) z[c] = u[start + c] / scale[0];
        for (int64_t c = width; c < 64; ++c) z[c] = 0;
        reach<real>(z, fire, phase, until, now);
        if (horizon)
            for (int64_t c = 0; c < width; ++c)
                if (std::abs(now[c]) > horizon[(start + c) * fire.horizon_col]) now[c] = 0;
        for (int64_t c = 0; c < width; ++c) code[start + c] = code[start + c] ? code[start + c] : static_cast<code_t>(now[c]);
    }
}

template <class real, class code_t>
void fire_step(real* potential, const real* arriving, int64_t rows, int64_t channels, int64_t scale_rows, const Fire& fire, int64_t phase, int64_t until, int64_t threads) {
    for_range(rows, threads, std::max<int64_t>(1, 16384 / std::max<int64_t>(channels, 1)), [&](int64_t begin, int64_t end) {
        for (int64_t row = begin; row < end; ++row)
            fire_step_row<real, code_t>(potential + row * channels, arriving ? arriving + row * channels : nullptr,
                                        static_cast<const real*>(fire.scale) + (scale_rows ? row % scale_rows : 0),
                                        fire.horizon ? fire.horizon + row * fire.horizon_row : nullptr, channels, fire, phase, until,
                                        static_cast<code_t*>(fire.code) + row * channels);
    });
}

}  // namespace gcn2snn
