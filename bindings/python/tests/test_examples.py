"""The examples, run as a reader would, and the code of the README."""

import os
import re
import subprocess
import sys
from pathlib import Path

import fused_ssim
import numpy as np
import pytest
from support import images, import_torch

PROJECT = Path(__file__).resolve().parents[1]


def run(name, *arguments):
    command = [sys.executable, str(PROJECT / "examples" / name), *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_fit_recovers_the_picture():
    import_torch()
    summary = run("fit.py", "--steps", 150, "--device", "cpu").splitlines()[-1]
    first, last = map(float, re.match(r"SSIM (\S+) -> (\S+) in 150 steps on cpu", summary).groups())
    assert first < 0.1 and last > 0.9


def test_minimal_steps_towards_the_target():
    import_torch()
    summary = re.match(r"SSIM (\S+), after one step along the gradient (\S+)", run("minimal.py"))
    before, after = map(float, summary.groups())
    assert 0 < before < after < 1


def test_splatting_shows_what_the_mask_leaves_out():
    import_torch()
    output = run("splatting.py", "--steps", 100, "--device", "cpu")
    losses = [float(loss) for loss in re.findall(r"loss (\S+)", output)]
    assert losses[-1] < losses[0] / 10
    assert float(re.search(r"the splats are (\S+) from the scene", output).group(1)) < 0.1


def test_compare_finds_the_noisy_half():
    output = run("compare.py")
    assert 0.2 < float(re.search(r"SSIM +(\S+)", output).group(1)) < 0.99
    lowest, column = re.search(r"lowest +(\S+) at row \d+, column (\d+)", output).groups()
    assert float(lowest) < 0.5 and int(column) >= 75


def test_compare_reads_files(tmp_path):
    picture = (images((1, 3, 30, 40))[0][0].transpose(1, 2, 0) * 255).astype(np.uint8)
    np.save(tmp_path / "a.npy", picture)
    np.save(tmp_path / "b.npy", picture)
    output = run("compare.py", tmp_path / "a.npy", tmp_path / "b.npy")
    assert re.search(r"SSIM +1\.0000", output)


def readme_blocks():
    return re.findall(r"```python\n(.*?)```", (PROJECT / "README.md").read_text(), re.DOTALL)


def test_the_readme_has_three_examples():
    assert len(readme_blocks()) == 3


def test_the_pytorch_example_of_the_readme():
    import_torch()
    import torch

    predicted, target = (torch.from_numpy(image) for image in images((1, 3, 32, 32)))
    names = {"torch": torch, "predicted": predicted.requires_grad_(), "target": target}
    exec(readme_blocks()[0], names)
    assert predicted.grad is not None and 0 < names["loss"].item() < 1
    assert names["value"].item() != pytest.approx(1 - names["loss"].item(), abs=1e-6)


def test_the_loss_example_of_the_readme():
    import_torch()
    import torch

    predicted, target = (torch.from_numpy(image) for image in images((1, 3, 32, 32)))
    mask = torch.arange(32) > 4
    names = {"predicted": predicted.requires_grad_(), "target": target, "mask": mask}
    exec(readme_blocks()[1], names)
    assert predicted.grad is not None
    parts = 0.8 * names["l1"].item() + 0.2 * names["dissimilarity"].item()
    assert names["loss"].item() == pytest.approx(parts, abs=1e-6)


def test_the_numpy_example_of_the_readme():
    a, b = images((1, 3, 32, 32))
    names = {"a": a * np.float32(255), "b": b * np.float32(255), "image": np.zeros((8, 9, 3), np.float32)}
    names["upstream"] = np.ones_like(a)
    exec(readme_blocks()[2], names)
    assert names["result"].loss > 0 and names["result"].grad_img1.shape == a.shape
    assert names["per_pixel"].shape == (1, 3, 22, 22) and names["grad_a"].shape == a.shape
    assert names["height_width_channels"].base is not None
    assert 0 < names["value"] < 1 and fused_ssim.ssim(a, b) > 0
