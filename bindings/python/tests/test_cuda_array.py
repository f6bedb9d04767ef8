"""CUDA arrays without any framework: the library's CUDA path through __cuda_array_interface__, on a GPU or emulated."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import fused_ssim
import numpy as np
import oracle
import pytest
from cuda_driver import DeviceArray, empty
from support import GRADIENT_TOLERANCE, MAP_TOLERANCE, VALUE_TOLERANCE, images

# Small ones: every thread of the emulated device is a fibre.
CASES = [
    ("same", (1, 1, 1, 1)),
    ("same", (2, 3, 5, 7)),
    ("valid", (1, 2, 11, 11)),
    ("same", (1, 3, 37, 70)),
    ("valid", (2, 1, 23, 130)),
]


def test_the_device_is_found(driver):
    assert fused_ssim.device_count() >= 1
    fused_ssim.cuda_preload(0)


@pytest.mark.parametrize("padding, shape", CASES)
@pytest.mark.parametrize("reduction", ["mean", "image", "channel", "map"])
def test_value_and_gradients_on_a_stream(driver, to_device, padding, shape, reduction):
    img1, img2 = images(shape)
    expected = oracle.ssim(img1, img2, padding=padding)
    reduced = oracle.reduced(expected.map, reduction)
    pixels_averaged = expected.map.size // reduced.size
    out, grad_img1, grad_img2 = (to_device(empty(s)) for s in (reduced.shape, shape, shape))
    size = fused_ssim.workspace_size(*shape, padding=padding, reduction=reduction)
    stream = driver.stream()
    result = fused_ssim.ssim_and_grad(
        to_device(img1),
        to_device(img2),
        wrt="both",
        padding=padding,
        reduction=reduction,
        out=out,
        grad_img1=grad_img1,
        grad_img2=grad_img2,
        stream=stream,
        workspace=(workspace := to_device(np.zeros(size, np.uint8))),
    )
    driver.cuStreamSynchronize(stream)
    assert result.value is out and result.grad_img1 is grad_img1 and result.grad_img2 is grad_img2
    assert np.abs(out.numpy() - reduced).max() < (MAP_TOLERANCE if reduction == "map" else VALUE_TOLERANCE)
    for gradient, reference in ((grad_img1, expected.grad_img1), (grad_img2, expected.grad_img2)):
        assert oracle.relative_error(gradient.numpy() * np.float64(pixels_averaged), reference) < GRADIENT_TOLERANCE
    assert workspace.numpy().size == size
    driver.cuStreamDestroy_v2(stream)


@pytest.mark.parametrize("padding, shape", CASES)
def test_without_a_stream_the_result_is_there_on_return(to_device, padding, shape):
    img1, img2 = images(shape)
    # 1 is the legacy default stream, on which such a call runs.
    first, second, out = to_device(img1), to_device(img2, stream=1), to_device(empty(()))
    assert fused_ssim.ssim(first, second, padding=padding, out=out) is out
    assert abs(out.numpy() - oracle.ssim(img1, img2, padding=padding).map.mean()) < VALUE_TOLERANCE


def test_strides(to_device):
    img1, img2 = images((2, 3, 13, 21))
    interleaved = np.ascontiguousarray(img1.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    frame = np.full((2, 3, 20, 30), np.nan, np.float32)
    crop = frame[:, :, 4:17, 5:26]
    crop[...] = img2
    gradient_frame = np.full((2, 17, 25, 3), 7, np.float32)
    grad_img1 = to_device(gradient_frame[:, 2:15, 2:23].transpose(0, 3, 1, 2))
    out = to_device(empty(()))
    fused_ssim.ssim_and_grad(to_device(interleaved), to_device(crop), out=out, grad_img1=grad_img1)
    expected = oracle.ssim(img1, img2)
    assert abs(out.numpy() - expected.map.mean()) < VALUE_TOLERANCE
    gradient = grad_img1.numpy()
    assert oracle.relative_error(gradient * np.float64(img1.size), expected.grad_img1) < GRADIENT_TOLERANCE


def test_the_same_bits_every_time_and_in_every_thread(driver, to_device):
    img1, img2 = images((1, 2, 30, 41))
    first, second = to_device(img1), to_device(img2)
    results, failures = [], []

    def run():
        try:
            driver.make_current()
            out, gradient = DeviceArray(driver, empty(())), DeviceArray(driver, empty(img1.shape))
            fused_ssim.ssim_and_grad(first, second, out=out, grad_img1=gradient)
            results.append(out.numpy().tobytes() + gradient.numpy().tobytes())
        except BaseException as error:
            failures.append(error)

    run()
    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures and len(results) == 5 and len(set(results)) == 1


def test_arguments_that_are_missing(driver, to_device):
    pair = [to_device(image) for image in images((1, 1, 12, 12))]
    with pytest.raises(TypeError, match=r"pass an array of the shape \(\) for each result"):
        fused_ssim.ssim(*pair)
    with pytest.raises(TypeError, match="pass workspace="):
        fused_ssim.ssim(*pair, out=to_device(empty(())), stream=0)
    with pytest.raises(fused_ssim.InvalidArgumentError, match="workspace"):
        fused_ssim.ssim(*pair, out=to_device(empty(())), stream=0, workspace=to_device(np.zeros(1, np.uint8)))
    elsewhere = to_device(images((1, 1, 12, 12))[0], stream=driver.stream())
    with pytest.raises(ValueError, match="img2 is in use on stream"):
        fused_ssim.ssim(pair[0], elsewhere, out=to_device(empty(())))


def test_memory_of_two_kinds(to_device):
    img1, img2 = images((1, 1, 12, 12))
    with pytest.raises(ValueError, match="img1 is in cuda memory and img2 in cpu memory"):
        fused_ssim.ssim(to_device(img1), img2)
    out = empty(())
    with pytest.raises(fused_ssim.InvalidArgumentError, match="ssim"):
        fused_ssim.ssim(to_device(img1), to_device(img2), out=out)
    assert np.isnan(out)


@pytest.mark.parametrize("other", [np.float32, np.uint8])
def test_images_of_other_dtypes(to_device, other):
    img1, img2 = images((1, 3, 20, 31))
    half = img1.astype(np.float16)
    stored = (255 * img2).astype(np.uint8) if other is np.uint8 else img2
    exact = stored / 255 if other is np.uint8 else stored
    expected = oracle.ssim(half.astype(np.float64), exact.astype(np.float64))
    out, grad_img1 = to_device(empty(())), to_device(np.full(half.shape, np.nan, np.float16))
    fused_ssim.ssim_and_grad(to_device(half), to_device(stored), out=out, grad_img1=grad_img1)
    assert abs(out.numpy() - expected.map.mean()) < VALUE_TOLERANCE
    # The smallest halves are 2**-24 apart.
    reference = expected.grad_img1 / half.size
    assert (np.abs(grad_img1.numpy() - reference) < 2.0**-11 * np.abs(reference) + 2.0**-24).all()


def test_a_dtype_that_is_not_supported(to_device):
    img1, img2 = images((1, 1, 12, 12))
    out = empty(())
    with pytest.raises(TypeError, match="img1 has the dtype <i4"):
        fused_ssim.ssim(to_device(img1.astype(np.int32)), to_device(img2), out=to_device(out))


def test_a_forked_child_still_has_the_cpu(driver):
    """After a fork the CUDA driver is unusable in the child: host memory works, the rest is a clear error."""
    code = (
        "import os, numpy, fused_ssim\n"
        "assert fused_ssim.device_count() >= 1\n"
        "fused_ssim.cuda_preload(0)\n"
        "image = numpy.full((1, 1, 16, 16), 0.5, numpy.float32)\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    value = fused_ssim.ssim(image, image)\n"
        "    os._exit(0 if abs(value - 1) < 1e-6 else 3)\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
    )
    package = str(Path(fused_ssim.__file__).resolve().parents[1])
    environment = {**os.environ, "PYTHONPATH": package}
    run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120)
    assert (run.returncode, run.stdout) == (0, "0\n"), run.stderr
