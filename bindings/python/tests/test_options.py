"""Windows, outputs, masks, scales and row sharding with NumPy arrays."""

import ctypes

import fused_ssim
import numpy as np
import oracle
import pytest
from fused_ssim import Shard, _library, _plan
from support import GRADIENT_TOLERANCE, MAP_TOLERANCE, VALUE_TOLERANCE, images

SHAPE = (2, 3, 20, 27)
REDUCTIONS = ["mean", "image", "channel", "map"]
MASK_MODES = ["weighted_mean", "multiply_inputs", "normalized"]


def weights(shape, seed=4):
    """Float32 weights, a quarter of them 0."""
    random = np.random.default_rng(seed)
    return (random.uniform(0.1, 2, shape) * (random.uniform(0, 1, shape) > 0.25)).astype(np.float32)


def check(img1, img2, settings, arguments=None):
    """ssim() and ssim_and_grad() against the oracle; `arguments` where they are not the oracle's."""
    arguments = settings if arguments is None else arguments
    expected = oracle.answer(img1, img2, **settings)
    result = fused_ssim.ssim_and_grad(img1, img2, wrt="both", **arguments)
    tolerance = MAP_TOLERANCE if settings.get("reduction") == "map" else VALUE_TOLERANCE
    assert result.value.shape == expected.value.shape
    assert np.abs(result.value - expected.value).max() < tolerance
    np.testing.assert_allclose(fused_ssim.ssim(img1, img2, **arguments), result.value, rtol=0, atol=tolerance)
    assert oracle.relative_error(result.grad_img1, expected.grad_img1) < GRADIENT_TOLERANCE
    assert oracle.relative_error(result.grad_img2, expected.grad_img2) < GRADIENT_TOLERANCE


def test_the_defaults_are_those_of_the_library():
    options = _library.fssim_options()
    _library.fssim_options_init(options, ctypes.sizeof(options))
    ours = _plan.plan("cpu", (1, 1, 12, 12), _plan.Layouts(), _plan.settings()).options
    options.device = ours.device
    assert bytes(options) == bytes(ours)


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize(
    "window",
    [
        dict(window_size=3, sigma=0.7),
        dict(window_size=7),
        dict(window_size=13, sigma=2.5),
        dict(window="uniform"),
        dict(window="uniform", window_size=7),
    ],
)
def test_windows(padding, reduction, window):
    check(*images(SHAPE), dict(padding=padding, reduction=reduction, **window))


@pytest.mark.parametrize("output", ["one_minus_ssim", "dssim"])
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_outputs(output, reduction):
    check(*images(SHAPE), dict(output=output, reduction=reduction, padding="valid"))


@pytest.mark.parametrize("mask_mode", MASK_MODES)
@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_masks(mask_mode, padding, reduction):
    mask = weights(SHAPE)
    check(*images(SHAPE), dict(mask=mask, mask_mode=mask_mode, padding=padding, reduction=reduction))


def test_the_usual_mask_mode_is_the_weighted_mean():
    mask = weights(SHAPE)
    assert fused_ssim.ssim(*images(SHAPE), mask=mask) == fused_ssim.ssim(
        *images(SHAPE), mask=mask, mask_mode="weighted_mean"
    )


N, C, H, W = SHAPE
MASK_SHAPES = [(H, W), (1, H, W), (C, H, W), (N, 1, H, W), (1, C, H, W), (N, C, H, W), (H, 1), (W,), (N, C, 1, 1)]
MASK_LAYOUTS = {
    "dense": lambda m: m,
    "column-major": np.asfortranarray,
    "crop": lambda m: np.pad(m, [(1, 2)] * m.ndim, constant_values=9)[(slice(1, -2),) * m.ndim],
    "broadcast": lambda m: np.broadcast_to(m, SHAPE),
}


@pytest.mark.parametrize("shape", MASK_SHAPES)
@pytest.mark.parametrize("layout", MASK_LAYOUTS)
def test_masks_of_every_shape_are_read_in_place(shape, layout):
    mask = weights(shape)
    check(*images(SHAPE), dict(mask=mask), dict(mask=MASK_LAYOUTS[layout](mask)))


@pytest.mark.parametrize("dtype", [bool, np.uint8])
@pytest.mark.parametrize("mask_mode", MASK_MODES)
def test_masks_of_bytes(dtype, mask_mode):
    shown = weights((N, 1, H, W)) > 0
    # Any byte but 0 is 1.
    mask = shown if dtype is bool else shown.astype(np.uint8) * np.uint8(255)
    settings = dict(mask_mode=mask_mode)
    check(*images(SHAPE), dict(mask=shown.astype(float), **settings), dict(mask=mask, **settings))


@pytest.mark.parametrize("mask_mode", ["weighted_mean", "normalized"])
def test_a_mask_of_nothing(mask_mode):
    img1, img2 = images(SHAPE)
    nothing = np.zeros((H, W), bool)
    value, gradient, _ = fused_ssim.ssim_and_grad(img1, img2, mask=nothing, mask_mode=mask_mode)
    assert value == 1 and not gradient.any()


def test_what_is_masked_out_may_be_nan():
    img1, img2 = images((1, 1, 30, 30))
    mask = np.ones((30, 30), bool)
    mask[:, 20:] = False
    value = fused_ssim.ssim(img1, img2, mask=mask, mask_mode="normalized")
    img1[..., 20:] = np.nan
    assert fused_ssim.ssim(img1, img2, mask=mask, mask_mode="normalized") == value


@pytest.mark.parametrize(
    "mask, error, words",
    [
        (np.ones((N, H, W), bool), ValueError, r"mask has the shape \(2, 20, 27\), which does not broadcast"),
        (np.ones((1, 1, 1, H, W), bool), ValueError, "does not broadcast"),
        (np.ones((H, W)), TypeError, r"mask has the dtype float64; expected bool, uint8 or float32: .*float32"),
        (np.ones((H, W), np.int32), TypeError, "mask has the dtype int32"),
        (np.broadcast_to(np.float32(1), SHAPE), ValueError, "mask is one value broadcast along every axis"),
        (np.ones((H, W), bool)[::-1], ValueError, "mask_layout: stride_h is -27"),
        (np.ones((H, W), bool).tolist(), TypeError, "mask is a list"),
    ],
)
def test_masks_that_are_refused(mask, error, words):
    with pytest.raises(error, match=words):
        fused_ssim.ssim(*images(SHAPE), mask=mask)


@pytest.mark.parametrize(
    "arguments, error, words",
    [
        (dict(window="box"), ValueError, 'window is \'box\'; expected one of "gaussian", "uniform"'),
        (dict(window_size=4), ValueError, "window_size is 4"),
        (dict(window_size=35), ValueError, "window_size is 35"),
        (dict(window_size=11.0), TypeError, "window_size is 11.0; expected an integer"),
        (dict(window_size=2**32 + 11), ValueError, "window_size is 4294967307; expected an integer of 32 bits"),
        (dict(shard=Shard(0, 0, 2**64 + 20)), ValueError, "shard.height is 18446744073709551636; .* of 64 bits"),
        (dict(output="loss"), ValueError, 'output is \'loss\'; expected one of "ssim", "one_minus_ssim", "dssim"'),
        (dict(mask=np.ones((H, W), bool), mask_mode="soft"), ValueError, "mask_mode is 'soft'"),
        (dict(shard=(10, 10, 100, None, 5)), TypeError, "shard"),
        (dict(shard=7), TypeError, r"shard is 7; expected a fused_ssim.Shard"),
        (dict(shard=Shard(1.5, 10, 100)), TypeError, "shard"),
        (dict(shard=Shard(10, 10, 100)), ValueError, "shard_rows_above and shard_rows_below are 10 and 10"),
        (dict(shard=Shard(-1, 0, 100)), ValueError, "shard_rows_above is -1"),
        (dict(shard=Shard(0, -(2**60), 100)), ValueError, "shard_rows_below is -1152921504606846976"),
        (dict(shard=Shard(2, 2, 100)), ValueError, "a shard needs 10 rows"),
        (dict(shard=Shard(10, 0, 100), mask=np.ones((H, W), bool)), ValueError, "shard_divisor"),
        (dict(scale="big"), ValueError, "big"),
        (dict(scale=(1, 2, 3)), ValueError, "scale is"),
        (dict(scale=float("inf")), ValueError, "scale is inf"),
        (dict(scale=(1, -float("inf"))), ValueError, "img2: scale is -inf"),
    ],
)
def test_options_that_are_refused(arguments, error, words):
    for function in (fused_ssim.ssim, fused_ssim.ssim_and_grad):
        with pytest.raises(error, match=words):
            function(*images(SHAPE), **arguments)


def test_scales():
    img1, img2 = images(SHAPE)
    bytes1, tenths2 = np.round(img1 * 255).astype(np.uint8), img2 * np.float32(10)
    expected = oracle.answer(bytes1 / 255, tenths2 / np.float64(10))
    result = fused_ssim.ssim_and_grad(bytes1, tenths2, wrt="both", scale=(0, 0.1))
    assert abs(result.value - expected.value) < VALUE_TOLERANCE
    assert oracle.relative_error(result.grad_img1 * np.float64(255), expected.grad_img1) < GRADIENT_TOLERANCE
    assert oracle.relative_error(result.grad_img2 * np.float64(10), expected.grad_img2) < GRADIENT_TOLERANCE
    one_for_both = fused_ssim.ssim(img1 * np.float32(10), tenths2, scale=0.1)
    assert abs(one_for_both - oracle.answer(img1, img2).value) < VALUE_TOLERANCE


# Owned rows of each band of an image of 40 rows, and the rows in memory with them.
BANDS = [((0, 13), (0, 23)), ((13, 30), (3, 40)), ((30, 40), (20, 40))]


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("mask_mode", [None, *MASK_MODES])
def test_the_shards_of_an_image_add_up(padding, reduction, mask_mode):
    img1, img2 = images((2, 2, 40, 15))
    mask = None if mask_mode is None else weights((2, 1, 40, 15))
    weighted = mask_mode in ("weighted_mean", "normalized")
    if weighted and reduction in ("image", "channel"):
        with pytest.raises(fused_ssim.UnsupportedError, match="row sharding of a weighted mean for each image"):
            band = [image[:, :, :23] for image in (img1, img2)]
            fused_ssim.ssim(*band, shard=Shard(0, 10, 40, 5.0), mask=mask[:, :, :23], reduction=reduction)
        return
    settings = dict(padding=padding, reduction=reduction, **({"mask_mode": mask_mode} if mask_mode else {}))
    whole = fused_ssim.ssim_and_grad(img1, img2, wrt="both", mask=mask, **settings)
    inside = mask if mask is None or padding == "same" else mask[:, :, 5:-5, 5:-5]
    divisor = float(2 * inside.sum(dtype=np.float64)) if weighted and reduction == "mean" else None
    parts = []
    for (first, end), (top, bottom) in BANDS:
        band = [image[:, :, top:bottom] for image in (img1, img2)]
        rows = None if mask is None else mask[:, :, top:bottom]
        shard = Shard(first - top, bottom - end, 40, divisor)
        parts.append(fused_ssim.ssim_and_grad(*band, wrt="both", mask=rows, shard=shard, **settings))
        assert parts[-1].grad_img1.shape == (2, 2, end - first, 15)
    values, grads1, grads2 = zip(*parts)
    joined = np.concatenate(values, axis=2) if reduction == "map" else np.sum(values, axis=0)
    np.testing.assert_allclose(joined, whole.value, rtol=0, atol=VALUE_TOLERANCE)
    for bands, gradient in ((grads1, whole.grad_img1), (grads2, whole.grad_img2)):
        assert oracle.relative_error(np.concatenate(bands, axis=2), gradient) < GRADIENT_TOLERANCE


def test_the_gradient_of_a_shard_into_an_array_of_the_caller():
    img1, img2 = images((1, 2, 30, 16))
    gradient = np.full((1, 2, 12, 16), np.nan, np.float32)
    result = fused_ssim.ssim_and_grad(img1[:, :, :22], img2[:, :, :22], grad_img1=gradient, shard=Shard(0, 10, 30))
    assert result.grad_img1 is gradient and np.isfinite(gradient).all()
    with pytest.raises(ValueError, match=r"grad_img1 has the shape .*; expected \(1, 2, 12, 16\)"):
        wrong = np.zeros((1, 2, 22, 16), np.float32)
        fused_ssim.ssim_and_grad(img1[:, :, :22], img2[:, :, :22], grad_img1=wrong, shard=Shard(0, 10, 30))


def test_the_workspace_of_every_kind_of_call_has_a_size():
    plain = fused_ssim.workspace_size(1, 3, 40, 60)
    for options in (dict(mask=True), dict(window_size=5), dict(shard=Shard(10, 10, 100)), dict(reduction="map")):
        assert fused_ssim.workspace_size(1, 3, 40, 60, **options) > 0
    assert plain == fused_ssim.workspace_size(1, 3, 40, 60, padding="same")
    with pytest.raises(TypeError, match="windows"):
        fused_ssim.workspace_size(1, 3, 40, 60, windows=3)
    with pytest.raises(TypeError, match="h is 40.0; expected an integer"):
        fused_ssim.workspace_size(1, 3, 40.0, 60)
    with pytest.raises(ValueError, match="n is 18446744073709551617; expected an integer of 64 bits"):
        fused_ssim.workspace_size(2**64 + 1, 3, 40, 60)


@pytest.mark.parametrize("function, name", [(fused_ssim.set_num_threads, "threads"), (fused_ssim.cuda_preload, "device")])
def test_numbers_of_threads_and_devices_are_integers(function, name):
    with pytest.raises(TypeError, match=f"{name} is 'x'; expected an integer"):
        function("x")
    # ctypes would cut it to 1.
    with pytest.raises(ValueError, match=f"{name} is 4294967297; expected an integer of 32 bits"):
        function(2**32 + 1)
