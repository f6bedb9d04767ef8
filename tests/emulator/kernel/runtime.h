// What running a block takes: threads, barriers, warps. Kernels reach it through language.h, warp.h and the twins in
// include/intrinsics.cuh; the driver through launch.h.
//
// One block runs at a time in the whole process, so its state is plain global data: that keeps `__shared__` variables
// ordinary statics, which AddressSanitizer can guard, and threadIdx one load.
#pragma once

#include <cstddef>
#include <cstdint>
#include <source_location>

#include "random.h"

namespace emu {

using Place = std::source_location;

struct Index {
    unsigned x, y, z;
};

constexpr unsigned WARP_LANES = 32;
constexpr unsigned MAX_THREADS = 1024;

// What threadIdx, blockIdx, blockDim and gridDim read.
struct Indices {
    Index thread;
    Index block;
    Index block_dim;
    Index grid_dim;
};
extern Indices indices;

// Stops the process with a message that names the kernel, block, thread and, where known, the line.
[[noreturn]] void die(const Place* place, const char* format, ...) __attribute__((format(printf, 2, 3)));

// Barriers. `threads` counts threads, a multiple of the warp size; barrier 0 with all threads is __syncthreads.
enum class Vote { none, any, all, count };
int sync_threads(Vote vote, bool predicate, Place place);
void barrier_sync(unsigned id, unsigned threads, Place place);
void barrier_arrive(unsigned id, unsigned threads, Place place);

// All lanes that the mask names meet; returns what each lane brought, valid until the caller's next such operation.
enum class WarpOperation : std::uint8_t { sync, shuffle, vote, matrix };
const std::uint64_t* meet(WarpOperation operation, unsigned mask, std::uint64_t bits, Place place);
unsigned lane();

// What a lane brings to an operation of its whole warp, and what it takes from there.
struct Operand {
    static constexpr std::size_t BYTES = 32;
    alignas(8) unsigned char bytes[BYTES];
};
using WarpOperands = Operand[WARP_LANES];
// All lanes of the warp meet. The last to arrive runs `combine`, which turns what the lanes brought into what they take.
// Returns the caller's own, valid until its next such operation.
const Operand& meet_all(const void* brought, std::size_t bytes, void (*combine)(WarpOperands& lanes), Place place);

// Shared memory that the launch asked for.
void* dynamic_shared_memory();

// Fails unless the kernel may access these bytes; used for accesses that the compiler does not instrument.
void check_access(const void* address, std::size_t bytes, std::size_t alignment, bool write, const Place& place);
bool is_shared(const void* address);

}    // namespace emu
