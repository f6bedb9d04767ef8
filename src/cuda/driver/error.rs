//! What a driver error means to the caller.

use crate::status::Error;

/// The status and message of a driver call that returned `code`, with the driver's own name and text for it.
pub(super) fn error(call: &str, code: u32, name: &str, text: &str) -> Error {
    let message = format!("{call} failed with CUDA error {code} ({name}): {text}");
    match code {
        // CUDA_ERROR_OUT_OF_MEMORY
        2 => Error::OutOfMemory(message),
        // CUDA_ERROR_NOT_INITIALIZED
        3 => Error::NoCuda(format!(
            "{message}; the driver is not initialised in this process. A child made by fork() cannot use the CUDA of its \
             parent: start it with exec, or from Python with the start method \"spawn\""
        )),
        // CUDA_ERROR_STUB_LIBRARY
        34 => Error::NoCuda(format!(
            "{message}; the libcuda.so that was found is the toolkit's stub: take its folder off LD_LIBRARY_PATH"
        )),
        // CUDA_ERROR_DEINITIALIZED, INSUFFICIENT_DRIVER, NO_DEVICE, SYSTEM_DRIVER_MISMATCH, COMPAT_NOT_SUPPORTED_ON_DEVICE
        4 | 35 | 100 | 803 | 804 => Error::NoCuda(message),
        _ => Error::Cuda(message),
    }
}

/// The error of a driver library without one of the functions that are needed.
pub(super) fn missing_symbol(symbol: &str) -> Error {
    Error::NoCuda(format!("the CUDA driver is too old: it has no {symbol}. Driver 525 (CUDA 12.0) or newer is needed"))
}

/// The same error with `text` added to its message.
pub(in crate::cuda) fn explained(error: Error, text: &str) -> Error {
    match error {
        Error::Cuda(message) => Error::Cuda(format!("{message}; {text}")),
        Error::NoCuda(message) => Error::NoCuda(format!("{message}; {text}")),
        Error::OutOfMemory(message) => Error::OutOfMemory(format!("{message}; {text}")),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_status() {
        let status = |code| error("cuX", code, "NAME", "text");
        assert!(matches!(status(2), Error::OutOfMemory(_)));
        for code in [3, 4, 34, 35, 100, 803, 804] {
            assert!(matches!(status(code), Error::NoCuda(_)), "{code}");
        }
        for code in [1, 101, 201, 222, 700, 719, 999, 123_456, u32::MAX] {
            assert!(matches!(status(code), Error::Cuda(_)), "{code}");
        }
    }

    #[test]
    fn messages_name_the_call_the_code_and_the_drivers_words() {
        assert_eq!(
            error("cuMemAlloc", 2, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory").to_string(),
            "cuMemAlloc failed with CUDA error 2 (CUDA_ERROR_OUT_OF_MEMORY): out of memory"
        );
        assert!(error("cuInit", 3, "N", "t").to_string().contains("fork()"));
        assert!(missing_symbol("cuLibraryLoadData").to_string().contains("no cuLibraryLoadData. Driver 525"));
        assert_eq!(explained(Error::Cuda("a".to_owned()), "b").to_string(), "a; b");
    }
}
