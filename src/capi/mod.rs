//! The C ABI: every exported symbol, and the only place that takes raw pointers from C.
//!
//! `types` and `functions` are what `include/fused_ssim.h` is generated from. Each exported body is one closure inside
//! [`guard`], which keeps panics inside and leaves the thread's error text behind.

mod call;
mod functions;
mod options;
mod query;
mod status;
mod types;

use std::cell::RefCell;
use std::ffi::{CStr, CString};
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::status::{Error, Result};
use types::{FSSIM_OK, fssim_status};

thread_local! {
    static LAST_ERROR: RefCell<CString> = RefCell::new(CString::default());
}

/// Runs the body of an exported function: a panic becomes an internal error, the outcome becomes a status and the
/// text of `fssim_last_error`.
fn guard(body: impl FnOnce() -> Result<()>) -> fssim_status {
    let outcome = catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|panic| {
        let text = panic
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "panic without a message".to_owned());
        Err(Error::Internal(format!("internal error: {text}")))
    });
    let (status, text) = match outcome {
        Ok(()) => (FSSIM_OK, String::new()),
        Err(error) => (status::code(&error), error.to_string()),
    };
    let text = CString::new(text.replace('\0', " ")).unwrap_or_default();
    // A thread that is being torn down has no place for the text any more; the status still says what happened.
    let _ = LAST_ERROR.try_with(|last| *last.borrow_mut() = text);
    status
}

/// The calling thread's last error text; valid until its next call.
fn last_error() -> *const std::ffi::c_char {
    LAST_ERROR.try_with(|last| last.borrow().as_ptr()).unwrap_or(CStr::as_ptr(c""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_a_status_and_a_message() {
        let status = guard(|| panic!("boom {}", 7));
        assert_eq!(status, types::FSSIM_ERROR_INTERNAL);
        // SAFETY: last_error returns a NUL-terminated string that lives until this thread's next call.
        let text = unsafe { CStr::from_ptr(last_error()) };
        assert_eq!(text.to_str(), Ok("internal error: boom 7"));
        assert_eq!(guard(|| Ok(())), FSSIM_OK);
        // SAFETY: as above.
        assert_eq!(unsafe { CStr::from_ptr(last_error()) }.to_bytes(), b"");
    }
}
