// From filtered partial planes to the gradient.
#pragma once

#include "map.cuh"

// Makes the gradient of a thread's column group, row by row, from the filtered partials and the pixels.
//
// The pixels were read before, RADIUS rows further down, and come from L1 or L2 now. fetch() is called well before
// write(): with few warps on a multiprocessor nothing else would hide even the latency of L2.
struct GradientWriter {
    const StripParams& p;
    const float* img1;
    const float* img2;
    float* grad;
    int columns;     // of the group that lie in the image
    bool vector;     // 16-byte accesses are possible in every row
    float x[GROUP];
    float y[GROUP];

    __device__ __forceinline__ GradientWriter(const StripParams& params, int plane, int column)
        : p(params),
          img1(params.img1.data + plane_offset(params.img1, params, plane) + column * params.img1.stride_w),
          img2(params.img2.data + plane_offset(params.img2, params, plane) + column * params.img2.stride_w),
          grad(params.grad.data + plane_offset(params.grad, params, plane) + column * params.grad.stride_w),
          columns(min(GROUP, params.width - column)) {
        const bool unit_stride = p.img1.stride_w == 1 && p.img2.stride_w == 1 && p.grad.stride_w == 1;
        const bool whole_rows = ((p.img1.stride_h | p.img2.stride_h | p.grad.stride_h) & (GROUP - 1)) == 0;
        const size_t addresses =
            reinterpret_cast<size_t>(img1) | reinterpret_cast<size_t>(img2) | reinterpret_cast<size_t>(grad);
        vector = unit_stride && whole_rows && addresses % (GROUP * sizeof(float)) == 0 && columns == GROUP;
    }

    __device__ __forceinline__ void fetch(int row) {
        const float* const row1 = img1 + row * p.img1.stride_h;
        const float* const row2 = img2 + row * p.img2.stride_h;
        if (vector) {
            load_group(row1, x);
            load_group(row2, y);
            return;
        }
#pragma unroll
        for (int i = 0; i < GROUP; i++) {
            x[i] = i < columns ? __ldg(row1 + i * p.img1.stride_w) : 0.0f;
            y[i] = i < columns ? __ldg(row2 + i * p.img2.stride_w) : 0.0f;
        }
    }

    __device__ __forceinline__ void write(int row, float scale, const float (&g)[PARTIALS][GROUP]) const {
        float out[GROUP];
#pragma unroll
        for (int i = 0; i < GROUP; i++) {
            const float sx = __fmul_rn(x[i], p.inv_range);
            const float sy = __fmul_rn(y[i], p.inv_range);
            out[i] = scale * fmaf(sx + sy, g[1][i], fmaf(sx - sy, g[2][i], g[0][i]));
        }
        float* const to = grad + row * p.grad.stride_h;
        if (vector) {
            store_group(to, out);
            return;
        }
#pragma unroll
        for (int i = 0; i < GROUP; i++)
            if (i < columns) to[i * p.grad.stride_w] = out[i];
    }
};
