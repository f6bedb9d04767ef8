"""The packages that benches/gpu.py compares: how each is imported and called. Every one is optional."""

import importlib
import importlib.metadata
import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Tuple

OURS = "fused-ssim"
BINDING = Path(__file__).resolve().parents[1] / "bindings" / "python"

# Mean SSIM of two (N, C, H, W) tensors with values from 0 to 1: called as function(img1, img2, padding).
Function = Callable[[Any, Any, str], Any]


class Unavailable(Exception):
    """A package cannot be measured; the text says why."""


@dataclass(frozen=True)
class Package:
    load: Callable[[], Function]
    paddings: Tuple[str, ...]
    distribution: str  # its name in a package index, for the version


def version(package):
    try:
        return importlib.metadata.version(package.distribution)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _import(module):
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name == module.partition(".")[0]:
            raise Unavailable("not installed") from error
        raise


def ours():
    """This checkout's package. FUSED_SSIM_LIBRARY names the library, if it is not in target/release."""
    sys.path.insert(0, str(BINDING))
    return importlib.import_module("fused_ssim")


def load_ours():
    return ours().fused_ssim


def load_frame_analytics():
    package = _import("frame_analytics")
    status = package.backend_status()
    if not status["available"]:
        raise Unavailable(f"its native library did not load: {status['error']}")
    # backend_hint keeps it from falling back to its portable path without saying so.
    return lambda img1, img2, _: package.ssim(img1, img2, data_range=1.0, backend_hint="native")


def load_fussim():
    package = _import("fussim")
    import torch

    if torch.version.cuda:
        # Imported here because the package replaces the reason of a failure by "no compatible extension".
        importlib.import_module(f"fussim._cuda_cu{torch.version.cuda.replace('.', '')}")
    return package.fused_ssim


def load_rahul_goel():
    """The package whose import name is ours too: loaded under another name from wherever else it is."""
    for folder in sys.path:
        source = Path(folder or ".") / "fused_ssim" / "__init__.py"
        if source.is_file() and "fused_ssim_cuda" in source.read_text():
            spec = importlib.util.spec_from_file_location("rahul_goel_fused_ssim", source)
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            return module.fused_ssim
    raise Unavailable("not installed")


def load_pytorch_msssim():
    package = _import("pytorch_msssim")
    return lambda img1, img2, _: package.ssim(img1, img2, data_range=1.0)


def load_torchmetrics():
    package = _import("torchmetrics.functional.image")
    function = package.structural_similarity_index_measure
    return lambda img1, img2, _: function(img1, img2, data_range=1.0, sigma=1.5)


BOTH = ("same", "valid")
# What surrounds the image: zeros, nothing, or its mirror image.
PADDINGS = (*BOTH, "reflect")

PACKAGES = {
    OURS: Package(load_ours, BOTH, "fused-ssim"),
    "frame-analytics": Package(load_frame_analytics, ("valid",), "frame-analytics"),
    "fussim": Package(load_fussim, BOTH, "fussim"),
    "rahul-goel": Package(load_rahul_goel, BOTH, "fused-ssim"),
    "pytorch-msssim": Package(load_pytorch_msssim, ("valid",), "pytorch-msssim"),
    "torchmetrics": Package(load_torchmetrics, ("reflect",), "torchmetrics"),
}
