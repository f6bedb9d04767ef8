"""Loading: where the library comes from, and what importing the package does not do."""

import os
import re
import subprocess
import sys
from pathlib import Path

import fused_ssim
import pytest
from fused_ssim import _library

PACKAGE = Path(fused_ssim.__file__).resolve().parent
REPOSITORY = Path(__file__).resolve().parents[3]


def python(code, **environment):
    """Runs code in a fresh interpreter that finds the package and this process's library."""
    return subprocess.run(
        [sys.executable, "-c", code],
        env={
            **os.environ,
            "PYTHONPATH": str(PACKAGE.parent),
            _library.LIBRARY_VARIABLE: _library._cdll._name,
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_import_needs_no_framework_and_no_driver():
    code = (
        "import sys, fused_ssim\n"
        "fused_ssim.version(), fused_ssim.workspace_size(1, 3, 64, 64)\n"
        "print([name for name in ('torch', 'numpy', 'cupy') if name in sys.modules])\n"
        "print('libcuda' in open('/proc/self/maps').read())\n"
    )
    result = python(code)
    assert (result.returncode, result.stdout, result.stderr) == (0, "[]\nFalse\n", "")


def test_the_environment_variable_comes_first(monkeypatch):
    monkeypatch.setenv(_library.LIBRARY_VARIABLE, "/somewhere/libfused_ssim.so")
    assert _library.library_candidates() == [Path("/somewhere/libfused_ssim.so")]


def test_then_the_packed_file_and_the_checkout(monkeypatch):
    monkeypatch.delenv(_library.LIBRARY_VARIABLE, raising=False)
    packed, *checkout = _library.library_candidates()
    assert packed.parent == PACKAGE
    if (REPOSITORY / "Cargo.toml").is_file() and PACKAGE.parents[2] == REPOSITORY:
        assert checkout == [REPOSITORY / "target" / "release" / packed.name]


def test_a_missing_library_is_an_import_error_that_says_where_it_looked():
    result = python("import fused_ssim", FUSED_SSIM_LIBRARY="/nowhere/libfused_ssim.so")
    assert result.returncode == 1
    assert "ImportError: the fused-ssim library was not found" in result.stderr
    assert "/nowhere/libfused_ssim.so" in result.stderr and "cargo build --release" in result.stderr


def test_a_file_that_is_no_library(tmp_path):
    (tmp_path / "libfused_ssim.so").write_text("not an ELF file")
    result = python("import fused_ssim", FUSED_SSIM_LIBRARY=str(tmp_path / "libfused_ssim.so"))
    assert result.returncode == 1 and "cannot be loaded" in result.stderr


def test_another_library():
    code = "import ctypes.util\nprint(open('/proc/self/maps').read())"
    libc = re.search(r"(/\S*libc\.so\S*|/\S*libc-\S*\.so)", python(code).stdout).group(1)
    result = python("import fused_ssim", FUSED_SSIM_LIBRARY=libc)
    assert result.returncode == 1 and "not a fused-ssim library" in result.stderr


def test_versions_agree():
    header = _library
    expected = f"{header.FSSIM_VERSION_MAJOR}.{header.FSSIM_VERSION_MINOR}.{header.FSSIM_VERSION_PATCH}"
    assert fused_ssim.__version__ == fused_ssim.version() == expected
    manifest = (REPOSITORY / "Cargo.toml").read_text()
    assert re.search(r'^version = "(.+)"$', manifest, re.MULTILINE).group(1) == expected


def test_backend_info_describes_the_library():
    text = fused_ssim.backend_info()
    assert f"fused-ssim {fused_ssim.__version__}" in text and "cpu" in text.lower() and "cuda" in text.lower()


def test_device_count():
    assert fused_ssim.device_count() >= 0


def test_number_of_threads():
    default = fused_ssim.get_num_threads()
    assert default >= 1
    try:
        fused_ssim.set_num_threads(3)
        assert fused_ssim.get_num_threads() == 3
        with pytest.raises(ValueError, match="-1"):
            fused_ssim.set_num_threads(-1)
        assert fused_ssim.get_num_threads() == 3
    finally:
        fused_ssim.set_num_threads(0)
    assert fused_ssim.get_num_threads() == default


def test_workspace_size():
    assert fused_ssim.workspace_size(1, 3, 64, 64) > 0
    with pytest.raises(ValueError):
        fused_ssim.workspace_size(1, 3, 64, 0)
