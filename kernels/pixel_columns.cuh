// Vertical part: pixels -> vertical moments, one column a thread.
//
// All filters run on u = x + y and v = x - y; moments.cuh says why.
#pragma once

#include "strip.cuh"

constexpr int MOMENTS = 4;    // planes: means of u and v, variances of u and v
constexpr int MOMENT_BUFFER = MOMENTS * ROW_PLANE;

struct PixelColumns {
    const StripParams& p;
    float* out;           // buffers of MOMENTS planes, this thread's column
    const float* img1;    // of the next row to load
    const float* img2;
    int row;
    bool inside;    // the column lies in the image
    float x[STAGE_ROWS];
    float y[STAGE_ROWS];
    VerticalVariance u;
    VerticalVariance v;

    __device__ __forceinline__ PixelColumns(const StripParams& params, const Strip& strip, int halo, int t,
                                            float* moments)
        : p(params), out(moments + t),
          img1(pixel_address(params.img1, params, strip.plane, strip.row - halo, strip.column - halo + t)),
          img2(pixel_address(params.img2, params, strip.plane, strip.row - halo, strip.column - halo + t)),
          row(strip.row - halo),
          inside(static_cast<unsigned>(strip.column - halo + t) < static_cast<unsigned>(params.width)) {
#pragma unroll
        for (int j = 0; j < STAGE_ROWS; j++) fetch(j);
        float sum, difference;
        combine(0, sum, difference);
        u.clear(sum);
        v.clear(difference);
    }

    // Starts loading row `slot` of the next stage; outside the image it is zero. A whole stage hides the latency.
    __device__ __forceinline__ void fetch(int slot) {
        const bool valid = inside && static_cast<unsigned>(row) < static_cast<unsigned>(p.height);
        x[slot] = valid ? __ldg(img1) : 0.0f;
        y[slot] = valid ? __ldg(img2) : 0.0f;
        img1 += p.img1.stride_h;
        img2 += p.img2.stride_h;
        row++;
    }

    // u and v of a row that was loaded. The products are rounded: fused into the difference they would leave a remainder where
    // the pixels are equal.
    __device__ __forceinline__ void combine(int slot, float& sum, float& difference) const {
        const float sx = __fmul_rn(x[slot], p.inv_range);
        const float sy = __fmul_rn(y[slot], p.inv_range);
        sum = sx + sy;
        difference = sx - sy;
    }

    __device__ __forceinline__ void step(int buffer) {
        float* to = out + buffer * MOMENT_BUFFER;
#pragma unroll
        for (int j = 0; j < STAGE_ROWS; j++) {
            float sum, difference;
            combine(j, sum, difference);
            fetch(j);
            if (j == 0) {
                u.follow(sum, p);
                v.follow(difference, p);
            }
            float* row_to = to + j * ROW_PITCH;
            u.push(sum, p, row_to[0], row_to[2 * ROW_PLANE]);
            v.push(difference, p, row_to[ROW_PLANE], row_to[3 * ROW_PLANE]);
        }
    }
};
