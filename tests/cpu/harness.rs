//! Runs the library in every way it offers and compares with the oracle.

use fused_ssim::{Options, Output, Padding, Problem, Reduction, SavedFor, Shape, WindowShape};

use crate::support::oracle::{self, Answer, Oracle};
use crate::support::{Size, absolute_error, relative_error, to_f64, upstream};

pub const VALUE_TOLERANCE: f64 = 1e-6;
pub const GRADIENT_TOLERANCE: f64 = 2e-6;
/// The gradient of a pixel of the map below which the oracle's own rounding shows: between identical images the true
/// gradient is zero, and no relative error can be asked for.
const NO_GRADIENT: f64 = 1e-10;

pub const REDUCTIONS: [Reduction; 4] = [Reduction::Mean, Reduction::PerImage, Reduction::PerChannel, Reduction::Map];
pub const OUTPUTS: [Output; 3] = [Output::Ssim, Output::OneMinusSsim, Output::Dssim];
pub const PADDINGS: [Padding; 2] = [Padding::Same, Padding::Valid];

pub fn problem([n, c, h, w]: Size, options: &Options) -> Problem {
    let shape = Shape::new(n as i64, c as i64, h as i64, w as i64).expect("a test's shape is valid");
    Problem::new(shape, options).expect("a test's options are valid")
}

pub fn oracle_for([n, c, h, w]: Size, options: &Options) -> Oracle {
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
        output: match options.output {
            Output::Ssim => oracle::Output::SSIM,
            Output::OneMinusSsim => oracle::Output::ONE_MINUS_SSIM,
            Output::Dssim => oracle::Output::DSSIM,
        },
        window: match options.window {
            WindowShape::Gaussian => oracle::Window::Gaussian(options.window_size),
            WindowShape::Uniform => oracle::Window::Uniform(options.window_size),
        },
        sigma: options.sigma,
        data_range: options.data_range,
        k1: options.k1,
        k2: options.k2,
        ..Oracle::new(n, c, h, w)
    }
}

pub fn fits(padding: Padding, [_, _, h, w]: Size) -> bool {
    padding == Padding::Same || (h >= fused_ssim::WINDOW_TAPS && w >= fused_ssim::WINDOW_TAPS)
}

/// Memory for a result, filled with NaN so that an element that is not written is found.
pub fn nan(length: usize) -> Vec<f32> {
    vec![f32::NAN; length]
}

/// What one way of calling the library wrote.
pub struct Outcome {
    pub name: String,
    /// Whether the gradient was asked for with upstream factors instead of ones.
    pub with_factors: bool,
    pub ssim: Option<Vec<f32>>,
    pub grads: [Option<Vec<f32>>; 2],
}

/// Every way to get the value and the gradients; of large images, only the three main ones.
pub fn every_way(problem: &Problem, x: &[f32], y: &[f32], factors: &[f32]) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    let mut push = |name: &str, with_factors, ssim, grads| {
        outcomes.push(Outcome { name: name.to_owned(), with_factors, ssim, grads });
    };
    let mut ssim = nan(problem.values());
    fused_ssim::forward(problem, x, y, &mut ssim, None).expect("forward");
    push("forward", false, Some(ssim), [None, None]);

    let large = x.len() >= 1_000_000;
    for wanted in [[true, false], [false, true], [true, true]] {
        if large && wanted != [true, true] {
            continue;
        }
        let (ssim, grads) = value_and_grad(problem, x, y, wanted);
        push("value_and_grad", false, Some(ssim), grads);
        push("backward, recomputed", true, None, backward(problem, x, y, None, factors, wanted));
        for kept in [[true, false], [false, true], [true, true]] {
            if (wanted[0] && !kept[0]) || (wanted[1] && !kept[1]) {
                continue;
            }
            let problem = Problem { saved_for: SavedFor { img1: kept[0], img2: kept[1] }, ..problem.clone() };
            let (mut ssim, mut saved) = (nan(problem.values()), nan(problem.saved_elements()));
            fused_ssim::forward(&problem, x, y, &mut ssim, Some(&mut saved)).expect("forward with saved");
            let grads = backward(&problem, x, y, Some(&saved), factors, wanted);
            push(&format!("forward saving for {kept:?}, backward"), true, Some(ssim), grads);
        }
    }
    outcomes
}

type Gradients = [Option<Vec<f32>>; 2];

pub fn value_and_grad(problem: &Problem, x: &[f32], y: &[f32], wanted: [bool; 2]) -> (Vec<f32>, Gradients) {
    let mut ssim = nan(problem.values());
    let mut grads = gradients(problem, wanted);
    let [first, second] = &mut grads;
    fused_ssim::value_and_grad(problem, x, y, &mut ssim, first.as_deref_mut(), second.as_deref_mut())
        .expect("value_and_grad");
    (ssim, grads)
}

pub fn backward(
    problem: &Problem,
    x: &[f32],
    y: &[f32],
    saved: Option<&[f32]>,
    factors: &[f32],
    wanted: [bool; 2],
) -> Gradients {
    let mut grads = gradients(problem, wanted);
    let [first, second] = &mut grads;
    let (first, second) = (first.as_deref_mut(), second.as_deref_mut());
    fused_ssim::backward(problem, x, y, saved, Some(factors), first, second).expect("backward");
    grads
}

fn gradients(problem: &Problem, wanted: [bool; 2]) -> Gradients {
    let extents = [problem.grad_img1.extent, problem.grad_img2.extent];
    [0, 1].map(|i| wanted[i].then(|| nan(extents[i])))
}

/// Compares every way with the oracle, for dense images.
pub fn check(size: Size, options: &Options, x: &[f32], y: &[f32], label: &str) {
    check_within(GRADIENT_TOLERANCE, size, options, x, y, label);
}

/// As `check`, with another tolerance for the gradients.
pub fn check_within(tolerance: f64, size: Size, options: &Options, x: &[f32], y: &[f32], label: &str) {
    let problem = problem(size, options);
    let oracle = oracle_for(size, options);
    let factors = upstream(problem.values());
    let (x64, y64) = (to_f64(x), to_f64(y));
    let plain = oracle.answer(&x64, &y64, None);
    let scaled = oracle.answer(&x64, &y64, Some(&to_f64(&factors)));
    for outcome in every_way(&problem, x, y, &factors) {
        let label = format!("{label} {size:?} {:?} {:?}: {}", options.padding, options.reduction, outcome.name);
        compare(&label, tolerance, &problem, &outcome, if outcome.with_factors { &scaled } else { &plain });
    }
}

fn compare(label: &str, tolerance: f64, problem: &Problem, outcome: &Outcome, want: &Answer) {
    if let Some(ssim) = &outcome.ssim {
        let error = absolute_error(ssim, &want.ssim);
        assert!(error <= VALUE_TOLERANCE, "{label}: value is off by {error:.2e}");
    }
    for (i, (got, want)) in outcome.grads.iter().zip([&want.grad_img1, &want.grad_img2]).enumerate() {
        let Some(got) = got else { continue };
        let negligible = NO_GRADIENT * problem.mean_factor() * problem.constants.data_range.recip();
        if want.iter().all(|element| element.abs() < negligible) {
            let largest = absolute_error(got, want);
            assert!(largest < negligible, "{label}: gradient of img{} is {largest:.2e}, not zero", i + 1);
        } else {
            let error = relative_error(got, want);
            assert!(error <= tolerance, "{label}: gradient of img{} is off by {error:.2e}", i + 1);
        }
    }
}
