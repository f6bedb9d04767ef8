//! The same call gives the same bits: again, with any number of threads, from several threads, and in a forked child.

use fused_ssim::{Options, Reduction};

use crate::harness::{Outcome, every_way, problem};
use crate::support::{Kind, Size, images, upstream};

fn run(size: Size, reduction: Reduction) -> Vec<Vec<u32>> {
    let (x, y) = images(Kind::Noise, size);
    let problem = problem(size, &Options { reduction, ..Options::default() });
    every_way(&problem, &x, &y, &upstream(problem.values())).into_iter().flat_map(bits).collect()
}

fn bits(outcome: Outcome) -> Vec<Vec<u32>> {
    let [first, second] = outcome.grads;
    [outcome.ssim, first, second]
        .into_iter()
        .flatten()
        .map(|values| values.iter().map(|value| value.to_bits()).collect())
        .collect()
}

/// Large enough for every thread to get work.
const SIZE: Size = [1, 2, 700, 900];

#[test]
fn the_same_bits_on_ten_calls() {
    let want = run([1, 3, 200, 300], Reduction::PerImage);
    for _ in 0..9 {
        assert!(run([1, 3, 200, 300], Reduction::PerImage) == want);
    }
}

#[test]
fn the_same_bits_with_any_number_of_threads() {
    let mut results = Vec::new();
    for threads in [1, 2, 3, 16] {
        fused_ssim::set_num_threads(threads);
        assert_eq!(fused_ssim::num_threads(), threads);
        results.push(run(SIZE, Reduction::Mean));
    }
    fused_ssim::set_num_threads(0);
    assert!(fused_ssim::num_threads() >= 1);
    assert!(results.iter().all(|result| *result == results[0]));
}

#[test]
fn callers_do_not_disturb_each_other() {
    let want = run([1, 1, 300, 300], Reduction::Mean);
    std::thread::scope(|scope| {
        let callers: Vec<_> = (0..4).map(|_| scope.spawn(|| run([1, 1, 300, 300], Reduction::Mean))).collect();
        for caller in callers {
            assert!(caller.join().expect("no panic") == want);
        }
    });
}

#[test]
fn a_forked_child_computes_the_same() {
    // The parent has used threads before, as a PyTorch DataLoader's parent has.
    let want = run(SIZE, Reduction::Mean);
    // SAFETY: the child only computes and leaves with _exit, without running the test harness any further.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "fork: {}", std::io::Error::last_os_error());
    if child == 0 {
        // SAFETY: a deadlock becomes a death by signal, which the parent reports.
        unsafe { libc::alarm(120) };
        let same = std::panic::catch_unwind(|| run(SIZE, Reduction::Mean) == want);
        let status = match same {
            Ok(true) => 0,
            Ok(false) => 1,
            Err(_) => 2,
        };
        // SAFETY: ends the child without destructors, as after any fork.
        unsafe { libc::_exit(status) };
    }
    let mut status = 0;
    // SAFETY: waits for the child made above.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    assert!(libc::WIFEXITED(status), "the child was killed: {status:#x}");
    assert_eq!(libc::WEXITSTATUS(status), 0, "1: other bits, 2: panic");
}
