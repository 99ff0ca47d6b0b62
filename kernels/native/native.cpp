// CPU kernels on one-byte spike phases. Plain C interface for ctypes, no torch headers: it compiles in a quarter of a minute
// for the machine it runs on (decision note 0020). Every sum is made by one thread in the order of the entries of its row with a
// rounded product and a rounded addition (no fused multiply-add), which is what the reference does: equal bit for bit,
// whatever the number of threads.
//
// Threads: OpenMP with the symbols of the runtime that torch has loaded (the library is not linked to one of its own),
// so there is one pool of threads in the process, of the size the caller passes.
//
// Memory that is refused ends a call and not the process: every function that computes returns 0, or 1 where it had too little.

#include "blocks.h"
#include "coding.h"
#include "conv_steps.h"
#include "entries.h"
#include "normalise.h"
#include "spmm.h"
#include "step_fire.h"
#include "steps.h"
#include "words.h"

namespace gcn2snn {

// y: the sums of columns start .. start + width of a row.
void finish_row(const Epilogue& epilogue, int64_t row, int64_t channels, int64_t start, int64_t width, float* y) {
    if (epilogue.scale) for (int64_t c = 0; c < width; ++c) y[c] *= epilogue.scale[start + c];
    if (epilogue.bias) for (int64_t c = 0; c < width; ++c) y[c] += epilogue.bias[start + c];
    if (epilogue.add) for (int64_t c = 0; c < width; ++c) y[c] += epilogue.add[row * channels + start + c];
    if (epilogue.fire) fire_row<float>(*epilogue.fire, y, row, channels, start, width);
}

// What is done with the rows of a slice; entries of columns that are not `active` are left out; `table` goes to the sums of
// coded operands.
template <class... Table>
auto finished_rows(const Matrix& a, const float* value, int64_t channels, const Epilogue& epilogue, const uint8_t* active, Table... table) {
    return [=, &a, &epilogue](const auto& slice, int64_t begin, int64_t end) {
        std::vector<float> scratch(epilogue.out ? 0 : slice.width());
        const auto rows_of = [&](const Matrix& m, const float* values, int64_t first, int64_t from, int64_t to) {
            for (int64_t row = from; row < to; ++row) {
                const int64_t whole = first + row;
                float* y = epilogue.out ? epilogue.out + whole * channels + slice.start() : scratch.data();
                slice.sum(m, values, m.rowptr[row], m.rowptr[row + 1], m.rowptr[to], y, table...);
                finish_row(epilogue, whole, channels, slice.start(), slice.width(), y);
            }
        };
        if (!active) { rows_of(a, value, 0, begin, end); return; }
        ActiveEntries<float> packed;
        for_packed_rows(packed, a, value, {nullptr, active}, begin, end, [&](int64_t first) {
            const Matrix m = packed.matrix();
            rows_of(m, packed.value(), first, 0, m.rows);
        });
    };
}

// Which rows of codes hold a spike, where leaving out the entries that read the others pays: null where it does not. Packing an
// entry costs about as much as two vectors of its sum; how many entries read silence is counted on one in 61.
inline const uint8_t* speaking_rows(const Matrix& a, const int8_t* code, int64_t cols, int64_t channels, std::vector<uint8_t>& room) {
    constexpr int64_t kStride = 61, kVectors = 3;
    const int64_t entries = a.rowptr[a.rows], vectors = channels * static_cast<int64_t>(sizeof(float)) / kVectorBytes;
    if (vectors <= kVectors || entries < 2 * cols) return nullptr;
    room.resize(cols);
    for (int64_t row = 0; row < cols; ++row) {
        const int8_t* source = code + row * channels;
        int8_t any = 0;
        for (int64_t c = 0; c < channels; ++c) any |= source[c];
        room[row] = any != 0;
    }
    int64_t looked = 0, silent = 0;
    for (int64_t p = 0; p < entries; p += kStride) ++looked, silent += !room[a.col[p]];
    return silent * vectors > looked * kVectors ? room.data() : nullptr;
}

#ifdef GCN2SNN_AVX2
// Room for decoded codes, at most 16 MiB, kept by the thread that calls: new pages would cost more than the decoding.
inline float* decoded_room(int64_t size) {
    thread_local std::unique_ptr<float[]> room;
    thread_local int64_t held = 0;
    if (held < size) room.reset(new float[size]), held = size;
    return room.get();
}

// With AVX2 floats from a cache take a third of the instructions of codes: codes that are used often become floats first, all
// of them or a panel at a time. The same products and sums. False: they are too many, or used too seldom.
bool decoded_product(const Matrix& a, const float* value, const int8_t* code, int64_t cols, int64_t channels, const float* table, int64_t timesteps, const Epilogue& epilogue, const uint8_t* active, int64_t threads) {
    const bool whole = is_cached<float>(cols * channels * sizeof(float));
    const int64_t row_bytes = whole ? 0 : panel_row_bytes<float>(a, cols, channels);
    if (!is_reused(a, cols) || (!whole && row_bytes < 128)) return false;
    std::vector<float> levels(2 * timesteps + 1);
    for (int64_t t = 0; t <= timesteps; ++t) levels[timesteps + t] = table[t], levels[timesteps - t] = -table[t];
    const auto parts = float_passes<float>(channels, whole ? kMaxVectors : row_bytes / kVectorBytes);
    const auto body = finished_rows(a, value, channels, epilogue, active);
    if (whole) {
        float* x = decoded_room(cols * channels);
        decode<float, int8_t>(code, cols, channels, levels.data(), timesteps, nullptr, 0, x, threads);
        for_slices(a, x, channels, parts, threads, body);
        return true;
    }
    for_panels<float>(a, cols, parts, row_bytes, threads, [&](const auto& part, int64_t row, float* target) {
        decode_row(code + row * channels + part.start, part.width, levels.data() + timesteps, timesteps, target);
    }, body);
    return true;
}
#endif

#ifdef GCN2SNN_REGISTER_DECODE
void phase_spmm(const Matrix& a, const float* value, const int8_t* code, int64_t cols, int64_t channels, const float* table, int64_t timesteps, bool is_signed, const Epilogue& epilogue, int64_t threads) {
    std::vector<uint8_t> room;
    const uint8_t* active = speaking_rows(a, code, cols, channels, room);
#ifdef GCN2SNN_AVX2
    if (decoded_product(a, value, code, cols, channels, table, timesteps, epilogue, active, threads)) return;
#endif
    const int64_t row_bytes = panel_row_bytes<int8_t>(a, cols, channels);
    const Operand operand(a, code, cols, channels, table, 1, timesteps, is_signed, row_bytes == 0);
    const auto parts = operand.passes(channels, row_bytes ? row_bytes / kPhaseLanes : kPhaseVectors);
    const auto body = finished_rows(a, value, channels, epilogue, active, operand.tables);
    if (row_bytes) for_panels<int8_t>(a, cols, parts, row_bytes, threads, [&](const auto& part, int64_t row, int8_t* target) {
        std::memcpy(target, operand.code + row * operand.stride + part.start, operand.bytes(part.width));
    }, body);
    else for_slices(a, operand.code, operand.stride, parts, threads, body);
}

// Neurons that look at several moments: a table for each (levels of later phases are 0); the rows that the first pass over
// the entries of a row gathers are in the cache for the others.
template <class out_t>
void phase_steps(const Matrix& a, const float* value, const int8_t* code, int64_t cols, int64_t channels, const float* tables, int64_t timesteps, bool is_signed, const Steps& steps, int64_t threads) {
    const Operand operand(a, code, cols, channels, tables, steps.moments, timesteps, is_signed, false);
    const auto parts = operand.passes(channels);
    for_rows(a, threads, [&](int64_t row_begin, int64_t row_end) {
        std::vector<float> y(steps.moments * channels);
        const int64_t last = a.rowptr[row_end];
        for (int64_t row = row_begin; row < row_end; ++row) {
            for (const auto& part : parts)
                for (int64_t b = 0; b < steps.moments; ++b)
                    part.sum(a, value, operand.code + part.start, operand.stride, operand.tables + kRegisterTable * b, a.rowptr[row], a.rowptr[row + 1], last, part.width, y.data() + b * channels + part.start);
            fire_first_crossing<float, out_t>(steps, y.data(), row, channels);
        }
    });
}
#endif

}  // namespace gcn2snn

using namespace gcn2snn;

extern "C" {

// How one-byte phases are decoded here: 512 or 256 bits wide in registers, or 0: through memory, no phase_spmm.
int64_t gcn2snn_register_bits() { return kRegisterBits; }

// The longest code that is decoded so.
int64_t gcn2snn_register_phases() { return kRegisterPhases; }

// Bytes of the structures that structures.py declares too, in the order of STRUCTURES; others are refused.
int64_t gcn2snn_structure_bytes(int64_t index) {
    const int64_t bytes[] = {sizeof(Fire), sizeof(Epilogue), sizeof(Steps), sizeof(Conv)};
    return bytes[index];
}

#define GCN2SNN_FLOAT(suffix, real)                                                                                           \
    int64_t gcn2snn_spmm_##suffix(const int32_t* rowptr, const int32_t* col, int64_t rows, const real* value, const real* x,  \
                               int64_t cols, int64_t channels, const uint8_t* active_rows, const uint8_t* active_columns,     \
                               real* out, int64_t threads) { return attempt([&] {                                             \
        spmm<real>({rowptr, col, rows}, value, x, cols, channels, {active_rows, active_columns}, out, threads);               \
    }); }                                                                                                                     \
    int64_t gcn2snn_spmm_sparse_##suffix(const int32_t* rowptr, const int32_t* col, int64_t rows, const real* value,          \
                                      const int32_t* x_rowptr, const int32_t* x_col, int64_t x_rows, const real* x_value,     \
                                      int64_t columns, real* out, int64_t threads) { return attempt([&] {                     \
        spmm_sparse<real>({rowptr, col, rows}, value, {x_rowptr, x_col, x_rows}, x_value, columns, out, threads);             \
    }); }                                                                                                                     \
    int64_t gcn2snn_sort_entries_##suffix(const int64_t* row, const int64_t* col, const real* value, int64_t entries,         \
                                       int64_t rows, int64_t columns, int32_t* rowptr, int32_t* sorted_col,                   \
                                       real* sorted_value, int64_t* outside, int64_t threads) { return attempt([&] {          \
        sort_entries<real>(row, col, value, entries, rows, columns, rowptr, sorted_col, sorted_value, outside);               \
    }); }                                                                                                                     \
    int64_t gcn2snn_degrees_##suffix(const int32_t* rowptr, const int32_t* col, int64_t rows, const real* value,              \
                                  double* degree, int64_t threads) { return attempt([&] {                                     \
        degrees<real>({rowptr, col, rows}, value, degree);                                                                    \
    }); }                                                                                                                     \
    int64_t gcn2snn_normalise_rows_##suffix(const int32_t* rowptr, const int32_t* col, int64_t rows, const real* value,       \
                                         int64_t first, const double* degree, const double* inverse_root,                     \
                                         int32_t* new_rowptr, int32_t* new_col, float* out, int64_t threads) { return attempt([&] { \
        normalise_rows<real>({rowptr, col, rows}, value, first, degree, inverse_root, new_rowptr, new_col, out);              \
    }); }                                                                                                                     \
    int64_t gcn2snn_mirror_sum_##suffix(const int32_t* rowptr, const int32_t* col, int64_t rows, const void* value,           \
                                     int64_t* sum, int64_t threads) { return attempt([&] {                                    \
        using bits_t = std::conditional_t<sizeof(real) == 4, int32_t, int64_t>;                                               \
        *sum = mirror_sum({rowptr, col, rows}, static_cast<const bits_t*>(value));                                            \
    }); }                                                                                                                     \
    int64_t gcn2snn_code_words_##suffix(const real* x, int64_t rows, int64_t columns, const real* scale, int64_t scale_step,  \
                                     int64_t scale_rows, int64_t timesteps, real* out, int64_t* not_finite,                   \
                                     int64_t threads) { return attempt([&] {                                                  \
        code_words<real>(x, rows, columns, scale, scale_step, scale_rows, timesteps, out, not_finite, threads);               \
    }); }                                                                                                                     \
    int64_t gcn2snn_code_entries_##suffix(const real* x, int64_t rows, int64_t columns, const real* scale, int64_t scale_step, \
                                       int64_t timesteps, int64_t most, int32_t* rowptr, int32_t* col, real* value,           \
                                       int64_t* found, int64_t threads) { return attempt([&] {                                \
        code_entries<real>(x, rows, columns, scale, scale_step, timesteps, most, rowptr, col, value, found, threads);         \
    }); }
GCN2SNN_FLOAT(f32, float)
GCN2SNN_FLOAT(f64, double)

#define GCN2SNN_CODED(suffix, real, code_t)                                                                                   \
    int64_t gcn2snn_encode_##suffix(const real* x, int64_t rows, int64_t channels, int64_t scale_rows, const real* add,       \
                                 const real* start, const Fire* fire, int64_t threads) { return attempt([&] {                 \
        encode<real, code_t>(x, rows, channels, scale_rows, {add, start}, *fire, threads);                                    \
    }); }                                                                                                                     \
    int64_t gcn2snn_decode_##suffix(const code_t* code, int64_t rows, int64_t channels, const real* table, int64_t timesteps, \
                                 const real* scale, int64_t scale_rows, real* out, int64_t threads) { return attempt([&] {    \
        decode<real, code_t>(code, rows, channels, table, timesteps, scale, scale_rows, out, threads);                        \
    }); }                                                                                                                     \
    int64_t gcn2snn_spmm_steps_##suffix(const int32_t* rowptr, const int32_t* col, int64_t rows, const real* value,           \
                                     const code_t* code, const real* x, int64_t channels, const Steps* steps,                 \
                                     int64_t threads) { return attempt([&] {                                                  \
        spmm_steps<real, code_t>({rowptr, col, rows}, value, code, x, channels, *steps, threads);                             \
    }); }                                                                                                                     \
    int64_t gcn2snn_gemm_steps_##suffix(const code_t* code, int64_t rows, int64_t inputs, const real* x, const real* weight,  \
                                     int64_t channels, const int32_t* step_of, const Steps* steps, int64_t threads) { return attempt([&] { \
        gemm_steps<real, code_t>(code, rows, inputs, x, weight, channels, step_of, *steps, threads);                          \
    }); }                                                                                                                     \
    int64_t gcn2snn_fire_step_##suffix(real* potential, const real* arriving, int64_t rows, int64_t channels,                 \
                                    int64_t scale_rows, const Fire* fire, int64_t phase, int64_t until, int64_t threads) { return attempt([&] { \
        fire_step<real, code_t>(potential, arriving, rows, channels, scale_rows, *fire, phase, until, threads);               \
    }); }                                                                                                                     \
    int64_t gcn2snn_conv_##suffix(const Conv* conv, int64_t threads) { return attempt([&] {                                   \
        if (conv->step_of) convolve_steps<real, code_t>(*conv, threads);                                                      \
        else convolve<real, code_t>(*conv, threads);                                                                          \
    }); }
GCN2SNN_CODED(f32_i8, float, int8_t)
GCN2SNN_CODED(f32_i16, float, int16_t)
GCN2SNN_CODED(f64_i8, double, int8_t)
GCN2SNN_CODED(f64_i16, double, int16_t)

int64_t gcn2snn_emit_step_i8(const int8_t* code, int64_t size, int64_t first, int64_t last, int8_t* out, int64_t* sent, int64_t threads) { return attempt([&] {
    *sent = emit_step(code, size, first, last, out, threads);
}); }

int64_t gcn2snn_emit_step_i16(const int16_t* code, int64_t size, int64_t first, int64_t last, int16_t* out, int64_t* sent, int64_t threads) { return attempt([&] {
    *sent = emit_step(code, size, first, last, out, threads);
}); }

#ifdef GCN2SNN_REGISTER_DECODE
// Codes as gcn2snn_block_spmm reads them, packed_bytes(channels) for each row.
int64_t gcn2snn_pack_codes(const int8_t* code, int64_t rows, int64_t channels, int8_t* packed, int64_t threads) { return attempt([&] {
    for_range(rows, threads, 1024, [&](int64_t begin, int64_t end) {
        for (int64_t row = begin; row < end; ++row) pack_row(code + row * channels, channels, packed + row * packed_bytes(channels));
    });
}); }

int64_t gcn2snn_block_spmm(const Blocks* blocks, int64_t rows, int64_t channels, const float* table, int64_t timesteps, int64_t is_signed,
                        const Epilogue* epilogue, int64_t threads) { return attempt([&] {
    sum_blocks(*blocks, rows, channels, table, timesteps, is_signed != 0, threads, epilogue->out,
               [&](int64_t row, float* y) { finish_row(*epilogue, row, channels, 0, channels, y); });
}); }

int64_t gcn2snn_phase_spmm(const int32_t* rowptr, const int32_t* col, int64_t rows, const float* value, const int8_t* code,
                        int64_t cols, int64_t channels, const float* table, int64_t timesteps, int64_t is_signed, const Epilogue* epilogue,
                        int64_t threads) { return attempt([&] {
    phase_spmm({rowptr, col, rows}, value, code, cols, channels, table, timesteps, is_signed != 0, *epilogue, threads);
}); }

int64_t gcn2snn_phase_steps(const int32_t* rowptr, const int32_t* col, int64_t rows, const float* value, const int8_t* code,
                         int64_t cols, int64_t channels, const float* tables, int64_t timesteps, int64_t is_signed, const Steps* steps,
                         int64_t threads) { return attempt([&] {
    const Matrix a{rowptr, col, rows};
    if (steps->fire.wide) phase_steps<int16_t>(a, value, code, cols, channels, tables, timesteps, is_signed != 0, *steps, threads);
    else phase_steps<int8_t>(a, value, code, cols, channels, tables, timesteps, is_signed != 0, *steps, threads);
}); }
#endif

}  // extern "C"
