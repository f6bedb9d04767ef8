#!/usr/bin/env python3
"""Times the first call of a process on CUDA: what it takes to load or to compile the kernels.

    python benches/first_call.py                    the library's own choice of an image, and PTX
    python benches/first_call.py --processes 9 --shape 1x3x256x256
    python benches/first_call.py --image sm_80      another image (see FSSIM_CUDA_IMAGE in CONTRIBUTING.md)

Every figure is a median over processes of their own, with the driver's cache of compiled PTX switched off. The driver is
initialised and the device's context made before the clock starts, as by a program that computes with CUDA already. Needs
Python and an NVIDIA driver, nothing else. FUSED_SSIM_LIBRARY names the library; default: that in target/release.
"""

import argparse
import ctypes
import json
import os
import re
import statistics
import subprocess
import sys
import time
from ctypes import byref, c_char_p, c_float, c_int, c_int64, c_size_t, c_ubyte, c_uint, c_uint64, c_void_p
from pathlib import Path

CALLS = ["value", "value and gradient", "forward and backward"]
DEFAULT_LIBRARY = Path(__file__).resolve().parents[1] / "target/release/libfused_ssim.so"


class Driver:
    """The CUDA driver, with the primary context of device 0 current."""

    def __init__(self):
        self.library = ctypes.CDLL("libcuda.so.1")
        context = c_void_p()
        self.init_ms = milliseconds(lambda: self.call("cuInit", c_uint(0)))
        # As PyTorch and the CUDA runtime do it; memory is touched so that nothing of the context is left for later.
        self.context_ms = milliseconds(lambda: self.make_context(context))

    def make_context(self, context):
        self.call("cuDevicePrimaryCtxRetain", byref(context), c_int(0))
        self.call("cuCtxSetCurrent", context)
        self.zeros(1 << 20)

    def zeros(self, count):
        """Device memory for that many bytes, all of them 0."""
        address = c_uint64()
        self.call("cuMemAlloc_v2", byref(address), c_size_t(count))
        self.call("cuMemsetD8_v2", address, c_ubyte(0), c_size_t(count))
        self.call("cuCtxSynchronize")
        return c_void_p(address.value)

    def read_float(self, address):
        value = c_float()
        self.call("cuMemcpyDtoH_v2", byref(value), c_uint64(address.value), c_size_t(4))
        return value.value

    def call(self, function, *arguments):
        status = getattr(self.library, function)(*arguments)
        if status != 0:
            name = c_char_p()
            self.library.cuGetErrorName(c_int(status), byref(name))
            sys.exit(f"{function}: {(name.value or b'unknown error').decode()}")


class Library:
    """The few functions of the library that are timed."""

    def __init__(self, path):
        self.library = ctypes.CDLL(str(path))
        self.library.fssim_last_error.restype = c_char_p

    def call(self, function, *arguments):
        if getattr(self.library, function)(*arguments) != 0:
            sys.exit(f"{function}: {self.library.fssim_last_error().decode()}")

    def device_image(self):
        """What fssim_backend_info says of the kernels of device 0."""
        buffer = ctypes.create_string_buffer(1 << 14)
        self.call("fssim_backend_info", buffer, c_size_t(len(buffer)), None)
        return re.search(r"^cuda device 0: .*kernels: (.*)$", buffer.value.decode(), re.MULTILINE)[1]


def milliseconds(function):
    start = time.perf_counter()
    function()
    return (time.perf_counter() - start) * 1e3


def work(path, call, shape):
    """What a process does: the times of one call, as JSON."""
    driver = Driver()
    fused_ssim = None

    def load():
        nonlocal fused_ssim
        fused_ssim = Library(path)

    load_ms = milliseconds(load)
    dimensions = [c_int64(size) for size in shape]
    pixels = 4
    for size in shape:
        pixels *= size
    saved_bytes = c_size_t()
    fused_ssim.call("fssim_saved_size", *dimensions, None, byref(saved_bytes))
    img1, img2, grad = (driver.zeros(pixels) for _ in range(3))
    saved, ssim = driver.zeros(saved_bytes.value), driver.zeros(4)
    pair = (img1, img2, *dimensions, None)

    def run():
        if call == "value":
            fused_ssim.call("fssim_forward", *pair, ssim, None)
        elif call == "value and gradient":
            fused_ssim.call("fssim_value_and_grad", *pair, ssim, grad, None)
        else:
            fused_ssim.call("fssim_forward", *pair, ssim, saved)
            fused_ssim.call("fssim_backward", *pair, saved, None, grad, None)

    first_ms, second_ms = milliseconds(run), milliseconds(run)
    # Equal images.
    if driver.read_float(ssim) != 1.0:
        sys.exit(f"the SSIM of equal images is {driver.read_float(ssim)}")
    times = {"init": driver.init_ms, "context": driver.context_ms, "load": load_ms, "first": first_ms, "second": second_ms}
    print(json.dumps({"image": fused_ssim.device_image(), "times": times}))


def measure(path, call, shape, image, processes):
    """The image, and the median of each time."""
    environment = {**os.environ, "CUDA_CACHE_DISABLE": "1"}
    if image:
        environment["FSSIM_CUDA_IMAGE"] = image
    command = [sys.executable, __file__, "--library", path, "--work", call, "--shape", "x".join(map(str, shape))]
    outcomes = []
    for _ in range(processes):
        run = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=False)
        if run.returncode != 0:
            sys.exit(1)
        outcomes.append(json.loads(run.stdout.splitlines()[-1]))
    times = {name: statistics.median(outcome["times"][name] for outcome in outcomes) for name in outcomes[0]["times"]}
    return outcomes[0]["image"], times


def shape_of(text):
    sizes = tuple(int(size) for size in text.split("x"))
    if len(sizes) != 4 or min(sizes) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not NxCxHxW")
    return sizes


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", type=Path, default=Path(os.environ.get("FUSED_SSIM_LIBRARY") or DEFAULT_LIBRARY))
    parser.add_argument("--processes", type=int, default=5, help="processes for each figure")
    parser.add_argument("--shape", type=shape_of, action="append", help="NxCxHxW; default: 1x3x1080x1920 and 1x3x256x256")
    parser.add_argument("--image", action="append", help="ptx or sm_NN; default: the library's choice, and ptx")
    parser.add_argument("--work", choices=CALLS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    shapes = arguments.shape or [(1, 3, 1080, 1920), (1, 3, 256, 256)]
    if arguments.work:
        return work(arguments.library, arguments.work, shapes[0])
    if not arguments.library.is_file():
        sys.exit(f"there is no library at {arguments.library}: cargo build --release, or set FUSED_SSIM_LIBRARY")
    print(f"library: {arguments.library.stat().st_size / 1e6:.2f} MB; medians of {arguments.processes} processes, ms\n")
    print(f"{'shape':<14} {'call':<21} {'kernels':<27} {'first call':>10} {'second':>8} {'dlopen':>8} {'context':>8}")
    for shape in shapes:
        for call in CALLS:
            shown = set()
            for image in arguments.image or [None, "ptx"]:
                name, times = measure(arguments.library, call, shape, image, arguments.processes)
                # A library without machine code chooses PTX by itself.
                if name in shown:
                    continue
                shown.add(name)
                figures = f"{times['first']:>10.1f} {times['second']:>8.2f} {times['load']:>8.2f} {times['context']:>8.1f}"
                print(f"{'x'.join(map(str, shape)):<14} {call:<21} {name:<27} {figures}", flush=True)


if __name__ == "__main__":
    main()
