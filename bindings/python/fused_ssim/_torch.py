"""PyTorch tensors: autograd on the CPU and on CUDA, on the current stream, without copies."""

from __future__ import annotations

from functools import wraps
from typing import Any, Callable, Optional, Sequence, Tuple

import torch

from . import _library as lib
from ._plan import Layout, Layouts, Plan, Settings, gradient_dtype, plan

_OptionalTensor = Optional[torch.Tensor]

DTYPES = {
    torch.float32: lib.FSSIM_DTYPE_F32,
    torch.float16: lib.FSSIM_DTYPE_F16,
    torch.bfloat16: lib.FSSIM_DTYPE_BF16,
    torch.uint8: lib.FSSIM_DTYPE_U8,
    torch.float64: lib.FSSIM_DTYPE_F64,
}
_TENSOR_DTYPES = {constant: dtype for dtype, constant in DTYPES.items()}


def checked(img1: torch.Tensor, img2: torch.Tensor) -> Tuple[torch.Tensor, torch.Tensor]:
    """The two images, fit to be handed to the library; or a TypeError or ValueError that says what is wrong."""
    img1, img2 = _checked_image("img1", img1), _checked_image("img2", img2)
    if img1.shape != img2.shape:
        raise ValueError(f"img1 has the shape {tuple(img1.shape)} and img2 {tuple(img2.shape)}; they must be equal")
    if img1.device != img2.device:
        raise ValueError(f"img1 is on {img1.device} and img2 on {img2.device}; they must be on one device")
    return img1, img2


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
    if image.is_neg() or (not any(image.stride()) and image.numel() > 1):
        # Two kinds of view that a pointer and strides cannot express: a lazy negation (the imaginary part of a
        # conjugate), and one value broadcast along every axis, whose strides would read as "dense".
        image = image.resolve_neg().contiguous()
    return image


def _plan(img1: torch.Tensor, img2: torch.Tensor, grads: Sequence[_OptionalTensor], chosen: Settings) -> Plan:
    # A gradient that nobody wants has no strides to give; those of its image may be unfit for an output.
    layouts = Layouts(
        *(Layout() if tensor is None else Layout(tensor.stride(), DTYPES[tensor.dtype]) for tensor in (img1, img2, *grads))
    )
    return plan(img1.device.type, tuple(img1.shape), layouts, chosen)


def _run(
    name: str,
    img1: torch.Tensor,
    img2: torch.Tensor,
    prepared: Plan,
    *tensors: _OptionalTensor,
    before: Tuple[Any, ...] = (),
) -> None:
    """Calls `fssim_<name>`; `before` and then `tensors` are the arguments between the options and the workspace."""
    pointers = [None if tensor is None else tensor.data_ptr() for tensor in tensors]
    images = (img1.data_ptr(), img2.data_ptr(), *img1.shape, prepared.options, *before)
    if img1.is_cuda:
        # Nothing needs record_stream: the workspace and the results are allocated while the stream that uses them is
        # current, and the caching allocator gives a freed block only to later work of that same stream. In a graph
        # capture they come from the graph's own pool.
        workspace = torch.empty(prepared.workspace_bytes, dtype=torch.uint8, device=img1.device)
        stream = torch.cuda.current_stream(img1.device).cuda_stream
        call = getattr(lib, f"fssim_{name}_stream")
        call(*images, *pointers, workspace.data_ptr(), prepared.workspace_bytes, stream)
    else:
        getattr(lib, f"fssim_{name}")(*images, *pointers)


def _precise(image: torch.Tensor) -> torch.dtype:
    """What results are computed and returned in, and gradients kept in until they are scaled."""
    return _TENSOR_DTYPES[gradient_dtype(DTYPES[image.dtype])]


def forward(img1: torch.Tensor, img2: torch.Tensor, chosen: Settings) -> torch.Tensor:
    """SSIM, with no graph."""
    prepared = _plan(img1, img2, (None, None), chosen)
    ssim = torch.empty(prepared.output_shape, dtype=_precise(img1), device=img1.device)
    _run("forward", img1, img2, prepared, ssim, None)
    return ssim


def value_and_grad(
    img1: torch.Tensor, img2: torch.Tensor, chosen: Settings, wanted: Tuple[bool, bool]
) -> Tuple[torch.Tensor, _OptionalTensor, _OptionalTensor]:
    """SSIM and its gradients in one pass, with no graph. A gradient has the memory format of its image, and is float32
    where that has fewer bits: the gradient of a mean over a large image is smaller than float16 can hold."""
    images = (img1, img2)
    grad_img1, grad_img2 = grads = [
        torch.empty_like(image, dtype=_precise(image)) if want else None for image, want in zip(images, wanted)
    ]
    prepared = _plan(img1, img2, grads, chosen)
    ssim = torch.empty(prepared.output_shape, dtype=_precise(img1), device=img1.device)
    _run("value_and_grad", img1, img2, prepared, ssim, *grads)
    return ssim, grad_img1, grad_img2


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
    def first_derivative(ctx: Any, grad_ssim: torch.Tensor) -> Tuple[_OptionalTensor, ...]:
        if not torch.is_grad_enabled():
            return backward(ctx, grad_ssim)
        with torch.no_grad():
            grads = backward(ctx, grad_ssim)
        marker = torch.zeros((), requires_grad=True)
        return tuple(None if grad is None else _SecondDerivative.apply(grad, marker) for grad in grads)

    return first_derivative


class _Reduced(torch.autograd.Function):
    """SSIM reduced to one value, or one for each image or channel.

    The gradient is computed in `forward`, by the pass that computes the value, and only scaled in `backward`. The
    alternatives cost more: a backward pass of its own filters everything again, or reads back three saved planes.
    Scaling is one multiplication over the gradient. It cannot be left out, since finding that the factor is 1 would
    wait for the device, nor be done in place, since with retain_graph the gradient is needed again.
    """

    @staticmethod
    def forward(ctx, img1, img2, chosen):  # noqa: D102
        ssim, *grads = value_and_grad(img1, img2, chosen, ctx.needs_input_grad[:2])
        ctx.save_for_backward(*grads)
        ctx.dtypes = (img1.dtype, img2.dtype)
        return ssim

    @staticmethod
    @_once_differentiable
    def backward(ctx, grad_ssim):  # noqa: D102
        if grad_ssim.dim() > 0:
            grad_ssim = grad_ssim.reshape(grad_ssim.shape + (1,) * (4 - grad_ssim.dim()))
        # Rounded to the image's dtype after scaling: a loss scaled for float16 keeps its gradients out of zero.
        grads = zip(ctx.saved_tensors, ctx.dtypes)
        return (*(None if grad is None else (grad * grad_ssim).to(dtype) for grad, dtype in grads), None)


class _Map(torch.autograd.Function):
    """The SSIM map.

    Every pixel has an upstream gradient of its own, so nothing but the two images can be kept from `forward`;
    `backward` computes the moments again, which takes less memory traffic than saving and loading three planes.
    """

    @staticmethod
    def forward(ctx, img1, img2, chosen):  # noqa: D102
        ctx.save_for_backward(img1, img2)
        ctx.chosen = chosen
        return forward(img1, img2, chosen)

    @staticmethod
    @_once_differentiable
    def backward(ctx, grad_ssim):  # noqa: D102
        img1, img2 = ctx.saved_tensors
        wanted = zip((img1, img2), ctx.needs_input_grad)
        grads = [torch.empty_like(image) if want else None for image, want in wanted]
        prepared = _plan(img1, img2, grads, ctx.chosen)
        _run("backward", img1, img2, prepared, None, grad_ssim.contiguous(), *grads)
        return (*grads, None)


def ssim(img1: torch.Tensor, img2: torch.Tensor, chosen: Settings, train: bool = True) -> torch.Tensor:
    """SSIM; a node of the autograd graph if `train` and PyTorch records one."""
    img1, img2 = checked(img1, img2)
    if not (train and torch.is_grad_enabled() and (img1.requires_grad or img2.requires_grad)):
        return forward(img1, img2, chosen)
    function = _Map if chosen.reduction == lib.FSSIM_REDUCTION_MAP else _Reduced
    return function.apply(img1, img2, chosen)


def loss_and_grad(
    img1: torch.Tensor, img2: torch.Tensor, chosen: Settings, pixel: int, lambda_: float, wanted: Sequence[bool]
) -> Tuple[torch.Tensor, _OptionalTensor, _OptionalTensor]:
    """The loss and its gradients in one pass, with no graph. Gradients as those of `value_and_grad`."""
    if chosen.reduction == lib.FSSIM_REDUCTION_MAP:
        raise ValueError('reduction is "map"; a loss takes "mean", "image" or "channel"')
    grad_img1, grad_img2 = grads = [
        torch.empty_like(image, dtype=_precise(image)) if want else None for image, want in zip((img1, img2), wanted)
    ]
    prepared = _plan(img1, img2, grads, chosen)
    # The loss, the pixel loss and the dissimilarity.
    values = torch.empty((3, *prepared.output_shape), dtype=_precise(img1), device=img1.device)
    _run("loss", img1, img2, prepared, values, *grads, before=(pixel, lambda_))
    return values[0], grad_img1, grad_img2


class _Loss(torch.autograd.Function):
    """The training loss, whose gradient is computed with it, as in `_Reduced`."""

    @staticmethod
    def forward(ctx, img1, img2, chosen, pixel, lambda_):  # noqa: D102
        value, *grads = loss_and_grad(img1, img2, chosen, pixel, lambda_, ctx.needs_input_grad[:2])
        ctx.save_for_backward(*grads)
        ctx.dtypes = (img1.dtype, img2.dtype)
        return value

    @staticmethod
    @_once_differentiable
    def backward(ctx, grad_loss):  # noqa: D102
        if grad_loss.dim() > 0:
            grad_loss = grad_loss.reshape(grad_loss.shape + (1,) * (4 - grad_loss.dim()))
        grads = zip(ctx.saved_tensors, ctx.dtypes)
        return (*(None if grad is None else (grad * grad_loss).to(dtype) for grad, dtype in grads), None, None, None)


def loss(img1: torch.Tensor, img2: torch.Tensor, chosen: Settings, pixel: int, lambda_: float) -> torch.Tensor:
    """The training loss; a node of the autograd graph if PyTorch records one."""
    img1, img2 = checked(img1, img2)
    if not (torch.is_grad_enabled() and (img1.requires_grad or img2.requires_grad)):
        return loss_and_grad(img1, img2, chosen, pixel, lambda_, (False, False))[0]
    return _Loss.apply(img1, img2, chosen, pixel, lambda_)
