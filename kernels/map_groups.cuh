// Horizontal part: vertically filtered moments -> moments -> SSIM, one group of columns a thread, and what is wanted of it:
// the sum, the map, and the partial derivatives, in shared memory for the next part or saved in global memory.
#pragma once

#include "moments.cuh"

// Planes that the gradient of one image is made of, or those of both: mean part, pu, pv, mean part of the second.
template <int GRADS>
constexpr int PARTIALS = 2 + GRADS;
constexpr int PARTIAL_PLANE = STAGE_ROWS * T;
using StripPartials = SharedRows<T, PARTIAL_PLANE>;

// Which columns of a thread's group lie in [begin, end): the same in every row, so it is worked out once. Nearly all groups
// lie inside as a whole and need no work on single pixels.
struct ColumnRange {
    bool all;
    unsigned bits;    // one for each column of the group

    __device__ __forceinline__ ColumnRange(int column, int begin, int end) : all(true), bits(0) {
#pragma unroll
        for (int i = 0; i < GROUP; i++) {
            const bool inside = in_range(column + i, begin, end);
            bits |= inside ? 1u << i : 0u;
            all = all && inside;
        }
    }

    __device__ __forceinline__ bool none() const { return bits == 0; }
    __device__ __forceinline__ bool contains(int i) const { return bits >> i & 1u; }
};

// A group of GROUP map pixels in one row.
struct MapPixels {
    const StripParams& p;
    int plane;
    int row;
    int column;    // of the first

    __device__ __forceinline__ bool row_in_map() const { return in_range(row, p.map_top, p.map_bottom); }

    // Offset of pixel i in the dense map and in an upstream gradient of the same shape.
    __device__ __forceinline__ long long map_offset(int i, int j = 0) const {
        const long long first = static_cast<long long>(plane) * p.map_rows + (row + j - p.map_top);
        return first * (p.map_right - p.map_left) + (column + i - p.map_left);
    }

    // Offset of the first pixel in a saved plane.
    __device__ __forceinline__ long long saved_offset() const {
        return (static_cast<long long>(plane) * p.height + row) * p.saved_pitch + column;
    }
};

// What a thread adds up over the map pixels that its block owns.
struct MapSums {
    CompensatedSum dissimilarity;    // 1 - SSIM, times the weight of the pixel
    CompensatedSum weight;           // without a gradient, whose kernel has the sum of all before it starts
};

// What becomes of the partial derivatives.
enum class Keep { NOTHING, IN_SHARED, SAVED };

// MOMENTS_AT and PARTIALS_AT: the SharedRows that it reads and writes. MEAN: of the map; what a mask weights are the sum, the
// map and the partial derivatives. GRADS: how many gradients these are for.
template <Keep KEEP, typename MOMENTS_AT, typename PARTIALS_AT, Mean MEAN = Mean::PLAIN, int GRADS = 1>
struct MapGroups {
    const StripParams& p;
    const Strip& strip;
    GroupPlace place;
    int first_row;    // of the group in stage 0
    int column;       // of the group
    const float* moments;
    float* partials;          // planes, for Keep::IN_SHARED
    long long saved_first;    // offset of the group in a saved plane in stage 0
    ColumnRange map_columns;
    ColumnRange owned_columns;
    PixelWeights<MEAN == Mean::WEIGHTED> weights;
    MapSums sums;

    // The rows of stage 0 begin at stage_row, the columns of the block's map `halo` before those of its output. The first
    // step is that of first_stage.
    __device__ __forceinline__ MapGroups(const StripParams& params, const Strip& block, int out_columns, int halo,
                                         int stage_row, int first_stage, const GroupPlace& group,
                                         const float* moment_rows, float* partial_rows)
        : p(params), strip(block), place(group), first_row(stage_row + group.row),
          column(block.column - halo + group.column), moments(moment_rows + MOMENTS_AT::offset(group)),
          partials(partial_rows + PARTIALS_AT::offset(group)),
          saved_first((static_cast<long long>(block.plane) * params.height + first_row) * params.saved_pitch + column),
          map_columns(column, params.map_left, params.map_right),
          owned_columns(column, max(block.column, params.map_left), min(block.column + out_columns, params.map_right)),
          weights(params, block.plane, first_row + first_stage * STAGE_ROWS, column) {}

    __device__ __forceinline__ void step(int stage, int buffer) {
        const MapPixels group{p, strip.plane, first_row + stage * STAGE_ROWS, column};
        const bool row_in_map = group.row_in_map();
        if (KEEP == Keep::IN_SHARED && (!row_in_map || map_columns.none())) {
            const float zeros[GROUP] = {};
#pragma unroll
            for (int i = 0; i < PARTIALS<GRADS>; i++) store_group(partials + i * PARTIALS_AT::PLANE, zeros);
            weights.next_stage();
            return;
        }
        const float* from = moments + buffer * MOMENTS * MOMENTS_AT::PLANE;
        float m[MOMENTS][GROUP];
        horizontal_variance(from, from + 2 * MOMENTS_AT::PLANE, p, m[0], m[2]);
        float weight[GROUP];
        if constexpr (MEAN == Mean::WEIGHTED && KEEP == Keep::NOTHING) load_weights(group, weight);
        horizontal_variance(from + MOMENTS_AT::PLANE, from + 3 * MOMENTS_AT::PLANE, p, m[1], m[3]);
        // Not before: fssim_loss_and_grad_masked has no registers to spare. They come from L2, where their sum was taken.
        if constexpr (MEAN == Mean::WEIGHTED && KEEP != Keep::NOTHING) load_weights(group, weight);

        const bool row_owned = in_range(group.row, strip.row, strip.row_end);
        float dissimilarity[GROUP];
        float partial[PARTIALS<GRADS>][GROUP];
#pragma unroll
        for (int i = 0; i < GROUP; i++) {
            const PixelSsim pixel({m[0][i], m[1][i], m[2][i], m[3][i]}, p);
            dissimilarity[i] = pixel.dissimilarity;
            partial[0][i] = pixel.mean_u - pixel.mean_v;
            partial[1][i] = pixel.pu;
            partial[2][i] = pixel.pv;
            if constexpr (GRADS == 2) partial[3][i] = pixel.mean_u + pixel.mean_v;
        }
        if constexpr (MEAN == Mean::WEIGHTED && KEEP == Keep::NOTHING) {
            convert_weights(weights.mask, weight);
            hide(weight, dissimilarity);
            sums.weight.add((weight[0] + weight[1]) + (weight[2] + weight[3]));
            sums.dissimilarity.add(weighted_sum(weight, dissimilarity));
            if (p.map != nullptr && row_in_map && row_owned) write_weighted_map(group, dissimilarity, weight);
        }
        if constexpr (MEAN == Mean::WEIGHTED && KEEP == Keep::IN_SHARED) {
            convert_weights(weights.mask, weight);
            if (has_zeros(weight)) {
                hide(weight, dissimilarity);
#pragma unroll
                for (int i = 0; i < PARTIALS<GRADS>; i++) hide(weight, partial[i]);
            }
            if (row_owned) {
                sums.dissimilarity.add(owned_weighted_sum(weight, dissimilarity));
                if (p.map != nullptr) write_weighted_map(group, dissimilarity, weight);
            }
        }
        if constexpr (MEAN == Mean::PLAIN) {
            if (row_in_map && row_owned) take_value(group, dissimilarity);
        }
        if constexpr (MEAN == Mean::WEIGHTED && KEEP == Keep::IN_SHARED) {
            if (p.upstream_mode == UPSTREAM_MAP) weigh_upstream(group, weight);
            // Outside the map there is no weight.
#pragma unroll
            for (int i = 0; i < PARTIALS<GRADS>; i++) {
#pragma unroll
                for (int j = 0; j < GROUP; j++) partial[i][j] *= weight[j];
                store_group(partials + i * PARTIALS_AT::PLANE, partial[i]);
            }
        }
        if constexpr (MEAN == Mean::PLAIN && KEEP == Keep::IN_SHARED) {
            if (p.upstream_mode == UPSTREAM_MAP) apply_upstream(group, partial);
            store_partials(partial);
        }
        if constexpr (KEEP == Keep::SAVED) {
            if (row_owned && place.column < STRIP_COLUMNS && column < p.saved_pitch) {
                if (!row_in_map || !map_columns.all) clear_outside(row_in_map, partial);
                const long long offset = saved_first + static_cast<long long>(stage * STAGE_ROWS) * p.saved_pitch;
                if (p.saved_mean1 != nullptr) store_group(p.saved_mean1 + offset, partial[0]);
                store_group(p.saved_pu + offset, partial[1]);
                store_group(p.saved_pv + offset, partial[2]);
                if (p.saved_mean2 != nullptr) store_group(p.saved_mean2 + offset, partial[3]);
            }
        }
    }

    // Starts loading the weights of the group; of what is not wanted there is none. For a sum alone that is all but the
    // pixels that the block owns.
    __device__ __forceinline__ void load_weights(const MapPixels& group, float (&bits)[GROUP]) {
        const ColumnRange& columns = KEEP == Keep::NOTHING ? owned_columns : map_columns;
        const bool row = KEEP == Keep::NOTHING ? group.row_in_map() && in_range(group.row, strip.row, strip.row_end)
                                               : group.row_in_map();
        bool has_weight[GROUP];
#pragma unroll
        for (int i = 0; i < GROUP; i++) has_weight[i] = row && columns.contains(i);
        weights.load_row(has_weight, bits);
        weights.next_stage();
    }

    // The sum over the columns that this block owns.
    __device__ __forceinline__ float owned_total(const float (&value)[GROUP]) const {
        float total = (value[0] + value[1]) + (value[2] + value[3]);
        if (!owned_columns.all) {
            total = 0.0f;
#pragma unroll
            for (int i = 0; i < GROUP; i++) total += owned_columns.contains(i) ? value[i] : 0.0f;
        }
        return total;
    }

    __device__ __forceinline__ void take_value(const MapPixels& group, const float (&dissimilarity)[GROUP]) {
        sums.dissimilarity.add(owned_total(dissimilarity));
        if (p.map == nullptr) return;
#pragma unroll
        for (int i = 0; i < GROUP; i++) {
            const float base = p.map_base;
            if (owned_columns.contains(i)) p.map[group.map_offset(i)] = fmaf(-p.map_scale, dissimilarity[i], base);
        }
    }

    // The weighted sum over the columns that this block owns. What has no weight is hidden.
    __device__ __forceinline__ float owned_weighted_sum(const float (&weight)[GROUP],
                                                        const float (&value)[GROUP]) const {
        float total = weighted_sum(weight, value);
        if (!owned_columns.all) {
            total = 0.0f;
#pragma unroll
            for (int i = 0; i < GROUP; i++)
                if (owned_columns.contains(i)) total = fmaf(weight[i], value[i], total);
        }
        return total;
    }

    // The map's pixels that this block owns, times their weights. What has none is hidden.
    __device__ __forceinline__ void write_weighted_map(const MapPixels& group, const float (&dissimilarity)[GROUP],
                                                       const float (&weight)[GROUP]) const {
#pragma unroll
        for (int i = 0; i < GROUP; i++)
            if (owned_columns.contains(i))
                p.map[group.map_offset(i)] = weight[i] * fmaf(-p.map_scale, dissimilarity[i], p.map_base);
    }

    // Multiplies the weights by the upstream gradient of their pixels.
    __device__ __forceinline__ void weigh_upstream(const MapPixels& group, float (&weight)[GROUP]) const {
#pragma unroll
        for (int i = 0; i < GROUP; i++)
            if (map_columns.contains(i)) weight[i] = weighted(weight[i], __ldg(p.upstream + group.map_offset(i)));
    }

    // Multiplies the partial derivatives by the upstream gradient of their pixels.
    __device__ __forceinline__ void apply_upstream(const MapPixels& group,
                                                   float (&partial)[PARTIALS<GRADS>][GROUP]) const {
#pragma unroll
        for (int i = 0; i < GROUP; i++) {
            const float upstream = map_columns.contains(i) ? __ldg(p.upstream + group.map_offset(i)) : 1.0f;
#pragma unroll
            for (int plane = 0; plane < PARTIALS<GRADS>; plane++) partial[plane][i] *= upstream;
        }
    }

    // Columns outside the map hold zeros. A block at the left or right edge of the image has such a group in every row, and
    // the whole grid waits for it: no loop here.
    __device__ __forceinline__ void store_partials(const float (&partial)[PARTIALS<GRADS>][GROUP]) const {
#pragma unroll
        for (int i = 0; i < PARTIALS<GRADS>; i++) {
            float* const to = partials + i * PARTIALS_AT::PLANE;
            if (map_columns.all) {
                store_group(to, partial[i]);
                continue;
            }
#pragma unroll
            for (int j = 0; j < GROUP; j++) to[j] = map_columns.contains(j) ? partial[i][j] : 0.0f;
        }
    }

    // Zeroes what lies outside the map: not by a factor, so that a NaN there stays there.
    __device__ __forceinline__ void clear_outside(bool row_in_map, float (&partial)[PARTIALS<GRADS>][GROUP]) const {
#pragma unroll
        for (int i = 0; i < GROUP; i++) {
            if (row_in_map && map_columns.contains(i)) continue;
#pragma unroll
            for (int plane = 0; plane < PARTIALS<GRADS>; plane++) partial[plane][i] = 0.0f;
        }
    }
};

// Writes each sum over the block to where its address in `out` says. The order of additions is fixed.
template <int THREADS, int COUNT>
__device__ __forceinline__ void write_block_sums(const CompensatedSum (&sums)[COUNT], double* const (&out)[COUNT]) {
    __shared__ double warp_sums[COUNT][THREADS / 32];
#pragma unroll
    for (int i = 0; i < COUNT; i++) {
        double total = sums[i].total();
#pragma unroll
        for (int offset = 16; offset > 0; offset /= 2) total += __shfl_xor_sync(0xffffffffu, total, offset);
        if (threadIdx.x % 32 == 0) warp_sums[i][threadIdx.x / 32] = total;
    }
    __syncthreads();
    if (threadIdx.x != 0) return;
#pragma unroll
    for (int i = 0; i < COUNT; i++) {
        double total = warp_sums[i][0];
        for (int warp = 1; warp < THREADS / 32; warp++) total += warp_sums[i][warp];
        *out[i] = total;
    }
}

template <int THREADS>
__device__ __forceinline__ void write_block_sum(const CompensatedSum& map, const StripParams& p) {
    const CompensatedSum sums[] = {map};
    double* const out[] = {p.partials + blockIdx.x};
    write_block_sums<THREADS>(sums, out);
}

// The same with a second sum.
template <int THREADS>
__device__ __forceinline__ void write_block_sum(const CompensatedSum& map, const CompensatedSum& second,
                                                const StripParams& p) {
    const CompensatedSum sums[] = {map, second};
    double* const out[] = {p.partials + blockIdx.x, p.second_partials + blockIdx.x};
    write_block_sums<THREADS>(sums, out);
}

template <int THREADS>
__device__ __forceinline__ void write_block_sum(const CompensatedSum& map, const PixelLoss<true>& pixels,
                                                const StripParams& p) {
    write_block_sum<THREADS>(map, pixels.sum, p);
}

template <int THREADS>
__device__ __forceinline__ void write_block_sum(const CompensatedSum& map, const PixelLoss<false>&,
                                                const StripParams& p) {
    write_block_sum<THREADS>(map, p);
}

// What a kernel without a gradient adds up: beside a loss there is no room for the weights, whose sum is known before.
template <int THREADS, Mean MEAN, bool LOSS>
__device__ __forceinline__ void write_map_sums(const MapSums& map, const PixelLoss<LOSS>& pixels,
                                               const StripParams& p) {
    if constexpr (MEAN == Mean::WEIGHTED && !LOSS)
        write_block_sum<THREADS>(map.dissimilarity, map.weight, p);
    else
        write_block_sum<THREADS>(map.dissimilarity, pixels, p);
}
