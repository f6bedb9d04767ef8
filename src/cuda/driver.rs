//! The CUDA driver, and the only file that calls it.
//!
//! The driver is opened by name at the first call that needs it, through cudarc. Every function is an
//! `extern "C" fn(..) -> u32`: cudarc's own `CUresult` is an exhaustive Rust enum, so an error code that it does not know
//! would be undefined behaviour, and its wrappers panic where there is no driver.

mod error;
mod functions;

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::ptr;
use std::sync::OnceLock;

use cudarc::driver::sys;

use super::images::Code;
use super::{DevicePtr, process};
use crate::status::{Error, Result};
pub(super) use error::explained;
use functions::*;
pub(super) use functions::{Context, DeviceAttribute, DeviceHandle, KernelHandle, Library, Stream};

/// Memory that the driver knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KnownMemory {
    /// Host memory that is pinned or registered.
    PinnedHost,
    /// Managed memory, with the device it was made on.
    Managed(i32),
    /// Memory of a device.
    Device(i32),
}

/// Grid (x only), block (x only) and dynamic shared memory of a launch.
#[derive(Clone, Copy)]
pub(super) struct LaunchShape {
    pub(super) grid: u32,
    pub(super) block: u32,
    pub(super) shared_bytes: u32,
}

/// What the values of POINTER_ATTRIBUTES mean together.
fn known_memory([memory_type, managed, ordinal]: [u64; 3]) -> Option<KnownMemory> {
    let ordinal = ordinal as u32 as i32;
    match memory_type {
        0 => None,
        _ if managed != 0 => Some(KnownMemory::Managed(ordinal)),
        MEMORY_TYPE_DEVICE => Some(KnownMemory::Device(ordinal)),
        _ => Some(KnownMemory::PinnedHost),
    }
}

/// Where the driver writes what its PTX compiler complains about. It holds the option arrays as well: a driver that
/// compiles lazily may come back to them after the load, so this must live as long as the library.
pub(super) struct JitLog {
    options: [c_uint; 2],
    values: [*mut c_void; 2],
    text: [u8; JitLog::BYTES],
}

// SAFETY: `values` points into the same object, or to nothing.
unsafe impl Send for JitLog {}

impl JitLog {
    const BYTES: usize = 8192;

    pub(super) fn new() -> Box<Self> {
        Box::new(JitLog {
            options: [JIT_ERROR_LOG_BUFFER, JIT_ERROR_LOG_BUFFER_SIZE_BYTES],
            values: [ptr::null_mut(); 2],
            text: [0; Self::BYTES],
        })
    }

    /// What was written, on one line.
    pub(super) fn text(&self) -> String {
        let end = self.text.iter().position(|&byte| byte == 0).unwrap_or(Self::BYTES);
        String::from_utf8_lossy(&self.text[..end]).split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

/// The driver library with all functions found. Copies of handles passed to its methods must be alive; a dead stream or
/// context handle is undefined behaviour in the driver itself and is what the C API's caller answers for.
pub(super) struct Driver {
    functions: Functions,
}

/// Success is remembered, failure is not: a driver that appears later, or a passing fault, is found by the next call.
static DRIVER: OnceLock<Driver> = OnceLock::new();

impl Driver {
    /// The driver, opened if it was not.
    pub(super) fn get() -> Result<&'static Driver> {
        if let Some(driver) = DRIVER.get() {
            return Ok(driver);
        }
        // SAFETY: opens libraries by the driver's names; their initialisers are the driver's own.
        if !unsafe { sys::is_culib_present() } {
            return Err(Error::NoCuda("no CUDA driver: libcuda.so.1 was not found".to_owned()));
        }
        // SAFETY: the library was found just above.
        let functions = unsafe { Functions::resolve() }?;
        Ok(DRIVER.get_or_init(|| Driver { functions }))
    }

    /// The driver if somebody in this process has opened it, else None. Never opens it.
    pub(super) fn if_loaded() -> Option<Result<&'static Driver>> {
        match DRIVER.get() {
            Some(driver) => Some(Ok(driver)),
            None => process::is_library_loaded(c"libcuda.so.1").then(Driver::get),
        }
    }

    /// Initialises the driver; again is cheap and harmless.
    pub(super) fn init(&self) -> Result<()> {
        // SAFETY: 0 is the only flag value there is.
        self.check("cuInit", unsafe { (self.functions.cuInit)(0) })
    }

    /// 1000 * major + 10 * minor of the newest CUDA that the driver supports. Needs no initialisation.
    pub(super) fn version(&self) -> Result<i32> {
        let mut version = 0;
        // SAFETY: the out-parameter is valid.
        self.check("cuDriverGetVersion", unsafe { (self.functions.cuDriverGetVersion)(&mut version) })?;
        Ok(version)
    }

    pub(super) fn device_count(&self) -> Result<i32> {
        let mut count = 0;
        // SAFETY: the out-parameter is valid.
        self.check("cuDeviceGetCount", unsafe { (self.functions.cuDeviceGetCount)(&mut count) })?;
        Ok(count)
    }

    pub(super) fn device(&self, ordinal: i32) -> Result<DeviceHandle> {
        let mut device = DeviceHandle(0);
        // SAFETY: the out-parameter is valid; a wrong ordinal is an error of the driver.
        self.check("cuDeviceGet", unsafe { (self.functions.cuDeviceGet)(&mut device, ordinal) })?;
        Ok(device)
    }

    pub(super) fn device_attribute(&self, device: DeviceHandle, attribute: DeviceAttribute) -> Result<i32> {
        let mut value = 0;
        // SAFETY: the out-parameter is valid and the attribute is one of the driver's.
        let code = unsafe { (self.functions.cuDeviceGetAttribute)(&mut value, attribute as c_int, device) };
        self.check("cuDeviceGetAttribute", code)?;
        Ok(value)
    }

    pub(super) fn device_name(&self, device: DeviceHandle) -> Result<String> {
        let mut name = [0u8; 256];
        // SAFETY: the driver writes at most the 256 bytes that it is told of.
        let code = unsafe { (self.functions.cuDeviceGetName)(name.as_mut_ptr().cast(), 256, device) };
        self.check("cuDeviceGetName", code)?;
        let name = CStr::from_bytes_until_nul(&name).unwrap_or_default();
        Ok(name.to_string_lossy().into_owned())
    }

    /// The device's primary context, the one that the CUDA runtime uses, created if need be. One reference.
    pub(super) fn retain_primary(&self, device: DeviceHandle) -> Result<Context> {
        let mut context = Context(ptr::null_mut());
        // SAFETY: the out-parameter is valid.
        let code = unsafe { (self.functions.cuDevicePrimaryCtxRetain)(&mut context, device) };
        self.check("cuDevicePrimaryCtxRetain", code)?;
        Ok(context)
    }

    /// Gives back one reference taken by `retain_primary`.
    pub(super) fn release_primary(&self, device: DeviceHandle) -> Result<()> {
        // SAFETY: takes a plain number.
        let code = unsafe { (self.functions.cuDevicePrimaryCtxRelease_v2)(device) };
        self.check("cuDevicePrimaryCtxRelease", code)
    }

    /// The calling thread's current context.
    pub(super) fn current_context(&self) -> Result<Option<Context>> {
        let mut context = Context(ptr::null_mut());
        // SAFETY: the out-parameter is valid.
        self.check("cuCtxGetCurrent", unsafe { (self.functions.cuCtxGetCurrent)(&mut context) })?;
        Ok((!context.0.is_null()).then_some(context))
    }

    /// Makes a context current on the calling thread until `pop_context`.
    pub(super) fn push_context(&self, context: Context) -> Result<()> {
        // SAFETY: contexts come from the driver and are alive (see the type).
        self.check("cuCtxPushCurrent", unsafe { (self.functions.cuCtxPushCurrent_v2)(context) })
    }

    pub(super) fn pop_context(&self) -> Result<()> {
        let mut popped = Context(ptr::null_mut());
        // SAFETY: the out-parameter is valid.
        self.check("cuCtxPopCurrent", unsafe { (self.functions.cuCtxPopCurrent_v2)(&mut popped) })
    }

    /// The device of the current context.
    pub(super) fn current_device(&self) -> Result<DeviceHandle> {
        let mut device = DeviceHandle(0);
        // SAFETY: the out-parameter is valid.
        self.check("cuCtxGetDevice", unsafe { (self.functions.cuCtxGetDevice)(&mut device) })?;
        Ok(device)
    }

    /// What the driver knows about an address. None: nothing, as for ordinary host memory.
    pub(super) fn memory_at(&self, address: usize) -> Result<Option<KnownMemory>> {
        // Eight zeroed bytes each, because the driver's documentation leaves the width of its booleans open.
        let mut values = [0u64; 3];
        let code = self.pointer_attributes(address, &mut values);
        if code == INVALID_CONTEXT {
            return self.memory_at_without_context(address);
        }
        self.check("cuPointerGetAttributes", code)?;
        Ok(known_memory(values))
    }

    /// One call for all attributes. It needs a current context.
    fn pointer_attributes(&self, address: usize, values: &mut [u64; 3]) -> u32 {
        let places = values.each_mut().map(|value| (&raw mut *value).cast::<c_void>());
        let count = POINTER_ATTRIBUTES.len() as c_uint;
        // SAFETY: as many places as attributes, each large enough for any of them. The address is looked up, not read.
        unsafe {
            (self.functions.cuPointerGetAttributes)(count, POINTER_ATTRIBUTES.as_ptr(), places.as_ptr(), address as u64)
        }
    }

    /// The same, attribute by attribute, which needs no current context. Memory that the driver does not know is an error
    /// here.
    fn memory_at_without_context(&self, address: usize) -> Result<Option<KnownMemory>> {
        let mut values = [0u64; 3];
        for (value, attribute) in values.iter_mut().zip(POINTER_ATTRIBUTES) {
            // SAFETY: the place is large enough for any attribute. The address is looked up, not read.
            let code =
                unsafe { (self.functions.cuPointerGetAttribute)((&raw mut *value).cast(), attribute, address as u64) };
            if attribute == POINTER_MEMORY_TYPE && (code == INVALID_VALUE || code == INVALID_CONTEXT) {
                return Ok(None);
            }
            self.check("cuPointerGetAttribute", code)?;
        }
        Ok(known_memory(values))
    }

    /// The context that a stream belongs to. Not for default streams.
    pub(super) fn stream_context(&self, stream: Stream) -> Result<Context> {
        let mut context = Context(ptr::null_mut());
        // SAFETY: the out-parameter is valid; the stream is alive (see the type).
        self.check("cuStreamGetCtx", unsafe { (self.functions.cuStreamGetCtx)(stream, &mut context) })?;
        Ok(context)
    }

    /// Whether a stream is being captured into a graph; a capture that has failed counts.
    pub(super) fn is_capturing(&self, stream: Stream) -> Result<bool> {
        let mut status = 0;
        // SAFETY: the out-parameter is valid; the stream is alive (see the type).
        self.check("cuStreamIsCapturing", unsafe { (self.functions.cuStreamIsCapturing)(stream, &mut status) })?;
        Ok(status != 0)
    }

    pub(super) fn synchronize(&self, stream: Stream) -> Result<()> {
        // SAFETY: the stream is alive (see the type).
        self.check("cuStreamSynchronize", unsafe { (self.functions.cuStreamSynchronize)(stream) })
    }

    /// Device memory in the current context.
    pub(super) fn allocate(&self, bytes: usize) -> Result<DevicePtr> {
        let mut address = 0;
        // SAFETY: the out-parameter is valid.
        self.check("cuMemAlloc", unsafe { (self.functions.cuMemAlloc_v2)(&mut address, bytes) })?;
        Ok(DevicePtr(address))
    }

    /// Frees what `allocate` gave. Waits for work that uses it.
    ///
    /// # Safety
    /// The memory came from `allocate` and was not freed before.
    pub(super) unsafe fn free(&self, memory: DevicePtr) -> Result<()> {
        // SAFETY: the caller's promise.
        self.check("cuMemFree", unsafe { (self.functions.cuMemFree_v2)(memory.0) })
    }

    /// Loads PTX for every context and device, or machine code for those that can run it. Needs no context.
    pub(super) fn load_library(&self, code: &Code, log: &mut JitLog) -> Result<Library> {
        let mut library = Library(ptr::null_mut());
        // The size travels in the bits of a pointer.
        log.values = [log.text.as_mut_ptr().cast(), ptr::without_provenance_mut(JitLog::BYTES)];
        // SAFETY: the code is NUL-terminated PTX or a whole ELF file, which the driver copies; the option arrays have two
        // elements each, and the log's size is that of its text.
        let code = unsafe {
            (self.functions.cuLibraryLoadData)(
                &mut library,
                code.as_ptr().cast(),
                log.options.as_mut_ptr(),
                log.values.as_mut_ptr(),
                2,
                ptr::null_mut(),
                ptr::null_mut(),
                0,
            )
        };
        self.check("cuLibraryLoadData", code)?;
        Ok(library)
    }

    /// Unloads a library.
    ///
    /// # Safety
    /// No handle of one of its kernels is used any more.
    pub(super) unsafe fn unload_library(&self, library: Library) -> Result<()> {
        // SAFETY: the caller's promise.
        self.check("cuLibraryUnload", unsafe { (self.functions.cuLibraryUnload)(library) })
    }

    pub(super) fn kernel(&self, library: Library, name: &CStr) -> Result<KernelHandle> {
        let mut kernel = KernelHandle(ptr::null_mut());
        // SAFETY: the out-parameter is valid, the name NUL-terminated.
        let code = unsafe { (self.functions.cuLibraryGetKernel)(&mut kernel, library, name.as_ptr()) };
        self.check("cuLibraryGetKernel", code)
            .map_err(|error| explained(error, &format!("the kernel is {}", name.to_string_lossy())))?;
        Ok(kernel)
    }

    /// Puts a kernel into the current context now, instead of at its first launch there.
    pub(super) fn load_kernel(&self, kernel: KernelHandle) -> Result<()> {
        let mut function = ptr::null_mut();
        // SAFETY: the out-parameter is valid.
        let code = unsafe { (self.functions.cuKernelGetFunction)(&mut function, kernel) };
        self.check("cuKernelGetFunction", code)
    }

    /// Lets a kernel use up to `bytes` of dynamic shared memory on a device.
    pub(super) fn set_dynamic_shared_bytes(
        &self,
        kernel: KernelHandle,
        device: DeviceHandle,
        bytes: u32,
    ) -> Result<()> {
        let size = c_int::try_from(bytes)
            .map_err(|_| Error::Internal(format!("{bytes} bytes of shared memory cannot be asked for")))?;
        // SAFETY: plain numbers and a kernel of a library that is never unloaded.
        let code = unsafe {
            (self.functions.cuKernelSetAttribute)(FUNCTION_MAX_DYNAMIC_SHARED_SIZE_BYTES, size, kernel, device)
        };
        self.check("cuKernelSetAttribute", code)
            .map_err(|error| explained(error, &format!("{bytes} bytes of dynamic shared memory were asked for")))
    }

    /// Enqueues a kernel whose single parameter, a struct by value, stands at `parameter`.
    ///
    /// # Safety
    /// `parameter` points to the struct that the kernel declares, and every address in it is valid for what the kernel
    /// does, until it has run.
    pub(super) unsafe fn launch(
        &self,
        kernel: KernelHandle,
        shape: LaunchShape,
        stream: Stream,
        parameter: *const c_void,
    ) -> Result<()> {
        let parameters = [parameter];
        let LaunchShape { grid, block, shared_bytes } = shape;
        // SAFETY: the driver copies the parameter before it returns; the rest is the caller's promise. A kernel handle may
        // stand for a function handle here (documented with cuLibraryGetKernel).
        let code = unsafe {
            (self.functions.cuLaunchKernel)(
                kernel,
                grid,
                1,
                1,
                block,
                1,
                1,
                shared_bytes,
                stream,
                parameters.as_ptr(),
                ptr::null(),
            )
        };
        self.check("cuLaunchKernel", code)
    }

    fn check(&self, call: &str, code: u32) -> Result<()> {
        if code == 0 { Ok(()) } else { Err(self.error(call, code)) }
    }

    /// The error of a call that returned `code`: its number, name and text, as the driver has them.
    #[cold]
    fn error(&self, call: &str, code: u32) -> Error {
        let describe = |function: unsafe extern "C" fn(u32, *mut *const c_char) -> u32| {
            let mut text = ptr::null();
            // SAFETY: the out-parameter is valid; on success the driver leaves a static string there, or NULL.
            unsafe {
                (function(code, &mut text) == 0 && !text.is_null())
                    .then(|| CStr::from_ptr(text).to_string_lossy().into_owned())
            }
        };
        let name = describe(self.functions.cuGetErrorName).unwrap_or_else(|| "unknown error".to_owned());
        let text =
            describe(self.functions.cuGetErrorString).unwrap_or_else(|| "the driver has no text for it".to_owned());
        error::error(call, code, &name, &text)
    }
}
