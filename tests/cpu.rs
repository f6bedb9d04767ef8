//! The CPU backend against the f64 oracle.

mod support;

use fused_ssim::{Options, Padding, Problem, Reduction, SavedFor, Shape};
use support::oracle::{self, Answer, Oracle};
use support::{KINDS, Kind, SIZES, Size, absolute_error, images, relative_error, sizes_around, to_f64, upstream};

const VALUE_TOLERANCE: f64 = 1e-6;
const GRADIENT_TOLERANCE: f64 = 2e-6;
/// The gradient of a pixel of the map below which the oracle's own rounding shows: between identical images the true
/// gradient is zero, and no relative error can be asked for.
const NO_GRADIENT: f64 = 1e-10;

const REDUCTIONS: [Reduction; 4] = [Reduction::Mean, Reduction::PerImage, Reduction::PerChannel, Reduction::Map];
const PADDINGS: [Padding; 2] = [Padding::Same, Padding::Valid];

fn shape([n, c, h, w]: Size) -> Shape {
    Shape::new(n as i64, c as i64, h as i64, w as i64).expect("a test's shape is valid")
}

fn problem(size: Size, options: &Options) -> Problem {
    Problem::new(shape(size), options).expect("a test's options are valid")
}

fn oracle_for([n, c, h, w]: Size, options: &Options) -> Oracle {
    Oracle {
        padding: match options.padding {
            Padding::Same => oracle::Padding::Same,
            Padding::Valid => oracle::Padding::Valid,
        },
        reduction: match options.reduction {
            Reduction::Mean => oracle::Reduction::Mean,
            Reduction::PerImage => oracle::Reduction::PerImage,
            Reduction::PerChannel => oracle::Reduction::PerChannel,
            Reduction::Map => oracle::Reduction::Map,
        },
        sigma: options.sigma,
        data_range: options.data_range,
        k1: options.k1,
        k2: options.k2,
        ..Oracle::new(n, c, h, w)
    }
}

fn nan(length: usize) -> Vec<f32> {
    vec![f32::NAN; length]
}

/// What one operation wrote.
struct Outcome {
    ssim: Option<Vec<f32>>,
    grads: [Option<Vec<f32>>; 2],
}

/// Every way to get the value and the gradients of dense images, each into memory filled with NaN first.
fn every_way(problem: &Problem, x: &[f32], y: &[f32], factors: &[f32]) -> Vec<(&'static str, bool, Outcome)> {
    let elements = x.len();
    let mut outcomes = Vec::new();
    let mut push = |name, scaled, ssim, grads| outcomes.push((name, scaled, Outcome { ssim, grads }));

    let mut ssim = nan(problem.values());
    fused_ssim::forward(problem, x, y, &mut ssim, None).expect("forward");
    push("forward", false, Some(ssim), [None, None]);

    for wanted in [[true, false], [false, true], [true, true]] {
        let mut grads = wanted.map(|wanted| wanted.then(|| nan(elements)));
        let [first, second] = &mut grads;
        let mut ssim = nan(problem.values());
        fused_ssim::value_and_grad(problem, x, y, &mut ssim, first.as_deref_mut(), second.as_deref_mut())
            .expect("value_and_grad");
        push("value_and_grad", false, Some(ssim), grads);

        let mut grads = wanted.map(|wanted| wanted.then(|| nan(elements)));
        let [first, second] = &mut grads;
        fused_ssim::backward(problem, x, y, None, Some(factors), first.as_deref_mut(), second.as_deref_mut())
            .expect("backward");
        push("backward, recomputed", true, None, grads);

        for kept in [[true, false], [false, true], [true, true]] {
            if (wanted[0] && !kept[0]) || (wanted[1] && !kept[1]) {
                continue;
            }
            let problem = Problem { saved_for: SavedFor { img1: kept[0], img2: kept[1] }, ..problem.clone() };
            let (mut ssim, mut saved) = (nan(problem.values()), nan(problem.saved_elements()));
            fused_ssim::forward(&problem, x, y, &mut ssim, Some(&mut saved)).expect("forward with saved");
            let mut grads = wanted.map(|wanted| wanted.then(|| nan(elements)));
            let [first, second] = &mut grads;
            let (first, second) = (first.as_deref_mut(), second.as_deref_mut());
            fused_ssim::backward(&problem, x, y, Some(&saved), Some(factors), first, second).expect("backward");
            push("forward with saved, backward", true, Some(ssim), grads);
        }
    }
    outcomes
}

/// Compares every way with the oracle.
fn check(size: Size, options: &Options, x: &[f32], y: &[f32], label: &str) {
    let problem = problem(size, options);
    let oracle = oracle_for(size, options);
    let factors = upstream(problem.values());
    let (x64, y64) = (to_f64(x), to_f64(y));
    let plain = oracle.answer(&x64, &y64, None);
    let scaled = oracle.answer(&x64, &y64, Some(&to_f64(&factors)));
    for (name, with_factors, outcome) in every_way(&problem, x, y, &factors) {
        let label = format!("{label} {size:?} {:?} {:?}: {name}", options.padding, options.reduction);
        let want = if with_factors { &scaled } else { &plain };
        compare(&label, &problem, &outcome, want);
    }
}

fn compare(label: &str, problem: &Problem, outcome: &Outcome, want: &Answer) {
    if let Some(ssim) = &outcome.ssim {
        let error = absolute_error(ssim, &want.ssim);
        assert!(error <= VALUE_TOLERANCE, "{label}: value is off by {error:.2e}");
    }
    for (i, (got, want)) in outcome.grads.iter().zip([&want.grad_img1, &want.grad_img2]).enumerate() {
        if let Some(got) = got {
            if want.iter().all(|element| element.abs() < NO_GRADIENT * problem.mean_factor()) {
                let largest = absolute_error(got, want) / problem.mean_factor();
                assert!(largest < NO_GRADIENT, "{label}: gradient of img{} is {largest:.2e}, not zero", i + 1);
                continue;
            }
            let error = relative_error(got, want);
            assert!(error <= GRADIENT_TOLERANCE, "{label}: gradient of img{} is off by {error:.2e}", i + 1);
        }
    }
}

fn fits(padding: Padding, [_, _, h, w]: Size) -> bool {
    padding == Padding::Same || (h >= fused_ssim::WINDOW_TAPS && w >= fused_ssim::WINDOW_TAPS)
}

#[test]
fn accurate_at_every_size() {
    for &(size, why) in SIZES {
        for padding in PADDINGS.into_iter().filter(|&padding| fits(padding, size)) {
            let options = Options { padding, ..Options::default() };
            let (x, y) = images(Kind::Noise, size);
            check(size, &options, &x, &y, why);
        }
    }
}

#[test]
fn accurate_for_every_kind_and_reduction() {
    for size in [[1, 1, 64, 90], [2, 3, 41, 18]] {
        for &kind in KINDS {
            let (x, y) = images(kind, size);
            for padding in PADDINGS {
                for reduction in REDUCTIONS {
                    let options = Options { padding, reduction, ..Options::default() };
                    check(size, &options, &x, &y, &format!("{kind:?}"));
                }
            }
        }
    }
}

#[test]
fn accurate_around_tiles_and_strips() {
    for (rows, columns) in [(16, 16), (32, 64), (128, 512)] {
        for size in sizes_around(rows, columns) {
            for padding in PADDINGS {
                let (x, y) = images(Kind::Photo, size);
                check(size, &Options { padding, ..Options::default() }, &x, &y, "around a tile");
            }
        }
    }
}
