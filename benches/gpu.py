#!/usr/bin/env python3
"""Measures fused-ssim beside whichever other SSIM packages are installed, on a GPU, from PyTorch.

    python benches/gpu.py                               a table
    python benches/gpu.py --csv gpu.csv --plot gpu.png  also a file, and a plot (matplotlib)
    python benches/gpu.py --from-csv gpu.csv --plot gpu.png    only the plot, on any machine
    python benches/gpu.py --device cpu --shapes 1x3x256x256    the same on the CPU

Operations
    value             mean SSIM without a gradient
    value_and_grad    the value and the gradient of img1: ssim_and_grad() here, torch.autograd.grad() elsewhere
    forward_backward  (1 - ssim(img1, img2)).backward()

Columns
    call      whole calls from PyTorch, one after the other, as a training loop makes them: where the host is slower
              than the device, this is the host's time
    graph     the same call replayed from a CUDA graph, the queue kept full: the device's time
    kernels   our C API alone (fssim_*_stream through ctypes, results and workspace allocated before), the queue kept
              full; forward_backward is fssim_forward with `saved`, then fssim_backward

Padding: "same" is zeros around the image, "valid" only pixels whose window lies inside it, "reflect" a mirror image around it.

Each time is the median over samples of one or more calls between CUDA events, after a warm-up. The calls go round through
pairs of images that together are larger than the level-2 cache. Every result is first compared with a float64
reference; a package that is wrong is not timed. Each package runs in a process of its own, and the table says why one is
missing. The library is found as the package finds it: FUSED_SSIM_LIBRARY, or target/release. The exit status is 1
if fused-ssim itself could not be measured or was less accurate than it promises.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from gpu_packages import OURS, PACKAGES, PADDINGS
from gpu_report import OPERATIONS, Row, add_floors, format_table, parse_list, parse_shape, plot, read_csv, write_csv

SHAPES = "1x3x256x256,1x3x1080x1920,8x3x1080x1920,1x3x2160x3840"
WORKER = Path(__file__).resolve().with_name("gpu_worker.py")


def parse_arguments(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)

    def choice(known):
        def parse(text):
            try:
                return parse_list(text, known)
            except ValueError as error:
                raise argparse.ArgumentTypeError(error) from error

        return parse

    def shapes(text):
        try:
            return [parse_shape(shape) for shape in text.split(",")]
        except ValueError as error:
            raise argparse.ArgumentTypeError(error) from error

    parser.add_argument(
        "--shapes", type=shapes, default=shapes(SHAPES), metavar="NxCxHxW,...", help=f"default: {SHAPES}"
    )
    parser.add_argument(
        "--packages", type=choice(PACKAGES), default=list(PACKAGES), help=f"from: {', '.join(PACKAGES)}"
    )
    parser.add_argument("--operations", type=choice(OPERATIONS), default=list(OPERATIONS), help=", ".join(OPERATIONS))
    parser.add_argument("--paddings", type=choice(PADDINGS), default=list(PADDINGS), help=", ".join(PADDINGS))
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument(
        "--seconds", type=float, default=0.2, help="about how long each number is measured (default 0.2)"
    )
    parser.add_argument(
        "--timeout", type=float, default=240, help="seconds after which a package is given up (default 240)"
    )
    parser.add_argument("--bandwidth", type=float, help="bytes/s for the memory floor; default: that of a copy")
    parser.add_argument("--fma-rate", type=float, help="multiply-adds/s for the other floor; default: lanes x clock")
    parser.add_argument("--csv", help="write every number to this file")
    parser.add_argument("--plot", help="write a plot to this file (needs matplotlib)")
    parser.add_argument("--from-csv", help="measure nothing: read an earlier --csv file")
    parsed = parser.parse_args(arguments)
    if parsed.plot:
        # Before the measurements, not after them.
        try:
            import matplotlib  # noqa: F401
        except ImportError:
            parser.error("--plot needs matplotlib; without it, write a --csv file and plot that elsewhere")
    return parsed


def run_worker(package, arguments, command=(sys.executable, str(WORKER))):
    """Runs one worker; its records, and what went wrong with the process itself ("" if nothing)."""
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "results"
        results.touch()
        job = {
            "package": package,
            "shapes": [str(shape) for shape in arguments.shapes],
            "paddings": arguments.paddings,
            "operations": arguments.operations,
            "device": arguments.device,
            "budget_s": arguments.seconds,
            "results": str(results),
        }
        failure = ""
        try:
            process = subprocess.run(
                [*command, json.dumps(job)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=arguments.timeout
            )
        except subprocess.TimeoutExpired:
            failure = f"given up after {arguments.timeout:g} s"
        else:
            if process.returncode != 0:
                lines = process.stdout.decode(errors="replace").strip().splitlines()
                failure = f"exit status {process.returncode}: {lines[-1] if lines else 'no output'}"
        # A worker that was killed may have left half a line.
        complete = [line for line in results.read_text().splitlines(keepends=True) if line.endswith("\n")]
        return [json.loads(line) for line in complete], failure


def collect(arguments):
    """Measures everything; (rows, {package: why it is missing}, facts about the machine, whether all is well)."""
    rows, missing, fine = [], {}, True
    records, failure = run_worker("machine", arguments)
    if failure or not records:
        return rows, {"this machine": failure or "no answer"}, {}, False
    machine = records[0]
    for package in arguments.packages:
        print(f"measuring {package} ...", file=sys.stderr, flush=True)
        records, failure = run_worker(package, arguments)
        for record in records:
            kind = record.pop("kind")
            if kind == "row":
                rows.append(Row(**record))
            elif kind == "unavailable":
                missing[package] = record["note"]
            elif kind == "info":
                machine["backend_info"] = record["text"]
            elif kind == "wrong" and package == OURS:
                fine = False
        if failure:
            missing[package] = failure
        if package == OURS and (package in missing or any(row.median_us is None for row in rows)):
            fine = False
    bandwidth = arguments.bandwidth or machine["bytes_per_second"]
    add_floors(rows, bandwidth, arguments.fma_rate or machine["fmas_per_second"])
    return rows, missing, machine, fine


def describe(machine, missing):
    lines = [
        f"{machine.get('name', 'unknown machine')}, driver {machine.get('driver', '-')}, PyTorch {machine.get('torch')}"
    ]
    lines[0] += f" (CUDA {machine.get('cuda') or '-'})"
    for name, key, unit in (("copy", "bytes_per_second", "TB/s"), ("multiply-adds", "fmas_per_second", "T/s")):
        if machine.get(key):
            lines.append(f"{name}: {machine[key] / 1e12:.2f} {unit}")
    lines += machine.get("backend_info", "").strip().splitlines()
    lines += machine.get("notes", [])
    return "\n".join(lines + [f"not measured: {package}: {why}" for package, why in missing.items()])


def main():
    arguments = parse_arguments()
    if arguments.from_csv:
        rows, fine = read_csv(arguments.from_csv), True
    else:
        rows, missing, machine, fine = collect(arguments)
        print(describe(machine, missing), end="\n\n")
    print(format_table(rows) if rows else "no measurements")
    if arguments.csv:
        write_csv(arguments.csv, rows)
    if arguments.plot and rows:
        plot(arguments.plot, rows, f"SSIM on {rows[0].device}: time of a call")
    return 0 if fine and rows else 1


if __name__ == "__main__":
    sys.exit(main())
