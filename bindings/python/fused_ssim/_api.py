"""The public functions for SSIM and its gradient."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NamedTuple, Optional, Tuple, Union

from . import _arrays, _memory
from ._plan import Settings, Shard, settings

if TYPE_CHECKING:
    import torch

_DROP_IN = {padding: settings(padding=padding) for padding in ("same", "valid")}


class SSIMAndGrad(NamedTuple):
    """What :func:`ssim_and_grad` returns. A gradient that was not asked for is None."""

    value: Any
    grad_img1: Any
    grad_img2: Any


class Gradients(NamedTuple):
    """What :func:`ssim_grad` returns. A gradient that was not asked for is None."""

    grad_img1: Any
    grad_img2: Any


def fused_ssim(img1: torch.Tensor, img2: torch.Tensor, padding: str = "same", train: bool = True) -> torch.Tensor:
    """Mean SSIM of two batches of PyTorch images: the function of rahul-goel/fused-ssim, with its arguments.

    Args:
        img1, img2: float32 tensors (N, C, H, W) with values from 0 to 1, on one CUDA device or on the CPU, with any
            strides; nothing is copied. The dtypes may also be the others that :func:`ssim` takes. On CUDA the work is
            enqueued on the current stream.
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
    if not is_torch(img1, img2):
        raise TypeError(f"img1 is a {type(img1).__name__}; fused_ssim() takes torch.Tensor, ssim() takes other arrays")
    from . import _torch

    return _torch.ssim(img1, img2, None, chosen, train)


def ssim(
    img1: Any,
    img2: Any,
    *,
    padding: str = "same",
    reduction: str = "mean",
    output: str = "ssim",
    window: str = "gaussian",
    window_size: int = 11,
    sigma: float = 1.5,
    data_range: float = 1.0,
    k1: float = 0.01,
    k2: float = 0.03,
    scale: Union[None, float, Tuple[float, float]] = None,
    mask: Any = None,
    mask_mode: str = "weighted_mean",
    shard: Optional[Shard] = None,
    out: Any = None,
    stream: Optional[int] = None,
    workspace: Any = None,
) -> Any:
    """SSIM of two batches of images: PyTorch tensors, or NumPy, CuPy and other arrays.

    Args:
        img1, img2: float32 arrays (N, C, H, W) of one library and on one device, with any strides that are not
            negative; nothing is copied. Each may also be float16, bfloat16 (PyTorch) or uint8, whose 0 to 255 span the
            `data_range`, or on the CPU both float64. PyTorch tensors may require gradients.
        padding: "same": zeros around the image; "valid": only pixels whose whole window lies inside the image.
        reduction: "mean": one value; "image": (N,); "channel": (N, C); "map" or "none": (N, C, H, W), with "valid"
            padding `window_size - 1` smaller in H and W.
        output: "ssim"; "one_minus_ssim": 1 - SSIM; "dssim": (1 - SSIM) / 2. The last two are losses: 0 for equal
            images.
        window: "gaussian", or "uniform": the plain mean of the window, which has no `sigma`.
        window_size: pixels of the window in each direction, odd, 3 to 33.
        sigma: standard deviation of the Gaussian window in pixels, > 0.
        data_range: the distance between the smallest and the largest possible pixel value, > 0.
        k1, k2: the constants of C1 = (k1 * data_range)**2 and C2 = (k2 * data_range)**2, > 0.
        scale: what pixels are multiplied by when they are read: one number, or a pair for `img1` and `img2`.
            `data_range` is that of the products. None: 1, and data_range/255 for uint8.
        mask: weights of the pixels, of the images' library and device: bool, uint8 (0 is 0, anything else is 1) or
            float32 (at least 0), of the shape (N, 1, H, W), (N, C, H, W), (H, W) or any other that broadcasts to that
            of the images; nothing is copied. No gradient is computed for it.
        mask_mode: what `mask` does; without one it is ignored.
            "weighted_mean": the mean over the map is weighted, sum(mask * map) / sum(mask); a map holds mask * SSIM.
            Pixels of weight 0 still are in the windows of their neighbours.
            "multiply_inputs": both images are multiplied by the mask first; the mean is over every pixel.
            "normalized": windows are weighted as well, so that pixels of weight 0 have no influence at all.
        shard: the rows of a larger image that these images are: :class:`Shard`. None: they are whole.
        out: a C-contiguous array of the shape and dtype of the result, to be written and returned. Not for PyTorch
            tensors.
        stream, workspace: only for CUDA arrays of libraries other than PyTorch and CuPy: the handle of the CUDA stream
            to enqueue on, and a CUDA array of at least :func:`workspace_size` bytes that stays untouched until the
            work is done. Without `stream` such a call runs on the legacy default stream and waits for the result.

    Returns:
        The library's own kind of array on the images' device (NumPy with "mean": a NumPy scalar), float32, or float64
        for float64 images. CUDA results of PyTorch and CuPy are computed on the current stream. For CUDA arrays of
        other libraries `out` is required.

    Raises:
        TypeError: not an array, of another dtype, or an argument that does not go with this kind of array.
        ValueError: an unknown name, a number out of its range, shapes or devices that differ, not four axes, an empty
            image, one smaller than the window under "valid", or a mask that does not fit the images.
        UnsupportedError: this version does not compute that on this device; the message says what.
        FusedSSIMError: the library failed: no CUDA driver, out of memory, ...
    """
    chosen = settings(
        padding=padding,
        reduction=reduction,
        output=output,
        window=window,
        window_size=window_size,
        sigma=sigma,
        data_range=data_range,
        k1=k1,
        k2=k2,
        scale=scale,
        mask_mode=mask_mode,
        shard=shard,
    )
    if is_torch(img1, img2):
        refuse_for_torch(out=out, stream=stream, workspace=workspace)
        from . import _torch

        return _torch.ssim(img1, img2, mask, chosen)
    inputs = _arrays.describe_inputs(img1, img2, mask)
    memory = _memory.memory_for(inputs, stream, workspace)
    return scalar(_arrays.compute(inputs, chosen, memory, out)[0], out)


def ssim_and_grad(
    img1: Any,
    img2: Any,
    *,
    wrt: str = "img1",
    padding: str = "same",
    reduction: str = "mean",
    output: str = "ssim",
    window: str = "gaussian",
    window_size: int = 11,
    sigma: float = 1.5,
    data_range: float = 1.0,
    k1: float = 0.01,
    k2: float = 0.03,
    scale: Union[None, float, Tuple[float, float]] = None,
    mask: Any = None,
    mask_mode: str = "weighted_mean",
    shard: Optional[Shard] = None,
    out: Any = None,
    grad_img1: Any = None,
    grad_img2: Any = None,
    stream: Optional[int] = None,
    workspace: Any = None,
) -> SSIMAndGrad:
    """SSIM and its gradient in one pass over the images, without an autograd graph.

    The gradient is that of the value returned: of the mean, of each image's or channel's own mean, or, with
    `reduction="map"`, of the sum of the map; with another `output`, of that.

    Args:
        wrt: "img1", "img2" or "both": which gradients to compute.
        grad_img1, grad_img2: float32, float16 or bfloat16 (PyTorch) arrays, for float64 images float64, of the images'
            library and shape (of a `shard`: of its owned rows) and of any strides without overlap, to be written and
            returned.
        The others: as for :func:`ssim`.

    Returns:
        A tuple (value, grad_img1, grad_img2); a gradient that was not asked for is None. Gradients that are not given
        are float32 (for float64 images: float64), also of images of fewer bits: that of a mean over a large image is
        smaller than float16 can hold. They are those of the numbers as stored: for uint8 those from 0 to 255.

    Raises:
        As :func:`ssim`; ValueError also for an unknown `wrt`.
    """
    chosen = settings(
        padding=padding,
        reduction=reduction,
        output=output,
        window=window,
        window_size=window_size,
        sigma=sigma,
        data_range=data_range,
        k1=k1,
        k2=k2,
        scale=scale,
        mask_mode=mask_mode,
        shard=shard,
    )
    return SSIMAndGrad(*value_and_grad(img1, img2, mask, chosen, wrt, out, grad_img1, grad_img2, stream, workspace))


def ssim_grad(
    img1: Any,
    img2: Any,
    grad_ssim: Any,
    *,
    wrt: str = "img1",
    padding: str = "same",
    reduction: str = "mean",
    output: str = "ssim",
    window: str = "gaussian",
    window_size: int = 11,
    sigma: float = 1.5,
    data_range: float = 1.0,
    k1: float = 0.01,
    k2: float = 0.03,
    scale: Union[None, float, Tuple[float, float]] = None,
    mask: Any = None,
    mask_mode: str = "weighted_mean",
    shard: Optional[Shard] = None,
    grad_img1: Any = None,
    grad_img2: Any = None,
    stream: Optional[int] = None,
    workspace: Any = None,
) -> Gradients:
    """The gradient of ``sum(grad_ssim * ssim(img1, img2, ...))``, for whoever has an upstream gradient and no autograd.

    The images are filtered again; nothing need have been kept from :func:`ssim`.

    Args:
        grad_ssim: the upstream gradient, of the images' library, C-contiguous, of the shape and dtype that :func:`ssim`
            returns with these options: () for "mean", (N,), (N, C), or that of the map. Not for the map of a `shard`.
        The others: as for :func:`ssim_and_grad`.

    Returns:
        A tuple (grad_img1, grad_img2), as from :func:`ssim_and_grad`.

    Raises:
        As :func:`ssim_and_grad`; TypeError or ValueError also for a `grad_ssim` of another dtype, shape or device.
    """
    chosen = settings(
        padding=padding,
        reduction=reduction,
        output=output,
        window=window,
        window_size=window_size,
        sigma=sigma,
        data_range=data_range,
        k1=k1,
        k2=k2,
        scale=scale,
        mask_mode=mask_mode,
        shard=shard,
    )
    wanted, given = _wanted(wrt, grad_img1, grad_img2), (grad_img1, grad_img2)
    if is_torch(img1, img2):
        refuse_for_torch(stream=stream, workspace=workspace)
        from . import _torch

        return Gradients(*_torch.backward(_torch.checked(img1, img2, mask), chosen, grad_ssim, wanted, given))
    inputs = _arrays.describe_inputs(img1, img2, mask)
    memory = _memory.memory_for(inputs, stream, workspace)
    return Gradients(*_arrays.backward(inputs, chosen, memory, grad_ssim, wanted, given))


def value_and_grad(
    img1: Any,
    img2: Any,
    mask: Any,
    chosen: Settings,
    wrt: str,
    out: Any,
    grad_img1: Any,
    grad_img2: Any,
    stream: Optional[int],
    workspace: Any,
    terms: Any = None,
) -> Tuple[Any, Any, Any]:
    """SSIM, or with `terms` the three values of a loss, and the gradients that `wrt` names, of any kind of array."""
    wanted = _wanted(wrt, grad_img1, grad_img2)
    if is_torch(img1, img2):
        refuse_for_torch(out=out, stream=stream, workspace=workspace)
        from . import _torch

        return _torch.value_and_grad(_torch.checked(img1, img2, mask), chosen, wanted, (grad_img1, grad_img2), terms)
    inputs = _arrays.describe_inputs(img1, img2, mask)
    memory = _memory.memory_for(inputs, stream, workspace)
    value, *grads = _arrays.compute(inputs, chosen, memory, out, wanted, (grad_img1, grad_img2), terms)
    return (scalar(value, out), *grads)


def _wanted(wrt: str, grad_img1: Any, grad_img2: Any) -> Tuple[bool, bool]:
    """Which gradients `wrt` names; an array for another is a mistake."""
    if wrt not in ("img1", "img2", "both"):
        raise ValueError(f'wrt is {wrt!r}; expected "img1", "img2" or "both"')
    wanted = (wrt != "img2", wrt != "img1")
    for name, given, want in (("grad_img1", grad_img1, wanted[0]), ("grad_img2", grad_img2, wanted[1])):
        if given is not None and not want:
            raise ValueError(f'{name} is given, but wrt="{wrt}" does not ask for it')
    return wanted


def is_torch(img1: Any, img2: Any) -> bool:
    """Whether one of them is a PyTorch tensor, without importing PyTorch."""
    torch = sys.modules.get("torch")
    return torch is not None and (isinstance(img1, torch.Tensor) or isinstance(img2, torch.Tensor))


def refuse_for_torch(**arguments: Any) -> None:
    """A TypeError for what is not None."""
    for name, value in arguments.items():
        if value is not None:
            raise TypeError(f"{name} is not for PyTorch tensors, whose results and streams PyTorch manages")


def scalar(value: Any, out: Any) -> Any:
    """NumPy's own reductions give a scalar, not an array of no axes."""
    is_numpy = type(value).__module__.partition(".")[0] == "numpy"
    return value[()] if is_numpy and out is None and value.ndim == 0 else value
