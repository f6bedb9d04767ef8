//! Random calls on host memory; tests/support/random_calls has them.

use std::ffi::c_void;
use std::ptr;

use crate::random_calls::{self, ARENA, World};

/// The arena, between pages that nobody may touch.
struct Host {
    arena: usize,
}

/// Larger than a page, and a multiple of its size.
const FENCE: usize = 1 << 16;

impl Host {
    fn new() -> Self {
        let (access, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: new memory, of which the part between the fences is made accessible.
        unsafe {
            let all = libc::mmap(ptr::null_mut(), ARENA + 2 * FENCE, libc::PROT_NONE, flags, -1, 0);
            assert_ne!(all, libc::MAP_FAILED);
            let arena = all.byte_add(FENCE);
            assert_eq!(libc::mprotect(arena, ARENA, access), 0);
            Host { arena: arena.expose_provenance() }
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let arena: *mut c_void = ptr::with_exposed_provenance_mut(self.arena);
        // SAFETY: mapped in `new`, and used by no call any more.
        unsafe { libc::munmap(arena.byte_sub(FENCE), ARENA + 2 * FENCE) };
    }
}

impl World for Host {
    const CUDA: bool = false;
    const SMOOTH_GRADIENT_TOLERANCE: f64 = 1e-5;

    fn arena(&self) -> usize {
        self.arena
    }

    fn write(&self, bytes: &[u8]) {
        assert_eq!(bytes.len(), ARENA);
        let arena: *mut u8 = ptr::with_exposed_provenance_mut(self.arena);
        // SAFETY: the arena has as many bytes, and nothing else uses them now.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), arena, ARENA) };
    }

    fn read(&self) -> Vec<u8> {
        let arena: *const u8 = ptr::with_exposed_provenance(self.arena);
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts(arena, ARENA) }.to_vec()
    }

    fn workspace(&self, _: usize) -> usize {
        // Not looked at.
        1
    }

    fn foreign(&self) -> Option<usize> {
        None
    }

    fn stream(&self) -> *mut c_void {
        ptr::null_mut()
    }

    fn has_driver(&self) -> bool {
        crate::capi::device_count().is_ok_and(|count| count > 0)
    }
}

#[test]
fn valid_calls_give_the_oracles_numbers() {
    random_calls::valid_calls(&Host::new(), 400);
}

#[test]
fn hostile_calls_have_the_status_that_the_header_says() {
    random_calls::hostile_calls(&Host::new(), 2000);
}

#[test]
fn functions_that_compute_nothing_take_any_number() {
    random_calls::other_functions(200);
}
