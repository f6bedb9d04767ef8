"""Windows, masks, outputs and row sharding with PyTorch tensors: gradcheck, autograd, what is refused."""

import numpy as np
import oracle
import pytest
from fused_ssim import Shard, loss, ssim, ssim_and_grad
from support import GRADIENT_TOLERANCE, VALUE_TOLERANCE, images, import_torch
from test_options import MASK_MODES, weights

torch = import_torch()

REDUCTIONS = ["mean", "image", "channel", "map"]


def doubles(shape):
    return tuple(torch.from_numpy(image).double().requires_grad_() for image in images(shape))


@pytest.mark.parametrize("mask_mode", MASK_MODES)
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("output", ["ssim", "dssim"])
def test_gradcheck_with_a_mask(mask_mode, reduction, output):
    mask = torch.from_numpy(weights((1, 1, 9, 8)))

    def function(img1, img2):
        return ssim(img1, img2, mask=mask, mask_mode=mask_mode, reduction=reduction, output=output)

    assert torch.autograd.gradcheck(function, doubles((1, 2, 9, 8)))


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("reduction", ["mean", "map"])
@pytest.mark.parametrize("window, window_size", [("gaussian", 3), ("gaussian", 7), ("uniform", 5), ("uniform", 11)])
def test_gradcheck_of_windows(padding, reduction, window, window_size):
    def function(img1, img2):
        return ssim(img1, img2, window=window, window_size=window_size, padding=padding, reduction=reduction)

    assert torch.autograd.gradcheck(function, doubles((1, 1, 11, 12)))


@pytest.mark.parametrize("mask_mode", [None, *MASK_MODES])
@pytest.mark.parametrize("pixel_loss", ["l1", "l2"])
@pytest.mark.parametrize("reduction", ["mean", "image", "channel"])
def test_gradcheck_of_the_loss(mask_mode, pixel_loss, reduction):
    settings = dict(pixel_loss=pixel_loss, reduction=reduction, output="dssim", window_size=5)
    if mask_mode is not None:
        settings |= dict(mask=torch.from_numpy(weights((2, 1, 8, 7))), mask_mode=mask_mode)
    assert torch.autograd.gradcheck(lambda x, y: loss(x, y, **settings), doubles((2, 2, 8, 7)))


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.float32])
@pytest.mark.parametrize("shape", [(20, 27), (2, 1, 20, 27), (2, 3, 20, 27), (1, 3, 20, 1)])
@pytest.mark.parametrize("reduction", ["mean", "map"])
def test_masks_of_every_dtype_and_shape(dtype, shape, reduction):
    img1, img2 = (torch.from_numpy(image).requires_grad_() for image in images((2, 3, 20, 27)))
    mask = torch.from_numpy(weights(shape))
    mask = mask if dtype is torch.float32 else (mask > 0).to(dtype)
    value = ssim(img1, img2, mask=mask, reduction=reduction)
    value.sum().backward()
    expected = oracle.answer(img1.detach(), img2.detach(), mask=mask.double().numpy(), reduction=reduction)
    np.testing.assert_allclose(value.detach(), expected.value, rtol=0, atol=5 * VALUE_TOLERANCE)
    assert oracle.relative_error(img1.grad, expected.grad_img1) < GRADIENT_TOLERANCE
    assert oracle.relative_error(img2.grad, expected.grad_img2) < GRADIENT_TOLERANCE


def test_masks_with_strides_that_are_views():
    img1, img2 = (torch.from_numpy(image) for image in images((2, 3, 20, 27)))
    mask = torch.from_numpy(weights((2, 3, 20, 27)))
    expected = ssim(img1, img2, mask=mask)
    crop = torch.nn.functional.pad(mask, (3, 4, 2, 5), value=float("nan"))[:, :, 2:-5, 3:-4]
    transposed = mask.transpose(2, 3).contiguous().transpose(2, 3)
    for view in (crop, mask.contiguous(memory_format=torch.channels_last), transposed):
        assert not view.is_contiguous() and torch.equal(ssim(img1, img2, mask=view), expected)
    one_value = torch.ones((1, 1)).expand(20, 27)
    assert ssim(img1, img2, mask=one_value).item() == pytest.approx(ssim(img1, img2).item(), abs=VALUE_TOLERANCE)


def test_the_same_as_numpy():
    pair, mask = images((2, 3, 20, 27)), weights((20, 27))
    settings = dict(mask_mode="normalized", window="uniform", window_size=9, output="dssim", scale=0.5, padding="valid")
    value, gradient, _ = ssim_and_grad(*pair, mask=mask, **settings)
    tensors = [torch.from_numpy(array) for array in (*pair, mask)]
    tensor_value, tensor_gradient, _ = ssim_and_grad(*tensors[:2], mask=tensors[2], **settings)
    assert tensor_value.item() == value and (tensor_gradient.numpy() == gradient).all()


@pytest.mark.parametrize("reduction", ["mean", "image", "channel"])
def test_a_shard_gives_gradients_to_the_rows_that_it_owns(reduction):
    whole = [torch.from_numpy(image).requires_grad_() for image in images((1, 2, 40, 15))]
    expected = [torch.from_numpy(image).requires_grad_() for image in images((1, 2, 40, 15))]
    value = ssim(*expected, reduction=reduction)
    value.sum().backward()
    total = 0
    # Two bands of one tensor: autograd adds up what they give to the rows that both hold.
    for rows, shard in ((slice(0, 30), Shard(0, 10, 40)), (slice(10, 40), Shard(10, 0, 40))):
        band = ssim(*(image[:, :, rows] for image in whole), reduction=reduction, shard=shard)
        band.sum().backward()
        total += band.detach().sum()
    torch.testing.assert_close(total, value.detach().sum(), rtol=1e-6, atol=0)
    for image, reference in zip(whole, expected):
        assert oracle.relative_error(image.grad, reference.grad) < GRADIENT_TOLERANCE
    bare = [image.detach()[:, :, :30] for image in whole]
    assert ssim_and_grad(*bare, shard=Shard(0, 10, 40)).grad_img1.shape == (1, 2, 20, 15)
    # It would take the upstream gradient of rows that other shards own.
    map_ = ssim(*(image[:, :, :30] for image in whole), reduction="map", shard=Shard(0, 10, 40))
    with pytest.raises(NotImplementedError, match="an upstream gradient for the map of a shard"):
        map_.sum().backward()


A, B = (torch.from_numpy(image) for image in images((2, 3, 12, 14)))
MASK = torch.ones(12, 14)


@pytest.mark.parametrize("function", [ssim, ssim_and_grad, loss])
@pytest.mark.parametrize(
    "mask, error, words",
    [
        (MASK.numpy(), TypeError, "mask is a ndarray; expected a torch.Tensor"),
        (MASK.double(), TypeError, r"mask has the dtype torch.float64; .* use mask.bool\(\) or mask.float\(\)"),
        (torch.ones(2, 12, 14), ValueError, r"mask has the shape \(2, 12, 14\), which does not broadcast"),
        (MASK.clone().requires_grad_(), ValueError, "mask requires a gradient"),
        (MASK.to("meta"), ValueError, "img1 is on cpu and mask on meta"),
        (MASK.to_sparse(), ValueError, "mask is a torch.sparse_coo tensor"),
    ],
)
def test_masks_that_are_refused(function, mask, error, words):
    with pytest.raises(error, match=words):
        function(A, B, mask=mask)


def test_a_mask_of_a_map_must_not_change():
    leaf, mask = A.clone().requires_grad_(), MASK.clone()
    value = ssim(leaf, B, mask=mask, reduction="map")
    mask.zero_()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        value.sum().backward()
