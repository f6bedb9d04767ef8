//! How many threads a call may use.

use std::sync::atomic::{AtomicUsize, Ordering};

static REQUESTED: AtomicUsize = AtomicUsize::new(0);

pub(crate) fn set_num_threads(threads: usize) {
    REQUESTED.store(threads, Ordering::Relaxed);
}

pub(crate) fn num_threads() -> usize {
    REQUESTED.load(Ordering::Relaxed).max(1)
}
