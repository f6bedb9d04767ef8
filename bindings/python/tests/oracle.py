"""SSIM, its gradient and the loss built on it in float64, written from the definition, for the tests alone.

It shares nothing with the library: plain loops over the taps, the five moments of the original paper instead of the
library's four, and a gradient that goes back through those moments step by step.
"""

from typing import NamedTuple

import numpy as np


class Oracle(NamedTuple):
    map: np.ndarray  # (N, C, H, W), with "valid" (N, C, H-w+1, W-w+1) for a window of w
    grad_img1: np.ndarray  # (N, C, H, W), of sum(upstream * map)
    grad_img2: np.ndarray


class Answer(NamedTuple):
    value: np.ndarray
    grad_img1: np.ndarray  # of sum(value)
    grad_img2: np.ndarray


class Loss(NamedTuple):
    values: np.ndarray  # (3, ...): the loss, its pixel part, its dissimilarity
    grad_img1: np.ndarray  # of sum(values[0])
    grad_img2: np.ndarray


def taps_of(window, size, sigma):
    distances = np.arange(size) - size // 2
    taps = np.ones(size) if window == "uniform" else np.exp(-(distances**2) / (2 * sigma**2))
    return taps / np.sum(taps)


def filtered(image, taps):
    """The image under the window, with zeros around it."""
    h, w = image.shape[-2:]
    radius = len(taps) // 2
    padded = np.pad(image, [(0, 0), (0, 0), (radius, radius), (radius, radius)])
    rows = np.zeros(padded.shape[:2] + (h, w + 2 * radius))
    for k, tap in enumerate(taps):
        rows += tap * padded[:, :, k : k + h, :]
    result = np.zeros(image.shape)
    for k, tap in enumerate(taps):
        result += tap * rows[:, :, :, k : k + w]
    return result


def map_rows_and_columns(shape, padding, window_size):
    radius = window_size // 2 if padding == "valid" else 0
    h, w = shape[-2:]
    return (..., slice(radius, h - radius), slice(radius, w - radius))


def ssim(
    img1,
    img2,
    *,
    padding="same",
    upstream=None,
    window="gaussian",
    window_size=11,
    data_range=1.0,
    sigma=1.5,
    k1=0.01,
    k2=0.03,
    weights=None,
):
    """The map, and the gradients of sum(upstream * map); upstream defaults to ones.

    With `weights`, moments are those of the pixels weighted inside each window (normalised convolution).
    """
    x, y = np.asarray(img1, np.float64), np.asarray(img2, np.float64)
    taps = taps_of(window, window_size, sigma)
    c1, c2 = (k1 * data_range) ** 2, (k2 * data_range) ** 2

    if weights is None:

        def moment(image):
            return filtered(image, taps)

        # The window is symmetric, so filtering is its own adjoint.
        adjoint = moment
    else:
        total = filtered(weights, taps)
        # Windows that see nothing have no part in any result.
        total[total == 0] = np.inf

        def moment(image):
            return filtered(weights * image, taps) / total

        def adjoint(image):
            return weights * filtered(image / total, taps)

    mu_x, mu_y = moment(x), moment(y)
    var_x = moment(x * x) - mu_x**2
    var_y = moment(y * y) - mu_y**2
    cov = moment(x * y) - mu_x * mu_y
    luminance = (2 * mu_x * mu_y + c1) / (mu_x**2 + mu_y**2 + c1)
    structure = (2 * cov + c2) / (var_x + var_y + c2)
    full_map = luminance * structure

    inside = map_rows_and_columns(x.shape, padding, window_size)
    upstream_of_all = np.zeros(x.shape)
    upstream_of_all[inside] = 1.0 if upstream is None else upstream

    d_luminance = upstream_of_all * structure
    d_structure = upstream_of_all * luminance
    d_cov = d_structure * 2 / (var_x + var_y + c2)
    d_var = -d_structure * structure / (var_x + var_y + c2)

    def gradient(this, other, mu_this, mu_other):
        # The means enter the luminance directly, and the variance and covariance through what is subtracted there.
        d_mu = d_luminance * 2 * (mu_other - luminance * mu_this) / (mu_x**2 + mu_y**2 + c1)
        d_mu += d_var * -2 * mu_this + d_cov * -mu_other
        return adjoint(d_mu) + 2 * this * adjoint(d_var) + other * adjoint(d_cov)

    return Oracle(full_map[inside], gradient(x, y, mu_x, mu_y), gradient(y, x, mu_y, mu_x))


AXES = {"mean": (0, 1, 2, 3), "image": (1, 2, 3), "channel": (2, 3), "map": ()}
# Of SSIM S: offset + slope * S.
OUTPUTS = {"ssim": (0, 1), "one_minus_ssim": (1, -1), "dssim": (0.5, -0.5)}


def reduced(map_, reduction):
    """The map as one of the library's reductions gives it."""
    return map_.mean(axis=AXES[reduction])


def weighted_mean(values, weights, reduction):
    """The mean, and its derivative by each of `values`."""
    if reduction == "map":
        return weights * values, weights
    share = weights / weights.sum(axis=AXES[reduction], keepdims=True)
    return (share * values).sum(axis=AXES[reduction]), share


def masked(img1, img2, mask, mask_mode):
    """The images that are compared, the weights of windows (or None) and those of means."""
    x, y = np.asarray(img1, np.float64), np.asarray(img2, np.float64)
    if mask is None:
        return x, y, None, np.ones(x.shape)
    m = np.broadcast_to(np.asarray(mask, np.float64), x.shape)
    if mask_mode == "multiply_inputs":
        return m * x, m * y, None, np.ones(x.shape)
    return x, y, m if mask_mode == "normalized" else None, m


def answer(img1, img2, *, reduction="mean", output="ssim", mask=None, mask_mode="weighted_mean", **settings):
    """What the library returns for these arguments."""
    x, y, window_weights, weights = masked(img1, img2, mask, mask_mode)
    inside = map_rows_and_columns(x.shape, settings.get("padding", "same"), settings.get("window_size", 11))
    offset, slope = OUTPUTS[output]
    map_ = offset + slope * ssim(x, y, weights=window_weights, **settings).map
    value, share = weighted_mean(map_, weights[inside], reduction)
    _, *grads = ssim(x, y, weights=window_weights, upstream=slope * share, **settings)
    # By the images that were given.
    inner = mask if mask is not None and mask_mode == "multiply_inputs" else 1
    return Answer(value, *(inner * grad for grad in grads))


def loss(img1, img2, *, lambda_=0.2, pixel_loss="l1", reduction="mean", output="one_minus_ssim", **settings):
    """What the library's loss returns for these arguments."""
    mask, mask_mode = settings.get("mask"), settings.get("mask_mode", "weighted_mean")
    d = answer(img1, img2, reduction=reduction, output=output, **settings)
    x, y, _, weights = masked(img1, img2, mask, mask_mode)
    difference = x - y
    distance, slope = (abs(difference), np.sign(difference)) if pixel_loss == "l1" else (difference**2, 2 * difference)
    pixel, share = weighted_mean(distance, weights, reduction)
    inner = mask if mask is not None and mask_mode == "multiply_inputs" else 1
    d_pixel = inner * share * slope
    grads = ((1 - lambda_) * sign * d_pixel + lambda_ * of_d for sign, of_d in ((1, d.grad_img1), (-1, d.grad_img2)))
    return Loss(np.stack([(1 - lambda_) * pixel + lambda_ * d.value, pixel, d.value]), *grads)


def relative_error(actual, expected):
    """The Euclidean norm of the difference over that of the expected gradient."""
    actual, expected = np.asarray(actual, np.float64), np.asarray(expected, np.float64)
    return np.linalg.norm(actual - expected) / np.linalg.norm(expected)
