"""Faults in the CPU backend: masks and windows in the march."""

from .fault import Fault, Suite

MARCH = "src/cpu/march.rs"
TAPS = "src/cpu/any_taps.rs"
INPUT = "src/cpu/input.rs"


def fault(name, file, what, old, new, suite=Suite.CPU):
    return Fault(f"cpu-{name}", file, what, old, new, suite=suite)


FAULTS = [
    fault(
        "taps-step",
        TAPS,
        "means of the next tile are shifted the wrong way",
        "V::load(vector.as_ptr().add(lane)).add(step)",
        "V::load(vector.as_ptr().add(lane)).sub(step)",
    ),
    fault(
        "taps-second-variance",
        TAPS,
        "the variances of the first direction are left out",
        "if SECOND {\n                                squares[i]",
        "if false {\n                                squares[i]",
    ),
    fault(
        "taps-filter-start",
        TAPS,
        "the backward filter is off by one",
        "(TILE - 2 * self.radius) * TILE",
        "(TILE - 2 * self.radius - 1) * TILE",
    ),
    fault(
        "taps-rebase",
        "src/cpu/gradient.rs",
        "one line of a tile keeps its means relative to another pixel",
        "for i in TILE - 2 * radius..TILE {",
        "for i in TILE - 2 * radius + 1..TILE {",
    ),
    fault(
        "taps-ahead",
        MARCH,
        "the last band does not see all rows of its windows",
        "{ 2 * radius } else { TILE }",
        "{ 2 * radius - 1 } else { TILE }",
    ),
    fault(
        "mask-of-nan",
        INPUT,
        "what is masked is multiplied by zero",
        "(pixel_x.where_nonzero(weight), pixel_y.where_nonzero(weight))",
        "(pixel_x, pixel_y)",
    ),
    fault(
        "mask-of-edges",
        INPUT,
        "tiles at the edge of the image have the mask of another",
        "let at = [n, c, row, column + columns.start - first];",
        "let at = [n, c, row, column];",
    ),
    fault(
        "mask-of-the-gradient",
        "src/cpu/gradient.rs",
        "the gradient does not go through the mask",
        "weights::apply::<V>(gradient, &tiles.weights[1]);",
        "weights::clear::<V>(gradient, &tiles.weights[1]);",
    ),
    fault(
        "mask-of-the-pixels",
        "src/cpu/pixel_loss.rs",
        "the pixel loss is that of unmasked images",
        "weights::apply::<V>(difference, weights);",
        "weights::clear::<V>(difference, weights);",
    ),
    fault(
        "path-of-windows",
        "src/cpu/mod.rs",
        "windows of 13 taps and more are computed in f64",
        "problem.window.radius() > MAX_RADIUS",
        "problem.window.radius() > 5",
        suite=Suite.UNIT,
    ),
]
