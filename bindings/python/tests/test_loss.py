"""The training loss with PyTorch, against SSIM from the oracle and plain tensor arithmetic."""

import numpy as np
import oracle
import pytest
from fused_ssim import loss
from support import GRADIENT_TOLERANCE, VALUE_TOLERANCE, images, import_torch

torch = import_torch()


@pytest.mark.parametrize("pixel_loss", ["l1", "l2"])
@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("lambda_", [0.0, 0.2, 1.0])
def test_value_and_gradients(pixel_loss, padding, lambda_):
    img1, img2 = images((2, 3, 24, 31))
    x, y = (torch.from_numpy(image).requires_grad_() for image in (img1, img2))
    value = loss(x, y, lambda_=lambda_, pixel_loss=pixel_loss, padding=padding)
    (3 * value).backward()

    want = oracle.ssim(img1, img2, padding=padding)
    difference = img1.astype(np.float64) - img2
    pixel, slope = (abs(difference), np.sign(difference)) if pixel_loss == "l1" else (difference**2, 2 * difference)
    assert value.shape == () and value.dtype == torch.float32
    assert abs(value.item() - ((1 - lambda_) * pixel.mean() + lambda_ * (1 - want.map.mean()))) <= VALUE_TOLERANCE
    for got, of_ssim, sign in ((x.grad, want.grad_img1, 1), (y.grad, want.grad_img2, -1)):
        expected = 3 * ((1 - lambda_) * sign * slope / slope.size - lambda_ * of_ssim / want.map.size)
        assert oracle.relative_error(got.numpy(), expected) <= GRADIENT_TOLERANCE


def test_one_loss_for_each_image_with_its_own_weight():
    img1, img2 = (torch.from_numpy(image) for image in images((3, 2, 16, 20)))
    x = img1.clone().requires_grad_()
    each = loss(x, img2, reduction="image")
    weights = torch.tensor([1.0, 0.0, -2.0])
    (weights * each).sum().backward()
    for i in range(3):
        alone = img1[i : i + 1].clone().requires_grad_()
        value = loss(alone, img2[i : i + 1])
        value.backward()
        torch.testing.assert_close(each[i], value, rtol=1e-6, atol=0)
        torch.testing.assert_close(x.grad[i : i + 1], weights[i] * alone.grad, rtol=1e-5, atol=1e-9)


def test_without_gradients_and_in_double():
    img1, img2 = (torch.from_numpy(image).double() for image in images((1, 1, 12, 13)))
    assert not loss(img1, img2).requires_grad and loss(img1, img2).dtype == torch.float64
    img1.requires_grad_(), img2.requires_grad_()
    assert torch.autograd.gradcheck(lambda x, y: loss(x, y, pixel_loss="l2"), (img1, img2))


def test_what_cannot_be_is_refused():
    x = torch.zeros(1, 1, 12, 12)
    wrong = {"lambda": {"lambda_": 1.5}, "pixel_loss": {"pixel_loss": "l3"}, "map": {"reduction": "map"}}
    for word, arguments in wrong.items():
        with pytest.raises(ValueError, match=word):
            loss(x, x, **arguments)
    with pytest.raises(TypeError, match="torch.Tensor"):
        loss(np.zeros((1, 1, 12, 12), np.float32), np.zeros((1, 1, 12, 12), np.float32))
