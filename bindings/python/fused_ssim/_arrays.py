"""Arrays of other libraries, through ``__array_interface__`` and ``__cuda_array_interface__``, in host memory also DLPack."""

from __future__ import annotations

import sys
from math import prod
from typing import Any, Dict, NamedTuple, Optional, Sequence, Tuple

from . import _library as lib
from ._plan import DENSE, Layout, Layouts, Plan, Settings, Strides, Terms, gradient_dtype, owned_rows, plan

# kDLCPU of dlpack.h.
_DLPACK_CPU = 1
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
# True is 1 and False is 0, as bytes that are not 0 and bytes that are.
MASKS = {f"{_ORDER}f4": lib.FSSIM_DTYPE_F32, "|b1": lib.FSSIM_DTYPE_U8, "|u1": lib.FSSIM_DTYPE_U8}


class Array(NamedTuple):
    """A described array. `owner` and `view` keep the memory alive while the description is in use."""

    owner: Any
    # What DLPack handed over, if the array has no other interface.
    view: Any
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


class Inputs(NamedTuple):
    """What a call reads."""

    img1: Array
    img2: Array
    mask: Optional[Array]


def _interface(name: str, array: Any) -> Tuple[Dict[str, Any], str]:
    """An array's description of itself, and the kind of memory it lies in."""
    interface, device = getattr(array, "__cuda_array_interface__", None), "cuda"
    if interface is None:
        interface, device = getattr(array, "__array_interface__", None), "cpu"
    if interface is None:
        interface = _dlpack_interface(name, array)
    if interface is None:
        raise TypeError(
            f"{name} is a {type(array).__name__}; expected a torch.Tensor, or an array with __array_interface__ "
            "(NumPy), __cuda_array_interface__ (CuPy and others) or, in host memory, __dlpack__"
        )
    if interface.get("mask") is not None:
        raise TypeError(f"{name} has a mask of its own, which is not supported: give it as mask=")
    return interface, device


def _dlpack_interface(name: str, array: Any) -> Optional[Dict[str, Any]]:
    """The interface of an array that has no other than DLPack (JAX's in host memory); None: it has not that one either."""
    place = getattr(array, "__dlpack_device__", None)
    if place is None:
        return None
    import numpy

    try:
        device, _ = place()
        if device != _DLPACK_CPU:
            raise BufferError(f"it is on DLPack device {int(device)}, and on CUDA __cuda_array_interface__ is needed")
        view = numpy.from_dlpack(array)
    except (BufferError, RuntimeError, TypeError, ValueError) as error:
        raise TypeError(f"{name} is a {type(array).__name__} that DLPack does not hand over in host memory: {error}") from error
    # What DLPack hands over must be kept for as long as it is used.
    return {**view.__array_interface__, "view": view}


def describe(name: str, array: Any, dtypes: Sequence[int] = IMAGES) -> Array:
    """Reads an array's interface. A TypeError for anything that is not an array of one of `dtypes`."""
    interface, device = _interface(name, array)
    dtype = DTYPES.get(interface["typestr"])
    if dtype not in dtypes:
        known = " or ".join(NAMES[known] for known in dtypes)
        raise TypeError(_wrong_dtype(name, array, interface, known, NAMES[dtypes[0]]))
    strides = _element_strides(name, interface)
    shape = tuple(interface["shape"])
    if strides is None or len(shape) != 4:
        strides = DENSE
    else:
        _refuse_one_value(name, strides, shape)
    return _array(array, interface, strides, dtype, device)


def _describe_mask(mask: Any, image_shape: Tuple[int, ...]) -> Array:
    """A mask, with the strides that it has when it is broadcast to the images."""
    interface, device = _interface("mask", mask)
    dtype = MASKS.get(interface["typestr"])
    if dtype is None:
        raise TypeError(_wrong_dtype("mask", mask, interface, "bool, uint8 or float32", "float32"))
    shape, strides = tuple(interface["shape"]), _element_strides("mask", interface)
    if strides is None:
        strides = tuple(prod(shape[axis + 1 :]) for axis in range(len(shape)))
    missing = len(image_shape) - len(shape)
    fits = all(size in (1, image_size) for size, image_size in zip(shape, image_shape[missing:]))
    if missing < 0 or not fits:
        raise ValueError(
            f"mask has the shape {shape}, which does not broadcast to that of the images, {image_shape}: expected "
            "(H, W), (N, 1, H, W) or (N, C, H, W), where any size may be 1"
        )
    repeated = (0,) * missing + tuple(0 if size == 1 else stride for size, stride in zip(shape, strides))
    _refuse_one_value("mask", repeated, image_shape)
    return _array(mask, interface, repeated, dtype, device)


def _refuse_one_value(name: str, strides: Strides, shape: Tuple[int, ...]) -> None:
    if strides == DENSE and any(size > 1 for size in shape):
        # To the library four zeros mean "dense", so these strides would read memory that is not there.
        raise ValueError(f"{name} is one value broadcast along every axis; copy it into an array of its own")


def _array(array: Any, interface: Dict[str, Any], strides: Strides, dtype: int, device: str) -> Array:
    address, read_only = interface["data"]
    # NumPy 2 gives its scalars strides, of which there are none.
    dense = not interface.get("strides")
    shape, stream = tuple(interface["shape"]), interface.get("stream")
    return Array(array, interface.get("view"), address, shape, strides, dtype, device, dense, bool(read_only), stream)


def _wrong_dtype(name: str, array: Any, interface: Dict[str, Any], known: str, usual: str) -> str:
    dtype = getattr(array, "dtype", interface["typestr"])
    return f"{name} has the dtype {dtype}; expected {known}: convert it, as with {name}.astype('{usual}')"


def _element_strides(name: str, interface: Dict[str, Any]) -> Optional[Tuple[int, ...]]:
    """Strides in elements; None: the array is C-contiguous."""
    byte_strides, size = interface.get("strides"), int(interface["typestr"][2:])
    if byte_strides is None:
        return None
    if any(stride % size for stride in byte_strides):
        raise ValueError(f"{name} has the strides {tuple(byte_strides)} in bytes; expected multiples of {size}")
    return tuple(stride // size for stride in byte_strides)


def describe_inputs(img1: Any, img2: Any, mask: Any) -> Inputs:
    """The two images and the mask (or None); a ValueError if they do not belong together."""
    first, second = describe("img1", img1), describe("img2", img2)
    for name, image in (("img1", first), ("img2", second)):
        if len(image.shape) != 4:
            raise ValueError(f"{name} has the shape {image.shape}; expected four axes (N, C, H, W)")
    if first.shape != second.shape:
        raise ValueError(f"img1 has the shape {first.shape} and img2 {second.shape}; they must be equal")
    weights = None if mask is None else _describe_mask(mask, first.shape)
    for name, other in (("img2", second), ("mask", weights)):
        if other is not None and other.device != first.device:
            raise ValueError(
                f"img1 is in {first.device} memory and {name} in {other.device} memory; they must be together"
            )
    return Inputs(first, second, weights)


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


def _run(name: str, inputs: Inputs, prepared: Plan, memory: Any, *arguments: Any) -> None:
    """Calls `fssim_<name>`; `arguments` are those between the options and the workspace, arrays among them."""
    addresses = [argument.address if isinstance(argument, Array) else argument for argument in arguments]
    options = prepared.options if inputs.mask is None else prepared.options_with_mask(inputs.mask.address)
    all_arguments = (inputs.img1.address, inputs.img2.address, *inputs.img1.shape, options, *addresses)
    stream = memory.stream
    if stream is None:
        getattr(lib, f"fssim_{name}")(*all_arguments)
        return
    workspace = memory.workspace(prepared.workspace_bytes)
    interface = workspace.__cuda_array_interface__
    getattr(lib, f"fssim_{name}_stream")(*all_arguments, interface["data"][0], _byte_size(interface), stream)


def _byte_size(interface: Dict[str, Any]) -> int:
    return int(interface["typestr"][2:]) * prod(interface["shape"])


def _gradient_dtypes(image: Array) -> Sequence[int]:
    """What the gradient of an image may be, the default first."""
    default = gradient_dtype(image.dtype)
    return (default,) if default == lib.FSSIM_DTYPE_F64 else (default, lib.FSSIM_DTYPE_F16)


def _prepare(
    inputs: Inputs, chosen: Settings, memory: Any, wanted: Tuple[bool, bool], given: Tuple[Any, Any]
) -> Tuple[Plan, Sequence[Optional[Array]]]:
    """The options of a call, and its gradients: the arrays given, or new ones."""
    img1, img2, mask = inputs
    n, c, h, w = img1.shape
    grads = [
        output(name, array, (n, c, len(owned_rows(h, chosen)), w), _gradient_dtypes(image), memory, dense=False)
        if want
        else None
        for name, array, image, want in zip(("grad_img1", "grad_img2"), given, (img1, img2), wanted)
    ]
    grad_layouts = [Layout() if grad is None else grad.layout for grad in grads]
    mask_layout = None if mask is None else mask.layout
    layouts = Layouts(img1.layout, img2.layout, *grad_layouts, mask_layout)
    return plan(img1.device, img1.shape, layouts, chosen), grads


def compute(
    inputs: Inputs,
    chosen: Settings,
    memory: Any,
    out: Any,
    wanted: Tuple[bool, bool] = (False, False),
    given: Tuple[Any, Any] = (None, None),
    terms: Optional[Terms] = None,
) -> Tuple[Any, Any, Any]:
    """SSIM, or with `terms` the three values of a loss, and the gradients wanted, into the arrays given or new ones."""
    with memory.device():
        prepared, grads = _prepare(inputs, chosen, memory, wanted, given)
        shape = prepared.output_shape if terms is None else (3, *prepared.output_shape)
        values = output("out", out, shape, (gradient_dtype(inputs.img1.dtype),), memory, dense=True)
        if terms is not None:
            _run("loss", inputs, prepared, memory, *terms, values, *grads)
        elif any(wanted):
            _run("value_and_grad", inputs, prepared, memory, values, *grads)
        else:
            _run("forward", inputs, prepared, memory, values, None)
    return (values.owner, *(None if grad is None else grad.owner for grad in grads))


def backward(
    inputs: Inputs,
    chosen: Settings,
    memory: Any,
    grad_ssim: Any,
    wanted: Tuple[bool, bool],
    given: Tuple[Any, Any],
) -> Tuple[Any, Any]:
    """The gradients wanted of sum(grad_ssim * ssim), into the arrays given or new ones."""
    with memory.device():
        prepared, grads = _prepare(inputs, chosen, memory, wanted, given)
        upstream = describe("grad_ssim", grad_ssim, (gradient_dtype(inputs.img1.dtype),))
        if upstream.shape != prepared.output_shape:
            raise ValueError(f"grad_ssim has the shape {upstream.shape}; expected {prepared.output_shape}")
        if not upstream.dense:
            raise ValueError("grad_ssim must be C-contiguous")
        if upstream.device != inputs.img1.device:
            raise ValueError(
                f"img1 is in {inputs.img1.device} memory and grad_ssim in {upstream.device} memory; they must be together"
            )
        _run("backward", inputs, prepared, memory, None, upstream, *grads)
    return tuple(None if grad is None else grad.owner for grad in grads)
