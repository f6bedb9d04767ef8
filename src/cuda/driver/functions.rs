//! The driver's types and functions, as its documentation declares them, and their lookup by name.

use std::ffi::{c_char, c_int, c_uint, c_void};
use std::ptr;

use cudarc::driver::sys;

use super::error::missing_symbol;
use crate::status::Result;

/// A CUdevice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub(in crate::cuda) struct DeviceHandle(pub(super) c_int);

/// A CUcontext.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub(in crate::cuda) struct Context(pub(super) *mut c_void);

/// A CUstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub(in crate::cuda) struct Stream(pub(in crate::cuda) *mut c_void);

/// A CUlibrary.
#[derive(Debug, Clone, Copy)]
#[repr(transparent)]
pub(in crate::cuda) struct Library(pub(super) *mut c_void);

/// A CUkernel.
#[derive(Debug, Clone, Copy)]
#[repr(transparent)]
pub(in crate::cuda) struct KernelHandle(pub(in crate::cuda) *mut c_void);

impl DeviceHandle {
    /// The number that users know a device by; the driver's handles are these numbers.
    pub(in crate::cuda) fn ordinal(self) -> i32 {
        self.0
    }
}

impl Stream {
    /// The legacy default stream of the current context.
    pub(in crate::cuda) const NULL: Stream = Stream(ptr::null_mut());

    /// NULL, CU_STREAM_LEGACY (1) and CU_STREAM_PER_THREAD (2) stand for a stream of whatever context is current.
    pub(in crate::cuda) fn is_default(self) -> bool {
        self.0.addr() <= 2
    }
}

/// CUdevice_attribute.
#[derive(Clone, Copy)]
#[repr(i32)]
pub(in crate::cuda) enum DeviceAttribute {
    Multiprocessors = 16,
    ComputeCapabilityMajor = 75,
    ComputeCapabilityMinor = 76,
    MaxSharedMemoryPerBlockOptin = 97,
}

/// CUpointer_attribute: memory type, is managed, device ordinal.
pub(super) const POINTER_ATTRIBUTES: [c_uint; 3] = [POINTER_MEMORY_TYPE, 8, 9];
pub(super) const POINTER_MEMORY_TYPE: c_uint = 2;
/// CUmemorytype.
pub(super) const MEMORY_TYPE_DEVICE: u64 = 2;
/// CUresult.
pub(super) const INVALID_VALUE: u32 = 1;
pub(super) const INVALID_CONTEXT: u32 = 201;
/// CUfunction_attribute.
pub(super) const FUNCTION_MAX_DYNAMIC_SHARED_SIZE_BYTES: c_int = 8;
/// CUjit_option.
pub(super) const JIT_ERROR_LOG_BUFFER: c_uint = 5;
pub(super) const JIT_ERROR_LOG_BUFFER_SIZE_BYTES: c_uint = 6;

/// Declares the table of functions and its lookup by symbol name.
macro_rules! functions {
    ($($name:ident($($argument:ty),* $(,)?);)*) => {
        #[allow(non_snake_case, reason = "these are the driver's names")]
        pub(super) struct Functions {
            $(pub(super) $name: unsafe extern "C" fn($($argument),*) -> u32,)*
        }

        impl Functions {
            /// Looks every function up.
            ///
            /// # Safety
            /// `sys::is_culib_present` has said yes.
            pub(super) unsafe fn resolve() -> Result<Self> {
                // SAFETY: opens the library that the caller made sure of, and never closes it.
                let library = unsafe { sys::culib() };
                Ok(Functions { $($name: {
                    let symbol = concat!(stringify!($name), "\0").as_bytes();
                    // SAFETY: the type is the one in the driver's documentation, and the library stays open.
                    let found = unsafe { library.get::<unsafe extern "C" fn($($argument),*) -> u32>(symbol) };
                    *found.map_err(|_| missing_symbol(stringify!($name)))?
                },)* })
            }
        }
    };
}

functions! {
    cuInit(c_uint);
    cuDriverGetVersion(*mut c_int);
    cuGetErrorName(u32, *mut *const c_char);
    cuGetErrorString(u32, *mut *const c_char);
    cuDeviceGetCount(*mut c_int);
    cuDeviceGet(*mut DeviceHandle, c_int);
    cuDeviceGetAttribute(*mut c_int, c_int, DeviceHandle);
    cuDeviceGetName(*mut c_char, c_int, DeviceHandle);
    cuDevicePrimaryCtxRetain(*mut Context, DeviceHandle);
    cuDevicePrimaryCtxRelease_v2(DeviceHandle);
    cuCtxGetCurrent(*mut Context);
    cuCtxPushCurrent_v2(Context);
    cuCtxPopCurrent_v2(*mut Context);
    cuCtxGetDevice(*mut DeviceHandle);
    cuPointerGetAttribute(*mut c_void, c_uint, u64);
    cuPointerGetAttributes(c_uint, *const c_uint, *const *mut c_void, u64);
    cuStreamGetCtx(Stream, *mut Context);
    cuStreamIsCapturing(Stream, *mut c_int);
    cuStreamSynchronize(Stream);
    cuMemAlloc_v2(*mut u64, usize);
    cuMemFree_v2(u64);
    cuLibraryLoadData(
        *mut Library,
        *const c_void,
        *mut c_uint,
        *mut *mut c_void,
        c_uint,
        *mut c_uint,
        *mut *mut c_void,
        c_uint,
    );
    cuLibraryUnload(Library);
    cuLibraryGetKernel(*mut KernelHandle, Library, *const c_char);
    cuKernelGetFunction(*mut *mut c_void, KernelHandle);
    cuKernelSetAttribute(c_int, c_int, KernelHandle, DeviceHandle);
    cuLaunchKernel(
        KernelHandle,
        c_uint,
        c_uint,
        c_uint,
        c_uint,
        c_uint,
        c_uint,
        c_uint,
        Stream,
        *const *const c_void,
        *const *const c_void,
    );
}
