// Copies and fills. Device memory is touched by stream workers only; a copy to or from pageable host memory behaves as the
// documentation promises, and no better: when the call returns, a source on the host may be reused and a destination on the
// host is complete, but what goes to the device may still be on its way there.
#include <cstring>
#include <vector>

#include "call.h"
#include "memory.h"
#include "streams.h"

using namespace emu;

namespace {

// Is all of the range memory of the driver?
bool known(std::uint64_t address, std::size_t bytes) {
    Allocation allocation;
    return find_allocation(address, &allocation) && bytes <= allocation.bytes - (address - allocation.address);
}

std::uint64_t integer(const void* pointer) { return reinterpret_cast<std::uint64_t>(pointer); }

// Pageable memory is that which the driver did not allocate. None of it can be a device address.
enum class Side { device, pageable, pinned, invalid };
Side side(std::uint64_t address, std::size_t bytes) {
    Allocation allocation;
    if (find_allocation(address, &allocation)) {
        if (!known(address, bytes)) return Side::invalid;
        return allocation.kind == MemoryKind::device ? Side::device : Side::pinned;
    }
    return is_device_address(address) || address == 0 ? Side::invalid : Side::pageable;
}

void move(std::uint64_t to, std::uint64_t from, std::size_t bytes) {
    std::memmove(accessible(to), accessible(from), bytes);
    note_written(to, bytes);
}

// `async`: on `handle`; else on the default stream, and the call waits. Device to device copies never make it wait.
CUresult copy(std::uint64_t to, std::uint64_t from, std::size_t bytes, bool async, CUstream handle, Lock& lock) {
    const Side target = side(to, bytes);
    const Side source = side(from, bytes);
    if (bytes == 0) return CUDA_SUCCESS;
    if (target == Side::invalid || source == Side::invalid) return CUDA_ERROR_INVALID_VALUE;
    std::shared_ptr<Stream> stream;
    if (const CUresult result = find_stream(handle, &stream)) return result;
    if (!async)
        if (const CUresult result = forbid_in_capture()) return result;
    Work work = [=] {
        move(to, from, bytes);
        return CUDA_SUCCESS;
    };
    if (source == Side::pageable && !stream->capture) {
        const char* const data = reinterpret_cast<const char*>(from);
        work = [to, staged = std::vector<char>(data, data + bytes)] {
            move(to, integer(staged.data()), staged.size());
            return CUDA_SUCCESS;
        };
    }
    const bool waits = !stream->capture &&
                       (target == Side::pageable || (!async && (target != Side::device || source == Side::pinned)));
    // A synchronous copy from pageable memory waits for the stream, and then only until its source has been read.
    if (!async && source == Side::pageable && !waits)
        if (const CUresult result = wait_for(now(stream), lock)) return result;
    if (const CUresult result = enqueue(stream, std::move(work))) return result;
    return waits ? wait_for(now(stream), lock) : CUDA_SUCCESS;
}

CUresult fill(std::uint64_t to, unsigned value, std::size_t element_bytes, std::size_t count, CUstream handle) {
    std::shared_ptr<Stream> stream;
    if (const CUresult result = find_stream(handle, &stream)) return result;
    if (count == 0) return CUDA_SUCCESS;
    if (!known(to, count * element_bytes) || to % element_bytes != 0) return CUDA_ERROR_INVALID_VALUE;
    return enqueue(stream, [=] {
        char* const begin = accessible(to);
        for (std::size_t i = 0; i < count; i++) std::memcpy(begin + i * element_bytes, &value, element_bytes);
        note_written(to, count * element_bytes);
        return CUDA_SUCCESS;
    });
}

}    // namespace

EMU_EXPORT CUresult cuMemcpy(CUdeviceptr to, CUdeviceptr from, std::size_t bytes) {
    return call(__func__, [&](Lock& lock) { return copy(to, from, bytes, false, nullptr, lock); });
}

EMU_EXPORT CUresult cuMemcpyAsync(CUdeviceptr to, CUdeviceptr from, std::size_t bytes, CUstream stream) {
    return call(__func__, [&](Lock& lock) { return copy(to, from, bytes, true, stream, lock); });
}

EMU_EXPORT CUresult cuMemcpyHtoD_v2(CUdeviceptr to, const void* from, std::size_t bytes) {
    return call(__func__, [&](Lock& lock) -> CUresult {
        if (!known(to, bytes)) return CUDA_ERROR_INVALID_VALUE;
        return copy(to, integer(from), bytes, false, nullptr, lock);
    });
}

EMU_EXPORT CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void* from, std::size_t bytes, CUstream stream) {
    return call(__func__, [&](Lock& lock) -> CUresult {
        if (!known(to, bytes)) return CUDA_ERROR_INVALID_VALUE;
        return copy(to, integer(from), bytes, true, stream, lock);
    });
}

EMU_EXPORT CUresult cuMemcpyDtoH_v2(void* to, CUdeviceptr from, std::size_t bytes) {
    return call(__func__, [&](Lock& lock) -> CUresult {
        if (!known(from, bytes)) return CUDA_ERROR_INVALID_VALUE;
        return copy(integer(to), from, bytes, false, nullptr, lock);
    });
}

EMU_EXPORT CUresult cuMemcpyDtoHAsync_v2(void* to, CUdeviceptr from, std::size_t bytes, CUstream stream) {
    return call(__func__, [&](Lock& lock) -> CUresult {
        if (!known(from, bytes)) return CUDA_ERROR_INVALID_VALUE;
        return copy(integer(to), from, bytes, true, stream, lock);
    });
}

EMU_EXPORT CUresult cuMemcpyDtoD_v2(CUdeviceptr to, CUdeviceptr from, std::size_t bytes) {
    return call(__func__, [&](Lock& lock) -> CUresult {
        if (!known(to, bytes) || !known(from, bytes)) return CUDA_ERROR_INVALID_VALUE;
        return copy(to, from, bytes, false, nullptr, lock);
    });
}

EMU_EXPORT CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, std::size_t bytes, CUstream stream) {
    return call(__func__, [&](Lock& lock) -> CUresult {
        if (!known(to, bytes) || !known(from, bytes)) return CUDA_ERROR_INVALID_VALUE;
        return copy(to, from, bytes, true, stream, lock);
    });
}

EMU_EXPORT CUresult cuMemsetD8_v2(CUdeviceptr to, unsigned char value, std::size_t count) {
    return call(__func__, [&](Lock&) -> CUresult {
        if (const CUresult result = forbid_in_capture()) return result;
        return fill(to, value, 1, count, nullptr);
    });
}

EMU_EXPORT CUresult cuMemsetD8Async(CUdeviceptr to, unsigned char value, std::size_t count, CUstream stream) {
    return call(__func__, [&](Lock&) { return fill(to, value, 1, count, stream); });
}

EMU_EXPORT CUresult cuMemsetD32_v2(CUdeviceptr to, unsigned value, std::size_t count) {
    return call(__func__, [&](Lock&) -> CUresult {
        if (const CUresult result = forbid_in_capture()) return result;
        return fill(to, value, 4, count, nullptr);
    });
}

EMU_EXPORT CUresult cuMemsetD32Async(CUdeviceptr to, unsigned value, std::size_t count, CUstream stream) {
    return call(__func__, [&](Lock&) { return fill(to, value, 4, count, stream); });
}
