"""PyTorch modules around :func:`fused_ssim.ssim` and :func:`fused_ssim.loss`, for whoever keeps losses as modules."""

from __future__ import annotations

from typing import Any, Optional

import torch

from ._api import ssim
from ._loss import loss
from ._plan import settings, terms

__all__ = ["SSIM", "Loss"]


class _Options(torch.nn.Module):
    """Keeps the keywords of a function, which have no parameters and no state to save."""

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.options = options

    def extra_repr(self) -> str:
        return ", ".join(f"{name}={value!r}" for name, value in self.options.items())


class SSIM(_Options):
    """:func:`fused_ssim.ssim` as a module: ``SSIM(output="dssim")(img1, img2)`` is a loss.

    Args:
        options: the keywords of :func:`fused_ssim.ssim` that are not arrays: `padding`, `reduction`, `output`,
            `window`, `window_size`, `sigma`, `data_range`, `k1`, `k2`, `scale`, `mask_mode`, `shard`.
    """

    def __init__(self, **options: Any) -> None:
        settings(**options)
        super().__init__(**options)

    def forward(
        self, img1: torch.Tensor, img2: torch.Tensor, mask: Optional[torch.Tensor] = None
    ) -> torch.Tensor:
        """SSIM of two tensors (N, C, H, W), with an optional mask."""
        return ssim(img1, img2, mask=mask, **self.options)


class Loss(_Options):
    """:func:`fused_ssim.loss` as a module: ``Loss()(img1, img2)`` is ``0.8 * L1 + 0.2 * (1 - SSIM)``.

    Args:
        lambda_, pixel_loss: the share of 1 - SSIM, and what the rest compares, "l1" or "l2".
        options: those of :class:`SSIM`.
    """

    def __init__(self, lambda_: float = 0.2, pixel_loss: str = "l1", **options: Any) -> None:
        settings(**options)
        terms(pixel_loss, lambda_)
        super().__init__(lambda_=lambda_, pixel_loss=pixel_loss, **options)

    def forward(
        self, img1: torch.Tensor, img2: torch.Tensor, mask: Optional[torch.Tensor] = None
    ) -> torch.Tensor:
        """The loss of two tensors (N, C, H, W), with an optional mask."""
        return loss(img1, img2, mask=mask, **self.options)
