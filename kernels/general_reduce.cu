// Sums of masks and of what the blocks of general_map.cu left, in f64, always in the same order.
#include "general.cuh"

// The sum of `values` over a block of REDUCE_THREADS, for thread 0.
__device__ __forceinline__ double sum_of(const double* values, long long count, double* shared) {
    double total = 0.0;
    for (long long i = threadIdx.x; i < count; i += REDUCE_THREADS) total += values[i];
    return block_sum<REDUCE_THREADS>(total, shared);
}

// Weights of a part of a mask: of its map pixels, and of all.
extern "C" __global__ void __launch_bounds__(GENERAL_THREADS, 8)
    fssim_general_weights(const __grid_constant__ WeightParams p) {
    __shared__ double warp_sums[2][WARPS];
    const int plane = p.first_plane + static_cast<int>(blockIdx.x / static_cast<unsigned>(p.chunks));
    const int chunk = static_cast<int>(blockIdx.x % static_cast<unsigned>(p.chunks));
    const int first_row = p.own_begin + chunk / p.column_chunks * GENERAL_ROWS;
    const int row_end = min(first_row + GENERAL_ROWS, p.own_end);
    const int first_column = chunk % p.column_chunks * (2 * GENERAL_THREADS) + static_cast<int>(threadIdx.x);
    double map = 0.0;
    double pixels = 0.0;
#pragma unroll 4
    for (int row = first_row; row < row_end; row++) {
        const bool in_map = in_range(row, p.map_top, p.map_bottom);
#pragma unroll
        for (int i = 0; i < 2; i++) {
            const int column = first_column + i * GENERAL_THREADS;
            if (column >= p.width) continue;
            const double weight = load_weight(p.mask, plane / p.channels, plane % p.channels, row, column);
            pixels += weight;
            if (in_map && in_range(column, p.map_left, p.map_right)) map += weight;
        }
    }
    map = block_sum<GENERAL_THREADS>(map, warp_sums[0]);
    pixels = block_sum<GENERAL_THREADS>(pixels, warp_sums[1]);
    if (threadIdx.x != 0) return;
    p.sums[blockIdx.x] = map;
    p.pixel_sums[blockIdx.x] = pixels;
}

// The weights of each group of planes.
extern "C" __global__ void __launch_bounds__(REDUCE_THREADS)
    fssim_general_totals(const __grid_constant__ GeneralReduceParams p) {
    __shared__ double warp_sums[2][REDUCE_THREADS / 32];
    const long long first = blockIdx.x * p.per_group;
    const double map = sum_of(p.sums + first, p.per_group, warp_sums[0]);
    const double pixels = sum_of(p.pixel_sums + first, p.per_group, warp_sums[1]);
    if (threadIdx.x != 0) return;
    double* const totals = p.totals_out + 2LL * blockIdx.x;
    totals[0] = map;
    totals[1] = pixels;
}

// A part of a loss without weight has no say, whatever it is.
__device__ __forceinline__ double share(double weight, double part) { return weight == 0.0 ? 0.0 : weight * part; }

// The values: of SSIM, or of a loss, [3][groups]: the loss, the pixel loss, the dissimilarity.
extern "C" __global__ void __launch_bounds__(REDUCE_THREADS)
    fssim_general_reduce(const __grid_constant__ GeneralReduceParams p) {
    __shared__ double warp_sums[2][REDUCE_THREADS / 32];
    const long long first = blockIdx.x * p.per_group;
    const bool loss = p.pixel_sums != nullptr;
    const double dissimilarity = sum_of(p.sums + first, p.per_group, warp_sums[0]);
    const double pixels = loss ? sum_of(p.pixel_sums + first, p.per_group, warp_sums[1]) : 0.0;
    if (threadIdx.x != 0) return;
    double map_weight = p.map_weight;
    double map_total = p.map_total;
    double pixel_total = p.pixel_total;
    if (p.totals != nullptr) {
        const double* const totals = p.totals + 2LL * blockIdx.x;
        map_weight = totals[0];
        map_total = p.divisor != 0.0 ? p.divisor : map_weight;
        pixel_total = p.divisor != 0.0 ? p.divisor : totals[1];
    }
    // Where there is no weight nothing is compared, and nothing differs.
    double value = p.base;
    if (map_total != 0.0) value = p.base * (map_weight / map_total) - p.scale * (dissimilarity / map_total);
    if (!loss) {
        p.out[blockIdx.x] = static_cast<float>(value);
        return;
    }
    const double pixel_loss = pixel_total == 0.0 ? 0.0 : pixels / pixel_total;
    const long long groups = gridDim.x;
    p.out[blockIdx.x] = static_cast<float>(share(1.0 - p.lambda, pixel_loss) + share(p.lambda, value));
    p.out[groups + blockIdx.x] = static_cast<float>(pixel_loss);
    p.out[2 * groups + blockIdx.x] = static_cast<float>(value);
}
