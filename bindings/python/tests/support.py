"""What the tests share."""

import os

import numpy as np
import pytest

# The accuracy that the library promises for float32 images.
VALUE_TOLERANCE = 1e-6
MAP_TOLERANCE = 5e-6
GRADIENT_TOLERANCE = 2e-6

NO_SKIP = os.environ.get("FSSIM_NO_SKIP") == "1"
EMULATED = os.environ.get("FSSIM_EMULATED") == "1"
GPU = os.environ.get("FSSIM_GPU") == "1"


def missing(what, module=False):
    """Skips the test, or the module at import; a failure where FSSIM_NO_SKIP=1 says that nothing may be missing."""
    if NO_SKIP:
        raise RuntimeError(f"{what} (FSSIM_NO_SKIP=1)")
    pytest.skip(what, allow_module_level=module)


def import_torch():
    try:
        import torch
    except ImportError as error:
        missing(f"PyTorch is not installed: {error}", module=True)
    return torch


def images(shape, seed=0):
    """Two pictures with smooth parts, noise and a flat patch, float32 from 0 to 1."""
    random = np.random.default_rng(seed)
    n, c, h, w = shape
    rows, columns = np.mgrid[0:h, 0:w]
    phase = random.uniform(0, 6, (n, c, 1, 1))
    smooth = 0.5 + 0.4 * np.sin(rows / 5 + phase) * np.cos(columns / 7 - phase)
    img1 = np.clip(smooth + 0.1 * random.standard_normal(shape), 0, 1)
    img2 = np.clip(smooth + 0.05 * random.standard_normal(shape), 0, 1)
    img1[:, :, : h // 4, : w // 4] = 0.25
    img2[:, :, : h // 4, : w // 4] = 0.25
    return img1.astype(np.float32), img2.astype(np.float32)


# Where bugs live: one pixel, smaller than the window, exactly the window, a row longer than a tile, many planes.
SHAPES = [(1, 1, 1, 1), (1, 1, 5, 7), (2, 1, 10, 10), (1, 2, 11, 11), (1, 3, 12, 300), (2, 5, 101, 37), (40, 3, 4, 4)]
VALID_SHAPES = [shape for shape in SHAPES if min(shape[2:]) >= 11]
CASES = [("same", shape) for shape in SHAPES] + [("valid", shape) for shape in VALID_SHAPES]
