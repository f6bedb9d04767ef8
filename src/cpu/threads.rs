//! How many threads a call may use, and the loop that shares units among them.
//!
//! Threads end with the call: nothing is left spinning, and a forked child finds nothing missing.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::status::Result;

static REQUESTED: AtomicUsize = AtomicUsize::new(0);

pub(crate) fn set_num_threads(threads: usize) {
    REQUESTED.store(threads, Ordering::Relaxed);
}

pub(crate) fn num_threads() -> usize {
    match REQUESTED.load(Ordering::Relaxed) {
        0 => default_threads(),
        threads => threads,
    }
}

fn default_threads() -> usize {
    static FROM_ENVIRONMENT: OnceLock<Option<usize>> = OnceLock::new();
    FROM_ENVIRONMENT
        .get_or_init(|| parse(&std::env::var("FSSIM_NUM_THREADS").ok()?))
        .unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from))
}

/// A number above zero; anything else is no request.
fn parse(text: &str) -> Option<usize> {
    text.trim().parse().ok().filter(|&threads| threads > 0)
}

/// Runs `work(state, index)` for each index below `units`, on up to `threads` threads including the calling one. Each
/// thread takes the next index when it is free, and works with a state of its own from `prepare`.
///
/// A thread that cannot be started or cannot prepare leaves its share to the others. Only when the calling thread cannot
/// prepare, before anything ran, is that an error.
pub(super) fn share<S>(
    units: usize,
    threads: usize,
    prepare: impl Fn() -> Result<S> + Sync,
    work: impl Fn(&mut S, usize) + Sync,
) -> Result<()> {
    let next = AtomicUsize::new(0);
    let run = |mut state: S| {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= units {
                return;
            }
            work(&mut state, index);
        }
    };
    let state = prepare()?;
    thread::scope(|scope| {
        for _ in 1..threads.min(units) {
            let spawned = thread::Builder::new().spawn_scoped(scope, || {
                if let Ok(state) = prepare() {
                    run(state);
                }
            });
            if spawned.is_err() {
                break;
            }
        }
        run(state);
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::status::Error;

    #[test]
    fn every_unit_runs_once() {
        for threads in [1, 2, 3, 16] {
            let done = Mutex::new(vec![0; 100]);
            share(100, threads, || Ok(()), |(), i| done.lock().expect("no panic")[i] += 1).expect("no error");
            assert_eq!(*done.lock().expect("no panic"), vec![1; 100]);
        }
    }

    #[test]
    fn a_thread_without_memory_leaves_its_share() {
        let prepared = AtomicUsize::new(0);
        let done = AtomicUsize::new(0);
        let first_only = || match prepared.fetch_add(1, Ordering::Relaxed) {
            0 => Ok(()),
            _ => Err(Error::OutOfMemory("none left".to_owned())),
        };
        let count = |(): &mut (), _| {
            done.fetch_add(1, Ordering::Relaxed);
        };
        share(50, 4, first_only, count).expect("the caller works");
        assert_eq!(done.load(Ordering::Relaxed), 50);
        let never = || -> Result<()> { Err(Error::OutOfMemory("none".to_owned())) };
        assert!(share(5, 2, never, |(), _| panic!("nothing can run")).is_err());
    }

    #[test]
    fn the_environment_variable_must_be_a_number() {
        assert_eq!(parse(" 7 "), Some(7));
        assert_eq!(parse("0"), None);
        assert_eq!(parse("many"), None);
        assert_eq!(parse("-1"), None);
    }
}
