"""From the arguments of a Python call to the options of a C call, once for each combination that a program uses."""

from __future__ import annotations

from ctypes import byref, c_size_t, sizeof
from functools import lru_cache
from operator import index
from typing import Any, NamedTuple, Optional, Tuple

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
# How many of the axes N and C a reduction leaves.
KEPT_AXES = {lib.FSSIM_REDUCTION_MEAN: 0, lib.FSSIM_REDUCTION_PER_IMAGE: 1, lib.FSSIM_REDUCTION_PER_CHANNEL: 2}
OUTPUTS = {
    "ssim": lib.FSSIM_OUTPUT_SSIM,
    "one_minus_ssim": lib.FSSIM_OUTPUT_ONE_MINUS_SSIM,
    "dssim": lib.FSSIM_OUTPUT_DSSIM,
}
WINDOWS = {"gaussian": lib.FSSIM_WINDOW_GAUSSIAN, "uniform": lib.FSSIM_WINDOW_UNIFORM}
MASK_MODES = {
    "weighted_mean": lib.FSSIM_MASK_WEIGHTED_MEAN,
    "multiply_inputs": lib.FSSIM_MASK_MULTIPLY_INPUTS,
    "normalized": lib.FSSIM_MASK_NORMALIZED,
}
PIXEL_LOSSES = {"l1": lib.FSSIM_PIXEL_L1, "l2": lib.FSSIM_PIXEL_L2}
DEVICES = {"cpu": lib.FSSIM_DEVICE_CPU, "cuda": lib.FSSIM_DEVICE_CUDA}

_SOME_ADDRESS = 16

# Dense NCHW.
DENSE: Strides = (0, 0, 0, 0)


class Layout(NamedTuple):
    """Element strides of an image or a gradient, and what its elements are."""

    strides: Strides = DENSE
    dtype: int = lib.FSSIM_DTYPE_F32


def gradient_dtype(image: int) -> int:
    """The dtype of a gradient where the caller does not choose one: in 16 bits those of a mean would vanish."""
    return lib.FSSIM_DTYPE_F64 if image == lib.FSSIM_DTYPE_F64 else lib.FSSIM_DTYPE_F32


class Shard(NamedTuple):
    """Which rows of a larger image a call is given: one that is cut into bands of rows, each on a device of its own.

    The images of the call are a band of the whole image: rows that the band owns, and around them others of the whole
    image that the windows of those need. The value is the band's part of a sum, so that the values of all bands add up
    to that of the whole image; maps and gradients have the rows that the band owns alone (of a PyTorch tensor that
    requires a gradient, the gradient of the other rows is 0).

    Fields:
        rows_above: rows above the first owned one: `window_size - 1`, or all that the whole image has there.
        rows_below: rows below the last owned one, as above.
        height: rows of the whole image.
        divisor: what sums are divided by, both parts of a loss included. None: the number of elements of the whole
            image that are averaged. With a mask that weights the mean it is required: the sum of the whole image's
            mask over all its images and channels.
    """

    rows_above: int
    rows_below: int
    height: int
    divisor: Optional[float] = None


class Settings(NamedTuple):
    """What the user chose; the C library checks the numbers. `mask_mode` is for calls with a mask alone."""

    padding: int
    reduction: int
    output: int
    window: int
    window_size: int
    sigma: float
    data_range: float
    k1: float
    k2: float
    scales: Tuple[float, float]
    mask_mode: int
    shard: Optional[Shard]


class Terms(NamedTuple):
    """The two parts of a training loss, as `fssim_loss` takes them."""

    pixel_loss: int
    lambda_: float


class Layouts(NamedTuple):
    """Where the images, their gradients and the mask lie, and what they hold. No mask: None."""

    img1: Layout = Layout()
    img2: Layout = Layout()
    grad_img1: Layout = Layout()
    grad_img2: Layout = Layout()
    mask_layout: Optional[Layout] = None


class Plan(NamedTuple):
    """What the C calls need beside pointers. Shared between calls and threads, so `options` is never changed."""

    options: lib.fssim_options
    workspace_bytes: int
    output_shape: Tuple[int, ...]

    def options_with_mask(self, mask: int) -> lib.fssim_options:
        """The options of a call whose mask is at this address."""
        options = lib.fssim_options.from_buffer_copy(self.options)
        options.mask = mask
        return options


def settings(
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
    scale: Any = None,
    mask_mode: str = "weighted_mean",
    shard: Optional[Shard] = None,
) -> Settings:
    """Turns names into constants. A name that is not known is a ValueError."""
    return Settings(
        _constant("padding", padding, PADDINGS),
        _constant("reduction", reduction, REDUCTIONS),
        _constant("output", output, OUTPUTS),
        _constant("window", window, WINDOWS),
        integer("window_size", window_size, 32),
        float(sigma),
        float(data_range),
        float(k1),
        float(k2),
        _scales(scale),
        _constant("mask_mode", mask_mode, MASK_MODES),
        None if shard is None else _shard(shard),
    )


def terms(pixel_loss: str, lambda_: float) -> Terms:
    """The parts of a loss. A name that is not known is a ValueError."""
    return Terms(_constant("pixel_loss", pixel_loss, PIXEL_LOSSES), float(lambda_))


def integer(name: str, value: Any, bits: int) -> int:
    """An integer that fits the C type of `bits` bits, to which ctypes would cut it."""
    try:
        number = index(value)
    except TypeError:
        raise TypeError(f"{name} is {value!r}; expected an integer") from None
    if not -(2 ** (bits - 1)) <= number < 2 ** (bits - 1):
        raise ValueError(f"{name} is {number}; expected an integer of {bits} bits")
    return number


def _scales(scale: Any) -> Tuple[float, float]:
    if scale is None:
        # The default of each dtype.
        return (0.0, 0.0)
    pair = tuple(scale) if isinstance(scale, (tuple, list)) else (scale, scale)
    if len(pair) != 2:
        raise ValueError(f"scale is {scale!r}; expected one number, or a pair for img1 and img2")
    return (float(pair[0]), float(pair[1]))


def _shard(shard: Any) -> Shard:
    try:
        rows_above, rows_below, height, divisor = Shard(*shard)
    except TypeError:
        raise TypeError(f"shard is {shard!r}; expected a fused_ssim.Shard") from None
    return Shard(
        integer("shard.rows_above", rows_above, 64),
        integer("shard.rows_below", rows_below, 64),
        integer("shard.height", height, 64),
        None if divisor is None else float(divisor),
    )


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
    options.output = chosen.output
    options.window = chosen.window
    options.window_size = chosen.window_size
    options.sigma = chosen.sigma
    options.data_range = chosen.data_range
    options.k1 = chosen.k1
    options.k2 = chosen.k2
    options.img1.scale, options.img2.scale = chosen.scales
    if chosen.shard is not None:
        options.shard_rows_above = chosen.shard.rows_above
        options.shard_rows_below = chosen.shard.rows_below
        options.shard_height = chosen.shard.height
        options.shard_divisor = chosen.shard.divisor or 0.0
    if layouts.mask_layout is not None:
        options.mask_mode = chosen.mask_mode
        # Not read here, but checked to be there; each call puts its own in its place.
        options.mask = _SOME_ADDRESS
    for name, given in layouts._asdict().items():
        if given is None:
            continue
        layout = getattr(options, name)
        layout.dtype = given.dtype
        layout.stride_n, layout.stride_c, layout.stride_h, layout.stride_w = given.strides
    workspace_bytes = c_size_t()
    lib.fssim_workspace_size(*shape, options, byref(workspace_bytes))
    return Plan(options, workspace_bytes.value, _output_shape(shape, chosen))


def owned_rows(height: int, chosen: Settings) -> range:
    """Which of the rows of an image have a gradient: all, or of a shard those that it owns."""
    if chosen.shard is None:
        return range(height)
    # Arrays are made of this size before the library sees the shard and refuses a wrong one.
    return range(max(chosen.shard.rows_above, 0), height - max(chosen.shard.rows_below, 0))


def _output_shape(shape: Tuple[int, ...], chosen: Settings) -> Tuple[int, ...]:
    if chosen.reduction != lib.FSSIM_REDUCTION_MAP:
        return shape[: KEPT_AXES[chosen.reduction]]
    border = 0 if chosen.padding == lib.FSSIM_PADDING_SAME else chosen.window_size // 2
    n, c, h, w = shape
    owned = owned_rows(h, chosen)
    rows = range(max(owned.start, border), min(owned.stop, h - border))
    return (n, c, len(rows), w - 2 * border)
