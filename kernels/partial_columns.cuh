// Vertical part: partial planes, multiplied by the upstream gradient -> vertically filtered partial planes, one column a
// thread. They come from map_groups in shared memory, or were saved in global memory.
#pragma once

#include "map_groups.cuh"

constexpr int FILTERED_BUFFER = PARTIALS * ROW_PLANE;

// Filters of one column and where its rows go.
struct PartialFilters {
    const StripParams& p;
    float* out;    // buffers of PARTIALS planes, this thread's column
    VerticalFilter filter[PARTIALS];

    __device__ __forceinline__ PartialFilters(const StripParams& params, int t, float* filtered)
        : p(params), out(filtered + t) {
#pragma unroll
        for (int i = 0; i < PARTIALS; i++) filter[i].clear();
    }

    __device__ __forceinline__ void push(int buffer, const float (&sample)[PARTIALS][STAGE_ROWS]) {
        float* to = out + buffer * FILTERED_BUFFER;
#pragma unroll
        for (int j = 0; j < STAGE_ROWS; j++)
#pragma unroll
            for (int i = 0; i < PARTIALS; i++) to[i * ROW_PLANE + j * ROW_PITCH] = filter[i].push(sample[i][j], p);
    }
};

struct SharedPartialColumns {
    PartialFilters filters;
    const float* partials;

    __device__ __forceinline__ SharedPartialColumns(const StripParams& p, int t, const float* partial_rows,
                                                    float* filtered)
        : filters(p, t, filtered), partials(partial_rows + t) {}

    __device__ __forceinline__ void step() {
        float sample[PARTIALS][STAGE_ROWS];
#pragma unroll
        for (int j = 0; j < STAGE_ROWS; j++)
#pragma unroll
            for (int i = 0; i < PARTIALS; i++) sample[i][j] = partials[i * PARTIAL_PLANE + j * T];
        filters.push(0, sample);
    }
};

struct SavedPartialColumns {
    PartialFilters filters;
    MapPixels pixel;
    long long offset;    // of the pixel in a saved plane
    bool inside;         // the column lies in the map
    float sample[PARTIALS][STAGE_ROWS];

    __device__ __forceinline__ SavedPartialColumns(const StripParams& p, const Strip& strip, int t, float* filtered)
        : filters(p, t, filtered), pixel{p, strip.plane, strip.row - RADIUS, strip.column - RADIUS + t},
          offset(pixel.saved_offset()), inside(in_range(pixel.column, p.map_left, p.map_right)) {
        fetch();
    }

    // Starts loading the rows of the next stage; outside the map they are zero.
    __device__ __forceinline__ void fetch() {
        const StripParams& p = pixel.p;
#pragma unroll
        for (int j = 0; j < STAGE_ROWS; j++) {
            const bool valid = inside && pixel.row_in_map();
            sample[0][j] = valid ? __ldg(p.saved_mean1 + offset) : 0.0f;
            sample[1][j] = valid ? __ldg(p.saved_pu + offset) : 0.0f;
            sample[2][j] = valid ? __ldg(p.saved_pv + offset) : 0.0f;
            if (p.upstream_mode == UPSTREAM_MAP) {
                const float upstream = valid ? __ldg(p.upstream + pixel.map_offset(0)) : 0.0f;
#pragma unroll
                for (int i = 0; i < PARTIALS; i++) sample[i][j] *= upstream;
            }
            offset += p.saved_pitch;
            pixel.row++;
        }
    }

    __device__ __forceinline__ void step(int buffer) {
        filters.push(buffer, sample);
        fetch();
    }
};
