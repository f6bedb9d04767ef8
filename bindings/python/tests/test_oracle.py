"""The oracle itself, against a direct double loop and finite differences."""

import numpy as np
import oracle
import pytest
from support import images, import_torch


def test_a_pixel_agrees_with_the_definition():
    img1, img2 = images((1, 1, 13, 15))
    x, y = img1[0, 0].astype(np.float64), img2[0, 0].astype(np.float64)
    taps = oracle.taps_of("gaussian", 11, 1.5)
    for row, column in [(0, 0), (6, 7), (12, 14), (2, 13)]:
        sums = np.zeros(5)
        for i in range(11):
            for j in range(11):
                h, w = row + i - 5, column + j - 5
                if 0 <= h < 13 and 0 <= w < 15:
                    a, b = x[h, w], y[h, w]
                    sums += taps[i] * taps[j] * np.array([a, b, a * a, b * b, a * b])
        mu_x, mu_y, xx, yy, xy = sums
        expected = (2 * mu_x * mu_y + 1e-4) * (2 * (xy - mu_x * mu_y) + 9e-4)
        expected /= (mu_x**2 + mu_y**2 + 1e-4) * (xx - mu_x**2 + yy - mu_y**2 + 9e-4)
        assert oracle.ssim(img1, img2).map[0, 0, row, column] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("padding", ["same", "valid"])
def test_the_gradient_agrees_with_finite_differences(padding):
    img1, img2 = (image.astype(np.float64) for image in images((2, 2, 13, 12)))
    upstream = np.random.default_rng(1).standard_normal(oracle.ssim(img1, img2, padding=padding).map.shape)
    result = oracle.ssim(img1, img2, padding=padding, upstream=upstream)
    step = 1e-5
    for index in [(0, 0, 0, 0), (0, 1, 6, 6), (1, 0, 12, 11), (1, 1, 3, 9)]:
        for which, gradient in ((0, result.grad_img1), (1, result.grad_img2)):
            sides = []
            for sign in (1, -1):
                pair = [img1.copy(), img2.copy()]
                pair[which][index] += sign * step
                sides.append(np.sum(upstream * oracle.ssim(*pair, padding=padding).map))
            assert gradient[index] == pytest.approx((sides[0] - sides[1]) / (2 * step), abs=1e-8)


@pytest.mark.parametrize("padding", ["same", "valid"])
def test_it_agrees_with_torch_autograd(padding):
    import_torch()
    from torch_reference import reference

    img1, img2 = images((2, 3, 23, 31))
    value, grad_img1, grad_img2 = reference(img1, img2, padding)
    result = oracle.ssim(img1, img2, padding=padding)
    assert value == pytest.approx(result.map.mean(), abs=1e-12)
    assert oracle.relative_error(grad_img1 * result.map.size, result.grad_img1) < 1e-12
    assert oracle.relative_error(grad_img2 * result.map.size, result.grad_img2) < 1e-12


@pytest.mark.parametrize("mask_mode", ["weighted_mean", "multiply_inputs", "normalized"])
@pytest.mark.parametrize("function", ["answer", "loss"])
def test_gradients_with_a_mask_agree_with_finite_differences(function, mask_mode):
    img1, img2 = (image.astype(np.float64) for image in images((2, 2, 13, 12)))
    mask = np.random.default_rng(2).uniform(0, 1, (2, 1, 13, 12)).round(1)
    settings = dict(mask=mask, mask_mode=mask_mode, window="uniform", window_size=5, padding="valid", output="dssim")
    settings |= dict(reduction="image")
    result = getattr(oracle, function)(img1, img2, **settings)

    def total(pair):
        values = getattr(oracle, function)(*pair, **settings)[0]
        return values[0].sum() if function == "loss" else values.sum()

    step = 1e-6
    for index in [(0, 0, 0, 0), (0, 1, 6, 6), (1, 0, 12, 11), (1, 1, 3, 9)]:
        for which, gradient in ((0, result.grad_img1), (1, result.grad_img2)):
            sides = []
            for sign in (1, -1):
                pair = [img1.copy(), img2.copy()]
                pair[which][index] += sign * step
                sides.append(total(pair))
            assert gradient[index] == pytest.approx((sides[0] - sides[1]) / (2 * step), abs=1e-8)
