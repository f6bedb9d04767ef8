"""Bad arguments: the type and the words of each error."""

import pickle

import fused_ssim
import numpy as np
import pytest
from fused_ssim import _library
from support import images

IMG1, IMG2 = images((2, 3, 12, 14))


class Host:
    """Host memory with a hand-made array interface."""

    def __init__(self, **changes):
        self._array = np.zeros((1, 1, 12, 12), np.float32)
        self.__array_interface__ = {**self._array.__array_interface__, **changes}


@pytest.mark.parametrize("function", [fused_ssim.ssim, fused_ssim.ssim_and_grad])
@pytest.mark.parametrize(
    "img1, img2, arguments, error, words",
    [
        (IMG1, IMG2, dict(padding="reflect"), ValueError, 'padding is \'reflect\'; expected one of "same", "valid"'),
        (IMG1, IMG2, dict(padding=None), ValueError, "padding is None"),
        (IMG1, IMG2, dict(padding=["same"]), ValueError, "padding is"),
        (IMG1, IMG2, dict(reduction="sum"), ValueError, "reduction is 'sum'"),
        (IMG1, IMG2, dict(data_range=0), ValueError, "data_range is 0"),
        (IMG1, IMG2, dict(data_range="1 m"), ValueError, "1 m"),
        (IMG1, IMG2, dict(sigma=-1), ValueError, "sigma is -1"),
        (IMG1, IMG2, dict(k1=float("nan")), ValueError, "k1 is NaN"),
        (IMG1, IMG2, dict(k2=float("inf")), ValueError, "k2 is inf"),
        (IMG1.astype(np.float64), IMG2, {}, ValueError, "img1: dtype is F64 and img2: dtype is F32"),
        (IMG1, (IMG2 * 255).astype(np.int32), {}, TypeError, "img2 has the dtype int32; expected float32 or float16"),
        (IMG1, IMG2 > 0.5, {}, TypeError, "img2 has the dtype bool"),
        (IMG1.astype(">f4"), IMG2, {}, TypeError, "img1 has the dtype >f4"),
        (IMG1.tolist(), IMG2, {}, TypeError, "img1 is a list; expected a torch.Tensor, or an array"),
        (IMG1, None, {}, TypeError, "img2 is a NoneType"),
        (IMG1[0], IMG2[0], {}, ValueError, r"img1 has the shape \(3, 12, 14\); expected four axes"),
        (IMG1, IMG2[:, :2], {}, ValueError, r"img1 has the shape \(2, 3, 12, 14\) and img2 \(2, 2, 12, 14\)"),
        (IMG1[:0], IMG2[:0], {}, ValueError, "n is 0|n, c, h, w"),
        (IMG1[..., :10], IMG2[..., :10], dict(padding="valid"), ValueError, "at least the window size, 11"),
        (IMG1[..., ::-1], IMG2, {}, ValueError, "stride_w is -1; strides must not be negative"),
        (np.broadcast_to(np.float32(1), IMG1.shape), IMG2, {}, ValueError, "img1 is one value broadcast"),
        (Host(mask=np.zeros(1)), Host(), {}, TypeError, "img1 has a mask"),
        (Host(strides=(2, 2, 2, 2)), Host(), {}, ValueError, "img1 has the strides"),
        (IMG1, IMG2, dict(stream=0), TypeError, "stream and workspace are for CUDA arrays"),
        (IMG1, IMG2, dict(workspace=IMG1), TypeError, "stream and workspace are for CUDA arrays"),
        (IMG1, IMG2, dict(out=np.zeros(2, np.float32)), ValueError, r"out has the shape \(2,\); expected \(\)"),
        (IMG1, IMG2, dict(out=np.zeros(())), TypeError, "out has the dtype float64; expected float32"),
        (IMG1, IMG2, dict(out=np.zeros(4, np.float32)[::2], reduction="image"), ValueError, "out must be C-contiguous"),
    ],
)
def test_arguments(function, img1, img2, arguments, error, words):
    with pytest.raises(error, match=words):
        function(img1, img2, **arguments)


@pytest.mark.parametrize(
    "arguments, words",
    [
        (dict(wrt="img3"), "wrt is 'img3'"),
        (dict(grad_img2=IMG1), "grad_img2 is given, but wrt"),
        (dict(wrt="img2", grad_img1=IMG1), "grad_img1 is given, but wrt"),
        (dict(grad_img1=np.zeros((2, 3, 12, 13), np.float32)), "grad_img1 has the shape"),
        (dict(grad_img1=np.broadcast_to(np.zeros((1, 3, 12, 14), np.float32), IMG1.shape)), "grad_img1 is read-only"),
        (dict(grad_img1=IMG1), "overlaps"),
        (
            dict(grad_img1=np.lib.stride_tricks.as_strided(np.zeros(200, np.float32), IMG1.shape, (4, 4, 4, 4))),
            "address",
        ),
    ],
)
def test_arguments_of_ssim_and_grad(arguments, words):
    before = IMG1.copy()
    with pytest.raises(ValueError, match=words):
        fused_ssim.ssim_and_grad(IMG1, IMG2, **arguments)
    np.testing.assert_array_equal(IMG1, before)


def test_fused_ssim_takes_tensors_only():
    with pytest.raises(TypeError, match=r"ssim\(\) takes other arrays"):
        fused_ssim.fused_ssim(IMG1, IMG2)
    with pytest.raises(ValueError, match="padding"):
        fused_ssim.fused_ssim(IMG1, IMG2, padding="reflect")


def test_an_error_of_the_library_carries_its_status():
    with pytest.raises(fused_ssim.InvalidArgumentError) as caught:
        fused_ssim.ssim(IMG1[..., :10], IMG2[..., :10], padding="valid")
    error = caught.value
    assert error.status == _library.FSSIM_ERROR_SHAPE
    assert isinstance(error, (fused_ssim.FusedSSIMError, ValueError)) and isinstance(error, RuntimeError)
    assert str(error).startswith("invalid shape: ")
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), copy.status, str(copy)) == (type(error), error.status, str(error))
    assert fused_ssim.ssim(IMG1, IMG2) > 0


@pytest.mark.parametrize(
    "status, error, python_error",
    [
        (_library.FSSIM_ERROR_NULL_POINTER, fused_ssim.InvalidArgumentError, ValueError),
        (_library.FSSIM_ERROR_STREAM, fused_ssim.InvalidArgumentError, ValueError),
        (_library.FSSIM_ERROR_UNSUPPORTED, fused_ssim.UnsupportedError, NotImplementedError),
        (_library.FSSIM_ERROR_NO_CUDA, fused_ssim.CudaError, RuntimeError),
        (_library.FSSIM_ERROR_CUDA, fused_ssim.CudaError, RuntimeError),
        (_library.FSSIM_ERROR_OUT_OF_MEMORY, fused_ssim.OutOfMemoryError, MemoryError),
        (_library.FSSIM_ERROR_INTERNAL, fused_ssim.FusedSSIMError, RuntimeError),
        (12345, fused_ssim.FusedSSIMError, RuntimeError),
    ],
)
def test_the_class_of_a_status(status, error, python_error):
    with pytest.raises(error) as caught:
        _library._raise_on_error(status, None, ())
    assert type(caught.value) is error and isinstance(caught.value, python_error) and caught.value.status == status


def test_no_cuda_is_an_error_and_not_a_crash():
    if fused_ssim.device_count() > 0:
        with pytest.raises(fused_ssim.FusedSSIMError):
            fused_ssim.cuda_preload(10_000)
    else:
        with pytest.raises(fused_ssim.CudaError):
            fused_ssim.cuda_preload(0)
