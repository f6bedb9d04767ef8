//! The number and the name of each error.
//!
//! Numbers are grouped with gaps and never reused: 1 to 29 the caller's arguments, 30 to 49 what the library does not
//! do, 50 to 69 the CUDA driver and its devices, 90 and above the library itself.

use std::ffi::CStr;

use super::types::*;
use crate::status::Error;

/// The status that C sees for an error.
pub(super) fn code(error: &Error) -> fssim_status {
    match error {
        Error::NullPointer(_) => FSSIM_ERROR_NULL_POINTER,
        Error::StructSize(_) => FSSIM_ERROR_STRUCT_SIZE,
        Error::Shape(_) => FSSIM_ERROR_SHAPE,
        Error::Option(_) => FSSIM_ERROR_OPTION,
        Error::Layout(_) => FSSIM_ERROR_LAYOUT,
        Error::Alignment(_) => FSSIM_ERROR_ALIGNMENT,
        Error::Overlap(_) => FSSIM_ERROR_OVERLAP,
        Error::Device(_) => FSSIM_ERROR_DEVICE,
        Error::Workspace(_) => FSSIM_ERROR_WORKSPACE,
        Error::Stream(_) => FSSIM_ERROR_STREAM,
        Error::Unsupported(_) => FSSIM_ERROR_UNSUPPORTED,
        Error::NoCuda(_) => FSSIM_ERROR_NO_CUDA,
        Error::Cuda(_) => FSSIM_ERROR_CUDA,
        Error::OutOfMemory(_) => FSSIM_ERROR_OUT_OF_MEMORY,
        Error::Internal(_) => FSSIM_ERROR_INTERNAL,
    }
}

/// A short name of a status.
pub(super) fn name(status: fssim_status) -> &'static CStr {
    match status {
        FSSIM_OK => c"success",
        FSSIM_ERROR_NULL_POINTER => c"a required pointer is NULL",
        FSSIM_ERROR_STRUCT_SIZE => c"unknown fssim_options.struct_size",
        FSSIM_ERROR_SHAPE => c"invalid shape",
        FSSIM_ERROR_OPTION => c"invalid option",
        FSSIM_ERROR_LAYOUT => c"invalid dtype, scale or stride",
        FSSIM_ERROR_ALIGNMENT => c"misaligned pointer",
        FSSIM_ERROR_OVERLAP => c"an output overlaps another argument",
        FSSIM_ERROR_DEVICE => c"pointers are not on the expected device",
        FSSIM_ERROR_WORKSPACE => c"workspace missing or too small",
        FSSIM_ERROR_STREAM => c"stream does not fit the call",
        FSSIM_ERROR_UNSUPPORTED => c"not supported by this version",
        FSSIM_ERROR_NO_CUDA => c"no usable CUDA driver",
        FSSIM_ERROR_CUDA => c"a CUDA driver call failed",
        FSSIM_ERROR_OUT_OF_MEMORY => c"out of memory",
        FSSIM_ERROR_INTERNAL => c"internal error",
        _ => c"unknown status",
    }
}

/// The error of a required pointer that is NULL.
pub(super) fn null_argument(argument: &str) -> Error {
    Error::NullPointer(format!("{argument} is NULL"))
}
