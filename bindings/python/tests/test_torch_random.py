"""PyTorch tensors of random shapes, strides, dtypes and options against the oracle, on the CPU and, where there is one, a GPU.

FSSIM_RANDOM_CALLS   how many calls on each device; default: 60
FSSIM_RANDOM_SEED    which ones; default: 0. A call is made from the seed and its number alone.
"""

import os

import numpy as np
import oracle
import pytest
from fused_ssim import Shard, loss, loss_and_grad, ssim, ssim_and_grad
from support import GPU, GRADIENT_TOLERANCE, MAP_TOLERANCE, VALUE_TOLERANCE, import_torch

torch = import_torch()

CALLS = int(os.environ.get("FSSIM_RANDOM_CALLS", "60"))
SEED = int(os.environ.get("FSSIM_RANDOM_SEED", "0"))
# The accuracy that the library promises for gradients of images smaller than the window.
SMALLER_THAN_THE_WINDOW = 1e-5
DEVICES = ["cpu", "cuda"] if GPU else ["cpu"]
FLOATS = [torch.float32, torch.float16, torch.bfloat16]
# What rounding a gradient to the dtype of its image may add.
ROUNDING = {torch.float32: 0, torch.float16: 1e-3, torch.bfloat16: 8e-3}
MASK_DTYPES = [torch.float32, torch.uint8, torch.bool]


class Call:
    """A random call: images in memory, what the oracle is given for them, and the settings of both."""

    def __init__(self, number, device):
        self.random = np.random.default_rng((SEED, number))
        self.device = device
        self.settings = self.window()
        self.shape = self.images_shape()
        data_range = self.either(1.0, 1.0, 255.0, 3.0, 0.1)
        self.settings |= dict(
            padding=self.either("same", "valid") if min(self.shape[2:]) >= self.settings["window_size"] else "same",
            reduction=self.either("mean", "mean", "image", "channel", "map"),
            output=self.either("ssim", "one_minus_ssim", "dssim"),
            data_range=data_range,
        )
        self.arguments = dict(self.settings)
        unit = self.either(None, None, 1.0, 0.7)
        self.pairs = [self.image(data_range, unit, picture) for picture in self.pictures()]
        if unit is not None:
            self.arguments["scale"] = tuple(factor for _, factor in self.pairs)
        if self.random.random() < 0.4:
            self.add_mask()

    def either(self, *choices):
        return choices[self.random.integers(len(choices))]

    def size(self, largest):
        return int(np.exp(self.random.uniform(0, np.log(largest + 1))))

    def window(self):
        if self.random.random() < 0.6:
            return dict(window_size=11, sigma=float(self.random.uniform(0.5, 3)))
        return dict(
            window_size=int(2 * self.random.integers(1, 17) + 1),
            sigma=float(self.random.uniform(0.5, 6)),
            window=self.either("gaussian", "uniform"),
        )

    def images_shape(self):
        if self.random.random() < 0.1:
            return (self.size(90), self.size(90), self.size(9), self.size(9))
        return (self.size(3), self.size(5), self.size(160), self.size(260))

    def pictures(self):
        """Two pictures with values from 0 to 1: smooth parts, noise, a flat patch."""
        n, c, h, w = self.shape
        rows, columns = np.mgrid[0:h, 0:w]
        phase = self.random.uniform(0, 6, (n, c, 1, 1))
        smooth = 0.5 + 0.4 * np.sin(rows / 5 + phase) * np.cos(columns / 7 - phase)
        pair = [np.clip(smooth + spread * self.random.standard_normal(self.shape), 0, 1) for spread in (0.1, 0.05)]
        level = self.random.random()
        for picture in pair:
            picture[:, :, : h // 4, : w // 4] = level
        return pair

    def image(self, data_range, unit, picture):
        """A tensor, and the factor from its elements to pixels: by default, or such that `unit` is the data range."""
        dtype = self.either(torch.float32, torch.float32, torch.uint8, *FLOATS)
        if dtype is torch.uint8:
            elements = torch.from_numpy(np.round(picture * 255).astype(np.uint8))
            return self.placed(elements), data_range * (1 if unit is None else unit) / 255
        factor = 1.0 if unit is None else unit * data_range
        return self.placed(torch.from_numpy(picture * data_range / factor).to(dtype)), factor

    def placed(self, elements):
        """The same elements on the device, in memory of another layout."""
        elements = elements.to(self.device)
        layout = self.either("dense", "channels_last", "crop", "transposed", "channels", "columns", "offset")
        if layout == "channels_last":
            return elements.contiguous(memory_format=torch.channels_last)
        if layout == "transposed":
            return elements.transpose(2, 3).contiguous().transpose(2, 3)
        n, c, h, w = elements.shape
        room, view = {
            "dense": ((n, c, h, w), (...,)),
            "crop": ((n, c, h + 5, w + 7), (..., slice(2, 2 + h), slice(3, 3 + w))),
            "channels": ((n, c + 1, h, w), (slice(None), slice(0, c))),
            "columns": ((n, c, h, 2 * w), (..., slice(0, 2 * w, 2))),
            "offset": ((n, c, h, w + 1), (..., slice(1, None))),
        }[layout]
        garbage = 255 if elements.dtype is torch.uint8 else True if elements.dtype is torch.bool else float("nan")
        placed = torch.full(room, garbage, dtype=elements.dtype, device=self.device)[view]
        return placed.copy_(elements)

    def add_mask(self):
        n, c, h, w = self.shape
        shape = self.either((n, 1, h, w), (n, c, h, w), (1, 1, h, w), (1, 1, h, 1))
        weights = self.random.uniform(0.1, 2, shape) * (self.random.random(shape) > self.either(0, 0.25, 0.9))
        dtype = self.either(*MASK_DTYPES)
        elements = torch.from_numpy(weights if dtype is torch.float32 else weights > 0).to(dtype)
        # Where all weights of a group are zero, the library's answer is defined and the oracle's is not. The pixel in the
        # middle is in every map.
        elements[..., : (h + 1) // 2, : (w + 1) // 2] = 1
        mode = dict(mask_mode=self.either("weighted_mean", "multiply_inputs", "normalized"))
        self.settings |= dict(mode, mask=elements.double().numpy())
        self.arguments |= dict(mode, mask=self.placed(elements))

    def values(self):
        """What the images hold, in float64."""
        return [tensor.double().cpu().numpy() * factor for tensor, factor in self.pairs]

    def tensors(self):
        return [tensor for tensor, _ in self.pairs]

    def change(self, **settings):
        self.settings |= settings
        self.arguments |= settings

    def make_loss(self):
        self.change(lambda_=self.either(0.2, 0.5, 1.0), pixel_loss=self.either("l1", "l2"))
        if self.settings["reduction"] == "map":
            self.change(reduction="mean")
        if self.settings["output"] == "ssim":
            self.change(output="one_minus_ssim")

    def remove_mask(self):
        for settings in (self.settings, self.arguments):
            settings.pop("mask", None)
            settings.pop("mask_mode", None)

    def check_value(self, value, expected, unit=1.0):
        """`unit`: what a value of the size of a pixel is, which a loss is made of."""
        tolerance = MAP_TOLERANCE if self.settings["reduction"] == "map" else VALUE_TOLERANCE
        # A map holds weights times SSIM, and these go up to 2.
        tolerance *= 2 if "mask" in self.settings else 1
        assert value.device.type == self.device and tuple(value.shape) == expected.shape
        error = np.abs(value.detach().double().cpu().numpy() - expected).max()
        assert error <= tolerance * unit, self.describe()

    def check_gradient(self, grad, expected, which, rounding=0):
        if grad is None:
            return
        expected = expected * self.pairs[which][1]
        actual = grad.detach().double().cpu().numpy()
        assert actual.shape == expected.shape
        error, norm = np.linalg.norm(actual - expected), np.linalg.norm(expected)
        smaller = min(self.shape[2:]) < self.settings["window_size"]
        tolerance = SMALLER_THAN_THE_WINDOW if smaller else GRADIENT_TOLERANCE
        assert error <= (tolerance + rounding) * norm, (which, error / norm, self.describe())

    def describe(self):
        images = [(tensor.dtype, tensor.stride(), factor) for tensor, factor in self.pairs]
        mask = self.arguments.get("mask")
        shown = {key: value for key, value in self.settings.items() if key != "mask"}
        return self.shape, images, shown, None if mask is None else (mask.dtype, tuple(mask.shape), mask.stride())


def calls(test):
    return pytest.mark.parametrize("device", DEVICES)(pytest.mark.parametrize("number", range(CALLS))(test))


@calls
def test_value_and_gradients(number, device):
    call = Call(number, device)
    wrt = call.either("img1", "img2", "both")
    expected = oracle.answer(*call.values(), **call.settings)
    result = ssim_and_grad(*call.tensors(), wrt=wrt, **call.arguments)
    assert (result.grad_img1 is None, result.grad_img2 is None) == (wrt == "img2", wrt == "img1")
    call.check_value(result.value, expected.value)
    call.check_value(ssim(*call.tensors(), **call.arguments), expected.value)
    call.check_gradient(result.grad_img1, expected.grad_img1, 0)
    call.check_gradient(result.grad_img2, expected.grad_img2, 1)


@calls
def test_losses(number, device):
    call = Call(number, device)
    call.make_loss()
    wrt = call.either("img1", "img2", "both")
    expected = oracle.loss(*call.values(), **call.settings)
    unit = max(1.0, call.settings["data_range"]) ** 2
    result = loss_and_grad(*call.tensors(), wrt=wrt, **call.arguments)
    call.check_value(result.values, expected.values, unit)
    call.check_value(loss(*call.tensors(), **call.arguments), expected.values[0], unit)
    call.check_gradient(result.grad_img1, expected.grad_img1, 0)
    call.check_gradient(result.grad_img2, expected.grad_img2, 1)


@calls
def test_autograd_with_an_upstream_gradient(number, device):
    call = Call(number, device)
    call.remove_mask()
    tensors = [tensor.detach().requires_grad_(tensor.is_floating_point()) for tensor in call.tensors()]
    value = ssim(*tensors, **call.arguments)
    assert value.requires_grad == any(tensor.is_floating_point() for tensor in tensors)
    if not value.requires_grad:
        return
    # As many times larger as a mean makes gradients smaller: they would be subnormal in float16.
    averaged = np.prod(call.shape) / value.numel()
    upstream = np.asarray(averaged * call.random.standard_normal(tuple(value.shape)), np.float32)
    value.backward(torch.tensor(upstream, device=device))

    settings = dict(call.settings)
    reduction, output = settings.pop("reduction"), settings.pop("output")
    map_ = oracle.ssim(*call.values(), **settings).map
    of_values = upstream.astype(np.float64).reshape(upstream.shape + (1,) * (4 - upstream.ndim))
    of_map = np.broadcast_to(of_values * oracle.OUTPUTS[output][1] * value.numel() / map_.size, map_.shape)
    expected = oracle.ssim(*call.values(), upstream=of_map, **settings)
    for which, tensor in enumerate(tensors):
        call.check_gradient(tensor.grad, expected[1 + which], which, ROUNDING.get(tensor.dtype, 0))


@calls
def test_shards(number, device):
    call = Call(number, device)
    call.make_loss()
    call.change(reduction="mean", padding="same")
    expected = oracle.loss(*call.values(), **call.settings)
    halo, height = call.settings["window_size"] - 1, call.shape[2]
    cuts = sorted({0, height, *call.random.integers(0, height + 1, 2).tolist()})
    divisor = None
    if "mask" in call.settings and call.settings["mask_mode"] != "multiply_inputs":
        divisor = float(np.broadcast_to(call.settings["mask"], call.shape).sum())
    values, grads = [], []
    for top, bottom in zip(cuts, cuts[1:]):
        above, below = min(top, halo), min(height - bottom, halo)
        rows = slice(top - above, bottom + below)
        arguments = dict(call.arguments, shard=Shard(above, below, height, divisor))
        if "mask" in arguments:
            arguments["mask"] = arguments["mask"].expand(call.shape)[:, :, rows]
        result = loss_and_grad(*(tensor[:, :, rows] for tensor in call.tensors()), wrt="both", **arguments)
        values.append(result.values.double())
        grads.append(result[1:])
    unit = max(1.0, call.settings["data_range"]) ** 2
    call.check_value(sum(values), expected.values, unit)
    for which, parts in enumerate(zip(*grads)):
        call.check_gradient(torch.cat(parts, dim=2), expected[1 + which], which)
