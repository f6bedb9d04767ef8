// Allocation and pointer attributes.
#include <algorithm>
#include <cstring>

#include "call.h"
#include "memory.h"
#include "streams.h"

using namespace emu;

namespace {

CUresult allocate(MemoryKind kind, std::uint64_t* address, std::size_t bytes) {
    std::shared_ptr<Context> context;
    if (address == nullptr) return CUDA_ERROR_INVALID_VALUE;
    if (const CUresult result = require_context(&context)) return result;
    if (const CUresult result = forbid_in_capture()) return result;
    return allocate_memory(kind, bytes, context.get(), context->device->ordinal, address);
}

// Frees memory once nothing that uses it can be under way.
CUresult release(std::uint64_t address, bool host, Lock& lock) {
    if (address == 0) return CUDA_SUCCESS;
    std::shared_ptr<Context> context;
    if (const CUresult result = require_context(&context)) return result;
    if (const CUresult result = forbid_in_capture()) return result;
    Allocation allocation;
    if (!find_allocation(address, &allocation) || allocation.address != address) return CUDA_ERROR_INVALID_VALUE;
    if ((allocation.kind == MemoryKind::host) != host) return CUDA_ERROR_INVALID_VALUE;
    if (const CUresult result = wait_for_context(context, lock)) return result;
    return free_memory(address);
}

// CUpointer_attribute by number.
CUresult pointer_attribute(const Allocation& allocation, int attribute, std::uint64_t address, void* value) {
    const bool host_accessible = allocation.kind != MemoryKind::device;
    const auto put = [value](auto v) {
        std::memcpy(value, &v, sizeof v);
        return CUDA_SUCCESS;
    };
    switch (attribute) {
    case 1: return put(allocation.context->handle);    // CONTEXT
    case 2: return put(allocation.kind == MemoryKind::host ? MEMORY_HOST : MEMORY_DEVICE);
    case 3: return put(address);    // DEVICE_POINTER
    case 4:                         // HOST_POINTER
        if (!host_accessible) return CUDA_ERROR_INVALID_VALUE;
        return put(address);
    case 6: return put(0);                                                                // SYNC_MEMOPS
    case 7: return put(static_cast<unsigned long long>(allocation.number));               // BUFFER_ID
    case 8: return put(static_cast<unsigned>(allocation.kind == MemoryKind::managed));    // IS_MANAGED
    case 9: return put(allocation.device);                                                // DEVICE_ORDINAL
    case 11: return put(allocation.address);                                              // RANGE_START_ADDR
    case 12: return put(allocation.bytes);                                                // RANGE_SIZE
    case 13: return put(1);                                                               // MAPPED
    default: return CUDA_ERROR_INVALID_VALUE;
    }
}

// The size of an attribute's value.
std::size_t attribute_bytes(int attribute) {
    switch (attribute) {
    case 1:
    case 3:
    case 4:
    case 7:
    case 11:
    case 12: return 8;
    default: return 4;
    }
}

}    // namespace

EMU_EXPORT CUresult cuMemAlloc_v2(CUdeviceptr* address, std::size_t bytes) {
    return call(__func__, [&](Lock&) -> CUresult {
        std::uint64_t made = 0;
        const CUresult result = allocate(MemoryKind::device, address == nullptr ? nullptr : &made, bytes);
        if (result == CUDA_SUCCESS) *address = made;
        return result;
    });
}

EMU_EXPORT CUresult cuMemAllocManaged(CUdeviceptr* address, std::size_t bytes, unsigned flags) {
    return call(__func__, [&](Lock&) -> CUresult {
        if (flags != 1 && flags != 2) return CUDA_ERROR_INVALID_VALUE;    // CU_MEM_ATTACH_GLOBAL, CU_MEM_ATTACH_HOST
        std::uint64_t made = 0;
        const CUresult result = allocate(MemoryKind::managed, address == nullptr ? nullptr : &made, bytes);
        if (result == CUDA_SUCCESS) *address = made;
        return result;
    });
}

EMU_EXPORT CUresult cuMemFree_v2(CUdeviceptr address) {
    return call(__func__, [&](Lock& lock) { return release(address, false, lock); });
}

EMU_EXPORT CUresult cuMemHostAlloc(void** address, std::size_t bytes, unsigned) {
    return call(__func__, [&](Lock&) -> CUresult {
        std::uint64_t made = 0;
        const CUresult result = allocate(MemoryKind::host, address == nullptr ? nullptr : &made, bytes);
        if (result == CUDA_SUCCESS) *address = reinterpret_cast<void*>(made);
        return result;
    });
}

EMU_EXPORT CUresult cuMemAllocHost_v2(void** address, std::size_t bytes) {
    return call(__func__, [&](Lock&) -> CUresult {
        std::uint64_t made = 0;
        const CUresult result = allocate(MemoryKind::host, address == nullptr ? nullptr : &made, bytes);
        if (result == CUDA_SUCCESS) *address = reinterpret_cast<void*>(made);
        return result;
    });
}

EMU_EXPORT CUresult cuMemFreeHost(void* address) {
    return call(__func__, [&](Lock& lock) { return release(reinterpret_cast<std::uint64_t>(address), true, lock); });
}

EMU_EXPORT CUresult cuMemGetInfo_v2(std::size_t* free_bytes, std::size_t* total_bytes) {
    return call(__func__, [&](Lock&) -> CUresult {
        std::shared_ptr<Context> context;
        if (free_bytes == nullptr || total_bytes == nullptr) return CUDA_ERROR_INVALID_VALUE;
        if (const CUresult result = require_context(&context)) return result;
        const std::uint64_t used = device_bytes_used(context->device->ordinal);
        *total_bytes = device_bytes_total();
        *free_bytes = used < *total_bytes ? *total_bytes - used : 0;
        return CUDA_SUCCESS;
    });
}

EMU_EXPORT CUresult cuPointerGetAttribute(void* value, int attribute, CUdeviceptr address) {
    return call(__func__, [&](Lock&) -> CUresult {
        Allocation allocation;
        if (value == nullptr || !find_allocation(address, &allocation)) return CUDA_ERROR_INVALID_VALUE;
        return pointer_attribute(allocation, attribute, address, value);
    });
}

// Unlike cuPointerGetAttribute this succeeds for memory that CUDA does not know, and gives zeros.
EMU_EXPORT CUresult cuPointerGetAttributes(unsigned count, const int* attributes, void* const* values,
                                           CUdeviceptr address) {
    return call(__func__, [&](Lock&) -> CUresult {
        if (count == 0 || attributes == nullptr || values == nullptr) return CUDA_ERROR_INVALID_VALUE;
        Allocation allocation;
        const bool known = find_allocation(address, &allocation);
        for (unsigned i = 0; i < count; i++) {
            const int attribute = attributes[i];
            if (attribute < 1 || attribute > 20) return CUDA_ERROR_INVALID_VALUE;
            std::memset(values[i], 0, attribute_bytes(attribute));
            if (known && pointer_attribute(allocation, attribute, address, values[i]) != CUDA_SUCCESS)
                std::memset(values[i], 0, attribute_bytes(attribute));
            // -2 is CU_DEVICE_INVALID.
            const int no_device = -2;
            if (!known && attribute == 9) std::memcpy(values[i], &no_device, sizeof no_device);
        }
        return CUDA_SUCCESS;
    });
}
