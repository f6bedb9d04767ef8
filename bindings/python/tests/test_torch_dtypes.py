"""PyTorch tensors of other dtypes than float32, on the CPU: autograd, gradcheck, loss scaling."""

import oracle
import pytest
from support import GRADIENT_TOLERANCE, VALUE_TOLERANCE, images, import_torch

torch = import_torch()

from fused_ssim import fused_ssim, loss_and_grad, ssim, ssim_and_grad  # noqa: E402
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


@pytest.mark.parametrize("function", [ssim_and_grad, loss_and_grad])
@pytest.mark.parametrize("dtype", ROUNDING)
@pytest.mark.parametrize("image", [torch.float32, torch.float16])
def test_gradients_into_tensors_of_the_caller(function, dtype, image):
    img1, img2 = tensors(image)
    n, c, h, w = SHAPE
    fresh = function(img1, img2, wrt="both", reduction="channel")
    frame = torch.full((n, h + 2, w + 3, c), 7, dtype=dtype)
    first = frame[:, 1:-1, 2:-1].permute(0, 3, 1, 2)
    second = torch.full(SHAPE, float("nan"), dtype=dtype)
    result = function(img1, img2, wrt="both", reduction="channel", grad_img1=first, grad_img2=second)
    assert result.grad_img1 is first and result.grad_img2 is second and torch.equal(result[0], fresh[0])
    # Rounded once, to the nearest.
    assert torch.equal(first, fresh.grad_img1.to(dtype)) and torch.equal(second, fresh.grad_img2.to(dtype))
    first.fill_(7)
    assert (frame == 7).all()


GRADIENT = torch.zeros(SHAPE)


@pytest.mark.parametrize(
    "gradient, error, words",
    [
        (GRADIENT.numpy(), TypeError, "grad_img1 is a ndarray; expected a torch.Tensor"),
        (GRADIENT.double(), TypeError, "grad_img1 has the dtype torch.float64; expected torch.float32 or torch.float16"),
        (GRADIENT.byte(), TypeError, "grad_img1 has the dtype torch.uint8"),
        (GRADIENT[:, :, 1:], ValueError, r"grad_img1 has the shape \(2, 2, 13, 17\); expected \(2, 2, 14, 17\)"),
        (GRADIENT.to("meta"), ValueError, "grad_img1 is on meta and its image on cpu"),
        (GRADIENT.to_sparse(), ValueError, "grad_img1 is a torch.sparse_coo tensor"),
        (GRADIENT.clone().requires_grad_(), ValueError, "grad_img1 requires a gradient, but is written to"),
        (torch.zeros(1).expand(SHAPE), ValueError, "grad_img1 is one element broadcast along every axis"),
        (torch.zeros(14, 17).expand(SHAPE), ValueError, "grad_img1: with strides .* two elements share an address"),
    ],
)
def test_gradient_tensors_that_are_refused(gradient, error, words):
    with pytest.raises(error, match=words):
        ssim_and_grad(*tensors(torch.float32), grad_img1=gradient)


def test_a_gradient_tensor_that_is_an_image_is_refused():
    img1, img2 = tensors(torch.float32)
    with pytest.raises(ValueError, match="grad_img1 .* overlaps img1"):
        ssim_and_grad(img1, img2, grad_img1=img1)
    with pytest.raises(TypeError, match="grad_img1 has the dtype torch.float32; expected torch.float64"):
        ssim_and_grad(img1.double(), img2.double(), grad_img1=GRADIENT)
