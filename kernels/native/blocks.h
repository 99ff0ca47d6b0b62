// The product with spikes that are known beforehand: block by block of channels, and only the entries that read a spike there.
#pragma once

#include "decode.h"

namespace gcn2snn {

#ifdef GCN2SNN_REGISTER_DECODE
// Block b holds the channels at places start[b] to start[b + 1] of the order that `place` gives. Its operand has a row for each
// column of A that fires in the block, in packed codes: a cache line where floats would take four. Its entries are those of A that
// read such a row, in the order of A.
struct Blocks {
    int64_t count;
    const int64_t* start;         // [count + 1]
    const int64_t* first_entry;   // [count], into col and value
    const int64_t* first_code;    // [count], into code
    const int32_t* rowptr;        // [count, rows + 1], from 0 in each block
    const int32_t* col;
    const float* value;
    const int8_t* code;
    const int32_t* place;         // [channels]
};

// finish(row, sums of all channels in their own order). What is left out would have added zero: the bits of the whole product.
template <class Finish>
void sum_blocks(const Blocks& blocks, int64_t rows, int64_t channels, const float* table, int64_t timesteps, bool is_signed, int64_t threads, float* out, const Finish& finish) {
    const auto width = [&](int64_t b) { return blocks.start[b + 1] - blocks.start[b]; };
    const Operand operand(table, 1, timesteps, is_signed);
    std::vector<std::vector<Pass<PhaseRow>>> sums;
    std::vector<Matrix> parts;
    for (int64_t b = 0; b < blocks.count; ++b) {
        sums.push_back(operand.passes(width(b)));
        parts.push_back({blocks.rowptr + b * (rows + 1), blocks.col + blocks.first_entry[b], rows});
    }
    for_rows(parts[0], threads, [&](int64_t begin, int64_t end) {
        std::vector<float> ordered(channels), scratch(out ? 0 : channels);
        for (int64_t row = begin; row < end; ++row) {
            for (int64_t b = 0; b < blocks.count; ++b) {
                const Matrix& a = parts[b];
                for (const auto& part : sums[b])
                    part.sum(a, blocks.value + blocks.first_entry[b], blocks.code + blocks.first_code[b] + part.start, packed_bytes(width(b)), operand.tables, a.rowptr[row], a.rowptr[row + 1], a.rowptr[end], part.width, ordered.data() + blocks.start[b] + part.start);
            }
            float* y = out ? out + row * channels : scratch.data();
            for (int64_t c = 0; c < channels; ++c) y[c] = ordered[blocks.place[c]];
            finish(row, y);
        }
    });
}
#endif

}  // namespace gcn2snn
