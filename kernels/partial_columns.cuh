// Vertical part: partial planes, multiplied by the upstream gradient -> vertically filtered partial planes, one column a
// thread. They come from map_groups in shared memory, or were saved in global memory.
#pragma once

#include "map_groups.cuh"

template <int GRADS>
constexpr int FILTERED_BUFFER = PARTIALS<GRADS> * ROW_PLANE;

// Filters of one column and where its rows go.
template <int GRADS>
struct PartialFilters {
    const StripParams& p;
    float* out;    // buffers of PARTIALS<GRADS> planes, this thread's column
    VerticalFilter filter[PARTIALS<GRADS>];

    __device__ __forceinline__ PartialFilters(const StripParams& params, int t, float* filtered)
        : p(params), out(filtered + t) {
#pragma unroll
        for (int i = 0; i < PARTIALS<GRADS>; i++) filter[i].clear();
    }

    __device__ __forceinline__ void push(int buffer, const float (&sample)[PARTIALS<GRADS>][STAGE_ROWS]) {
        float* to = out + buffer * FILTERED_BUFFER<GRADS>;
#pragma unroll
        for (int j = 0; j < STAGE_ROWS; j++)
#pragma unroll
            for (int i = 0; i < PARTIALS<GRADS>; i++)
                to[i * ROW_PLANE + j * ROW_PITCH] = filter[i].push(sample[i][j], p);
    }
};

template <int GRADS>
struct SharedPartialColumns {
    PartialFilters<GRADS> filters;
    const float* partials;

    __device__ __forceinline__ SharedPartialColumns(const StripParams& p, int t, const float* partial_rows,
                                                    float* filtered)
        : filters(p, t, filtered), partials(partial_rows + t) {}

    __device__ __forceinline__ void step() {
        float sample[PARTIALS<GRADS>][STAGE_ROWS];
#pragma unroll
        for (int j = 0; j < STAGE_ROWS; j++)
#pragma unroll
            for (int i = 0; i < PARTIALS<GRADS>; i++) sample[i][j] = partials[i * PARTIAL_PLANE + j * T];
        filters.push(0, sample);
    }
};

template <int GRADS>
struct SavedPartialColumns {
    PartialFilters<GRADS> filters;
    MapPixels pixel;
    long long offset;    // of the pixel in a saved plane
    bool inside;         // the column lies in the map
    float sample[PARTIALS<GRADS>][STAGE_ROWS];

    __device__ __forceinline__ SavedPartialColumns(const StripParams& p, const Strip& strip, int t, float* filtered)
        : filters(p, t, filtered), pixel{p, strip.plane, strip.row - RADIUS, strip.column - RADIUS + t},
          offset(pixel.saved_offset()), inside(in_range(pixel.column, p.map_left, p.map_right)), sample{} {
        fetch();
    }

    // Starts loading the rows of the next stage; outside the map they are zero.
    __device__ __forceinline__ void fetch() {
        const StripParams& p = pixel.p;
        if (inside) {
            const bool all_rows = pixel.row >= p.map_top && pixel.row + STAGE_ROWS <= p.map_bottom;
            if (all_rows) {
#pragma unroll
                for (int j = 0; j < STAGE_ROWS; j++) load(j);
            } else {
#pragma unroll
                for (int j = 0; j < STAGE_ROWS; j++) {
                    if (in_range(pixel.row + j, p.map_top, p.map_bottom))
                        load(j);
                    else
                        clear(j);
                }
            }
        }
        offset += STAGE_ROWS * static_cast<long long>(p.saved_pitch);
        pixel.row += STAGE_ROWS;
    }

    __device__ __forceinline__ void clear(int j) {
#pragma unroll
        for (int i = 0; i < PARTIALS<GRADS>; i++) sample[i][j] = 0.0f;
    }

    __device__ __forceinline__ void load(int j) {
        const StripParams& p = pixel.p;
        const long long at = offset + j * static_cast<long long>(p.saved_pitch);
        sample[0][j] = __ldg(p.saved_mean1 + at);
        sample[1][j] = __ldg(p.saved_pu + at);
        sample[2][j] = __ldg(p.saved_pv + at);
        if constexpr (GRADS == 2) sample[3][j] = __ldg(p.saved_mean2 + at);
        if (p.upstream_mode == UPSTREAM_MAP) {
            const float upstream = __ldg(p.upstream + pixel.map_offset(0, j));
#pragma unroll
            for (int i = 0; i < PARTIALS<GRADS>; i++) sample[i][j] *= upstream;
        }
    }

    __device__ __forceinline__ void step(int buffer) {
        filters.push(buffer, sample);
        fetch();
    }
};
