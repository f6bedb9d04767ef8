"""PyTorch tensors: autograd on the CPU and on CUDA, on the current stream, without copies."""

from __future__ import annotations

from functools import wraps
from typing import Any, Callable, NamedTuple, Optional, Tuple

import torch

from . import _library as lib
from ._plan import Layout, Layouts, Plan, Settings, Terms, gradient_dtype, owned_rows, plan

_OptionalTensor = Optional[torch.Tensor]

DTYPES = {
    torch.float32: lib.FSSIM_DTYPE_F32,
    torch.float16: lib.FSSIM_DTYPE_F16,
    torch.bfloat16: lib.FSSIM_DTYPE_BF16,
    torch.uint8: lib.FSSIM_DTYPE_U8,
    torch.float64: lib.FSSIM_DTYPE_F64,
}
# False is 0 and True is 1, as bytes that are 0 and bytes that are not.
_MASK_DTYPES = {
    torch.float32: lib.FSSIM_DTYPE_F32,
    torch.bool: lib.FSSIM_DTYPE_U8,
    torch.uint8: lib.FSSIM_DTYPE_U8,
}
_TENSOR_DTYPES = {constant: dtype for dtype, constant in DTYPES.items()}


class Inputs(NamedTuple):
    """What a call reads; the mask has the shape of the images, by its strides where it is smaller."""

    img1: torch.Tensor
    img2: torch.Tensor
    mask: _OptionalTensor


def checked(img1: torch.Tensor, img2: torch.Tensor, mask: _OptionalTensor) -> Inputs:
    """What is fit to be handed to the library; or a TypeError or ValueError that says what is wrong."""
    img1, img2 = _checked_image("img1", img1), _checked_image("img2", img2)
    if img1.shape != img2.shape:
        raise ValueError(f"img1 has the shape {tuple(img1.shape)} and img2 {tuple(img2.shape)}; they must be equal")
    if img1.device != img2.device:
        raise ValueError(f"img1 is on {img1.device} and img2 on {img2.device}; they must be on one device")
    if mask is not None:
        mask = _checked_mask(mask, img1)
    return Inputs(img1, img2, mask)


def _checked_mask(mask: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
    if not isinstance(mask, torch.Tensor):
        raise TypeError(f"mask is a {type(mask).__name__}; expected a torch.Tensor, like the images")
    if mask.dtype not in _MASK_DTYPES:
        raise TypeError(
            f"mask has the dtype {mask.dtype}; expected torch.bool, torch.uint8 or torch.float32: use mask.bool() or "
            "mask.float()"
        )
    if mask.requires_grad:
        raise ValueError("mask requires a gradient, but none is computed for it: use mask.detach()")
    if mask.layout is not torch.strided:
        raise ValueError(f"mask is a {mask.layout} tensor; expected a strided one")
    if mask.device != image.device:
        raise ValueError(f"img1 is on {image.device} and mask on {mask.device}; they must be on one device")
    try:
        mask = mask.expand(image.shape)
    except RuntimeError:
        raise ValueError(
            f"mask has the shape {tuple(mask.shape)}, which does not broadcast to that of the images, "
            f"{tuple(image.shape)}: expected (H, W), (N, 1, H, W) or (N, C, H, W), where any size may be 1"
        ) from None
    return _addressable(mask)


def _checked_image(name: str, image: torch.Tensor) -> torch.Tensor:
    if not isinstance(image, torch.Tensor):
        raise TypeError(f"{name} is a {type(image).__name__}; expected a torch.Tensor, like the other image")
    if image.dtype not in DTYPES:
        known = ", ".join(str(dtype) for dtype in DTYPES)
        raise TypeError(f"{name} has the dtype {image.dtype}; expected one of {known}: use {name}.float()")
    if image.dim() != 4:
        raise ValueError(f"{name} has the shape {tuple(image.shape)}; expected four axes (N, C, H, W)")
    if image.device.type not in ("cpu", "cuda") or image.layout is not torch.strided:
        raise ValueError(f"{name} is a {image.layout} tensor on {image.device}; expected a strided one on cpu or cuda")
    return _addressable(image)


def _addressable(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor, or a copy of the two kinds of view that a pointer and strides cannot express: a lazy negation (the
    imaginary part of a conjugate), and one value broadcast along every axis, whose strides would read as "dense"."""
    if tensor.is_neg() or (not any(tensor.stride()) and tensor.numel() > 1):
        return tensor.resolve_neg().contiguous()
    return tensor


# A gradient that nobody wants has no strides to give; those of its image may be unfit for an output.
_UNWANTED = Layout()


def _layout(tensor: _OptionalTensor) -> Layout:
    return _UNWANTED if tensor is None else Layout(tensor.stride(), DTYPES[tensor.dtype])


def _plan(inputs: Inputs, grads: Tuple[_OptionalTensor, _OptionalTensor], chosen: Settings) -> Plan:
    img1, img2, mask = inputs
    mask_layout = None if mask is None else Layout(mask.stride(), _MASK_DTYPES[mask.dtype])
    images = Layout(img1.stride(), DTYPES[img1.dtype]), Layout(img2.stride(), DTYPES[img2.dtype])
    layouts = Layouts(*images, _layout(grads[0]), _layout(grads[1]), mask_layout)
    return plan(img1.device.type, tuple(img1.shape), layouts, chosen)


def _run(name: str, inputs: Inputs, prepared: Plan, *tensors: _OptionalTensor, before: Tuple[Any, ...] = ()) -> None:
    """Calls `fssim_<name>`; `before` and then `tensors` are the arguments between the options and the workspace."""
    img1, img2, mask = inputs
    options = prepared.options if mask is None else prepared.options_with_mask(mask.data_ptr())
    pointers = [None if tensor is None else tensor.data_ptr() for tensor in tensors]
    all_arguments = (img1.data_ptr(), img2.data_ptr(), *img1.shape, options, *before, *pointers)
    if img1.is_cuda:
        # Nothing needs record_stream: the workspace and the results are allocated while the stream that uses them is
        # current, and the caching allocator gives a freed block only to later work of that same stream. In a graph
        # capture they come from the graph's own pool.
        workspace = torch.empty(prepared.workspace_bytes, dtype=torch.uint8, device=img1.device)
        stream = torch.cuda.current_stream(img1.device).cuda_stream
        call = getattr(lib, f"fssim_{name}_stream")
        call(*all_arguments, workspace.data_ptr(), prepared.workspace_bytes, stream)
    else:
        getattr(lib, f"fssim_{name}")(*all_arguments)


def _precise(image: torch.Tensor) -> torch.dtype:
    """What results are computed and returned in, and gradients kept in until they are scaled."""
    return _TENSOR_DTYPES[gradient_dtype(DTYPES[image.dtype])]


def _owned(image: torch.Tensor, chosen: Settings) -> torch.Tensor:
    """A view of the rows that have a gradient."""
    if chosen.shard is None:
        return image
    rows = owned_rows(image.shape[2], chosen)
    return image[:, :, rows.start : rows.stop]


def compute(
    inputs: Inputs,
    chosen: Settings,
    grads: Tuple[_OptionalTensor, _OptionalTensor] = (None, None),
    terms: Optional[Terms] = None,
) -> torch.Tensor:
    """SSIM, or with `terms` the three values of a loss, with no graph; in the same pass the gradients, where they are
    wanted, into `grads`."""
    prepared = _plan(inputs, grads, chosen)
    shape = prepared.output_shape if terms is None else (3, *prepared.output_shape)
    values = torch.empty(shape, dtype=_precise(inputs.img1), device=inputs.img1.device)
    if terms is not None:
        _run("loss", inputs, prepared, values, *grads, before=terms)
    elif grads[0] is not None or grads[1] is not None:
        _run("value_and_grad", inputs, prepared, values, *grads)
    else:
        _run("forward", inputs, prepared, values, None)
    return values


def value_and_grad(
    inputs: Inputs,
    chosen: Settings,
    wanted: Tuple[bool, bool],
    given: Tuple[_OptionalTensor, _OptionalTensor] = (None, None),
    terms: Optional[Terms] = None,
) -> Tuple[torch.Tensor, _OptionalTensor, _OptionalTensor]:
    """`compute` with gradients of the owned rows of a shard alone: those given, or new ones. A new one has the memory format
    of its image, and is float32 where that has fewer bits: the gradient of a mean over a large image is smaller than float16
    can hold."""
    grads = _gradients(inputs, chosen, wanted, given)
    return (compute(inputs, chosen, grads, terms), *grads)


def backward(
    inputs: Inputs,
    chosen: Settings,
    grad_ssim: torch.Tensor,
    wanted: Tuple[bool, bool],
    given: Tuple[_OptionalTensor, _OptionalTensor],
) -> Tuple[_OptionalTensor, ...]:
    """The gradients wanted of sum(grad_ssim * ssim)."""
    grads = _gradients(inputs, chosen, wanted, given)
    prepared, precise = _plan(inputs, grads, chosen), _precise(inputs.img1)
    if not isinstance(grad_ssim, torch.Tensor):
        raise TypeError(f"grad_ssim is a {type(grad_ssim).__name__}; expected a torch.Tensor, like the images")
    if grad_ssim.dtype != precise:
        raise TypeError(f"grad_ssim has the dtype {grad_ssim.dtype}; expected {precise}")
    if tuple(grad_ssim.shape) != prepared.output_shape:
        raise ValueError(f"grad_ssim has the shape {tuple(grad_ssim.shape)}; expected {prepared.output_shape}")
    if grad_ssim.device != inputs.img1.device:
        raise ValueError(f"img1 is on {inputs.img1.device} and grad_ssim on {grad_ssim.device}; they must be on one device")
    _run("backward", inputs, prepared, None, grad_ssim.resolve_neg().contiguous(), *grads)
    return grads


def _gradients(
    inputs: Inputs, chosen: Settings, wanted: Tuple[bool, bool], given: Tuple[_OptionalTensor, _OptionalTensor]
) -> Tuple[_OptionalTensor, ...]:
    return tuple(
        [
            _gradient(name, tensor, image, chosen) if want else None
            for name, tensor, image, want in zip(("grad_img1", "grad_img2"), given, inputs, wanted)
        ]
    )


def _gradient(name: str, given: _OptionalTensor, image: torch.Tensor, chosen: Settings) -> torch.Tensor:
    """The caller's tensor for the gradient of an image, checked, or a new one."""
    owned, precise = _owned(image, chosen), _precise(image)
    if given is None:
        return torch.empty_like(owned, dtype=precise)
    if not isinstance(given, torch.Tensor):
        raise TypeError(f"{name} is a {type(given).__name__}; expected a torch.Tensor, like the images")
    dtypes = (precise,) if precise is torch.float64 else (torch.float32, torch.float16, torch.bfloat16)
    if given.dtype not in dtypes:
        known = " or ".join(str(dtype) for dtype in dtypes)
        raise TypeError(f"{name} has the dtype {given.dtype}; expected {known}")
    if given.shape != owned.shape:
        raise ValueError(f"{name} has the shape {tuple(given.shape)}; expected {tuple(owned.shape)}")
    if given.device != image.device:
        raise ValueError(f"{name} is on {given.device} and its image on {image.device}; they must be on one device")
    if given.layout is not torch.strided or given.is_neg():
        raise ValueError(f"{name} is a {given.layout} tensor or a negated view; expected a strided one")
    if given.requires_grad:
        raise ValueError(f"{name} requires a gradient, but is written to: use {name}.detach()")
    if not any(given.stride()) and given.numel() > 1:
        # To the library four zeros mean "dense".
        raise ValueError(f"{name} is one element broadcast along every axis; a gradient needs one for each pixel")
    return given


def _whole_gradients(
    inputs: Inputs, chosen: Settings, wanted: Tuple[bool, ...], dtypes: Tuple[torch.dtype, torch.dtype]
) -> Tuple[Tuple[_OptionalTensor, ...], Tuple[_OptionalTensor, ...]]:
    """New gradients of the shape of the images, as autograd wants them, and what of them is to be written.

    Rows that a shard does not own have the gradient 0 from it: that of the shard which owns them is complete.
    """
    make = torch.empty_like if chosen.shard is None else torch.zeros_like
    images = zip(inputs, wanted, dtypes)
    grads = tuple([make(image, dtype=dtype) if want else None for image, want, dtype in images])
    if chosen.shard is None:
        return grads, grads
    return grads, tuple([None if grad is None else _owned(grad, chosen) for grad in grads])


class _SecondDerivative(torch.autograd.Function):
    """Passes a gradient on, and refuses to be differentiated."""

    @staticmethod
    def forward(ctx, grad, marker):  # noqa: D102
        return grad.view_as(grad)

    @staticmethod
    def backward(ctx, _):  # noqa: D102
        raise RuntimeError("the gradient of fused-ssim's SSIM cannot be differentiated a second time")


def _once_differentiable(backward: Callable) -> Callable:
    """Makes a second derivative an error.

    PyTorch's decorator of this name lets one case pass: with create_graph=True and an upstream gradient that requires
    none, it returns a constant, and a gradient penalty would silently be treated as one.
    """

    @wraps(backward)
    def first_derivative(ctx: Any, *upstream: torch.Tensor) -> Tuple[_OptionalTensor, ...]:
        if not torch.is_grad_enabled():
            return backward(ctx, *upstream)
        with torch.no_grad():
            grads = backward(ctx, *upstream)
        marker = torch.zeros((), requires_grad=True)
        return tuple(None if grad is None else _SecondDerivative.apply(grad, marker) for grad in grads)

    return first_derivative


class _Reduced(torch.autograd.Function):
    """SSIM, or a training loss and its two parts, reduced to one value, or one for each image or channel.

    The gradient is computed in `forward`, by the pass that computes the value, and only scaled in `backward`. The
    alternatives cost more: a backward pass of its own filters everything again, or reads back three saved planes.
    Scaling is one multiplication over the gradient. It cannot be left out, since finding that the factor is 1 would
    wait for the device, nor be done in place, since with retain_graph the gradient is needed again.
    """

    @staticmethod
    def forward(ctx, img1, img2, mask, chosen, terms):  # noqa: D102
        inputs, dtypes = Inputs(img1, img2, mask), (_precise(img1), _precise(img2))
        grads, written = _whole_gradients(inputs, chosen, ctx.needs_input_grad, dtypes)
        values = compute(inputs, chosen, written, terms)
        ctx.save_for_backward(*grads)
        ctx.dtypes = (img1.dtype, img2.dtype)
        if terms is None:
            return values
        # Detached, since autograd does not let a view be changed in place, and `loss += ...` is what users write.
        loss, *parts = (value.detach() for value in values)
        ctx.mark_non_differentiable(*parts)
        return (loss, *parts)

    @staticmethod
    @_once_differentiable
    def backward(ctx, upstream, *_):  # noqa: D102
        if upstream.dim() > 0:
            upstream = upstream.reshape(upstream.shape + (1,) * (4 - upstream.dim()))
        # Rounded to the image's dtype after scaling: a loss scaled for float16 keeps its gradients out of zero.
        grads = zip(ctx.saved_tensors, ctx.dtypes)
        return (*(None if grad is None else (grad * upstream).to(dtype) for grad, dtype in grads), None, None, None)


class _Map(torch.autograd.Function):
    """The SSIM map.

    Every pixel has an upstream gradient of its own, so nothing but the inputs can be kept from `forward`; `backward`
    computes the moments again, which takes less memory traffic than saving and loading three planes.
    """

    @staticmethod
    def forward(ctx, img1, img2, mask, chosen):  # noqa: D102
        ctx.save_for_backward(img1, img2, mask)
        ctx.chosen = chosen
        return compute(Inputs(img1, img2, mask), chosen)

    @staticmethod
    @_once_differentiable
    def backward(ctx, upstream):  # noqa: D102
        inputs, chosen = Inputs(*ctx.saved_tensors), ctx.chosen
        dtypes = (inputs.img1.dtype, inputs.img2.dtype)
        grads, written = _whole_gradients(inputs, chosen, ctx.needs_input_grad, dtypes)
        _run("backward", inputs, _plan(inputs, written, chosen), None, upstream.contiguous(), *written)
        return (*grads, None, None)


def _recorded(inputs: Inputs) -> bool:
    """Whether PyTorch records a graph for these images."""
    return torch.is_grad_enabled() and (inputs.img1.requires_grad or inputs.img2.requires_grad)


def ssim(
    img1: torch.Tensor, img2: torch.Tensor, mask: _OptionalTensor, chosen: Settings, train: bool = True
) -> torch.Tensor:
    """SSIM; a node of the autograd graph if `train` and PyTorch records one."""
    inputs = checked(img1, img2, mask)
    if not (train and _recorded(inputs)):
        return compute(inputs, chosen)
    if chosen.reduction == lib.FSSIM_REDUCTION_MAP:
        return _Map.apply(*inputs, chosen)
    return _Reduced.apply(*inputs, chosen, None)


def loss(
    img1: torch.Tensor, img2: torch.Tensor, mask: _OptionalTensor, chosen: Settings, terms: Terms
) -> Tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The training loss, a node of the autograd graph if PyTorch records one, and its two parts, which are none."""
    inputs = checked(img1, img2, mask)
    if not _recorded(inputs):
        return tuple(compute(inputs, chosen, terms=terms))
    return _Reduced.apply(*inputs, chosen, terms)
