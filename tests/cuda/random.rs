//! Random calls on device memory; tests/support/random_calls has them.

use std::cell::RefCell;
use std::ffi::c_void;

use crate::device::{Floats, Gpu, Stream};
use crate::random_calls::{self, ARENA, World};

struct Cuda {
    arena: Floats,
    /// As large as the largest one that was asked for.
    workspace: RefCell<Floats>,
    stream: Stream,
    /// Memory of the host, with room to align.
    host: Vec<u64>,
}

/// The device, or None after saying that the test is skipped.
fn cuda(test: &str) -> Option<Cuda> {
    Gpu::first(&format!("cuda::random::{test}")).map(|_| Cuda {
        arena: Floats::poisoned(ARENA / 4),
        workspace: RefCell::new(Floats::poisoned(0)),
        stream: Stream::new(),
        host: vec![0; 1 << 16],
    })
}

impl World for Cuda {
    const CUDA: bool = true;
    const SMOOTH_GRADIENT_TOLERANCE: f64 = 1e-3;

    fn arena(&self) -> usize {
        self.arena.address().addr()
    }

    fn write(&self, bytes: &[u8]) {
        let words = bytes.chunks_exact(4).map(|word| f32::from_le_bytes([word[0], word[1], word[2], word[3]]));
        self.arena.write(&words.collect::<Vec<f32>>());
    }

    fn read(&self) -> Vec<u8> {
        self.stream.synchronize();
        self.arena.read().iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    fn workspace(&self, bytes: usize) -> usize {
        if self.workspace.borrow().len() * 4 < bytes {
            self.stream.synchronize();
            self.workspace.replace(Floats::poisoned(bytes.div_ceil(4)));
        }
        self.workspace.borrow().address().addr()
    }

    fn foreign(&self) -> Option<usize> {
        Some(self.host.as_ptr().addr().next_multiple_of(256))
    }

    fn stream(&self) -> *mut c_void {
        self.stream.handle()
    }

    fn has_driver(&self) -> bool {
        true
    }
}

#[test]
fn valid_calls_give_the_oracles_numbers() {
    let Some(cuda) = cuda("valid_calls_give_the_oracles_numbers") else { return };
    random_calls::valid_calls(&cuda, 300);
    cuda.workspace.borrow().read();
}

#[test]
fn hostile_calls_have_the_status_that_the_header_says() {
    let Some(cuda) = cuda("hostile_calls_have_the_status_that_the_header_says") else { return };
    random_calls::hostile_calls(&cuda, 1000);
    cuda.workspace.borrow().read();
}

#[test]
fn functions_that_compute_nothing_take_any_number() {
    let Some(_gpu) = Gpu::first("cuda::random::functions_that_compute_nothing_take_any_number") else { return };
    random_calls::other_functions(40);
}
