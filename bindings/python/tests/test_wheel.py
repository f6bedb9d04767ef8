"""The wheel: built with cargo, unpacked somewhere else, and used from there."""

import importlib.util
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from fused_ssim import __version__, _library
from support import GPU, missing

PROJECT = Path(__file__).resolve().parents[1]


def need_hatchling():
    if importlib.util.find_spec("hatchling") is None:
        if GPU:
            pytest.skip("no hatchling: a GPU machine tests a library that was built elsewhere")
        missing("hatchling is not installed")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built by the build hook without isolation, since hatchling is among the test requirements."""
    need_hatchling()
    if shutil.which("cargo") is None:
        if GPU:
            pytest.skip("no cargo: a GPU machine tests a library that was built elsewhere")
        missing("cargo is not installed")
    folder = tmp_path_factory.mktemp("wheel")
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
        "-w",
        folder,
        PROJECT,
    ]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    (built,) = folder.glob("*.whl")
    return built


def test_the_switch_for_machine_code_reaches_cargo(monkeypatch):
    need_hatchling()
    pytest.importorskip("hatchling") if GPU else None
    spec = importlib.util.spec_from_file_location("hatch_build", PROJECT / "hatch_build.py")
    hatch_build = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hatch_build)
    commands = []

    def run(command, **_):
        commands.append(command)
        raise FileNotFoundError

    monkeypatch.setattr(hatch_build.subprocess, "run", run)
    for value in ("0", "1"):
        monkeypatch.setenv("FUSED_SSIM_MACHINE_CODE", value)
        with pytest.raises(RuntimeError, match="cargo was not found"):
            hatch_build.build_library(PROJECT)
    assert "--features" not in commands[0]
    assert commands[1][-2:] == ["--features", "machine-code"]


def test_its_tag_is_that_of_a_plain_library(wheel):
    name, version, python, abi, platform = wheel.stem.split("-")
    assert (name, version, python, abi) == ("fused_ssim", __version__, "py3", "none")
    assert platform not in ("any", "")


def test_what_is_in_it(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    sources = {f"fused_ssim/{path.name}" for path in (PROJECT / "fused_ssim").glob("*.py")}
    library = f"fused_ssim/{Path(_library._cdll._name).name}"
    metadata = {name for name in names if ".dist-info/" in name}
    assert names - metadata == sources | {"fused_ssim/py.typed", library}


def test_it_works_where_it_is_installed(wheel, tmp_path):
    zipfile.ZipFile(wheel).extractall(tmp_path)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    environment.pop(_library.LIBRARY_VARIABLE, None)
    code = (
        "import numpy, fused_ssim\n"
        "image = numpy.full((1, 1, 16, 16), 0.5, numpy.float32)\n"
        "print(fused_ssim.__file__, fused_ssim._library._cdll._name, round(float(fused_ssim.ssim(image, image)), 5))\n"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    module, library, value = run.stdout.split()
    assert Path(module).parent == Path(library).parent == tmp_path.resolve() / "fused_ssim"
    assert value == "1.0"
