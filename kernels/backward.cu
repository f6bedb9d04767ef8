// The gradient from saved partial planes and an upstream gradient: the second half of value_and_grad.cu on its own.
#include "gradient.cuh"

template <int T>
struct BackwardTile {
    static constexpr int OUT_COLUMNS = (T - HALO) / GROUP * GROUP;
    static constexpr int PITCH = T + WINDOW - GROUP;    // the last group's window ends past the last column
    static constexpr int PLANE = STAGE_ROWS * PITCH;
    static constexpr int BUFFER = PARTIALS * PLANE;
    static constexpr int SHARED_BYTES = 2 * BUFFER * sizeof(float);
    static_assert(PITCH % 4 == 0, "rows in shared memory must start at multiples of 16 bytes");
};

// One column of the three saved planes, times the upstream gradient of its pixels, one stage ahead of its use.
struct PartialLoader {
    const StripParams& p;
    MapGroup pixel;
    long long offset;    // of the pixel in a saved plane
    bool inside;         // the column lies in the map
    float value[PARTIALS][STAGE_ROWS];

    __device__ __forceinline__ PartialLoader(const StripParams& params, int plane, int column, int first_row)
        : p(params), pixel{plane, first_row, column}, offset(pixel.saved_offset(params)), inside(pixel.in_map(0, params)) {}

    __device__ __forceinline__ void fetch() {
#pragma unroll
        for (int j = 0; j < STAGE_ROWS; j++) {
            const bool valid = inside && pixel.row_in_map(p);
            value[0][j] = valid ? __ldg(p.saved_mean1 + offset) : 0.0f;
            value[1][j] = valid ? __ldg(p.saved_pu + offset) : 0.0f;
            value[2][j] = valid ? __ldg(p.saved_pv + offset) : 0.0f;
            if (p.upstream_mode == UPSTREAM_MAP) {
                const float upstream = valid ? __ldg(p.upstream + pixel.map_offset(0, p)) : 0.0f;
#pragma unroll
                for (int i = 0; i < PARTIALS; i++) value[i][j] *= upstream;
            }
            offset += p.saved_pitch;
            pixel.row++;
        }
    }
};

template <int T>
__device__ __forceinline__ void backward(const StripParams& p) {
    using Tile = BackwardTile<T>;
    const int t = threadIdx.x;
    const int stage_row = t / (T / GROUP);
    const int group_column = t % (T / GROUP) * GROUP;
    const Strip strip = locate_strip<Tile::OUT_COLUMNS>(p);
    float* const filtered = dynamic_shared();

    PartialLoader partials(p, strip.plane, strip.column - RADIUS + t, strip.row - RADIUS);
    VerticalFilter filters[PARTIALS];
#pragma unroll
    for (int i = 0; i < PARTIALS; i++) filters[i].clear();
    const float grad_scale = p.grad_scale * upstream_of_plane(p, strip.plane);

    const bool grad_columns = group_column < Tile::OUT_COLUMNS && strip.column + group_column < p.width;
    GradientWriter gradient(p, strip.plane, strip.column + group_column);

    const int stages = (strip.row_end - strip.row + HALO + STAGE_ROWS - 1) / STAGE_ROWS;
    partials.fetch();
    for (int stage = 0; stage < stages; stage++) {
        float* const buffer = filtered + (stage & 1) * Tile::BUFFER;
#pragma unroll
        for (int j = 0; j < STAGE_ROWS; j++)
#pragma unroll
            for (int i = 0; i < PARTIALS; i++)
                buffer[i * Tile::PLANE + j * Tile::PITCH + t] = filters[i].push(partials.value[i][j], p);
        const int row = strip.row - HALO + stage * STAGE_ROWS + stage_row;
        const bool has_gradient = in_range(row, strip.row, strip.row_end) && grad_columns;
        if (has_gradient) gradient.fetch(row);
        __syncthreads();
        if (stage + 1 < stages) partials.fetch();

        if (!has_gradient) continue;
        float g[PARTIALS][GROUP];
        const float* in = buffer + stage_row * Tile::PITCH + group_column;
#pragma unroll
        for (int i = 0; i < PARTIALS; i++) horizontal_filter(in + i * Tile::PLANE, p, g[i]);
        gradient.write(row, grad_scale, g);
    }
}

static_assert(BackwardTile<STRIP_THREADS>::OUT_COLUMNS == STRIP_COLUMNS, "the host counts strips by STRIP_COLUMNS");
static_assert(BackwardTile<STRIP_THREADS>::SHARED_BYTES == BACKWARD_SHARED_BYTES, "the host launches with BACKWARD_SHARED_BYTES");

extern "C" __global__ void __launch_bounds__(STRIP_THREADS, STRIP_BLOCKS_PER_MULTIPROCESSOR) fssim_backward(const __grid_constant__ StripParams p) {
    backward<STRIP_THREADS>(p);
}
