"""Builds the shared library with cargo and packs it into the wheel.

FUSED_SSIM_MACHINE_CODE=1  build with machine code of the CUDA kernels, as wheels for others should be; takes ptxas
FUSED_SSIM_PREBUILT        pack this library instead of running cargo (cross-compiled, or built for an older glibc)
FUSED_SSIM_WHEEL_PLATFORM  platform tag of the wheel; default: that of this machine, such as linux_x86_64
"""

import json
import os
import subprocess
import sysconfig
from pathlib import Path

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CargoBuildHook(BuildHookInterface):
    def initialize(self, version, build_data):
        if self.target_name != "wheel":
            raise RuntimeError("only wheels can be built: the sources of the library lie outside this folder")
        prebuilt = os.environ.get("FUSED_SSIM_PREBUILT")
        library = Path(prebuilt) if prebuilt else build_library(Path(self.root).resolve().parents[1])
        if not library.is_file():
            raise RuntimeError(f"there is no library at {library}")
        # One wheel for every Python: nothing in it is compiled against Python.
        platform = os.environ.get("FUSED_SSIM_WHEEL_PLATFORM") or sysconfig.get_platform()
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{platform.replace('-', '_').replace('.', '_')}"
        if version != "editable":
            # An editable install finds the library in target/release.
            build_data["force_include"][str(library)] = f"fused_ssim/{library.name}"


def build_library(crate):
    """Runs cargo; the path of the library that it made."""
    command = ["cargo", "build", "--release", "--lib", "--locked", "--message-format=json-render-diagnostics"]
    if os.environ.get("FUSED_SSIM_MACHINE_CODE") == "1":
        command += ["--features", "machine-code"]
    try:
        output = subprocess.run(command, cwd=crate, check=True, stdout=subprocess.PIPE, text=True).stdout
    except FileNotFoundError as error:
        raise RuntimeError("building the library takes Rust (https://rustup.rs): cargo was not found") from error
    for line in output.splitlines():
        message = json.loads(line)
        if message["reason"] == "compiler-artifact" and "cdylib" in message["target"]["crate_types"]:
            for name in message["filenames"]:
                if name.endswith((".so", ".dylib", ".dll")):
                    return Path(name)
    raise RuntimeError(f"cargo built no shared library in {crate}")
