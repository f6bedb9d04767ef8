// What general_map.cu and general_gradient.cu share. Together they compute everything that strips and tiles do not: windows
// of any size and form, masks, row sharding, losses.
//
//   general_map.cu        pixels -> moments -> SSIM, its sum and map, and for a gradient six planes in the workspace
//   general_gradient.cu   those planes and the pixels -> gradients
//
// A block owns a tile of GENERAL_ROWS x GENERAL_COLUMNS pixels. In a vertical part each warp takes four rows, and a thread
// one column of them at a time; in a horizontal part a thread takes GROUP columns of one row. Both slide along the filter:
// a sample is read once for the GROUP outputs that see it.
//
// Rows in shared memory have an odd pitch. In a vertical part neighbouring threads read neighbouring columns; in a
// horizontal one the eight groups of a row lie four banks apart and its four rows fill the gaps: no bank conflicts.
#pragma once

#include "division.cuh"
#include "mask.cuh"

constexpr int GROUP = 4;    // outputs of a thread: one 16-byte access in a row
constexpr int WARPS = GENERAL_THREADS / 32;
constexpr int GROUPS = GENERAL_COLUMNS / GROUP;
static_assert(GENERAL_ROWS == WARPS * GROUP, "a warp takes GROUP rows in a vertical part");
static_assert(GENERAL_THREADS == GENERAL_ROWS * GROUPS, "a thread takes one group in a horizontal part");
static_assert(GROUPS == 8, "eight groups and four rows are a warp without bank conflicts");

__device__ __forceinline__ bool in_range(int index, int begin, int end) { return index >= begin && index < end; }

// Where a block works.
struct GeneralTile {
    int plane;    // of the launch
    int image;    // of the batch
    int channel;
    int row;    // first row and column
    int column;
    int pitch;      // of rows in shared memory
    int columns;    // of the tile with the halo of one filter

    __device__ __forceinline__ GeneralTile(const GeneralParams& p, int first_row) {
        const unsigned block = blockIdx.x;
        const unsigned rest = block / p.tile_columns;
        plane = rest / p.tile_rows;
        image = (p.first_plane + plane) / p.channels;
        channel = (p.first_plane + plane) % p.channels;
        row = first_row + static_cast<int>(rest % p.tile_rows) * GENERAL_ROWS;
        column = static_cast<int>(block % p.tile_columns) * GENERAL_COLUMNS;
        columns = GENERAL_COLUMNS + 2 * p.radius;
        pitch = columns | 1;
    }
};

// The group of a thread in a horizontal part.
struct GeneralGroup {
    int tile_row;
    int tile_column;
    int row;       // in the image
    int column;    // of the first pixel

    __device__ __forceinline__ explicit GeneralGroup(const GeneralTile& tile) {
        tile_row = static_cast<int>(threadIdx.x) / GROUPS;
        tile_column = static_cast<int>(threadIdx.x) % GROUPS * GROUP;
        row = tile.row + tile_row;
        column = tile.column + tile_column;
    }
};

__device__ __forceinline__ char* element_address(const Image& image, int n, int channel, int row, int column) {
    return image.data +
           (n * image.stride_n + channel * image.stride_c + row * image.stride_h + column * image.stride_w);
}

__device__ __forceinline__ float load_weight(const Image& mask, int image, int channel, int row, int column) {
    return load_weight(mask, element_address(mask, image, channel, row, column));
}

// x + y and x - y of scaled pixels. Of each only the result is rounded: the difference of pixels that are nearly equal would
// drown in the roundings of the products. No product stands in a sum that the compiler could make a multiply-add of.
__device__ __forceinline__ void scaled_sum_and_difference(const GeneralParams& p, float x, float y, float& u,
                                                          float& v) {
    const float scaled = p.scale2 * y;
    const float lost = fmaf(p.scale2, y, -scaled);
    u = fmaf(p.scale1, x, scaled) + lost;
    v = fmaf(p.scale1, x, -scaled) - lost;
}

// A pixel of both images as x + y and x - y, and its weight, 1 without a mask.
struct GeneralPixel {
    float u;
    float v;
    float weight;

    // Row and column are inside the image. Multiplied inputs are multiplied here; pixels that no window counts are 0, so
    // that a NaN there goes nowhere.
    __device__ __forceinline__ GeneralPixel(const GeneralParams& p, const GeneralTile& tile, int row, int column) {
        const char* const img1 = element_address(p.img1, tile.image, tile.channel, row, column);
        const char* const img2 = element_address(p.img2, tile.image, tile.channel, row, column);
        scaled_sum_and_difference(p, load_element(img1, p.img1.element), load_element(img2, p.img2.element), u, v);
        weight = p.mask_mode == MASK_NONE ? 1.0f : load_weight(p.mask, tile.image, tile.channel, row, column);
        if (p.mask_mode == MASK_MULTIPLY_INPUTS) {
            u = weighted(weight, u);
            v = weighted(weight, v);
        }
        if (p.mask_mode == MASK_NORMALIZED && weight == 0.0f) u = v = 0.0f;
    }
};

// What general_map.cu leaves of a pixel for the gradient, in two accesses: the means and derivatives (mu, mv, pu, pv), and
// the luminance parts (lu, lv); all but the means times the upstream gradient and the mask. Pixels are counted over the planes
// of the launch.
struct PartialPixels {
    float4* means;
    float2* luminance;

    __device__ __forceinline__ explicit PartialPixels(const GeneralParams& p)
        : means(reinterpret_cast<float4*>(p.planes)),
          luminance(reinterpret_cast<float2*>(p.planes + 4 * p.plane_pixels)) {}

    // The number of a pixel in a row of the image.
    static __device__ __forceinline__ long long offset(const GeneralParams& p, const GeneralTile& tile, int row,
                                                       int column) {
        const long long rows = static_cast<long long>(tile.plane) * (p.row_end - p.row_begin) + row - p.row_begin;
        return rows * p.width + column;
    }
};
static_assert(GENERAL_PLANES == 6, "the floats of a partial pixel");

// How pixels differ, and the derivative of that, in the unit of the pixels before the scale to the range.
struct PixelDifference {
    float value;
    float derivative;

    __device__ __forceinline__ PixelDifference(const GeneralParams& p, float v) {
        const float difference = v * p.unscale;
        if (p.pixel_loss == PIXEL_L1) {
            value = fabsf(difference);
            derivative = difference > 0.0f ? 1.0f : difference < 0.0f ? -1.0f : difference;
        } else {
            value = difference * difference;
            derivative = 2.0f * difference;
        }
    }
};

// Slides a filter of `size` taps over size + GROUP - 1 samples. load(k) brings sample k; add(i, tap) adds it to output i,
// the first of whose samples is number i. No output is given a sample outside of its window, not even with a tap of 0: it
// may be NaN.
template <typename LOAD, typename ADD>
__device__ __forceinline__ void slide(const float* taps, int size, LOAD load, ADD add) {
    float tap[GROUP] = {};    // of the sample at hand, for each output
#pragma unroll
    for (int k = 0; k < GROUP - 1; k++) {
        load(k);
#pragma unroll
        for (int i = GROUP - 1; i > 0; i--) tap[i] = tap[i - 1];
        tap[0] = taps[k];
#pragma unroll
        for (int i = 0; i <= k; i++) add(i, tap[i]);
    }
#pragma unroll 2
    for (int k = GROUP - 1; k < size; k++) {
        load(k);
#pragma unroll
        for (int i = GROUP - 1; i > 0; i--) tap[i] = tap[i - 1];
        tap[0] = taps[k];
#pragma unroll
        for (int i = 0; i < GROUP; i++) add(i, tap[i]);
    }
#pragma unroll
    for (int j = 0; j < GROUP - 1; j++) {
        load(size + j);
#pragma unroll
        for (int i = GROUP - 1; i > 0; i--) tap[i] = tap[i - 1];
#pragma unroll
        for (int i = j + 1; i < GROUP; i++) add(i, tap[i]);
    }
}

// The sums of values over a block, for thread 0. The order of additions is fixed.
template <int THREADS, int COUNT>
__device__ __forceinline__ void block_sums(double (&value)[COUNT]) {
    __shared__ double warp_sums[COUNT][THREADS / 32];
#pragma unroll
    for (int i = 0; i < COUNT; i++) {
        value[i] = warp_sum(value[i]);
        if (threadIdx.x % 32 == 0) warp_sums[i][threadIdx.x / 32] = value[i];
    }
    __syncthreads();
    if (threadIdx.x != 0) return;
#pragma unroll
    for (int i = 0; i < COUNT; i++)
        for (int warp = 1; warp < THREADS / 32; warp++) value[i] += warp_sums[i][warp];
}
