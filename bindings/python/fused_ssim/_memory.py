"""Where results and workspace of array libraries come from, and the stream that a call runs on."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from typing import Any, ContextManager, Optional, Tuple

from ._arrays import NAMES, Inputs

# cudaStreamLegacy as the CUDA array interface names it; the C API calls the same stream NULL.
LEGACY_DEFAULT_STREAM = 1


class NumpyMemory:
    """Results as NumPy arrays, computed before the call returns."""

    stream: Optional[int] = None

    def __init__(self) -> None:
        import numpy

        self._numpy = numpy

    def device(self) -> ContextManager:
        return nullcontext()

    def empty(self, shape: Tuple[int, ...], dtype: int) -> Any:
        return self._numpy.empty(shape, NAMES[dtype])


class CupyMemory:
    """Results as CuPy arrays of the images' device, computed on its current stream."""

    def __init__(self, like: Any) -> None:
        self._cupy = sys.modules["cupy"]
        self._device = like.device

    def device(self) -> ContextManager:
        return self._device

    @property
    def stream(self) -> int:
        return self._cupy.cuda.get_current_stream().ptr

    def empty(self, shape: Tuple[int, ...], dtype: int) -> Any:
        return self._cupy.empty(shape, NAMES[dtype])

    def workspace(self, size: int) -> Any:
        # CuPy's pool gives a freed block only to later work of the stream that is current now, the one used.
        return self._cupy.empty(size, self._cupy.uint8)


class CallerMemory:
    """CUDA arrays of a library that we cannot allocate with: the caller brings results, and on a stream the workspace."""

    def __init__(self, stream: Optional[int], workspace: Any) -> None:
        self.stream = stream
        self._workspace = workspace

    def device(self) -> ContextManager:
        return nullcontext()

    def empty(self, shape: Tuple[int, ...], dtype: int) -> Any:
        raise TypeError(f"pass an array of the shape {shape} for each result: arrays of this type cannot be made here")

    def workspace(self, size: int) -> Any:
        if self._workspace is None:
            raise TypeError(f"pass workspace=, a CUDA array of at least {size} bytes, with stream=")
        return self._workspace


def memory_for(inputs: Inputs, stream: Optional[int], workspace: Any) -> Any:
    """Where results and workspace come from, and the stream to use (None: compute before returning)."""
    owner = inputs.img1.owner
    foreign = inputs.img1.device == "cuda" and type(owner).__module__.partition(".")[0] != "cupy"
    if not foreign and (stream is not None or workspace is not None):
        raise TypeError("stream and workspace are for CUDA arrays of other libraries; PyTorch and CuPy have their own")
    if inputs.img1.device == "cpu":
        return NumpyMemory()
    if not foreign:
        return CupyMemory(owner)
    if stream is None:
        # Without a stream the call runs synchronously on the legacy default stream, which is ordered after work on
        # that stream only.
        for name, array in inputs._asdict().items():
            if array is not None and array.stream not in (None, LEGACY_DEFAULT_STREAM):
                raise ValueError(f"{name} is in use on stream {array.stream}: pass stream= and workspace=")
    return CallerMemory(stream, workspace)
