"""PyTorch tensors on the CPU: values, layouts, errors."""

import warnings

import numpy as np
import oracle
import pytest
from support import CASES, GRADIENT_TOLERANCE, VALUE_TOLERANCE, images, import_torch

torch = import_torch()

import fused_ssim as package  # noqa: E402
from fused_ssim import fused_ssim, ssim, ssim_and_grad  # noqa: E402
from torch_reference import reference  # noqa: E402


def tensors(shape, requires_grad=(False, False), seed=0):
    return [torch.from_numpy(i).requires_grad_(r) for i, r in zip(images(shape, seed), requires_grad)]


@pytest.mark.parametrize("padding, shape", CASES)
def test_the_drop_in_agrees_with_torch_autograd(padding, shape):
    img1, img2 = tensors(shape, (True, True))
    value = fused_ssim(img1, img2, padding)
    value.backward()
    expected, grad_img1, grad_img2 = reference(img1, img2, padding)
    assert value.shape == () and value.dtype == torch.float32 and value.device == img1.device
    assert abs(value.item() - expected) < VALUE_TOLERANCE
    assert oracle.relative_error(img1.grad, grad_img1) < GRADIENT_TOLERANCE
    assert oracle.relative_error(img2.grad, grad_img2) < GRADIENT_TOLERANCE


def test_the_signature_is_that_of_the_original():
    import inspect

    parameters = inspect.signature(fused_ssim).parameters
    assert [(p.name, p.default) for p in parameters.values()] == [
        ("img1", inspect.Parameter.empty),
        ("img2", inspect.Parameter.empty),
        ("padding", "same"),
        ("train", True),
    ]


LAYOUTS = {
    "channels_last": lambda t: t.contiguous(memory_format=torch.channels_last),
    "permuted": lambda t: t.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2),
    "transposed": lambda t: t.transpose(2, 3).contiguous().transpose(2, 3),
    "sliced": lambda t: torch.nn.functional.pad(t, (3, 4, 2, 5), value=float("nan"))[:, :, 2:-5, 3:-4],
    "stepped": lambda t: t.repeat_interleave(2, dim=3)[..., ::2],
    "channel of a larger image": lambda t: torch.cat([t, t + 1], dim=1)[:, : t.shape[1]],
    "broadcast batch": lambda t: t[:1].expand(t.shape),
    "broadcast channel": lambda t: t[:, :1].expand(t.shape),
    "broadcast row": lambda t: t[:, :, :1].expand(t.shape),
    "one broadcast value": lambda t: t[:1, :1, 4:5, 4:5].expand(t.shape),
    "lazily negated": lambda t: torch.complex(t, -t).conj().imag,
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("both", [True, False])
def test_layouts(layout, both):
    leaves = tensors((2, 3, 17, 23), (True, True))
    img1 = LAYOUTS[layout](leaves[0])
    img2 = LAYOUTS[layout](leaves[1]) if both else leaves[1]
    assert not img1.is_contiguous() or layout == "lazily negated"
    value = fused_ssim(img1, img2)
    upstream = torch.autograd.grad(value, (img1, img2))
    expected, *gradients = reference(img1, img2)
    assert abs(value.item() - expected) < VALUE_TOLERANCE
    for gradient, image, numbers in zip(upstream, (img1, img2), gradients):
        assert gradient.shape == image.shape
        assert oracle.relative_error(gradient, numbers) < GRADIENT_TOLERANCE


def test_a_gradient_has_the_memory_format_of_its_image():
    img1, img2 = tensors((2, 3, 16, 20))
    img1 = img1.contiguous(memory_format=torch.channels_last).requires_grad_()
    img2.requires_grad_()
    fused_ssim(img1, img2).backward()
    assert img1.grad.is_contiguous(memory_format=torch.channels_last) and img2.grad.is_contiguous()


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("reduction", ["mean", "image", "channel", "map", "none"])
def test_reductions(padding, reduction):
    img1, img2 = tensors((3, 2, 15, 21), (True, True))
    value = ssim(img1, img2, padding=padding, reduction=reduction)
    named = "map" if reduction == "none" else reduction
    expected = oracle.reduced(oracle.ssim(img1.detach(), img2.detach(), padding=padding).map, named)
    assert value.shape == expected.shape
    assert np.abs(value.detach().numpy() - expected).max() < VALUE_TOLERANCE

    weights = torch.from_numpy(np.random.default_rng(5).standard_normal(expected.shape).astype(np.float32))
    (value * weights).sum().backward()
    over_map = weights.double().numpy()[(...,) + (None,) * (4 - weights.dim())]
    map_shape = oracle.ssim(img1.detach(), img2.detach(), padding=padding).map.shape
    upstream = np.broadcast_to(over_map, map_shape) * (expected.size / np.prod(map_shape))
    gradients = oracle.ssim(img1.detach(), img2.detach(), padding=padding, upstream=upstream)
    assert oracle.relative_error(img1.grad, gradients.grad_img1) < GRADIENT_TOLERANCE
    assert oracle.relative_error(img2.grad, gradients.grad_img2) < GRADIENT_TOLERANCE


def test_settings():
    img1, img2 = tensors((1, 3, 20, 22), (True, False))
    settings = dict(data_range=2.0, sigma=1.1, k1=0.02, k2=0.05)
    value = ssim(img1, img2, **settings)
    value.backward()
    expected = oracle.ssim(img1.detach(), img2, **settings)
    assert abs(value.item() - expected.map.mean()) < VALUE_TOLERANCE
    assert oracle.relative_error(img1.grad * expected.map.size, expected.grad_img1) < GRADIENT_TOLERANCE


def test_ssim_and_grad_makes_no_graph():
    img1, img2 = tensors((2, 3, 16, 20), (True, True))
    result = ssim_and_grad(img1, img2, wrt="both", padding="valid")
    expected, grad_img1, grad_img2 = reference(img1, img2, "valid")
    assert not any(part.requires_grad for part in result)
    assert abs(result.value.item() - expected) < VALUE_TOLERANCE
    assert oracle.relative_error(result.grad_img1, grad_img1) < GRADIENT_TOLERANCE
    assert oracle.relative_error(result.grad_img2, grad_img2) < GRADIENT_TOLERANCE
    assert ssim_and_grad(img1, img2).grad_img2 is None and ssim_and_grad(img1, img2, wrt="img2").grad_img1 is None


def test_the_same_as_numpy():
    img1, img2 = images((2, 3, 16, 20))
    value, gradient, _ = ssim_and_grad(img1, img2)
    tensor_value, tensor_gradient, _ = ssim_and_grad(torch.from_numpy(img1), torch.from_numpy(img2))
    assert tensor_value.item() == value and (tensor_gradient.numpy() == gradient).all()


A, B = tensors((2, 3, 12, 14))


@pytest.mark.parametrize("function", [fused_ssim, ssim, ssim_and_grad])
@pytest.mark.parametrize(
    "img1, img2, arguments, error, words",
    [
        (A, B, dict(padding="reflect"), ValueError, "padding is 'reflect'"),
        (A.double(), B, {}, ValueError, "img1: dtype is F64 and img2: dtype is F32"),
        (A, (B * 255).int(), {}, TypeError, r"img2 has the dtype torch.int32; .* use img2.float\(\)"),
        (A, B > 0.5, {}, TypeError, "img2 has the dtype torch.bool"),
        (A, B.numpy(), {}, TypeError, "img2 is a ndarray; expected a torch.Tensor"),
        (A.numpy(), B, {}, TypeError, "img1 is a ndarray; expected a torch.Tensor"),
        (A, None, {}, TypeError, "img2 is a NoneType"),
        (A[0], B[0], {}, ValueError, r"img1 has the shape \(3, 12, 14\); expected four axes"),
        (A, B[:, :2], {}, ValueError, "they must be equal"),
        (A[:0], B[:0], {}, ValueError, "n"),
        (A[..., :10], B[..., :10], dict(padding="valid"), ValueError, "at least the window size, 11"),
        (A.to("meta"), B, {}, ValueError, "on meta; expected a strided one on cpu or cuda"),
        (A.to_sparse(), B, {}, ValueError, "torch.sparse_coo tensor"),
    ],
)
def test_errors(function, img1, img2, arguments, error, words):
    with pytest.raises(error, match=words):
        function(img1, img2, **arguments)


@pytest.mark.parametrize("argument", ["out", "stream", "workspace"])
def test_arguments_that_are_not_for_tensors(argument):
    with pytest.raises(TypeError, match=f"{argument} is not for PyTorch tensors"):
        ssim_and_grad(A, B, **{argument: 1})


def test_the_example_of_the_package_text():
    predicted, target = tensors((1, 3, 24, 24), (True, False))
    loss = 1 - fused_ssim(predicted, target)
    loss.backward()
    assert 0 < loss.item() < 1 and predicted.grad.abs().max() > 0
    assert "loss = 1 - fused_ssim(predicted, target)" in package.__doc__


def test_nothing_warns():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        img1, img2 = tensors((1, 1, 12, 12), (True, False))
        fused_ssim(img1, img2).backward()
    assert img1.grad is not None
