#!/usr/bin/env python3
"""Measures what element types, layouts, masks, the gradients of both images and the training loss cost on a GPU.

    python benches/gpu_formats.py                            a table
    python benches/gpu_formats.py --shape 8x3x1080x1920

One call after the other from PyTorch, the queue kept full, so that the device's time counts; the calls go round through pairs
of images that together are larger than the level-2 cache. Each figure is the median of samples of several calls
between CUDA events, after a warm-up, and its ratio to that of plain f32 planes, the first line of its column. Values are
compared with those of the same images in f32 planes first; the exit status is 1 if one is wrong. The library is found as
the package finds it.
"""

import argparse
import statistics
import sys
from dataclasses import dataclass
from typing import Callable, Optional

import gpu_packages
import torch

fused_ssim = gpu_packages.ours()

CACHE_BYTES = 200 << 20
CALLS = 10
SAMPLES = 30


@dataclass
class Case:
    """A way to hand over a pair of images of values from 0 to 1 in f32 planes."""

    name: str
    first: Callable[[torch.Tensor], torch.Tensor]
    second: Callable[[torch.Tensor], torch.Tensor]
    masked: bool = False
    tolerance: float = 1e-6


def planes(image):
    return image


def interleaved(image):
    return image.contiguous(memory_format=torch.channels_last)


def cast(dtype):
    return lambda image: image.to(dtype)


def as_bytes(image):
    return (image * 255).round().to(torch.uint8)


# Rounding the pixels to f16, bf16 or bytes changes the value itself.
CASES = [
    Case("f32 planes", planes, planes),
    Case("f32 interleaved", interleaved, interleaved),
    Case("f16 planes", cast(torch.float16), cast(torch.float16), tolerance=1e-3),
    Case("bf16 planes", cast(torch.bfloat16), cast(torch.bfloat16), tolerance=1e-2),
    Case("u8 planes", as_bytes, as_bytes, tolerance=1e-2),
    Case("f32 planes, u8 interleaved", planes, lambda image: interleaved(as_bytes(image)), tolerance=1e-2),
    Case("f32 interleaved, u8 interleaved", interleaved, lambda image: interleaved(as_bytes(image)), tolerance=1e-2),
    Case("f32 planes, mask", planes, planes, masked=True),
]


def operations(mask: Optional[torch.Tensor]):
    options = {} if mask is None else {"mask": mask}
    return {
        "value": lambda x, y: fused_ssim.ssim(x, y, **options),
        "value and grad": lambda x, y: fused_ssim.ssim_and_grad(x, y, **options),
        "value and both grads": lambda x, y: fused_ssim.ssim_and_grad(x, y, wrt="both", **options),
        "loss and grad": lambda x, y: fused_ssim.loss_and_grad(x, y, **options),
    }


def scalar(result):
    values = result if isinstance(result, torch.Tensor) else result[0]
    return float(values.flatten()[0])


def median_us(call, pairs):
    for pair in pairs:
        call(*pair)
    samples = []
    for sample in range(SAMPLES):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        for i in range(CALLS):
            call(*pairs[(sample * CALLS + i) % len(pairs)])
        end.record()
        end.synchronize()
        samples.append(begin.elapsed_time(end) * 1000 / CALLS)
    return statistics.median(samples)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", default="1x3x1080x1920", help="NxCxHxW")
    shape = [int(size) for size in parser.parse_args().shape.split("x")]
    if not torch.cuda.is_available():
        print("gpu_formats.py: PyTorch sees no GPU", file=sys.stderr)
        return 1
    generator = torch.Generator("cuda").manual_seed(1)
    count = max(2, CACHE_BYTES // (8 * torch.Size(shape).numel()) + 1)
    originals = []
    for _ in range(count):
        x = torch.rand(shape, device="cuda", generator=generator)
        noise = torch.rand(shape, device="cuda", generator=generator) - 0.5
        originals.append((x, (x + 0.3 * noise).clamp(0, 1)))
    # A disc of ones, as photographs have: whole strips inside, outside, and across its edge.
    rows, columns = torch.meshgrid(*(torch.linspace(-1, 1, size, device="cuda") for size in shape[2:]), indexing="ij")
    disc = (rows**2 + columns**2 < 0.8).to(torch.uint8).expand(shape[0], 1, -1, -1).contiguous()

    print(f"{torch.cuda.get_device_name()}, fused-ssim {fused_ssim.version()}, {'x'.join(map(str, shape))}, us")
    names = list(operations(None))
    print(f"{'':34}" + "".join(f"{name:>22}" for name in names))
    plain, wrong = {}, False
    for case in CASES:
        pairs = [(case.first(x), case.second(y)) for x, y in originals]
        run = operations(disc if case.masked else None)
        line = f"{case.name:34}"
        for name in names:
            expected = scalar(run[name](*originals[0]))
            wrong |= not abs(scalar(run[name](*pairs[0])) - expected) <= case.tolerance
            time = median_us(run[name], pairs)
            line += f"{time:14.1f} {time / plain.setdefault(name, time):6.2f}x"
        print(line, flush=True)
    if wrong:
        print("gpu_formats.py: a value differs from that of f32 planes", file=sys.stderr)
    return int(wrong)


if __name__ == "__main__":
    sys.exit(main())
