"""Faults in what strips and tiles do with a mask."""

from .fault import Fault

MAP = "kernels/map_groups.cuh"
GRADIENT = "kernels/gradient_groups.cuh"
WEIGHTS = "src/cuda/weights.rs"

KERNELS = [
    Fault(
        "masked-derivatives",
        MAP,
        "the partial derivatives are not weighted",
        "partial[i][j] *= weight[j];",
        "partial[i][j] *= 1.0f;",
    ),
    Fault(
        "masked-nan",
        MAP,
        "partial derivatives without weight are multiplied by zero",
        "if (has_zeros(weight)) {",
        "if (false) {",
    ),
    Fault(
        "masked-outside-the-map",
        MAP,
        "pixels beside the map have a weight",
        "row && columns.contains(i)",
        "row && in_range(column + i, 0, p.width)",
    ),
    Fault(
        "masked-weights-of-neighbours",
        MAP,
        "the weights of rows that the next strip owns are added up as well",
        "group.row_in_map() && in_range(group.row, strip.row, strip.row_end)",
        "group.row_in_map()",
    ),
    Fault(
        "masked-map",
        MAP,
        "a map holds its values where there is no weight",
        "weight[i] * fmaf(-p.map_scale, dissimilarity[i], p.map_base)",
        "fmaf(-p.map_scale, weight[i] * dissimilarity[i], p.map_base)",
    ),
    Fault(
        "masked-upstream",
        MAP,
        "the upstream gradient of a weighted map is left out",
        "weight[i] = weighted(weight[i], __ldg(p.upstream + group.map_offset(i)));",
        "weight[i] = weighted(weight[i], 1.0f);",
    ),
    Fault(
        "masked-loss-gradient",
        GRADIENT,
        "the gradients of pixel losses are not weighted",
        "pixel_scale * weight[i]",
        "pixel_scale",
    ),
    Fault(
        "masked-loss-row",
        GRADIENT,
        "pixel losses have the weights of another row",
        "weights.next_stage();",
        "",
    ),
    Fault(
        "masked-pixel-total",
        GRADIENT,
        "pixel losses are divided by the weights of the map",
        "total_weight(sums + parts, parts)",
        "total_weight(sums, parts)",
    ),
    Fault(
        "masked-total-of-group",
        GRADIENT,
        "the gradients of all groups are divided by the weights of the first",
        "p.weight_sums + 2LL * parts * (strip.plane / p.planes_per_group)",
        "p.weight_sums",
    ),
    Fault(
        "masked-nothing",
        GRADIENT,
        "where a mask is all zero what is not finite gets through",
        "if constexpr (LOSS || MEAN == Mean::WEIGHTED) {",
        "if constexpr (LOSS) {",
    ),
    Fault(
        "masked-hidden-loss",
        GRADIENT,
        "pixel losses without weight are multiplied by zero",
        "hide(weight, y);",
        "",
    ),
    Fault(
        "masked-first-stage",
        MAP,
        "the weights of the map begin with the rows of the first stage that has none",
        "first_row + first_stage * STAGE_ROWS",
        "first_row",
    ),
    Fault(
        "masked-parts",
        "kernels/mask.cuh",
        "of the parts of a sum those of the first warp's width are added up",
        "WEIGHT_PARTS / 32>(parts, threadIdx.x % 32, count)",
        "WEIGHT_PARTS / 32>(parts, threadIdx.x % 32, min(count, 32))",
    ),
    Fault(
        "masked-column-loss",
        "kernels/pixel_columns.cuh",
        "the pixel losses of strips are not weighted without a gradient",
        "weigh(weight, pixel);",
        "",
    ),
    Fault(
        "masked-tile-loss",
        "kernels/tile.cu",
        "those of tiles are not",
        "weighted(weights.load(k * STEP), pixel[k])",
        "pixel[k]",
    ),
    Fault(
        "masked-value",
        "kernels/general_reduce.cu",
        "the weights that the blocks of a value added up are not used",
        "weighted ? map_sum : p.map_weight",
        "p.weight_sums != nullptr ? map_sum : p.map_weight",
    ),
]

LAUNCHES = [
    Fault(
        "masked-elements",
        "src/cuda/plan.rs",
        "masked images of other types go to the kernels for f32 alone",
        "launched.of_pair(pair_of(&params))",
        "if weights_mean(self.problem) { launched } else { launched.of_pair(pair_of(&params)) }",
    ),
    Fault(
        "masked-repeats",
        WEIGHTS,
        "weights that channels share count once",
        "true => (c, 1),",
        "true => (1, 1),",
    ),
    Fault(
        "masked-groups-of-a-sum",
        WEIGHTS,
        "each channel has weights of its own where they share them",
        "true if group_planes == 1 => (1, c),",
        "true if group_planes == 1 => (1, 1),",
    ),
    Fault(
        "masked-mean-factor",
        "src/cuda/plan.rs",
        "weighted gradients are divided by the number of pixels, too",
        "let known = !divides_by_sums(self.problem);",
        "let known = true;",
    ),
    Fault(
        "masked-workspace",
        "src/cuda/cut.rs",
        "the workspace has no room for the sums of a mask",
        "weights::sum_bytes(problem) + 2 *",
        "2 *",
    ),
]

FAULTS = [*KERNELS, *LAUNCHES]
