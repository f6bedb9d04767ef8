"""SSIM and its gradient in fused CUDA kernels and on the CPU, for PyTorch, NumPy and CuPy.

For PyTorch, with autograd::

    from fused_ssim import fused_ssim

    loss = 1 - fused_ssim(predicted, target)  # (N, C, H, W), float32, values from 0 to 1
    loss.backward()

For anything that is an array::

    from fused_ssim import ssim, ssim_and_grad

    value = ssim(a, b, data_range=255.0)
    value, grad_a, _ = ssim_and_grad(a, b)

:func:`loss` and :func:`loss_and_grad` are the loss of a training step, ``0.8 * L1 + 0.2 * (1 - SSIM)`` by default. All of
them take masks, other windows and more: see :func:`ssim`. ``fused_ssim.nn`` has PyTorch modules of them.

Importing this package loads the fused-ssim library, but neither PyTorch, nor NumPy, nor the CUDA driver.
"""

from ._api import Gradients, SSIMAndGrad, fused_ssim, ssim, ssim_and_grad, ssim_grad
from ._errors import CudaError, FusedSSIMError, InvalidArgumentError, OutOfMemoryError, UnsupportedError
from ._loss import LossAndGrad, LossParts, loss, loss_and_grad
from ._plan import Shard
from ._system import (
    backend_info,
    cuda_preload,
    device_count,
    get_num_threads,
    set_num_threads,
    version,
    workspace_size,
)

__version__ = "0.1.0"

__all__ = [
    "CudaError",
    "FusedSSIMError",
    "Gradients",
    "InvalidArgumentError",
    "LossAndGrad",
    "LossParts",
    "OutOfMemoryError",
    "SSIMAndGrad",
    "Shard",
    "UnsupportedError",
    "__version__",
    "backend_info",
    "cuda_preload",
    "device_count",
    "fused_ssim",
    "get_num_threads",
    "loss",
    "loss_and_grad",
    "set_num_threads",
    "ssim",
    "ssim_and_grad",
    "ssim_grad",
    "version",
    "workspace_size",
]
