"""The library itself: version, devices, threads, sizes."""

from __future__ import annotations

from ctypes import byref, c_int32, c_size_t, create_string_buffer
from typing import Any

from . import _library as lib
from ._plan import Layout, Layouts, integer, plan, settings


def workspace_size(n: int, c: int, h: int, w: int, *, mask: bool = False, **options: Any) -> int:
    """Bytes of `workspace` that a call on a stream needs for images (N, C, H, W).

    Args:
        n, c, h, w: the shape of the images.
        mask: whether the call has a mask.
        options: those of the call (`padding`, `reduction`, `window_size`, `shard`, ...), named as for :func:`ssim`.
    """
    layouts = Layouts(mask_layout=Layout() if mask else None)
    shape = tuple(integer(name, size, 64) for name, size in (("n", n), ("c", c), ("h", h), ("w", w)))
    return plan("cuda", shape, layouts, settings(**options)).workspace_bytes


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
    lib.fssim_cuda_preload(integer("device", device, 32))


def set_num_threads(threads: int) -> None:
    """Sets how many threads a CPU call may use, for the whole process; 0: the default. Results do not depend on it."""
    lib.fssim_set_num_threads(integer("threads", threads, 32))


def get_num_threads() -> int:
    """How many threads a CPU call may use."""
    return lib.fssim_get_num_threads()
