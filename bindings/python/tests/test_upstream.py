"""ssim_grad(): upstream gradients of every reduction's shape, on NumPy arrays and PyTorch tensors."""

import fused_ssim
import numpy as np
import oracle
import pytest
from fused_ssim import Shard, ssim, ssim_grad
from support import GRADIENT_TOLERANCE, images, import_torch
from test_options import MASK_MODES, weights

torch = import_torch()

SHAPE = (2, 3, 16, 19)
REDUCTIONS = ["mean", "image", "channel", "map"]


def upstream_of(reduction, padding="same", window_size=11):
    """A random upstream gradient of the shape of the result."""
    map_shape = np.zeros(SHAPE)[oracle.map_rows_and_columns(SHAPE, padding, window_size)].shape
    shape = {"mean": (), "image": SHAPE[:1], "channel": SHAPE[:2], "map": map_shape}[reduction]
    return np.asarray(np.random.default_rng(8).standard_normal(shape), np.float32)


def expected_gradients(img1, img2, upstream, *, reduction, output="ssim", mask=None, mask_mode=None, **settings):
    """The oracle's, through the map: each of its pixels has its share of a value's upstream gradient."""
    x, y, window_weights, mean_weights = oracle.masked(img1, img2, mask, mask_mode)
    inside = oracle.map_rows_and_columns(SHAPE, settings.get("padding", "same"), settings.get("window_size", 11))
    _, share = oracle.weighted_mean(np.zeros(mean_weights[inside].shape), mean_weights[inside], reduction)
    each = upstream.reshape(upstream.shape + (1,) * (4 - upstream.ndim))
    slope = oracle.OUTPUTS[output][1]
    answer = oracle.ssim(x, y, weights=window_weights, upstream=slope * share * each, **settings)
    inner = mask if mask_mode == "multiply_inputs" else 1
    return inner * answer.grad_img1, inner * answer.grad_img2


CASES = [
    {},
    dict(padding="valid"),
    dict(padding="valid", window="uniform", window_size=7, output="dssim"),
    *(dict(mask=weights((2, 1, 16, 19)), mask_mode=mode) for mode in MASK_MODES),
]


@pytest.mark.parametrize("settings", CASES)
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_gradients(settings, reduction, library):
    img1, img2 = images(SHAPE)
    upstream = upstream_of(reduction, settings.get("padding", "same"), settings.get("window_size", 11))
    expected = expected_gradients(img1, img2, upstream, reduction=reduction, **settings)
    given = torch.from_numpy if library == "torch" else lambda array: array
    arguments = {name: given(value) if name == "mask" else value for name, value in settings.items()}
    result = ssim_grad(
        given(img1), given(img2), given(upstream), wrt="both", reduction=reduction, **arguments
    )
    for gradient, reference in zip(result, expected):
        assert type(gradient) is type(given(img1)) and tuple(gradient.shape) == SHAPE
        assert oracle.relative_error(gradient, reference) < GRADIENT_TOLERANCE


def test_it_is_the_gradient_of_a_weighted_sum():
    img1, img2 = (image.astype(np.float64) for image in images((2, 1, 9, 12)))
    random = np.random.default_rng(1)
    upstream, direction = random.standard_normal((2, 1, 9, 12)), random.standard_normal((2, 1, 9, 12))
    gradient, none = ssim_grad(img1, img2, upstream, reduction="map", window_size=5)
    assert none is None
    sides = [np.sum(upstream * ssim(img1 + s * 1e-6 * direction, img2, reduction="map", window_size=5)) for s in (1, -1)]
    assert np.sum(gradient * direction) == pytest.approx((sides[0] - sides[1]) / 2e-6, rel=1e-6)


@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_ones_are_what_ssim_and_grad_takes(library):
    given = torch.from_numpy if library == "torch" else lambda array: array
    img1, img2 = map(given, images(SHAPE))
    gradient = given(np.full(SHAPE, np.nan, np.float16))
    ones = given(np.ones(SHAPE, np.float32))
    result = ssim_grad(img1, img2, ones, wrt="img2", reduction="map", grad_img2=gradient)
    assert result.grad_img1 is None and result.grad_img2 is gradient
    expected = fused_ssim.ssim_and_grad(img1, img2, wrt="img2", reduction="map").grad_img2
    assert oracle.relative_error(gradient, np.asarray(expected)) < 1e-3


def test_a_mean_of_float64():
    img1, img2 = (image.astype(np.float64) for image in images(SHAPE))
    gradient, _ = ssim_grad(img1, img2, np.float64(-3))
    assert gradient.dtype == np.float64
    expected = fused_ssim.ssim_and_grad(img1, img2, output="one_minus_ssim").grad_img1
    assert oracle.relative_error(gradient, 3 * expected) < 1e-12


A, B = images(SHAPE)
ONE = np.float32(1)


@pytest.mark.parametrize(
    "upstream, arguments, error, words",
    [
        (1.0, {}, TypeError, "grad_ssim is a float; expected"),
        (np.float64(1), {}, TypeError, "grad_ssim has the dtype float64; expected float32"),
        (np.ones(2, np.float32), {}, ValueError, r"grad_ssim has the shape \(2,\); expected \(\)"),
        (np.ones(SHAPE, np.float32), dict(reduction="map", padding="valid"), ValueError, r"expected \(2, 3, 6, 9\)"),
        (np.ones((2, 6), np.float32)[:, ::2], dict(reduction="channel"), ValueError, "grad_ssim must be C-contiguous"),
        (ONE, dict(wrt="img3"), ValueError, "wrt is 'img3'"),
        (ONE, dict(wrt="img2", grad_img1=A), ValueError, 'grad_img1 is given, but wrt="img2"'),
        (ONE, dict(grad_img1=A), ValueError, "grad_img1 .* overlaps img1"),
        (ONE, dict(stream=1), TypeError, "stream and workspace are for CUDA arrays"),
    ],
)
def test_arguments_that_are_refused(upstream, arguments, error, words):
    with pytest.raises(error, match=words):
        ssim_grad(A, B, upstream, **arguments)


@pytest.mark.parametrize(
    "upstream, error, words",
    [
        (ONE, TypeError, "grad_ssim is a float32; expected a torch.Tensor"),
        (torch.ones((), dtype=torch.float64), TypeError, "grad_ssim has the dtype torch.float64; expected torch.float32"),
        (torch.ones(1), ValueError, r"grad_ssim has the shape \(1,\); expected \(\)"),
        (torch.ones((), device="meta"), ValueError, "img1 is on cpu and grad_ssim on meta"),
    ],
)
def test_tensors_that_are_refused(upstream, error, words):
    with pytest.raises(error, match=words):
        ssim_grad(torch.from_numpy(A), torch.from_numpy(B), upstream)


def test_the_map_of_a_shard_has_no_upstream_gradient():
    with pytest.raises(fused_ssim.UnsupportedError, match="an upstream gradient for the map of a shard"):
        ssim_grad(A, B, np.ones((2, 3, 6, 19), np.float32), reduction="map", shard=Shard(0, 10, 30))
