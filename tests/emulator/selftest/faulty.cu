// Kernels with a planted fault each. expectations.py tells what the emulator must say to them.
#include "intrinsics.cuh"
#include "params.cuh"

// Barriers

extern "C" __global__ void fault_missing_barrier(const __grid_constant__ Vectors p) {
    __shared__ float tile[256];
    tile[threadIdx.x] = p.in[threadIdx.x];
    p.out[threadIdx.x] = tile[(threadIdx.x + 1) % 256];
}

// The second round's writes overtake the first round's reads.
extern "C" __global__ void fault_missing_second_barrier(const __grid_constant__ Vectors p) {
    __shared__ float tile[256];
    float sum = 0.0f;
    for (int round = 0; round < 2; round++) {
        tile[threadIdx.x] = p.in[threadIdx.x] + round;
        __syncthreads();
        sum += tile[(threadIdx.x + 1) % 256];
    }
    p.out[threadIdx.x] = sum;
}

extern "C" __global__ void fault_divergent_lines(const __grid_constant__ Vectors p) {
    if (threadIdx.x < 32)
        __syncthreads();
    else
        __syncthreads();
    p.out[threadIdx.x] = 0.0f;
}

extern "C" __global__ void fault_divergent_exit(const __grid_constant__ Vectors p) {
    if (threadIdx.x >= 200) return;
    __syncthreads();
    p.out[threadIdx.x] = 0.0f;
}

extern "C" __global__ void fault_named_barrier_deadlock(const __grid_constant__ Vectors p) {
    if (threadIdx.x < 64) barrier_sync(1, 128);
    p.out[threadIdx.x] = 0.0f;
}

extern "C" __global__ void fault_named_barrier_counts(const __grid_constant__ Vectors p) {
    barrier_sync(1, threadIdx.x < 64 ? 128 : 256);
    p.out[threadIdx.x] = 0.0f;
}

// Warps

extern "C" __global__ void fault_shuffle_exited(const __grid_constant__ Vectors p) {
    if (threadIdx.x % 32 == 31) return;
    p.out[threadIdx.x] = __shfl_xor_sync(0xffffffffu, p.in[threadIdx.x], 1);
}

extern "C" __global__ void fault_shuffle_own_lane(const __grid_constant__ Vectors p) {
    p.out[threadIdx.x] = __shfl_xor_sync(0x0000ffffu, p.in[threadIdx.x], 1);
}

extern "C" __global__ void fault_shuffle_diverged(const __grid_constant__ Vectors p) {
    float value = p.in[threadIdx.x];
    if (threadIdx.x % 32 < 16)
        value = __shfl_xor_sync(0xffffffffu, value, 1);
    else
        value = __shfl_xor_sync(0xffffffffu, value, 1);
    p.out[threadIdx.x] = value;
}

extern "C" __global__ void fault_shuffle_deadlock(const __grid_constant__ Vectors p) {
    if (threadIdx.x % 32 == 0)
        p.out[threadIdx.x] = __shfl_xor_sync(0xffffffffu, p.in[threadIdx.x], 1);
    else
        __syncthreads();
}

extern "C" __global__ void fault_mma_diverged(const __grid_constant__ Vectors p) {
    float d[4] = {};
    const unsigned a[4] = {}, b[2] = {};
    if (threadIdx.x % 32 < 30) mma_m16n8k16(d, a, b);
    p.out[threadIdx.x] = d[0];
}

extern "C" __global__ void fault_ldmatrix_no_barrier(const __grid_constant__ Vectors p) {
    __shared__ __align__(16) float tile[256];
    tile[threadIdx.x] = p.in[threadIdx.x];
    unsigned row[1];
    ldmatrix(row, tile + threadIdx.x % 8 * 32);
    p.out[threadIdx.x] = __uint_as_float(row[0]);
}

extern "C" __global__ void fault_ldmatrix_misaligned(const __grid_constant__ Vectors p) {
    __shared__ __align__(16) float tile[260];
    unsigned row[1];
    ldmatrix(row, tile + 1 + threadIdx.x % 8 * 32);
    p.out[threadIdx.x] = __uint_as_float(row[0]);
}

extern "C" __global__ void fault_ldmatrix_global(const __grid_constant__ Vectors p) {
    unsigned row[1];
    ldmatrix(row, p.in + threadIdx.x % 8 * 4);
    p.out[threadIdx.x] = __uint_as_float(row[0]);
}

// Global memory

extern "C" __global__ void fault_global_past_end(const __grid_constant__ Vectors p) {
    p.out[threadIdx.x] = p.in[threadIdx.x + 1];
}

extern "C" __global__ void fault_global_write_past_end(const __grid_constant__ Vectors p) {
    p.out[threadIdx.x + 1] = 1.0f;
}

extern "C" __global__ void fault_global_page_past_end(const __grid_constant__ Vectors p) {
    p.out[threadIdx.x] = p.in[threadIdx.x + 1024];
}

extern "C" __global__ void fault_global_before(const __grid_constant__ Vectors p) {
    p.out[threadIdx.x] = p.in[static_cast<int>(threadIdx.x) - 1];
}

extern "C" __global__ void fault_global_uninitialised(const __grid_constant__ Vectors p) {
    p.out[threadIdx.x] = p.in[threadIdx.x];
}

extern "C" __global__ void fault_global_misaligned(const __grid_constant__ Vectors p) {
    const float4 quad = *reinterpret_cast<const float4*>(p.in + 1 + threadIdx.x % 8);
    p.out[threadIdx.x] = quad.x + quad.w;
}

extern "C" __global__ void fault_null(const __grid_constant__ Vectors p) { p.out[threadIdx.x] = p.in[threadIdx.x]; }

extern "C" __global__ void fault_host_memory(const __grid_constant__ Vectors p) {
    p.out[threadIdx.x] = p.in[threadIdx.x];
}

extern "C" __global__ void fault_two_blocks_write(const __grid_constant__ Vectors p) {
    p.out[threadIdx.x] = p.in[threadIdx.x];
}

// Shared memory

extern "C" __global__ void fault_shared_past_end(const __grid_constant__ Vectors p) {
    __shared__ float tile[256];
    float* const begin = tile;
    begin[threadIdx.x + p.flag] = p.in[threadIdx.x];
    __syncthreads();
    p.out[threadIdx.x] = tile[threadIdx.x];
}

extern "C" __global__ void fault_dynamic_past_end(const __grid_constant__ Vectors p) {
    float* const tile = dynamic_shared();
    tile[threadIdx.x + 64] = p.in[threadIdx.x];
    __syncthreads();
    p.out[threadIdx.x] = tile[threadIdx.x];
}

extern "C" __global__ void fault_shared_uninitialised(const __grid_constant__ Vectors p) {
    __shared__ float tile[257];
    tile[threadIdx.x] = p.in[threadIdx.x];
    __syncthreads();
    p.out[threadIdx.x] = tile[threadIdx.x + 1];
}

extern "C" __global__ void fault_shared_misaligned(const __grid_constant__ Vectors p) {
    __shared__ __align__(16) float tile[260];
    tile[threadIdx.x] = p.in[threadIdx.x];
    if (threadIdx.x < 4) tile[256 + threadIdx.x] = 0.0f;
    __syncthreads();
    const float2 pair = *reinterpret_cast<const float2*>(tile + threadIdx.x);
    p.out[threadIdx.x] = pair.x + pair.y;
}

// Asynchronous copies

extern "C" __global__ void fault_copy_async_no_wait(const __grid_constant__ Vectors p) {
    __shared__ float tile[256];
    copy_async<4>(tile + threadIdx.x, p.in + threadIdx.x);
    copy_async_commit();
    __syncthreads();
    p.out[threadIdx.x] = tile[threadIdx.x];
}

extern "C" __global__ void fault_copy_async_no_barrier(const __grid_constant__ Vectors p) {
    __shared__ float tile[256];
    copy_async<4>(tile + threadIdx.x, p.in + threadIdx.x);
    copy_async_commit();
    copy_async_wait<0>();
    p.out[threadIdx.x] = tile[(threadIdx.x + 1) % 256];
}

extern "C" __global__ void fault_copy_async_misaligned(const __grid_constant__ Vectors p) {
    __shared__ __align__(16) float tile[512];
    copy_async<16>(tile + threadIdx.x, p.in + threadIdx.x);
    p.out[threadIdx.x] = 0.0f;
}

extern "C" __global__ void fault_bulk_no_wait(const __grid_constant__ Vectors p) {
    __shared__ __align__(16) float tile[256];
    __shared__ unsigned long long full;
    if (threadIdx.x == 0) {
        mbarrier_init(&full, 1);
        mbarrier_arrive_expect_bytes(&full, sizeof tile);
        bulk_copy(tile, p.in, sizeof tile, &full);
    }
    __syncthreads();
    p.out[threadIdx.x] = tile[threadIdx.x];
}

extern "C" __global__ void fault_try_wait_once(const __grid_constant__ Vectors p) {
    __shared__ __align__(16) float tile[256];
    __shared__ unsigned long long full;
    if (threadIdx.x == 0) {
        mbarrier_init(&full, 1);
        mbarrier_arrive_expect_bytes(&full, sizeof tile);
        bulk_copy(tile, p.in, sizeof tile, &full);
    }
    __syncthreads();
    p.out[threadIdx.x] = mbarrier_try_wait(&full, 0) ? tile[threadIdx.x] : -1.0f;
}

extern "C" __global__ void fault_mbarrier_deadlock(const __grid_constant__ Vectors p) {
    __shared__ __align__(16) float tile[256];
    __shared__ unsigned long long full;
    if (threadIdx.x == 0) {
        mbarrier_init(&full, 1);
        mbarrier_arrive_expect_bytes(&full, sizeof tile + 16);
        bulk_copy(tile, p.in, sizeof tile, &full);
    }
    __syncthreads();
    mbarrier_wait(&full, 0);
    p.out[threadIdx.x] = tile[threadIdx.x];
}

extern "C" __global__ void fault_mbarrier_uninitialised(const __grid_constant__ Vectors p) {
    __shared__ unsigned long long full;
    mbarrier_wait(&full, 0);
    p.out[threadIdx.x] = 0.0f;
}

// Others

__device__ __noinline__ float recurse(int depth, const float* in) {
    volatile float frame[512];
    frame[depth % 512] = in[0];
    return depth == 0 ? frame[0] : recurse(depth - 1, in) + frame[depth % 512];
}

extern "C" __global__ void fault_stack_overflow(const __grid_constant__ Vectors p) {
    p.out[threadIdx.x] = recurse(100000, p.in);
}

extern "C" __global__ void fault_signed_overflow(const __grid_constant__ Vectors p) {
    p.out[threadIdx.x] = static_cast<float>(0x7fffffff - 100 + static_cast<int>(threadIdx.x) + p.flag);
}
