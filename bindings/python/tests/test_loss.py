"""The training loss: NumPy and PyTorch against the oracle, autograd, and what it refuses."""

import fused_ssim
import numpy as np
import oracle
import pytest
from fused_ssim import Shard, loss, loss_and_grad
from support import GRADIENT_TOLERANCE, VALUE_TOLERANCE, images, import_torch
from test_options import MASK_MODES, weights

torch = import_torch()

SHAPE = (2, 3, 24, 31)


def tensors(shape=SHAPE, requires_grad=(True, True)):
    return [torch.from_numpy(image).requires_grad_(r) for image, r in zip(images(shape), requires_grad)]


@pytest.mark.parametrize("pixel_loss", ["l1", "l2"])
@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("lambda_", [0.0, 0.2, 1.0])
@pytest.mark.parametrize("reduction", ["mean", "image", "channel"])
def test_numpy(pixel_loss, padding, lambda_, reduction):
    pair = images(SHAPE)
    settings = dict(lambda_=lambda_, pixel_loss=pixel_loss, padding=padding, reduction=reduction)
    expected = oracle.loss(*pair, **settings)
    result = loss_and_grad(*pair, wrt="both", **settings)
    assert isinstance(result.values, np.ndarray) and result.values.shape == expected.values.shape
    assert result.values.dtype == np.float32 and np.abs(result.values - expected.values).max() < VALUE_TOLERANCE
    for value, named in zip(result.values, (result.loss, result.pixel, result.dissimilarity)):
        np.testing.assert_array_equal(value, named)
    assert oracle.relative_error(result.grad_img1, expected.grad_img1) < GRADIENT_TOLERANCE
    assert oracle.relative_error(result.grad_img2, expected.grad_img2) < GRADIENT_TOLERANCE
    value = loss(*pair, **settings)
    assert isinstance(value, np.float32 if reduction == "mean" else np.ndarray)
    np.testing.assert_allclose(value, expected.values[0], rtol=0, atol=VALUE_TOLERANCE)
    parts = loss(*pair, return_parts=True, **settings)
    np.testing.assert_allclose(np.stack(parts), expected.values, rtol=0, atol=VALUE_TOLERANCE)


@pytest.mark.parametrize("mask_mode", MASK_MODES)
@pytest.mark.parametrize("pixel_loss", ["l1", "l2"])
def test_masks_windows_and_outputs(mask_mode, pixel_loss):
    pair, mask = images(SHAPE), weights((2, 1, 24, 31))
    settings = dict(mask=mask, mask_mode=mask_mode, pixel_loss=pixel_loss, output="dssim", window_size=7, lambda_=0.4)
    expected = oracle.loss(*pair, **settings)
    result = loss_and_grad(*pair, wrt="both", **settings)
    assert np.abs(result.values - expected.values).max() < VALUE_TOLERANCE
    assert oracle.relative_error(result.grad_img1, expected.grad_img1) < GRADIENT_TOLERANCE
    assert oracle.relative_error(result.grad_img2, expected.grad_img2) < GRADIENT_TOLERANCE


def test_which_gradients_and_results_of_the_caller():
    pair = images(SHAPE)
    both = loss_and_grad(*pair, wrt="both", reduction="image")
    assert loss_and_grad(*pair).grad_img2 is None and loss_and_grad(*pair, wrt="img2").grad_img1 is None
    out, gradient = np.full((3, 2), np.nan, np.float32), np.full(SHAPE, np.nan, np.float32)
    result = loss_and_grad(*pair, reduction="image", out=out, grad_img1=gradient)
    assert result.values is out and result.grad_img1 is gradient
    np.testing.assert_allclose(out, both.values, rtol=1e-6)
    np.testing.assert_allclose(gradient, both.grad_img1, rtol=1e-5, atol=1e-9)
    out[...] = np.nan
    assert loss(*pair, reduction="image", out=out) is out
    np.testing.assert_allclose(out, both.values, rtol=1e-6)


def test_the_shards_of_an_image_add_up():
    img1, img2 = images((1, 3, 40, 22))
    whole = loss_and_grad(img1, img2, padding="valid")
    top = loss_and_grad(img1[:, :, :27], img2[:, :, :27], padding="valid", shard=Shard(0, 10, 40))
    bottom = loss_and_grad(img1[:, :, 7:], img2[:, :, 7:], padding="valid", shard=Shard(10, 0, 40))
    np.testing.assert_allclose(top.values + bottom.values, whole.values, rtol=0, atol=VALUE_TOLERANCE)
    joined = np.concatenate([top.grad_img1, bottom.grad_img1], axis=2)
    assert oracle.relative_error(joined, whole.grad_img1) < GRADIENT_TOLERANCE


@pytest.mark.parametrize("pixel_loss", ["l1", "l2"])
@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("lambda_", [0.0, 0.2, 1.0])
def test_autograd(pixel_loss, padding, lambda_):
    x, y = tensors()
    settings = dict(lambda_=lambda_, pixel_loss=pixel_loss, padding=padding)
    value = loss(x, y, **settings)
    (3 * value).backward()
    expected = oracle.loss(x.detach(), y.detach(), **settings)
    assert value.shape == () and value.dtype == torch.float32
    assert abs(value.item() - expected.values[0]) < VALUE_TOLERANCE
    assert oracle.relative_error(x.grad, 3 * expected.grad_img1) < GRADIENT_TOLERANCE
    assert oracle.relative_error(y.grad, 3 * expected.grad_img2) < GRADIENT_TOLERANCE


def test_parts_for_logs_have_no_gradient():
    x, y = tensors()
    parts = loss(x, y, return_parts=True)
    assert isinstance(parts, fused_ssim.LossParts)
    assert parts.loss.requires_grad and not parts.pixel.requires_grad and not parts.dissimilarity.requires_grad
    expected = oracle.loss(x.detach(), y.detach()).values
    np.testing.assert_allclose([part.item() for part in parts], expected, rtol=0, atol=VALUE_TOLERANCE)
    parts.loss.backward()
    plain, other = tensors()
    loss(plain, other).backward()
    assert torch.equal(x.grad, plain.grad)


def test_more_may_be_added_to_a_loss_in_place():
    x, y = tensors()
    total, pixel, _ = loss(x, y, return_parts=True)
    before = pixel.item()
    total += 0.5 * x.square().sum()
    total.backward()
    expected = oracle.loss(x.detach(), y.detach()).grad_img1 + x.detach().double().numpy()
    assert oracle.relative_error(x.grad, expected) < GRADIENT_TOLERANCE and pixel.item() == before


def test_one_loss_for_each_image_with_its_own_weight():
    img1, img2 = tensors((3, 2, 16, 20), (False, False))
    x = img1.clone().requires_grad_()
    each = loss(x, img2, reduction="image")
    shares = torch.tensor([1.0, 0.0, -2.0])
    (shares * each).sum().backward()
    for i in range(3):
        alone = img1[i : i + 1].clone().requires_grad_()
        value = loss(alone, img2[i : i + 1])
        value.backward()
        torch.testing.assert_close(each[i], value, rtol=1e-6, atol=0)
        torch.testing.assert_close(x.grad[i : i + 1], shares[i] * alone.grad, rtol=1e-5, atol=1e-9)


def test_without_gradients():
    img1, img2 = (torch.from_numpy(image).double() for image in images((1, 1, 12, 13)))
    assert not loss(img1, img2).requires_grad and loss(img1, img2).dtype == torch.float64
    result = loss_and_grad(img1, img2, wrt="both")
    assert result.values.shape == (3,) and not result.values.requires_grad
    expected = oracle.loss(img1, img2)
    np.testing.assert_allclose(result.values, expected.values, rtol=0, atol=1e-12)
    assert oracle.relative_error(result.grad_img2, expected.grad_img2) < 1e-11


def test_what_cannot_be_is_refused():
    x = torch.zeros(1, 1, 12, 12)
    wrong = {"lambda is": {"lambda_": 1.5}, "pixel_loss is": {"pixel_loss": "l3"}, "MAP": {"reduction": "map"}}
    for function in (loss, loss_and_grad):
        for pair in ((x, x), (x.numpy(), x.numpy())):
            for word, arguments in wrong.items():
                with pytest.raises(ValueError, match=word):
                    function(*pair, **arguments)
    with pytest.raises(TypeError, match="out is not for PyTorch tensors"):
        loss(x, x, out=x)
    with pytest.raises(ValueError, match=r"out has the shape \(\); expected \(3,\)"):
        loss(x.numpy(), x.numpy(), out=np.zeros((), np.float32))
    with pytest.raises(ValueError, match="wrt is 'x'"):
        loss_and_grad(x, x, wrt="x")
