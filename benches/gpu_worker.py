"""Measures one package in a process of its own, so that a crash or a broken CUDA context is only that package's row.

Started by benches/gpu.py with one JSON argument; writes one JSON object a line to the file that it names.
"""

import json
import subprocess
import sys
import time
from dataclasses import asdict
from itertools import cycle

import torch
from gpu_packages import OURS, PACKAGES, Unavailable, ours, version
from gpu_report import Row, parse_shape

# A package that is further off computes something else, and its time would mean nothing.
WRONG_VALUE = 1e-4
WRONG_GRADIENT = 1e-2
# What fused-ssim promises.
OUR_VALUE_ERROR = 1e-6
OUR_GRADIENT_ERROR = 2e-6

# A sample lasts at least this long, so that the events themselves do not count.
SAMPLE_US = 200
# More launches than this fill the driver's queue, and the host starts to wait for the device.
MAX_QUEUED_CALLS = 480
WARM_UP_CALLS = 10
# Enough to fill the cache of any GPU with images of 256x256; smaller ones fit into it whatever one does.
MAX_PAIRS = 100


class CudaClock:
    """Device time between events."""

    def __init__(self):
        properties = torch.cuda.get_device_properties(0)
        self.name = properties.name
        self.cache_bytes = getattr(properties, "L2_cache_size", 0) or 64 << 20

    def synchronize(self):
        torch.cuda.synchronize()

    def samples_us(self, calls, batch, count, primed):
        """`count` times the mean duration of `batch` calls. primed: the device is kept busy while the host enqueues."""
        events = [[torch.cuda.Event(enable_timing=True) for _ in range(2)] for _ in range(count)]
        torch.cuda.synchronize()
        if primed:
            # About 50 ms: enqueueing MAX_QUEUED_CALLS takes less.
            torch.cuda._sleep(100_000_000)
        for start, end in events:
            start.record()
            for _ in range(batch):
                next(calls)()
            end.record()
        torch.cuda.synchronize()
        return [start.elapsed_time(end) * 1000 / batch for start, end in events]


class HostClock:
    """Wall time, for a run on the CPU."""

    name = "cpu"
    cache_bytes = 32 << 20

    def synchronize(self):
        pass

    def samples_us(self, calls, batch, count, primed):
        samples = []
        for _ in range(count):
            start = time.perf_counter()
            for _ in range(batch):
                next(calls)()
            samples.append((time.perf_counter() - start) * 1e6 / batch)
        return samples


def measure(functions, clock, budget_s, primed=False):
    """The times of calls that go round through `functions`, as (median, tenth and ninetieth percentile, calls)."""
    calls = cycle(functions)
    for _ in range(max(WARM_UP_CALLS, len(functions))):
        next(calls)()
    estimate = sorted(clock.samples_us(calls, 1, 5, False))[2]
    batch = min(16, max(1, round(SAMPLE_US / estimate)))
    count = min(MAX_QUEUED_CALLS // batch, max(5, round(budget_s * 1e6 / (estimate * batch))))
    samples = sorted(clock.samples_us(calls, batch, count, primed))
    return samples[count // 2], samples[count // 10], samples[count - 1 - count // 10], count * batch


def reference(img1, img2, padding):
    """(value, gradient of img1) in float64 by separable convolution and autograd, one image at a time."""
    offsets = torch.arange(11, dtype=torch.float64, device=img1.device) - 5
    taps = torch.exp(-(offsets**2) / (2 * 1.5**2))
    taps = taps / taps.sum()
    border = 5 if padding == "same" else 0

    def filtered(planes):
        if padding == "reflect":
            planes = torch.nn.functional.pad(planes, (5, 5, 5, 5), mode="reflect")
        rows = torch.nn.functional.conv2d(planes, taps.view(1, 1, 11, 1), padding=(border, 0))
        return torch.nn.functional.conv2d(rows, taps.view(1, 1, 1, 11), padding=(0, border))

    values, gradients = [], []
    for image1, image2 in zip(img1, img2):
        x, y = image1.detach().double()[:, None].requires_grad_(), image2.detach().double()[:, None]
        mu_x, mu_y = filtered(x), filtered(y)
        var_x, var_y = filtered(x * x) - mu_x**2, filtered(y * y) - mu_y**2
        cov = filtered(x * y) - mu_x * mu_y
        luminance = (2 * mu_x * mu_y + 1e-4) / (mu_x**2 + mu_y**2 + 1e-4)
        value = (luminance * (2 * cov + 9e-4) / (var_x + var_y + 9e-4)).mean() / len(img1)
        (gradient,) = torch.autograd.grad(value, x)
        values.append(value.item())
        gradients.append(gradient[:, 0].float())
    return sum(values), torch.stack(gradients)


def errors(value, gradient, expected):
    """(absolute error of the value, relative error of the gradient in the Euclidean norm)."""
    difference = torch.linalg.vector_norm((gradient - expected[1]).double())
    return abs(float(value) - expected[0]), (difference / torch.linalg.vector_norm(expected[1].double())).item()


def make_pairs(shape, device, cache_bytes):
    """Pairs of images, similar but not equal, that together do not fit into the cache."""
    count = min(MAX_PAIRS, max(3, -(-2 * cache_bytes // (shape.elements * 8))))
    generator = torch.Generator(device).manual_seed(0)
    pairs = []
    for _ in range(count):
        img2 = torch.rand(shape, device=device, generator=generator)
        noise = torch.rand(shape, device=device, generator=generator)
        pairs.append(((0.7 * img2 + 0.3 * noise).requires_grad_(), img2))
    return pairs


class Calls:
    """What is measured: for each operation a function of a pair that returns (value, gradient or None)."""

    def __init__(self, function, padding, fused=None):
        self._function, self._padding, self._fused = function, padding, fused

    def value(self, img1, img2):
        with torch.no_grad():
            return self._function(img1, img2, self._padding), None

    def value_and_grad(self, img1, img2):
        if self._fused:
            return self._fused(img1, img2, padding=self._padding)[:2]
        value = self._function(img1, img2, self._padding)
        return value, torch.autograd.grad(value, img1)[0]

    def forward_backward(self, img1, img2):
        img1.grad = None
        value = self._function(img1, img2, self._padding)
        (1 - value).backward()
        return value, img1.grad


def c_api_call(operation, img1, img2, padding):
    """A function that calls the C API and nothing else, with its result's tensors."""
    from ctypes import byref, c_size_t

    from fused_ssim import _library as lib
    from fused_ssim._plan import Layouts, plan, settings

    device, shape = img1.device, tuple(img1.shape)
    prepared = plan(device.type, shape, Layouts(), settings(padding=padding))
    size = c_size_t()
    lib.fssim_saved_size(*shape, prepared.options, byref(size))
    value, gradient = torch.empty((), device=device), torch.empty_like(img1, requires_grad=False)
    workspace = torch.empty(prepared.workspace_bytes, dtype=torch.uint8, device=device)
    images = (img1.data_ptr(), img2.data_ptr(), *shape, prepared.options)
    suffix, tail = "", ()
    if device.type == "cuda":
        suffix, tail = (
            "_stream",
            (workspace.data_ptr(), prepared.workspace_bytes, torch.cuda.current_stream().cuda_stream),
        )
    forward, backward, fused = (
        getattr(lib, f"fssim_{name}{suffix}") for name in ("forward", "backward", "value_and_grad")
    )
    value_pointer, gradient_pointer = value.data_ptr(), gradient.data_ptr()
    if operation == "value":
        saved = None

        def call():
            forward(*images, value_pointer, None, *tail)
    elif operation == "value_and_grad":
        saved = None

        def call():
            fused(*images, value_pointer, gradient_pointer, None, *tail)
    else:
        saved = torch.empty(size.value, dtype=torch.uint8, device=device)
        saved_pointer = saved.data_ptr()

        def call():
            forward(*images, value_pointer, saved_pointer, *tail)
            backward(*images, saved_pointer, None, gradient_pointer, None, *tail)

    call.keep = (workspace, saved)
    return call, value, gradient


def capture(function, img1, img2, pool):
    """A CUDA graph of one call, and its result."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(2):
            function(img1, img2)
    torch.cuda.current_stream().wait_stream(stream)
    img1.grad = None
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, pool=pool):
        result = function(img1, img2)
    return graph, result


def reason(error):
    """The first line of an error, with its type."""
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0] if text else ''}".strip()[:200]


class Worker:
    def __init__(self, job):
        self.job = job
        self.name = job["package"]
        self.package = PACKAGES[self.name]
        self.device = torch.device(job["device"])
        self.clock = CudaClock() if self.device.type == "cuda" else HostClock()
        self.output = open(job["results"], "a")

    def emit(self, kind, **values):
        print(json.dumps({"kind": kind, **values}), file=self.output, flush=True)

    def row(self, shape, padding, operation, mode, **values):
        version_ = self.version if self.name != "rahul-goel" else ""
        self.emit(
            "row", **asdict(Row(self.name, version_, self.clock.name, padding, str(shape), operation, mode, **values))
        )

    def run(self):
        self.version = version(self.package)
        paddings = [padding for padding in self.job["paddings"] if padding in self.package.paddings]
        shapes = [parse_shape(shape) for shape in self.job["shapes"]]
        try:
            function = self.package.load()
        except Exception as error:
            note = str(error) if isinstance(error, Unavailable) else reason(error)
            self.emit("unavailable", package=self.name, note=note)
            return
        fused = ours().ssim_and_grad if self.name == OURS else None
        if self.name == OURS:
            self.version = ours().version()
            self.emit("info", text=ours().backend_info())
        # Graphs come last: a capture that fails can leave the context unusable.
        for modes in (("call", "kernels"), ("graph",)):
            for shape in shapes:
                for padding in paddings:
                    self.measure_shape(shape, padding, Calls(function, padding, fused), modes)

    def measure_shape(self, shape, padding, calls, modes):
        try:
            pairs = make_pairs(shape, self.device, self.clock.cache_bytes)
            expected = reference(*pairs[0], padding)
        except Exception as error:
            for operation in self.job["operations"]:
                self.row(shape, padding, operation, modes[0], note=f"no reference: {reason(error)}")
            return
        for operation in self.job["operations"]:
            for mode in modes:
                if (mode == "kernels" and self.name != OURS) or (mode == "graph" and self.device.type != "cuda"):
                    continue
                try:
                    values = getattr(self, f"measure_{mode}")(operation, calls, pairs, padding, expected)
                except Exception as error:
                    values = {"note": reason(error)}
                self.row(shape, padding, operation, mode, **values)
        if self.device.type == "cuda":
            del pairs, expected
            torch.cuda.empty_cache()

    def check(self, value, gradient, expected):
        """The errors as columns of a row. A wrong result is an exception, so that it is not timed."""
        if gradient is None:
            value_error, grad_error = abs(float(value) - expected[0]), None
        else:
            value_error, grad_error = errors(value, gradient, expected)
        limits = (OUR_VALUE_ERROR, OUR_GRADIENT_ERROR) if self.name == OURS else (WRONG_VALUE, WRONG_GRADIENT)
        # Written so that NaN fails too.
        if not (value_error <= limits[0] and (grad_error is None or grad_error <= limits[1])):
            self.emit("wrong", package=self.name)
            raise ValueError(
                f"wrong result: value off by {value_error:.1e}, gradient by {grad_error or 0:.1e} (relative)"
            )
        return {"value_error": value_error, "grad_error": grad_error}

    def measured(self, functions, checked, primed):
        median, low, high, count = measure(functions, self.clock, self.job["budget_s"], primed)
        return {"median_us": median, "low_us": low, "high_us": high, "calls": count, **checked}

    def measure_call(self, operation, calls, pairs, padding, expected):
        function = getattr(calls, operation)
        value, gradient = function(*pairs[0])
        if operation == "forward_backward":
            gradient = -gradient
        checked = self.check(value, gradient, expected)
        return self.measured([lambda pair=pair: function(*pair) for pair in pairs], checked, primed=False)

    def measure_kernels(self, operation, calls, pairs, padding, expected):
        prepared = [c_api_call(operation, *pair, padding) for pair in pairs]
        call, value, gradient = prepared[0]
        call()
        self.clock.synchronize()
        checked = self.check(value, None if operation == "value" else gradient, expected)
        return self.measured([call for call, _, _ in prepared], checked, primed=True)

    def measure_graph(self, operation, calls, pairs, padding, expected):
        function = getattr(calls, operation)
        graphs, results = [], []
        for pair in pairs:
            graph, result = capture(function, *pair, pool=graphs[0].pool() if graphs else None)
            graphs.append(graph)
            results.append(result)
        value, gradient = results[0]
        # A package that launches on another stream leaves nothing in the graph; then these stay as they are.
        value.detach().fill_(float("nan"))
        graphs[0].replay()
        self.clock.synchronize()
        if operation == "forward_backward":
            gradient = -gradient
        checked = self.check(value, gradient, expected)
        return self.measured([graph.replay for graph in graphs], checked, primed=True)


def describe_machine(job):
    """Speeds of the device, for the floors, and versions, for the record."""
    facts = {"torch": torch.__version__, "cuda": torch.version.cuda or "", "notes": []}
    if job["device"] != "cuda":
        return {**facts, "name": "cpu", "bytes_per_second": None, "fmas_per_second": None}
    properties = torch.cuda.get_device_properties(0)
    facts["name"] = properties.name
    source = torch.empty(1 << 28, device="cuda")
    target = torch.empty_like(source)
    times = CudaClock().samples_us(cycle([lambda: target.copy_(source)]), 1, 20, False)
    # A copy reads and writes.
    facts["bytes_per_second"] = 2 * source.numel() * 4 / (min(times) * 1e-6)
    query = ["nvidia-smi", "--query-gpu=clocks.max.sm,driver_version", "--format=csv,noheader,nounits", "--id=0"]
    try:
        clock, facts["driver"] = (
            subprocess.run(query, check=True, capture_output=True, text=True).stdout.strip().split(", ")
        )
        # Lanes that issue a multiply-add each clock: 64 on 6.0, 7.x and 8.0, 128 on the others.
        major, minor = properties.major, properties.minor
        lanes = 64 if (major, minor) in ((6, 0), (8, 0)) or major == 7 else 128
        facts["fmas_per_second"] = properties.multi_processor_count * lanes * float(clock) * 1e6
    except (OSError, subprocess.CalledProcessError, ValueError) as error:
        facts["fmas_per_second"] = None
        facts["notes"].append(f"no floor for multiply-adds: nvidia-smi: {reason(error)}")
    return facts


def main():
    job = json.loads(sys.argv[1])
    if job["package"] == "machine":
        with open(job["results"], "a") as output:
            print(json.dumps({"kind": "machine", **describe_machine(job)}), file=output)
    else:
        Worker(job).run()


if __name__ == "__main__":
    main()
