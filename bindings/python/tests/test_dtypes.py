"""Element types other than float32, on the CPU."""

import fused_ssim
import numpy as np
import oracle
import pytest
from support import GRADIENT_TOLERANCE, VALUE_TOLERANCE, images

SHAPE = (2, 3, 19, 26)
REDUCTIONS = ["mean", "image", "channel", "map"]


def as_dtype(image, dtype):
    """The image in a dtype, and what the library is to compute with."""
    if dtype == np.uint8:
        stored = np.round(image * 255).astype(np.uint8)
        return stored, stored / np.float64(255)
    stored = image.astype(dtype)
    return stored, stored.astype(np.float64)


@pytest.mark.parametrize("first", [np.float32, np.float16, np.uint8])
@pytest.mark.parametrize("second", [np.float32, np.float16, np.uint8])
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_values_and_gradients(first, second, reduction):
    (img1, exact1), (img2, exact2) = (as_dtype(i, d) for i, d in zip(images(SHAPE), (first, second)))
    result = fused_ssim.ssim_and_grad(img1, img2, wrt="both", reduction=reduction)
    expected = oracle.ssim(exact1, exact2)
    reduced = oracle.reduced(expected.map, reduction)
    assert result.value.dtype == np.float32
    assert np.abs(result.value - reduced).max() < VALUE_TOLERANCE
    averaged = expected.map.size // reduced.size
    gradients = (result.grad_img1, result.grad_img2), (expected.grad_img1, expected.grad_img2), (first, second)
    for gradient, reference, dtype in zip(*gradients):
        # The gradient of bytes is that of the numbers from 0 to 255.
        scale = 255 if dtype == np.uint8 else 1
        assert gradient.dtype == np.float32
        assert oracle.relative_error(gradient * np.float64(averaged * scale), reference) < GRADIENT_TOLERANCE


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_float64_is_computed_in_float64(padding, reduction):
    img1, img2 = (image.astype(np.float64) for image in images(SHAPE))
    result = fused_ssim.ssim_and_grad(img1, img2, wrt="both", padding=padding, reduction=reduction)
    expected = oracle.ssim(img1, img2, padding=padding)
    reduced = oracle.reduced(expected.map, reduction)
    assert result.value.dtype == result.grad_img1.dtype == result.grad_img2.dtype == np.float64
    assert np.abs(result.value - reduced).max() < 1e-12
    averaged = expected.map.size // reduced.size
    assert oracle.relative_error(result.grad_img1 * averaged, expected.grad_img1) < 1e-11
    assert oracle.relative_error(result.grad_img2 * averaged, expected.grad_img2) < 1e-11


def test_bytes_span_the_data_range():
    img1, img2 = (np.round(image * 255).astype(np.uint8) for image in images(SHAPE))
    value = fused_ssim.ssim(img1, img2)
    assert fused_ssim.ssim(img1, img2, data_range=255) == pytest.approx(value, abs=VALUE_TOLERANCE)
    # Against floats from 0 to 255.
    mixed = fused_ssim.ssim(img1.astype(np.float32), img2, data_range=255)
    assert mixed == pytest.approx(value, abs=VALUE_TOLERANCE)


def test_a_photograph_of_bytes_is_read_in_place():
    img1, img2 = images((1, 3, 21, 34))
    render = np.ascontiguousarray(img1.transpose(0, 2, 3, 1))
    photograph = np.full((30, 50, 3), 77, np.uint8)
    photograph[4:25, 9:43] = np.round(img2[0].transpose(1, 2, 0) * 255)
    crop = photograph[4:25, 9:43].transpose(2, 0, 1)[None]
    assert np.shares_memory(crop, photograph)
    value, gradient, _ = fused_ssim.ssim_and_grad(render.transpose(0, 3, 1, 2), crop)
    expected = oracle.ssim(img1, crop / np.float64(255))
    assert abs(value - expected.map.mean()) < VALUE_TOLERANCE
    assert oracle.relative_error(gradient * np.float64(expected.map.size), expected.grad_img1) < GRADIENT_TOLERANCE


def test_a_gradient_array_of_another_dtype():
    img1, img2 = images((1, 1, 16, 16))
    want = fused_ssim.ssim_and_grad(img1, img2).grad_img1
    half = np.full(img1.shape, np.nan, np.float16)
    result = fused_ssim.ssim_and_grad(img1, img2, grad_img1=half)
    assert result.grad_img1 is half
    np.testing.assert_array_equal(half, want.astype(np.float16))
    with pytest.raises(TypeError, match="grad_img1 has the dtype float64; expected float32 or float16"):
        fused_ssim.ssim_and_grad(img1, img2, grad_img1=np.zeros(img1.shape))
    with pytest.raises(TypeError, match="grad_img1 has the dtype uint8"):
        fused_ssim.ssim_and_grad(img1, img2, grad_img1=np.zeros(img1.shape, np.uint8))
