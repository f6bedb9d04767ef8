//! The kernels, loaded from images that are part of the library: each once per process, when first needed, for every device
//! that runs the same image.

use std::ffi::c_void;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Mutex, PoisonError};

use super::context::with_cleanup;
use super::driver::{Driver, JitLog, KernelHandle, explained};
use super::images::{self, Choice, Code};
use super::kernel::Kernel;
use crate::status::{Error, Result};

/// A handle for each kernel and image that has been loaded, by `Kernel::index` and `Choice::index`.
static HANDLES: [[AtomicPtr<c_void>; Choice::COUNT]; Kernel::ALL.len()] =
    [const { [const { AtomicPtr::new(ptr::null_mut()) }; Choice::COUNT] }; Kernel::ALL.len()];

/// Held while loading, so that each image is loaded once. Owns the code, and the logs that the driver may still write to;
/// libraries stay loaded for the life of the process.
static LOADED: Mutex<Vec<(Code, Box<JitLog>)>> = Mutex::new(Vec::new());

/// The handle of a kernel. Loads its image if that has not happened; a failure is not remembered.
pub(super) fn kernel(driver: &Driver, kernel: Kernel, choice: Choice) -> Result<KernelHandle> {
    let known = &HANDLES[kernel.index()][choice.index()];
    let loaded = || {
        let handle = known.load(Ordering::Acquire);
        (!handle.is_null()).then_some(KernelHandle(handle))
    };
    if let Some(handle) = loaded() {
        return Ok(handle);
    }
    let mut owned = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(handle) = loaded() {
        return Ok(handle);
    }
    let (handle, code, log) = load(driver, kernel, choice)?;
    owned.push((code, log));
    known.store(handle.0, Ordering::Release);
    Ok(handle)
}

fn load(driver: &Driver, kernel: Kernel, choice: Choice) -> Result<(KernelHandle, Code, Box<JitLog>)> {
    let code = images::code(kernel, choice)?;
    let mut log = JitLog::new();
    let library = driver.load_library(&code, &mut log).map_err(|error| with_log(error, &log))?;
    match driver.kernel(library, kernel.name()) {
        Ok(handle) => Ok((handle, code, log)),
        Err(error) => {
            let error = with_log(error, &log);
            // SAFETY: no handle of this library has been given out.
            with_cleanup(Err(error), unsafe { driver.unload_library(library) })
        }
    }
}

fn with_log(error: Error, log: &JitLog) -> Error {
    match log.text() {
        empty if empty.is_empty() => error,
        text => explained(error, &format!("the driver's PTX compiler says: {text}")),
    }
}
