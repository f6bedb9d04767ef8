//! Device memory, streams, events and graphs for the CUDA tests, made with the driver itself.
//!
//! A driver call that fails here is a fault of the test or of the machine: it panics with the call and the code.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::ffi::{c_int, c_uint, c_void};
use std::ptr;
use std::sync::OnceLock;

use cudarc::driver::sys;

use crate::support::skip;

type Handle = *mut c_void;

macro_rules! functions {
    ($($name:ident($($argument:ty),* $(,)?);)*) => {
        #[allow(non_snake_case, reason = "these are the driver's names")]
        struct Functions { $($name: unsafe extern "C" fn($($argument),*) -> u32,)* }

        impl Functions {
            /// # Safety
            /// `sys::is_culib_present` has said yes.
            unsafe fn resolve() -> Result<Self, String> {
                // SAFETY: the library is there, the types are those of the driver's documentation.
                unsafe {
                    let library = sys::culib();
                    Ok(Functions { $($name: *library
                        .get::<unsafe extern "C" fn($($argument),*) -> u32>(concat!(stringify!($name), "\0").as_bytes())
                        .map_err(|_| concat!("the CUDA driver has no ", stringify!($name)))?,)* })
                }
            }
        }
    };
}

functions! {
    cuInit(c_uint);
    cuDeviceGetCount(*mut c_int);
    cuDeviceGet(*mut c_int, c_int);
    cuDevicePrimaryCtxRetain(*mut Handle, c_int);
    cuCtxCreate_v2(*mut Handle, c_uint, c_int);
    cuCtxDestroy_v2(Handle);
    cuCtxSetCurrent(Handle);
    cuCtxGetCurrent(*mut Handle);
    cuMemAlloc_v2(*mut u64, usize);
    cuMemAllocManaged(*mut u64, usize, c_uint);
    cuMemFree_v2(u64);
    cuMemHostAlloc(*mut Handle, usize, c_uint);
    cuMemFreeHost(Handle);
    cuMemGetInfo_v2(*mut usize, *mut usize);
    cuMemcpyHtoD_v2(u64, *const c_void, usize);
    cuMemcpyDtoH_v2(*mut c_void, u64, usize);
    cuMemcpyHtoDAsync_v2(u64, *const c_void, usize, Handle);
    cuMemcpyDtoHAsync_v2(*mut c_void, u64, usize, Handle);
    cuMemsetD32_v2(u64, c_uint, usize);
    cuStreamCreate(*mut Handle, c_uint);
    cuStreamDestroy_v2(Handle);
    cuStreamSynchronize(Handle);
    cuStreamWaitEvent(Handle, Handle, c_uint);
    cuStreamBeginCapture_v2(Handle, c_int);
    cuStreamEndCapture(Handle, *mut Handle);
    cuGraphInstantiateWithFlags(*mut Handle, Handle, u64);
    cuGraphLaunch(Handle, Handle);
    cuGraphExecDestroy(Handle);
    cuGraphDestroy(Handle);
    cuEventCreate(*mut Handle, c_uint);
    cuEventRecord(Handle, Handle);
    cuEventDestroy_v2(Handle);
}

struct Driver {
    functions: Functions,
    /// The primary context of each device, retained for the life of the process.
    contexts: Vec<usize>,
}

fn driver() -> Result<&'static Driver, &'static str> {
    static DRIVER: OnceLock<Result<Driver, String>> = OnceLock::new();
    DRIVER.get_or_init(open_driver).as_ref().map_err(String::as_str)
}

fn open_driver() -> Result<Driver, String> {
    // SAFETY: opens libraries by the driver's names.
    if !unsafe { sys::is_culib_present() } {
        return Err("no CUDA driver".to_owned());
    }
    // SAFETY: it is there.
    let functions = unsafe { Functions::resolve() }?;
    // SAFETY: the out-parameters are valid.
    unsafe {
        match (functions.cuInit)(0) {
            0 => {}
            code => return Err(format!("no CUDA driver that works: cuInit returned {code}")),
        }
        let mut count = 0;
        check("cuDeviceGetCount", (functions.cuDeviceGetCount)(&mut count));
        let contexts = (0..count)
            .map(|ordinal| {
                let (mut device, mut context) = (0, ptr::null_mut());
                check("cuDeviceGet", (functions.cuDeviceGet)(&mut device, ordinal));
                check("cuDevicePrimaryCtxRetain", (functions.cuDevicePrimaryCtxRetain)(&mut context, device));
                context as usize
            })
            .collect();
        Ok(Driver { functions, contexts })
    }
}

#[track_caller]
fn check(call: &str, code: u32) {
    assert_eq!(code, 0, "{call} returned CUDA error {code}");
}

/// The functions of a driver that is known to be there.
fn functions() -> &'static Functions {
    &driver().expect("a Gpu exists, so there is a driver").functions
}

/// Whether the driver is the emulator of tests/emulator, on which only small sizes finish soon.
pub fn is_emulated() -> bool {
    std::env::var("FSSIM_EMULATED").as_deref() == Ok("1")
}

/// A device whose primary context is current on this thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gpu {
    pub ordinal: i32,
}

impl Gpu {
    /// The first device, or None after saying that `test` is skipped.
    pub fn first(test: &str) -> Option<Gpu> {
        Gpu::all(test, 1).map(|gpus| gpus[0])
    }

    /// All devices, the first of them current, or None after saying that `test` is skipped for want of `needed` of them.
    pub fn all(test: &str, needed: usize) -> Option<Vec<Gpu>> {
        let why = match driver() {
            Err(why) => why.to_owned(),
            Ok(driver) if driver.contexts.len() < needed => {
                format!("it needs {needed} CUDA devices, and there are {}", driver.contexts.len())
            }
            Ok(driver) => {
                let gpus: Vec<Gpu> = (0..driver.contexts.len() as i32).map(|ordinal| Gpu { ordinal }).collect();
                gpus[0].make_current();
                return Some(gpus);
            }
        };
        skip(test, &why);
        None
    }

    /// Makes the device's primary context current on this thread.
    pub fn make_current(self) {
        let context = driver().expect("a Gpu exists").contexts[self.ordinal as usize] as Handle;
        // SAFETY: the context is retained for the life of the process.
        check("cuCtxSetCurrent", unsafe { (functions().cuCtxSetCurrent)(context) });
    }
}

/// Leaves this thread without a current context.
pub fn clear_current_context() {
    // SAFETY: NULL is allowed.
    check("cuCtxSetCurrent", unsafe { (functions().cuCtxSetCurrent)(ptr::null_mut()) });
}

/// The context that is current on this thread, as a number to compare.
pub fn current_context() -> usize {
    let mut context = ptr::null_mut();
    // SAFETY: the out-parameter is valid.
    check("cuCtxGetCurrent", unsafe { (functions().cuCtxGetCurrent)(&mut context) });
    context as usize
}

/// Bytes of device memory that are free, in the current context's device.
pub fn free_memory() -> usize {
    let (mut free, mut total) = (0, 0);
    // SAFETY: the out-parameters are valid.
    check("cuMemGetInfo", unsafe { (functions().cuMemGetInfo_v2)(&mut free, &mut total) });
    free
}

/// Waits for the legacy default stream.
pub fn synchronize() {
    synchronize_default(0);
}

/// Waits for a default stream: 0 or 1 (legacy), 2 (per thread).
pub fn synchronize_default(handle: usize) {
    // SAFETY: these handles stand for streams of the current context.
    check("cuStreamSynchronize", unsafe { (functions().cuStreamSynchronize)(ptr::without_provenance_mut(handle)) });
}

/// A context of its own on a device, current on this thread until it is dropped.
pub struct OwnContext(Handle);

impl OwnContext {
    pub fn new(gpu: Gpu) -> Self {
        let mut context = ptr::null_mut();
        // SAFETY: the out-parameter is valid; a device's handle is its ordinal.
        check("cuCtxCreate", unsafe { (functions().cuCtxCreate_v2)(&mut context, 0, gpu.ordinal) });
        OwnContext(context)
    }
}

impl Drop for OwnContext {
    fn drop(&mut self) {
        // SAFETY: created above, destroyed once.
        check("cuCtxDestroy", unsafe { (functions().cuCtxDestroy_v2)(self.0) });
    }
}

/// What the outside of a buffer holds, and what must not change.
const GUARD: u32 = 0xffc1_5a5a;
/// What an output holds before a call: a NaN that no kernel makes.
pub const POISON: u32 = 0xffc2_a5a5;
/// Guarded floats on each side; a multiple of 256 bytes keeps the alignment of the allocation.
const MARGIN: usize = 64;

/// Floats in device memory, with guarded memory on both sides.
pub struct Floats {
    base: u64,
    first: usize,
    length: usize,
    total: usize,
}

impl Floats {
    /// `length` floats of poison, `offset` floats past an address that is a multiple of 256 bytes.
    pub fn poisoned_at(offset: usize, length: usize) -> Self {
        let (first, total) = (MARGIN + offset, length + offset + 2 * MARGIN);
        let mut base = 0;
        // SAFETY: the out-parameter is valid.
        check("cuMemAlloc", unsafe { (functions().cuMemAlloc_v2)(&mut base, total * 4) });
        let floats = Floats { base, first, length, total };
        // SAFETY: the whole allocation.
        check("cuMemsetD32", unsafe { (functions().cuMemsetD32_v2)(base, GUARD, total) });
        floats.poison();
        floats
    }

    pub fn poisoned(length: usize) -> Self {
        Floats::poisoned_at(0, length)
    }

    pub fn of(values: &[f32]) -> Self {
        Floats::of_at(0, values)
    }

    pub fn of_at(offset: usize, values: &[f32]) -> Self {
        let floats = Floats::poisoned_at(offset, values.len());
        floats.write(values);
        floats
    }

    pub fn len(&self) -> usize {
        self.length
    }

    fn start(&self) -> u64 {
        self.base + self.first as u64 * 4
    }

    pub fn address(&self) -> *mut c_void {
        ptr::without_provenance_mut(self.start() as usize)
    }

    pub fn floats(&self) -> *mut f32 {
        self.address().cast()
    }

    /// Fills the buffer with poison, and waits for it.
    pub fn poison(&self) {
        // SAFETY: inside the allocation.
        check("cuMemsetD32", unsafe { (functions().cuMemsetD32_v2)(self.start(), POISON, self.length) });
        synchronize();
    }

    pub fn write(&self, values: &[f32]) {
        assert_eq!(values.len(), self.length);
        // SAFETY: as many bytes as both sides hold.
        check("cuMemcpyHtoD", unsafe {
            (functions().cuMemcpyHtoD_v2)(self.start(), values.as_ptr().cast(), size_of_val(values))
        });
        synchronize();
    }

    /// The content, after checking that nothing outside it was written.
    #[track_caller]
    pub fn read(&self) -> Vec<f32> {
        let mut all = vec![0f32; self.total];
        // SAFETY: as many bytes as both sides hold.
        check("cuMemcpyDtoH", unsafe {
            (functions().cuMemcpyDtoH_v2)(all.as_mut_ptr().cast(), self.base, size_of_val(&all[..]))
        });
        let end = self.first + self.length;
        for (i, value) in all.iter().enumerate().filter(|&(i, _)| i < self.first || i >= end) {
            assert_eq!(
                value.to_bits(),
                GUARD,
                "float {} of a buffer of {} was written",
                i as isize - self.first as isize,
                self.length
            );
        }
        all[self.first..end].to_vec()
    }

    /// Enqueues a copy from host memory, which must not move before the stream is synchronised.
    pub fn write_on(&self, stream: &Stream, values: &[f32]) {
        assert_eq!(values.len(), self.length);
        // SAFETY: as many bytes as both sides hold.
        check("cuMemcpyHtoDAsync", unsafe {
            (functions().cuMemcpyHtoDAsync_v2)(self.start(), values.as_ptr().cast(), size_of_val(values), stream.0)
        });
    }

    /// Enqueues a copy to host memory, which must not move before the stream is synchronised.
    pub fn read_on(&self, stream: &Stream, values: &mut [f32]) {
        assert_eq!(values.len(), self.length);
        // SAFETY: as many bytes as both sides hold.
        check("cuMemcpyDtoHAsync", unsafe {
            (functions().cuMemcpyDtoHAsync_v2)(values.as_mut_ptr().cast(), self.start(), size_of_val(values), stream.0)
        });
    }
}

impl Drop for Floats {
    fn drop(&mut self) {
        // SAFETY: allocated above, freed once. A failure would hide the panic that is under way, so it is not checked.
        unsafe { (functions().cuMemFree_v2)(self.base) };
    }
}

/// Memory that the host can use as a slice, made by the driver.
pub struct HostFloats {
    address: *mut f32,
    length: usize,
    managed: bool,
}

impl HostFloats {
    pub fn managed(values: &[f32]) -> Self {
        const ATTACH_GLOBAL: c_uint = 1;
        let mut address = 0;
        // SAFETY: the out-parameter is valid.
        check("cuMemAllocManaged", unsafe {
            (functions().cuMemAllocManaged)(&mut address, size_of_val(values), ATTACH_GLOBAL)
        });
        HostFloats::filled(address as *mut f32, values, true)
    }

    pub fn pinned(values: &[f32]) -> Self {
        let mut address = ptr::null_mut();
        // SAFETY: the out-parameter is valid.
        check("cuMemHostAlloc", unsafe { (functions().cuMemHostAlloc)(&mut address, size_of_val(values), 0) });
        HostFloats::filled(address.cast(), values, false)
    }

    fn filled(address: *mut f32, values: &[f32], managed: bool) -> Self {
        // SAFETY: freshly allocated for as many floats.
        unsafe { ptr::copy_nonoverlapping(values.as_ptr(), address, values.len()) };
        HostFloats { address, length: values.len(), managed }
    }

    pub fn address(&self) -> *mut c_void {
        self.address.cast()
    }

    /// The content. No work that uses the memory may be under way.
    pub fn read(&self) -> Vec<f32> {
        // SAFETY: the host may read it, and it is as long.
        unsafe { std::slice::from_raw_parts(self.address, self.length) }.to_vec()
    }
}

impl Drop for HostFloats {
    fn drop(&mut self) {
        // SAFETY: allocated above, freed once, by its own kind. Not checked, as for Floats.
        unsafe {
            if self.managed {
                (functions().cuMemFree_v2)(self.address as u64);
            } else {
                (functions().cuMemFreeHost)(self.address.cast());
            }
        }
    }
}

/// A stream that does not wait for the legacy default stream.
pub struct Stream(Handle);

impl Stream {
    pub fn new() -> Self {
        const NON_BLOCKING: c_uint = 1;
        let mut stream = ptr::null_mut();
        // SAFETY: the out-parameter is valid.
        check("cuStreamCreate", unsafe { (functions().cuStreamCreate)(&mut stream, NON_BLOCKING) });
        Stream(stream)
    }

    pub fn handle(&self) -> *mut c_void {
        self.0
    }

    pub fn synchronize(&self) {
        // SAFETY: the stream is alive.
        check("cuStreamSynchronize", unsafe { (functions().cuStreamSynchronize)(self.0) });
    }

    /// Makes what comes next on this stream wait for what is on `other` now.
    pub fn wait_for(&self, other: &Stream) {
        const DISABLE_TIMING: c_uint = 2;
        let mut event = ptr::null_mut();
        // SAFETY: streams and event are alive; a destroyed event is released when it has completed.
        unsafe {
            check("cuEventCreate", (functions().cuEventCreate)(&mut event, DISABLE_TIMING));
            check("cuEventRecord", (functions().cuEventRecord)(event, other.0));
            check("cuStreamWaitEvent", (functions().cuStreamWaitEvent)(self.0, event, 0));
            check("cuEventDestroy", (functions().cuEventDestroy_v2)(event));
        }
    }

    /// Captures what `work` enqueues on this stream.
    #[track_caller]
    pub fn capture(&self, work: impl FnOnce()) -> Graph {
        self.try_capture(work).unwrap_or_else(|code| panic!("the capture ended with CUDA error {code}"))
    }

    /// The same, where the capture may be broken by what `work` does.
    pub fn try_capture(&self, work: impl FnOnce()) -> Result<Graph, u32> {
        // Other threads' calls, those of other tests, are not restricted meanwhile.
        const THREAD_LOCAL: c_int = 1;
        let (mut graph, mut executable) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: the stream is alive and the out-parameters are valid.
        check("cuStreamBeginCapture", unsafe { (functions().cuStreamBeginCapture_v2)(self.0, THREAD_LOCAL) });
        work();
        // SAFETY: as above.
        unsafe {
            match (functions().cuStreamEndCapture)(self.0, &mut graph) {
                0 => {}
                code => return Err(code),
            }
            check("cuGraphInstantiate", (functions().cuGraphInstantiateWithFlags)(&mut executable, graph, 0));
        }
        Ok(Graph { graph, executable })
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // SAFETY: created above, destroyed once. Not checked, as for Floats.
        unsafe { (functions().cuStreamDestroy_v2)(self.0) };
    }
}

/// A captured piece of work that can be run again.
pub struct Graph {
    graph: Handle,
    executable: Handle,
}

impl Graph {
    /// Runs the work on a stream and waits for it.
    pub fn replay(&self, stream: &Stream) {
        // SAFETY: both are alive.
        check("cuGraphLaunch", unsafe { (functions().cuGraphLaunch)(self.executable, stream.0) });
        stream.synchronize();
    }
}

impl Drop for Graph {
    fn drop(&mut self) {
        // SAFETY: created above, destroyed once. Not checked, as for Floats.
        unsafe {
            (functions().cuGraphExecDestroy)(self.executable);
            (functions().cuGraphDestroy)(self.graph);
        }
    }
}
