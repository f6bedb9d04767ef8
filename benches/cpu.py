#!/usr/bin/env python3
"""Measures fused-ssim on the CPU beside whichever other SSIM packages are installed.

    python benches/cpu.py                                  a table
    python benches/cpu.py --shapes 1x3x720x1280 --seconds 5 --threads 1

value is the mean SSIM without a gradient, value and gradient also that of img1: ssim_and_grad() here,
torch.autograd.grad() elsewhere. float32 images and `valid` padding, unless a line says otherwise; torchmetrics mirrors the
image around its border instead, and only its value is compared and timed.
The training loss is 0.8 mean |x - y| + 0.2 (1 - SSIM); a weighted mean has a mask of ones, for which the result is known.
Times are medians of whole calls in milliseconds, after a warm-up, the packages taking turns, so that what else the machine
does meets all of them. Every result is first compared with a float64 reference; one that is wrong is not timed. The
library is found as the package finds it: FUSED_SSIM_LIBRARY, or target/release. The exit status is 1 if fused-ssim
itself is missing or wrong.
"""

import argparse
import os
import platform
import statistics
import sys
import time
from pathlib import Path

import gpu_packages
import numpy as np

sys.path.insert(0, str(gpu_packages.BINDING / "tests"))
import oracle  # noqa: E402

VALUE, GRADIENT = "value", "value and gradient"
# What fused-ssim promises, and what others must reach to be compared.
OWN_TOLERANCES = {VALUE: 1e-6, GRADIENT: 2e-6}
TOLERANCES = {VALUE: 1e-4, GRADIENT: 1e-3}
MIRRORED = "torchmetrics"
# Taps of the default window on each side of the centre.
RADIUS = 5
TRAINING_LOSS, LAMBDA = "fused-ssim, training loss", 0.2


def our_calls(img1, img2, threads):
    package = gpu_packages.ours()
    package.set_num_threads(threads)

    def calls(x, y, mask=None, **into):
        return {
            VALUE: lambda: (package.ssim(x, y, padding="valid", mask=mask), None),
            GRADIENT: lambda: package.ssim_and_grad(x, y, padding="valid", mask=mask, **into)[:2],
        }

    def interleaved(image):
        return np.ascontiguousarray(image.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)

    return {
        # A new array of this size costs the system as much as the computation; a loop can bring its own.
        "fused-ssim": calls(img1, img2, grad_img1=np.empty_like(img1)),
        "fused-ssim, a new gradient": calls(img1, img2),
        "fused-ssim, channels last": calls(
            interleaved(img1), interleaved(img2), grad_img1=interleaved(np.zeros_like(img1))
        ),
        "fused-ssim, float16": calls(
            img1.astype(np.float16), img2.astype(np.float16), grad_img1=np.empty_like(img1)
        ),
        "fused-ssim, float64": calls(
            img1.astype(np.float64), img2.astype(np.float64), grad_img1=np.empty(img1.shape)
        ),
        "fused-ssim, weighted mean": calls(
            img1, img2, mask=np.ones((img1.shape[0], 1, *img1.shape[2:]), np.float32), grad_img1=np.empty_like(img1)
        ),
        TRAINING_LOSS: training_loss(package, img1, img2),
    }


def training_loss(package, img1, img2):
    """Only with a gradient; what is compared is its share of SSIM."""
    gradient = np.empty_like(img1)
    of_pixels = (1 - LAMBDA) * np.sign(img1.astype(np.float64) - img2) / img1.size

    def call():
        return package.loss_and_grad(img1, img2, lambda_=LAMBDA, padding="valid", grad_img1=gradient)

    def share(result):
        return 1 - result.dissimilarity, (of_pixels - result.grad_img1) / LAMBDA

    return {GRADIENT: call, "share": share}


def torch_calls(name, img1, img2, threads):
    """Those of a package that takes tensors; an Unavailable if it is not installed."""
    function = gpu_packages.PACKAGES[name].load()
    import torch

    torch.set_num_threads(threads)
    x, y = torch.from_numpy(img1), torch.from_numpy(img2)
    tracked = x.clone().requires_grad_()

    def with_gradient():
        value = function(tracked, y, "valid")
        (gradient,) = torch.autograd.grad(value, tracked)
        return value.detach(), gradient

    value = {VALUE: lambda: (function(x, y, "valid"), None)}
    return value if name == MIRRORED else {**value, GRADIENT: with_gradient}


def skimage_calls(img1, img2, _):
    try:
        from skimage.metrics import structural_similarity
    except ModuleNotFoundError:
        raise gpu_packages.Unavailable("not installed") from None
    settings = dict(data_range=1.0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, channel_axis=0)
    # It crops its own border, and has no gradient that autograd could use.
    return {VALUE: lambda: (np.mean([structural_similarity(x, y, **settings) for x, y in zip(img1, img2)]), None)}


def images(shape):
    random = np.random.default_rng(0)
    rows, columns = np.mgrid[0 : shape[2], 0 : shape[3]]
    smooth = 0.5 + 0.4 * np.sin(rows / 50) * np.cos(columns / 70)
    noisy = [np.clip(smooth + sigma * random.standard_normal(shape), 0, 1) for sigma in (0.1, 0.05)]
    # Multiples of 1/256, which float16 holds.
    return [(np.floor(image * 256) / 256).astype(np.float32) for image in noisy]


def error(result, reference, operation):
    value, gradient = result
    if operation == VALUE:
        return abs(float(value) - reference.map.mean())
    return oracle.relative_error(np.asarray(gradient, np.float64) * reference.map.size, reference.grad_img1)


def measure(calls, seconds):
    """Medians in milliseconds of calls that take turns."""
    times = {name: [] for name in calls}
    end = time.perf_counter() + seconds * len(calls)
    while time.perf_counter() < end or any(len(samples) < 3 for samples in times.values()):
        for name, call in calls.items():
            # Slow ones need no more samples than say how slow they are.
            if len(times[name]) >= 3 and sum(times[name]) > 2 * seconds:
                continue
            start = time.perf_counter()
            call()
            times[name].append(time.perf_counter() - start)
    return {name: 1e3 * statistics.median(samples) for name, samples in times.items()}


def processor():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shapes", default="1x3x1080x1920,4x3x256x256", help="NxCxHxW,... (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=2, help="for each number, about (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="default: all processors")
    arguments = parser.parse_args()

    instructions = gpu_packages.ours().backend_info().splitlines()[1].removeprefix("cpu: ")
    print(f"{processor()}, {arguments.threads} threads; fused-ssim uses {instructions.partition(',')[0]}")
    failed = False
    for text in arguments.shapes.split(","):
        shape = tuple(int(size) for size in text.split("x"))
        img1, img2 = images(shape)
        valid = oracle.ssim(img1, img2, padding="valid")
        border = [(0, 0), (0, 0), (RADIUS, RADIUS), (RADIUS, RADIUS)]
        mirrored = oracle.ssim(*(np.pad(image, border, "reflect") for image in (img1, img2)), padding="valid")
        packages = our_calls(img1, img2, arguments.threads)
        notes = []
        for name in ("frame-analytics", "pytorch-msssim", MIRRORED, "scikit-image"):
            try:
                if name == "scikit-image":
                    packages[name] = skimage_calls(img1, img2, arguments.threads)
                else:
                    packages[name] = torch_calls(name, img1, img2, arguments.threads)
            except gpu_packages.Unavailable as reason:
                notes.append(f"{name}: {reason}")
        medians, errors = {}, {}
        for operation in (VALUE, GRADIENT):
            right = {}
            for name, calls in packages.items():
                if operation not in calls:
                    continue
                own = name.startswith("fused-ssim")
                reference = mirrored if name == MIRRORED else valid
                try:
                    result = calls[operation]()
                    share = calls.get("share", lambda result: result)
                    errors[name, operation] = error(share(result), reference, operation)
                except Exception as reason:  # a package's own errors, of any type, are a line of the table
                    notes.append(f"{name}, {operation}: {type(reason).__name__}: {str(reason).splitlines()[0]}")
                    failed |= own
                    continue
                if errors[name, operation] <= (OWN_TOLERANCES if own else TOLERANCES)[operation]:
                    right[name] = calls[operation]
                else:
                    notes.append(f"{name}, {operation}: off by {errors[name, operation]:.1e}, not timed")
                    failed |= own
            medians[operation] = measure(right, arguments.seconds)
        print(f"\n{text:28}{'value':>10}{'error':>10}{'and gradient':>15}{'error':>10}   (ms)")
        for name in packages:
            columns = [
                (medians[operation].get(name), errors.get((name, operation))) for operation in (VALUE, GRADIENT)
            ]
            cells = [(f"{t:.2f}" if t else "-", f"{e:.1e}" if e is not None else "-") for t, e in columns]
            print(f"{name:28}{cells[0][0]:>10}{cells[0][1]:>10}{cells[1][0]:>15}{cells[1][1]:>10}")
        for note in notes:
            print(f"  {note}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
