"""The exceptions of this package, one class for each group of statuses of the C API."""

from __future__ import annotations


class FusedSSIMError(RuntimeError):
    """A call of the fused-ssim library failed. Base class of the others here.

    Attributes:
        status: the ``fssim_status`` of the call (``FSSIM_ERROR_*`` of ``fused_ssim.h``); None where an exception was
            rebuilt from its text alone, as PyTorch does with those of a DataLoader worker.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status

    def __reduce__(self) -> tuple:
        return type(self), (str(self), self.status)


class InvalidArgumentError(FusedSSIMError, ValueError):
    """The library refused an argument: a shape, an option, strides, overlapping memory, a device or a stream."""


class UnsupportedError(FusedSSIMError, NotImplementedError):
    """A well-formed request that this version of the library does not implement."""


class CudaError(FusedSSIMError):
    """There is no usable CUDA driver, or one of its calls failed."""


class OutOfMemoryError(FusedSSIMError, MemoryError):
    """Host or device memory ran out."""


def error_for(message: str, status: int) -> FusedSSIMError:
    """The exception for a status. The ranges are those in which ``fused_ssim.h`` groups its numbers."""
    if 1 <= status <= 29:
        return InvalidArgumentError(message, status)
    if 30 <= status <= 49:
        return UnsupportedError(message, status)
    if status == 52:
        return OutOfMemoryError(message, status)
    if 50 <= status <= 69:
        return CudaError(message, status)
    return FusedSSIMError(message, status)
