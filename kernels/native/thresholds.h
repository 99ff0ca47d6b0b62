// A vector of potentials meets the thresholds of its population: sign * phase in each lane.
#pragma once

#include "events.h"

namespace gcn2snn {

template <class real>
class Thresholds {
  public:
    explicit Thresholds(const Fire& fire) : ascending_(static_cast<const real*>(fire.thresholds)), timesteps_(static_cast<Count<real>>(fire.timesteps)), is_signed_(fire.is_signed) {
#ifdef GCN2SNN_AVX2
        if constexpr (std::is_same_v<real, float>) search_ = Search(ascending_);
#endif
    }

    // z: potential / scale; NaN reaches no threshold.
    Vec<Count<real>> code(Vec<real> z) const {
        using mask = Vec<Count<real>>;
        const Vec<real> magnitude = is_signed_ ? (z < 0 ? -z : z) : z;
        const mask reached = count(magnitude);
        const mask phase = (timesteps_ + 1 - reached) & (mask)(reached > 0);
        return is_signed_ ? (z < 0 ? -phase : phase) : phase;
    }

  private:
    Vec<Count<real>> count(Vec<real> magnitude) const {
        using mask = Vec<Count<real>>;
#ifdef GCN2SNN_AVX512
        if constexpr (std::is_same_v<real, float>)
            if (timesteps_ <= kRegisterPhases) {
                const __m512 magnitudes[1] = {(__m512)magnitude};
                __m512i reached[1];
                Bars(ascending_, timesteps_).reached<1>(magnitudes, reached);
                return (mask)reached[0];
            }
#elif defined(GCN2SNN_AVX2)
        if constexpr (std::is_same_v<real, float>)
            if (timesteps_ <= 16)
                return (mask)_mm256_min_epi32(search_.reached((__m256)magnitude), _mm256_set1_epi32(timesteps_));  // infinity reaches the padding too
#endif
        mask reached = {};
        for (Count<real> k = 0; k < timesteps_; ++k) reached -= (mask)(magnitude >= ascending_[k]);
        return reached;
    }

    const real* ascending_;
    Count<real> timesteps_;
    bool is_signed_;
#ifdef GCN2SNN_AVX2
    Search search_;
#endif
};

}  // namespace gcn2snn
