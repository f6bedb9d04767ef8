// The last step of every reduced value: the partial sums of the blocks, in f64, always in the same order.
#include "params.cuh"

extern "C" __global__ void __launch_bounds__(REDUCE_THREADS) fssim_reduce(const __grid_constant__ ReduceParams p) {
    __shared__ double warp_sums[REDUCE_THREADS / 32];
    const double* partials = p.partials + blockIdx.x * p.per_group;
    double total = 0.0;
    for (long long i = threadIdx.x; i < p.per_group; i += REDUCE_THREADS) total += partials[i];
#pragma unroll
    for (int offset = 16; offset > 0; offset /= 2) total += __shfl_xor_sync(0xffffffffu, total, offset);
    if (threadIdx.x % 32 == 0) warp_sums[threadIdx.x / 32] = total;
    __syncthreads();
    if (threadIdx.x == 0) {
        total = warp_sums[0];
        for (int warp = 1; warp < REDUCE_THREADS / 32; warp++) total += warp_sums[warp];
        p.out[blockIdx.x] = static_cast<float>(p.base - p.scale * total);
    }
}
