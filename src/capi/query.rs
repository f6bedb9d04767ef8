//! Sizes, status texts, version and run-time information of the C API.

use std::ffi::c_char;

use super::guard;
use super::options::{Demands, read_problem};
use super::status::null_argument;
use super::types::{fssim_options, fssim_status};
use crate::cpu::threads;
use crate::cuda;
use crate::status::Error;

/// Fills `options` with the defaults: `fssim_options options; fssim_options_init(&options, sizeof options);`.
///
/// struct_size: sizeof(fssim_options) as the caller sees it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fssim_options_init(options: *mut fssim_options, struct_size: usize) -> fssim_status {
    guard(|| {
        if options.is_null() {
            return Err(null_argument("options"));
        }
        super::options::check_struct_size(struct_size)?;
        let defaults = fssim_options::defaults(struct_size);
        // SAFETY: the caller's struct has struct_size bytes, which check_struct_size bounds by the size of ours.
        unsafe {
            std::ptr::copy_nonoverlapping((&raw const defaults).cast::<u8>(), options.cast::<u8>(), struct_size);
        }
        Ok(())
    })
}

/// Writes to *bytes the size of the `saved` buffer for a shape and options (NULL: the defaults). It is 0 where
/// fssim_backward computes everything again: with a window of other than 11 taps, a uniform one or a sigma below 1.5, with
/// a mask, or with row sharding.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fssim_saved_size(
    n: i64,
    c: i64,
    h: i64,
    w: i64,
    options: *const fssim_options,
    bytes: *mut usize,
) -> fssim_status {
    guard(|| {
        if bytes.is_null() {
            return Err(null_argument("bytes"));
        }
        // SAFETY: options is NULL or points to struct_size readable bytes, the caller answers for it.
        let problem = unsafe { read_problem(options, [n, c, h, w], &Demands::NONE) }?.problem;
        // SAFETY: bytes is not NULL and the caller answers for the rest.
        unsafe { *bytes = problem.saved_elements() * problem.precision().size() };
        Ok(())
    })
}

/// Writes to *bytes the size of the workspace that the _stream calls need for a shape and options (NULL: the defaults).
/// One size serves all of them, on every device. It is never 0. With a window of other than 11 taps, a uniform one
/// or a sigma below 0.8, or with a mask that does more than weight the mean, some 25 MB of it, or 24 bytes for each pixel
/// of about a hundred rows if that is more, keep what the gradients are made of.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fssim_workspace_size(
    n: i64,
    c: i64,
    h: i64,
    w: i64,
    options: *const fssim_options,
    bytes: *mut usize,
) -> fssim_status {
    guard(|| {
        if bytes.is_null() {
            return Err(null_argument("bytes"));
        }
        // SAFETY: options is NULL or points to struct_size readable bytes, the caller answers for it.
        let problem = unsafe { read_problem(options, [n, c, h, w], &Demands::NONE) }?.problem;
        // SAFETY: bytes is not NULL and the caller answers for the rest.
        unsafe { *bytes = cuda::workspace_bytes(&problem) };
        Ok(())
    })
}

/// A short English name of a status; never NULL. The string is static.
#[unsafe(no_mangle)]
pub extern "C" fn fssim_status_string(status: fssim_status) -> *const c_char {
    super::status::name(status).as_ptr()
}

/// What went wrong in the calling thread's last call that returned a status: which argument, what it was, what was
/// expected. Empty after a success; never NULL. The string is valid until the thread's next call.
#[unsafe(no_mangle)]
pub extern "C" fn fssim_last_error() -> *const c_char {
    super::last_error()
}

/// The version of the library that is running: major*10000 + minor*100 + patch. Compare with FSSIM_VERSION.
#[unsafe(no_mangle)]
pub extern "C" fn fssim_version() -> i32 {
    const fn number(digits: &str) -> i32 {
        let (bytes, mut value, mut i) = (digits.as_bytes(), 0, 0);
        while i < bytes.len() {
            value = value * 10 + (bytes[i] - b'0') as i32;
            i += 1;
        }
        value
    }
    const VERSION: i32 = number(env!("CARGO_PKG_VERSION_MAJOR")) * 10000
        + number(env!("CARGO_PKG_VERSION_MINOR")) * 100
        + number(env!("CARGO_PKG_VERSION_PATCH"));
    VERSION
}

/// Writes to *count the number of CUDA devices that can be used; 0 without a driver.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fssim_device_count(count: *mut i32) -> fssim_status {
    guard(|| {
        if count.is_null() {
            return Err(null_argument("count"));
        }
        let devices = cuda::device_count()?;
        // SAFETY: count is not NULL and the caller answers for the rest.
        unsafe { *count = devices };
        Ok(())
    })
}

/// Describes this library and machine in a few lines of text, for bug reports: version, CPU instruction set and threads,
/// driver version, devices, and the kernel image that runs on each.
///
/// buffer, buffer_bytes: where the NUL-terminated text goes; it is cut to fit. May be NULL, 0.
/// needed_bytes: receives the length of the whole text with its NUL. May be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fssim_backend_info(
    buffer: *mut c_char,
    buffer_bytes: usize,
    needed_bytes: *mut usize,
) -> fssim_status {
    guard(|| {
        if buffer.is_null() && buffer_bytes > 0 {
            return Err(null_argument("buffer"));
        }
        let text = format!(
            "fused-ssim {}\ncpu: {}, {} threads\n{}",
            env!("CARGO_PKG_VERSION"),
            crate::cpu::instruction_set(),
            threads::num_threads(),
            cuda::describe()
        );
        // SAFETY: needed_bytes is NULL or valid for a write, the caller answers for it.
        if let Some(needed) = unsafe { needed_bytes.as_mut() } {
            *needed = text.len() + 1;
        }
        if buffer_bytes > 0 {
            let copied = text.len().min(buffer_bytes - 1);
            // SAFETY: the buffer holds buffer_bytes, of which copied + 1 are written.
            unsafe {
                std::ptr::copy_nonoverlapping(text.as_ptr().cast::<c_char>(), buffer, copied);
                *buffer.add(copied) = 0;
            }
        }
        Ok(())
    })
}

/// Loads the kernels for CUDA device `device` now, instead of at the first call that needs them. Call it before a graph
/// capture: a first call inside one is an error on drivers that cannot load code then.
#[unsafe(no_mangle)]
pub extern "C" fn fssim_cuda_preload(device: i32) -> fssim_status {
    guard(|| cuda::preload(device))
}

/// Sets how many threads a CPU call may use, for the whole process; 0: back to the default, which is the environment
/// variable FSSIM_NUM_THREADS if that is a number above 0 when the first call reads it, or else the number of processors
/// this process may run on. Results do not depend on it.
#[unsafe(no_mangle)]
pub extern "C" fn fssim_set_num_threads(threads: i32) -> fssim_status {
    guard(|| {
        let threads = usize::try_from(threads)
            .map_err(|_| Error::Option(format!("threads is {threads}; expected 0 (the default) or more")))?;
        threads::set_num_threads(threads);
        Ok(())
    })
}

/// How many threads a CPU call may use.
#[unsafe(no_mangle)]
pub extern "C" fn fssim_get_num_threads() -> i32 {
    i32::try_from(threads::num_threads()).unwrap_or(i32::MAX)
}
