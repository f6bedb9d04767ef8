//! The kernels, loaded from PTX that is part of the library: once per process, when first needed, for every device at once.

use std::ffi::{CStr, c_void};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Mutex, PoisonError};

use super::context::with_cleanup;
use super::driver::{Driver, JitLog, KernelHandle, Library, explained};
use super::plan::Kernel;
use crate::status::{Error, Result};

/// A handle for each kernel that has been loaded, by `Kernel::index`.
static HANDLES: [AtomicPtr<c_void>; Kernel::ALL.len()] = [const { AtomicPtr::new(ptr::null_mut()) }; Kernel::ALL.len()];

/// Held while loading, so that each file is loaded once. Owns the logs that the driver may still write to; libraries stay
/// loaded for the life of the process.
static LOADED: Mutex<Vec<Box<JitLog>>> = Mutex::new(Vec::new());

/// The handle of a kernel. Loads its file if that has not happened; a failure is not remembered.
pub(super) fn kernel(driver: &Driver, kernel: Kernel) -> Result<KernelHandle> {
    if let Some(handle) = loaded(kernel) {
        return Ok(handle);
    }
    let mut logs = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    if loaded(kernel).is_none() {
        logs.push(load_file(driver, kernel.ptx())?);
    }
    loaded(kernel).ok_or_else(|| Error::Internal(format!("{:?} is not among its file's kernels", kernel.name())))
}

fn loaded(kernel: Kernel) -> Option<KernelHandle> {
    let handle = HANDLES[kernel.index()].load(Ordering::Acquire);
    (!handle.is_null()).then_some(KernelHandle(handle))
}

/// Loads a file and all its kernels, or nothing.
fn load_file(driver: &Driver, ptx: &'static str) -> Result<Box<JitLog>> {
    let text =
        CStr::from_bytes_with_nul(ptx.as_bytes()).map_err(|error| Error::Internal(format!("embedded PTX: {error}")))?;
    let mut log = JitLog::new();
    let library = driver.load_library(text, &mut log).map_err(|error| with_log(error, &log))?;
    match kernels_of(driver, library, ptx) {
        Ok(handles) => {
            for (kernel, handle) in handles {
                HANDLES[kernel.index()].store(handle.0, Ordering::Release);
            }
            Ok(log)
        }
        Err(error) => {
            let error = with_log(error, &log);
            // SAFETY: no handle of this library has been given out.
            with_cleanup(Err(error), unsafe { driver.unload_library(library) })
        }
    }
}

fn kernels_of(driver: &Driver, library: Library, ptx: &'static str) -> Result<Vec<(Kernel, KernelHandle)>> {
    let in_file = Kernel::ALL.iter().filter(|kernel| kernel.ptx() == ptx);
    in_file.map(|&kernel| Ok((kernel, driver.kernel(library, kernel.name())?))).collect()
}

fn with_log(error: Error, log: &JitLog) -> Error {
    match log.text() {
        empty if empty.is_empty() => error,
        text => explained(error, &format!("the driver's PTX compiler says: {text}")),
    }
}
