// Launches.
#include "launches.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>

#include "../kernel/launch.h"
#include "../kernel/report.h"
#include "call.h"
#include "memory.h"
#include "streams.h"

namespace emu {
namespace {

// The parameters of a launch as the kernel gets them.
class Params {
  public:
    Params(const void* bytes, std::size_t count) : words_(new Block[(count + sizeof(Block) - 1) / sizeof(Block)]) {
        std::memcpy(words_.get(), bytes, count);
    }
    std::uint64_t* words() { return words_[0].word; }
    const void* get() const { return words_.get(); }

  private:
    struct alignas(128) Block {
        std::uint64_t word[16];
    };
    std::unique_ptr<Block[]> words_;
};

// Turns device pointers into accessible ones. No other value looks like them: their upper half, as a float, would be a
// denormal, and as an integer would exceed any size.
CUresult translate(Params& params, const LibraryKernel& kernel, const Device& device) {
    for (std::size_t i = 0; i < kernel.code->params_bytes / sizeof(std::uint64_t); i++) {
        std::uint64_t& word = params.words()[i];
        if (!is_device_address(word)) continue;
        Allocation allocation;
        if (find_allocation(word, &allocation) && allocation.device != device.ordinal) {
            say("emulated driver: %s runs on device %d and gets memory of device %d (parameter byte %zu)\n",
                kernel.entry.name.c_str(), device.ordinal, allocation.device, i * sizeof word);
            return CUDA_ERROR_ILLEGAL_ADDRESS;
        }
        word = reinterpret_cast<std::uint64_t>(accessible(word));
    }
    return CUDA_SUCCESS;
}

CUresult check_shape(const LibraryKernel& kernel, const Device& device, const Index& grid, const Index& block,
                     unsigned dynamic) {
    if (grid.x == 0 || grid.y == 0 || grid.z == 0 || block.x == 0 || block.y == 0 || block.z == 0)
        return CUDA_ERROR_INVALID_VALUE;
    if (grid.x > 0x7fffffff || grid.y > 65535 || grid.z > 65535) return CUDA_ERROR_INVALID_VALUE;
    if (block.x > MAX_THREADS || block.y > MAX_THREADS || block.z > 64) return CUDA_ERROR_INVALID_VALUE;
    const std::uint64_t threads = std::uint64_t{block.x} * block.y * block.z;
    if (threads > MAX_THREADS) return CUDA_ERROR_INVALID_VALUE;
    if (threads > kernel.entry.max_threads) return CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES;
    const auto set = kernel.max_dynamic_shared.find(device.ordinal);
    const std::uint64_t allowed = set != kernel.max_dynamic_shared.end()
                                      ? static_cast<std::uint64_t>(set->second) + kernel.entry.shared_bytes
                                      : std::uint64_t{DEFAULT_SHARED_BYTES};
    return dynamic + kernel.entry.shared_bytes > allowed ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}

CUresult launch(CUfunction function, const Index& grid, const Index& block, unsigned dynamic, CUstream handle,
                void* const* arguments) {
    const std::shared_ptr<LibraryKernel> kernel = driver().kernels.find(function);
    if (!kernel) return CUDA_ERROR_INVALID_HANDLE;
    std::shared_ptr<Stream> stream;
    if (const CUresult result = find_stream(handle, &stream)) return result;
    const std::shared_ptr<Context> context = stream->context.lock();
    if (!context || !context->alive) return CUDA_ERROR_CONTEXT_IS_DESTROYED;
    const Device& device = *context->device;
    if (!kernel->library->runs_on(device)) return CUDA_ERROR_NO_BINARY_FOR_GPU;
    if (const CUresult result = check_shape(*kernel, device, grid, block, dynamic)) return result;
    if (arguments == nullptr || arguments[0] == nullptr) return CUDA_ERROR_INVALID_VALUE;
    const auto params = std::make_shared<Params>(arguments[0], kernel->code->params_bytes);
    const CUresult translated = translate(*params, *kernel, device);
    return enqueue(stream, [=] {
        if (translated != CUDA_SUCCESS) return translated;
        run({kernel->code, params->get(), grid, block, dynamic, 0});
        const Lock lock(driver().mutex);
        driver().launches++;
        driver().blocks += std::uint64_t{grid.x} * grid.y * grid.z;
        return translated;
    });
}

}    // namespace
}    // namespace emu

using namespace emu;

EMU_EXPORT CUresult cuLaunchKernel(CUfunction function, unsigned grid_x, unsigned grid_y, unsigned grid_z,
                                   unsigned block_x, unsigned block_y, unsigned block_z, unsigned dynamic_shared_bytes,
                                   CUstream stream, void** arguments, void** extra) {
    return call(__func__, [&](Lock&) -> CUresult {
        if (extra != nullptr) return CUDA_ERROR_NOT_SUPPORTED;
        return launch(function, {grid_x, grid_y, grid_z}, {block_x, block_y, block_z}, dynamic_shared_bytes, stream,
                      arguments);
    });
}

EMU_EXPORT CUresult cuOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, CUfunction function, int block_threads,
                                                                std::size_t dynamic_shared_bytes) {
    return call(__func__, [&](Lock&) -> CUresult {
        const std::shared_ptr<LibraryKernel> kernel = driver().kernels.find(function);
        std::shared_ptr<Context> context;
        if (blocks == nullptr || block_threads <= 0) return CUDA_ERROR_INVALID_VALUE;
        if (!kernel) return CUDA_ERROR_INVALID_HANDLE;
        if (const CUresult result = require_context(&context)) return result;
        const std::size_t warps = (static_cast<std::size_t>(block_threads) + WARP_LANES - 1) / WARP_LANES;
        const std::size_t shared = kernel->entry.shared_bytes + dynamic_shared_bytes;
        const std::size_t by_threads = 64 / warps;
        const std::size_t by_registers = 65536 / (warps * WARP_LANES * EMULATED_REGISTERS);
        const std::size_t by_shared = static_cast<std::size_t>(max_shared_per_multiprocessor(*context->device)) /
                                      (shared + RESERVED_SHARED_PER_BLOCK);
        const bool fits = shared <= static_cast<std::size_t>(max_shared_per_block(*context->device)) &&
                          static_cast<unsigned>(block_threads) <= kernel->entry.max_threads;
        *blocks = fits ? static_cast<int>(std::min({by_threads, by_registers, by_shared, std::size_t{32}})) : 0;
        return CUDA_SUCCESS;
    });
}
