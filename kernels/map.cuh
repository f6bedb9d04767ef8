// What happens at the pixels of the SSIM map: the sum, the map itself, the upstream gradient, the saved partials.
#pragma once

#include "moments.cuh"

// A group of GROUP map pixels in one row.
struct MapGroup {
    int plane;
    int row;
    int column;    // of the first

    __device__ __forceinline__ bool row_in_map(const StripParams& p) const {
        return in_range(row, p.map_top, p.map_bottom);
    }

    __device__ __forceinline__ bool in_map(int i, const StripParams& p) const {
        return in_range(column + i, p.map_left, p.map_right);
    }

    // Offset of pixel i in the dense map and in an upstream gradient of the same shape.
    __device__ __forceinline__ long long map_offset(int i, const StripParams& p) const {
        const long long first = static_cast<long long>(plane) * (p.map_bottom - p.map_top) + (row - p.map_top);
        return first * (p.map_right - p.map_left) + (column + i - p.map_left);
    }

    // Offset of the first pixel in a saved plane.
    __device__ __forceinline__ long long saved_offset(const StripParams& p) const {
        return (static_cast<long long>(plane) * p.height + row) * p.saved_pitch + column;
    }
};

// Which columns of a thread's groups lie in [begin, end): the same in every row, so it is worked out once. Nearly all
// groups lie inside as a whole and need no work on single pixels.
struct ColumnRange {
    bool all;
    unsigned bits;

    __device__ __forceinline__ ColumnRange(int column, int begin, int end) : all(true), bits(0) {
#pragma unroll
        for (int i = 0; i < GROUP; i++) {
            const bool inside = in_range(column + i, begin, end);
            bits |= inside ? 1u << i : 0u;
            all = all && inside;
        }
    }

    __device__ __forceinline__ bool contains(int i) const { return bits >> i & 1u; }
};

// Adds those of GROUP values whose column is in range.
__device__ __forceinline__ void add_group(CompensatedSum& sum, const float (&value)[GROUP], const ColumnRange& owned) {
    float total = (value[0] + value[1]) + (value[2] + value[3]);
    if (!owned.all) {
        total = 0.0f;
#pragma unroll
        for (int i = 0; i < GROUP; i++) total += owned.contains(i) ? value[i] : 0.0f;
    }
    sum.add(total);
}

// Zeroes those of GROUP stored values whose column is out of range: not by a factor, so that a NaN there stays there.
// A loop that is not unrolled keeps this rare case a branch and out of the way of the others.
__device__ __forceinline__ void clear_outside(float* stored, bool row_inside, const ColumnRange& columns) {
    if (row_inside && columns.all) return;
#pragma unroll 1
    for (int i = 0; i < GROUP; i++)
        if (!row_inside || !columns.contains(i)) stored[i] = 0.0f;
}

__device__ __forceinline__ void store_map(const StripParams& p, const MapGroup& group, const float (&dissimilarity)[GROUP],
                                          const ColumnRange& owned) {
#pragma unroll 1
    for (int i = 0; i < GROUP; i++) {
        const float d = i == 0 ? dissimilarity[0] : i == 1 ? dissimilarity[1] : i == 2 ? dissimilarity[2] : dissimilarity[3];
        if (owned.contains(i)) p.map[group.map_offset(i, p)] = 1.0f - d;
    }
}

// Multiplies partial derivatives by the upstream gradient of their pixels.
__device__ __forceinline__ void scale_by_upstream(const StripParams& p, const MapGroup& group, const ColumnRange& columns,
                                                  float (&partial)[PARTIALS][GROUP]) {
#pragma unroll
    for (int i = 0; i < GROUP; i++) {
        const float upstream = columns.contains(i) ? __ldg(p.upstream + group.map_offset(i, p)) : 1.0f;
#pragma unroll
        for (int plane = 0; plane < PARTIALS; plane++) partial[plane][i] *= upstream;
    }
}

// The upstream gradient of a whole plane; 1 if it differs from pixel to pixel.
__device__ __forceinline__ float upstream_of_plane(const StripParams& p, int plane) {
    return p.upstream_mode == UPSTREAM_GROUP ? p.upstream[plane / p.planes_per_group] : 1.0f;
}

// The four moments of GROUP pixels from vertically filtered planes MOMENT_PITCH floats apart.
template <int MOMENT_PITCH>
__device__ __forceinline__ void read_moments(const float* moments, const StripParams& p, float (&m)[MOMENTS][GROUP]) {
#pragma unroll
    for (int plane = 0; plane < MOMENTS; plane++) horizontal_filter(moments + plane * MOMENT_PITCH, p, m[plane]);
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
