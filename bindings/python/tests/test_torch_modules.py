"""fused_ssim.nn: the modules are the functions."""

import copy
import pickle

import pytest
from fused_ssim import loss, ssim
from support import images, import_torch

torch = import_torch()

from fused_ssim import nn  # noqa: E402

SETTINGS = dict(padding="valid", window="uniform", window_size=5, output="dssim", mask_mode="normalized")


def inputs():
    img1, img2 = (torch.from_numpy(image) for image in images((1, 3, 16, 18)))
    return img1.requires_grad_(), img2, torch.arange(16 * 18).reshape(16, 18) % 5 > 0


@pytest.mark.parametrize(
    "module, function, settings",
    [(nn.SSIM, ssim, SETTINGS), (nn.Loss, loss, dict(**SETTINGS, lambda_=0.5, pixel_loss="l2"))],
)
def test_a_module_is_its_function(module, function, settings):
    img1, img2, mask = inputs()
    made = module(**settings)
    value = made(img1, img2, mask)
    assert torch.equal(value, function(img1, img2, mask=mask, **settings))
    assert torch.equal(made(img1, img2), function(img1, img2, **settings))
    value.backward()
    assert img1.grad.abs().max() > 0
    assert not list(made.parameters()) and not made.state_dict()
    for copied in (copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
        assert torch.equal(copied(img1, img2, mask), value)
    assert "window_size=5" in repr(made)


def test_the_defaults():
    img1, img2, _ = inputs()
    assert torch.equal(nn.SSIM()(img1, img2), ssim(img1, img2))
    assert torch.equal(nn.Loss()(img1, img2), loss(img1, img2))


@pytest.mark.parametrize("module", [nn.SSIM, nn.Loss])
def test_a_wrong_option_is_refused_when_the_module_is_made(module):
    with pytest.raises(ValueError, match="padding is 'reflect'"):
        module(padding="reflect")
    with pytest.raises(TypeError, match="window_length"):
        module(window_length=7)
    with pytest.raises(ValueError, match="pixel_loss is 'huber'"):
        nn.Loss(pixel_loss="huber")
