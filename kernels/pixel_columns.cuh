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
    bool inside;            // the column lies in the image
    float x[STAGE_ROWS];    // of the next stage; zero outside the image
    float y[STAGE_ROWS];
    VerticalVariance u;
    VerticalVariance v;

    __device__ __forceinline__ PixelColumns(const StripParams& params, const Strip& strip, int halo, int t,
                                            float* moments)
        : p(params), out(moments + t),
          img1(pixel_address(params.img1, params, strip.plane, strip.row - halo, strip.column - halo + t)),
          img2(pixel_address(params.img2, params, strip.plane, strip.row - halo, strip.column - halo + t)),
          row(strip.row - halo),
          inside(static_cast<unsigned>(strip.column - halo + t) < static_cast<unsigned>(params.width)), x{}, y{} {
        fetch();
        u.clear();
        v.clear();
    }

    // Starts loading the rows of the next stage; the rest of a stage hides the latency.
    __device__ __forceinline__ void fetch() {
        if (inside) {
            if (row >= 0 && row + STAGE_ROWS <= p.height) {
#pragma unroll
                for (int j = 0; j < STAGE_ROWS; j++) {
                    x[j] = __ldg(img1 + j * p.img1.stride_h);
                    y[j] = __ldg(img2 + j * p.img2.stride_h);
                }
            } else {
#pragma unroll
                for (int j = 0; j < STAGE_ROWS; j++) {
                    const bool valid = static_cast<unsigned>(row + j) < static_cast<unsigned>(p.height);
                    x[j] = valid ? __ldg(img1 + j * p.img1.stride_h) : 0.0f;
                    y[j] = valid ? __ldg(img2 + j * p.img2.stride_h) : 0.0f;
                }
            }
        }
        img1 += STAGE_ROWS * p.img1.stride_h;
        img2 += STAGE_ROWS * p.img2.stride_h;
        row += STAGE_ROWS;
    }

    __device__ __forceinline__ void step(int buffer) {
        float* to = out + buffer * MOMENT_BUFFER;
        float sum[STAGE_ROWS];
        float difference[STAGE_ROWS];
        scale_pixels(x, y, p);
#pragma unroll
        for (int j = 0; j < STAGE_ROWS; j++) {
            sum[j] = x[j] + y[j];
            difference[j] = x[j] - y[j];
        }
        u.step(sum, p, to, to + 2 * ROW_PLANE);
        v.step(difference, p, to + ROW_PLANE, to + 3 * ROW_PLANE);
        fetch();
    }
};
