"""What the suites need beside the source tree: where each tool is, or why it cannot be used."""

import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target").absolute()
LIBRARY = TARGET / "release/libfused_ssim.so"


def tools_folder():
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("FSSIM_TOOLS") or Path(cache) / "fused-ssim")


def installed(name, pattern):
    """The file matching a pattern in the tools folder, whichever version tests/setup chose."""
    found = sorted(tools_folder().glob(pattern))
    return (str(found[-1]), None) if found else (None, f"{name} is not installed (tests/setup {name})")


def command(name, package):
    path = shutil.which(name)
    return (path, None) if path else (None, f"{name} is not installed (Debian package {package})")


def cargo_component(name):
    run = subprocess.run(["cargo", name, "--version"], cwd=ROOT, capture_output=True)
    return (name, None) if run.returncode == 0 else (None, f"the Rust toolchain has no cargo {name}")


def built(path, suite):
    return (str(path), None) if path.exists() else (None, f"{path.name} was not built (suite {suite})")


def emulated_driver(folder, suite):
    """The folder, if the driver is in it."""
    _, reason = built(TARGET / folder / "libcuda.so.1", suite)
    return str(TARGET / folder), reason


def compiler_library(name):
    if not shutil.which("g++"):
        return command("g++", "g++")
    path = subprocess.run(["g++", f"-print-file-name={name}"], capture_output=True, text=True).stdout.strip()
    return (path, None) if os.path.isabs(path) else (None, f"g++ has no {name}")


# name: a function that returns (value, None), or (None, why not). The value replaces {name} in commands and environment.
FINDERS = {
    "rustfmt": lambda: cargo_component("fmt"),
    "clippy": lambda: cargo_component("clippy"),
    "g++": lambda: command("g++", "g++"),
    "valgrind": lambda: command("valgrind", "valgrind"),
    "cmake": lambda: command("cmake", "cmake"),
    "clang-format": lambda: installed("clang-format", "clang-format-*/clang_format/data/bin/clang-format"),
    "nvrtc": lambda: installed("nvrtc", "nvrtc-*/nvidia/cuda_nvrtc/lib/libnvrtc.so.12"),
    "ptxas": lambda: installed("ptxas", "ptxas-*/nvidia/cuda_nvcc/bin/ptxas"),
    "cuda-headers": lambda: installed("cuda-headers", "cuda-headers-*/nvidia/cuda_runtime/include"),
    "python": lambda: installed("python", "venv/bin/python"),
    "julia": lambda: installed("julia", "julia-*/bin/julia"),
    "library": lambda: built(LIBRARY, "build"),
    "emulated-driver": lambda: emulated_driver("emulator", "emulator-build"),
    "sanitized-driver": lambda: emulated_driver("emulator-sanitized", "sanitized-build"),
    "checked-driver": lambda: emulated_driver("emulator-checked", "checked-build"),
    "asan": lambda: compiler_library("libasan.so"),
}

# What `tests/setup` takes; g++, valgrind and cmake are its `system`.
SETUP_NAMES = {"g++": "system", "valgrind": "system", "cmake": "system"} | {
    name: name for name in ("clang-format", "nvrtc", "ptxas", "cuda-headers", "python", "julia")
}


def set_up(names):
    """Runs tests/setup for the tools that are wanted. Its failures show up as tools that cannot be found."""
    wanted = sorted({SETUP_NAMES[name] for name in names if name in SETUP_NAMES})
    if wanted:
        subprocess.run([ROOT / "tests/setup", *wanted], stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT)


def find(names):
    """({name: value}, []) with a value for each tool, or with the reasons why some cannot be used."""
    values, reasons = {}, []
    for name in names:
        value, reason = FINDERS[name]()
        values[name] = value
        if reason:
            reasons.append(reason)
    return values, reasons
