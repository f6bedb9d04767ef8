"""fused_ssim._library against include/fused_ssim.h: every constant, struct and prototype."""

import ctypes
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from fused_ssim import _library
from support import missing

HEADER = Path(__file__).resolve().parents[3] / "include" / "fused_ssim.h"
TEXT = re.sub(r"//[^\n]*|/\*.*?\*/", "", HEADER.read_text(), flags=re.DOTALL)

CONSTANTS = re.findall(r"^#define (FSSIM_\w+) ", TEXT, re.MULTILINE)
STRUCTS = {
    name: re.findall(r"(\w+);", body)
    for name, body in re.findall(r"typedef struct (fssim_\w+) \{(.*?)\}", TEXT, re.DOTALL)
}
PROTOTYPES = {
    name: (result.strip(), [parameter.strip() for parameter in parameters.split(",")])
    for result, name, parameters in re.findall(r"^([\w ]+[ *])(fssim_\w+)\(([^)]*)\);", TEXT, re.MULTILINE | re.DOTALL)
}

SCALARS = {
    "int32_t": ctypes.c_int32,
    "int64_t": ctypes.c_int64,
    "double": ctypes.c_double,
    "size_t": ctypes.c_size_t,
    "fssim_status": ctypes.c_int32,
    "char*": ctypes.c_char_p,
    "int32_t*": ctypes.POINTER(ctypes.c_int32),
    "size_t*": ctypes.POINTER(ctypes.c_size_t),
    "fssim_options*": ctypes.POINTER(_library.fssim_options),
}


def ctypes_type(declaration, is_result=False):
    """The ctypes type for a C type, with or without a parameter name."""
    words = re.sub(r"\b(const|struct)\b", " ", declaration).replace("*", " * ").split()
    pointer = "*" in words
    c_type = words[0] + ("*" if pointer else "")
    if c_type in ("void*", "float*") or (c_type == "char*" and not is_result):
        # Addresses of the caller's buffers, which come as integers.
        return ctypes.c_void_p
    return SCALARS[c_type]


@pytest.fixture(scope="module")
def from_c(tmp_path_factory):
    """{expression: value} as the C compiler sees it."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        missing("no C compiler")
    expressions = list(CONSTANTS)
    for struct, members in STRUCTS.items():
        expressions.append(f"sizeof({struct})")
        for member in members:
            expressions += [f"offsetof({struct}, {member})", f"sizeof((({struct} *)0)->{member})"]
    folder = tmp_path_factory.mktemp("abi")
    prints = "\n".join(f'  printf("%lld %s\\n", (long long)({e}), "{e}");' for e in expressions)
    source = f'#include <stdio.h>\n#include "fused_ssim.h"\nint main(void) {{\n{prints}\n  return 0;\n}}\n'
    (folder / "abi.c").write_text(source)
    flags = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-I", str(HEADER.parent)]
    subprocess.run([compiler, *flags, str(folder / "abi.c"), "-o", str(folder / "abi")], check=True)
    lines = subprocess.run([folder / "abi"], check=True, capture_output=True, text=True).stdout.splitlines()
    return {expression: int(value) for value, expression in (line.split(" ", 1) for line in lines)}


def test_the_header_was_understood():
    assert len(CONSTANTS) >= 40 and "FSSIM_VERSION" in CONSTANTS and "FSSIM_ERROR_INTERNAL" in CONSTANTS
    assert set(STRUCTS) == {"fssim_layout", "fssim_options"}
    assert STRUCTS["fssim_options"][0] == "struct_size" and STRUCTS["fssim_options"][-1] == "shard_divisor"
    declared = set(re.findall(r"\b(fssim_\w+)\(", TEXT))
    assert declared == set(PROTOTYPES) and "fssim_forward" in declared


def test_constants(from_c):
    mirrored = {name: value for name, value in vars(_library).items() if name.startswith("FSSIM_")}
    assert mirrored == {name: from_c[name] for name in CONSTANTS}


@pytest.mark.parametrize("struct", STRUCTS)
def test_struct(struct, from_c):
    mirror = getattr(_library, struct)
    assert [name for name, _ in mirror._fields_] == STRUCTS[struct]
    assert ctypes.sizeof(mirror) == from_c[f"sizeof({struct})"]
    for name, _ in mirror._fields_:
        field = getattr(mirror, name)
        assert field.offset == from_c[f"offsetof({struct}, {name})"], name
        assert field.size == from_c[f"sizeof((({struct} *)0)->{name})"], name


@pytest.mark.parametrize("function", PROTOTYPES)
def test_prototype(function):
    result, parameters = PROTOTYPES[function]
    mirror = getattr(_library, function)
    expected = [] if parameters == ["void"] else [ctypes_type(parameter) for parameter in parameters]
    assert list(mirror.argtypes) == expected
    assert mirror.restype is ctypes_type(result, is_result=True)


def test_every_status_function_is_checked():
    for function, (result, _) in PROTOTYPES.items():
        checked = getattr(getattr(_library, function), "errcheck", None) is _library._raise_on_error
        assert checked == (result == "fssim_status"), function
