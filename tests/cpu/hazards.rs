//! Images that break careless arithmetic.

use fused_ssim::{Options, Reduction};

use crate::harness::{PADDINGS, VALUE_TOLERANCE, every_way, oracle_for, problem};
use crate::support::{Kind, Size, images, relative_error, to_f64, upstream};

#[test]
fn identical_images_are_exactly_one_and_have_no_gradient() {
    for size in [[1, 1, 1, 1], [2, 3, 40, 51], [1, 1, 200, 700]] {
        for kind in [Kind::Identical, Kind::Noise, Kind::Constant] {
            let (x, _) = images(kind, size);
            for padding in PADDINGS.into_iter().filter(|&p| crate::harness::fits(p, size)) {
                for reduction in [Reduction::Mean, Reduction::Map] {
                    let problem = problem(size, &Options { padding, reduction, ..Options::default() });
                    for outcome in every_way(&problem, &x, &x, &upstream(problem.values())) {
                        if let Some(ssim) = outcome.ssim {
                            assert!(ssim.iter().all(|&value| value == 1.0), "{kind:?} {size:?}: {}", outcome.name);
                        }
                        for grad in outcome.grads.iter().flatten() {
                            assert!(grad.iter().all(|&g| g == 0.0), "{kind:?} {size:?}: {}", outcome.name);
                        }
                    }
                }
            }
        }
    }
}

/// One pixel of img1 or img2 is not finite: exactly what the oracle says is spoilt, and the rest is as accurate as ever.
fn check_reach(size: Size, at: [usize; 2], special: f32, in_second: bool) {
    let (mut x, mut y) = images(Kind::Noise, size);
    let pixel = at[0] * size[3] + at[1];
    if in_second {
        y[pixel] = special
    } else {
        x[pixel] = special
    }
    for padding in PADDINGS.into_iter().filter(|&p| crate::harness::fits(p, size)) {
        let options = Options { padding, reduction: Reduction::Map, ..Options::default() };
        let problem = problem(size, &options);
        let factors = upstream(problem.values());
        let oracle = oracle_for(size, &options);
        let plain = oracle.answer(&to_f64(&x), &to_f64(&y), None);
        let scaled = oracle.answer(&to_f64(&x), &to_f64(&y), Some(&to_f64(&factors)));
        for outcome in every_way(&problem, &x, &y, &factors) {
            let label = format!("{size:?} {padding:?} {special} at {at:?} ({in_second}): {}", outcome.name);
            let want = if outcome.with_factors { &scaled } else { &plain };
            if let Some(ssim) = &outcome.ssim {
                let finite = finite_part(&label, ssim, &want.ssim);
                for (got, want) in finite.0.iter().zip(&finite.1) {
                    assert!((f64::from(*got) - want).abs() < VALUE_TOLERANCE, "{label}");
                }
            }
            for (got, want) in outcome.grads.iter().zip([&want.grad_img1, &want.grad_img2]) {
                if let Some(got) = got {
                    let (got, want) = finite_part(&label, got, want);
                    assert!(relative_error(&got, &want) < crate::harness::GRADIENT_TOLERANCE, "{label}");
                }
            }
        }
    }
}

/// The elements that are finite, which must be the same in both.
fn finite_part(label: &str, got: &[f32], want: &[f64]) -> (Vec<f32>, Vec<f64>) {
    for (i, (got, want)) in got.iter().zip(want).enumerate() {
        assert_eq!(got.is_finite(), want.is_finite(), "{label}: element {i} is {got}, the oracle has {want}");
    }
    got.iter().zip(want).filter(|(got, _)| got.is_finite()).unzip()
}

#[test]
fn nan_and_infinity_reach_what_sees_them_and_nothing_else() {
    // A corner, an edge, the pixel that a tile is taken relative to (row and column 8 of a tile), and its neighbours.
    for at in [[0, 0], [0, 30], [8, 8], [8, 9], [24, 40], [29, 21], [15, 16], [47, 69]] {
        for special in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for in_second in [false, true] {
                check_reach([1, 1, 48, 70], at, special, in_second);
            }
        }
    }
    check_reach([1, 1, 4, 5], [2, 2], f32::NAN, false);
    check_reach([1, 1, 30, 1100], [13, 509], f32::NAN, true);
}

#[test]
fn nan_spoils_the_means_it_belongs_to() {
    let size = [2, 2, 20, 20];
    let (mut x, y) = images(Kind::Noise, size);
    x[2 * 400 + 7] = f32::NAN;
    for (reduction, spoilt) in [
        (Reduction::Mean, vec![true]),
        (Reduction::PerImage, vec![false, true]),
        (Reduction::PerChannel, vec![false, false, true, false]),
    ] {
        let problem = problem(size, &Options { reduction, ..Options::default() });
        for outcome in every_way(&problem, &x, &y, &upstream(problem.values())) {
            if let Some(ssim) = outcome.ssim {
                let nan: Vec<bool> = ssim.iter().map(|value| value.is_nan()).collect();
                assert_eq!(nan, spoilt, "{}", outcome.name);
            }
        }
    }
}

#[test]
fn pixels_far_outside_the_range_stay_finite() {
    // Photographs of 0 to 255 with a range of 1: a common mistake, whose result is still that of the formula.
    let size = [1, 1, 40, 60];
    let (x, y) = images(Kind::Noise, size);
    let scaled = |image: &[f32]| -> Vec<f32> { image.iter().map(|pixel| pixel * 255.0).collect() };
    crate::harness::check(size, &Options::default(), &scaled(&x), &scaled(&y), "0 to 255 in a range of 1");
    // One pixel a million times brighter spoils no pixel whose window does not hold it.
    let mut x = x;
    x[8 * 60 + 8] = 1e6;
    crate::harness::check(size, &Options::default(), &x, &y, "an outlier");
}

#[test]
fn an_upstream_gradient_of_zero_gives_zero() {
    let size = [1, 2, 20, 33];
    let (x, y) = images(Kind::Noise, size);
    for reduction in crate::harness::REDUCTIONS {
        let problem = problem(size, &Options { reduction, ..Options::default() });
        let zeros = vec![0.0; problem.values()];
        for outcome in every_way(&problem, &x, &y, &zeros).iter().filter(|outcome| outcome.with_factors) {
            for grad in outcome.grads.iter().flatten() {
                assert!(grad.iter().all(|&g| g == 0.0), "{reduction:?}: {}", outcome.name);
            }
        }
    }
}
