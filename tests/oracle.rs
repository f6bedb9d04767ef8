//! The oracle itself: its separable filter against a plain double loop, its gradient against finite differences.

mod support;

use support::oracle::{MaskMode, Oracle, Output, Padding, PixelLoss, Reduction, TAPS, Window};
use support::{Kind, Random, absolute_error, images, relative_error, to_f64, upstream};

const REDUCTIONS: [Reduction; 4] = [Reduction::Mean, Reduction::PerImage, Reduction::PerChannel, Reduction::Map];

/// The definition in two dimensions: every weighted moment by a double loop over the window.
fn direct_map(oracle: &Oracle, x: &[f64], y: &[f64]) -> Vec<f64> {
    let taps = oracle.taps();
    let (top, left, height, width) = oracle.region();
    let (c1, c2) = ((oracle.k1 * oracle.data_range).powi(2), (oracle.k2 * oracle.data_range).powi(2));
    let mut map = Vec::new();
    for plane in 0..oracle.n * oracle.c {
        for row in top..top + height {
            for column in left..left + width {
                let mut sums = [0.0; 5];
                for i in 0..taps.len() {
                    for j in 0..taps.len() {
                        let radius = taps.len() / 2;
                        let (Some(r), Some(c)) = ((row + i).checked_sub(radius), (column + j).checked_sub(radius))
                        else {
                            continue;
                        };
                        if r < oracle.h && c < oracle.w {
                            let at = (plane * oracle.h + r) * oracle.w + c;
                            let weight = taps[i] * taps[j];
                            for (sum, term) in
                                sums.iter_mut().zip([x[at], y[at], x[at] * x[at], y[at] * y[at], x[at] * y[at]])
                            {
                                *sum += weight * term;
                            }
                        }
                    }
                }
                let [mu_x, mu_y, xx, yy, xy] = sums;
                let (var_x, var_y, cov) = (xx - mu_x * mu_x, yy - mu_y * mu_y, xy - mu_x * mu_y);
                map.push(
                    (2.0 * mu_x * mu_y + c1) * (2.0 * cov + c2)
                        / ((mu_x * mu_x + mu_y * mu_y + c1) * (var_x + var_y + c2)),
                );
            }
        }
    }
    map
}

#[test]
fn the_separable_map_is_the_direct_one() {
    for size @ [n, c, h, w] in [[1, 1, 1, 1], [1, 2, 5, 7], [2, 1, 11, 11], [1, 1, 3, 30], [1, 1, 23, 17]] {
        let (x, y) = images(Kind::Noise, size);
        let (x, y) = (to_f64(&x), to_f64(&y));
        for window in [Window::Gaussian(TAPS), Window::Gaussian(3), Window::Gaussian(33), Window::Uniform(7)] {
            for padding in [Padding::Same, Padding::Valid] {
                if padding == Padding::Valid && h.min(w) < window.size() {
                    continue;
                }
                let oracle = Oracle { padding, window, sigma: 2.0, k2: 0.05, ..Oracle::new(n, c, h, w) };
                let (map, direct) = (oracle.map(&x, &y), direct_map(&oracle, &x, &y));
                assert_eq!(map.len(), n * c * oracle.map_pixels());
                assert_eq!(map.len(), direct.len());
                for (got, want) in map.iter().zip(&direct) {
                    assert!((got - want).abs() < 1e-12, "{size:?} {window:?} {padding:?}: {got} {want}");
                }
            }
        }
    }
}

#[test]
fn the_gradient_is_that_of_finite_differences() {
    for size @ [n, c, h, w] in [[1, 1, 1, 1], [2, 3, 4, 5], [2, 2, 12, 13]] {
        for padding in [Padding::Same, Padding::Valid] {
            if padding == Padding::Valid && h < TAPS {
                continue;
            }
            for reduction in REDUCTIONS {
                let oracle = Oracle { padding, reduction, ..Oracle::new(n, c, h, w) };
                let (x, y) = images(Kind::Noise, size);
                let (x, y) = (to_f64(&x), to_f64(&y));
                let upstream = to_f64(&upstream(oracle.values()));
                let answer = oracle.answer(&x, &y, Some(&upstream));
                assert_eq!(answer.ssim, oracle.value(&x, &y));
                let loss = |x: &[f64], y: &[f64]| -> f64 {
                    oracle.value(x, y).iter().zip(&upstream).map(|(value, factor)| value * factor).sum()
                };
                let label = format!("{size:?} {padding:?} {reduction:?}");
                check_differences(&x, &y, [&answer.grad_img1, &answer.grad_img2], loss, &label);
            }
        }
    }
}

/// Compares gradients with central differences of `loss`, at every seventh pixel of both images.
fn check_differences(x: &[f64], y: &[f64], grads: [&[f64]; 2], loss: impl Fn(&[f64], &[f64]) -> f64, label: &str) {
    let largest = grads[0].iter().fold(0.0f64, |largest, g| largest.max(g.abs()));
    let step = 1e-5;
    let moved = |image: &[f64], i: usize, by: f64| {
        let mut image = image.to_vec();
        image[i] += by;
        image
    };
    for i in (0..x.len()).step_by(7) {
        let numeric = [
            (loss(&moved(x, i, step), y) - loss(&moved(x, i, -step), y)) / (2.0 * step),
            (loss(x, &moved(y, i, step)) - loss(x, &moved(y, i, -step))) / (2.0 * step),
        ];
        for (got, want) in grads.iter().map(|grad| grad[i]).zip(numeric) {
            assert!((got - want).abs() < 1e-6 * largest, "{label} pixel {i}: {got} {want}");
        }
    }
}

#[test]
fn outputs_and_windows_have_the_gradient_of_finite_differences() {
    let size @ [n, c, h, w] = [1, 2, 12, 15];
    let (x, y) = images(Kind::Noise, size);
    let (x, y) = (to_f64(&x), to_f64(&y));
    for window in [Window::Gaussian(3), Window::Gaussian(7), Window::Uniform(11), Window::Uniform(5)] {
        for output in [Output::SSIM, Output::ONE_MINUS_SSIM, Output::DSSIM] {
            for reduction in [Reduction::PerChannel, Reduction::Map] {
                for padding in [Padding::Same, Padding::Valid] {
                    let oracle = Oracle { window, output, reduction, padding, ..Oracle::new(n, c, h, w) };
                    let upstream = to_f64(&upstream(oracle.values()));
                    let answer = oracle.answer(&x, &y, Some(&upstream));
                    assert_eq!(answer.ssim, oracle.value(&x, &y));
                    let loss = |x: &[f64], y: &[f64]| -> f64 {
                        oracle.value(x, y).iter().zip(&upstream).map(|(value, factor)| value * factor).sum()
                    };
                    let label = format!("{window:?} {output:?} {reduction:?} {padding:?}");
                    check_differences(&x, &y, [&answer.grad_img1, &answer.grad_img2], loss, &label);
                }
            }
        }
    }
}

#[test]
fn outputs_are_those_of_the_names() {
    let (x, y) = images(Kind::Noise, [1, 1, 12, 14]);
    let (x, y) = (to_f64(&x), to_f64(&y));
    let plain = Oracle::new(1, 1, 12, 14);
    let ssim = plain.value(&x, &y)[0];
    for (output, want) in [(Output::ONE_MINUS_SSIM, 1.0 - ssim), (Output::DSSIM, (1.0 - ssim) / 2.0)] {
        let got = Oracle { output, ..plain }.value(&x, &y)[0];
        assert!((got - want).abs() < 1e-15, "{got} {want}");
    }
}

#[test]
fn reductions_are_means_of_the_map() {
    let size @ [n, c, h, w] = [2, 3, 13, 12];
    let (x, y) = images(Kind::Photo, size);
    let (x, y) = (to_f64(&x), to_f64(&y));
    for padding in [Padding::Same, Padding::Valid] {
        let base = Oracle { padding, ..Oracle::new(n, c, h, w) };
        let map = base.map(&x, &y);
        let mean = |pixels: &[f64]| pixels.iter().sum::<f64>() / pixels.len() as f64;
        for (reduction, groups) in REDUCTIONS.into_iter().zip([1, n, n * c, map.len()]) {
            let value = Oracle { reduction, ..base }.value(&x, &y);
            let want: Vec<f64> = map.chunks_exact(map.len() / groups).map(mean).collect();
            assert_eq!(value, want, "{reduction:?}");
        }
    }
}

#[test]
fn the_range_only_scales() {
    let (x, y) = images(Kind::Noise, [1, 1, 12, 14]);
    let (x, y) = (to_f64(&x), to_f64(&y));
    let plain = Oracle::new(1, 1, 12, 14);
    let scaled = Oracle { data_range: 255.0, ..plain };
    let times = |image: &[f64]| -> Vec<f64> { image.iter().map(|v| v * 255.0).collect() };
    let (a, b) = (plain.answer(&x, &y, None), scaled.answer(&times(&x), &times(&y), None));
    assert!((a.ssim[0] - b.ssim[0]).abs() < 1e-12);
    for (a, b) in a.grad_img1.iter().zip(&b.grad_img1) {
        assert!((a / 255.0 - b).abs() < 1e-15);
    }
}

#[test]
fn nan_reaches_what_sees_it_and_no_more() {
    let mut x = vec![0.5; 30 * 40];
    x[7 * 40 + 20] = f64::NAN;
    let oracle = Oracle { reduction: Reduction::Map, ..Oracle::new(1, 1, 30, 40) };
    let answer = oracle.answer(&x, &vec![0.25; 30 * 40], None);
    for row in 0usize..30 {
        for column in 0usize..40 {
            let reach = row.abs_diff(7).max(column.abs_diff(20));
            assert_eq!(answer.ssim[row * 40 + column].is_nan(), reach <= 5, "map {row} {column}");
            assert_eq!(answer.grad_img1[row * 40 + column].is_nan(), reach <= 10, "gradient {row} {column}");
        }
    }
}

#[test]
fn error_measures_do_not_swallow_nan() {
    assert_eq!(relative_error(&[1.0, f32::NAN], &[1.0, 2.0]), f64::INFINITY);
    assert_eq!(relative_error(&[1.0], &[f64::NAN]), f64::INFINITY);
    assert_eq!(relative_error(&[1.0], &[0.0]), f64::INFINITY);
    assert_eq!(relative_error(&[0.0], &[0.0]), 0.0);
    assert_eq!(relative_error(&[3.0, 5.0], &[3.0, 4.0]), 0.2);
    assert_eq!(absolute_error(&[f32::NAN, 1.0], &[1.0, 1.0]), f64::INFINITY);
    assert_eq!(absolute_error(&[1.0, 1.5], &[1.0, 1.0]), 0.5);
    let mut random = Random::new(1);
    assert!((0..1000).map(|_| random.unit()).all(|value| (0.0..1.0).contains(&value)));
}

/// Weights of 0 to 1, one in five of them 0.
fn weights(count: usize) -> Vec<f64> {
    (0..count).map(|i| if i % 5 == 2 { 0.0 } else { (i * 7 % 11 + 1) as f64 / 11.0 }).collect()
}

const MASK_MODES: [MaskMode; 3] = [MaskMode::WeightedMean, MaskMode::MultiplyInputs, MaskMode::Normalized];

#[test]
fn masks_have_the_gradient_of_finite_differences() {
    let size @ [n, c, h, w] = [1, 2, 12, 13];
    let (x, y) = images(Kind::Noise, size);
    let (x, y, mask) = (to_f64(&x), to_f64(&y), weights(n * c * h * w));
    for mode in MASK_MODES {
        for reduction in [Reduction::Mean, Reduction::PerChannel, Reduction::Map] {
            for padding in [Padding::Same, Padding::Valid] {
                let oracle = Oracle { reduction, padding, ..Oracle::new(n, c, h, w) };
                let upstream = to_f64(&upstream(oracle.values()));
                let masked = |x: &[f64], y: &[f64]| oracle.answer_masked(x, y, &mask, mode, Some(&upstream));
                let loss = |x: &[f64], y: &[f64]| -> f64 {
                    masked(x, y).ssim.iter().zip(&upstream).map(|(value, factor)| value * factor).sum()
                };
                let answer = masked(&x, &y);
                let label = format!("{mode:?} {reduction:?} {padding:?}");
                check_differences(&x, &y, [&answer.grad_img1, &answer.grad_img2], loss, &label);
            }
        }
    }
}

#[test]
fn losses_have_the_gradient_of_finite_differences() {
    let size @ [n, c, h, w] = [1, 2, 12, 13];
    let (x, y) = images(Kind::Noise, size);
    let (x, y, mask) = (to_f64(&x), to_f64(&y), weights(n * c * h * w));
    let masks = MASK_MODES.iter().map(|&mode| Some((&mask[..], mode))).chain([None]);
    for (mask, pixel) in masks.flat_map(|mask| [PixelLoss::L1, PixelLoss::L2].map(|pixel| (mask, pixel))) {
        for reduction in [Reduction::Mean, Reduction::PerChannel] {
            let oracle = Oracle { reduction, output: Output::ONE_MINUS_SSIM, ..Oracle::new(n, c, h, w) };
            let losses = |x: &[f64], y: &[f64]| oracle.loss(x, y, mask, pixel, 0.2);
            let answer = losses(&x, &y);
            let loss = |x: &[f64], y: &[f64]| -> f64 { losses(x, y).loss.iter().sum() };
            let label = format!("{:?} {pixel:?} {reduction:?}", mask.map(|(_, mode)| mode));
            check_differences(&x, &y, [&answer.grad_img1, &answer.grad_img2], loss, &label);
        }
    }
}
