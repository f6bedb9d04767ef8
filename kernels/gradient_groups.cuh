// Horizontal part: vertically filtered partial planes and the pixels -> gradient of img1, one group of columns a thread.
#pragma once

#include "partial_columns.cuh"

// FILTERED_AT: the SharedRows that it reads.
template <typename FILTERED_AT>
struct GradientGroups {
    const StripParams& p;
    const float* filtered;
    const float* img1;    // the group's pixels in the row of the stage
    const float* img2;
    float* grad;
    int row;    // of the stage, from the strip's first
    int rows;
    int columns;    // of the group that lie in the image and in the strip
    bool vector;    // 16-byte accesses are possible in every row
    float scale;
    float x[GROUP];
    float y[GROUP];

    // The rows of the thread's first stage begin at stage_row.
    __device__ __forceinline__ GradientGroups(const StripParams& params, const Strip& strip, int out_columns,
                                              int stage_row, const GroupPlace& place, const float* filtered_rows)
        : p(params) {
        filtered = filtered_rows + FILTERED_AT::offset(place);
        const int column = strip.column + place.column;
        const int image_row = stage_row + place.row;
        img1 = pixel_address(p.img1, p, strip.plane, image_row, column);
        img2 = pixel_address(p.img2, p, strip.plane, image_row, column);
        grad = pixel_address(p.grad, p, strip.plane, image_row, column);
        row = image_row - strip.row;
        rows = strip.row_end - strip.row;
        columns = min(GROUP, min(strip.column + out_columns, p.width) - column);
        const bool unit_stride = p.img1.stride_w == 1 && p.img2.stride_w == 1 && p.grad.stride_w == 1;
        const bool whole_rows = ((p.img1.stride_h | p.img2.stride_h | p.grad.stride_h) & (GROUP - 1)) == 0;
        const size_t addresses =
            reinterpret_cast<size_t>(img1) | reinterpret_cast<size_t>(img2) | reinterpret_cast<size_t>(grad);
        vector = unit_stride && whole_rows && addresses % (GROUP * sizeof(float)) == 0 && columns == GROUP;
        scale = p.grad_scale;
        if (p.upstream_mode == UPSTREAM_GROUP) scale *= p.upstream[strip.plane / p.planes_per_group];
    }

    // The row of this stage has pixels to write.
    __device__ __forceinline__ bool active() const {
        return static_cast<unsigned>(row) < static_cast<unsigned>(rows) && columns > 0;
    }

    // Starts loading the pixels of this stage, which were read before and come from L1 or L2 now.
    __device__ __forceinline__ void fetch() {
        if (!active()) return;
        if (vector) {
            load_group(img1, x);
            load_group(img2, y);
            return;
        }
#pragma unroll
        for (int i = 0; i < GROUP; i++) {
            x[i] = i < columns ? __ldg(img1 + i * p.img1.stride_w) : 0.0f;
            y[i] = i < columns ? __ldg(img2 + i * p.img2.stride_w) : 0.0f;
        }
    }

    // The rest of the stage that fetch() began.
    __device__ __forceinline__ void step(int buffer) {
        if (active()) {
            const float* from = filtered + buffer * PARTIALS * FILTERED_AT::PLANE;
            float g[PARTIALS][GROUP];
#pragma unroll
            for (int i = 0; i < PARTIALS; i++) horizontal_filter(from + i * FILTERED_AT::PLANE, p, g[i]);
            scale_pixels(x, y, p);
            write(g);
        }
        row += STAGE_ROWS;
        img1 += STAGE_ROWS * p.img1.stride_h;
        img2 += STAGE_ROWS * p.img2.stride_h;
        grad += STAGE_ROWS * p.grad.stride_h;
    }

    __device__ __forceinline__ void write(const float (&g)[PARTIALS][GROUP]) const {
        float out[GROUP];
#pragma unroll
        for (int i = 0; i < GROUP; i++) {
            const float u = x[i] + y[i];
            const float v = x[i] - y[i];
            out[i] = scale * fmaf(u, g[1][i], fmaf(v, g[2][i], g[0][i]));
        }
        if (vector) {
            store_group(grad, out);
            return;
        }
#pragma unroll
        for (int i = 0; i < GROUP; i++)
            if (i < columns) grad[i * p.grad.stride_w] = out[i];
    }
};
