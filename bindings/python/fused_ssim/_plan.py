"""From the arguments of a Python call to the options of a C call, once for each combination that a program uses."""

from __future__ import annotations

from ctypes import byref, c_size_t, sizeof
from functools import lru_cache
from typing import NamedTuple, Tuple

from . import _library as lib

Strides = Tuple[int, int, int, int]

PADDINGS = {"same": lib.FSSIM_PADDING_SAME, "valid": lib.FSSIM_PADDING_VALID}
REDUCTIONS = {
    "mean": lib.FSSIM_REDUCTION_MEAN,
    "image": lib.FSSIM_REDUCTION_PER_IMAGE,
    "channel": lib.FSSIM_REDUCTION_PER_CHANNEL,
    "map": lib.FSSIM_REDUCTION_MAP,
    # What PyTorch's own losses call it.
    "none": lib.FSSIM_REDUCTION_MAP,
}
PIXEL_LOSSES = {"l1": lib.FSSIM_PIXEL_L1, "l2": lib.FSSIM_PIXEL_L2}
DEVICES = {"cpu": lib.FSSIM_DEVICE_CPU, "cuda": lib.FSSIM_DEVICE_CUDA}

# Dense NCHW.
DENSE: Strides = (0, 0, 0, 0)


class Layout(NamedTuple):
    """Element strides of an image or a gradient, and what its elements are."""

    strides: Strides = DENSE
    dtype: int = lib.FSSIM_DTYPE_F32


def gradient_dtype(image: int) -> int:
    """The dtype of a gradient where the caller does not choose one: in 16 bits those of a mean would vanish."""
    return lib.FSSIM_DTYPE_F64 if image == lib.FSSIM_DTYPE_F64 else lib.FSSIM_DTYPE_F32


class Settings(NamedTuple):
    """What the user chose; the C library checks the numbers."""

    padding: int
    reduction: int
    data_range: float
    sigma: float
    k1: float
    k2: float


class Layouts(NamedTuple):
    """Where the images and their gradients lie, and what they hold."""

    img1: Layout = Layout()
    img2: Layout = Layout()
    grad_img1: Layout = Layout()
    grad_img2: Layout = Layout()


class Plan(NamedTuple):
    """What the C calls need beside pointers. Shared between calls and threads, so `options` is never changed."""

    options: lib.fssim_options
    workspace_bytes: int
    output_shape: Tuple[int, ...]


def settings(padding: str, reduction: str, data_range: float, sigma: float, k1: float, k2: float) -> Settings:
    """Turns names into constants. A name that is not known is a ValueError."""
    return Settings(
        _constant("padding", padding, PADDINGS),
        _constant("reduction", reduction, REDUCTIONS),
        float(data_range),
        float(sigma),
        float(k1),
        float(k2),
    )


def pixel_loss(name: str) -> int:
    """The constant of a pixel loss. A name that is not known is a ValueError."""
    return _constant("pixel_loss", name, PIXEL_LOSSES)


def _constant(argument: str, name: str, constants: dict) -> int:
    try:
        return constants[name]
    except (KeyError, TypeError):
        known = ", ".join(f'"{known}"' for known in constants)
        raise ValueError(f"{argument} is {name!r}; expected one of {known}") from None


# Filling the options and asking for the workspace takes about as long as a kernel on a small image, and a training
# loop asks for the same few combinations again and again.
@lru_cache(maxsize=1024)
def plan(device: str, shape: Tuple[int, ...], layouts: Layouts, chosen: Settings) -> Plan:
    """The options for one kind of call. Raises what the library says about the shape, the strides and the settings."""
    options = lib.fssim_options()
    lib.fssim_options_init(options, sizeof(options))
    options.device = DEVICES[device]
    options.padding = chosen.padding
    options.reduction = chosen.reduction
    options.data_range = chosen.data_range
    options.sigma = chosen.sigma
    options.k1 = chosen.k1
    options.k2 = chosen.k2
    for name, given in layouts._asdict().items():
        layout = getattr(options, name)
        layout.dtype = given.dtype
        layout.stride_n, layout.stride_c, layout.stride_h, layout.stride_w = given.strides
    workspace_bytes = c_size_t()
    lib.fssim_workspace_size(*shape, options, byref(workspace_bytes))
    return Plan(options, workspace_bytes.value, _output_shape(shape, options))


def _output_shape(shape: Tuple[int, ...], options: lib.fssim_options) -> Tuple[int, ...]:
    if options.reduction != lib.FSSIM_REDUCTION_MAP:
        kept_axes = {
            lib.FSSIM_REDUCTION_MEAN: 0,
            lib.FSSIM_REDUCTION_PER_IMAGE: 1,
            lib.FSSIM_REDUCTION_PER_CHANNEL: 2,
        }
        return tuple(shape[: kept_axes[options.reduction]])
    n, c, h, w = shape
    border = 0 if options.padding == lib.FSSIM_PADDING_SAME else options.window_size - 1
    return (n, c, h - border, w - border)
