// SSIM, alone and with its gradient, for small images.
//
// A strip kernel marches down its rows, which takes its time however few they are. Here a block takes one tile, all threads
// do every part of the way at once, and nothing is carried from row to row: more work on halos, but a few microseconds from
// start to end. src/cuda/plan.rs decides which is faster.
//
//   pixels -> u, v | vertical moments | SSIM and partial derivatives | vertical filter | gradient      (| barrier)
//
// Each part reads one area of shared memory and writes the other, in turn.
#include "gradient_groups.cuh"

// Sizes of the parts of a tile. HALOS: how many filters lie between the pixels and the output.
template <int HALOS, int BLOCK_THREADS>
struct Tile {
    static constexpr int THREADS = BLOCK_THREADS;
    static constexpr int MAP_HALO = (HALOS - 1) * RADIUS;
    static constexpr int MAP_ROWS = TILE_ROWS + 2 * MAP_HALO;
    static constexpr int MAP_GROUPS = (TILE_COLUMNS + 2 * MAP_HALO + GROUP - 1) / GROUP;
    // Whole groups, in both directions.
    static constexpr int MOMENT_ROWS = (MAP_ROWS + GROUP - 1) / GROUP * GROUP;
    static constexpr int PIXEL_COLUMNS = (MAP_GROUPS - 1) * GROUP + WINDOW;
    // Rows are loaded several at once; the last load may go past those that are needed.
    static constexpr int ROWS_AT_ONCE = THREADS / PIXEL_COLUMNS;
    static constexpr int LOADS = (MOMENT_ROWS + HALO + ROWS_AT_ONCE - 1) / ROWS_AT_ONCE;
    static constexpr int PIXEL_ROWS = LOADS * ROWS_AT_ONCE;

    using Pixels = SharedRows<PIXEL_COLUMNS, PIXEL_ROWS * PIXEL_COLUMNS>;
    using Moments = SharedRows<PIXEL_COLUMNS, MOMENT_ROWS * PIXEL_COLUMNS>;
    using Partials = SharedRows<MAP_GROUPS * GROUP, MAP_ROWS * MAP_GROUPS * GROUP>;
    using Filtered = SharedRows<MAP_GROUPS * GROUP, TILE_ROWS * MAP_GROUPS * GROUP>;

    static constexpr int PIXEL_FLOATS = 2 * Pixels::PLANE;
    static constexpr int BYTES = (PIXEL_FLOATS + MOMENTS * Moments::PLANE) * sizeof(float);
};

using ValueTile = Tile<1, TILE_VALUE_THREADS>;
using FusedTile = Tile<2, TILE_FUSED_THREADS>;

static_assert(TILE_ROWS % GROUP == 0 && TILE_COLUMNS % GROUP == 0, "groups must fill a tile");
static_assert(TILE_VALUE_SHARED_BYTES == ValueTile::BYTES && TILE_FUSED_SHARED_BYTES == FusedTile::BYTES,
              "the host launches with these bytes");
static_assert(PARTIALS<1> * FusedTile::Partials::PLANE <= FusedTile::PIXEL_FLOATS &&
                  PARTIALS<1> * FusedTile::Filtered::PLANE <= MOMENTS * FusedTile::Moments::PLANE,
              "partial derivatives take the place of pixels, their filtered rows that of moments");
static_assert(ValueTile::MAP_ROWS * ValueTile::MAP_GROUPS <= TILE_VALUE_THREADS &&
                  FusedTile::MAP_ROWS * FusedTile::MAP_GROUPS <= TILE_FUSED_THREADS,
              "every group of the map has a thread");

// The window of GROUP rows of one column.
template <int PITCH>
__device__ __forceinline__ void load_column(const float* column, float (&window)[WINDOW]) {
#pragma unroll
    for (int i = 0; i < GROUP + HALO; i++) window[i] = column[i * PITCH];
}

template <int PITCH>
__device__ __forceinline__ void store_column(float* column, const float (&value)[GROUP]) {
#pragma unroll
    for (int i = 0; i < GROUP; i++) column[i * PITCH] = value[i];
}

// Every thread has one column, and every ROWS_AT_ONCE-th row of it. All its pixels are on their way before the first is
// used; outside the image there are zeros.
template <Elements ELEMENTS, typename TILE, Mean MEAN, bool LOSS>
__device__ __forceinline__ void load_pixels(const StripParams& p, const Strip& tile, float* pixels,
                                            PixelLoss<LOSS>& loss) {
    constexpr int STEP = TILE::ROWS_AT_ONCE;
    constexpr int COLUMNS = TILE::PIXEL_COLUMNS;
    if (threadIdx.x >= STEP * COLUMNS) return;
    const int first_row = tile.row - TILE::MAP_HALO - RADIUS + static_cast<int>(threadIdx.x) / COLUMNS;
    const int column = tile.column - TILE::MAP_HALO - RADIUS + static_cast<int>(threadIdx.x) % COLUMNS;
    bool inside[TILE::LOADS];
#pragma unroll
    for (int k = 0; k < TILE::LOADS; k++)
        inside[k] = static_cast<unsigned>(column) < static_cast<unsigned>(p.width) &&
                    static_cast<unsigned>(first_row + k * STEP) < static_cast<unsigned>(p.height);
    float x[TILE::LOADS];
    float y[TILE::LOADS];
    load_bits<ELEMENTS>(pixel_address(p.img1, p, tile.plane, first_row, column), STEP * p.img1.stride_h,
                        p.img1.element_bytes, inside, x);
    load_bits<ELEMENTS>(pixel_address(p.img2, p, tile.plane, first_row, column), STEP * p.img2.stride_h,
                        p.img2.element_bytes, inside, y);
    if (ELEMENTS == Elements::ANY) {
        convert_elements(x, p.img1.element);
        convert_elements(y, p.img2.element);
    }
    sums_and_differences_of_numbers(p.pixel_mode & PIXELS_SCALED, p, x, y);
    float* const to = pixels + threadIdx.x;
#pragma unroll
    for (int k = 0; k < TILE::LOADS; k++) {
        to[k * STEP * COLUMNS] = x[k];
        to[TILE::Pixels::PLANE + k * STEP * COLUMNS] = y[k];
    }
    if constexpr (LOSS) {
        float pixel[TILE::LOADS];
        float derivative[TILE::LOADS];
        compare(y, p, pixel, derivative);
        const bool own_column = in_range(column, tile.column, min(tile.column + TILE_COLUMNS, p.width));
        const PixelWeights<MEAN == Mean::WEIGHTED> weights(p, tile.plane, first_row, column);
#pragma unroll
        for (int k = 0; k < TILE::LOADS; k++) {
            if (!own_column || !in_range(first_row + k * STEP, tile.row, tile.row_end)) continue;
            if constexpr (MEAN == Mean::WEIGHTED) pixel[k] = weighted(weights.load(k * STEP), pixel[k]);
            loss.sum.add(pixel[k]);
        }
    }
}

// Which groups of rows of which column a thread filters: first, first + AT_ONCE and so on, all in one column.
template <int COLUMNS, int THREADS>
struct ColumnGroups {
    static constexpr int AT_ONCE = THREADS / COLUMNS;
    int column;
    int first;

    __device__ __forceinline__ ColumnGroups() : column(threadIdx.x % COLUMNS), first(threadIdx.x / COLUMNS) {}

    // One past the last of `count` groups; threads that are left over have none.
    __device__ __forceinline__ int end(int count) const { return first < AT_ONCE ? count : 0; }
};

template <typename TILE>
__device__ __forceinline__ void vertical_moments(const StripParams& p, const float* pixels, float* moments) {
    constexpr int COLUMNS = TILE::PIXEL_COLUMNS;
    constexpr int GROUPS = TILE::MOMENT_ROWS / GROUP;
    const ColumnGroups<COLUMNS, TILE::THREADS> groups;
    for (int i = groups.first; i < groups.end(2 * GROUPS); i += groups.AT_ONCE) {
        const int plane = i / GROUPS;
        const int at = i % GROUPS * (GROUP * COLUMNS) + groups.column;
        float distance[WINDOW];
        float variances[WINDOW] = {};
        load_column<COLUMNS>(pixels + plane * TILE::Pixels::PLANE + at, distance);
        float mean[GROUP];
        float variance[GROUP];
        window_variance(distance, variances, p, mean, variance);
        store_column<COLUMNS>(moments + plane * TILE::Moments::PLANE + at, mean);
        store_column<COLUMNS>(moments + (2 + plane) * TILE::Moments::PLANE + at, variance);
    }
}

__device__ __forceinline__ void vertical_partials(const StripParams& p, const float* partials, float* filtered) {
    constexpr int COLUMNS = FusedTile::Partials::PITCH;
    constexpr int GROUPS = TILE_ROWS / GROUP;
    const ColumnGroups<COLUMNS, TILE_FUSED_THREADS> groups;
    for (int i = groups.first; i < groups.end(PARTIALS<1> * GROUPS); i += groups.AT_ONCE) {
        const int plane = i / GROUPS;
        const int at = i % GROUPS * (GROUP * COLUMNS) + groups.column;
        float window[WINDOW];
        load_column<COLUMNS>(partials + plane * FusedTile::Partials::PLANE + at, window);
        float out[GROUP];
        filter_window(window, p, out);
        store_column<COLUMNS>(filtered + plane * FusedTile::Filtered::PLANE + at, out);
    }
}

// From the pixels to the map. Returns the thread's part of the sums. `loss`: receives its part of the pixel losses.
template <Elements ELEMENTS, typename TILE, Keep KEEP, Mean MEAN, bool LOSS>
__device__ __forceinline__ MapSums tile_map(const StripParams& p, const Strip& tile, float* pixels, float* moments,
                                            PixelLoss<LOSS>& loss) {
    load_pixels<ELEMENTS, TILE, MEAN>(p, tile, pixels, loss);
    __syncthreads();
    vertical_moments<TILE>(p, pixels, moments);
    __syncthreads();
    const GroupPlace place{static_cast<int>(threadIdx.x) / TILE::MAP_GROUPS,
                           static_cast<int>(threadIdx.x) % TILE::MAP_GROUPS * GROUP};
    MapGroups<KEEP, typename TILE::Moments, typename TILE::Partials, MEAN> map(
        p, tile, TILE_COLUMNS, TILE::MAP_HALO, tile.row - TILE::MAP_HALO, 0, place, moments, pixels);
    if (place.row < TILE::MAP_ROWS) map.step(0, 0);
    return map.sums;
}

// LOSS: with a comparison of single pixels.
template <Elements ELEMENTS, bool LOSS, Mean MEAN = Mean::PLAIN>
__device__ __forceinline__ void tile_value(const StripParams& p) {
    float* const pixels = dynamic_shared();
    float* const moments = pixels + ValueTile::PIXEL_FLOATS;
    const Strip tile(p, TILE_COLUMNS);
    PixelLoss<LOSS> loss;
    const MapSums sums = tile_map<ELEMENTS, ValueTile, Keep::NOTHING, MEAN>(p, tile, pixels, moments, loss);
    write_map_sums<TILE_VALUE_THREADS, MEAN>(sums, loss, p);
}

template <Elements ELEMENTS, bool LOSS, Mean MEAN = Mean::PLAIN>
__device__ __forceinline__ void tile_value_and_grad(const StripParams& p) {
    float* const pixels = dynamic_shared();
    float* const partials = pixels;
    float* const moments = pixels + FusedTile::PIXEL_FLOATS;
    float* const filtered = moments;
    const Strip tile(p, TILE_COLUMNS);
    PixelLoss<false> none;
    const MapSums sums = tile_map<ELEMENTS, FusedTile, Keep::IN_SHARED, MEAN>(p, tile, pixels, moments, none);
    constexpr int GROUPS = TILE_COLUMNS / GROUP;
    const bool has_gradient = threadIdx.x < TILE_ROWS * GROUPS;
    const GroupPlace place{static_cast<int>(threadIdx.x) / GROUPS, static_cast<int>(threadIdx.x) % GROUPS * GROUP};
    GradientGroups<ELEMENTS, FusedTile::Filtered, LOSS, MEAN> gradient(p);
    if (has_gradient) {
        gradient.begin(tile, TILE_COLUMNS, tile.row, place, filtered);
        // The pixels come while the partial derivatives are filtered.
        gradient.fetch();
    }
    __syncthreads();
    vertical_partials(p, partials, filtered);
    __syncthreads();
    if (has_gradient) gradient.step(0);
    write_block_sum<TILE_FUSED_THREADS>(sums.dissimilarity, gradient.loss, p);
}

// Two blocks less a multiprocessor where elements are converted, for the registers that this takes.
extern "C" __global__ void __launch_bounds__(TILE_VALUE_THREADS, TILE_VALUE_BLOCKS_PER_MULTIPROCESSOR)
    fssim_tile_value(const __grid_constant__ StripParams p) {
    tile_value<Elements::F32, false>(p);
}

extern "C" __global__ void __launch_bounds__(TILE_VALUE_THREADS, TILE_VALUE_BLOCKS_PER_MULTIPROCESSOR - 2)
    fssim_tile_value_of_any_type(const __grid_constant__ StripParams p) {
    tile_value<Elements::ANY, false>(p);
}

extern "C" __global__ void __launch_bounds__(TILE_VALUE_THREADS, TILE_VALUE_BLOCKS_PER_MULTIPROCESSOR)
    fssim_tile_loss(const __grid_constant__ StripParams p) {
    tile_value<Elements::F32, true>(p);
}

extern "C" __global__ void __launch_bounds__(TILE_VALUE_THREADS, TILE_VALUE_BLOCKS_PER_MULTIPROCESSOR - 2)
    fssim_tile_loss_of_any_type(const __grid_constant__ StripParams p) {
    tile_value<Elements::ANY, true>(p);
}

extern "C" __global__ void __launch_bounds__(TILE_FUSED_THREADS, TILE_FUSED_BLOCKS_PER_MULTIPROCESSOR)
    fssim_tile_value_and_grad(const __grid_constant__ StripParams p) {
    tile_value_and_grad<Elements::F32, false>(p);
}

extern "C" __global__ void __launch_bounds__(TILE_FUSED_THREADS, TILE_FUSED_BLOCKS_PER_MULTIPROCESSOR)
    fssim_tile_value_and_grad_of_any_type(const __grid_constant__ StripParams p) {
    tile_value_and_grad<Elements::ANY, false>(p);
}

extern "C" __global__ void __launch_bounds__(TILE_FUSED_THREADS, TILE_FUSED_BLOCKS_PER_MULTIPROCESSOR)
    fssim_tile_loss_and_grad(const __grid_constant__ StripParams p) {
    tile_value_and_grad<Elements::F32, true>(p);
}

extern "C" __global__ void __launch_bounds__(TILE_FUSED_THREADS, TILE_FUSED_BLOCKS_PER_MULTIPROCESSOR)
    fssim_tile_loss_and_grad_of_any_type(const __grid_constant__ StripParams p) {
    tile_value_and_grad<Elements::ANY, true>(p);
}

extern "C" __global__ void __launch_bounds__(TILE_VALUE_THREADS, TILE_VALUE_BLOCKS_PER_MULTIPROCESSOR - 2)
    fssim_tile_value_masked(const __grid_constant__ StripParams p) {
    tile_value<Elements::ANY, false, Mean::WEIGHTED>(p);
}

extern "C" __global__ void __launch_bounds__(TILE_VALUE_THREADS, TILE_VALUE_BLOCKS_PER_MULTIPROCESSOR - 2)
    fssim_tile_loss_masked(const __grid_constant__ StripParams p) {
    tile_value<Elements::ANY, true, Mean::WEIGHTED>(p);
}

extern "C" __global__ void __launch_bounds__(TILE_FUSED_THREADS, TILE_FUSED_BLOCKS_PER_MULTIPROCESSOR)
    fssim_tile_value_and_grad_masked(const __grid_constant__ StripParams p) {
    tile_value_and_grad<Elements::ANY, false, Mean::WEIGHTED>(p);
}

extern "C" __global__ void __launch_bounds__(TILE_FUSED_THREADS, TILE_FUSED_BLOCKS_PER_MULTIPROCESSOR)
    fssim_tile_loss_and_grad_masked(const __grid_constant__ StripParams p) {
    tile_value_and_grad<Elements::ANY, true, Mean::WEIGHTED>(p);
}
