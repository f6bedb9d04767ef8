"""The public functions."""

from __future__ import annotations

import sys
from ctypes import byref, c_int32, c_size_t, create_string_buffer
from typing import TYPE_CHECKING, Any, NamedTuple, Optional

from . import _arrays
from . import _library as lib
from ._plan import pixel_loss as pixel_loss_constant
from ._plan import settings

if TYPE_CHECKING:
    import torch

_DROP_IN = {
    padding: settings(padding, "mean", data_range=1.0, sigma=1.5, k1=0.01, k2=0.03) for padding in ("same", "valid")
}


class SSIMAndGrad(NamedTuple):
    """What :func:`ssim_and_grad` returns. A gradient that was not asked for is None."""

    value: Any
    grad_img1: Any
    grad_img2: Any


def _is_torch(image: Any) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(image, torch.Tensor)


def fused_ssim(img1: torch.Tensor, img2: torch.Tensor, padding: str = "same", train: bool = True) -> torch.Tensor:
    """Mean SSIM of two batches of PyTorch images: the function of rahul-goel/fused-ssim, with its arguments.

    Args:
        img1, img2: float32 tensors (N, C, H, W) with values from 0 to 1, on one CUDA device or on the CPU, with any
            strides; nothing is copied. On CUDA the work is enqueued on the current stream. On the CPU the dtypes may
            also be those that :func:`ssim` takes.
        padding: "same": zeros around the image, every pixel counts; "valid": only pixels whose 11x11 window lies
            inside the image count (H and W at least 11).
        train: False: the result has no gradient, whatever the images require.

    Returns:
        A tensor of no axes: the mean over everything. Gradients flow to `img1` and, if it requires one, to `img2`
        (the original gives none to `img2`). They can be differentiated once.

    Raises:
        TypeError: not a tensor, or of another dtype.
        ValueError: an unknown `padding`, shapes or devices that differ, not four axes, an empty image, or one smaller
            than the window under "valid".
        FusedSSIMError: the library failed: no CUDA driver, out of memory, ...
    """
    try:
        chosen = _DROP_IN[padding]
    except (KeyError, TypeError):
        raise ValueError(f'padding is {padding!r}; expected "same" or "valid"') from None
    if not (_is_torch(img1) or _is_torch(img2)):
        raise TypeError(f"img1 is a {type(img1).__name__}; fused_ssim() takes torch.Tensor, ssim() takes other arrays")
    from . import _torch

    return _torch.ssim(img1, img2, chosen, train)


def ssim(
    img1: Any,
    img2: Any,
    *,
    padding: str = "same",
    reduction: str = "mean",
    data_range: float = 1.0,
    sigma: float = 1.5,
    k1: float = 0.01,
    k2: float = 0.03,
    out: Any = None,
    stream: Optional[int] = None,
    workspace: Any = None,
) -> Any:
    """SSIM of two batches of images: PyTorch tensors, or NumPy, CuPy and other arrays.

    Args:
        img1, img2: float32 arrays (N, C, H, W) of one library and on one device, with any strides that are not
            negative; nothing is copied. PyTorch tensors may require gradients. On the CPU each may also be float16,
            bfloat16 (PyTorch) or uint8, whose 0 to 255 span the `data_range`, or both float64.
        padding: "same": zeros around the image; "valid": only pixels whose whole window lies inside the image.
        reduction: "mean": one value; "image": (N,); "channel": (N, C); "map" or "none": (N, C, H, W), with "valid"
            padding (N, C, H-10, W-10).
        data_range: the distance between the smallest and the largest possible pixel value, > 0.
        sigma: standard deviation of the Gaussian window in pixels, > 0.
        k1, k2: the constants of C1 = (k1 * data_range)**2 and C2 = (k2 * data_range)**2, > 0.
        out: a C-contiguous array of the shape of the result, to be written and returned. Not for PyTorch tensors.
        stream, workspace: only for CUDA arrays of libraries other than PyTorch and CuPy: the handle of the CUDA stream
            to enqueue on, and a CUDA array of at least :func:`workspace_size` bytes that stays untouched until the
            work is done. Without `stream` such a call runs on the legacy default stream and waits for the result.

    Returns:
        The library's own kind of array on the images' device (NumPy with "mean": a NumPy scalar), float32, or float64
        for float64 images. CUDA results of PyTorch and CuPy are computed on the current stream. For CUDA arrays of other libraries `out` is required.

    Raises:
        TypeError: not an array, of another dtype, or an argument that does not go with this kind of array.
        ValueError: an unknown `padding` or `reduction`, a number out of its range, shapes or devices that differ, not
            four axes, an empty image, or one smaller than the window under "valid".
        FusedSSIMError: the library failed: no CUDA driver, out of memory, ...
    """
    chosen = settings(padding, reduction, data_range, sigma, k1, k2)
    if _is_torch(img1) or _is_torch(img2):
        _refuse_for_torch(out=out, stream=stream, workspace=workspace)
        from . import _torch

        return _torch.ssim(img1, img2, chosen)
    images = _arrays.describe_images(img1, img2)
    memory = _arrays.memory_for(images, stream, workspace)
    return _scalar(_arrays.forward(images, chosen, memory, out), out)


def ssim_and_grad(
    img1: Any,
    img2: Any,
    *,
    wrt: str = "img1",
    padding: str = "same",
    reduction: str = "mean",
    data_range: float = 1.0,
    sigma: float = 1.5,
    k1: float = 0.01,
    k2: float = 0.03,
    out: Any = None,
    grad_img1: Any = None,
    grad_img2: Any = None,
    stream: Optional[int] = None,
    workspace: Any = None,
) -> SSIMAndGrad:
    """SSIM and its gradient in one pass over the images, without an autograd graph.

    The gradient is that of the value returned: of the mean, of each image's or channel's own mean, or, with
    `reduction="map"`, of the sum of the map.

    Args:
        wrt: "img1", "img2" or "both": which gradients to compute.
        grad_img1, grad_img2: float32 or float16 arrays (for float64 images: float64), (N, C, H, W) of any strides
            without overlap, to be written and returned. Not for PyTorch tensors.
        The others: as for :func:`ssim`.

    Returns:
        A tuple (value, grad_img1, grad_img2); a gradient that was not asked for is None. Gradients that are not given
        are float32 (for float64 images: float64), also of images of fewer bits: that of a mean over a large image is
        smaller than float16 can hold. The gradient of a uint8 image is that of the numbers from 0 to 255.

    Raises:
        As :func:`ssim`; ValueError also for an unknown `wrt`.
    """
    chosen = settings(padding, reduction, data_range, sigma, k1, k2)
    if wrt not in ("img1", "img2", "both"):
        raise ValueError(f'wrt is {wrt!r}; expected "img1", "img2" or "both"')
    wanted = (wrt != "img2", wrt != "img1")
    for name, given, want in (("grad_img1", grad_img1, wanted[0]), ("grad_img2", grad_img2, wanted[1])):
        if given is not None and not want:
            raise ValueError(f'{name} is given, but wrt="{wrt}" does not ask for it')
    if _is_torch(img1) or _is_torch(img2):
        _refuse_for_torch(out=out, grad_img1=grad_img1, grad_img2=grad_img2, stream=stream, workspace=workspace)
        from . import _torch

        return SSIMAndGrad(*_torch.value_and_grad(*_torch.checked(img1, img2), chosen, wanted))
    images = _arrays.describe_images(img1, img2)
    memory = _arrays.memory_for(images, stream, workspace)
    value, *grads = _arrays.value_and_grad(images, chosen, memory, wanted, out, (grad_img1, grad_img2))
    return SSIMAndGrad(_scalar(value, out), *grads)


def loss(
    img1: torch.Tensor,
    img2: torch.Tensor,
    *,
    lambda_: float = 0.2,
    pixel_loss: str = "l1",
    padding: str = "same",
    reduction: str = "mean",
    data_range: float = 1.0,
    sigma: float = 1.5,
    k1: float = 0.01,
    k2: float = 0.03,
) -> torch.Tensor:
    """The loss of a training step, ``(1 - lambda_) * P + lambda_ * (1 - SSIM)``, in one pass over PyTorch images.

    The defaults are the loss of 3D Gaussian splatting. In this version for tensors on the CPU alone.

    Args:
        img1, img2: tensors as for :func:`ssim`. They may require gradients, which are computed with the value.
        lambda_: share of 1 - SSIM, 0 to 1.
        pixel_loss: P: "l1", the mean of ``|img1 - img2|``, or "l2", the mean of ``(img1 - img2)**2``, over every pixel
            and not divided by `data_range`.
        reduction: "mean": one loss; "image": (N,); "channel": (N, C).
        The others: as for :func:`ssim`.

    Returns:
        A tensor of the shape of the reduction. It can be differentiated once.

    Raises:
        As :func:`ssim`; TypeError for arrays that are not PyTorch's; ValueError also for a `lambda_` outside 0 to 1, an
        unknown `pixel_loss`, or a map; UnsupportedError for tensors on CUDA.
    """
    chosen = settings(padding, reduction, data_range, sigma, k1, k2)
    pixel = pixel_loss_constant(pixel_loss)
    if not (_is_torch(img1) or _is_torch(img2)):
        raise TypeError(f"img1 is a {type(img1).__name__}; loss() takes torch.Tensor")
    from . import _torch

    return _torch.loss(img1, img2, chosen, pixel, float(lambda_))


def _refuse_for_torch(**arguments: Any) -> None:
    for name, value in arguments.items():
        if value is not None:
            raise TypeError(f"{name} is not for PyTorch tensors, whose results and streams PyTorch manages")


def _scalar(value: Any, out: Any) -> Any:
    """NumPy's own reductions give a scalar, not an array of no axes."""
    is_numpy = type(value).__module__.partition(".")[0] == "numpy"
    return value[()] if is_numpy and out is None and value.ndim == 0 else value


def workspace_size(n: int, c: int, h: int, w: int, *, padding: str = "same", reduction: str = "mean") -> int:
    """Bytes of `workspace` that :func:`ssim` and :func:`ssim_and_grad` need on a stream for images (N, C, H, W)."""
    chosen = settings(padding, reduction, data_range=1.0, sigma=1.5, k1=0.01, k2=0.03)
    from ._plan import Layouts, plan

    return plan("cuda", (n, c, h, w), Layouts(), chosen).workspace_bytes


def version() -> str:
    """The version of the library that is loaded, as "major.minor.patch"."""
    number = lib.fssim_version()
    return f"{number // 10000}.{number // 100 % 100}.{number % 100}"


def backend_info() -> str:
    """A few lines about the library and this machine, for bug reports. Loads the CUDA driver if there is one."""
    needed = c_size_t()
    lib.fssim_backend_info(None, 0, byref(needed))
    buffer = create_string_buffer(needed.value)
    lib.fssim_backend_info(buffer, len(buffer), None)
    return buffer.value.decode("utf-8", "replace")


def device_count() -> int:
    """The number of CUDA devices that can be used; 0 without a driver."""
    count = c_int32()
    lib.fssim_device_count(byref(count))
    return count.value


def cuda_preload(device: int = 0) -> None:
    """Loads the kernels for a CUDA device now. Call it before a graph capture that would contain the first use."""
    lib.fssim_cuda_preload(device)


def set_num_threads(threads: int) -> None:
    """Sets how many threads a CPU call may use, for the whole process; 0: the default. Results do not depend on it."""
    lib.fssim_set_num_threads(threads)


def get_num_threads() -> int:
    """How many threads a CPU call may use."""
    return lib.fssim_get_num_threads()
