"""PyTorch tensors on a GPU: streams, graphs, devices. Only collected with FSSIM_GPU=1."""

import threading

import oracle
import pytest
from support import CASES, GRADIENT_TOLERANCE, VALUE_TOLERANCE, images, import_torch

torch = import_torch()
if not torch.cuda.is_available():
    raise RuntimeError("FSSIM_GPU=1, but PyTorch finds no CUDA device")

import fused_ssim as package  # noqa: E402
from fused_ssim import fused_ssim, ssim, ssim_and_grad  # noqa: E402
from torch_reference import reference  # noqa: E402

CUDA = torch.device("cuda", 0)


def tensors(shape, requires_grad=(False, False), device=CUDA, seed=0):
    pair = images(shape, seed)
    return [torch.from_numpy(image).to(device).requires_grad_(r) for image, r in zip(pair, requires_grad)]


def check(value, img1, img2, padding="same"):
    expected, grad_img1, grad_img2 = reference(img1, img2, padding)
    assert abs(value.item() - expected) < VALUE_TOLERANCE
    assert oracle.relative_error(img1.grad.cpu(), grad_img1) < GRADIENT_TOLERANCE
    if img2.grad is not None:
        assert oracle.relative_error(img2.grad.cpu(), grad_img2) < GRADIENT_TOLERANCE


@pytest.mark.parametrize("padding, shape", [*CASES, ("same", (1, 3, 270, 480)), ("valid", (1, 3, 1080, 1920))])
def test_value_and_gradients(padding, shape):
    img1, img2 = tensors(shape, (True, True))
    value = fused_ssim(img1, img2, padding)
    assert value.device == CUDA and value.shape == ()
    value.backward()
    check(value, img1, img2, padding)


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("reduction", ["image", "channel", "map"])
def test_reductions_agree_with_the_cpu(padding, reduction):
    results = []
    for device in ("cuda", "cpu"):
        img1, img2 = tensors((2, 3, 60, 77), (True, True), device)
        value = ssim(img1, img2, padding=padding, reduction=reduction)
        torch.manual_seed(0)
        (value * torch.rand(value.shape).to(device)).sum().backward()
        results.append([part.detach().cpu() for part in (value, img1.grad, img2.grad)])
    for on_cuda, on_cpu in zip(*results):
        assert oracle.relative_error(on_cuda, on_cpu) < 2 * GRADIENT_TOLERANCE


@pytest.mark.parametrize("layout", ["channels_last", "sliced", "expanded"])
def test_layouts(layout):
    img1, img2 = tensors((2, 3, 40, 67))
    if layout == "channels_last":
        img1 = img1.contiguous(memory_format=torch.channels_last)
    elif layout == "sliced":
        img1 = torch.nn.functional.pad(img1, (3, 4, 2, 5), value=float("nan"))[:, :, 2:-5, 3:-4]
    else:
        img1 = img1[:, :1].expand(2, 3, 40, 67)
    img1.requires_grad_()
    value = fused_ssim(img1, img2)
    value.backward()
    check(value, img1, img2)


# Half the distance of neighbouring numbers, relative to them.
ROUNDING = {torch.float32: 0, torch.float16: 2**-11, torch.bfloat16: 2**-8}


@pytest.mark.parametrize("dtype", ROUNDING)
@pytest.mark.parametrize("other", [*ROUNDING, torch.uint8])
def test_dtypes_are_read_and_written_in_place(dtype, other):
    img1, img2 = tensors((1, 3, 400, 501))
    img1 = img1.to(dtype).requires_grad_()
    img2 = (img2 * 255).round().to(other) if other is torch.uint8 else img2.to(other)
    torch.cuda.synchronize()
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    value = ssim(img1, img2)
    # The gradient in float32 and a workspace, but no copy of an image.
    assert torch.cuda.max_memory_allocated() - before < 4 * img1.numel() + 2**19
    (value * 2**10).backward()
    exact = (img2.double() / 255 if other is torch.uint8 else img2.double()).cpu()
    expected, grad_img1, _ = reference(img1.detach().double().cpu(), exact)
    assert value.dtype == torch.float32 and abs(value.item() - expected) < VALUE_TOLERANCE
    assert img1.grad.dtype == dtype
    tolerance = GRADIENT_TOLERANCE + 1.5 * ROUNDING[dtype]
    assert oracle.relative_error(img1.grad.double().cpu(), 2**10 * grad_img1) < tolerance


def test_inference():
    img1, img2 = tensors((1, 3, 64, 64), (True, False))
    with torch.inference_mode():
        value = fused_ssim(img1, img2)
    assert not value.requires_grad
    assert abs(value.item() - fused_ssim(img1, img2, train=False).item()) < VALUE_TOLERANCE


def test_the_current_stream_is_used():
    img1, img2 = tensors((1, 3, 256, 256))
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        late = torch.zeros_like(img1)
        # Long enough that work on any other stream would see the zeros.
        torch.cuda._sleep(100_000_000)
        late.copy_(img1)
        late.requires_grad_()
        value = fused_ssim(late, img2)
        value.backward()
    stream.synchronize()
    check(value, late, img2)


def test_memory_of_short_lived_tensors_is_not_reused_too_early():
    pairs = [tensors((1, 3, 128, 128), (True, False), seed=seed) for seed in range(4)]
    expected = []
    for img1, img2 in pairs:
        value, gradient, _ = ssim_and_grad(img1, img2)
        expected.append((value.clone(), gradient.clone()))
    torch.cuda.synchronize()
    streams = [torch.cuda.Stream() for _ in range(4)]
    results = []
    for _ in range(50):
        for (img1, img2), stream in zip(pairs, streams):
            with torch.cuda.stream(stream):
                value, gradient, _ = ssim_and_grad(img1 + 0, img2 + 0)
                results.append((value, gradient))
    torch.cuda.synchronize()
    for index, (value, gradient) in enumerate(results):
        assert torch.equal(value, expected[index % 4][0]) and torch.equal(gradient, expected[index % 4][1])


def test_capture_in_a_graph():
    package.cuda_preload(0)
    img1, img2 = tensors((2, 3, 100, 120), (True, False))
    warm_up = torch.cuda.Stream()
    warm_up.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(warm_up):
        for _ in range(3):
            fused_ssim(img1, img2).backward()
            img1.grad = None
    torch.cuda.current_stream().wait_stream(warm_up)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        value = fused_ssim(img1, img2)
        value.backward()
    for seed in (1, 2, 3):
        with torch.no_grad():
            for image, fresh in zip((img1, img2), images(tuple(img1.shape), seed)):
                image.copy_(torch.from_numpy(fresh))
        graph.replay()
        torch.cuda.synchronize()
        check(value, img1, img2)


def test_the_same_bits_every_time():
    img1, img2 = tensors((2, 3, 333, 555))
    first = ssim_and_grad(img1, img2, wrt="both")
    for _ in range(10):
        again = ssim_and_grad(img1, img2, wrt="both")
        assert all(torch.equal(a, b) for a, b in zip(first, again))


def test_threads_with_their_own_streams():
    jobs = [tensors((1, 3, 50 + 7 * i, 90), seed=i) for i in range(8)]
    expected = [ssim_and_grad(*job) for job in jobs]
    torch.cuda.synchronize()
    failures = []

    def work(index):
        try:
            with torch.cuda.stream(torch.cuda.Stream()):
                for _ in range(20):
                    value, gradient, _ = ssim_and_grad(*jobs[index])
                torch.cuda.current_stream().synchronize()
            assert torch.equal(value, expected[index].value) and torch.equal(gradient, expected[index].grad_img1)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(index,)) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_devices_that_differ():
    img1, img2 = tensors((1, 1, 12, 12))
    with pytest.raises(ValueError, match="img1 is on cuda:0 and img2 on cpu"):
        fused_ssim(img1, img2.cpu())


def test_pinned_host_memory_is_host_memory():
    img1, img2 = (image.cpu().pin_memory() for image in tensors((1, 3, 20, 30)))
    value = fused_ssim(img1, img2)
    assert value.device.type == "cpu" and abs(value.item() - reference(img1, img2)[0]) < VALUE_TOLERANCE


# One GPU is what the suite asks for; with more, the others are tested too.
if torch.cuda.device_count() > 1:

    def test_a_device_that_is_not_the_current_one():
        other = torch.device("cuda", 1)
        img1, img2 = tensors((1, 3, 64, 80), (True, True), other)
        assert torch.cuda.current_device() == 0
        value = fused_ssim(img1, img2)
        value.backward()
        assert value.device == other and img1.grad.device == other
        check(value, img1, img2)


OPTIONS = {
    "window": dict(window_size=7, sigma=1.0),
    "uniform": dict(window="uniform", padding="valid"),
    "weighted mean": dict(mask_mode="weighted_mean", reduction="image"),
    "multiplied": dict(mask_mode="multiply_inputs", output="dssim"),
    "normalized": dict(mask_mode="normalized", window_size=9),
    "masked map": dict(mask_mode="normalized", reduction="map"),
    "shard": dict(shard=package.Shard(10, 0, 200)),
}


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("function", ["ssim", "loss"])
def test_options_agree_with_the_cpu(options, function):
    settings = dict(OPTIONS[options])
    if function == "loss":
        # A loss takes no map.
        settings.pop("reduction", None)
    results = []
    for device in (CUDA, torch.device("cpu")):
        img1, img2 = tensors((2, 3, 130, 210), (True, True), device)
        if "mask_mode" in settings:
            settings["mask"] = (torch.arange(130 * 210, device=device) % 7 > 1).reshape(130, 210)
        value = getattr(package, function)(img1, img2, **settings)
        torch.manual_seed(0)
        (value * torch.rand(value.shape).to(device)).sum().backward()
        results.append([part.detach().cpu() for part in (value, img1.grad, img2.grad)])
    for on_cuda, on_cpu in zip(*results):
        assert oracle.relative_error(on_cuda, on_cpu) < 2 * GRADIENT_TOLERANCE


def test_a_masked_loss_in_a_graph():
    package.cuda_preload(0)
    img1, img2 = tensors((1, 3, 100, 120), (True, False))
    mask = torch.ones((100, 120), dtype=torch.bool, device=CUDA)
    settings = dict(mask=mask, mask_mode="normalized", return_parts=True)
    package.loss(img1, img2, **settings).loss.backward()
    img1.grad = None
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        parts = package.loss(img1, img2, **settings)
        parts.loss.backward()
    for hidden in (0, 40):
        mask.fill_(True)
        mask[:, :hidden] = False
        graph.replay()
        torch.cuda.synchronize()
        expected = oracle.loss(img1.detach().cpu(), img2.cpu(), mask=mask.cpu().numpy(), mask_mode="normalized")
        for part, number in zip(parts, expected.values):
            assert abs(part.item() - number) < VALUE_TOLERANCE
        assert oracle.relative_error(img1.grad.cpu(), expected.grad_img1) < GRADIENT_TOLERANCE
