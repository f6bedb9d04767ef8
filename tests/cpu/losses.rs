//! The training loss against the oracle's.

use fused_ssim::{Dtype, Layout, Loss, Options, Output, PixelLoss, Problem, Reduction};

use crate::dtypes::Placed;
use crate::harness::{GRADIENT_TOLERANCE, OUTPUTS, PADDINGS, VALUE_TOLERANCE, nan, oracle_for, problem};
use crate::support::oracle;
use crate::support::{KINDS, Kind, SIZES, Size, absolute_error, images, relative_error, to_f64};

const REDUCTIONS: [Reduction; 3] = [Reduction::Mean, Reduction::PerImage, Reduction::PerChannel];
const PIXELS: [PixelLoss; 2] = [PixelLoss::L1, PixelLoss::L2];

fn run(problem: &Problem, x: &[f32], y: &[f32], terms: Loss, wanted: [bool; 2]) -> (Vec<f32>, [Option<Vec<f32>>; 2]) {
    let mut values = nan(3 * problem.values());
    let extents = [problem.grad_img1.extent, problem.grad_img2.extent];
    let mut grads = [0, 1].map(|i| wanted[i].then(|| nan(extents[i])));
    let [first, second] = &mut grads;
    fused_ssim::loss(problem, x, y, terms, &mut values, first.as_deref_mut(), second.as_deref_mut()).expect("a loss");
    (values, grads)
}

fn check(size: Size, options: &Options, terms: Loss, x: &[f32], y: &[f32], label: &str) {
    let problem = problem(size, options);
    let pixel = match terms.pixel {
        PixelLoss::L1 => oracle::PixelLoss::L1,
        PixelLoss::L2 => oracle::PixelLoss::L2,
    };
    // Without a form of its own the dissimilarity is 1 - SSIM.
    let output = if options.output == Output::Ssim { Output::OneMinusSsim } else { options.output };
    let oracle = oracle_for(size, &Options { output, ..options.clone() });
    let want = oracle.loss(&to_f64(x), &to_f64(y), None, pixel, terms.lambda);
    for wanted in [[false, false], [true, false], [false, true], [true, true]] {
        let label = format!("{label} {size:?} {terms:?} {:?} {:?} {wanted:?}", options.padding, options.reduction);
        let (values, grads) = run(&problem, x, y, terms, wanted);
        let all: Vec<f64> = [&want.loss, &want.pixel, &want.dissimilarity].into_iter().flatten().copied().collect();
        // Pixel losses are in the unit of the pixels.
        let scale = options.data_range.max(1.0).powi(if terms.pixel == PixelLoss::L2 { 2 } else { 1 });
        let error = absolute_error(&values, &all);
        assert!(error <= VALUE_TOLERANCE * scale, "{label}: value is off by {error:.2e}");
        for (got, want) in grads.iter().zip([&want.grad_img1, &want.grad_img2]) {
            let Some(got) = got else { continue };
            let largest = want.iter().fold(0.0f64, |largest, g| largest.max(g.abs())) * got.len() as f64;
            if largest < 1e-9 {
                assert!(got.iter().all(|g| g.abs() < 1e-9), "{label}: a gradient of nothing");
                continue;
            }
            let error = relative_error(got, want);
            assert!(error <= GRADIENT_TOLERANCE, "{label}: gradient is off by {error:.2e}");
        }
    }
}

#[test]
fn of_every_kind_reduction_and_form() {
    for size in [[1, 1, 64, 90], [2, 3, 41, 18]] {
        for &kind in KINDS {
            let (x, y) = images(kind, size);
            for pixel in PIXELS {
                for padding in PADDINGS {
                    for reduction in REDUCTIONS {
                        let terms = Loss { pixel, lambda: 0.2 };
                        let options = Options { padding, reduction, ..Options::default() };
                        check(size, &options, terms, &x, &y, &format!("{kind:?}"));
                    }
                }
            }
        }
    }
}

#[test]
fn at_every_size() {
    for &(size, why) in SIZES {
        let (x, y) = images(Kind::Noise, size);
        check(size, &Options::default(), Loss { pixel: PixelLoss::L1, lambda: 0.2 }, &x, &y, why);
    }
}

#[test]
fn over_several_strips_and_chunks() {
    for (size, padding) in [([1, 2, 330, 530], PADDINGS[0]), ([1, 1, 281, 600], PADDINGS[1])] {
        let (x, y) = images(Kind::Photo, size);
        for pixel in PIXELS {
            let options = Options { padding, reduction: Reduction::PerChannel, ..Options::default() };
            check(size, &options, Loss { pixel, lambda: 0.2 }, &x, &y, "large");
        }
    }
}

#[test]
fn of_every_dtype_layout_and_scale() {
    let size = [2, 3, 35, 50];
    let (x, y) = images(Kind::Photo, size);
    let images = [x, y];
    for (dtypes, layouts, scales) in [
        ([Dtype::U8, Dtype::U8], ["interleaved", "interleaved"], [1.0 / 255.0; 2]),
        ([Dtype::F32, Dtype::U8], ["interleaved", "dense"], [1.0, 1.0 / 255.0]),
        ([Dtype::F16, Dtype::F16], ["cropped", "dense"], [1.0; 2]),
        ([Dtype::Bf16, Dtype::F32], ["dense", "cropped"], [0.5, 0.25]),
        ([Dtype::F32, Dtype::F32], ["cropped", "interleaved"], [-1.0, -1.0]),
        ([Dtype::F32, Dtype::F32], ["interleaved", "interleaved"], [0.5, 0.25]),
    ] {
        let [first, second] = [0, 1].map(|i| Placed::image(size, dtypes[i], layouts[i], &images[i]));
        let scaled =
            |placed: &Placed, scale: f64| -> Vec<f64> { placed.dense(size).iter().map(|e| scale * e).collect() };
        let (x, y) = (scaled(&first, scales[0]), scaled(&second, scales[1]));
        for (pixel, of_oracle) in PIXELS.into_iter().zip([oracle::PixelLoss::L1, oracle::PixelLoss::L2]) {
            for wanted in [[true, false], [false, true], [true, true]] {
                let mut gradients = [0, 1].map(|i| Placed::new(size, Dtype::F32, layouts[i]));
                let options = Options {
                    img1: first.layout.with_scale(scales[0]),
                    img2: second.layout.with_scale(scales[1]),
                    grad_img1: gradients[0].layout,
                    grad_img2: gradients[1].layout,
                    output: Output::OneMinusSsim,
                    ..Options::default()
                };
                let want = oracle_for(size, &options).loss(&x, &y, None, of_oracle, 0.3);
                let (terms, mut values) = (Loss { pixel, lambda: 0.3 }, nan(3));
                let [a, b] = &mut gradients;
                let (grad1, grad2) = (a.memory.pixels_mut(a.offset), b.memory.pixels_mut(b.offset));
                fused_ssim::loss_pixels(
                    &problem(size, &options),
                    first.memory.pixels(first.offset),
                    second.memory.pixels(second.offset),
                    terms,
                    values[..].as_mut().into(),
                    wanted[0].then_some(grad1),
                    wanted[1].then_some(grad2),
                )
                .expect("a loss");
                let label = format!("{dtypes:?} {layouts:?} {scales:?} {pixel:?} {wanted:?}");
                let all = [want.loss, want.pixel, want.dissimilarity].concat();
                assert!(absolute_error(&values, &all) <= VALUE_TOLERANCE, "{label}: {values:?} {all:?}");
                for (i, want) in [want.grad_img1, want.grad_img2].iter().enumerate().filter(|(i, _)| wanted[*i]) {
                    let got: Vec<f32> = gradients[i].dense(size).iter().map(|&g| g as f32).collect();
                    let want: Vec<f64> = want.iter().map(|g| g * scales[i]).collect();
                    let error = relative_error(&got, &want);
                    assert!(error <= GRADIENT_TOLERANCE, "{label}: gradient {i} is off by {error:.2e}");
                }
            }
        }
    }
}

#[test]
fn a_part_without_weight_has_no_say() {
    let size @ [_, _, _, w] = [1, 1, 40, 50];
    let (mut x, y) = images(Kind::Noise, size);
    let (row, column) = (20, 25);
    x[row * w + column] = f32::NAN;
    let problem = problem(size, &Options::default());
    for (lambda, reach) in [(0.0, 0), (0.2, 10), (1.0, 10)] {
        for pixel in PIXELS {
            let (values, grads) = run(&problem, &x, &y, Loss { pixel, lambda }, [true, true]);
            assert!(values.iter().all(|value| value.is_nan()), "{values:?}");
            for grad in grads.iter().flatten() {
                for (i, element) in grad.iter().enumerate() {
                    let distance = (i / w).abs_diff(row).max((i % w).abs_diff(column));
                    assert_eq!(element.is_nan(), distance <= reach, "{pixel:?} {lambda}: gradient {i} is {element}");
                }
            }
        }
    }
}

#[test]
fn with_other_parameters() {
    let size = [1, 2, 40, 53];
    let (x, y) = images(Kind::Noise, size);
    for lambda in [0.0, 0.5, 1.0] {
        for output in OUTPUTS {
            for window_size in [11, 7] {
                for pixel in PIXELS {
                    let options = Options { output, window_size, k2: 0.05, ..Options::default() };
                    check(size, &options, Loss { pixel, lambda }, &x, &y, &format!("{output:?} {window_size}"));
                }
            }
        }
    }
    let scaled = |image: &[f32]| -> Vec<f32> { image.iter().map(|pixel| pixel * 255.0).collect() };
    for pixel in PIXELS {
        let options = Options { data_range: 255.0, ..Options::default() };
        check(size, &options, Loss { pixel, lambda: 0.2 }, &scaled(&x), &scaled(&y), "range 255");
    }
}

#[test]
fn the_absolute_value_has_the_sign_of_the_smallest_difference() {
    // Differences far below the rounding of the pixels relative to anything else.
    let size @ [_, _, h, w] = [1, 1, 20, 35];
    let x: Vec<f32> = (0..h * w).map(|i| if i % 3 == 0 { 0.75 } else { 1e-9 * (i % 5) as f32 }).collect();
    let y: Vec<f32> = (0..h * w).map(|i| if i % 3 == 0 { 0.75 } else { 1e-9 * (i % 7) as f32 }).collect();
    let problem = problem(size, &Options::default());
    let (_, grads) = run(&problem, &x, &y, Loss { pixel: PixelLoss::L1, lambda: 0.0 }, [true, true]);
    let [Some(first), Some(second)] = grads else { panic!("both were asked for") };
    for i in 0..h * w {
        let sign = (f64::from(x[i]) - f64::from(y[i])).partial_cmp(&0.0).expect("a number") as i32;
        let want = (f64::from(sign) / (h * w) as f64) as f32;
        assert_eq!((first[i], second[i]), (want, -want), "pixel {i}");
    }
    check(size, &Options::default(), Loss { pixel: PixelLoss::L1, lambda: 0.2 }, &x, &y, "smallest differences");
}

#[test]
fn of_other_dtypes_is_that_of_the_same_numbers() {
    let size = [1, 3, 24, 31];
    let bytes = |seed: u64| -> Vec<u8> {
        let mut random = crate::support::Random::new(seed);
        (0..3 * 24 * 31).map(|_| (random.unit() * 255.0) as u8).collect()
    };
    let (x, y) = (bytes(1), bytes(2));
    let wide = |image: &[u8]| -> Vec<f64> { image.iter().map(|&pixel| f64::from(pixel)).collect() };
    let terms = Loss { pixel: PixelLoss::L1, lambda: 0.2 };
    for window_size in [11, 7] {
        let base = Options { window_size, output: Output::OneMinusSsim, data_range: 255.0, ..Options::default() };
        let want = oracle_for(size, &base).loss(&wide(&x), &wide(&y), None, oracle::PixelLoss::L1, terms.lambda);
        let all = [want.loss.clone(), want.pixel, want.dissimilarity].concat();

        // Bytes beside doubles would be refused, so each pair is of one kind.
        let options = Options {
            img1: Layout::DENSE.with_dtype(Dtype::U8),
            img2: Layout::DENSE.with_dtype(Dtype::U8),
            ..base.clone()
        };
        let (mut values, mut grad) = (nan(3), nan(x.len()));
        let problem = problem(size, &options);
        let (a, b, out) = (x[..].into(), y[..].into(), values[..].as_mut().into());
        fused_ssim::loss_pixels(&problem, a, b, terms, out, Some(grad[..].as_mut().into()), None).expect("a loss");
        assert!(absolute_error(&values, &all) <= 255.0 * VALUE_TOLERANCE, "{values:?} {all:?}");
        assert!(relative_error(&grad, &want.grad_img1) <= GRADIENT_TOLERANCE);

        let double = Layout::DENSE.with_dtype(Dtype::F64);
        let options = Options { img1: double, img2: double, grad_img1: double, grad_img2: double, ..base };
        let problem = crate::harness::problem(size, &options);
        let (mut values, mut grad) = (vec![f64::NAN; 3], vec![f64::NAN; x.len()]);
        let (a, b) = (wide(&x), wide(&y));
        let (a, b, out) = (a[..].into(), b[..].into(), values[..].as_mut().into());
        fused_ssim::loss_pixels(&problem, a, b, terms, out, None, Some(grad[..].as_mut().into())).expect("a loss");
        for (got, want) in values.iter().zip(&all).chain(grad.iter().zip(&want.grad_img2)) {
            assert!((got - want).abs() <= 1e-12 * want.abs().max(1e-3), "{got} {want}");
        }
    }
}

#[test]
fn the_same_bits_with_any_number_of_threads() {
    let size = [1, 2, 300, 400];
    let (x, y) = images(Kind::Photo, size);
    let problem = problem(size, &Options::default());
    let terms = Loss { pixel: PixelLoss::L1, lambda: 0.2 };
    let results: Vec<_> = [1, 2, 5]
        .into_iter()
        .map(|threads| {
            fused_ssim::set_num_threads(threads);
            run(&problem, &x, &y, terms, [true, true])
        })
        .collect();
    fused_ssim::set_num_threads(0);
    assert!(results.iter().all(|result| *result == results[0]));
}

#[test]
fn what_cannot_be_is_refused() {
    let problem = problem([1, 1, 8, 8], &Options { reduction: Reduction::Map, ..Options::default() });
    let mut values = nan(3 * 64);
    let image = [0.5; 64];
    let terms = Loss { pixel: PixelLoss::L1, lambda: 0.2 };
    let error = fused_ssim::loss(&problem, &image, &image, terms, &mut values, None, None).expect_err("a map");
    assert!(error.to_string().contains("FSSIM_REDUCTION_MAP"), "{error}");
    for lambda in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
        let problem = crate::harness::problem([1, 1, 8, 8], &Options::default());
        let terms = Loss { lambda, ..terms };
        let error = fused_ssim::loss(&problem, &image, &image, terms, &mut values[..3], None, None);
        assert!(error.expect_err("lambda").to_string().contains("lambda is"));
    }
    assert!(values.iter().all(|value| value.is_nan()));
}
