"""How the function behaves as a node of PyTorch's autograd graph."""

import numpy as np
import oracle
import pytest
from support import GRADIENT_TOLERANCE, import_torch

torch = import_torch()

from fused_ssim import fused_ssim, ssim  # noqa: E402
from test_torch import tensors  # noqa: E402
from torch_reference import reference  # noqa: E402

SHAPE = (2, 3, 17, 19)
REDUCTIONS = ["mean", "image", "channel", "map"]


@pytest.mark.parametrize("first, second", [(True, True), (True, False), (False, True), (False, False)])
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_only_what_requires_a_gradient_gets_one(first, second, reduction):
    img1, img2 = tensors(SHAPE, (first, second))
    value = ssim(img1, img2, reduction=reduction).mean()
    assert value.requires_grad == (first or second)
    if value.requires_grad:
        value.backward()
    _, grad_img1, grad_img2 = reference(img1, img2)
    for image, requires_grad, expected in ((img1, first, grad_img1), (img2, second, grad_img2)):
        assert (image.grad is not None) == requires_grad
        if requires_grad:
            assert oracle.relative_error(image.grad, expected) < GRADIENT_TOLERANCE


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode])
def test_no_graph_where_none_is_recorded(context):
    img1, img2 = tensors(SHAPE, (True, True))
    expected = fused_ssim(img1, img2)
    with context():
        value = fused_ssim(img1, img2)
        per_pixel = ssim(img1, img2, reduction="map")
    assert not value.requires_grad and not per_pixel.requires_grad
    assert value.item() == pytest.approx(expected.item(), abs=1e-7)


def test_train_false_gives_no_gradient():
    img1, img2 = tensors(SHAPE, (True, False))
    value = fused_ssim(img1, img2, train=False)
    assert not value.requires_grad
    assert value.item() == pytest.approx(fused_ssim(img1, img2).item(), abs=1e-7)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_backward_twice_with_retain_graph(reduction):
    img1, img2 = tensors(SHAPE, (True, False))
    value = ssim(img1, img2, reduction=reduction).mean()
    value.backward(retain_graph=True)
    once = img1.grad.clone()
    value.backward()
    assert torch.equal(img1.grad, 2 * once)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_backward_twice_without_retain_graph_is_an_error(reduction):
    img1, img2 = tensors(SHAPE, (True, False))
    value = ssim(img1, img2, reduction=reduction).mean()
    value.backward()
    with pytest.raises(RuntimeError, match="second time"):
        value.backward()


@pytest.mark.parametrize("reduction", ["mean", "map"])
@pytest.mark.parametrize("factor", [1.0, torch.tensor(2.0, requires_grad=True)])
def test_a_second_derivative_is_an_error(reduction, factor):
    img1, img2 = tensors(SHAPE, (True, False))
    value = ssim(img1, img2, reduction=reduction).mean()
    (gradient,) = torch.autograd.grad(factor * value, img1, create_graph=True)
    _, expected, _ = reference(img1, img2)
    assert oracle.relative_error(gradient.detach(), torch.as_tensor(factor).item() * expected) < GRADIENT_TOLERANCE
    penalty = (gradient * img1).sum()
    with pytest.raises(RuntimeError, match="cannot be differentiated a second time"):
        penalty.backward()


@pytest.mark.parametrize("factor", [1.0, -1.0, 0.2, 1e-3, 0.0])
def test_the_upstream_gradient_scales(factor):
    img1, img2 = tensors(SHAPE, (True, True))
    (factor * fused_ssim(img1, img2)).backward()
    _, grad_img1, grad_img2 = reference(img1, img2)
    for image, expected in ((img1, grad_img1), (img2, grad_img2)):
        np.testing.assert_allclose(image.grad.numpy(), factor * expected, rtol=0, atol=3e-6 * np.abs(expected).max())


def test_two_losses_of_one_graph():
    img1, img2 = tensors(SHAPE, (True, False))
    value = fused_ssim(img1, img2)
    first, second = 0.25 * value, value**2
    first.backward(retain_graph=True)
    second.backward()
    _, expected, _ = reference(img1, img2)
    assert oracle.relative_error(img1.grad, (0.25 + 2 * value.item()) * expected) < GRADIENT_TOLERANCE


def test_one_image_as_both():
    (img1,) = tensors((1, 1, 16, 16), (True,))
    fused_ssim(img1, img1).backward()
    assert img1.grad.abs().max() < 1e-6


def test_the_image_may_change_between_forward_and_backward_of_a_mean():
    # An optimiser that steps in place between the two is fine: the gradient was computed in forward.
    leaf, img2 = tensors(SHAPE, (True, False))
    img1 = leaf * 1
    value = fused_ssim(img1, img2)
    with torch.no_grad():
        img1.zero_()
    value.backward()
    _, expected, _ = reference(leaf, img2)
    assert oracle.relative_error(leaf.grad, expected) < GRADIENT_TOLERANCE


def test_an_image_of_a_map_must_not_change():
    leaf, img2 = tensors(SHAPE, (True, False))
    img1 = leaf * 1
    value = ssim(img1, img2, reduction="map")
    with torch.no_grad():
        img1.zero_()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        value.sum().backward()


def test_gradients_accumulate():
    img1, img2 = tensors(SHAPE, (True, False))
    for _ in range(3):
        fused_ssim(img1, img2).backward()
    _, expected, _ = reference(img1, img2)
    assert oracle.relative_error(img1.grad, 3 * expected) < GRADIENT_TOLERANCE


def test_parameters_and_an_optimizer():
    _, target = tensors((1, 3, 24, 24))
    picture = torch.nn.Parameter(torch.full_like(target, 0.5))
    optimizer = torch.optim.Adam([picture], lr=0.05)
    values = []
    for _ in range(30):
        optimizer.zero_grad()
        value = fused_ssim(picture, target)
        (1 - value).backward()
        optimizer.step()
        values.append(value.item())
    assert values[-1] > values[0] + 0.3


# PyTorch has it since 2.0.
if hasattr(torch, "compile"):

    @pytest.mark.filterwarnings("ignore:Dynamo")
    @pytest.mark.parametrize("reduction", ["mean", "map"])
    def test_torch_compile_falls_back_to_eager(reduction):
        img1, img2 = tensors(SHAPE, (True, False))

        @torch.compile(backend="eager")
        def loss(a, b):
            return (1 - ssim(a * 1.0, b, reduction=reduction)).mean()

        loss(img1, img2).backward()
        _, expected, _ = reference(img1, img2)
        assert oracle.relative_error(img1.grad, -expected) < GRADIENT_TOLERANCE
