"""Faults in the kernels that make the gradients of both images, and in their launches."""

from .fault import Fault, Suite

GRADIENT = "kernels/gradient_groups.cuh"

FAULTS = [
    Fault(
        "both-mean",
        GRADIENT,
        "the mean part of the first gradient goes into the second as well",
        "fmaf(-y[i], g[2][i], g[3][i])",
        "fmaf(-y[i], g[2][i], g[0][i])",
    ),
    Fault(
        "both-sign",
        GRADIENT,
        "the difference of the images has the same sign in both gradients",
        "fmaf(-y[i], g[2][i], g[3][i])",
        "fmaf(y[i], g[2][i], g[3][i])",
    ),
    Fault(
        "both-rows",
        GRADIENT,
        "the rows of the second gradient are as far apart as those of the first",
        "second_gradient() + row * p.grad2.stride_h",
        "second_gradient() + row * p.grad.stride_h",
    ),
    Fault(
        "both-quads",
        GRADIENT,
        "whole groups of the second gradient are stored where the first allows it",
        "stores_quads2 = has_quads(p.grad2, grad2) && columns == GROUP;",
        "stores_quads2 = stores_quads;",
    ),
    Fault(
        "both-upstream",
        GRADIENT,
        "the second gradient has no upstream gradient",
        "if constexpr (GRADS == 2) scale2 *= upstream;",
        "",
    ),
    Fault(
        "both-upstream-map",
        "kernels/map_groups.cuh",
        "the second mean part is not multiplied by the upstream map",
        "for (int plane = 0; plane < PARTIALS<GRADS>; plane++) partial[plane][i] *= upstream;",
        "for (int plane = 0; plane < PARTIALS<1>; plane++) partial[plane][i] *= upstream;",
    ),
    Fault(
        "both-saved",
        "kernels/partial_columns.cuh",
        "the saved mean part of the first gradient is read for the second",
        "sample[3][j] = __ldg(p.saved_mean2 + at);",
        "sample[3][j] = __ldg(p.saved_mean1 + at);",
    ),
    Fault(
        "both-saved-upstream",
        "kernels/partial_columns.cuh",
        "the second mean part from saved is not multiplied by the upstream map",
        "for (int i = 0; i < PARTIALS<GRADS>; i++) sample[i][j] *= upstream;",
        "for (int i = 0; i < PARTIALS<1>; i++) sample[i][j] *= upstream;",
    ),
    Fault(
        "both-shared-bytes",
        "src/cuda/kernel.rs",
        "a block for both gradients has the shared memory of one",
        'c"fssim_backward_both", STRIP_THREADS, BOTH_BACKWARD_SHARED_BYTES,',
        'c"fssim_backward_both", STRIP_THREADS, BACKWARD_SHARED_BYTES,',
    ),
    Fault(
        "both-scale",
        "src/cuda/plan.rs",
        "the second gradient has the factor of the first",
        "grad_scale2: second.grad_scale,",
        "grad_scale2: self.with_gradient(false, first, upstream).grad_scale,",
    ),
    Fault(
        "both-dtype",
        "src/cuda/pixels.rs",
        "the kernel for f32 alone writes a second gradient of another type",
        "if fits(&params.grad) && fits(&params.grad2) { pair }",
        "if fits(&params.grad) { pair }",
        suite=Suite.UNIT,
    ),
    Fault(
        "both-of-a-mask",
        "src/cuda/plan.rs",
        "the kernel for both gradients, which knows no weights, is taken under a mask",
        "kernel == Kernel::ValueAndGrad && !weights_mean(self.problem)",
        "kernel == Kernel::ValueAndGrad",
    ),
    Fault(
        "both-of-a-loss",
        "src/cuda/plan.rs",
        "the kernel for both gradients, which compares no pixels, is taken for a loss",
        "are_both(grads) && kernel == Kernel::ValueAndGrad &&",
        "are_both(grads) &&",
        suite=Suite.UNIT,
    ),
]
