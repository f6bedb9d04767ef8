"""SSIM and its gradient in float64, written from the definition, for the tests alone.

It shares nothing with the library: plain loops over the 11 taps, the five moments of the original paper instead of the
library's four, and a gradient that goes back through those moments step by step.
"""

from typing import NamedTuple

import numpy as np

TAPS = 11
RADIUS = TAPS // 2


class Oracle(NamedTuple):
    map: np.ndarray  # (N, C, H, W), with "valid" (N, C, H-10, W-10)
    grad_img1: np.ndarray  # (N, C, H, W), of sum(upstream * map)
    grad_img2: np.ndarray


def window(sigma):
    taps = [np.exp(-((k - RADIUS) ** 2) / (2 * sigma**2)) for k in range(TAPS)]
    return np.array(taps) / np.sum(taps)


def filtered(image, taps):
    """The image under the window, with zeros around it."""
    h, w = image.shape[-2:]
    padded = np.pad(image, [(0, 0), (0, 0), (RADIUS, RADIUS), (RADIUS, RADIUS)])
    rows = np.zeros(padded.shape[:2] + (h, w + 2 * RADIUS))
    for k in range(TAPS):
        rows += taps[k] * padded[:, :, k : k + h, :]
    result = np.zeros(image.shape)
    for k in range(TAPS):
        result += taps[k] * rows[:, :, :, k : k + w]
    return result


def ssim(img1, img2, *, padding="same", upstream=None, data_range=1.0, sigma=1.5, k1=0.01, k2=0.03):
    """The map, and the gradients of sum(upstream * map); upstream defaults to ones."""
    x, y = np.asarray(img1, np.float64), np.asarray(img2, np.float64)
    taps = window(sigma)
    c1, c2 = (k1 * data_range) ** 2, (k2 * data_range) ** 2

    mu_x, mu_y = filtered(x, taps), filtered(y, taps)
    var_x = filtered(x * x, taps) - mu_x**2
    var_y = filtered(y * y, taps) - mu_y**2
    cov = filtered(x * y, taps) - mu_x * mu_y
    luminance = (2 * mu_x * mu_y + c1) / (mu_x**2 + mu_y**2 + c1)
    structure = (2 * cov + c2) / (var_x + var_y + c2)
    full_map = luminance * structure

    h, w = x.shape[-2:]
    inside = (..., slice(0, h), slice(0, w))
    if padding == "valid":
        inside = (..., slice(RADIUS, h - RADIUS), slice(RADIUS, w - RADIUS))
    weight = np.zeros(x.shape)
    weight[inside] = 1.0 if upstream is None else upstream

    d_luminance = weight * structure
    d_structure = weight * luminance
    d_cov = d_structure * 2 / (var_x + var_y + c2)
    d_var = -d_structure * structure / (var_x + var_y + c2)

    def gradient(this, other, mu_this, mu_other):
        # The means enter the luminance directly, and the variance and covariance through what is subtracted there.
        d_mu = d_luminance * 2 * (mu_other - luminance * mu_this) / (mu_x**2 + mu_y**2 + c1)
        d_mu += d_var * -2 * mu_this + d_cov * -mu_other
        # The window is symmetric, so filtering is its own adjoint.
        return filtered(d_mu, taps) + 2 * this * filtered(d_var, taps) + other * filtered(d_cov, taps)

    return Oracle(full_map[inside], gradient(x, y, mu_x, mu_y), gradient(y, x, mu_y, mu_x))


AXES = {"mean": (0, 1, 2, 3), "image": (1, 2, 3), "channel": (2, 3), "map": ()}


def reduced(map_, reduction):
    """The map as one of the library's reductions gives it."""
    return map_.mean(axis=AXES[reduction])


def relative_error(actual, expected):
    """The Euclidean norm of the difference over that of the expected gradient."""
    actual, expected = np.asarray(actual, np.float64), np.asarray(expected, np.float64)
    return np.linalg.norm(actual - expected) / np.linalg.norm(expected)
