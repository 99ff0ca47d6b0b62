// How many phases are decoded inside registers, and how wide those registers are: the one place to change either.
#pragma once

#include <cstdint>

#if defined(__AVX512BW__) && defined(__AVX512VL__) && defined(__AVX512DQ__)
#include <immintrin.h>
#define GCN2SNN_AVX512 1
#elif defined(__AVX2__)
#include <immintrin.h>
#define GCN2SNN_AVX2 1
#endif

#if defined(GCN2SNN_AVX512) || defined(GCN2SNN_AVX2)
#define GCN2SNN_REGISTER_DECODE 1
#endif

namespace gcn2snn {

// Bits of a register that decodes phases; 0 where they are decoded through memory.
#if defined(GCN2SNN_AVX512)
constexpr int64_t kRegisterBits = 512;
#elif defined(GCN2SNN_AVX2)
constexpr int64_t kRegisterBits = 256;
#else
constexpr int64_t kRegisterBits = 0;
#endif

// A table of 32 levels fits the registers: silence, and phases 1 to 31. decode.h (AVX-512) and planes.h (AVX2) look it up.
constexpr int64_t kRegisterTable = 32;
constexpr int64_t kRegisterPhases = kRegisterTable - 1;

// Bytes of a row of packed codes (packed.h; with AVX2 a row as it is). coding.py has it too.
inline int64_t packed_bytes(int64_t channels) { return (channels + 15) / 16 * 16; }

}  // namespace gcn2snn
