"""Faults in the general kernels and in what launches them."""

from .fault import Fault, Suite

SEEDS = 3
MAP = "kernels/general_map.cu"
GRADIENT = "kernels/general_gradient.cu"
REDUCE = "kernels/general_reduce.cu"
SHARED = "kernels/general.cuh"
MASK = "kernels/mask.cuh"
PLAN = "src/cuda/general/mod.rs"
BANDS = "src/cuda/general/bands.rs"

KERNELS = [
    Fault(
        "general-scales",
        SHARED,
        "what rounding products with two scales loses is lost",
        "v = fmaf(p.scale1, x, -scaled) - lost;",
        "v = p.scale1 * x - scaled;",
    ),
    Fault(
        "general-pixels-barrier",
        MAP,
        "no barrier between pixels and vertical moments",
        "load_pixels<NORMALIZED, false>(p, tile, rows);\n    __syncthreads();",
        "load_pixels<NORMALIZED, false>(p, tile, rows);",
        seeds=SEEDS,
    ),
    Fault(
        "general-mask-of-floats",
        MAP,
        "images of floats are not multiplied by their mask",
        "!NORMALIZED && floats && p.mask_mode != MASK_MULTIPLY_INPUTS",
        "!NORMALIZED && floats",
    ),
    Fault(
        "general-moments-barrier",
        MAP,
        "no barrier between vertical and horizontal moments",
        "vertical_moments<NORMALIZED>(p, tile, rows);\n    __syncthreads();",
        "vertical_moments<NORMALIZED>(p, tile, rows);",
        seeds=SEEDS,
    ),
    Fault(
        "general-gradient-barrier",
        GRADIENT,
        "no barrier between the vertical and the horizontal part",
        "vertical_partials(p, tile, filtered);\n    __syncthreads();",
        "vertical_partials(p, tile, filtered);",
        seeds=SEEDS,
    ),
    Fault(
        "general-sum-barrier",
        SHARED,
        "no barrier between the warps' sums and the block's",
        "    __syncthreads();\n    if (threadIdx.x != 0) return;",
        "    if (threadIdx.x != 0) return;",
        seeds=SEEDS,
    ),
    Fault(
        "general-last-taps",
        SHARED,
        "the last samples go to one output too many",
        "for (int i = j + 1; i < GROUP; i++) add(i, tap[i]);",
        "for (int i = j; i < GROUP; i++) add(i, tap[i]);",
    ),
    Fault(
        "general-masked-nan",
        MASK,
        "what is masked is multiplied by zero",
        "return weight == 0.0f ? 0.0f : weight * value;",
        "return weight * value;",
    ),
    Fault(
        "general-bytes",
        MASK,
        "bytes of a mask weigh what they are",
        "mask.element == ELEMENT_U8 && __float_as_uint(bits) != 0 ? 1.0f : bits",
        "mask.element == ELEMENT_U8 ? static_cast<float>(__float_as_uint(bits)) : bits",
    ),
    Fault(
        "general-origin-none",
        GRADIENT,
        "derivatives are filtered about 0",
        "share[i] > SMALLEST_SHARE ? 1.0f / share[i] : 0.0f",
        "0.0f",
    ),
    Fault(
        "general-mean-of-squares",
        MAP,
        "the spread of the vertical means is left out",
        "fmaf(weight, fmaf(du, du, spread_u), var_u[i])",
        "fmaf(weight, HAS_VARIANCES ? spread_u : du * du, var_u[i])",
    ),
    Fault(
        "general-normalized-gradient",
        MAP,
        "derivatives of a normalised window are not divided by its weight",
        "factor = moments.inside[i] > 0.0f ? factor / moments.inside[i] : 0.0f;",
        "factor = moments.inside[i] > 0.0f ? factor : 0.0f;",
    ),
    Fault(
        "general-masked-mean",
        MAP,
        "a masked mean far away is kept as an origin",
        "if (factor != 0.0f) {",
        "if (true) {",
    ),
    Fault(
        "general-own-rows",
        MAP,
        "rows of a neighbouring band or shard are added up as well",
        "const bool own_map_row = own_row && in_range(",
        "const bool own_map_row = in_range(",
    ),
    Fault(
        "general-pixels-outside-the-map",
        MAP,
        "pixel losses of the border are left out with valid padding",
        "const bool own_pixel = own_row && column < p.width;",
        "const bool own_pixel = in_map && own_row;",
    ),
    Fault(
        "general-through-the-mask",
        GRADIENT,
        "gradients do not go through the mask",
        "p.mask_mode == MASK_MULTIPLY_INPUTS || p.mask_mode == MASK_NORMALIZED",
        "p.mask_mode == MASK_MULTIPLY_INPUTS",
    ),
    Fault(
        "general-loss-sign",
        GRADIENT,
        "the pixel loss of img2 has the sign of img1",
        "grad2 -= weighted(pixels2, derivative);",
        "grad2 += weighted(pixels2, derivative);",
    ),
    Fault(
        "general-gradient-row",
        GRADIENT,
        "gradients of a shard begin at the first row in memory",
        "row - p.grad_row, column), grad.element",
        "row, column), grad.element",
    ),
    Fault(
        "general-empty-mask",
        MASK,
        "where a mask is all zero the gradient is divided by zero",
        "return total == 0.0 ? 0.0 : factor / total;",
        "return factor / total;",
    ),
    Fault(
        "general-weights-region",
        REDUCE,
        "the weights outside of the map count for the mean",
        "map[k] = row_in_map(k) ? map[k] : 0.0f;",
        "",
    ),
    Fault(
        "general-weights-bytes-region",
        REDUCE,
        "bytes outside of the map's columns count for the mean",
        "if (!column_in_map(i)) map &= ~(0xffu << 8 * i);",
        "",
    ),
    Fault(
        "general-weights-bytes",
        REDUCE,
        "a byte counts for its highest bit alone",
        "(((word[k] & 0x7f7f7f7fu) + 0x7f7f7f7fu) | word[k]) >> 7",
        "word[k] >> 7",
    ),
    Fault(
        "general-weights-columns",
        REDUCE,
        "the weights of all columns but the first tile are left out",
        "place.remainder * WEIGHT_COLUMNS",
        "place.remainder * p.width",
    ),
    Fault(
        "general-weights-tiles",
        REDUCE,
        "each part adds up one tile of a plane, however many there are",
        "tile < p.tiles; tile += p.tile_parts.value",
        "tile < p.tile_parts.value; tile += p.tile_parts.value",
    ),
    Fault(
        "general-weights-planes",
        REDUCE,
        "each part adds up one plane, however many there are",
        "plane < p.planes; plane += p.plane_parts",
        "plane < p.plane_parts; plane += p.plane_parts",
    ),
    Fault(
        "general-totals-order",
        REDUCE,
        "the weights of the map and of the pixels change places",
        "double totals[] = {sums.map, sums.pixels};\n    block_sums<WEIGHT",
        "double totals[] = {sums.pixels, sums.map};\n    block_sums<WEIGHT",
    ),
    Fault(
        "general-share",
        REDUCE,
        "dissimilarity and pixel loss change their shares",
        "share(1.0 - p.lambda, pixel_loss) + share(p.lambda, value)",
        "share(p.lambda, pixel_loss) + share(1.0 - p.lambda, value)",
    ),
    Fault(
        "general-divisor",
        REDUCE,
        "a shard is divided by its own weights",
        "map_total = p.divisor != 0.0 ? p.divisor : map_weight;",
        "map_total = map_weight;",
    ),
]

LAUNCHES = [
    Fault(
        "general-shared-bytes",
        PLAN,
        "a block gets too little shared memory",
        "Kernel::GeneralMapNormalized => 3 * pixels + 5 * rows,",
        "Kernel::GeneralMapNormalized => 2 * pixels + 4 * rows,",
    ),
    Fault(
        "general-band-halo",
        BANDS,
        "the map of a band lacks the last row that its gradient needs",
        "(own.end + self.halo).min(problem.shape.h)",
        "(own.end + self.halo - usize::from(self.halo > 0)).min(problem.shape.h)",
    ),
    Fault(
        "general-band-sums",
        PLAN,
        "bands of a plane leave their sums in the same place",
        "first_block += blocks / count;",
        "let _ = blocks;",
    ),
    Fault(
        "general-present",
        PLAN,
        "a gradient of a shard does not see the map of the others",
        "present_bottom: present.bottom() as i32,",
        "present_bottom: map.bottom() as i32,",
    ),
    Fault(
        "general-unit",
        PLAN,
        "pixel losses are in the unit of the computation",
        "unscale: units.unscale(problem) as f32,",
        "unscale: 1.0,",
    ),
    Fault(
        "general-planes-size",
        BANDS,
        "the workspace lacks the halo of the last band",
        "let rows = (bands.rows.min(problem.owned_rows.1) + 2 * bands.halo).min(problem.shape.h);",
        "let rows = bands.rows.min(problem.owned_rows.1);",
        suite=Suite.UNIT,
    ),
]

FAULTS = [*KERNELS, *LAUNCHES]
