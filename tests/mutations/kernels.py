"""Faults in the kernels."""

from .fault import Fault

SEEDS = 3


def no_barrier(name, file, what, before):
    """The barrier after the line `before` is gone."""
    return Fault(name, file, what, f"{before}\n        __syncthreads();\n", f"{before}\n", seeds=SEEDS)


BARRIERS = [
    no_barrier(
        "value-barrier",
        "kernels/value.cu",
        "no barrier between vertical and horizontal part",
        "        pixels.step(stage & 1);",
    ),
    no_barrier(
        "backward-barrier",
        "kernels/backward.cu",
        "no barrier between vertical and horizontal part",
        "        partials.step(stage & 1);",
    ),
    no_barrier(
        "fused-first-barrier",
        "kernels/value_and_grad.cu",
        "no barrier between vertical and horizontal part",
        "        if (has_partials) partials.step();",
    ),
    no_barrier(
        "fused-second-barrier",
        "kernels/value_and_grad.cu",
        "no barrier before the buffers are written again",
        "        if (stage >= FIRST_STAGE && stage < stages) map.step(stage, 0);",
    ),
    Fault(
        "tile-pixels-barrier",
        "kernels/tile.cu",
        "no barrier between pixels and vertical moments",
        "load_pixels<ELEMENTS, TILE, MEAN>(p, tile, pixels, loss);\n    __syncthreads();",
        "load_pixels<ELEMENTS, TILE, MEAN>(p, tile, pixels, loss);",
        seeds=SEEDS,
    ),
    Fault(
        "tile-moments-barrier",
        "kernels/tile.cu",
        "no barrier between vertical and horizontal moments",
        "vertical_moments<TILE>(p, pixels, moments);\n    __syncthreads();",
        "vertical_moments<TILE>(p, pixels, moments);",
        seeds=SEEDS,
    ),
    Fault(
        "tile-partials-barrier",
        "kernels/tile.cu",
        "no barrier before the partial derivatives are read",
        "gradient.fetch();\n    }\n    __syncthreads();",
        "gradient.fetch();\n    }",
        seeds=SEEDS,
    ),
    Fault(
        "tile-filtered-barrier",
        "kernels/tile.cu",
        "no barrier before the filtered partial derivatives are read",
        "vertical_partials(p, partials, filtered);\n    __syncthreads();",
        "vertical_partials(p, partials, filtered);",
        seeds=SEEDS,
    ),
    Fault(
        "tile-outside",
        "kernels/tile.cu",
        "rows below the image are loaded",
        "static_cast<unsigned>(first_row + k * STEP) < static_cast<unsigned>(p.height)",
        "first_row + k * STEP >= 0",
    ),
    Fault(
        "tile-halo",
        "kernels/tile.cu",
        "the rows of a tile begin one too low",
        "tile.row - TILE::MAP_HALO - RADIUS + static_cast<int>(threadIdx.x) / COLUMNS",
        "tile.row + 1 - TILE::MAP_HALO - RADIUS + static_cast<int>(threadIdx.x) / COLUMNS",
    ),
    Fault(
        "tile-planes",
        "kernels/tile.cu",
        "the variance of v is taken for that of u",
        "moments + (2 + plane) * TILE::Moments::PLANE",
        "moments + (3 - plane) * TILE::Moments::PLANE",
    ),
    Fault(
        "block-sum-barrier",
        "kernels/map_groups.cuh",
        "no barrier between the warps' sums and the block's",
        "warp_sums[i][threadIdx.x / 32] = total;\n    }\n    __syncthreads();",
        "warp_sums[i][threadIdx.x / 32] = total;\n    }",
        seeds=SEEDS,
    ),
    Fault(
        "reduce-barrier",
        "kernels/reduce.cu",
        "no barrier between the warps' sums and the block's",
        "warp_sums[threadIdx.x / 32] = total;\n    __syncthreads();",
        "warp_sums[threadIdx.x / 32] = total;",
        seeds=SEEDS,
    ),
    Fault(
        "value-parity",
        "kernels/value.cu",
        "the horizontal part reads the other buffer",
        "map.step(stage, stage & 1)",
        "map.step(stage, (stage + 1) & 1)",
    ),
    Fault(
        "backward-parity",
        "kernels/backward.cu",
        "the horizontal part reads the other buffer",
        "gradient.step(stage & 1)",
        "gradient.step((stage + 1) & 1)",
    ),
]

FILTERS = [
    Fault(
        "vertical-taps",
        "kernels/strip.cuh",
        "the vertical filter uses the tap next to the right one",
        "sum[k - 1] = fmaf(p.taps[k], sample, sum[k])",
        "sum[k - 1] = fmaf(p.taps[k - 1], sample, sum[k])",
    ),
    Fault(
        "horizontal-taps",
        "kernels/strip.cuh",
        "the first two taps of the horizontal filter are swapped",
        "out[i] = fmaf(p.taps[k], window[i + k], out[i])",
        "out[i] = fmaf(p.taps[k == 1 ? 0 : k], window[i + k], out[i])",
    ),
    Fault(
        "origin-move",
        "kernels/strip.cuh",
        "squares are not fully moved to a new origin",
        "fmaf(step, p.tap_tails[k], -2.0f * mean.sum[k])",
        "fmaf(step, p.tap_tails[k], -mean.sum[k])",
    ),
    Fault(
        "origin-tails",
        "kernels/strip.cuh",
        "the mean is moved to a new origin with the wrong tail of the taps",
        "mean.sum[k] = fmaf(-step, p.tap_tails[k], mean.sum[k])",
        "mean.sum[k] = fmaf(-step, p.tap_tails[k > 0 ? k - 1 : 0], mean.sum[k])",
    ),
    Fault(
        "origin-stays",
        "kernels/strip.cuh",
        "the origin stays at a column's first pixel: accuracy only",
        "squares > p.origin_squares;",
        "squares > 1e9f;",
    ),
    Fault(
        "origin-bright",
        "kernels/strip.cuh",
        "a bright origin is kept for samples that are much smaller",
        "const bool leave = smallest < 0.25f * fabsf(origin);",
        "const bool leave = false;",
    ),
    Fault(
        "horizontal-origin",
        "kernels/strip.cuh",
        "the squares of distances of columns are left out of the variance",
        "variances[i] = fmaf(distance[i], distance[i], variances[i])",
        "variances[i] = fmaf(distance[i], 0.0f, variances[i])",
    ),
]

EDGES = [
    Fault(
        "column-halo",
        "kernels/map_groups.cuh",
        "the map begins a column late",
        "column(block.column - halo + group.column)",
        "column(block.column - halo + group.column + 1)",
    ),
    Fault(
        "row-halo",
        "kernels/pixel_columns.cuh",
        "the rows that lie in the image are off by one",
        "row(strip.row - halo),",
        "row(strip.row - halo + 1),",
    ),
    Fault(
        "gradient-halo",
        "kernels/partial_columns.cuh",
        "saved columns are read from one column to the left, whose rows begin a halo early",
        "strip.row - RADIUS, strip.column - RADIUS + t}",
        "strip.row - RADIUS, strip.column - RADIUS - 1 + t}",
    ),
    Fault(
        "column-inside",
        "kernels/pixel_columns.cuh",
        "one column right of the image is read",
        "static_cast<unsigned>(strip.column - halo + t) < static_cast<unsigned>(params.width)",
        "static_cast<unsigned>(strip.column - halo + t) <= static_cast<unsigned>(params.width)",
    ),
    Fault(
        "row-inside",
        "kernels/pixel_columns.cuh",
        "one row below the image is read",
        "static_cast<unsigned>(row + j) < static_cast<unsigned>(p.height)",
        "static_cast<unsigned>(row + j) <= static_cast<unsigned>(p.height)",
    ),
    Fault(
        "last-stage",
        "kernels/strip.cuh",
        "the last, incomplete stage is missing",
        "(row_end - row + halo + STAGE_ROWS - 1) / STAGE_ROWS",
        "(row_end - row + halo) / STAGE_ROWS",
    ),
    Fault(
        "chunk-rows",
        "kernels/strip.cuh",
        "a chunk ends a row early",
        "row_end = min(row + p.chunk_rows, p.own_end)",
        "row_end = min(row + p.chunk_rows - 1, p.own_end)",
    ),
    Fault(
        "strip-index",
        "kernels/strip.cuh",
        "strips and chunks change places",
        "strips(static_cast<int>(blockIdx.x), p.strips);",
        "strips(static_cast<int>(blockIdx.x), p.chunks);",
    ),
    Fault(
        "division",
        "kernels/division.cuh",
        "a quotient stays one too low where the reciprocal was rounded",
        "if (remainder >= by.value) {",
        "if (remainder > by.value) {",
    ),
    Fault(
        "prefetch-rows",
        "kernels/row_prefetch.cuh",
        "rows below the saved planes are asked for",
        "rows = min(p.height, strip.row_end + RADIUS) - pixel.row;",
        "rows = strip.row_end + HALO - pixel.row;",
    ),
    Fault(
        "gradient-last-columns",
        "kernels/elements.cuh",
        "no bounds check on the last columns of the gradient",
        "if (wanted[i]) store_one(",
        "store_one(",
    ),
    Fault(
        "gradient-vector",
        "kernels/gradient_groups.cuh",
        "whole groups are stored where columns are missing",
        "has_quads(p.grad, grad) && columns == GROUP;",
        "has_quads(p.grad, grad);",
    ),
    Fault(
        "gradient-alignment",
        "kernels/elements.cuh",
        "accesses of four elements without a look at the address",
        "const size_t starts = reinterpret_cast<size_t>(address) | static_cast<size_t>(image.stride_h);",
        "const size_t starts = static_cast<size_t>(image.stride_h);",
    ),
    Fault(
        "gradient-row-alignment",
        "kernels/elements.cuh",
        "accesses of four elements without a look at where other rows start",
        "const size_t starts = reinterpret_cast<size_t>(address) | static_cast<size_t>(image.stride_h);",
        "const size_t starts = reinterpret_cast<size_t>(address);",
    ),
    Fault(
        "map-rows",
        "kernels/map_groups.cuh",
        "one row below the map counts as part of it",
        "in_range(row, p.map_top, p.map_bottom)",
        "in_range(row, p.map_top, p.map_bottom + 1)",
    ),
    Fault(
        "shard-rows",
        "kernels/strip.cuh",
        "the rows of a shard begin with those in memory",
        "row = p.own_begin + chunks.remainder * p.chunk_rows;",
        "row = chunks.remainder * p.chunk_rows;",
    ),
    Fault(
        "shard-end",
        "kernels/strip.cuh",
        "the rows of a shard end with those in memory",
        "row_end = min(row + p.chunk_rows, p.own_end)",
        "row_end = min(row + p.chunk_rows, p.height)",
    ),
    Fault(
        "shard-map-planes",
        "kernels/map_groups.cuh",
        "planes of a shard's map are as far apart as its rows in memory",
        "static_cast<long long>(plane) * p.map_rows",
        "static_cast<long long>(plane) * (p.map_bottom - p.map_top)",
    ),
    Fault(
        "clear-rows",
        "kernels/map_groups.cuh",
        "rows outside the map keep their partial derivatives",
        "(!row_in_map || map_columns.none())",
        "map_columns.none()",
    ),
    Fault(
        "clear-columns",
        "kernels/map_groups.cuh",
        "columns outside the map keep their partial derivatives",
        "to[j] = map_columns.contains(j) ? partial[i][j] : 0.0f;",
        "to[j] = partial[i][j];",
    ),
]

VALUES = [
    Fault(
        "sum-owned-columns",
        "kernels/map_groups.cuh",
        "columns of the strip to the left are added again",
        "owned_columns(column, max(block.column, params.map_left),",
        "owned_columns(column, params.map_left,",
    ),
    Fault(
        "sum-owned-rows",
        "kernels/map_groups.cuh",
        "rows of the chunks around are added again",
        "if (row_in_map && row_owned) take_value",
        "if (row_in_map) take_value",
    ),
    Fault(
        "block-sum-lanes",
        "kernels/map_groups.cuh",
        "half of each warp is left out of the sum",
        "for (int offset = 16; offset > 0; offset /= 2)",
        "for (int offset = 8; offset > 0; offset /= 2)",
    ),
    Fault(
        "reduce-scale",
        "kernels/reduce.cu",
        "the sum is not scaled",
        "p.base - p.scale * total",
        "1.0 - total",
    ),
    Fault(
        "reduce-loop",
        "kernels/reduce.cu",
        "a thread adds one partial sum only",
        "i < p.per_group; i += REDUCE_THREADS)",
        "i < min(p.per_group, REDUCE_THREADS + 0LL); i += REDUCE_THREADS)",
    ),
    Fault(
        "upstream-group",
        "kernels/gradient_groups.cuh",
        "the upstream gradient is read by plane instead of by group",
        "p.upstream[strip.plane / p.planes_per_group]",
        "p.upstream[strip.plane]",
    ),
    Fault(
        "upstream-map-columns",
        "kernels/map_groups.cuh",
        "the upstream map is read outside its columns",
        "map_columns.contains(i) ? __ldg(p.upstream + group.map_offset(i)) : 1.0f",
        "__ldg(p.upstream + group.map_offset(i))",
    ),
    Fault(
        "saved-mean",
        "kernels/map_groups.cuh",
        "the mean part of the first image's gradient is saved for the second",
        "store_group(p.saved_mean2 + offset, partial[3])",
        "store_group(p.saved_mean2 + offset, partial[0])",
    ),
    Fault(
        "mean-part",
        "kernels/moments.cuh",
        "a wrong sign in one partial derivative",
        "mean_v = m[1] * fmaf(e, t1, pv);",
        "mean_v = m[1] * fmaf(e, t1, -pv);",
    ),
]

LOSSES = [
    Fault(
        "loss-rows",
        "kernels/pixel_columns.cuh",
        "the last row of a chunk is left out of the pixel losses",
        "in_range(row - STAGE_ROWS + j, strip.row, strip.row_end)",
        "in_range(row - STAGE_ROWS + j, strip.row, strip.row_end - 1)",
    ),
    Fault(
        "loss-columns",
        "kernels/pixel_columns.cuh",
        "columns of the next strip are added again",
        "owned(in_range(t, halo, halo + out_columns))",
        "owned(in_range(t, halo, halo + out_columns + 1))",
    ),
    Fault(
        "loss-tile-columns",
        "kernels/tile.cu",
        "columns of the tiles around are added again",
        "in_range(column, tile.column, min(tile.column + TILE_COLUMNS, p.width))",
        "in_range(column, tile.column, p.width)",
    ),
    Fault(
        "loss-last-columns",
        "kernels/pixel_loss.cuh",
        "pixels that are not the thread's own are added",
        "total += own[i] ? loss[i] : 0.0f",
        "total += loss[i]",
    ),
    Fault(
        "loss-sign-of-zero",
        "kernels/pixel_loss.cuh",
        "equal pixels have a derivative",
        "derivative[i] = loss[i] > 0.0f ? sign : v[i];",
        "derivative[i] = sign;",
    ),
    Fault(
        "loss-weightless",
        "kernels/gradient_groups.cuh",
        "a dissimilarity without weight spreads its NaN",
        "if (scale == 0.0f) out[i] = 0.0f;",
        "",
    ),
]

FAULTS = [*BARRIERS, *FILTERS, *EDGES, *VALUES, *LOSSES]
