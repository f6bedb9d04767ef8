"""Windows, masks, outputs, row sharding and the loss on CUDA arrays without any framework, on a GPU or emulated."""

import fused_ssim
import numpy as np
import oracle
import pytest
from cuda_driver import empty
from fused_ssim import Shard
from support import GRADIENT_TOLERANCE, MAP_TOLERANCE, VALUE_TOLERANCE, images
from test_options import MASK_MODES, weights

SHAPE = (2, 2, 21, 34)


def on_device(to_device, pair, expected_shape, gradient_shape=SHAPE, **settings):
    """What ssim_and_grad() returns for device arrays, as NumPy arrays. Without a stream: it waits for the result."""
    out, *grads = (to_device(empty(shape)) for shape in (expected_shape, gradient_shape, gradient_shape))
    fused_ssim.ssim_and_grad(
        *map(to_device, pair), wrt="both", out=out, grad_img1=grads[0], grad_img2=grads[1], **settings
    )
    return out.numpy(), grads[0].numpy(), grads[1].numpy()


def check(to_device, settings, given=None):
    """`given`: what differs from the oracle's settings, such as arrays of the device."""
    pair = images(SHAPE)
    expected = oracle.answer(*pair, **settings)
    value, *grads = on_device(to_device, pair, expected.value.shape, **{**settings, **(given or {})})
    assert np.abs(value - expected.value).max() < (MAP_TOLERANCE if value.ndim == 4 else VALUE_TOLERANCE)
    assert oracle.relative_error(grads[0], expected.grad_img1) < GRADIENT_TOLERANCE
    assert oracle.relative_error(grads[1], expected.grad_img2) < GRADIENT_TOLERANCE


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("reduction", ["mean", "map"])
@pytest.mark.parametrize(
    "window", [dict(window_size=3), dict(window_size=13, sigma=2.5), dict(window="uniform"), dict(output="dssim")]
)
def test_windows_and_outputs(to_device, padding, reduction, window):
    check(to_device, dict(padding=padding, reduction=reduction, **window))


@pytest.mark.parametrize("mask_mode", MASK_MODES)
@pytest.mark.parametrize("reduction", ["mean", "image", "channel", "map"])
def test_masks(to_device, mask_mode, reduction):
    mask = weights((2, 1, 21, 34))
    check(to_device, dict(mask=mask, mask_mode=mask_mode, reduction=reduction), dict(mask=to_device(mask)))


@pytest.mark.parametrize("dtype", [bool, np.uint8])
def test_masks_of_bytes_with_strides(to_device, dtype):
    frame = weights((25, 40)) > 0
    shown = frame[2:23, 3:37]
    stored = (frame if dtype is bool else 200 * frame.astype(np.uint8))[2:23, 3:37]
    settings = dict(mask=shown.astype(float), mask_mode="normalized", window_size=7)
    check(to_device, settings, dict(mask=to_device(stored)))


@pytest.mark.parametrize("reduction", ["mean", "channel", "map"])
def test_an_upstream_gradient(driver, to_device, reduction):
    pair = images(SHAPE)
    value = fused_ssim.ssim(*pair, reduction=reduction, padding="valid")
    upstream = np.asarray(np.random.default_rng(2).standard_normal(value.shape), np.float32)
    # What the CPU gives is compared with the oracle elsewhere.
    expected = fused_ssim.ssim_grad(*pair, upstream, wrt="both", reduction=reduction, padding="valid")
    size = fused_ssim.workspace_size(*SHAPE, reduction=reduction, padding="valid")
    workspace, stream = to_device(np.zeros(size, np.uint8)), driver.stream()
    grads = [to_device(empty(SHAPE)) for _ in range(2)]
    there = [to_device(array) for array in (*pair, upstream)]
    arguments = dict(wrt="both", reduction=reduction, padding="valid", grad_img1=grads[0], grad_img2=grads[1])
    result = fused_ssim.ssim_grad(*there, stream=stream, workspace=workspace, **arguments)
    driver.cuStreamSynchronize(stream)
    assert result.grad_img1 is grads[0] and result.grad_img2 is grads[1]
    for gradient, reference in zip(grads, expected):
        assert oracle.relative_error(gradient.numpy(), reference) < GRADIENT_TOLERANCE
    with pytest.raises(ValueError, match="img1 is in cuda memory and grad_ssim in cpu memory"):
        fused_ssim.ssim_grad(*there[:2], upstream, **arguments)


@pytest.mark.parametrize("mask_mode", [None, *MASK_MODES])
@pytest.mark.parametrize("reduction", ["mean", "image"])
def test_the_loss_on_a_stream(driver, to_device, mask_mode, reduction):
    pair, mask = images(SHAPE), weights((21, 34))
    settings = dict(lambda_=0.3, pixel_loss="l2", reduction=reduction)
    masked = {} if mask_mode is None else dict(mask=mask, mask_mode=mask_mode)
    expected = oracle.loss(*pair, **settings, **masked)
    out, grad_img1, grad_img2 = (to_device(empty(shape)) for shape in (expected.values.shape, SHAPE, SHAPE))
    on_device = masked and {**masked, "mask": to_device(mask)}
    size = fused_ssim.workspace_size(*SHAPE, **{**masked, "mask": bool(masked)}, reduction=reduction)
    workspace, stream = to_device(np.zeros(size, np.uint8)), driver.stream()
    arguments = dict(out=out, stream=stream, workspace=workspace, **settings, **on_device)
    result = fused_ssim.loss_and_grad(
        *map(to_device, pair), wrt="both", grad_img1=grad_img1, grad_img2=grad_img2, **arguments
    )
    driver.cuStreamSynchronize(stream)
    assert result.values is out
    assert np.abs(out.numpy() - expected.values).max() < VALUE_TOLERANCE
    assert oracle.relative_error(grad_img1.numpy(), expected.grad_img1) < GRADIENT_TOLERANCE
    assert oracle.relative_error(grad_img2.numpy(), expected.grad_img2) < GRADIENT_TOLERANCE
    again = to_device(empty(expected.values.shape))
    images_there = [to_device(image) for image in pair]
    assert fused_ssim.loss(*images_there, **{**arguments, "out": again}) is again
    driver.cuStreamSynchronize(stream)
    assert np.abs(again.numpy() - expected.values).max() < VALUE_TOLERANCE
    driver.cuStreamDestroy_v2(stream)


@pytest.mark.parametrize("reduction", ["mean", "map"])
def test_the_shards_of_an_image_add_up(to_device, reduction):
    img1, img2 = images((1, 2, 40, 15))
    expected = oracle.answer(img1, img2, reduction=reduction)
    parts = []
    for rows, shard in ((slice(0, 28), Shard(0, 10, 40)), (slice(8, 40), Shard(10, 0, 40))):
        band = [np.ascontiguousarray(image[:, :, rows]) for image in (img1, img2)]
        owned = (1, 2, band[0].shape[2] - 10, 15)
        shape = owned if reduction == "map" else ()
        parts.append(on_device(to_device, band, shape, owned, reduction=reduction, shard=shard))
    values, *grads = zip(*parts)
    joined = np.concatenate(values, axis=2) if reduction == "map" else np.sum(values)
    assert np.abs(joined - expected.value).max() < MAP_TOLERANCE
    for bands, reference in zip(grads, (expected.grad_img1, expected.grad_img2)):
        assert oracle.relative_error(np.concatenate(bands, axis=2), reference) < GRADIENT_TOLERANCE


def test_a_mask_in_the_other_memory(driver, to_device):
    pair, mask = images(SHAPE), weights((21, 34))
    with pytest.raises(ValueError, match="img1 is in cuda memory and mask in cpu memory"):
        fused_ssim.ssim(*map(to_device, pair), mask=mask, out=to_device(empty(())))
    with pytest.raises(ValueError, match="img1 is in cpu memory and mask in cuda memory"):
        fused_ssim.ssim(*pair, mask=to_device(mask))
    with pytest.raises(ValueError, match="mask is in use on stream"):
        elsewhere = to_device(mask, stream=driver.stream())
        fused_ssim.ssim(*map(to_device, pair), mask=elsewhere, out=to_device(empty(())))
