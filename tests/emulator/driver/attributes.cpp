// Device attributes.
#include "call.h"
#include "memory.h"

namespace emu {
namespace {

// CUdevice_attribute by number. Sizes are those of recent data-centre GPUs.
CUresult attribute(const Device& device, int number, int* value) {
    switch (number) {
    case 1: *value = 1024; break;          // MAX_THREADS_PER_BLOCK
    case 2: *value = 1024; break;          // MAX_BLOCK_DIM_X
    case 3: *value = 1024; break;          // MAX_BLOCK_DIM_Y
    case 4: *value = 64; break;            // MAX_BLOCK_DIM_Z
    case 5: *value = 0x7fffffff; break;    // MAX_GRID_DIM_X
    case 6: *value = 65535; break;         // MAX_GRID_DIM_Y
    case 7: *value = 65535; break;         // MAX_GRID_DIM_Z
    case 8: *value = 48 * 1024; break;     // MAX_SHARED_MEMORY_PER_BLOCK
    case 9: *value = 64 * 1024; break;     // TOTAL_CONSTANT_MEMORY
    case 10: *value = 32; break;           // WARP_SIZE
    case 12: *value = 65536; break;        // MAX_REGISTERS_PER_BLOCK
    case 13: *value = 1500000; break;      // CLOCK_RATE, kHz
    case 14: *value = 512; break;          // TEXTURE_ALIGNMENT
    case 16: *value = device.multiprocessors; break;
    case 19: *value = 1; break;                 // CAN_MAP_HOST_MEMORY
    case 31: *value = 1; break;                 // CONCURRENT_KERNELS
    case 34: *value = device.ordinal; break;    // PCI_DEVICE_ID
    case 36: *value = 2500000; break;           // MEMORY_CLOCK_RATE, kHz
    case 37: *value = 4096; break;              // GLOBAL_MEMORY_BUS_WIDTH, bits
    case 38: *value = 32 << 20; break;          // L2_CACHE_SIZE
    case 39: *value = 2048; break;              // MAX_THREADS_PER_MULTIPROCESSOR
    case 40: *value = 2; break;                 // ASYNC_ENGINE_COUNT
    case 41: *value = 1; break;                 // UNIFIED_ADDRESSING
    case 75: *value = device.capability / 10; break;
    case 76: *value = device.capability % 10; break;
    case 78: *value = 1; break;    // STREAM_PRIORITIES_SUPPORTED
    case 81: *value = max_shared_per_multiprocessor(device); break;
    case 82: *value = 65536; break;    // MAX_REGISTERS_PER_MULTIPROCESSOR
    case 83: *value = 1; break;        // MANAGED_MEMORY
    case 89: *value = 1; break;        // CONCURRENT_MANAGED_ACCESS
    case 95: *value = 1; break;        // COOPERATIVE_LAUNCH
    case 97: *value = max_shared_per_block(device); break;
    case 106: *value = 32; break;    // MAX_BLOCKS_PER_MULTIPROCESSOR
    case 111: *value = RESERVED_SHARED_PER_BLOCK; break;
    default:
        if (number < 1 || number > 200) return CUDA_ERROR_INVALID_VALUE;
        *value = 0;    // features that are not emulated
    }
    return CUDA_SUCCESS;
}

}    // namespace

int max_shared_per_multiprocessor(const Device& device) {
    switch (device.capability) {
    case 70: return 96 * 1024;
    case 75: return 64 * 1024;
    case 80:
    case 87: return 164 * 1024;
    case 86:
    case 89:
    case 120: return 100 * 1024;
    default: return 228 * 1024;
    }
}

int max_shared_per_block(const Device& device) {
    // Turing and Volta can hand out all of it.
    const int reserved = device.capability < 80 ? 0 : RESERVED_SHARED_PER_BLOCK;
    return max_shared_per_multiprocessor(device) - reserved;
}

}    // namespace emu

using namespace emu;

EMU_EXPORT CUresult cuDeviceGetAttribute(int* value, int number, CUdevice device) {
    return call(__func__, [&](Lock&) -> CUresult {
        if (value == nullptr) return CUDA_ERROR_INVALID_VALUE;
        if (device < 0 || static_cast<std::size_t>(device) >= driver().devices.size()) return CUDA_ERROR_INVALID_DEVICE;
        return attribute(driver().devices[static_cast<std::size_t>(device)], number, value);
    });
}

EMU_EXPORT CUresult cuDeviceTotalMem_v2(std::size_t* bytes, CUdevice device) {
    return call(__func__, [&](Lock&) -> CUresult {
        if (bytes == nullptr) return CUDA_ERROR_INVALID_VALUE;
        if (device < 0 || static_cast<std::size_t>(device) >= driver().devices.size()) return CUDA_ERROR_INVALID_DEVICE;
        *bytes = device_bytes_total();
        return CUDA_SUCCESS;
    });
}
