// Sums of masks and of what the blocks of general_map.cu left, in f64, always in the same order.
#include "general.cuh"

// Rows of a tile of weights that a thread loads, all under way together: every WEIGHT_WARPS-th, a quad of columns of each.
constexpr int WEIGHT_WARPS = WEIGHT_THREADS / 32;
constexpr int WEIGHT_LOADS = WEIGHT_ROWS / WEIGHT_WARPS;
static_assert(WEIGHT_COLUMNS == 32 * QUAD, "a warp takes a row of a tile");

// A thread's part of the sums of weights over the map, and over all pixels.
struct WeightSums {
    double map = 0.0;
    double pixels = 0.0;
};

// Where a thread reads in a plane of the mask: a quad of columns of some rows.
struct WeightQuads {
    const WeightParams& p;
    const char* first;
    int row;
    int column;

    __device__ __forceinline__ WeightQuads(const WeightParams& params, int plane, int tile) : p(params) {
        const Division place(tile, p.column_tiles);
        row = p.own_begin + place.quotient * WEIGHT_ROWS + static_cast<int>(threadIdx.x) / 32;
        column = place.remainder * WEIGHT_COLUMNS + static_cast<int>(threadIdx.x) % 32 * QUAD;
        const Division image(plane, p.channels);
        first = element_address(p.mask, image.quotient, image.remainder, row, column);
    }

    __device__ __forceinline__ const char* address(int k) const { return first + k * WEIGHT_WARPS * p.mask.stride_h; }
    __device__ __forceinline__ bool owned(int k) const { return row + k * WEIGHT_WARPS < p.own_end; }
    __device__ __forceinline__ bool row_in_map(int k) const {
        return in_range(row + k * WEIGHT_WARPS, p.map_top, p.map_bottom);
    }
    __device__ __forceinline__ bool column_in_map(int i) const { return in_range(column + i, p.map_left, p.map_right); }

    // Of bytes: how many are not 0.
    __device__ __forceinline__ void count(WeightSums& sums) const {
        unsigned word[WEIGHT_LOADS];
#pragma unroll
        for (int k = 0; k < WEIGHT_LOADS; k++)
            word[k] = owned(k) ? __float_as_uint(load_bits<unsigned>(address(k))) : 0;
        // A count for each column.
        unsigned map = 0;
        unsigned pixels = 0;
#pragma unroll
        for (int k = 0; k < WEIGHT_LOADS; k++) {
            const unsigned ones = (((word[k] & 0x7f7f7f7fu) + 0x7f7f7f7fu) | word[k]) >> 7 & 0x01010101u;
            pixels += ones;
            if (row_in_map(k)) map += ones;
        }
#pragma unroll
        for (int i = 0; i < QUAD; i++)
            if (!column_in_map(i)) map &= ~(0xffu << 8 * i);
        sums.map += map * 0x01010101u >> 24;
        sums.pixels += pixels * 0x01010101u >> 24;
    }

    // Floats: QUADS, aligned ones; else anything.
    template <bool QUADS>
    __device__ __forceinline__ void add(WeightSums& sums) const {
        float weight[WEIGHT_LOADS][QUAD] = {};
#pragma unroll
        for (int k = 0; k < WEIGHT_LOADS; k++) {
            bool wanted[QUAD];
#pragma unroll
            for (int i = 0; i < QUAD; i++) wanted[i] = owned(k) && column + i < p.width;
            if (!QUADS)
                load_weight_bits(p.mask, address(k), p.mask.stride_w, wanted, weight[k]);
            else if (owned(k))
                load_quad<Elements::F32>(address(k), p.mask.element_bytes, weight[k]);
        }
        float map[WEIGHT_LOADS];
        float pixels[WEIGHT_LOADS];
#pragma unroll
        for (int k = 0; k < WEIGHT_LOADS; k++) {
            if (!QUADS) convert_weights(p.mask, weight[k]);
            pixels[k] = (weight[k][0] + weight[k][1]) + (weight[k][2] + weight[k][3]);
#pragma unroll
            for (int i = 0; i < QUAD; i++) weight[k][i] = column_in_map(i) ? weight[k][i] : 0.0f;
            map[k] = (weight[k][0] + weight[k][1]) + (weight[k][2] + weight[k][3]);
            map[k] = row_in_map(k) ? map[k] : 0.0f;
        }
        // In pairs: in f32 they are off by their last bits at most.
#pragma unroll
        for (int step = 1; step < WEIGHT_LOADS; step *= 2)
#pragma unroll
            for (int k = 0; k < WEIGHT_LOADS; k += 2 * step) {
                map[k] += map[k + step];
                pixels[k] += pixels[k + step];
            }
        sums.map += map[0];
        sums.pixels += pixels[0];
    }
};

// Parts of the sums of a mask.
extern "C" __global__ void __launch_bounds__(WEIGHT_THREADS, 2)
    fssim_general_weights(const __grid_constant__ WeightParams p) {
    const Division block(static_cast<int>(blockIdx.x), p.parts);
    const Division part(block.remainder, p.tile_parts);
    const long long sum = p.first_sum + block.quotient;
    WeightSums sums;
    for (int plane = part.quotient; plane < p.planes; plane += p.plane_parts) {
        for (int tile = part.remainder; tile < p.tiles; tile += p.tile_parts.value) {
            const WeightQuads quads(p, static_cast<int>(sum * p.planes) + plane, tile);
            if (!has_quads(p.mask, quads.first) || quads.column + QUAD > p.width)
                quads.add<false>(sums);
            else if (p.mask.element == ELEMENT_U8)
                quads.count(sums);
            else
                quads.add<true>(sums);
        }
    }
    double totals[] = {sums.map, sums.pixels};
    block_sums<WEIGHT_THREADS>(totals);
    if (threadIdx.x != 0) return;
    const long long parts = p.parts.value;
#pragma unroll 1
    for (int i = 0; i < p.groups_per_sum; i++) {
        double* const group = p.sums + 2 * parts * (sum * p.groups_per_sum + i);
        group[block.remainder] = p.repeats * totals[0];
        group[parts + block.remainder] = p.repeats * totals[1];
    }
}

// A thread's share of a sum.
__device__ __forceinline__ double share_of(const double* values, long long count) {
    return strided_sum<REDUCE_THREADS, 4>(values, threadIdx.x, count);
}

// The weights of each group of planes.
extern "C" __global__ void __launch_bounds__(REDUCE_THREADS)
    fssim_general_totals(const __grid_constant__ TotalParams p) {
    const double* const sums = p.sums + 2LL * p.parts * blockIdx.x;
    double totals[] = {share_of(sums, p.parts), share_of(sums + p.parts, p.parts)};
    block_sums<REDUCE_THREADS>(totals);
    if (threadIdx.x != 0) return;
    p.totals[2LL * blockIdx.x] = totals[0];
    p.totals[2LL * blockIdx.x + 1] = totals[1];
}

// A part of a loss without weight has no say, whatever it is.
__device__ __forceinline__ double share(double weight, double part) { return weight == 0.0 ? 0.0 : weight * part; }

// The values: of SSIM, or of a loss, [3][groups]: the loss, the pixel loss, the dissimilarity.
extern "C" __global__ void __launch_bounds__(REDUCE_THREADS)
    fssim_general_reduce(const __grid_constant__ GeneralReduceParams p) {
    const long long first = blockIdx.x * p.per_group;
    const double* const weights = p.weight_sums + 2LL * p.weight_parts * blockIdx.x;
    const bool loss = p.pixel_sums != nullptr;
    const bool weighted = p.weight_sums != nullptr || p.map_weights != nullptr;
    // All loads first, so that they are under way together.
    double sums[4] = {share_of(p.sums + first, p.per_group)};
    if (loss) sums[1] = share_of(p.pixel_sums + first, p.per_group);
    if (p.map_weights != nullptr) sums[2] = share_of(p.map_weights + first, p.per_group);
    if (p.weight_sums != nullptr) {
        sums[2] = share_of(weights, p.weight_parts);
        sums[3] = share_of(weights + p.weight_parts, p.weight_parts);
    }
    block_sums<REDUCE_THREADS>(sums);
    if (threadIdx.x != 0) return;
    const auto [dissimilarity, pixels, map_sum, pixel_sum] = sums;
    const double map_weight = weighted ? map_sum : p.map_weight;
    double map_total = p.map_total;
    double pixel_total = p.pixel_total;
    if (weighted) map_total = p.divisor != 0.0 ? p.divisor : map_weight;
    if (p.weight_sums != nullptr) pixel_total = p.divisor != 0.0 ? p.divisor : pixel_sum;
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
