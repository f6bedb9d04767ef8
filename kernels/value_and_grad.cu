// SSIM and its gradient in one pass: nothing but the two images and the gradient touches device memory.
//
// A stage of a block, with two filters in each direction in flight at once:
//   vertical 1    pixels -> four moment planes                          T threads, one column each
//   vertical 2    partial planes of earlier map rows -> filtered        the same threads, RADIUS columns further right
//   barrier
//   horizontal 1  moments -> SSIM -> three partial planes               STAGE_ROWS x T / GROUP groups
//   horizontal 2  filtered partials and the pixels again -> gradient    the same groups
// Rows lag behind the pixels by RADIUS after each vertical filter. Map rows and columns around the owned rectangle are
// computed again by the neighbouring blocks; storing and loading three partial planes would cost more.
//
// With two buffers for everything in shared memory one barrier a stage is enough, and warps of one stage's horizontal
// part overlap with the next stage's vertical part. With one buffer it takes two barriers and half the memory.
#include "gradient.cuh"

template <int T, int BUFFERS>
struct FusedTile {
    static constexpr int OUT_COLUMNS = T - 2 * HALO;
    static constexpr int PITCH = T + WINDOW - GROUP;    // the last group's window ends past the last column
    static constexpr int MOMENT_PLANE = STAGE_ROWS * PITCH;
    static constexpr int MOMENT_BUFFER = MOMENTS * MOMENT_PLANE;
    static constexpr int PARTIAL_PLANE = STAGE_ROWS * T;
    static constexpr int PARTIAL_BUFFER = PARTIALS * PARTIAL_PLANE;
    static constexpr int FILTERED_PLANE = STAGE_ROWS * PITCH;
    static constexpr int FILTERED_BUFFER = PARTIALS * FILTERED_PLANE;
    static constexpr int SHARED_BYTES = BUFFERS * (MOMENT_BUFFER + PARTIAL_BUFFER + FILTERED_BUFFER) * sizeof(float);
    static_assert(OUT_COLUMNS % GROUP == 0, "gradient groups must start at multiples of 16 bytes");
    static_assert(PITCH % 4 == 0, "rows in shared memory must start at multiples of 16 bytes");
};

template <int T, int BUFFERS>
__device__ __forceinline__ void value_and_grad(const StripParams& p) {
    using Tile = FusedTile<T, BUFFERS>;
    constexpr int LAG = BUFFERS;    // stages between a partial row's making and its vertical filter
    const int t = threadIdx.x;
    const int stage_row = t / (T / GROUP);
    const int group_column = t % (T / GROUP) * GROUP;
    const Strip strip = locate_strip<Tile::OUT_COLUMNS>(p);

    float* const moments = dynamic_shared();
    float* const partials = moments + BUFFERS * Tile::MOMENT_BUFFER;
    float* const filtered = partials + BUFFERS * Tile::PARTIAL_BUFFER;

    // Thread t's column in the vertical parts; the horizontal parts then find their windows at 16-byte boundaries.
    ColumnLoader pixels(p, strip.plane, strip.column - HALO + t, strip.row - HALO);
    MomentFilters moment_filters;
    moment_filters.clear();
    VerticalFilter partial_filters[PARTIALS];
#pragma unroll
    for (int i = 0; i < PARTIALS; i++) partial_filters[i].clear();

    const float grad_scale = p.grad_scale * upstream_of_plane(p, strip.plane);
    const int map_column = strip.column - RADIUS + group_column;
    const ColumnRange map_columns(map_column, p.map_left, p.map_right);
    const ColumnRange owned_columns(map_column, max(strip.column, p.map_left),
                                    min(strip.column + Tile::OUT_COLUMNS, p.map_right));
    const bool grad_columns = group_column < Tile::OUT_COLUMNS && strip.column + group_column < p.width;
    GradientWriter gradient(p, strip.plane, strip.column + group_column);
    CompensatedSum sum;

    const int pixel_stages = (strip.row_end - strip.row + 2 * HALO + STAGE_ROWS - 1) / STAGE_ROWS;
    pixels.fetch();
    for (int stage = 0; stage < pixel_stages + LAG; stage++) {
        const int buffer = BUFFERS == 1 ? 0 : stage & 1;
        // Row of the pixels, the map and the gradient that this stage's first row stands for.
        const int pixel_row = strip.row - HALO + stage * STAGE_ROWS;
        const int map_row = pixel_row - RADIUS;
        const int grad_row = pixel_row - 2 * RADIUS - LAG * STAGE_ROWS;

        if (stage < pixel_stages) {
            float* out = moments + buffer * Tile::MOMENT_BUFFER + t;
#pragma unroll
            for (int j = 0; j < STAGE_ROWS; j++)
                moment_filters.push(pixels.x[j], pixels.y[j], p, out + j * Tile::PITCH, Tile::MOMENT_PLANE);
        }
        // The first map rows that matter are RADIUS above the first output row.
        constexpr int FIRST_MAP_STAGE = HALO / STAGE_ROWS;
        if (stage >= FIRST_MAP_STAGE + LAG) {
            const float* in = partials + buffer * Tile::PARTIAL_BUFFER + t;
            float* out = filtered + buffer * Tile::FILTERED_BUFFER + t;
#pragma unroll
            for (int j = 0; j < STAGE_ROWS; j++)
#pragma unroll
                for (int i = 0; i < PARTIALS; i++)
                    out[i * Tile::FILTERED_PLANE + j * Tile::PITCH] =
                        partial_filters[i].push(in[i * Tile::PARTIAL_PLANE + j * T], p);
        }
        const int row = grad_row + stage_row;
        const bool has_gradient = in_range(row, strip.row, strip.row_end) && grad_columns;
        if (has_gradient) gradient.fetch(row);
        __syncthreads();

        if (has_gradient) {
            float g[PARTIALS][GROUP];
            const float* in = filtered + buffer * Tile::FILTERED_BUFFER + stage_row * Tile::PITCH + group_column;
#pragma unroll
            for (int i = 0; i < PARTIALS; i++) horizontal_filter(in + i * Tile::FILTERED_PLANE, p, g[i]);
            gradient.write(row, grad_scale, g);
        }
        if (stage + 1 < pixel_stages) pixels.fetch();
        if (stage >= FIRST_MAP_STAGE && stage < pixel_stages) {
            float m[MOMENTS][GROUP];
            read_moments<Tile::MOMENT_PLANE>(
                moments + buffer * Tile::MOMENT_BUFFER + stage_row * Tile::PITCH + group_column, p, m);
            const MapGroup group{strip.plane, map_row + stage_row, map_column};
            const bool row_in_map = group.row_in_map(p);
            float dissimilarity[GROUP];
            float partial[PARTIALS][GROUP];
#pragma unroll
            for (int i = 0; i < GROUP; i++) {
                const PixelSsim pixel({m[0][i], m[1][i], m[2][i], m[3][i]}, p);
                dissimilarity[i] = pixel.dissimilarity;
                partial[0][i] = pixel.mean_u - pixel.mean_v;
                partial[1][i] = pixel.pu;
                partial[2][i] = pixel.pv;
            }
            if (row_in_map && in_range(group.row, strip.row, strip.row_end)) {
                add_group(sum, dissimilarity, owned_columns);
                if (p.map != nullptr) store_map(p, group, dissimilarity, owned_columns);
            }
            if (p.upstream_mode == UPSTREAM_MAP && row_in_map) scale_by_upstream(p, group, map_columns, partial);
            float* out = partials + buffer * Tile::PARTIAL_BUFFER + stage_row * T + group_column;
#pragma unroll
            for (int i = 0; i < PARTIALS; i++) {
                store_group(out + i * Tile::PARTIAL_PLANE, partial[i]);
                clear_outside(out + i * Tile::PARTIAL_PLANE, row_in_map, map_columns);
            }
        }
        if (BUFFERS == 1) __syncthreads();
    }
    block_sum<T>(sum, p.partials + blockIdx.x);
}

static_assert(FusedTile<STRIP_THREADS, 1>::OUT_COLUMNS == FUSED_STRIP_COLUMNS,
              "the host counts strips by FUSED_STRIP_COLUMNS");
static_assert(FusedTile<STRIP_THREADS, 1>::SHARED_BYTES == FUSED_SHARED_BYTES, "the host launches with FUSED_SHARED_BYTES");

extern "C" __global__ void __launch_bounds__(STRIP_THREADS, STRIP_BLOCKS_PER_MULTIPROCESSOR) fssim_value_and_grad(const __grid_constant__ StripParams p) {
    value_and_grad<STRIP_THREADS, 1>(p);
}
