"""CuPy arrays, on a GPU."""

import fused_ssim
import numpy as np
import oracle
import pytest
from support import GRADIENT_TOLERANCE, MAP_TOLERANCE, VALUE_TOLERANCE, images, missing

try:
    import cupy
except ImportError as error:
    missing(f"CuPy is not installed: {error}", module=True)


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("reduction", ["mean", "image", "channel", "map"])
def test_value_and_gradients(padding, reduction):
    pair = images((2, 3, 40, 67))
    result = fused_ssim.ssim_and_grad(*map(cupy.asarray, pair), wrt="both", padding=padding, reduction=reduction)
    expected = oracle.ssim(*pair, padding=padding)
    reduced = oracle.reduced(expected.map, reduction)
    assert all(isinstance(part, cupy.ndarray) for part in result)
    assert np.abs(result.value.get() - reduced).max() < (MAP_TOLERANCE if reduction == "map" else VALUE_TOLERANCE)
    for gradient, reference in ((result.grad_img1, expected.grad_img1), (result.grad_img2, expected.grad_img2)):
        scaled = gradient.get() * np.float64(expected.map.size // reduced.size)
        assert oracle.relative_error(scaled, reference) < GRADIENT_TOLERANCE


def test_strides_and_results_of_the_caller():
    img1, img2 = images((2, 3, 40, 67))
    interleaved = cupy.asarray(np.ascontiguousarray(img1.transpose(0, 2, 3, 1))).transpose(0, 3, 1, 2)
    out, gradient = cupy.empty((), cupy.float32), cupy.empty_like(interleaved)
    result = fused_ssim.ssim_and_grad(interleaved, cupy.asarray(img2), out=out, grad_img1=gradient)
    expected = oracle.ssim(img1, img2)
    assert result.value is out and result.grad_img1 is gradient
    assert abs(float(out) - expected.map.mean()) < VALUE_TOLERANCE
    assert oracle.relative_error(gradient.get() * np.float64(img1.size), expected.grad_img1) < GRADIENT_TOLERANCE


def test_the_current_stream_is_used():
    pair = images((1, 3, 256, 256))
    expected = oracle.ssim(*pair).map.mean()
    stream = cupy.cuda.Stream(non_blocking=True)
    with stream:
        first, second = cupy.zeros(pair[0].shape, cupy.float32), cupy.asarray(pair[1])
        busy = cupy.ones((4096, 4096), cupy.float32)
        # Long enough that work on any other stream would see the zeros.
        for _ in range(20):
            busy = busy @ busy * cupy.float32(1e-4)
        first += cupy.asarray(pair[0])
        value = fused_ssim.ssim(first, second)
    stream.synchronize()
    assert abs(float(value) - expected) < VALUE_TOLERANCE


def test_stream_is_not_an_argument_for_cupy():
    first, second = (cupy.asarray(image) for image in images((1, 1, 12, 12)))
    with pytest.raises(TypeError, match="PyTorch and CuPy have their own"):
        fused_ssim.ssim(first, second, stream=0)


@pytest.mark.parametrize("mask_mode", ["weighted_mean", "normalized"])
def test_the_loss_under_a_mask(mask_mode):
    pair = images((2, 3, 40, 67))
    mask = np.arange(40 * 67).reshape(40, 67) % 5 > 1
    expected = oracle.loss(*pair, mask=mask, mask_mode=mask_mode)
    arguments = dict(mask=cupy.asarray(mask), mask_mode=mask_mode)
    result = fused_ssim.loss_and_grad(*map(cupy.asarray, pair), wrt="both", **arguments)
    assert isinstance(result.loss, cupy.ndarray)
    assert np.abs(result.values.get() - expected.values).max() < VALUE_TOLERANCE
    assert oracle.relative_error(result.grad_img1.get(), expected.grad_img1) < GRADIENT_TOLERANCE
    assert oracle.relative_error(result.grad_img2.get(), expected.grad_img2) < GRADIENT_TOLERANCE
    assert abs(float(fused_ssim.loss(*map(cupy.asarray, pair), **arguments)) - expected.values[0]) < VALUE_TOLERANCE
