"""Test settings.

FUSED_SSIM_LIBRARY   the library to test; default: target/release of this checkout
FSSIM_EMULATED=1     LD_LIBRARY_PATH holds the emulated libcuda.so.1: CUDA tests that need no PyTorch run on it
FSSIM_GPU=1          there is a GPU, a driver, and PyTorch with CUDA: every CUDA test runs
FSSIM_NO_SKIP=1      a skip is a failure
"""

import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent
sys.path[:0] = [str(TESTS), str(TESTS.parent)]

from support import EMULATED, GPU, missing  # noqa: E402

# PyTorch with CUDA cannot work on the emulated driver, so these have no place on a machine without a GPU.
GPU_ONLY = ["test_torch_cuda.py", "test_cupy.py"]
collect_ignore = [] if GPU else GPU_ONLY


def pytest_report_header():
    return None if GPU else f"not collected without FSSIM_GPU=1: {', '.join(GPU_ONLY)}"


@pytest.fixture(scope="session")
def driver():
    """The CUDA driver, real or emulated."""
    if not (EMULATED or GPU):
        missing("no CUDA driver (set FSSIM_EMULATED=1 or FSSIM_GPU=1 where there is one)")
    from cuda_driver import Driver

    return Driver()


@pytest.fixture
def to_device(driver):
    """A function that copies a NumPy array to the device."""
    from cuda_driver import DeviceArray

    driver.make_current()
    return lambda array, stream=None: DeviceArray(driver, array, stream)
