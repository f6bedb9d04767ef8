//! Two questions to the operating system about this process.

use std::ffi::CStr;

/// Whether a shared library is loaded in this process. Does not load it.
#[cfg(target_os = "linux")]
pub(super) fn is_library_loaded(soname: &CStr) -> bool {
    // SAFETY: the name is NUL-terminated. RTLD_NOLOAD runs no initialiser; the reference it takes is given back at once.
    unsafe {
        let handle = libc::dlopen(soname.as_ptr(), libc::RTLD_NOLOAD | libc::RTLD_LAZY);
        !handle.is_null() && libc::dlclose(handle) == 0
    }
}

/// Whether the byte at an address can be read. If the system will not say, it is taken to be readable.
#[cfg(target_os = "linux")]
pub(super) fn is_readable(address: usize) -> bool {
    let mut byte = 0u8;
    let local = libc::iovec { iov_base: (&raw mut byte).cast(), iov_len: 1 };
    let remote = libc::iovec { iov_base: std::ptr::without_provenance_mut(address), iov_len: 1 };
    // SAFETY: the system writes at most one byte to `byte`, and answers EFAULT if `address` cannot be read.
    let copied = unsafe { libc::process_vm_readv(libc::getpid(), &local, 1, &remote, 1, 0) };
    copied == 1 || std::io::Error::last_os_error().raw_os_error() != Some(libc::EFAULT)
}

/// Elsewhere the driver itself is asked.
#[cfg(not(target_os = "linux"))]
pub(super) fn is_library_loaded(_soname: &CStr) -> bool {
    true
}

/// Elsewhere the system offers no such question.
#[cfg(not(target_os = "linux"))]
pub(super) fn is_readable(_address: usize) -> bool {
    true
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn loaded_libraries_are_told_from_others() {
        assert!(is_library_loaded(c"libc.so.6"));
        assert!(!is_library_loaded(c"libno-such-library.so.1"));
    }

    #[test]
    fn readable_addresses_are_told_from_others() {
        let value = 1u8;
        assert!(is_readable((&raw const value).addr()));
        // The first page is never mapped.
        assert!(!is_readable(8));
        // SAFETY: an anonymous mapping without access rights, given back below.
        let guarded = unsafe {
            libc::mmap(std::ptr::null_mut(), 4096, libc::PROT_NONE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0)
        };
        assert_ne!(guarded, libc::MAP_FAILED);
        assert!(!is_readable(guarded.addr()));
        // SAFETY: the mapping from above.
        assert_eq!(unsafe { libc::munmap(guarded, 4096) }, 0);
    }
}
