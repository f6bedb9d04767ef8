"""Arrays of other libraries, through ``__array_interface__`` and ``__cuda_array_interface__``."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from typing import Any, ContextManager, NamedTuple, Optional, Sequence, Tuple

from . import _library as lib
from ._plan import DENSE, Layout, Layouts, Plan, Settings, Strides, gradient_dtype, plan

_ORDER = "<" if sys.byteorder == "little" else ">"
# The names that both protocols have for what the library reads and writes.
DTYPES = {
    f"{_ORDER}f4": lib.FSSIM_DTYPE_F32,
    f"{_ORDER}f2": lib.FSSIM_DTYPE_F16,
    "|u1": lib.FSSIM_DTYPE_U8,
    f"{_ORDER}f8": lib.FSSIM_DTYPE_F64,
}
NAMES = {
    lib.FSSIM_DTYPE_F32: "float32",
    lib.FSSIM_DTYPE_F16: "float16",
    lib.FSSIM_DTYPE_U8: "uint8",
    lib.FSSIM_DTYPE_F64: "float64",
}
IMAGES = tuple(NAMES)

# cudaStreamLegacy as the CUDA array interface names it; the C API calls the same stream NULL.
LEGACY_DEFAULT_STREAM = 1


class Array(NamedTuple):
    """A described array. `owner` keeps the memory alive while the description is in use."""

    owner: Any
    address: int
    shape: Tuple[int, ...]
    strides: Strides
    dtype: int
    device: str
    # C-contiguous, which both protocols say by leaving the strides out.
    dense: bool
    read_only: bool
    # The stream on which the array's contents become ready, if its library says so.
    stream: Optional[int]

    @property
    def layout(self) -> Layout:
        return Layout(self.strides, self.dtype)


def describe(name: str, array: Any, dtypes: Sequence[int] = IMAGES) -> Array:
    """Reads an array's interface. A TypeError for anything that is not an array of one of `dtypes`."""
    interface, device = getattr(array, "__cuda_array_interface__", None), "cuda"
    if interface is None:
        interface, device = getattr(array, "__array_interface__", None), "cpu"
    if interface is None:
        raise TypeError(
            f"{name} is a {type(array).__name__}; expected a torch.Tensor, or an array with __array_interface__ "
            "(NumPy) or __cuda_array_interface__ (CuPy and others)"
        )
    dtype = DTYPES.get(interface["typestr"])
    if dtype not in dtypes:
        raise TypeError(
            f"{name} has the dtype {getattr(array, 'dtype', interface['typestr'])}; expected "
            f"{' or '.join(NAMES[known] for known in dtypes)}: convert it, as with {name}.astype('{NAMES[dtypes[0]]}')"
        )
    if interface.get("mask") is not None:
        raise TypeError(f"{name} has a mask, which is not supported")
    shape = tuple(interface["shape"])
    address, read_only = interface["data"]
    byte_strides = interface.get("strides")
    strides = _element_strides(name, shape, byte_strides, int(interface["typestr"][2:]))
    dense = byte_strides is None
    return Array(array, address, shape, strides, dtype, device, dense, bool(read_only), interface.get("stream"))


def _element_strides(name: str, shape: Tuple[int, ...], byte_strides: Optional[Sequence[int]], size: int) -> Strides:
    if byte_strides is None or len(shape) != 4:
        return DENSE
    if any(stride % size for stride in byte_strides):
        raise ValueError(f"{name} has the strides {tuple(byte_strides)} in bytes; expected multiples of {size}")
    n, c, h, w = (stride // size for stride in byte_strides)
    strides = (n, c, h, w)
    if strides == DENSE and any(size > 1 for size in shape):
        # To the library four zeros mean "dense", so these strides would read memory that is not there.
        raise ValueError(f"{name} is one value broadcast along every axis; copy it into an array of its own")
    return strides


def describe_images(img1: Any, img2: Any) -> Tuple[Array, Array]:
    """The two images; a ValueError if they do not belong together."""
    first, second = describe("img1", img1), describe("img2", img2)
    for name, image in (("img1", first), ("img2", second)):
        if len(image.shape) != 4:
            raise ValueError(f"{name} has the shape {image.shape}; expected four axes (N, C, H, W)")
    if first.shape != second.shape:
        raise ValueError(f"img1 has the shape {first.shape} and img2 {second.shape}; they must be equal")
    if first.device != second.device:
        raise ValueError(f"img1 is in {first.device} memory and img2 in {second.device} memory; they must be together")
    return first, second


class NumpyMemory:
    """Results as NumPy arrays, computed before the call returns."""

    stream: Optional[int] = None

    def __init__(self) -> None:
        import numpy

        self._numpy = numpy

    def device(self) -> ContextManager:
        return nullcontext()

    def empty(self, shape: Tuple[int, ...], dtype: int) -> Any:
        return self._numpy.empty(shape, NAMES[dtype])


class CupyMemory:
    """Results as CuPy arrays of the images' device, computed on its current stream."""

    def __init__(self, like: Any) -> None:
        self._cupy = sys.modules["cupy"]
        self._device = like.device

    def device(self) -> ContextManager:
        return self._device

    @property
    def stream(self) -> int:
        return self._cupy.cuda.get_current_stream().ptr

    def empty(self, shape: Tuple[int, ...], dtype: int) -> Any:
        return self._cupy.empty(shape, NAMES[dtype])

    def workspace(self, size: int) -> Any:
        # CuPy's pool gives a freed block only to later work of the stream that is current now, the one used.
        return self._cupy.empty(size, self._cupy.uint8)


class CallerMemory:
    """CUDA arrays of a library that we cannot allocate with: the caller brings results, and on a stream the workspace."""

    def __init__(self, stream: Optional[int], workspace: Any) -> None:
        self.stream = stream
        self._workspace = workspace

    def device(self) -> ContextManager:
        return nullcontext()

    def empty(self, shape: Tuple[int, ...], dtype: int) -> Any:
        raise TypeError(f"pass an array of the shape {shape} for each result: arrays of this type cannot be made here")

    def workspace(self, size: int) -> Any:
        if self._workspace is None:
            raise TypeError(f"pass workspace=, a CUDA array of at least {size} bytes, with stream=")
        return self._workspace


def memory_for(images: Tuple[Array, Array], stream: Optional[int], workspace: Any) -> Any:
    """Where results and workspace come from, and the stream to use (None: compute before returning)."""
    owner = images[0].owner
    foreign = images[0].device == "cuda" and type(owner).__module__.partition(".")[0] != "cupy"
    if not foreign and (stream is not None or workspace is not None):
        raise TypeError("stream and workspace are for CUDA arrays of other libraries; PyTorch and CuPy have their own")
    if images[0].device == "cpu":
        return NumpyMemory()
    if not foreign:
        return CupyMemory(owner)
    if stream is None:
        # Without a stream the call runs synchronously on the legacy default stream, which is ordered after work on
        # that stream only.
        for name, image in zip(("img1", "img2"), images):
            if image.stream not in (None, LEGACY_DEFAULT_STREAM):
                raise ValueError(f"{name} is in use on stream {image.stream}: pass stream= and workspace=")
    return CallerMemory(stream, workspace)


def output(
    name: str, given: Any, shape: Tuple[int, ...], dtypes: Sequence[int], memory: Any, dense: bool
) -> Array:
    """The caller's array for a result, checked, or a new one of the first of `dtypes`. `dense`: it has no strides."""
    array = describe(name, memory.empty(shape, dtypes[0]) if given is None else given, dtypes)
    if array.shape != tuple(shape):
        raise ValueError(f"{name} has the shape {array.shape}; expected {tuple(shape)}")
    if array.read_only:
        raise ValueError(f"{name} is read-only")
    if dense and not array.dense:
        raise ValueError(f"{name} must be C-contiguous")
    return array


def run(
    name: str,
    images: Tuple[Array, Array],
    prepared: Plan,
    memory: Any,
    *arrays: Optional[Array],
) -> None:
    """Calls `fssim_<name>`; `arrays` are the arguments between the options and the workspace."""
    first, second = images
    addresses = [None if array is None else array.address for array in arrays]
    arguments = (first.address, second.address, *first.shape, prepared.options, *addresses)
    stream = memory.stream
    if stream is None:
        getattr(lib, f"fssim_{name}")(*arguments)
        return
    workspace = memory.workspace(prepared.workspace_bytes)
    interface = workspace.__cuda_array_interface__
    getattr(lib, f"fssim_{name}_stream")(*arguments, interface["data"][0], _byte_size(interface), stream)


def _byte_size(interface: dict) -> int:
    size = int(interface["typestr"][2:])
    for length in interface["shape"]:
        size *= length
    return size


def _gradient_dtypes(image: Array) -> Sequence[int]:
    """What the gradient of an image may be, the default first."""
    default = gradient_dtype(image.dtype)
    return (default,) if default == lib.FSSIM_DTYPE_F64 else (default, lib.FSSIM_DTYPE_F16)


def forward(images: Tuple[Array, Array], chosen: Settings, memory: Any, out: Any) -> Any:
    """SSIM into `out`, or into a new array."""
    first, second = images
    prepared = plan(first.device, first.shape, Layouts(first.layout, second.layout), chosen)
    with memory.device():
        ssim = output("out", out, prepared.output_shape, (gradient_dtype(first.dtype),), memory, dense=True)
        run("forward", images, prepared, memory, ssim, None)
    return ssim.owner


def value_and_grad(
    images: Tuple[Array, Array],
    chosen: Settings,
    memory: Any,
    wanted: Tuple[bool, bool],
    out: Any,
    given: Tuple[Any, Any],
) -> Tuple[Any, Any, Any]:
    """SSIM and the gradients that are wanted, into the arrays given or new ones."""
    first, second = images
    with memory.device():
        grads = [
            output(name, array, first.shape, _gradient_dtypes(image), memory, dense=False) if want else None
            for name, array, image, want in zip(("grad_img1", "grad_img2"), given, images, wanted)
        ]
        grad_layouts = [Layout() if grad is None else grad.layout for grad in grads]
        prepared = plan(first.device, first.shape, Layouts(first.layout, second.layout, *grad_layouts), chosen)
        ssim = output("out", out, prepared.output_shape, (gradient_dtype(first.dtype),), memory, dense=True)
        run("value_and_grad", images, prepared, memory, ssim, *grads)
    return (ssim.owner, *(None if grad is None else grad.owner for grad in grads))
