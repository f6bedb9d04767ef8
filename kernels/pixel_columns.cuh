// Vertical part: pixels -> vertically filtered moment planes, one column a thread.
//
// All filters run on u = x + y and v = x - y and their squares; moments.cuh says why.
#pragma once

#include "strip.cuh"

constexpr int MOMENTS = 4;    // planes u, v, u^2, v^2
constexpr int MOMENT_BUFFER = MOMENTS * ROW_PLANE;

struct PixelColumns {
    const StripParams& p;
    float* out;           // buffers of MOMENTS planes, this thread's column
    const float* img1;    // of the next row to load
    const float* img2;
    int row;
    bool inside;          // the column lies in the image
    float x[STAGE_ROWS];
    float y[STAGE_ROWS];
    VerticalFilter u, v, uu, vv;

    __device__ __forceinline__ PixelColumns(const StripParams& params, const Strip& strip, int halo, int t, float* moments)
        : p(params), out(moments + t),
          img1(pixel_address(params.img1, params, strip.plane, strip.row - halo, strip.column - halo + t)),
          img2(pixel_address(params.img2, params, strip.plane, strip.row - halo, strip.column - halo + t)),
          row(strip.row - halo),
          inside(static_cast<unsigned>(strip.column - halo + t) < static_cast<unsigned>(params.width)) {
        u.clear();
        v.clear();
        uu.clear();
        vv.clear();
#pragma unroll
        for (int j = 0; j < STAGE_ROWS; j++) fetch(j);
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

    __device__ __forceinline__ void step(int buffer) {
        float* to = out + buffer * MOMENT_BUFFER;
#pragma unroll
        for (int j = 0; j < STAGE_ROWS; j++) {
            // Rounded products, not fused into the difference: equal pixels must give exactly 0.
            const float sx = __fmul_rn(x[j], p.inv_range);
            const float sy = __fmul_rn(y[j], p.inv_range);
            fetch(j);
            const float su = sx + sy;
            const float sv = sx - sy;
            to[j * ROW_PITCH] = u.push(su, p);
            to[j * ROW_PITCH + ROW_PLANE] = v.push(sv, p);
            to[j * ROW_PITCH + 2 * ROW_PLANE] = uu.push(su * su, p);
            to[j * ROW_PITCH + 3 * ROW_PLANE] = vv.push(sv * sv, p);
        }
    }
};
