"""Threads and forked processes."""

import multiprocessing
from concurrent.futures import ThreadPoolExecutor

import fused_ssim
import numpy as np
import pytest
from support import images, import_torch

# Long past what the work takes, so only a deadlock reaches it.
TIMEOUT_S = 120

PAIRS = [images((1, 3, 20 + i, 30 - i), seed=i) for i in range(8)]


def compute(index):
    value, gradient, _ = fused_ssim.ssim_and_grad(*PAIRS[index])
    return float(value), gradient.tobytes()


def test_threads():
    serial = [compute(index) for index in range(len(PAIRS))]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(compute, list(range(len(PAIRS))) * 8)) == serial * 8


def test_errors_belong_to_their_thread():
    def fail(index):
        with pytest.raises(ValueError) as caught:
            fused_ssim.ssim(*PAIRS[index], data_range=-1 - index)
        return str(caught.value)

    with ThreadPoolExecutor(8) as pool:
        messages = list(pool.map(fail, list(range(len(PAIRS))) * 8))
    for index, message in zip(list(range(len(PAIRS))) * 8, messages):
        assert f"data_range is {-1 - index};" in message


def test_a_forked_child_computes_the_same():
    # The parent has used the library, threads included, before it forks.
    serial = [compute(index) for index in range(len(PAIRS))]
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.map_async(compute, range(len(PAIRS))).get(TIMEOUT_S) == serial


def test_data_loader_workers():
    import_torch()
    import torch
    from torch.utils.data import DataLoader

    class Scores(torch.utils.data.Dataset):
        def __len__(self):
            return len(PAIRS)

        def __getitem__(self, index):
            return fused_ssim.fused_ssim(*(torch.from_numpy(image) for image in PAIRS[index]))

    serial = [compute(index)[0] for index in range(len(PAIRS))]
    loader = DataLoader(Scores(), batch_size=2, num_workers=2, timeout=TIMEOUT_S, multiprocessing_context="fork")
    scores = torch.cat(list(loader)).numpy()
    np.testing.assert_allclose(scores, serial, atol=1e-6)


def test_an_error_in_a_data_loader_worker_arrives():
    import_torch()
    import torch
    from torch.utils.data import DataLoader

    class Broken(torch.utils.data.Dataset):
        def __len__(self):
            return 1

        def __getitem__(self, index):
            return fused_ssim.fused_ssim(torch.zeros(1, 1, 5, 5), torch.zeros(1, 1, 5, 5), padding="valid")

    loader = DataLoader(Broken(), num_workers=1, timeout=TIMEOUT_S, multiprocessing_context="fork")
    with pytest.raises(fused_ssim.InvalidArgumentError, match="at least the window size"):
        list(loader)
