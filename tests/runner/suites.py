"""The suites, in the order in which they run: cheap ones first, then whatever builds on the library."""

from dataclasses import dataclass, field

from . import tools


@dataclass(frozen=True)
class Suite:
    name: str
    what: str
    command: list[str]  # {tool} stands for the path of a tool of `needs`, {root} and {target} for the folders
    reports: str = "step"  # how it counts: step, or a reader of counts.py
    needs: tuple[str, ...] = ()  # tools without which it cannot run
    wants: tuple[str, ...] = ()  # tools that some of its tests need; it says itself what it skips
    env: dict[str, str] = field(default_factory=dict)
    # The suite that runs the CUDA tests of this one on the emulated driver; it answers for those skipped here.
    cuda_suite: str | None = None


CARGO_TEST = ["cargo", "test", "--locked", "--no-fail-fast"]
WARNINGS = ["--", "-D", "warnings"]
CUDA_TEST = [*CARGO_TEST, "--lib", "--test", "cuda", "--", "--show-output"]
EMULATED = {"LD_LIBRARY_PATH": "{emulated-driver}", "FSSIM_EMULATED": "1"}
# Each access costs some 50 times what it does without: large images and every kind of image stay out.
CHECKED_STRIPS = ["accuracy::", "--skip", "accuracy::every_size", "--skip", "accuracy::every_kind_of_image"]
CHECKED_GENERAL = ["accuracy::every_layout", "accuracy::every_output", "masks::", "windows::at_every_size_of_image"]
CHECKED = {"strips": CHECKED_STRIPS, "tiles": CHECKED_STRIPS, "general": CHECKED_GENERAL}
# Kernels that do the same in different ways (src/cuda/cut.rs).
FAMILIES = ("strips", "tiles", "general")
# What the general kernels compute in every family.
ALWAYS_GENERAL = ["--skip", "masks::", "--skip", "windows::"]
# AddressSanitizer has to be the first library of the test program, but not of cargo.
SANITIZED = {
    "LD_LIBRARY_PATH": "{sanitized-driver}",
    "FSSIM_EMULATED": "1",
    # An allocation that cannot be is an error to test, not the end.
    "CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER": (
        "env LD_PRELOAD={asan} ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1"
    ),
}

SUITES = [
    Suite(
        "runner",
        "this runner's reading of what suites report",
        ["python3", "-m", "unittest", "discover", "-s", "tests/runner", "-t", "tests"],
        reports="unittest",
    ),
    Suite("format", "rustfmt", ["cargo", "fmt", "--all", "--check", "--", "--color", "never"], needs=("rustfmt",)),
    Suite(
        "format-cpp",
        "clang-format of the kernels, C and C++",
        ["tests/format-cpp", "--check"],
        needs=("clang-format",),
    ),
    Suite(
        "clippy",
        "clippy with warnings as errors",
        ["cargo", "clippy", "--locked", "--workspace", "--all-targets", *WARNINGS],
        needs=("clippy",),
    ),
    Suite(
        "docs",
        "rustdoc with warnings as errors",
        ["cargo", "doc", "--locked", "--no-deps"],
        env={"RUSTDOCFLAGS": "-D warnings"},
    ),
    Suite("build", "the release library, shared and static", ["cargo", "build", "--locked", "--release"]),
    # --show-output: the reasons of skipped tests are in the output of tests that passed.
    Suite("rust", "Rust tests, header drift", [*CARGO_TEST, "--", "--show-output"], reports="cargo", cuda_suite="cuda-rust"),
    Suite(
        "abi",
        "a hand-kept statement of the ABI against the header (ctest2)",
        ["tests/ctest/run"],
        reports="plain",
        needs=("g++",),
    ),
    Suite(
        "c",
        "C programs linked to the shared and the static library, the exports, valgrind",
        ["tests/c/run", "{target}/release"],
        reports="plain",
        needs=("library", "g++"),
        wants=("valgrind", "cuda-headers"),
        cuda_suite="cuda-c",
    ),
    Suite(
        "cpp",
        "the C++ header, its example and its CMake target",
        ["bindings/cpp/tests/run", "{target}/release"],
        reports="plain",
        needs=("library", "g++"),
        wants=("cmake",),
        cuda_suite="cuda-cpp",
    ),
    Suite(
        "julia",
        "the Julia package and its examples",
        ["{julia}", "--startup-file=no", "--project=bindings/julia", "bindings/julia/test/runtests.jl"],
        reports="plain",
        needs=("library", "julia"),
        cuda_suite="cuda-julia",
    ),
    Suite(
        "python",
        "the Python package: NumPy, PyTorch on the CPU, the wheel",
        ["{python}", "-m", "pytest", "bindings/python/tests"],
        reports="pytest",
        needs=("library", "python"),
        cuda_suite="cuda-python",
    ),
    Suite("mutations", "the faults of tests/mutate still fit the source", ["tests/mutate", "--check"]),
    Suite("ptx", "the committed PTX is what the kernels compile to", ["kernels/build-ptx", "--check"], needs=("nvrtc",)),
    Suite("ptxas", "registers, spills and shared memory on each GPU", ["kernels/build-ptx", "--ptxas"], needs=("ptxas",)),
    Suite(
        "emulator",
        "the kernel emulator's own tests: what it must catch, and what it must not",
        ["tests/emulator/selftest/run", "{target}/emulator-selftest"],
        reports="plain",
        needs=("g++",),
    ),
    Suite(
        "emulator-build",
        "the emulated CUDA driver with the kernels in it",
        ["tests/emulator/build", "{target}/emulator", "--old-driver"],
        needs=("g++",),
    ),
    Suite(
        "machine-code",
        "the library with machine code of the kernels: its size, its images, and which of them a device gets",
        ["tests/machine-code", "{emulated-driver}"],
        reports="plain",
        needs=("emulated-driver", "ptxas"),
        env={"FSSIM_PTXAS": "{ptxas}"},
    ),
    Suite(
        "cuda-rust",
        "the CUDA path of the Rust tests on the emulated driver, each driver call failing in turn",
        CUDA_TEST,
        reports="cargo",
        needs=("emulated-driver",),
        env=EMULATED,
    ),
    *(
        Suite(
            f"cuda-{family}",
            f"the same with {family} alone, whatever the size",
            [*CUDA_TEST, *ALWAYS_GENERAL],
            reports="cargo",
            needs=("emulated-driver",),
            env={**EMULATED, "FSSIM_CUDA": family},
        )
        for family in FAMILIES
    ),
    Suite(
        "sanitized-build",
        "the emulated driver with AddressSanitizer and UndefinedBehaviorSanitizer in the kernels",
        ["tests/emulator/build", "{target}/emulator-sanitized", "--sanitize", "--old-driver"],
        needs=("g++",),
    ),
    *(
        Suite(
            f"sanitized-{family}",
            f"the CUDA tests with {family} and those sanitizers",
            [*CARGO_TEST, "--test", "cuda", "--", "--show-output", *(ALWAYS_GENERAL if family != "general" else [])],
            reports="cargo",
            needs=("sanitized-driver", "asan"),
            env={**SANITIZED, "FSSIM_CUDA": family},
        )
        for family in FAMILIES
    ),
    Suite(
        "checked-build",
        "the emulated driver that checks every access of the kernels",
        ["tests/emulator/build", "{target}/emulator-checked", "--check"],
        needs=("g++",),
    ),
    *(
        Suite(
            f"checked-{family}",
            f"every kernel of the {family} on it, in every mode and layout: races, memory nobody wrote, memory that is not theirs",
            [*CARGO_TEST, "--test", "cuda", "--", "--show-output", *CHECKED[family]],
            reports="cargo",
            needs=("checked-driver",),
            env={"LD_LIBRARY_PATH": "{checked-driver}", "FSSIM_EMULATED": "1", "FSSIM_CUDA": family},
        )
        for family in FAMILIES
    ),
    Suite(
        "cuda-c",
        "the CUDA path of the C tests on the emulated driver",
        ["tests/c/run", "{target}/release"],
        reports="plain",
        needs=("emulated-driver", "library", "g++"),
        env=EMULATED,
    ),
    Suite(
        "cuda-cpp",
        "the CUDA path of the C++ tests on the emulated driver",
        ["bindings/cpp/tests/run", "{target}/release"],
        reports="plain",
        needs=("emulated-driver", "library", "g++"),
        env=EMULATED,
    ),
    Suite(
        "cuda-julia",
        "the CUDA path of the Julia tests on the emulated driver",
        ["{julia}", "--startup-file=no", "--project=bindings/julia", "bindings/julia/test/runtests.jl"],
        reports="plain",
        needs=("emulated-driver", "library", "julia"),
        env=EMULATED,
    ),
    Suite(
        "cuda-python",
        "the CUDA path of the Python tests on the emulated driver",
        ["{python}", "-m", "pytest", *(f"bindings/python/tests/test_cuda_{name}.py" for name in ("array", "options"))],
        reports="pytest",
        needs=("emulated-driver", "library", "python"),
        env=EMULATED,
    ),
]

BY_NAME = {suite.name: suite for suite in SUITES}


def fill(text, values):
    """Replaces {tool}, {root} and {target}."""
    for name, value in {**values, "root": str(tools.ROOT), "target": str(tools.TARGET)}.items():
        text = text.replace("{" + name + "}", value)
    return text
