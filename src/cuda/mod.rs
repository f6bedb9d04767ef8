//! The CUDA backend.
//!
//! A call goes through `pointer` (where does it run), `plan` (which launches, those of the general kernels by `general`) and
//! then here: into a context if it needs one (`context`), kernels loaded (`module`), launched in order. `driver` alone calls
//! the driver.

mod context;
mod cut;
mod device;
mod driver;
mod general;
mod images;
mod kernel;
mod module;
mod params;
mod pixels;
mod plan;
mod pointer;
mod process;
mod weights;

use std::ffi::c_void;
use std::sync::atomic::Ordering;

use crate::layout::Dtype;
use crate::loss::Loss;
use crate::problem::Problem;
use crate::status::{Error, Result};
use context::{Allocation, CurrentContext, with_cleanup};
use cut::Family;
use device::Device;
use driver::{Driver, LaunchShape, Stream, explained};
use kernel::Kernel;
use plan::Launch;
pub(crate) use pointer::{locate, require_device, require_host, require_on};

/// An address in device memory; 0 is none.
#[repr(transparent)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DevicePtr(pub(crate) u64);

impl DevicePtr {
    pub(crate) const NULL: DevicePtr = DevicePtr(0);
}

/// Where a set of pointers lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Location {
    Host,
    Device(i32),
}

/// How the work is enqueued.
pub(crate) enum Execution {
    /// On the default stream; the result is there on return.
    Synchronous,
    /// On a stream that `check_stream` has passed.
    Stream { stream: *mut c_void, workspace: DevicePtr },
}

/// What a call reads. There is a mask if the problem has one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Inputs {
    pub(crate) images: [DevicePtr; 2],
    pub(crate) mask: DevicePtr,
}

/// What to compute.
pub(crate) enum Operation {
    Forward { ssim: DevicePtr, saved: DevicePtr },
    Backward { saved: DevicePtr, grad_ssim: DevicePtr, grads: [DevicePtr; 2] },
    ValueAndGrad { ssim: DevicePtr, grads: [DevicePtr; 2] },
    Loss { terms: Loss, loss: DevicePtr, grads: [DevicePtr; 2] },
}

/// The number of usable devices; 0 without a driver.
pub(crate) fn device_count() -> Result<i32> {
    device::count()
}

/// Driver and devices in a few lines of text.
pub(crate) fn describe() -> String {
    device::describe()
}

/// Checks that a stream belongs to the device of the pointers.
pub(crate) fn check_stream(stream: *mut c_void, ordinal: i32) -> Result<()> {
    let driver = Driver::get()?;
    context::check_stream(driver, Device::get(driver, ordinal)?, Stream(stream))
}

/// Loads every kernel, and puts it into a context of the device: the caller's current one if it is of that device, else the
/// primary one. That stays retained from then on, because what was loaded would be lost with the last reference to it.
pub(crate) fn preload(ordinal: i32) -> Result<()> {
    let driver = Driver::get()?;
    driver.init()?;
    let count = driver.device_count()?;
    if !(0..count).contains(&ordinal) {
        return Err(Error::Device(format!("device is {ordinal}; there are {count} CUDA devices, numbered from 0")));
    }
    let device = Device::get(driver, ordinal)?;
    let context = CurrentContext::enter(driver, device)?;
    let loaded =
        Kernel::ALL.iter().try_for_each(|&kernel| driver.load_kernel(module::kernel(driver, kernel, device.image)?));
    let keep = loaded.is_ok() && context.is_borrowed_primary() && !device.primary_is_kept.swap(true, Ordering::AcqRel);
    with_cleanup(loaded, if keep { context.leave_and_keep() } else { context.leave() })
}

/// Refuses what only the CPU computes so far: the one place that says so.
pub(crate) fn refuse_unsupported(problem: &Problem) -> Result<()> {
    let unsupported = |what: &str| Err(Error::Unsupported(format!("{what} is not supported on CUDA by this version")));
    for (i, name) in ["img1", "img2"].into_iter().enumerate() {
        // A gradient is of f64 where its image is, and only there.
        if problem.dtypes[i] == Dtype::F64 {
            return unsupported(&format!("{name}: dtype F64"));
        }
    }
    Ok(())
}

/// Bytes of workspace that any call of this problem needs, on any device.
pub(crate) fn workspace_bytes(problem: &Problem) -> usize {
    let strips_or_tiles = cut::workspace_bytes(problem);
    if plan::suits_strips(problem) && Family::current() != Ok(Family::General) {
        return strips_or_tiles;
    }
    strips_or_tiles.max(general::workspace_bytes(problem))
}

/// Runs a checked call on a device. Every address lives there, or is managed memory.
pub(crate) fn run(
    problem: &Problem,
    inputs: Inputs,
    operation: Operation,
    ordinal: i32,
    execution: Execution,
) -> Result<()> {
    let driver = Driver::get()?;
    let device = Device::get(driver, ordinal)?;
    let family = Family::current()?;
    let plan = |workspace| plan::plan(problem, inputs, &operation, workspace, &device.properties, family);
    match execution {
        Execution::Stream { stream, workspace } => {
            let (stream, launches) = (Stream(stream), plan(workspace));
            if !stream.is_default() {
                // A real stream brings its own context: nothing to change on this thread.
                return enqueue(driver, device, stream, &launches);
            }
            let context = CurrentContext::enter(driver, device)?;
            let outcome = enqueue(driver, device, stream, &launches);
            with_cleanup(outcome, context.leave())
        }
        Execution::Synchronous => {
            let context = CurrentContext::enter(driver, device)?;
            let workspace = Allocation::new(driver, workspace_bytes(problem))?;
            let outcome = enqueue(driver, device, Stream::NULL, &plan(workspace.address()))
                .and_then(|()| driver.synchronize(Stream::NULL));
            let outcome = with_cleanup(outcome, workspace.free());
            with_cleanup(outcome, context.leave())
        }
    }
}

fn enqueue(driver: &Driver, device: &Device, stream: Stream, launches: &[Launch]) -> Result<()> {
    launches.iter().try_for_each(|launch| enqueue_one(driver, device, stream, launch)).map_err(|error| {
        // Asked only after a failure. A capture that the failure has broken still counts as one.
        if driver.is_capturing(stream).unwrap_or(false) {
            let advice = "the stream is being captured: if the kernels were not loaded before, call fssim_cuda_preload \
                          before the capture";
            return explained(error, advice);
        }
        error
    })
}

fn enqueue_one(driver: &Driver, device: &Device, stream: Stream, launch: &Launch) -> Result<()> {
    let handle = module::kernel(driver, launch.kernel, device.image)?;
    let shape = LaunchShape { grid: launch.grid, block: launch.block, shared_bytes: launch.shared_bytes };
    device.allow_shared_bytes(driver, launch.kernel, handle, launch.shared_bytes)?;
    // SAFETY: the plan makes the parameters for this kernel, from addresses that the caller of the C function answers for.
    unsafe { driver.launch(handle, shape, stream, launch.params.as_ptr()) }
        .map_err(|error| explained(error, &format!("the kernel is {}", launch.kernel.name().to_string_lossy())))
}
