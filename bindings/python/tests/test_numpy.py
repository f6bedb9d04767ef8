"""NumPy arrays: values, gradients, layouts and results."""

import fused_ssim
import numpy as np
import oracle
import pytest
from support import CASES, GRADIENT_TOLERANCE, VALUE_TOLERANCE, images


@pytest.mark.parametrize("padding, shape", CASES)
@pytest.mark.parametrize("reduction", ["mean", "image", "channel", "map"])
def test_value(padding, shape, reduction):
    img1, img2 = images(shape)
    value = fused_ssim.ssim(img1, img2, padding=padding, reduction=reduction)
    expected = oracle.reduced(oracle.ssim(img1, img2, padding=padding).map, reduction)
    assert isinstance(value, np.float32 if reduction == "mean" else np.ndarray)
    assert value.dtype == np.float32 and value.shape == expected.shape
    assert np.abs(value - expected).max() < VALUE_TOLERANCE


@pytest.mark.parametrize("padding, shape", CASES)
@pytest.mark.parametrize("reduction", ["mean", "image", "channel", "map"])
def test_value_and_gradients(padding, shape, reduction):
    img1, img2 = images(shape)
    result = fused_ssim.ssim_and_grad(img1, img2, wrt="both", padding=padding, reduction=reduction)
    expected = oracle.ssim(img1, img2, padding=padding)
    pixels_averaged = expected.map.size // oracle.reduced(expected.map, reduction).size
    assert np.abs(result.value - oracle.reduced(expected.map, reduction)).max() < VALUE_TOLERANCE
    for gradient, reference in ((result.grad_img1, expected.grad_img1), (result.grad_img2, expected.grad_img2)):
        assert isinstance(gradient, np.ndarray) and gradient.dtype == np.float32 and gradient.shape == shape
        assert oracle.relative_error(gradient * np.float64(pixels_averaged), reference) < GRADIENT_TOLERANCE


def test_the_gradient_agrees_with_finite_differences():
    img1, img2 = images((1, 2, 24, 19))
    direction = np.random.default_rng(3).standard_normal(img1.shape).astype(np.float32)
    _, gradient, _ = fused_ssim.ssim_and_grad(img1, img2)
    step = np.float32(2**-8)
    sides = [fused_ssim.ssim(img1 + sign * step * direction, img2) for sign in (1, -1)]
    slope = (np.float64(sides[0]) - np.float64(sides[1])) / (2 * step)
    assert np.sum(gradient.astype(np.float64) * direction) == pytest.approx(slope, rel=5e-3)


def test_which_gradients():
    img1, img2 = images((1, 1, 16, 16))
    both = fused_ssim.ssim_and_grad(img1, img2, wrt="both")
    first = fused_ssim.ssim_and_grad(img1, img2)
    second = fused_ssim.ssim_and_grad(img1, img2, wrt="img2")
    assert first.grad_img2 is None and second.grad_img1 is None
    np.testing.assert_allclose(first.grad_img1, both.grad_img1, rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(second.grad_img2, both.grad_img2, rtol=1e-5, atol=1e-9)


LAYOUTS = {
    "hwc": lambda a: np.ascontiguousarray(a.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2),
    "column-major": lambda a: np.asfortranarray(a),
    "crop": lambda a: np.pad(a, [(1, 0), (0, 2), (3, 4), (5, 6)], constant_values=np.nan)[1:, : a.shape[1], 3:-4, 5:-6],
    "every other column": lambda a: np.repeat(a, 2, axis=3)[..., ::2],
    "one row broadcast": lambda a: np.broadcast_to(a[:, :, :1, :], a.shape),
    "one image broadcast": lambda a: np.broadcast_to(a[:1], a.shape),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_are_read_in_place(layout):
    img1, img2 = images((2, 3, 17, 23))
    view1, view2 = LAYOUTS[layout](img1), LAYOUTS[layout](img2)
    assert not view1.flags.c_contiguous
    expected = oracle.ssim(view1, view2)
    for pair in ((view1, view2), (view1, np.ascontiguousarray(view2))):
        value, gradient, _ = fused_ssim.ssim_and_grad(*pair)
        assert abs(value - expected.map.mean()) < VALUE_TOLERANCE
        assert oracle.relative_error(gradient * np.float64(expected.map.size), expected.grad_img1) < GRADIENT_TOLERANCE


def test_results_into_arrays_of_the_caller():
    img1, img2 = images((2, 3, 17, 23))
    fresh = fused_ssim.ssim_and_grad(img1, img2, wrt="both", reduction="image")
    out = np.full(2, np.nan, np.float32)
    # A gradient may have any strides; nothing around it is touched.
    frame = np.full((2, 19, 25, 3), 7, np.float32)
    grad_img1 = frame[:, 1:-1, 1:-1].transpose(0, 3, 1, 2)
    grad_img2 = np.full(img1.shape, np.nan, np.float32)
    result = fused_ssim.ssim_and_grad(
        img1, img2, wrt="both", reduction="image", out=out, grad_img1=grad_img1, grad_img2=grad_img2
    )
    assert result.value is out and result.grad_img1 is grad_img1 and result.grad_img2 is grad_img2
    np.testing.assert_array_equal(out, fresh.value)
    np.testing.assert_array_equal(grad_img1, fresh.grad_img1)
    np.testing.assert_array_equal(grad_img2, fresh.grad_img2)
    grad_img1[...] = 7
    assert (frame == 7).all()
    scalar = np.zeros((), np.float32)
    assert fused_ssim.ssim(img1, img2, out=scalar) is scalar and scalar > 0


def test_settings_reach_the_library():
    img1, img2 = images((1, 3, 20, 22))
    settings = dict(data_range=255.0, sigma=1.1, k1=0.02, k2=0.05)
    value, gradient, _ = fused_ssim.ssim_and_grad(img1 * np.float32(255), img2 * np.float32(255), **settings)
    expected = oracle.ssim(img1 * 255.0, img2 * 255.0, **settings)
    # The pixels were multiplied in float32 for the library and in float64 for the oracle.
    assert abs(value - expected.map.mean()) < VALUE_TOLERANCE
    assert oracle.relative_error(gradient * np.float64(expected.map.size), expected.grad_img1) < GRADIENT_TOLERANCE
    assert abs(value - fused_ssim.ssim(img1, img2)) > 1e-3


def test_the_inputs_are_only_read():
    img1, img2 = images((1, 1, 16, 16))
    img1.setflags(write=False)
    before = img2.copy()
    value = fused_ssim.ssim_and_grad(img1, img2).value
    assert 0 < value < 1 and (img2 == before).all()


def test_equal_images():
    img1, _ = images((1, 3, 32, 32))
    value, gradient, _ = fused_ssim.ssim_and_grad(img1, img1)
    assert value == pytest.approx(1, abs=VALUE_TOLERANCE)
    assert np.abs(gradient).max() < 1e-7


@pytest.mark.parametrize("reduction", ["mean", "map"])
def test_the_same_bits_every_time_with_any_number_of_threads(reduction):
    img1, img2 = images((2, 3, 67, 129))

    def run():
        result = fused_ssim.ssim_and_grad(img1, img2, wrt="both", reduction=reduction)
        return [np.asarray(part).tobytes() for part in result]

    first = run()
    try:
        for threads in (1, 2, 3, 7, 0):
            fused_ssim.set_num_threads(threads)
            assert run() == first
    finally:
        fused_ssim.set_num_threads(0)


class OnlyDLPack:
    """An array of a library that has no other protocol."""

    def __init__(self, array, device=1):
        self.array, self.device = array, device

    def __dlpack__(self, **arguments):
        return self.array.__dlpack__(**arguments)

    def __dlpack_device__(self):
        return (self.device, 0)


def test_arrays_with_dlpack_alone_are_read_in_place():
    img1, img2 = images((2, 3, 17, 23))
    mask = np.arange(17 * 23, dtype=np.float32).reshape(17, 23)
    channels_last = np.ascontiguousarray(img2.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    expected = fused_ssim.ssim_and_grad(img1, img2, wrt="both", mask=mask)
    given = fused_ssim.ssim_and_grad(OnlyDLPack(img1), OnlyDLPack(channels_last), wrt="both", mask=OnlyDLPack(mask))
    assert isinstance(given.grad_img1, np.ndarray) and abs(given.value - expected.value) < VALUE_TOLERANCE
    assert oracle.relative_error(given.grad_img1, expected.grad_img1) < GRADIENT_TOLERANCE
    assert oracle.relative_error(given.grad_img2, expected.grad_img2) < GRADIENT_TOLERANCE


def test_what_dlpack_cannot_give_is_refused():
    img1, img2 = images((1, 1, 12, 12))
    with pytest.raises(TypeError, match="img2 is a OnlyDLPack .* in host memory: it is on DLPack device 2"):
        fused_ssim.ssim(img1, OnlyDLPack(img2, device=2))
    with pytest.raises(TypeError, match="img1 is a OnlyDLPack that DLPack does not hand over in host memory: .*"):
        fused_ssim.ssim(OnlyDLPack(img1.view(">f4")), img2)
    with pytest.raises(TypeError, match="img1 has the dtype <i4; expected float32"):
        fused_ssim.ssim(OnlyDLPack(img1.astype(np.int32)), img2)
