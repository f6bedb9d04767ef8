// Sums of masks and of what the blocks of general_map.cu left, in f64, always in the same order.
#include "general.cuh"

// The sum of `values` over a block of REDUCE_THREADS, for thread 0.
__device__ __forceinline__ double sum_of(const double* values, long long count, double* shared) {
    double total = 0.0;
    for (long long i = threadIdx.x; i < count; i += REDUCE_THREADS) total += values[i];
    return block_sum<REDUCE_THREADS>(total, shared);
}

// Columns, and rows that a thread loads at a time, so that their loads are under way together.
static_assert(WEIGHT_COLUMNS == GENERAL_THREADS * QUAD, "a thread takes a quad of columns");
constexpr int WEIGHT_ROWS = GENERAL_ROWS / 2;

// The sum of a thread's weights, in pairs: in f32 it is off by its last bits at most.
__device__ __forceinline__ float sum_of(float (&weight)[WEIGHT_ROWS][QUAD]) {
    float row[WEIGHT_ROWS];
#pragma unroll
    for (int k = 0; k < WEIGHT_ROWS; k++) row[k] = (weight[k][0] + weight[k][1]) + (weight[k][2] + weight[k][3]);
#pragma unroll
    for (int step = 1; step < WEIGHT_ROWS; step *= 2)
#pragma unroll
        for (int k = 0; k < WEIGHT_ROWS; k += 2 * step) row[k] += row[k + step];
    return row[0];
}

// Weights of a part of a mask: of its map pixels, and of all.
extern "C" __global__ void __launch_bounds__(GENERAL_THREADS, 8)
    fssim_general_weights(const __grid_constant__ WeightParams p) {
    __shared__ double warp_sums[2][WARPS];
    const int plane = p.first_plane + static_cast<int>(blockIdx.x / static_cast<unsigned>(p.chunks));
    const int chunk = static_cast<int>(blockIdx.x % static_cast<unsigned>(p.chunks));
    const int first_row = p.own_begin + chunk / p.column_chunks * GENERAL_ROWS;
    const int column = chunk % p.column_chunks * WEIGHT_COLUMNS + static_cast<int>(threadIdx.x) * QUAD;
    const char* const first = element_address(p.mask, plane / p.channels, plane % p.channels, first_row, column);
    const bool quads = has_quads(p.mask, first) && column + QUAD <= p.width;
    const bool bytes = p.mask.element == ELEMENT_U8;
    double map = 0.0;
    double pixels = 0.0;
    for (int part = 0; part < GENERAL_ROWS; part += WEIGHT_ROWS) {
        float weight[WEIGHT_ROWS][QUAD] = {};
#pragma unroll
        for (int k = 0; k < WEIGHT_ROWS; k++) {
            const char* const address = first + (part + k) * p.mask.stride_h;
            const bool own_row = first_row + part + k < p.own_end;
            bool wanted[QUAD];
#pragma unroll
            for (int i = 0; i < QUAD; i++) wanted[i] = own_row && column + i < p.width;
            if (!quads)
                load_weight_bits(p.mask, address, p.mask.stride_w, wanted, weight[k]);
            else if (own_row)
                load_quad<Elements::ANY>(address, p.mask.element_bytes, weight[k]);
        }
        // A byte that is not 0 is none as a float either.
#pragma unroll
        for (int k = 0; k < WEIGHT_ROWS; k++) {
            if (quads && bytes) convert_quad<ELEMENT_U8, 8>(weight[k]);
#pragma unroll
            for (int i = 0; i < QUAD; i++) weight[k][i] = weight_of_bits(p.mask, weight[k][i]);
        }
        pixels += static_cast<double>(sum_of(weight));
#pragma unroll
        for (int k = 0; k < WEIGHT_ROWS; k++) {
            const bool in_map = in_range(first_row + part + k, p.map_top, p.map_bottom);
#pragma unroll
            for (int i = 0; i < QUAD; i++)
                if (!in_map || !in_range(column + i, p.map_left, p.map_right)) weight[k][i] = 0.0f;
        }
        map += static_cast<double>(sum_of(weight));
    }
    map = block_sum<GENERAL_THREADS>(map, warp_sums[0]);
    pixels = block_sum<GENERAL_THREADS>(pixels, warp_sums[1]);
    if (threadIdx.x != 0) return;
    p.sums[blockIdx.x] = map;
    p.pixel_sums[blockIdx.x] = pixels;
}

// The weights of each group of planes.
extern "C" __global__ void __launch_bounds__(REDUCE_THREADS)
    fssim_general_totals(const __grid_constant__ TotalParams p) {
    __shared__ double warp_sums[2][REDUCE_THREADS / 32];
    const long long first = blockIdx.x / p.groups_per_sum * p.per_sum;
    const double map = sum_of(p.sums + first, p.per_sum, warp_sums[0]);
    const double pixels = sum_of(p.pixel_sums + first, p.per_sum, warp_sums[1]);
    if (threadIdx.x != 0) return;
    double* const totals = p.totals + 2LL * blockIdx.x;
    totals[0] = p.repeats * map;
    totals[1] = p.repeats * pixels;
}

// A part of a loss without weight has no say, whatever it is.
__device__ __forceinline__ double share(double weight, double part) { return weight == 0.0 ? 0.0 : weight * part; }

// The values: of SSIM, or of a loss, [3][groups]: the loss, the pixel loss, the dissimilarity.
extern "C" __global__ void __launch_bounds__(REDUCE_THREADS)
    fssim_general_reduce(const __grid_constant__ GeneralReduceParams p) {
    __shared__ double warp_sums[3][REDUCE_THREADS / 32];
    const long long first = blockIdx.x * p.per_group;
    const bool loss = p.pixel_sums != nullptr;
    const double dissimilarity = sum_of(p.sums + first, p.per_group, warp_sums[0]);
    const double pixels = loss ? sum_of(p.pixel_sums + first, p.per_group, warp_sums[1]) : 0.0;
    const double weights = p.weight_sums ? sum_of(p.weight_sums + first, p.per_group, warp_sums[2]) : 0.0;
    if (threadIdx.x != 0) return;
    double map_weight = p.map_weight;
    double map_total = p.map_total;
    double pixel_total = p.pixel_total;
    if (p.totals != nullptr) {
        const double* const totals = p.totals + 2LL * blockIdx.x;
        map_weight = totals[0];
        pixel_total = p.divisor != 0.0 ? p.divisor : totals[1];
    } else if (p.weight_sums != nullptr) {
        map_weight = weights;
    }
    const bool weighted = p.totals != nullptr || p.weight_sums != nullptr;
    if (weighted) map_total = p.divisor != 0.0 ? p.divisor : map_weight;
    // Where there is no weight nothing is compared, and nothing differs.
    double value = p.base;
    if (map_total != 0.0) value = p.base * (map_weight / map_total) - p.scale * (dissimilarity / map_total);
    if (!loss) {
        p.out[blockIdx.x] = static_cast<float>(value);
        return;
    }
    const double pixel_loss = p.pixel_unit * divided(pixels, pixel_total);
    const long long groups = gridDim.x;
    p.out[blockIdx.x] = static_cast<float>(share(1.0 - p.lambda, pixel_loss) + share(p.lambda, value));
    p.out[groups + blockIdx.x] = static_cast<float>(pixel_loss);
    p.out[2 * groups + blockIdx.x] = static_cast<float>(value);
}
