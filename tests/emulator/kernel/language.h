// CUDA C++ as plain C++20: the keywords, built-in types and variables, and functions that kernels may use. The build
// script puts it in front of every kernel file, which defines EMU_SHARED_SECTION before.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>

#include "asynchronous.h"
#include "matrix.h"
#include "runtime.h"

// Not inlined, so that the kernel's name shows when an address is turned into a line.
#define __global__ __attribute__((noinline))
#define __device__
#define __host__
#define __constant__
#define __grid_constant__
#define __launch_bounds__(...)
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __align__(bytes) __attribute__((aligned(bytes)))
// One section for each kernel file, so that it can be filled with NaN before every block.
#define __shared__ static __attribute__((section(EMU_SHARED_SECTION)))

#define threadIdx (emu::indices.thread)
#define blockIdx (emu::indices.block)
#define blockDim (emu::indices.block_dim)
#define gridDim (emu::indices.grid_dim)
constexpr int warpSize = emu::WARP_LANES;

using uint3 = emu::Index;

#include "vectors.h"

// Barriers

inline void __syncthreads(emu::Place place = emu::Place::current()) {
    emu::sync_threads(emu::Vote::none, false, place);
}
inline int __syncthreads_or(int predicate, emu::Place place = emu::Place::current()) {
    return emu::sync_threads(emu::Vote::any, predicate != 0, place);
}
inline int __syncthreads_and(int predicate, emu::Place place = emu::Place::current()) {
    return emu::sync_threads(emu::Vote::all, predicate != 0, place);
}
inline int __syncthreads_count(int predicate, emu::Place place = emu::Place::current()) {
    return emu::sync_threads(emu::Vote::count, predicate != 0, place);
}

// Memory order: blocks run one at a time and threads of a block in turns, so every fence already holds.
inline void __threadfence_block() {}
inline void __threadfence() {}
inline void __threadfence_system() {}

#include "arithmetic.h"
#include "atomics.h"
#include "warp.h"
