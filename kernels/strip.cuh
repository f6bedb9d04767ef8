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
// T threads are T columns in a vertical part and STAGE_ROWS x T / GROUP groups in a horizontal one, so with GROUP ==
// STAGE_ROWS both keep every thread busy. One file describes each part of the way from pixels to gradient: pixel_columns,
// map_groups, partial_columns, gradient_groups; the kernels put them together.
#pragma once

#include "intrinsics.cuh"
#include "params.cuh"

constexpr int T = STRIP_THREADS;
constexpr int RADIUS = WINDOW_TAPS / 2;
constexpr int HALO = 2 * RADIUS;    // extra columns or rows that one filter needs
constexpr int GROUP = 4;            // columns of a thread in a horizontal part: one 16-byte access
constexpr int WINDOW = 16;          // floats that GROUP outputs need, in whole 16-byte accesses
static_assert(STAGE_ROWS == GROUP, "vertical and horizontal parts must give every thread the same number of pixels");
static_assert(GROUP + HALO <= WINDOW && WINDOW % 4 == 0, "a window must hold the halo of its group");

// Rows between a vertical and a horizontal part in shared memory. The last group's window ends past the last column.
constexpr int ROW_PITCH = T + WINDOW - GROUP;
constexpr int ROW_PLANE = STAGE_ROWS * ROW_PITCH;
static_assert(ROW_PITCH % 4 == 0, "rows must start at multiples of 16 bytes");

// The first stage in which a vertical filter has an output: it needs HALO rows first.
constexpr int FIRST_STAGE = HALO / STAGE_ROWS;

// Where a block works.
struct Strip {
    int plane;
    int column;     // first output column
    int row;        // first output row
    int row_end;    // one past the last output row

    __device__ __forceinline__ Strip(const StripParams& p, int out_columns) {
        const unsigned strip = blockIdx.x % p.strips;
        const unsigned rest = blockIdx.x / p.strips;
        plane = p.first_plane + rest / p.chunks;
        column = strip * out_columns;
        row = rest % p.chunks * p.chunk_rows;
        row_end = min(row + p.chunk_rows, p.height);
    }

    // Stages that take the rows from `halo` before to the end of the output, as far behind as a filter lags.
    __device__ __forceinline__ int stages(int halo) const { return (row_end - row + halo + STAGE_ROWS - 1) / STAGE_ROWS; }
};

__device__ __forceinline__ bool in_range(int index, int begin, int end) { return index >= begin && index < end; }

__device__ __forceinline__ float* pixel_address(const Image& image, const StripParams& p, int plane, int row, int column) {
    const long long offset = plane / p.channels * image.stride_n + plane % p.channels * image.stride_c;
    return image.data + (offset + row * image.stride_h + column * image.stride_w);
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

__device__ __forceinline__ void load_group(const float* in, float (&value)[GROUP]) {
    const float4 quad = __ldg(reinterpret_cast<const float4*>(in));
    value[0] = quad.x;
    value[1] = quad.y;
    value[2] = quad.z;
    value[3] = quad.w;
}

__device__ __forceinline__ void store_group(float* out, const float (&value)[GROUP]) {
    *reinterpret_cast<float4*>(out) = make_float4(value[0], value[1], value[2], value[3]);
}

// A thread's group in a horizontal part.
struct GroupPlace {
    int row;       // in the stage
    int column;    // in the strip, of the first pixel

    __device__ __forceinline__ explicit GroupPlace(int t) : row(t / (T / GROUP)), column(t % (T / GROUP) * GROUP) {}

    __device__ __forceinline__ int offset() const { return row * ROW_PITCH + column; }
};
