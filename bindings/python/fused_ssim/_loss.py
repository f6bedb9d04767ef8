"""The public functions for the loss of a training step."""

from __future__ import annotations

from typing import Any, NamedTuple, Optional, Tuple, Union

from . import _arrays, _memory
from ._api import is_torch, refuse_for_torch, value_and_grad
from ._plan import Shard, settings, terms


class LossParts(NamedTuple):
    """A loss, and the two parts that it is made of: loss = (1 - lambda_) * pixel + lambda_ * dissimilarity.

    `pixel` is the mean of ``|img1 - img2|`` or ``(img1 - img2)**2``, `dissimilarity` that of 1 - SSIM or (1 - SSIM) / 2.
    """

    loss: Any
    pixel: Any
    dissimilarity: Any


class LossAndGrad(NamedTuple):
    """What :func:`loss_and_grad` returns. A gradient that was not asked for is None.

    `values` is (3, ...): the loss, its pixel part and its dissimilarity, each of the shape of the reduction.
    """

    values: Any
    grad_img1: Any
    grad_img2: Any

    @property
    def loss(self) -> Any:
        """values[0]: (1 - lambda_) * pixel + lambda_ * dissimilarity."""
        return self.values[0]

    @property
    def pixel(self) -> Any:
        """values[1]: the mean of |img1 - img2| or (img1 - img2)**2."""
        return self.values[1]

    @property
    def dissimilarity(self) -> Any:
        """values[2]: the mean of 1 - SSIM, or of (1 - SSIM) / 2."""
        return self.values[2]


def loss(
    img1: Any,
    img2: Any,
    *,
    lambda_: float = 0.2,
    pixel_loss: str = "l1",
    return_parts: bool = False,
    padding: str = "same",
    reduction: str = "mean",
    output: str = "one_minus_ssim",
    window: str = "gaussian",
    window_size: int = 11,
    sigma: float = 1.5,
    data_range: float = 1.0,
    k1: float = 0.01,
    k2: float = 0.03,
    scale: Union[None, float, Tuple[float, float]] = None,
    mask: Any = None,
    mask_mode: str = "weighted_mean",
    shard: Optional[Shard] = None,
    out: Any = None,
    stream: Optional[int] = None,
    workspace: Any = None,
) -> Any:
    """The loss of a training step, ``(1 - lambda_) * P + lambda_ * D``, in one pass over the images.

    P compares pixels, D is the dissimilarity 1 - SSIM. The defaults are the loss of 3D Gaussian splatting,
    ``0.8 * L1 + 0.2 * (1 - SSIM)``.

    Args:
        img1, img2: as for :func:`ssim`. PyTorch tensors may require gradients, which are computed with the value.
        lambda_: share of D, 0 to 1. A part whose share is 0 adds nothing, even where it is NaN.
        pixel_loss: P: "l1", the mean of ``|img1 - img2|``, or "l2", the mean of ``(img1 - img2)**2``, over every pixel
            (also with "valid" padding) and not divided by `data_range`.
        return_parts: True: return :class:`LossParts`, the loss with P and D, for logs. Gradients flow through the loss
            alone.
        reduction: "mean": one loss; "image": (N,); "channel": (N, C).
        output: D: "one_minus_ssim" (or "ssim", which means the same here), or "dssim": (1 - SSIM) / 2.
        mask, mask_mode: as for :func:`ssim`. A mask that weights the mean weights P too, sum(mask * |img1 - img2|) /
            sum(mask); with "multiply_inputs" P compares the multiplied images.
        out: a C-contiguous array (3, ...) that receives the loss, P and D, each of the shape of the reduction, and is
            returned. Not for PyTorch tensors.
        The others: as for :func:`ssim`.

    Returns:
        The loss, of the shape of the reduction. A PyTorch result can be differentiated once.

    Raises:
        As :func:`ssim`; ValueError also for a `lambda_` outside 0 to 1, an unknown `pixel_loss`, or a map.
    """
    chosen = settings(
        padding=padding,
        reduction=reduction,
        output=output,
        window=window,
        window_size=window_size,
        sigma=sigma,
        data_range=data_range,
        k1=k1,
        k2=k2,
        scale=scale,
        mask_mode=mask_mode,
        shard=shard,
    )
    parts = terms(pixel_loss, lambda_)
    if is_torch(img1, img2):
        refuse_for_torch(out=out, stream=stream, workspace=workspace)
        from . import _torch

        values = _torch.loss(img1, img2, mask, chosen, parts)
    else:
        inputs = _arrays.describe_inputs(img1, img2, mask)
        memory = _memory.memory_for(inputs, stream, workspace)
        values = _arrays.compute(inputs, chosen, memory, out, terms=parts)[0]
        if out is not None:
            return values
    return LossParts(*values) if return_parts else values[0]


def loss_and_grad(
    img1: Any,
    img2: Any,
    *,
    wrt: str = "img1",
    lambda_: float = 0.2,
    pixel_loss: str = "l1",
    padding: str = "same",
    reduction: str = "mean",
    output: str = "one_minus_ssim",
    window: str = "gaussian",
    window_size: int = 11,
    sigma: float = 1.5,
    data_range: float = 1.0,
    k1: float = 0.01,
    k2: float = 0.03,
    scale: Union[None, float, Tuple[float, float]] = None,
    mask: Any = None,
    mask_mode: str = "weighted_mean",
    shard: Optional[Shard] = None,
    out: Any = None,
    grad_img1: Any = None,
    grad_img2: Any = None,
    stream: Optional[int] = None,
    workspace: Any = None,
) -> LossAndGrad:
    """The loss of :func:`loss`, both its parts, and its gradient, in one pass and without an autograd graph.

    Args:
        wrt, grad_img1, grad_img2: as for :func:`ssim_and_grad`.
        out: a C-contiguous array (3, ...) for the loss, P and D. Not for PyTorch tensors.
        The others: as for :func:`loss`.

    Returns:
        A tuple (values, grad_img1, grad_img2), in which `values` is (3, ...): the loss, P and D. They are also there as
        `.loss`, `.pixel` and `.dissimilarity`. Gradients as from :func:`ssim_and_grad`, of the loss; where img1 equals
        img2, ``|img1 - img2|`` has the derivative 0.

    Raises:
        As :func:`loss`; ValueError also for an unknown `wrt`.
    """
    chosen = settings(
        padding=padding,
        reduction=reduction,
        output=output,
        window=window,
        window_size=window_size,
        sigma=sigma,
        data_range=data_range,
        k1=k1,
        k2=k2,
        scale=scale,
        mask_mode=mask_mode,
        shard=shard,
    )
    parts = terms(pixel_loss, lambda_)
    return LossAndGrad(
        *value_and_grad(img1, img2, mask, chosen, wrt, out, grad_img1, grad_img2, stream, workspace, parts)
    )
