"""The shared library: where it is found, and ``include/fused_ssim.h`` in ctypes.

A test compiles a C program against the header and compares every constant, struct and prototype with what stands here.
Loading the library does not load the CUDA driver; the library looks for that at the first call that needs it.
"""

from __future__ import annotations

import os
import sys
from ctypes import CDLL, POINTER, Structure, c_char_p, c_double, c_int32, c_int64, c_size_t, c_void_p
from pathlib import Path
from typing import Any

from ._errors import error_for

LIBRARY_VARIABLE = "FUSED_SSIM_LIBRARY"

# The version of the header mirrored here.
FSSIM_VERSION_MAJOR = 0
FSSIM_VERSION_MINOR = 1
FSSIM_VERSION_PATCH = 0
FSSIM_VERSION = FSSIM_VERSION_MAJOR * 10000 + FSSIM_VERSION_MINOR * 100 + FSSIM_VERSION_PATCH

FSSIM_DTYPE_F32 = 0
FSSIM_DTYPE_F16 = 1
FSSIM_DTYPE_BF16 = 2
FSSIM_DTYPE_U8 = 3
FSSIM_DTYPE_F64 = 4

FSSIM_DEVICE_AUTO = 0
FSSIM_DEVICE_CPU = 1
FSSIM_DEVICE_CUDA = 2

FSSIM_PADDING_SAME = 0
FSSIM_PADDING_VALID = 1

FSSIM_REDUCTION_MEAN = 0
FSSIM_REDUCTION_PER_IMAGE = 1
FSSIM_REDUCTION_PER_CHANNEL = 2
FSSIM_REDUCTION_MAP = 3

FSSIM_WINDOW_GAUSSIAN = 0
FSSIM_WINDOW_UNIFORM = 1

FSSIM_OUTPUT_SSIM = 0
FSSIM_OUTPUT_ONE_MINUS_SSIM = 1
FSSIM_OUTPUT_DSSIM = 2

FSSIM_MASK_NONE = 0
FSSIM_MASK_WEIGHTED_MEAN = 1
FSSIM_MASK_MULTIPLY_INPUTS = 2
FSSIM_MASK_NORMALIZED = 3

FSSIM_PIXEL_L1 = 0
FSSIM_PIXEL_L2 = 1

FSSIM_SAVE_FOR_IMG1 = 1
FSSIM_SAVE_FOR_IMG2 = 2

FSSIM_OK = 0
FSSIM_ERROR_NULL_POINTER = 1
FSSIM_ERROR_STRUCT_SIZE = 2
FSSIM_ERROR_SHAPE = 3
FSSIM_ERROR_OPTION = 4
FSSIM_ERROR_LAYOUT = 5
FSSIM_ERROR_ALIGNMENT = 6
FSSIM_ERROR_OVERLAP = 7
FSSIM_ERROR_DEVICE = 8
FSSIM_ERROR_WORKSPACE = 9
FSSIM_ERROR_STREAM = 10
FSSIM_ERROR_UNSUPPORTED = 30
FSSIM_ERROR_NO_CUDA = 50
FSSIM_ERROR_CUDA = 51
FSSIM_ERROR_OUT_OF_MEMORY = 52
FSSIM_ERROR_INTERNAL = 90


class fssim_layout(Structure):
    """How the elements of one image or gradient lie in memory; strides in elements."""

    _fields_ = [
        ("dtype", c_int32),
        ("reserved", c_int32),
        ("scale", c_double),
        ("stride_n", c_int64),
        ("stride_c", c_int64),
        ("stride_h", c_int64),
        ("stride_w", c_int64),
    ]


class fssim_options(Structure):
    """Everything about a call that has a default."""

    _fields_ = [
        ("struct_size", c_size_t),
        ("device", c_int32),
        ("padding", c_int32),
        ("reduction", c_int32),
        ("output", c_int32),
        ("window", c_int32),
        ("window_size", c_int32),
        ("sigma", c_double),
        ("data_range", c_double),
        ("k1", c_double),
        ("k2", c_double),
        ("img1", fssim_layout),
        ("img2", fssim_layout),
        ("grad_img1", fssim_layout),
        ("grad_img2", fssim_layout),
        ("saved_for", c_int32),
        ("mask_mode", c_int32),
        ("mask", c_void_p),
        ("mask_layout", fssim_layout),
        ("shard_rows_above", c_int64),
        ("shard_rows_below", c_int64),
        ("shard_height", c_int64),
        ("shard_divisor", c_double),
    ]


def library_candidates() -> list[Path]:
    """Where the library is looked for, in this order.

    1. The file that the environment variable ``FUSED_SSIM_LIBRARY`` names; if it is set, nothing else is tried.
    2. The file packed beside this module in an installed wheel.
    3. ``target/release`` of the checkout that this module lies in.
    """
    override = os.environ.get(LIBRARY_VARIABLE)
    if override:
        return [Path(override)]
    name = {"win32": "fused_ssim.dll", "darwin": "libfused_ssim.dylib"}.get(sys.platform, "libfused_ssim.so")
    package = Path(__file__).resolve().parent
    candidates = [package / name]
    if len(package.parents) > 2 and (package.parents[2] / "Cargo.toml").is_file():
        candidates.append(package.parents[2] / "target" / "release" / name)
    return candidates


def _open() -> CDLL:
    candidates = library_candidates()
    for path in candidates:
        if path.is_file():
            try:
                return CDLL(str(path.resolve()))
            except OSError as error:
                raise ImportError(f"the fused-ssim library {path} cannot be loaded: {error}") from error
    tried = "\n  ".join(str(path) for path in candidates)
    raise ImportError(
        f"the fused-ssim library was not found. Tried:\n  {tried}\n"
        f"Build it with `cargo build --release`, or set {LIBRARY_VARIABLE} to the file."
    )


_cdll = _open()


def _function(name: str, restype: Any, *argtypes: Any) -> Any:
    try:
        function = getattr(_cdll, name)
    except AttributeError as error:
        raise ImportError(
            f"{_cdll._name} has no function {name}: it is not a fused-ssim library, or an old one"
        ) from error
    function.restype = restype
    function.argtypes = argtypes
    return function


def _status_function(name: str, *argtypes: Any) -> Any:
    """A function that returns an ``fssim_status``; anything but ``FSSIM_OK`` is raised."""
    function = _function(name, c_int32, *argtypes)
    function.errcheck = _raise_on_error
    return function


def _raise_on_error(status: int, _function: Any, _arguments: tuple) -> int:
    if status != FSSIM_OK:
        # The text belongs to this thread and its last call, so it is read before anything else is called.
        detail = fssim_last_error().decode("utf-8", "replace")
        name = fssim_status_string(status).decode("utf-8", "replace")
        raise error_for(f"{name}: {detail}" if detail else name, status)
    return status


fssim_last_error = _function("fssim_last_error", c_char_p)
fssim_status_string = _function("fssim_status_string", c_char_p, c_int32)
fssim_version = _function("fssim_version", c_int32)
fssim_get_num_threads = _function("fssim_get_num_threads", c_int32)

fssim_set_num_threads = _status_function("fssim_set_num_threads", c_int32)
fssim_device_count = _status_function("fssim_device_count", POINTER(c_int32))
# The buffer is a c_void_p: c_char_p would let ctypes hand over an immutable bytes object to be written to.
fssim_backend_info = _status_function("fssim_backend_info", c_void_p, c_size_t, POINTER(c_size_t))
fssim_cuda_preload = _status_function("fssim_cuda_preload", c_int32)
fssim_options_init = _status_function("fssim_options_init", POINTER(fssim_options), c_size_t)

# n, c, h, w, options
_SHAPE_AND_OPTIONS = (c_int64, c_int64, c_int64, c_int64, POINTER(fssim_options))
# img1, img2, n, c, h, w, options
_IMAGES = (c_void_p, c_void_p, *_SHAPE_AND_OPTIONS)
# workspace, workspace_bytes, stream
_STREAM = (c_void_p, c_size_t, c_void_p)

fssim_saved_size = _status_function("fssim_saved_size", *_SHAPE_AND_OPTIONS, POINTER(c_size_t))
fssim_workspace_size = _status_function("fssim_workspace_size", *_SHAPE_AND_OPTIONS, POINTER(c_size_t))

# ssim, saved
fssim_forward = _status_function("fssim_forward", *_IMAGES, c_void_p, c_void_p)
fssim_forward_stream = _status_function("fssim_forward_stream", *_IMAGES, c_void_p, c_void_p, *_STREAM)

# saved, grad_ssim, grad_img1, grad_img2
fssim_backward = _status_function("fssim_backward", *_IMAGES, c_void_p, c_void_p, c_void_p, c_void_p)
fssim_backward_stream = _status_function(
    "fssim_backward_stream", *_IMAGES, c_void_p, c_void_p, c_void_p, c_void_p, *_STREAM
)

# ssim, grad_img1, grad_img2
fssim_value_and_grad = _status_function("fssim_value_and_grad", *_IMAGES, c_void_p, c_void_p, c_void_p)
fssim_value_and_grad_stream = _status_function(
    "fssim_value_and_grad_stream", *_IMAGES, c_void_p, c_void_p, c_void_p, *_STREAM
)

# pixel_loss, lambda, loss, grad_img1, grad_img2
_LOSS = (c_int32, c_double, c_void_p, c_void_p, c_void_p)
fssim_loss = _status_function("fssim_loss", *_IMAGES, *_LOSS)
fssim_loss_stream = _status_function("fssim_loss_stream", *_IMAGES, *_LOSS, *_STREAM)

# Before 1.0 a minor version may change the ABI, so a library of another one must not be called at all.
if fssim_version() // 100 != FSSIM_VERSION // 100:
    raise ImportError(
        f"{_cdll._name} is version {fssim_version()} (major*10000 + minor*100 + patch); "
        f"this package is made for {FSSIM_VERSION_MAJOR}.{FSSIM_VERSION_MINOR}.*"
    )
