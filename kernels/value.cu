// SSIM alone, and with the partial derivatives that backward.cu starts from.
//
// A stage of a block: vertical filter of the four moment planes into shared memory, barrier, horizontal filter and SSIM.
// Shared memory holds two stages, so one barrier a stage is enough.
#include "map.cuh"

template <int T>
struct ValueTile {
    static constexpr int OUT_COLUMNS = (T - HALO) / GROUP * GROUP;
    static constexpr int PITCH = T + WINDOW - GROUP;    // the last group's window ends past the last column
    static constexpr int PLANE = STAGE_ROWS * PITCH;
    static constexpr int BUFFER = MOMENTS * PLANE;
    static constexpr int SHARED_BYTES = 2 * BUFFER * sizeof(float);
    static_assert(PITCH % 4 == 0, "rows in shared memory must start at multiples of 16 bytes");
};

constexpr int SAVED_PLANES = 4;    // pu, pv and the mean part for either image

template <int T, bool SAVE>
__device__ __forceinline__ void value(const StripParams& p) {
    using Tile = ValueTile<T>;
    const int t = threadIdx.x;
    const int stage_row = t / (T / GROUP);
    const int group_column = t % (T / GROUP) * GROUP;
    const Strip strip = locate_strip<Tile::OUT_COLUMNS>(p);
    float* const moments = dynamic_shared();

    ColumnLoader pixels(p, strip.plane, strip.column - RADIUS + t, strip.row - RADIUS);
    MomentFilters filters;
    filters.clear();
    const ColumnRange map_columns(strip.column + group_column, p.map_left, p.map_right);
    CompensatedSum sum;

    const int stages = (strip.row_end - strip.row + HALO + STAGE_ROWS - 1) / STAGE_ROWS;
    pixels.fetch();
    for (int stage = 0; stage < stages; stage++) {
        float* const buffer = moments + (stage & 1) * Tile::BUFFER;
#pragma unroll
        for (int j = 0; j < STAGE_ROWS; j++)
            filters.push(pixels.x[j], pixels.y[j], p, buffer + j * Tile::PITCH + t, Tile::PLANE);
        __syncthreads();
        if (stage + 1 < stages) pixels.fetch();

        const MapGroup group{strip.plane, strip.row - HALO + stage * STAGE_ROWS + stage_row, strip.column + group_column};
        if (!in_range(group.row, strip.row, strip.row_end) || group_column >= Tile::OUT_COLUMNS) continue;
        float m[MOMENTS][GROUP];
        read_moments<Tile::PLANE>(buffer + stage_row * Tile::PITCH + group_column, p, m);
        const bool row_in_map = group.row_in_map(p);
        float dissimilarity[GROUP];
        float partial[SAVED_PLANES][GROUP];
#pragma unroll
        for (int i = 0; i < GROUP; i++) {
            const PixelSsim pixel({m[0][i], m[1][i], m[2][i], m[3][i]}, p);
            dissimilarity[i] = pixel.dissimilarity;
            partial[0][i] = pixel.pu;
            partial[1][i] = pixel.pv;
            partial[2][i] = pixel.mean_u - pixel.mean_v;
            partial[3][i] = pixel.mean_u + pixel.mean_v;
        }
        if (row_in_map) {
            add_group(sum, dissimilarity, map_columns);
            if (p.map != nullptr) store_map(p, group, dissimilarity, map_columns);
        }
        if (SAVE && group.column < p.saved_pitch) {
            const long long offset = group.saved_offset(p);
            float* const saved[SAVED_PLANES] = {p.saved_pu, p.saved_pv, p.saved_mean1, p.saved_mean2};
#pragma unroll
            for (int i = 0; i < SAVED_PLANES; i++) {
                if (saved[i] == nullptr) continue;
                store_group(saved[i] + offset, partial[i]);
                clear_outside(saved[i] + offset, row_in_map, map_columns);
            }
        }
    }
    block_sum<T>(sum, p.partials + blockIdx.x);
}

static_assert(ValueTile<STRIP_THREADS>::OUT_COLUMNS == STRIP_COLUMNS, "the host counts strips by STRIP_COLUMNS");
static_assert(ValueTile<STRIP_THREADS>::SHARED_BYTES == VALUE_SHARED_BYTES, "the host launches with VALUE_SHARED_BYTES");

extern "C" __global__ void __launch_bounds__(STRIP_THREADS, STRIP_BLOCKS_PER_MULTIPROCESSOR) fssim_value(const __grid_constant__ StripParams p) {
    value<STRIP_THREADS, false>(p);
}

extern "C" __global__ void __launch_bounds__(STRIP_THREADS, STRIP_BLOCKS_PER_MULTIPROCESSOR) fssim_forward(const __grid_constant__ StripParams p) {
    value<STRIP_THREADS, true>(p);
}
