//! The CUDA backend.

mod params;
mod plan;

use std::ffi::c_void;

use crate::problem::Problem;
use crate::status::{Error, Result};

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
    Synchronous,
    Stream { stream: *mut c_void, workspace: DevicePtr },
}

/// What to compute.
pub(crate) enum Operation {
    Forward { ssim: DevicePtr, saved: DevicePtr },
    Backward { saved: DevicePtr, grad_ssim: DevicePtr, grads: [DevicePtr; 2] },
    ValueAndGrad { ssim: DevicePtr, grads: [DevicePtr; 2] },
}

pub(crate) fn locate(_pointers: &[(&str, usize)]) -> Result<Location> {
    Ok(Location::Host)
}

pub(crate) fn require_host(_pointers: &[(&str, usize)]) -> Result<()> {
    Ok(())
}

pub(crate) fn require_device(_pointers: &[(&str, usize)]) -> Result<i32> {
    Err(Error::NoCuda("no CUDA".to_owned()))
}

pub(crate) use plan::workspace_bytes;

pub(crate) fn device_count() -> Result<i32> {
    Ok(0)
}

pub(crate) fn describe() -> String {
    "cuda: none\n".to_owned()
}

pub(crate) fn preload(_device: i32) -> Result<()> {
    Err(Error::NoCuda("no CUDA".to_owned()))
}

pub(crate) fn run(
    _problem: &Problem,
    _images: [DevicePtr; 2],
    _operation: Operation,
    _ordinal: i32,
    _execution: Execution,
) -> Result<()> {
    Err(Error::Unsupported("the CUDA backend".to_owned()))
}
