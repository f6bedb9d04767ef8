"""PyTorch tensors of other dtypes than float32, on the CPU: autograd, gradcheck, loss scaling."""

import oracle
import pytest
from support import GRADIENT_TOLERANCE, VALUE_TOLERANCE, images, import_torch

torch = import_torch()

from fused_ssim import fused_ssim, ssim, ssim_and_grad  # noqa: E402
from torch_reference import reference  # noqa: E402

SHAPE = (2, 2, 14, 17)
# Half the distance of neighbouring numbers, relative to them.
ROUNDING = {torch.float32: 0, torch.float16: 2**-11, torch.bfloat16: 2**-8}


def tensors(dtype, shape=SHAPE):
    return [torch.from_numpy(image).to(dtype) for image in images(shape)]


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("reduction", ["mean", "image", "channel", "map"])
def test_gradcheck(padding, reduction):
    img1, img2 = (image.requires_grad_() for image in tensors(torch.float64, (1, 2, 11, 13)))

    def loss(img1, img2):
        return ssim(img1, img2, padding=padding, reduction=reduction)

    assert torch.autograd.gradcheck(loss, (img1, img2))


def test_gradcheck_of_the_drop_in_over_channels_last():
    img1, img2 = tensors(torch.float64, (1, 3, 6, 5))
    img1 = img1.to(memory_format=torch.channels_last).requires_grad_()
    assert torch.autograd.gradcheck(fused_ssim, (img1, img2))


@pytest.mark.parametrize("dtype", ROUNDING)
@pytest.mark.parametrize("other", [*ROUNDING, torch.uint8])
@pytest.mark.parametrize("reduction", ["mean", "image", "channel", "map"])
def test_autograd_returns_the_dtype_of_the_image(dtype, other, reduction):
    img1, img2 = images(SHAPE)
    img1 = torch.from_numpy(img1).to(dtype).requires_grad_()
    img2 = torch.from_numpy((img2 * 255).round()).to(other) if other is torch.uint8 else torch.from_numpy(img2).to(other)
    value = ssim(img1, img2, reduction=reduction).mean()
    # Above what float16 rounds to zero.
    (value * 2**10).backward()
    exact = img2.double() / 255 if other is torch.uint8 else img2.double()
    expected, grad_img1, _ = reference(img1.detach().double(), exact)
    assert value.dtype == torch.float32 and abs(value.item() - expected) < VALUE_TOLERANCE
    assert img1.grad.dtype == dtype and img1.grad.stride() == img1.stride()
    tolerance = GRADIENT_TOLERANCE + 1.5 * ROUNDING[dtype]
    assert oracle.relative_error(img1.grad.double(), 2**10 * grad_img1) < tolerance


def test_a_scaled_loss_keeps_half_gradients_out_of_zero():
    """The gradient of the mean alone is below the smallest float16; that of the scaled loss is not."""
    shape = (1, 3, 200, 300)
    img1, img2 = (torch.from_numpy(image) for image in images(shape))
    half = img1.half().requires_grad_()
    full = half.detach().float().requires_grad_()
    (fused_ssim(half, img2) * 65536).backward()
    (fused_ssim(full, img2) * 65536).backward()
    assert oracle.relative_error(half.grad.double(), full.grad.double()) < 2**-10
    _, gradient, _ = ssim_and_grad(half.detach(), img2)
    assert gradient.dtype == torch.float32 and 0 < gradient.abs().max() < 1e-3


def test_bytes_have_a_gradient_when_asked():
    img1, img2 = images(SHAPE)
    stored = torch.from_numpy((img1 * 255).round()).byte()
    _, gradient, _ = ssim_and_grad(stored, torch.from_numpy(img2))
    _, expected, _ = reference(stored.double() / 255, torch.from_numpy(img2).double())
    assert gradient.dtype == torch.float32
    assert oracle.relative_error(gradient.double() * 255, expected) < GRADIENT_TOLERANCE
