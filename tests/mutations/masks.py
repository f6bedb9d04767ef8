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
        "weigh(weight, has_zeros(weight), partial);",
        "",
    ),
    Fault(
        "masked-nan",
        "kernels/mask.cuh",
        "partial derivatives without weight are multiplied by zero",
        "if (zeros) {",
        "if (false) {",
    ),
    Fault(
        "masked-outside-the-map",
        MAP,
        "pixels beside the map have a weight",
        "in_map[i] = row_in_map && map_columns.contains(i);",
        "in_map[i] = row_in_map && in_range(column + i, 0, p.width);",
    ),
    Fault(
        "masked-weights-of-neighbours",
        MAP,
        "the weights of columns that the next strip owns are added up as well",
        "sums.weight.add(owned_total(weight));",
        "sums.weight.add((weight[0] + weight[1]) + (weight[2] + weight[3]));",
    ),
    Fault(
        "masked-map",
        MAP,
        "a map holds its values where there is no weight",
        "MEAN == Mean::WEIGHTED ? weight[i] * p.map_base : p.map_base",
        "p.map_base",
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
        "weigh(weight, derivative);",
        "",
    ),
    Fault(
        "masked-loss-row",
        GRADIENT,
        "pixel losses have the weights of another row",
        "weights.load_row(first_row + row, has_weight, weight);",
        "weights.load_row(first_row, has_weight, weight);",
    ),
    Fault(
        "masked-pixel-total",
        GRADIENT,
        "pixel losses are divided by the weights of the map",
        "divided(pixel_scale, totals[1])",
        "divided(pixel_scale, totals[0])",
    ),
    Fault(
        "masked-total-of-group",
        GRADIENT,
        "the gradients of all groups are divided by the weights of the first",
        "p.totals + 2LL * (strip.plane / p.planes_per_group)",
        "p.totals",
    ),
    Fault(
        "masked-nothing",
        GRADIENT,
        "where a mask is all zero what is not finite gets through",
        "if constexpr (LOSS || MEAN == Mean::WEIGHTED) {",
        "if constexpr (LOSS) {",
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
        "weighted(weights.load(first_row + k * STEP), pixel[k])",
        "pixel[k]",
    ),
    Fault(
        "masked-value",
        "kernels/general_reduce.cu",
        "the weights that the blocks of a value added up are not used",
        "map_weight = weights;",
        "map_weight = p.map_weight;",
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
        "let known = !divides_by_totals(self.problem);",
        "let known = true;",
    ),
    Fault(
        "masked-workspace",
        "src/cuda/cut.rs",
        "the workspace has no room for the sums of a mask",
        "weights::total_bytes(problem) + 2 *",
        "2 *",
    ),
]

FAULTS = [*KERNELS, *LAUNCHES]
