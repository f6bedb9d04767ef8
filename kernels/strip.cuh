// Strip marching, the shape that all kernels here share.
//
// A block owns a strip of columns and a chunk of rows of one plane and walks down it STAGE_ROWS rows at a time. Both
// filter directions stay on the chip:
//
//   vertical    One thread per column. A transposed FIR keeps the ten partial sums of the coming rows in registers, so a
//               pixel is loaded once, straight from global memory, and no ring of rows exists anywhere. Consecutive
//               threads read consecutive columns: coalesced for unit stride at any alignment or width.
//   horizontal  The vertically filtered rows pass through shared memory. A thread then takes GROUP consecutive columns of
//               one row: 16 floats in four 16-byte loads (neighbouring threads overlap, which shared memory serves
//               without bank conflicts) give four outputs of 44 multiply-adds.
//
// T threads are T columns in the vertical part and STAGE_ROWS x T/GROUP groups in the horizontal part, so with
// GROUP == STAGE_ROWS both keep every thread busy.
#pragma once

#include "intrinsics.cuh"
#include "params.cuh"

constexpr int RADIUS = WINDOW_TAPS / 2;
constexpr int HALO = 2 * RADIUS;              // extra columns or rows that one filter needs
constexpr int GROUP = 4;                      // columns of a thread in the horizontal part: one 16-byte access
constexpr int WINDOW = 16;                    // floats that GROUP outputs need, in whole 16-byte accesses
static_assert(STAGE_ROWS == GROUP, "both parts must give every thread the same number of pixels");
static_assert(GROUP + HALO <= WINDOW && WINDOW % 4 == 0, "a window must hold the halo of its group");

// Where a block works.
struct Strip {
    int plane;
    int column;     // first output column
    int row;        // first output row
    int row_end;    // one past the last output row
};

template <int OUT_COLUMNS>
__device__ __forceinline__ Strip locate_strip(const StripParams& p) {
    const unsigned strip = blockIdx.x % p.strips;
    const unsigned rest = blockIdx.x / p.strips;
    Strip s;
    s.plane = p.first_plane + rest / p.chunks;
    s.column = strip * OUT_COLUMNS;
    s.row = rest % p.chunks * p.chunk_rows;
    s.row_end = min(s.row + p.chunk_rows, p.height);
    return s;
}

__device__ __forceinline__ long long plane_offset(const Image& image, const StripParams& p, int plane) {
    return plane / p.channels * image.stride_n + plane % p.channels * image.stride_c;
}

// Transposed FIR: push() takes the sample of row r and returns the filtered sample of row r - RADIUS.
struct VerticalFilter {
    float sum[HALO];

    __device__ __forceinline__ void clear() {
#pragma unroll
        for (int k = 0; k < HALO; k++) sum[k] = 0.0f;
    }

    __device__ __forceinline__ float push(float sample, const StripParams& p) {
        const float out = fmaf(p.taps[0], sample, sum[0]);
#pragma unroll
        for (int k = 1; k < HALO; k++) sum[k - 1] = fmaf(p.taps[k], sample, sum[k]);
        sum[HALO - 1] = p.taps[HALO] * sample;
        return out;
    }
};

// Filters GROUP columns; `row` is the first column of their window, 16-byte aligned.
__device__ __forceinline__ void horizontal_filter(const float* row, const StripParams& p, float (&out)[GROUP]) {
    float window[WINDOW];
#pragma unroll
    for (int i = 0; i < WINDOW; i += 4) {
        const float4 quad = *reinterpret_cast<const float4*>(row + i);
        window[i] = quad.x;
        window[i + 1] = quad.y;
        window[i + 2] = quad.z;
        window[i + 3] = quad.w;
    }
#pragma unroll
    for (int i = 0; i < GROUP; i++) {
        out[i] = p.taps[0] * window[i];
#pragma unroll
        for (int k = 1; k < WINDOW_TAPS; k++) out[i] = fmaf(p.taps[k], window[i + k], out[i]);
    }
}

// The pixels of one column of both images, one stage ahead of their use.
//
// Loading early matters more than loading wide: the loads of a stage are issued before the horizontal part of the stage
// before, whose arithmetic hides their latency.
struct ColumnLoader {
    const float* img1;
    const float* img2;
    long long step1;
    long long step2;
    int row;
    int height;
    bool inside;    // the column lies in the image
    float x[STAGE_ROWS];
    float y[STAGE_ROWS];

    __device__ __forceinline__ ColumnLoader(const StripParams& p, int plane, int column, int first_row)
        : step1(p.img1.stride_h), step2(p.img2.stride_h), row(first_row), height(p.height),
          inside(static_cast<unsigned>(column) < static_cast<unsigned>(p.width)) {
        img1 = p.img1.data + plane_offset(p.img1, p, plane) + first_row * step1 + column * p.img1.stride_w;
        img2 = p.img2.data + plane_offset(p.img2, p, plane) + first_row * step2 + column * p.img2.stride_w;
    }

    // Starts loading the next STAGE_ROWS rows; outside the image they are zero.
    __device__ __forceinline__ void fetch() {
#pragma unroll
        for (int j = 0; j < STAGE_ROWS; j++) {
            const bool valid = inside && static_cast<unsigned>(row) < static_cast<unsigned>(height);
            x[j] = valid ? __ldg(img1) : 0.0f;
            y[j] = valid ? __ldg(img2) : 0.0f;
            img1 += step1;
            img2 += step2;
            row++;
        }
    }
};

// Sum of many values of like size in a pair of floats: the error does not grow with their number, as it would in one
// float when a thousand nearly equal values round the same way.
struct CompensatedSum {
    float high = 0.0f;
    float low = 0.0f;

    __device__ __forceinline__ void add(float value) {
        const float total = high + value;
        low += value - (total - high);
        high = total;
    }
};

// Writes the sum over the block to *out. The order of additions is fixed.
template <int T>
__device__ __forceinline__ void block_sum(const CompensatedSum& sum, double* out) {
    __shared__ double warp_sums[T / 32];
    double total = static_cast<double>(sum.high) + static_cast<double>(sum.low);
#pragma unroll
    for (int offset = 16; offset > 0; offset /= 2) total += __shfl_xor_sync(0xffffffffu, total, offset);
    if (threadIdx.x % 32 == 0) warp_sums[threadIdx.x / 32] = total;
    __syncthreads();
    if (threadIdx.x == 0) {
        total = warp_sums[0];
        for (int warp = 1; warp < T / 32; warp++) total += warp_sums[warp];
        *out = total;
    }
}
