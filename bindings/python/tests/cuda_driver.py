"""A few calls of the CUDA driver through ctypes, and arrays in device memory, without any framework.

Works on a real driver and on the emulated one of tests/emulator.
"""

import ctypes
from ctypes import byref, c_char_p, c_int, c_size_t, c_uint, c_uint64, c_void_p

import numpy as np

_PROTOTYPES = {
    "cuInit": [c_uint],
    "cuGetErrorName": [c_int, ctypes.POINTER(c_char_p)],
    "cuDeviceGet": [ctypes.POINTER(c_int), c_int],
    "cuDevicePrimaryCtxRetain": [ctypes.POINTER(c_void_p), c_int],
    "cuCtxSetCurrent": [c_void_p],
    "cuMemAlloc_v2": [ctypes.POINTER(c_uint64), c_size_t],
    "cuMemFree_v2": [c_uint64],
    "cuMemcpyHtoD_v2": [c_uint64, c_void_p, c_size_t],
    "cuMemcpyDtoH_v2": [c_void_p, c_uint64, c_size_t],
    "cuStreamCreate": [ctypes.POINTER(c_void_p), c_uint],
    "cuStreamSynchronize": [c_void_p],
    "cuStreamDestroy_v2": [c_void_p],
}

CU_STREAM_NON_BLOCKING = 1


class Driver:
    """The driver, with the primary context of device 0 current in this thread."""

    def __init__(self):
        library = ctypes.CDLL("libcuda.so.1")
        for name, argtypes in _PROTOTYPES.items():
            function = getattr(library, name)
            function.restype = c_int
            function.argtypes = argtypes
            if name != "cuGetErrorName":
                function.errcheck = self._check
            setattr(self, name, function)
        self.cuInit(0)
        device, self._context = c_int(), c_void_p()
        self.cuDeviceGet(byref(device), 0)
        self.cuDevicePrimaryCtxRetain(byref(self._context), device)
        self.make_current()

    def make_current(self):
        self.cuCtxSetCurrent(self._context)

    def _check(self, result, function, _arguments):
        if result != 0:
            name = c_char_p()
            self.cuGetErrorName(result, byref(name))
            raise RuntimeError(f"{function.__name__}: {result} ({name.value})")
        return result

    def stream(self):
        """The handle of a new stream that does not wait for the default stream."""
        stream = c_void_p()
        self.cuStreamCreate(byref(stream), CU_STREAM_NON_BLOCKING)
        return stream.value


class DeviceArray:
    """A copy of a NumPy array in device memory, with the same strides and whatever lies between its elements."""

    def __init__(self, driver, array, stream=None):
        self._driver = driver
        # A view is copied together with the array that it is a view of.
        self._host = array.base if isinstance(array.base, np.ndarray) else array
        assert self._host.flags.c_contiguous
        address = c_uint64()
        driver.cuMemAlloc_v2(byref(address), self._host.nbytes)
        self._address = address.value
        driver.cuMemcpyHtoD_v2(self._address, self._host.ctypes.data, self._host.nbytes)
        # The copy may still be under way, and other streams do not wait for it.
        driver.cuStreamSynchronize(None)
        self._view = (array.shape, array.dtype, array.ctypes.data - self._host.ctypes.data, array.strides)
        self.__cuda_array_interface__ = {
            "shape": array.shape,
            "typestr": array.dtype.str,
            "data": (self._address + self._view[2], False),
            "strides": None if array.flags.c_contiguous else array.strides,
            "version": 3,
            "stream": stream,
        }

    def numpy(self):
        """The contents, copied to the host. The work that writes them must be done."""
        copy = np.empty_like(self._host)
        self._driver.cuMemcpyDtoH_v2(copy.ctypes.data, self._address, copy.nbytes)
        shape, dtype, offset, strides = self._view
        return np.ndarray(shape, dtype, copy, offset, strides).copy()

    def __del__(self):
        # A constructor that failed leaves nothing to free.
        if hasattr(self, "_address"):
            self._driver.cuMemFree_v2(self._address)


def empty(shape):
    """A host array to be copied to the device for results."""
    return np.full(shape, np.nan, np.float32)
