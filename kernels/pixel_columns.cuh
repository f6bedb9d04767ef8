// Vertical part: pixels -> vertical moments, one column a thread.
//
// All filters run on u = x + y and v = x - y; moments.cuh says why.
#pragma once

#include "pixel_loss.cuh"

constexpr int MOMENTS = 4;    // planes: means of u and v, variances of u and v
constexpr int MOMENT_BUFFER = MOMENTS * ROW_PLANE;

// LOSS: whether the pixels that the strip owns are compared, too; MEAN: how.
template <Elements ELEMENTS, bool LOSS, Mean MEAN = Mean::PLAIN>
struct PixelColumns {
    const StripParams& p;
    const Strip& strip;
    float* out;          // buffers of MOMENTS planes, this thread's column
    const char* img1;    // of the next row to load
    const char* img2;
    int row;
    bool inside;            // the column lies in the image
    bool owned;             // the strip has output in the column
    float x[STAGE_ROWS];    // bits of the elements of the next stage, zero outside the image
    float y[STAGE_ROWS];
    VerticalVariance u;
    VerticalVariance v;
    PixelLoss<LOSS> loss;
    PixelWeights<LOSS && MEAN == Mean::WEIGHTED> weights;

    __device__ __forceinline__ PixelColumns(const StripParams& params, const Strip& block, int out_columns, int halo,
                                            int t, float* moments)
        : p(params), strip(block), out(moments + t),
          img1(pixel_address(params.img1, params, strip.plane, strip.row - halo, strip.column - halo + t)),
          img2(pixel_address(params.img2, params, strip.plane, strip.row - halo, strip.column - halo + t)),
          row(strip.row - halo),
          inside(static_cast<unsigned>(strip.column - halo + t) < static_cast<unsigned>(params.width)),
          owned(in_range(t, halo, halo + out_columns)), x{}, y{},
          weights(params, strip.plane, strip.row - halo, strip.column - halo + t) {
        fetch();
        u.clear();
        v.clear();
    }

    // Starts loading the rows of the next stage; the rest of a stage hides the latency.
    __device__ __forceinline__ void fetch() {
        if (inside) {
            const bool all_rows = row >= 0 && row + STAGE_ROWS <= p.height;
            if (all_rows) {
                const bool valid[STAGE_ROWS] = {true, true, true, true};
                load_pairs<ELEMENTS>(img1, img2, p, p.img1.stride_h, p.img2.stride_h, valid, x, y);
            } else {
                bool valid[STAGE_ROWS];
#pragma unroll
                for (int j = 0; j < STAGE_ROWS; j++)
                    valid[j] = static_cast<unsigned>(row + j) < static_cast<unsigned>(p.height);
                load_pairs<ELEMENTS>(img1, img2, p, p.img1.stride_h, p.img2.stride_h, valid, x, y);
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
        sums_and_differences<ELEMENTS>(x, y, false, p, sum, difference);
        if constexpr (LOSS) take_loss(difference);
        u.step(sum, p, to, to + 2 * ROW_PLANE);
        v.step(difference, p, to + ROW_PLANE, to + 3 * ROW_PLANE);
        fetch();
    }

    // Outside the image there is no difference.
    __device__ __forceinline__ void take_loss(const float (&difference)[STAGE_ROWS]) {
        float pixel[STAGE_ROWS];
        float derivative[STAGE_ROWS];
        compare(difference, p, pixel, derivative);
        bool own[STAGE_ROWS];
#pragma unroll
        for (int j = 0; j < STAGE_ROWS; j++) own[j] = owned && in_range(row - STAGE_ROWS + j, strip.row, strip.row_end);
        if constexpr (MEAN == Mean::WEIGHTED) {
            bool has_weight[STAGE_ROWS];
#pragma unroll
            for (int j = 0; j < STAGE_ROWS; j++) has_weight[j] = own[j] && inside;
            float weight[STAGE_ROWS];
            weights.load_column(has_weight, weight);
            weights.next_stage();
            convert_weights(weights.mask, weight);
            weigh(weight, pixel);
        }
        loss.add(pixel, own);
    }
};
