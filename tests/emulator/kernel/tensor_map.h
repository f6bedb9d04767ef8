// The emulator's own contents of a CUtensorMap: 128 opaque bytes that the host encodes and a tensor copy reads.
#pragma once

#include <cstdint>

#include "runtime.h"

namespace emu {

constexpr int TENSOR_RANK = 5;

struct alignas(64) TensorMap {
    static constexpr std::uint64_t MARK = 0x70616d726f736e74;

    std::uint64_t mark;
    // Aligned like any pointer in a parameter struct, because the driver translates it like one at the launch.
    const char* data;
    std::uint64_t stride[TENSOR_RANK - 1];    // bytes, of dimensions 1 and up; dimension 0 is dense
    std::uint32_t last[TENSOR_RANK];          // size - 1: sizes go up to 2^32
    std::uint16_t box[TENSOR_RANK];
    std::uint8_t step[TENSOR_RANK];
    std::uint8_t rank;
    std::uint8_t element_bytes;
    std::uint8_t fill_nan;

    unsigned box_bytes() const {
        unsigned bytes = element_bytes;
        for (int i = 0; i < rank; i++) bytes *= (box[i] + step[i] - 1u) / step[i];
        return bytes;
    }

    // Copies the box whose first element is `corner`; what lies outside the tensor is zero (or NaN).
    void gather(char* to, const int* corner, const Place& place) const;
};
static_assert(sizeof(TensorMap) == 128, "CUtensorMap has 128 bytes");

}    // namespace emu
