// Tensor maps: checked like the driver checks them, encoded in the emulator's own way.
#include "../kernel/report.h"
#include "../kernel/tensor_map.h"
#include "call.h"

using namespace emu;

namespace {

// Bytes of a CUtensorMapDataType; 0: there is no such type.
unsigned element_bytes(int type) {
    static constexpr unsigned char bytes[] = {1, 2, 4, 4, 8, 8, 2, 4, 8, 2, 4, 4, 4};
    return type >= 0 && type < static_cast<int>(sizeof bytes) ? bytes[type] : 0;
}

}    // namespace

EMU_EXPORT CUresult cuTensorMapEncodeTiled(void* encoded, int type, unsigned rank, void* data,
                                           const std::uint64_t* sizes, const std::uint64_t* strides,
                                           const std::uint32_t* box, const std::uint32_t* steps, int interleave,
                                           int swizzle, int, int fill) {
    return call(__func__, Needs::nothing, [&](Lock&) -> CUresult {
        const unsigned bytes = element_bytes(type);
        if (encoded == nullptr || reinterpret_cast<std::uintptr_t>(encoded) % 64 != 0) return CUDA_ERROR_INVALID_VALUE;
        if (bytes == 0 || rank < 1 || rank > TENSOR_RANK || sizes == nullptr || box == nullptr || steps == nullptr)
            return CUDA_ERROR_INVALID_VALUE;
        if (rank > 1 && strides == nullptr) return CUDA_ERROR_INVALID_VALUE;
        if (reinterpret_cast<std::uintptr_t>(data) % 16 != 0) return CUDA_ERROR_INVALID_VALUE;
        if (interleave != 0 || swizzle != 0) {
            say("emulated driver: tensor maps with interleave or swizzle are not emulated\n");
            return CUDA_ERROR_NOT_SUPPORTED;
        }
        TensorMap map = {};
        map.mark = TensorMap::MARK;
        map.data = static_cast<const char*>(data);
        map.rank = static_cast<std::uint8_t>(rank);
        map.element_bytes = static_cast<std::uint8_t>(bytes);
        map.fill_nan = fill != 0;
        for (unsigned i = 0; i < rank; i++) {
            if (sizes[i] == 0 || sizes[i] > std::uint64_t{1} << 32) return CUDA_ERROR_INVALID_VALUE;
            if (box[i] == 0 || box[i] > 256 || steps[i] == 0 || steps[i] > 8) return CUDA_ERROR_INVALID_VALUE;
            if (i > 0 && (strides[i - 1] % 16 != 0 || strides[i - 1] >= std::uint64_t{1} << 40))
                return CUDA_ERROR_INVALID_VALUE;
            map.last[i] = static_cast<std::uint32_t>(sizes[i] - 1);
            map.box[i] = static_cast<std::uint16_t>(box[i]);
            map.step[i] = static_cast<std::uint8_t>(steps[i]);
            if (i > 0) map.stride[i - 1] = strides[i - 1];
        }
        if (box[0] * bytes % 16 != 0) return CUDA_ERROR_INVALID_VALUE;
        *static_cast<TensorMap*>(encoded) = map;
        return CUDA_SUCCESS;
    });
}
